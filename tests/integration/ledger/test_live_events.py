"""What the live state's own library writes into the stream, read by the folds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import asyncpg
import pytest

from lq.config import publish, seed
from lq.ledger.events import wrong_keys
from lq.ledger.projection import project
from lq.live.redis import Live
from lq.live.values import AgentOp, Reserved
from tests.integration.live.center import open_at_once
from tests.unit.ledger.lives import START, Life

from . import services


class Clock:
    now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
async def live(redis_server: services.Redis) -> AsyncIterator[Live]:
    found = Live(redis_server.url, clock=Clock())
    await found._redis.flushall()
    await asyncio.to_thread(open_at_once, redis_server.url)
    await found.start()
    yield found
    await found.close()


async def test_an_agents_call_from_reservation_to_the_end_of_wrap_up(live: Live, dsn: str) -> None:
    rows = await asyncpg.connect(dsn)
    clock = live._clock
    assert isinstance(clock, Clock)
    await seed.seed(rows)
    await publish.publish(rows, live)
    await live.phone("8001", True, 3_600_000)
    await live.agent("1001", "sign_in", phone="8001")
    life = Life("c1", START).start().queue()
    node = {"node": "lq1-1", "epoch": 1}
    await live.commit("c1", **node, snapshot="{}", events=life.events)
    clock.now += 1000
    given = await live.ask("c1", "r1", {"sales": START})
    assert isinstance(given, Reserved)

    async def step(ms: int, op: str, **more: object) -> None:
        clock.now += ms
        snapshot = None if op == "release" else "{}"
        operation = AgentOp("1001", given.reservation, op, **more)  # type: ignore[arg-type]
        answered = await live.commit("c1", **node, snapshot=snapshot, events=written(), agents=[operation])
        assert all(result.ok for result in answered.agents), answered

    told = len(life.events)

    def written() -> list[object]:
        nonlocal told
        new, told = life.events[told:], len(life.events)
        return new  # type: ignore[return-value]

    life.wait(1000).offer()
    await step(100, "ringing")
    life.wait(3000).answer()
    await step(3000, "talking")
    life.wait(60_000).end("answered")
    await step(60_000, "release", outcome="answered", wrap_up_ms=20_000)
    clock.now += 7_500
    await live.agent("1001", "wrap_up", code="sold", done=True)
    clock.now += 1000
    await live.agent("1001", "sign_out")

    events = await live.events()
    for event in events:
        assert wrong_keys(event) == set(), event
    async with rows.transaction():
        await project(rows, events)
    cdr = await rows.fetchrow("select talk_s, wrap_up_s, agent from cdr")
    assert cdr is not None and tuple(cdr) == (60.0, 7.5, "1001")
    day = await rows.fetch("select state, started_at, ended_at from agent_interval order by seq")
    states = [row["state"] for row in day]
    assert states == ["ready", "reserved", "ringing", "talking", "wrap_up", "ready"]
    for one, following in pairwise(day):
        assert one["ended_at"] == following["started_at"]
    assert day[-1]["ended_at"] is not None
    code = await rows.fetchval("select reason from segment where kind = 'wrap_up'")
    assert code == "sold"
    await rows.close()
