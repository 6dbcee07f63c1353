"""Redis hung, killed, emptied, gone back in time, while calls talk and wait and a node is frozen (DESIGN §5).

What must hold whatever happens: talking goes on, nobody is called twice, no agent has two contacts and no contact two
agents, who waits keeps his place, and at the end the books are balanced and everything is free.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from redis.asyncio import Redis

from lq.ledger.events import Event
from lq.live.redis import Live
from lq.live.values import ContactState
from lq.sdk.client import Client
from ops.home import read_secrets
from tests.center import CALL_PATH, Center
from tests.conftest import OwnCenter
from tests.simulator.call import Call
from tests.simulator.gateway import Answer, Gateway
from tests.simulator.place import Place
from tests.simulator.rtp import Media
from tests.simulator.softphone import Softphone

pytestmark = pytest.mark.kills

AGENTS: Final = tuple(str(n) for n in range(1001, 1007))
IDLE: Final = {"1061": "ready", "1062": "paused"}  # of the other queue
WAITING: Final = 6
CALLER, AGENT = 440, 990  # what each side says, Hz
OUTAGE_S: Final = 10.0
ADOPTED_S: Final = 30.0
HANGS_UP_S: Final = 20.0  # his BYE may come to a node that sleeps: it is said again until the heir answers


@dataclass
class Scene:
    center: Center
    lq: Client
    live: Live
    gateway: Gateway
    phones: dict[str, Softphone]
    talking: list[Call] = field(default_factory=list)
    queued: list[Call] = field(default_factory=list)
    ended: list[Call] = field(default_factory=list)

    # -- what is so before -----------------------------------------------------------------------------------------
    async def fill(self) -> None:
        """Every agent talks, and others wait."""
        for n in range(len(AGENTS)):
            call = await self.gateway.dial(f"138001380{n:02}", "4008001001")
            await call.answered()
            call.say(CALLER, repeat=True)
            self.talking.append(call)
        for agent in AGENTS:
            phone = self.phones[agent]
            taken = await phone.rings(20)
            await taken.answered()
            taken.say(AGENT, repeat=True)
        for call in self.talking:
            await call.hears(AGENT, 10)
        for n in range(WAITING):
            call = await self.gateway.dial(f"138001390{n:02}", "4008001001")
            await call.answered()
            await self.waits(call)
            self.queued.append(call)

    async def waits(self, call: Call) -> None:
        await self.until(lambda: self.is_state(call, "queued"), 20)

    async def is_state(self, call: Call, state: str) -> bool:
        return any(contact.state == state for contact in (await self.lq.contacts(number=call.caller)).items)

    async def until(self, holds: Callable[[], Awaitable[bool]], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.05)

    # -- what is so after --------------------------------------------------------------------------------------------
    def calls_of(self, agent: str) -> list[Call]:
        return [call for call in self.phones[agent]._line.calls if call.is_up]

    def nobody_has_two(self) -> None:
        for agent in AGENTS:
            assert len(self.calls_of(agent)) <= 1, f"{agent} has two calls"

    async def all_is_well(self) -> None:
        self.nobody_has_two()
        await self.all_talk()
        await self.agents_without_a_contact_are_there()
        await self.one_after_the_other()
        await self.all_end()
        await self.books()

    async def all_talk(self) -> None:
        for call in self.talking:
            assert call.is_up, f"{call} was dropped"
            await call.hears(AGENT, 5, since=call.heard_s)
        for agent in AGENTS:
            [call] = self.calls_of(agent)
            await call.hears(CALLER, 5, since=call.heard_s)

    async def agents_without_a_contact_are_there(self) -> None:
        async def are_there() -> bool:
            return {a.id: a.state for a in await self.lq.agents() if a.id in IDLE} == IDLE

        await self.until(are_there, 10)
        assert (await self.lq.agent("1062")).reason == "meal"

    async def one_after_the_other(self) -> None:
        """Each talk ends, and whoever has waited longest is next."""
        for call, expected in zip(list(self.talking), self.queued, strict=True):
            await call.hang_up()
            await self.served(expected)
            self.nobody_has_two()
        for call in self.queued:
            assert call.is_up

    async def served(self, call: Call) -> None:
        """Whoever is in wrap-up ends it, and this caller is the next."""

        async def is_served() -> bool:
            for agent in await self.lq.agents():
                if agent.state == "wrap_up":
                    await self.lq.wrap_up(agent.id, done=True)
            return await self.is_state(call, "talking")

        await self.until(is_served, 20)

    async def all_end(self) -> None:
        for call in self.queued:
            await call.hang_up()

        async def all_is_free() -> bool:
            states = {a.id: a.state for a in await self.lq.agents() if a.id in AGENTS}
            return not await self.live.contacts() and set(states.values()) <= {"ready", "wrap_up"}

        await self.until(all_is_free, 60)
        assert await self.live.channels("gw1") == {}
        assert {agent: self.calls_of(agent) for agent in AGENTS} == {agent: [] for agent in AGENTS}

    async def books(self) -> None:
        """Every call once, each with its end; offered = answered + abandoned + overflowed + waiting (R4)."""
        calls = [*self.talking, *self.queued, *self.ended]
        total = len(calls)

        async def written() -> bool:
            return len({cdr.contact_id for cdr in (await self.lq.cdrs(limit=100)).items}) >= total

        await self.until(written, 30)
        cdrs = (await self.lq.cdrs(limit=100)).items
        assert Counter(cdr.number.removeprefix("+86") for cdr in cdrs) == Counter(call.caller for call in calls)
        assert {cdr.result for cdr in cdrs} == {"answered"}
        assert all(cdr.agent for cdr in cdrs)
        await self.until(lambda: self.counts(0, 0, total), 15)
        no_double_contact(await self.ledger())

    async def counts(self, waiting: int, talking: int, answered: int) -> bool:
        queue = await self.lq.queue("sales")
        assert not queue.abandoned and not queue.overflowed
        return (queue.waiting, queue.talking, queue.answered) == (waiting, talking, answered)

    async def ledger(self) -> list[Event]:
        found: dict[tuple[str, int], Event] = {}
        after = "0"
        while page := await self.live.events(after):
            found |= {(event.subject, event.seq): event for event in page}
            after = page[-1].id
        return list(found.values())


def no_double_contact(events: list[Event]) -> None:
    """From the ledger as it is left: at most one answer a contact, and no agent with two at a time."""
    answered = Counter(event.subject for event in events if event.type == "contact_answered")
    assert all(n == 1 for n in answered.values()), answered
    spans: dict[str, list[tuple[int, int]]] = {}
    ends = {event.subject: event.at for event in events if event.type == "contact_ended"}
    for event in events:
        if event.type == "contact_answered" and event.subject in ends:
            spans.setdefault(event.data["agent"], []).append((event.at, ends[event.subject]))
    for agent, talks in spans.items():
        talks.sort()
        assert all(one[1] <= two[0] for one, two in pairwise(talks)), (agent, talks)


@pytest.fixture
async def scene(own_center: OwnCenter) -> AsyncIterator[Scene]:
    center = await asyncio.to_thread(own_center, LCALL_ONLY=CALL_PATH)
    place = Place.of(center)
    live = Live(f"redis://ops:{read_secrets(center.home).redis['ops']}@127.0.0.1:{center.ports.redis}/0")
    async with AsyncExitStack() as stack:
        media = Media()
        stack.push_async_callback(asyncio.to_thread, media.close)
        gateway = await stack.enter_async_context(place.gateway(media=media))
        lq = await stack.enter_async_context(place.client())
        phones = {}
        for agent in (*AGENTS, *IDLE):
            ext = str(int(agent) + 7000)
            phones[agent] = await stack.enter_async_context(place.softphone(ext, media, Answer(0.1)))
            await lq.sign_in(agent, ext)
        await lq.pause("1062", "meal")
        found = Scene(center, lq, live, gateway, phones)
        await found.fill()
        yield found
        assert gateway.wire.faults == []
    await live.close()


# -- faults ------------------------------------------------------------------------------------------------------------


async def hung(scene: Scene) -> None:
    scene.center.freeze("redis")
    await asyncio.sleep(OUTAGE_S)
    scene.center.thaw("redis")


async def killed(scene: Scene) -> None:
    await scene.center.back("redis", scene.center.kill("redis"))


async def restarted(scene: Scene, change: Callable[[Path], None]) -> None:
    """Dead, and back with other data: the runner must not be quicker than we are."""
    os.kill(scene.center.runner, signal.SIGSTOP)
    pid = scene.center.kill("redis")
    await gone(pid)
    await asyncio.to_thread(change, scene.center.home.redis)
    os.kill(scene.center.runner, signal.SIGCONT)
    await scene.center.back("redis", pid)


async def gone(pid: int) -> None:
    stat = Path(f"/proc/{pid}/stat")
    with suppress(FileNotFoundError, ProcessLookupError):  # the latter: between open and read
        while stat.read_text().split()[2] != "Z":  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


async def emptied(scene: Scene) -> None:
    await restarted(scene, lambda home: shutil.rmtree(home / "appendonlydir"))


async def back_in_time(scene: Scene) -> None:
    """A master that never got the last seconds: talks began and ended, and somebody came into line meanwhile."""
    lose = await later_lost(scene)
    await one_ends_and_one_comes(scene)
    await restarted(scene, lose)


async def one_ends_and_one_comes(scene: Scene) -> None:
    """And the first in line is served meanwhile."""
    scene.ended.append(scene.talking.pop(0))
    await scene.ended[-1].hang_up(within_s=HANGS_UP_S)
    await one_further(scene)


async def later_lost(scene: Scene) -> Callable[[Path], None]:
    """What makes Redis's data those of now, whatever is written from now on."""
    home, copy = scene.center.home.redis, scene.center.path / "replica"
    await asyncio.sleep(1.5)  # appendfsync everysec
    await asyncio.to_thread(shutil.copytree, home / "appendonlydir", copy)

    def lose(home: Path) -> None:
        shutil.rmtree(home / "appendonlydir")
        shutil.copytree(copy, home / "appendonlydir")
        for file in (home / "appendonlydir").iterdir():
            shutil.chown(file, home.owner(), home.group())

    return lose


