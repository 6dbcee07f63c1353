"""Agents taken without the ACD, on a real Redis."""

from __future__ import annotations

import pytest

from lq.live.errors import BadRequest
from lq.live.redis import Live
from lq.live.values import AgentHold, AgentOp, EngageOp, EngageResult, Holds, Waiting
from tests.integration.live.center import Clock, contact, sign_in

LQ1, LQ2 = "lq1-aaaaaaaa", "lq2-bbbbbbbb"
LEASE_MS = 30_000
OWN = EngageOp(1, phone="8001", own=True)


async def engage(live: Live, id: str, op: EngageOp) -> EngageResult:
    [result] = (await live.commit(id, node=LQ1, epoch=1, snapshot="{}", engages=[op])).engaged
    return result


async def release(live: Live, id: str, agent: str, fence: int, outcome: str, wrap_up_ms: int = 0) -> None:
    op = AgentOp(agent, fence, "release", outcome, wrap_up_ms=wrap_up_ms)
    [done] = (await live.commit(id, node=LQ1, epoch=1, snapshot="{}", agents=[op])).agents
    assert done.ok


async def talks(live: Live, id: str, agent: str, fence: int) -> bool:
    done = await live.commit(id, node=LQ1, epoch=1, snapshot="{}", agents=[AgentOp(agent, fence, "talking")])
    return done.agents[0].ok


async def state(live: Live, agent: str = "1001") -> str:
    return (await live.agent_state(agent)).state


