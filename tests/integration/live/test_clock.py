"""The clock of Redis's host is set back: as much is left of everything as before, and nothing stands still for it."""

from __future__ import annotations

import pytest
from redis import Redis

from lq.live import keys
from lq.live.errors import Alive
from lq.live.redis import Live
from lq.live.values import AgentHold, AgentOp, Holds, Reserved
from tests.integration.live.center import Clock, contact, sign_in

LQ1, LQ2 = "lq1-aaaaaaaa", "lq2-bbbbbbbb"
HOURS = 8 * 3_600_000


async def state(live: Live, agent: str = "1001") -> str:
    await live.tick()
    return (await live.agent_state(agent)).state


async def offered(live: Live, id: str = "c1", lease_ms: int = 20_000) -> int:
    await contact(live, id)
    given = await live.ask(id, "r", {"sales": 0}, lease_ms=lease_ms)
    assert isinstance(given, Reserved) and given.agent == "1001"
    return given.reservation


async def released(live: Live, fence: int, outcome: str, wrap_up_ms: int = 0) -> None:
    op = AgentOp("1001", fence, "release", outcome, wrap_up_ms=wrap_up_ms)
    await live.commit("c1", node=LQ1, epoch=1, snapshot=None, agents=[op])


async def test_a_little_is_waited_for(live: Live, clock: Clock) -> None:
    before = (await live.renew("lq", LQ1)).now
    for _ in range(2):
        clock.pass_ms(-1_000)
        assert (await live.renew("lq", LQ1)).now == before
    clock.pass_ms(-1)
    assert (await live.renew("lq", LQ1)).now == clock(), "many little steps are a big one"


async def test_wrap_up_ends_in_its_time(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    fence = await offered(live)
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", agents=[AgentOp("1001", fence, "talking")])
    await released(live, fence, "answered", 30_000)
    clock.pass_ms(10_000)
    assert await state(live) == "wrap_up"
    clock.pass_ms(-HOURS)
    assert await state(live) == "wrap_up"
    assert (await live.agent_state("1001")).since == clock() - 10_000
    clock.pass_ms(19_999)
    assert await state(live) == "wrap_up"
    clock.pass_ms(1)
    assert await state(live) == "ready"


async def test_who_was_busy_comes_back(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    await released(live, await offered(live), "busy")
    clock.pass_ms(-HOURS)
    assert await state(live) == "busy_other"
    clock.pass_ms(5_000)
    assert await state(live) == "ready"


async def test_a_reservation_is_neither_lost_nor_kept(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    fence = await offered(live)
    clock.pass_ms(-HOURS)
    again = await live.ask("c1", "r", {"sales": 0}, lease_ms=20_000)
    assert isinstance(again, Reserved) and again.reservation == fence
    clock.pass_ms(19_999)
    assert await state(live) == "reserved"
    clock.pass_ms(1)
    assert await state(live) == "ready"
    assert await offered(live, "c2") > fence


async def test_a_phone_that_is_there_stays_and_one_that_has_gone_does_not_come_back(live: Live, clock: Clock) -> None:
    await live.phone("8002", True, 10_000)
    await sign_in(live, "1001")
    await live.agent("1002", "sign_in", phone="8002")
    clock.pass_ms(10_000)
    assert await state(live, "1002") == "phone_offline"
    clock.pass_ms(-HOURS)
    await live.agent("1002", "pause")
    assert (await live.agent("1002", "ready")).state == "phone_offline"
    clock.pass_ms(3_589_999)
    assert await state(live) == "ready"
    clock.pass_ms(1)
    assert await state(live) == "phone_offline"


async def test_leases_run_out_by_the_clock_that_everybody_reads(live: Live, clock: Clock) -> None:
    """And a node that hung meanwhile is adopted."""
    await live.renew("lq", LQ1)
    await live.renew("lq", LQ2)
    await contact(live, "c1")
    clock.pass_ms(-HOURS)
    await live.renew("lq", LQ2)
    assert {lease.id: lease.expires - clock() for lease in await live.leases("lq")} == {LQ1: 2_000, LQ2: 2_000}
    with pytest.raises(Alive):
        await live.adopt(LQ2, LQ1)
    clock.pass_ms(2_000)
    await live.renew("lq", LQ2)
    assert [lease.id for lease in await live.leases("lq", lapsed=True)] == [LQ1]
    assert [one.contact for one in await live.adopt(LQ2, LQ1)] == ["c1"]


async def test_a_new_redis_is_adopted_from_after_its_time_all_the_same(
    live: Live, clock: Clock, redis_url: str
) -> None:
    await live.renew("lq", LQ2)
    await contact(live, "c1", LQ2)
    await live.leave("lq", LQ2)
    with Redis.from_url(redis_url) as plain:
        plain.hset(keys.COUNTERS, "run", "another")
    await live.tick()
    clock.pass_ms(-HOURS)
    with pytest.raises(Alive):
        await live.adopt(LQ1, LQ2)
    clock.pass_ms(4_000)
    assert [one.contact for one in await live.adopt(LQ1, LQ2)] == ["c1"]


async def test_nodes_say_again_what_they_hold_and_nothing_is_lost(live: Live, clock: Clock) -> None:
    """What they wrote of their dialogs counted by the clock of before."""
    era = (await live.renew("lq", LQ1)).era
    await sign_in(live, "1001")
    fence = await offered(live)
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", agents=[AgentOp("1001", fence, "talking")])
    clock.pass_ms(-HOURS)
    renewal = await live.renew("lq", LQ1)
    assert renewal.era > era
    hold = AgentHold("1001", "8001", fence, "talking", "sales")
    done = await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", holds=Holds([hold]))
    await live.asserted(LQ1, renewal.era)
    assert [one.ok for one in done.holds] == [True]
    assert (await live.agent_state("1001")).contact == "c1" and await live.contacts() == ["c1"]
    assert (await live.renew("lq", LQ1)).era == renewal.era


async def test_numbers_rise_though_the_clock_does_not(live: Live, clock: Clock, redis_url: str) -> None:
    await live.renew("lq", LQ1)
    await sign_in(live, "1001")
    fences = []
    for n in range(4):
        fences.append(await offered(live, f"c{n}"))
        await live.commit(f"c{n}", node=LQ1, epoch=1, snapshot=None)
        with Redis.from_url(redis_url, decode_responses=True) as plain:
            if n == 1:
                clock.pass_ms(-HOURS)
                await live.tick()
                kept = plain.hgetall(keys.COUNTERS)
            if n == 2:  # the last second is lost: time has not yet made up for it
                plain.hset(keys.COUNTERS, mapping={**kept, "run": "another"})
        await live.tick()
        clock.pass_ms(3_000)
        await live.tick()
    assert fences == sorted(set(fences))
    seqs = [event.seq for event in await live.events() if event.subject == "agent:1001"]
    assert seqs == sorted(set(seqs)) and len(seqs) > 8