async def takes_no_writes(scene: Scene) -> None:
    """It reads, and is full: leases lapse although nobody has died. Who hangs up then is answered, through the edge."""
    url = f"redis://ops:{read_secrets(scene.center.home).redis['ops']}@127.0.0.1:{scene.center.ports.redis}/0"
    async with Redis.from_url(url) as redis:
        most = (await redis.config_get("maxmemory"))["maxmemory"]
        await redis.config_set("maxmemory", "1")
        try:
            await asyncio.sleep(OUTAGE_S)
            assert await scene.live.leases("lq") == []
            scene.ended.append(scene.talking.pop(0))
            await scene.ended[0].hang_up()
        finally:
            await redis.config_set("maxmemory", most)
    await one_further(scene)


async def one_further(scene: Scene) -> None:
    """Whoever is first in line talks, and somebody else comes into it."""
    first = scene.queued.pop(0)
    await scene.served(first)
    first.say(CALLER, repeat=True)
    phone = next(phone for phone in scene.phones.values() if any("taken" not in c.times for c in phone._line.calls))
    taken = await phone.rings()
    taken.say(AGENT, repeat=True)
    scene.talking.append(first)
    late = await scene.gateway.dial("13800139099", "4008001001")
    await late.answered()
    await scene.waits(late)
    scene.queued.append(late)