async def test_who_dials_is_named_by_his_phone_and_gets_nobody_meanwhile(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    taken = await engage(live, "c1", OWN)
    assert (taken.ok, taken.agent, taken.phone, taken.state) == (True, "1001", "8001", "dialing")
    await contact(live, "c2")
    assert await live.ask("c2", "r", {"sales": clock()}) == Waiting(position=1, signed_in=1, ready=0)
    clock.pass_ms(3_000_000)
    await live.tick()
    assert await state(live) == "dialing", "his call ends when it ends"
    assert await talks(live, "c1", "1001", taken.reservation)
    await release(live, "c1", "1001", taken.reservation, "answered", wrap_up_ms=5_000)
    assert await state(live) == "wrap_up"
    clock.pass_ms(5_000)
    await live.tick()
    assert await state(live) == "reserved"


async def test_a_commit_repeated_takes_him_once(live: Live) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    taken = await engage(live, "c1", OWN)
    assert await engage(live, "c1", OWN) == taken
    other = await engage(live, "c1", EngageOp(2, agent="1001", own=True))
    assert (other.ok, other.state, other.reservation) == (False, "dialing", 0), "another leg of the same contact"


async def test_a_colleague_only_while_he_is_ready_and_with_a_lease(live: Live, clock: Clock) -> None:
    await sign_in(live, "1002")
    await contact(live, "c1")
    asked = EngageOp(2, agent="1002", lease_ms=LEASE_MS)
    await live.agent("1002", "pause", reason="meal")
    assert (await engage(live, "c1", asked)).state == "paused"
    await live.agent("1002", "ready")
    taken = await engage(live, "c1", asked)
    assert (taken.ok, taken.state) == (True, "reserved")
    clock.pass_ms(LEASE_MS)
    await live.tick()
    assert await state(live, "1002") == "ready"
    assert not await talks(live, "c1", "1002", taken.reservation)
    for nobody in (EngageOp(3, agent="9999", lease_ms=1), EngageOp(3, phone="8004", lease_ms=1)):
        assert (await engage(live, "c1", nobody)).state == "signed_out"


async def test_who_is_busy_is_named_with_his_phone_which_may_send_the_call_on(live: Live) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    taken = await engage(live, "c1", OWN)
    await contact(live, "c2")
    refused = await engage(live, "c2", EngageOp(1, agent="1001", lease_ms=LEASE_MS))
    assert (refused.ok, refused.state, refused.phone, refused.reservation) == (False, "dialing", taken.phone, 0)


async def test_who_was_paused_is_paused_again_for_the_same_reason(live: Live) -> None:
    await sign_in(live, "1001")
    await live.agent("1001", "pause", reason="meeting")
    await contact(live, "c1")
    taken = await engage(live, "c1", OWN)
    assert (await live.agent_state("1001")).next == "paused"
    await release(live, "c1", "1001", taken.reservation, "caller_gone")
    found = await live.agent_state("1001")
    assert (found.state, found.reason, found.next) == ("paused", "meeting", None)


async def test_the_clock_of_a_wrap_up_stands_still_while_he_dials(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    before = await engage(live, "c1", OWN)
    assert await talks(live, "c1", "1001", before.reservation)
    await release(live, "c1", "1001", before.reservation, "answered", wrap_up_ms=10_000)
    clock.pass_ms(4_000)
    await contact(live, "c2")
    taken = await engage(live, "c2", OWN)
    assert taken.state == "dialing"
    clock.pass_ms(60_000)
    await release(live, "c2", "1001", taken.reservation, "caller_gone")
    found = await live.agent_state("1001")
    assert (found.state, found.contact) == ("wrap_up", "c1")
    clock.pass_ms(5_999)
    await live.tick()
    assert await state(live) == "wrap_up"
    clock.pass_ms(1)
    await live.tick()
    assert await state(live) == "ready"


async def test_the_end_and_the_death_of_a_contact(live: Live) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    await engage(live, "c1", OWN)
    await live.renew("lq", LQ1)
    await live.leave("lq", LQ1)
    [adopted] = await live.adopt(LQ2, LQ1)
    again = await live.commit("c1", node=LQ2, epoch=adopted.epoch, snapshot="{}", engages=[OWN])
    assert again.engaged[0].ok and await state(live) == "dialing"
    await live.commit("c1", node=LQ2, epoch=adopted.epoch, snapshot=None, engages=[OWN])
    assert await state(live) == "ready"


@pytest.mark.parametrize("known", ["engaged", "asked"])
async def test_said_again_he_is_no_answer_to_a_question(live: Live, clock: Clock, known: str) -> None:
    """A contact with an engaged agent may ask the ACD for another."""
    await sign_in(live, "1001")
    await contact(live, "c1")
    hold = AgentHold(
        "1001", "8001", clock(), "reserved", "sales", LEASE_MS, "王", {"sales": 0}, engaged=known == "engaged"
    )
    done = await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", holds=Holds(agents=[hold], legs=[1]))
    assert done.holds[0].ok
    answer = await live.ask("c1", "r", {"sales": clock()})
    assert isinstance(answer, Waiting) is (known == "engaged")


async def test_who_dials_has_no_lease_after_he_was_said_again(live: Live, clock: Clock) -> None:
    await sign_in(live, "1001")
    await contact(live, "c1")
    taken = await engage(live, "c1", OWN)
    hold = AgentHold("1001", "8001", taken.reservation, "dialing", "agent:1001", 0, engaged=True)
    await live.commit("c1", node=LQ1, epoch=1, snapshot="{}", holds=Holds(agents=[hold], legs=[1]))
    clock.pass_ms(3_000_000)
    await live.tick()
    assert await state(live) == "dialing"


async def test_a_request_that_names_nobody_changes_nothing(live: Live) -> None:
    await contact(live, "c1")
    with pytest.raises(BadRequest, match="neither agent nor phone"):
        await engage(live, "c1", EngageOp(1))


async def test_what_can_be_picked_up_rings_first_then_waits(live: Live, clock: Clock) -> None:
    for agent in ("1001", "1002", "1003"):
        await sign_in(live, agent)
    for id in ("c1", "c2", "c3", "c4"):
        await contact(live, id)
    assert await live.to_pick_up(["1001"], ["sales"]) == []
    ringing = await engage(live, "c2", EngageOp(2, agent="1001", lease_ms=LEASE_MS))
    assert ringing.ok
    talking = await engage(live, "c3", EngageOp(1, agent="1002", own=True))
    assert await talks(live, "c3", "1002", talking.reservation)
    await live.agent("1003", "pause", reason="meal")
    for id in ("c4", "c1"):
        clock.pass_ms(10)
        await live.ask(id, "r", {"sales": clock()})
    assert await live.to_pick_up(["1001", "1002", "1003"], ["sales"]) == [("c2", "1001"), ("c1", ""), ("c4", "")]
    assert await live.to_pick_up(["1001"], []) == [("c2", "1001")]
    assert await live.to_pick_up([], ["support"]) == await live.to_pick_up([], []) == []
