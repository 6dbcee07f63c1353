"""`kill -9` of one process after another, over the call path and the business side, while sixty lines are in use.

Any one process may die without a talking call dropping, a contact lost or doubled, a recording missing, an agent stuck.
Calls that nobody has answered yet may end; how many is printed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque

import pytest

from tests.center import Center
from tests.conftest import OwnCenter
from tests.simulator.load import Load
from tests.simulator.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.kills, pytest.mark.alone]

CALL_PATH = ("kamailio", "rtpengine", "redis-rtpengine", "mixer", "lq1", "lq2", "redis")
BUSINESS = ("postgres", "api", "web", "journal", "recorder", "worker", "watch")
SECONDS = 300.0


async def kill_by_chance(center: Center, killed: Counter[str], seed: int) -> None:
    """Until cancelled: one dies, it comes back, a few seconds pass, the next one dies."""
    chance = random.Random(seed)
    lately: deque[str] = deque(maxlen=4)  # who dies again at once is started again later
    while True:
        service = chance.choice([name for name in CALL_PATH + BUSINESS if name not in lately])
        lately.append(service)
        pid = center.kill(service)
        killed[service] += 1
        await center.back(service, pid, 40)
        await asyncio.sleep(chance.uniform(2, 5))


async def test_nothing_is_lost(own_center: OwnCenter) -> None:
    center = await asyncio.to_thread(own_center)
    killed: Counter[str] = Counter()
    seed = random.randrange(10**6)
    async with Load(Place.of(center), talk_s=25, strict=False) as load:
        killer = asyncio.create_task(kill_by_chance(center, killed, seed))
        try:
            await load.run(SECONDS)
        finally:
            killer.cancel()
            outcome = (await asyncio.gather(killer, return_exceptions=True))[0]
        report = await load.judged(90)
    print(f"seed {seed}, killed {dict(killed)}: {report}")
    assert isinstance(outcome, asyncio.CancelledError), outcome
    assert report.dropped == (), report.dropped
    assert (report.contacts_lost, report.contacts_doubled) == (0, 0)
    assert (report.recordings_missing, report.agents_stuck) == ((), ())
    assert report.faults == ()
    assert report.talked > 60
