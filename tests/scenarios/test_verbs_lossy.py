"""Calls through a network that loses answers: a lost 200, one that comes after our CANCEL. Judged by ear, by the books
and by what is left behind."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.scenarios.house import House, house
from tests.scenarios.outcomes import (
    HANDED_ON,
    HELD,
    OVER,
    SETTLES_S,
    TALK,
    closed,
    comes_to,
)
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, Stage
from tests.simulator.call import Call
from tests.simulator.hole import Hole

__all__ = ["house"]
pytestmark = [pytest.mark.kills, pytest.mark.slow]

RINGS_S: Final = 20.0
LATE_S: Final = 20.0  # a phone says its 200 again after 4 s at most


def loses(stage: Stage, role: str, starts: str, method: str, first: int = 0) -> Hole:
    line = stage.scene.gateway if role == CUSTOMER else stage.phones[role].line
    line.wire.loses = hole = Hole(starts, method, first)
    return hole


async def judge(house: House, agent: str = "", result: str = "answered", by: str = "caller") -> None:
    done = await closed(house)
    assert (done.result, done.ended_by) == (result, by)
    assert done.agent == (house.stage.id(agent) if agent else None)


# -- a 200 is lost -----------------------------------------------------------------------------------------------------
async def test_an_answer_that_is_lost_twice_is_heard_the_third_time(house: House) -> None:
    """The agent's, and ours to the customer."""
    stage = house.stage
    await stage.comes(AGENT)
    holes = loses(stage, CUSTOMER, "SIP/2.0 200", "INVITE", 2), loses(stage, AGENT, "SIP/2.0 200", "INVITE", 2)
    await stage.calls_in()
    await stage.answers(AGENT, RINGS_S)
    await comes_to(stage, TALK)
    assert [len(hole.fell) for hole in holes] == [2, 2]
    await judge(house, AGENT)


@pytest.mark.parametrize("who", [CUSTOMER, AGENT])
async def test_the_answer_to_a_hang_up_is_lost(house: House, who: str) -> None:
    """Ours to who hangs up, and the other's to us."""
    stage = house.stage
    await stage.opens("in")
    holes = [loses(stage, role, "SIP/2.0 200", "BYE", 2) for role in (CUSTOMER, AGENT)]
    await stage.hangs_up(who)
    await comes_to(stage, OVER)
    for hole in holes:
        await hole.swallows(2)
    await judge(house, AGENT, by="caller" if who == CUSTOMER else "agent")


async def test_the_answer_to_a_hold_is_lost(house: House) -> None:
    """It is said again: held once, and taken back."""
    stage = house.stage
    await stage.opens("in")
    hole = loses(stage, AGENT, "SIP/2.0 200", "INVITE", 1)
    await stage.cast[AGENT].reoffer("sendonly", SETTLES_S)
    assert len(hole.fell) == 1
    await stage.hears(HELD, SETTLES_S)
    await stage.cast[AGENT].reoffer("sendrecv", SETTLES_S)
    await comes_to(stage, TALK)
    await judge(house, AGENT)
    assert len(stage.scene.events.of(stage.contact, "contact_held")) == 1


async def test_the_answer_to_a_refer_is_lost(house: House) -> None:
    """The phone says it again: one transfer."""
    stage = house.stage
    await stage.comes(COLLEAGUE)
    await stage.opens("in")
    hole = loses(stage, AGENT, "SIP/2.0 202", "REFER", 2)
    assert await stage.cast[AGENT].refer(stage.id(COLLEAGUE), within_s=SETTLES_S) == 202
    assert len(hole.fell) == 2
    await house.answers(COLLEAGUE, RINGS_S)
    await stage.told(AGENT, 200)
    await comes_to(stage, HANDED_ON)
    await judge(house, COLLEAGUE)
    assert len(stage.phones[COLLEAGUE].calls) == 1


# -- a 200 comes when nobody wants it any more -------------------------------------------------------------------------
async def answers_late(stage: Stage, role: str) -> tuple[Call, Hole]:
    """He has answered, and nobody hears of it before the hole is mended."""
    call = await stage.phones[role].rings(RINGS_S)
    hole = loses(stage, role, "SIP/2.0 200", "INVITE")
    call.answer()
    await hole.swallows()
    return call, hole


async def is_ended_in_order(call: Call, hole: Hole) -> None:
    """ACK and BYE for him who has answered (RFC 3261 §9.1, §13.2.2.4)."""
    assert call.is_up
    hole.mend()
    await call.ended(LATE_S)
    assert call.ended_by == "them"
    async with asyncio.timeout(LATE_S):
        while "confirmed" not in call.times:  # noqa: ASYNC110 - the BYE may overtake its ACK on the wire
            await asyncio.sleep(0.05)


async def test_a_late_200_after_the_caller_has_hung_up(house: House) -> None:
    stage = house.stage
    await stage.comes(AGENT)
    await stage.calls_in()
    late = await answers_late(stage, AGENT)
    await stage.hangs_up(CUSTOMER)
    await stage.tells("contact_ended")
    await is_ended_in_order(*late)
    await comes_to(stage, OVER)
    await judge(house, result="abandoned")


async def test_a_late_200_after_a_consultation_was_cancelled(house: House) -> None:
    stage = house.stage
    await stage.comes(COLLEAGUE)
    await stage.opens("in")
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    late = await answers_late(stage, COLLEAGUE)
    await stage.does("transfer/cancel")
    await stage.hears(TALK, SETTLES_S)
    await is_ended_in_order(*late)
    await comes_to(stage, TALK)
    await judge(house, AGENT)


async def test_a_late_200_when_a_colleague_has_picked_up(house: House) -> None:
    stage = house.stage
    await stage.comes(AGENT, COLLEAGUE)
    await stage.calls_in()
    late = await answers_late(stage, AGENT)
    await stage.does("pick-up", by=COLLEAGUE)
    await house.answers(COLLEAGUE, RINGS_S)
    await is_ended_in_order(*late)
    await comes_to(stage, HANDED_ON)
    await judge(house, COLLEAGUE)


async def test_a_late_200_is_nobodys_when_he_was_called_again(house: House) -> None:
    """It rang in vain: the offer has run out, the phone rings anew, and then the first call's 200 comes."""
    stage = house.stage
    await stage.comes(AGENT)
    await stage.calls_in()
    late = await answers_late(stage, AGENT)
    await stage.phones[AGENT].rings(RINGS_S)
    await is_ended_in_order(*late)
    await house.answers(AGENT, RINGS_S)
    await comes_to(stage, TALK)
    await judge(house, AGENT)
