"""Who of those who are ready is next: the five strategies, by what happened today."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from lq.live.errors import BadRequest
from lq.live.redis import Live
from lq.live.values import AgentOp, EngageOp, Reserved
from tests.integration.live.center import Clock, contact, documents, sign_in

LQ1 = "lq1-aaaaaaaa"


async def staffed(live: Live, clock: Clock, *agents: str, **queue: Any) -> None:
    """The queue as it shall be, and who is there, in this order."""
    kinds = documents()
    kinds["queues"]["sales"] |= queue
    await live.publish(await live.config_version() + 1, kinds)
    for agent in agents:
        clock.pass_ms(1_000)
        await sign_in(live, agent)


class Desk:
    """Callers, one after the other."""

    def __init__(self, live: Live, clock: Clock) -> None:
        self.live, self.clock, self.n = live, clock, 0

    async def reserves(self) -> tuple[str, Reserved]:
        self.n += 1
        id = await contact(self.live, f"c{self.n}")
        given = await self.live.ask(id, "r", {"sales": 0})
        assert isinstance(given, Reserved)
        return id, given

    async def serves(self, talk_ms: int = 1_000, wrap_up_ms: int = 0) -> str:
        """Who gets the next caller, talks with him, and is done with him."""
        id, given = await self.reserves()
        await self.commits(id, AgentOp(given.agent, given.reservation, "talking"))
        self.clock.pass_ms(talk_ms)
        release = AgentOp(given.agent, given.reservation, "release", "answered", wrap_up_ms=wrap_up_ms)
        await self.commits(id, release, over=True)
        self.clock.pass_ms(1)
        return given.agent

    async def commits(self, id: str, op: AgentOp, *, over: bool = False) -> None:
        done = await self.live.commit(id, node=LQ1, epoch=1, snapshot=None if over else "{}", agents=[op])
        assert done.agents[0].ok

    async def calls(self, agent: str, talk_ms: int) -> None:
        """He himself calls somebody."""
        self.n += 1
        id = await contact(self.live, f"c{self.n}")
        op = EngageOp(1, agent=agent, own=True)
        done = await self.live.commit(id, node=LQ1, epoch=1, snapshot="{}", engages=[op])
        await self.commits(id, AgentOp(agent, done.engaged[0].reservation, "talking"))
        self.clock.pass_ms(talk_ms)
        await self.commits(id, AgentOp(agent, done.engaged[0].reservation, "release", "answered"), over=True)
        self.clock.pass_ms(1)


@pytest.fixture
def desk(live: Live, clock: Clock) -> Desk:
    return Desk(live, clock)


async def test_longest_idle(live: Live, clock: Clock, desk: Desk) -> None:
    await staffed(live, clock, "1002", "1001", "1003", strategy="longest_idle")
    assert [await desk.serves() for _ in range(6)] == ["1002", "1001", "1003"] * 2


async def test_fewest_calls_and_among_them_the_longest_idle(live: Live, clock: Clock, desk: Desk) -> None:
    await staffed(live, clock, "1001", strategy="fewest_calls")
    assert [await desk.serves() for _ in range(2)] == ["1001", "1001"]
    await staffed(live, clock, "1002", "1003", strategy="fewest_calls")
    assert [await desk.serves() for _ in range(4)] == ["1002", "1003", "1002", "1003"], "1001 is idle longer than they"
    assert [await desk.serves() for _ in range(3)] == ["1001", "1002", "1003"]


async def test_his_calls_of_today_are_his_whatever_he_did_since(live: Live, clock: Clock, desk: Desk) -> None:
    await staffed(live, clock, "1001", strategy="fewest_calls")
    await desk.serves()
    await desk.serves(wrap_up_ms=5_000)
    clock.pass_ms(5_000)
    await live.tick()  # who comes back by a deadline
    await staffed(live, clock, "1002", strategy="fewest_calls")
    assert await desk.serves() == "1002"
    await live.agent("1001", "sign_out")
    await live.agent("1002", "sign_out")
    await staffed(live, clock, "1001", "1002", strategy="fewest_calls")
    assert await desk.serves() == "1002", "one against two"


async def test_a_call_that_he_makes_himself_or_does_not_get_is_none(live: Live, clock: Clock, desk: Desk) -> None:
    await staffed(live, clock, "1001", strategy="fewest_calls")
    await desk.calls("1001", 60_000)
    id, given = await desk.reserves()
    await desk.commits(id, AgentOp("1001", given.reservation, "ringing"))
    await desk.commits(id, AgentOp("1001", given.reservation, "release", "caller_gone"), over=True)
    await staffed(live, clock, "1002", strategy="fewest_calls")
    assert await desk.serves() == "1001", "none, as the other, and idle longer"
    assert await desk.serves() == "1002"


async def test_least_talk_whoever_began_it(live: Live, clock: Clock, desk: Desk) -> None:
    await staffed(live, clock, "1001", "1002", "1003", strategy="least_talk")
    assert [await desk.serves(60_000), await desk.serves(30_000), await desk.serves(10_000)] == ["1001", "1002", "1003"]
    assert await desk.serves(10_000) == "1003"
    assert await desk.serves(40_000) == "1003", "20 s against 30 and 60"
    assert await desk.serves(15_000) == "1002"
    await desk.calls("1002", 20_000)
    assert await desk.serves() == "1001", "60, 65 and 60 s: idle longest"


async def test_in_the_order_of_the_queue_however_long_they_are_idle(live: Live, clock: Clock, desk: Desk) -> None:
    await staffed(live, clock, "1001", "1002", "1003", strategy="in_order", agent_order=["1003", "1001"])
    assert [await desk.serves() for _ in range(3)] == ["1003"] * 3
    assert [(await desk.reserves())[1].agent for _ in range(3)] == ["1003", "1001", "1002"]


async def test_without_an_order_it_is_that_of_their_numbers(live: Live, clock: Clock, desk: Desk) -> None:
    await staffed(live, clock, "1003", "1002", "1001", strategy="in_order")
    assert [await desk.serves() for _ in range(3)] == ["1001"] * 3
    assert [(await desk.reserves())[1].agent for _ in range(3)] == ["1001", "1002", "1003"]


async def test_at_random_everybody_gets_his_part_and_nobody_can_foretell_it(
    live: Live, clock: Clock, desk: Desk
) -> None:
    await staffed(live, clock, "1001", "1002", "1003", strategy="random")
    served = [await desk.serves() for _ in range(150)]
    assert min(Counter(served).values()) > 30
    repeats = sum(one == following for one, following in pairwise(served))
    assert 25 < repeats < 75, "a third of them"


async def test_a_new_day_begins_with_nothing_for_everybody(live: Live, clock: Clock, desk: Desk) -> None:
    await live.renew("lq", LQ1, day=clock() - 3_600_000)
    await staffed(live, clock, "1001", strategy="fewest_calls")
    for _ in range(2):
        await desk.serves()
    await staffed(live, clock, "1002", strategy="fewest_calls")
    await live.renew("lq", LQ1, day=clock() + 60_000)
    await live.renew("lq", LQ1, day=clock() - 7_200_000)
    assert await desk.serves() == "1002", "no day that is still to come, nor one that is over"
    clock.pass_ms(60_000)
    await live.renew("lq", LQ1, day=clock() - 1)
    assert await desk.serves() == "1001", "also for who stood in line already: none, as the other, and idle longer"
    assert await desk.serves() == "1002"


async def test_of_a_talk_over_midnight_today_has_its_part(live: Live, clock: Clock, desk: Desk) -> None:
    await staffed(live, clock, "1001", strategy="least_talk")
    id, given = await desk.reserves()
    await desk.commits(id, AgentOp("1001", given.reservation, "talking"))
    clock.pass_ms(100_000)
    await live.renew("lq", LQ1, day=clock())
    clock.pass_ms(20_000)
    await desk.commits(id, AgentOp("1001", given.reservation, "release", "answered"), over=True)
    await staffed(live, clock, "1002", strategy="least_talk")
    assert [await desk.serves(35_000), await desk.serves(15_000)] == ["1002", "1001"]
    assert await desk.serves() == "1002", "35 s, and neither 35 nor 135 of the other: each three steps of ten seconds"


async def test_who_was_signed_in_by_an_older_node_has_a_number_for_a_key(live: Live, clock: Clock, desk: Desk) -> None:
    await staffed(live, clock, "1002", strategy="in_order", agent_order=["1002"])
    await live.phone("8001", True, 3_600_000)
    await live.agent("1001", "sign_in", phone="8001", lanes={"sales": 0})
    assert [(await desk.reserves())[1].agent for _ in range(2)] == ["1002", "1001"]


async def test_a_key_of_no_strategy_changes_nothing(live: Live) -> None:
    for key in ("astrology", "place:", "place:x"):
        with pytest.raises(BadRequest):
            await live.agent("1001", "sign_in", phone="8001", lanes={"sales": key})
    assert (await live.agent_state("1001")).state == "signed_out"