Fault = Callable[[Scene], Awaitable[None]]


async def with_a_frozen_node(scene: Scene, fault: Fault) -> None:
    """lq1 sleeps for ten seconds, beginning before the fault."""
    scene.center.freeze("lq1")
    started = time.monotonic()
    await asyncio.sleep(1)
    await fault(scene)
    await asyncio.sleep(max(0.0, OUTAGE_S - (time.monotonic() - started)))
    scene.center.thaw("lq1")


@pytest.mark.slow
@pytest.mark.parametrize("fault", [hung, killed, emptied, back_in_time, takes_no_writes])
async def test_redis_alone(scene: Scene, fault: Fault) -> None:
    await fault(scene)
    await scene.all_is_well()


async def is_adopted(scene: Scene, incarnation: str) -> None:
    """Another node has all that was its, and works with it."""

    async def has_none() -> bool:
        return all(state.owner != incarnation for state in await states_of(scene))

    await scene.until(has_none, ADOPTED_S)


async def states_of(scene: Scene) -> list[ContactState]:
    """Of all contacts that go on, as Redis has them."""
    found = [await scene.live.contact(contact) for contact in await scene.live.contacts()]
    return [state for state in found if state is not None]


async def incarnation_of(scene: Scene, node: str) -> str:
    leases = await scene.live.leases("lq")
    [found] = [lease.incarnation for lease in leases if scene.center.node_of(lease.incarnation) == node]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("fault", [hung, killed, emptied, back_in_time])
async def test_redis_and_a_frozen_node(scene: Scene, fault: Fault) -> None:
    await with_a_frozen_node(scene, fault)
    await scene.all_is_well()


@pytest.mark.slow
@pytest.mark.parametrize("thaws", ["before", "after"])
async def test_redis_forgets_that_a_frozen_node_was_adopted(scene: Scene, thaws: str) -> None:
    """By the Redis that comes back the frozen node owns its calls. Its heir, who has them, knows better, and so does
    whatever the node has become since: before the loss it left without a word, or it sleeps through it and hears."""
    lose, frozen = await later_lost(scene), await incarnation_of(scene, "lq1")
    assert [state for state in await states_of(scene) if state.owner == frozen], "lq1 has nothing that could be adopted"
    scene.center.freeze("lq1")
    pid = scene.center.pid("lq1")
    await is_adopted(scene, frozen)
    await one_ends_and_one_comes(scene)
    if thaws == "before":
        scene.center.thaw("lq1")
        await scene.center.back("lq1", pid, ADOPTED_S)
    await restarted(scene, lose)
    if thaws == "after":
        scene.center.thaw("lq1")
    await is_adopted(scene, frozen)
    await scene.all_is_well()
