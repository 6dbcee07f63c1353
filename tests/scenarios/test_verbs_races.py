"""Races of people on the real system: a hang-up against every step of a consultation and of a blind transfer, double
clicks of every verb, two who want the same. Whoever is quicker, everybody ends somewhere defined.

Judged by ear on every leg, by the books, and by what is left behind: nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pytest

from lq.api.commands import COMMANDS
from lq.sdk import ApiError
from tests.scenarios.conftest import phone_of
from tests.scenarios.house import House, house
from tests.scenarios.outcomes import (
    AMONG_THEM,
    CONSULTS,
    HANDED_ON,
    HELD,
    LISTENED,
    MUTED,
    OVER,
    SETTLES_S,
    TALK,
    WAITS,
    Matrix,
    at_once,
    closed,
    comes_to,
    refusals,
    together,
)
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER, THIRD, Stage
from tests.simulator.call import Call

__all__ = ["house"]
pytestmark = [pytest.mark.kills, pytest.mark.slow]

RINGS_S: Final = 20.0
REJECTED: Final = 21  # Q.850


async def hangs_up_while_called(stage: Stage, moment: str, who: str, ringing: Call) -> None:
    """While the colleague's phone rings, or just as he answers."""
    if moment == "answers":
        ringing.answer()
        stage.joins(COLLEAGUE, ringing)
        if who == COLLEAGUE:
            await ringing.confirmed()  # before the ACK he may not (RFC 3261 §15)
    if who == COLLEAGUE and moment != "answers":
        ringing.refuse(REJECTED)
    else:
        await stage.hangs_up(who)


async def judge(house: House, came_to: Matrix, *agents: str, who: str = CUSTOMER) -> None:
    """The books. `who` has hung up; of those who are left the customer does. `agents`: who may have had him last."""
    done = await closed(house)
    by_customer = CUSTOMER in came_to or (came_to == OVER and who == CUSTOMER)
    assert (done.result, done.ended_by) == ("answered", "caller" if by_customer else "agent")
    assert done.agent in {house.stage.id(role) for role in agents or holders(came_to)}


def holders(came_to: Matrix) -> list[str]:
    """Who has the customer; where he is gone, either may have had him."""
    return [role for role in came_to if role != CUSTOMER] if CUSTOMER in came_to else [AGENT, COLLEAGUE]


# -- hang-up against every step of a consultation ----------------------------------------------------------------------
MOMENTS: Final = ("called", "rings", "answers", "consults", "complete", "cancel", "conference", "confers")
VERBS: Final = ("complete", "cancel", "conference")  # … which the hang-up meets
ENDS: Final[dict[tuple[str, str], tuple[Matrix, ...]]] = {  # (moment, who hangs up) -> where it may end
    **{(moment, CUSTOMER): (OVER,) for moment in MOMENTS},
    **{(moment, AGENT): (HANDED_ON,) for moment in MOMENTS},
    **{(moment, COLLEAGUE): (TALK,) for moment in MOMENTS},
    ("conference", CUSTOMER): (OVER, AMONG_THEM),  # if he was in it before, the two who made it remain
    ("confers", CUSTOMER): (AMONG_THEM,),
    ("cancel", AGENT): (OVER, HANDED_ON),  # he had the customer again, or he had handed him on
    ("complete", COLLEAGUE): (OVER, TALK),
}


async def consults_until(stage: Stage, moment: str) -> Call | None:
    """What rings at the colleague's phone, while it does."""
    await stage.comes(COLLEAGUE)
    await stage.opens("in")
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    if moment == "called":
        return None
    call = await stage.phones[COLLEAGUE].rings()
    if moment in ("rings", "answers"):
        return call
    call.answer()
    stage.joins(COLLEAGUE, call)
    await stage.hears(CONSULTS, SETTLES_S)
    if moment == "confers":
        await stage.does("transfer/conference")
        await stage.hears(together(CUSTOMER, AGENT, COLLEAGUE), SETTLES_S)
    return None


@pytest.mark.parametrize("who", [CUSTOMER, AGENT, COLLEAGUE])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_hang_up_against_every_step_of_a_consultation(house: House, moment: str, who: str) -> None:
    stage = house.stage
    ringing = await consults_until(stage, moment)
    if ringing is None and who == COLLEAGUE and moment == "called":
        ringing = await stage.phones[COLLEAGUE].rings()
    if ringing is not None:
        await hangs_up_while_called(stage, moment, who, ringing)
    else:
        verb = [stage.does(f"transfer/{moment}")] if moment in VERBS else []
        await at_once(stage.hangs_up(who), *verb)
    if who == AGENT and COLLEAGUE not in stage.cast:  # he has sent the customer on
        await comes_to(stage, WAITS)
        await house.answers(COLLEAGUE, RINGS_S)
    came_to = await comes_to(stage, *ENDS[moment, who])
    # whoever is left with the customer has had him last; one who has left himself is his who had him then
    await judge(house, came_to, *((AGENT,) if came_to == AMONG_THEM else ()), who=who)


# -- … and of a blind transfer -----------------------------------------------------------------------------------------
BLIND: Final[dict[tuple[str, str, str], tuple[Matrix, ...]]] = {  # (how, moment, who hangs up) -> what comes next
    **{(how, moment, CUSTOMER): (OVER,) for how in ("screen", "phone") for moment in ("sent", "rings", "answers")},
    **{(how, "sent", AGENT): (OVER, WAITS) for how in ("screen", "phone")},  # he was quicker, or he has sent him on
    **{(how, "answers", COLLEAGUE): (OVER,) for how in ("screen", "phone")},
    ("screen", "rings", COLLEAGUE): (WAITS,),  # in his queue, at its head
    ("phone", "rings", COLLEAGUE): (TALK,),  # his phone has waited to hear how it goes
    ("phone", "rings", AGENT): (WAITS,),
    ("phone", "answers", AGENT): (HANDED_ON,),
}


def sends_blindly(stage: Stage, how: str) -> Awaitable[object]:
    if how == "screen":
        return stage.does("transfer", to=COLLEAGUE, mode="blind")
    return stage.cast[AGENT].refer(stage.id(COLLEAGUE), within_s=SETTLES_S)


@pytest.mark.parametrize(("how", "moment", "who"), BLIND)
async def test_hang_up_against_every_step_of_a_blind_transfer(house: House, how: str, moment: str, who: str) -> None:
    stage = house.stage
    await stage.comes(COLLEAGUE)
    await stage.opens("in")
    if moment == "sent":
        await at_once(sends_blindly(stage, how), stage.hangs_up(who))
    else:
        await sends_blindly(stage, how)
        if how == "screen":
            await stage.ends(AGENT, SETTLES_S)
        await hangs_up_while_called(stage, moment, who, await stage.phones[COLLEAGUE].rings())
    came_to = await comes_to(stage, *BLIND[how, moment, who])
    if how == "phone" and (moment, who) == ("rings", COLLEAGUE):
        await stage.told(AGENT, 603)
    if came_to == WAITS:
        taker = AGENT if who == COLLEAGUE else COLLEAGUE
        await house.answers(taker, RINGS_S)
        came_to = await comes_to(stage, together(CUSTOMER, taker))
    await judge(house, came_to, who=who)


# -- double click ------------------------------------------------------------------------------------------------------
async def talking(house: House) -> None:
    await house.stage.comes(COLLEAGUE, LEADER)
    await house.stage.opens("in")


async def recorded(house: House) -> None:
    await house.stage.opens("in", recorded=True)


async def consulting(house: House) -> None:
    await consults_until(house.stage, "consults")


async def listened(house: House) -> None:
    await talking(house)
    await house.stage.does("monitor", by=LEADER, mode="listen")
    await house.stage.answers(LEADER)
    await house.stage.hears(LISTENED, SETTLES_S)


async def rings(house: House) -> None:
    await house.stage.comes(AGENT, COLLEAGUE)
    await house.stage.calls_in()
    await house.stage.phones[AGENT].rings(RINGS_S)


def after(verb: str) -> Callable[[House], Awaitable[None]]:
    """They talk, and this was done."""

    async def begins(house: House) -> None:
        await talking(house)
        await house.stage.does(verb)

    return begins


@dataclass(frozen=True)
class Click:
    begins: Callable[[House], Awaitable[None]]
    verb: str
    outcome: Matrix
    told: str  # the event of the contact that tells of it …
    times: int = 1  # … so often, with those of before
    by: str = AGENT
    body: Mapping[str, str] = field(default_factory=dict)
    answers: str = ""  # who is called by it, once
    agent: str = AGENT  # in the books
    ended_by: str = "caller"


THREE: Final = together(CUSTOMER, AGENT, COLLEAGUE)
TWICE: Final[dict[str, Click]] = {
    "hold": Click(talking, "hold", HELD, "contact_held"),
    "resume": Click(after("hold"), "resume", TALK, "contact_resumed"),
    "mute": Click(talking, "mute", MUTED, "leg_muted"),
    "unmute": Click(after("mute"), "unmute", TALK, "leg_muted", 2),
    "help": Click(talking, "help", TALK, "contact_help_wanted"),
    "help/end": Click(after("help"), "help/end", TALK, "contact_help_ended"),
    "pause": Click(recorded, "recording", TALK, "contact_recording_paused", body={"action": "pause"}),
    "consult": Click(
        talking, "transfer", CONSULTS, "contact_called", body={"to": COLLEAGUE, "mode": "consult"}, answers=COLLEAGUE
    ),
    "blind": Click(
        *(talking, "transfer", HANDED_ON, "contact_transferred"),
        body={"to": COLLEAGUE, "mode": "blind"},
        answers=COLLEAGUE,
        agent=COLLEAGUE,
    ),
    "add": Click(
        *(talking, "transfer/conference", THREE, "contact_called"),
        body={"to": COLLEAGUE},
        answers=COLLEAGUE,
        ended_by="agent",  # without the customer the two who confer remain
    ),
    "complete": Click(consulting, "transfer/complete", HANDED_ON, "contact_transferred", agent=COLLEAGUE),
    "cancel": Click(consulting, "transfer/cancel", TALK, "contact_resumed"),
    "conference": Click(consulting, "transfer/conference", THREE, "contact_conferring", ended_by="agent"),
    "monitor": Click(
        talking, "monitor", LISTENED, "contact_called", by=LEADER, body={"mode": "listen"}, answers=LEADER
    ),
    "monitor/end": Click(listened, "monitor/end", TALK, "contact_monitored", 2, by=LEADER),
    "take-over": Click(
        *(listened, "monitor", together(CUSTOMER, LEADER), "contact_monitored", 2),
        by=LEADER,
        body={"mode": "take-over"},
        agent=LEADER,
    ),
    "pick-up": Click(
        rings, "pick-up", HANDED_ON, "contact_picked_up", by=COLLEAGUE, answers=COLLEAGUE, agent=COLLEAGUE
    ),
    "release": Click(talking, "release", OVER, "contact_ended", by=LEADER, ended_by="system"),
    "release to the queue": Click(
        talking, "release", TALK, "contact_queued", 2, by=LEADER, body={"to": "queue"}, answers=AGENT
    ),
    "hang-up": Click(talking, "hang-up", OVER, "contact_ended", ended_by="agent"),
}


def test_every_verb_is_clicked_twice() -> None:
    clicked = {click.verb for click in TWICE.values()} | {
        "answer",
        "reject",
        "send-dtmf",
    }  # they have tests of their own
    assert {f"{one.path}/end" if one.method == "DELETE" else one.path for one in COMMANDS} == clicked


@pytest.mark.parametrize("name", TWICE)
async def test_a_double_click_does_it_once(house: House, name: str) -> None:
    stage, click = house.stage, TWICE[name]
    await click.begins(house)
    came = await at_once(*(stage.does(click.verb, click.by, **click.body) for _ in range(2)))
    assert len(refusals(came)) < 2, came
    if click.answers:
        await house.answers(click.answers, RINGS_S)  # one call, or he is not in it
    await comes_to(stage, click.outcome)
    done = await closed(house)
    assert (done.result, done.agent, done.ended_by) == ("answered", stage.id(click.agent), click.ended_by)
    assert len(stage.scene.events.of(stage.contact, click.told)) == click.times


async def test_a_double_click_on_answer_answers_once(house: House) -> None:
    stage = house.stage
    await stage.comes(AGENT, orders=True)
    await stage.calls_in()
    call = await stage.phones[AGENT].rings(RINGS_S)
    await stage.tells("contact_ringing")  # the phone knows it before the center does
    assert refusals(await at_once(stage.does("answer"), stage.does("answer"))) == []
    stage.joins(AGENT, await call.confirmed())
    await judge(house, await comes_to(stage, TALK))
    assert len(stage.scene.events.of(stage.contact, "contact_answered")) == 1


async def test_a_double_click_on_reject_rejects_once(house: House) -> None:
    stage = house.stage
    await rings(house)
    assert refusals(await at_once(stage.does("reject"), stage.does("reject"))) == ["not_ringing"]
    await comes_to(stage, WAITS)
    done = await closed(house)
    assert (done.result, done.ended_by) == ("abandoned", "caller")
    ended = stage.scene.events.of(stage.contact, "contact_offer_ended")
    assert [one.data["outcome"] for one in ended].count("refused") == 1


async def test_two_clicks_on_a_key_are_two_keys(house: House) -> None:
    stage = house.stage
    await stage.opens("in")
    await at_once(stage.does("send-dtmf", digits="5"), stage.does("send-dtmf", digits="5"))
    await stage.hears_keys(CUSTOMER, "55")
    await judge(house, await comes_to(stage, TALK))


# -- two at once -------------------------------------------------------------------------------------------------------
async def test_two_leaders_listen_and_take_over_at_once(house: House) -> None:
    """The first one ends the cry for help; the second take-over relieves the first."""
    stage, both = house.stage, (LEADER, THIRD)
    await stage.comes(*both)
    await stage.opens("in")
    await stage.does("help")
    assert refusals(await at_once(*(stage.does("monitor", by=role, mode="listen") for role in both))) == []
    for role in both:
        await stage.answers(role)
    await stage.hears({**LISTENED, THIRD: {CUSTOMER, AGENT}}, SETTLES_S)
    [over] = stage.scene.events.of(stage.contact, "contact_help_ended")
    assert over.data["by"] in {stage.id(role) for role in both}
    assert refusals(await at_once(*(stage.does("monitor", by=role, mode="take-over") for role in both))) == []
    await judge(house, await comes_to(stage, *(together(CUSTOMER, role) for role in both)))


async def test_of_two_leaders_who_come_to_help_at_once_one_comes(house: House) -> None:
    stage, both = house.stage, (LEADER, THIRD)
    await stage.comes(*both)
    await stage.opens("in")
    await stage.does("help")
    came = await at_once(*(stage.does("monitor", by=role, mode="listen", help=True) for role in both))
    assert refusals(came) == ["help_taken"]
    [comes] = [role for role, one in zip(both, came, strict=True) if not isinstance(one, ApiError)]
    await stage.answers(comes)
    await judge(house, await comes_to(stage, {**TALK, comes: {CUSTOMER, AGENT}}), AGENT)
    [over] = stage.scene.events.of(stage.contact, "contact_help_ended")
    assert over.data["by"] == stage.id(comes)
    assert all(not stage.phones[role].calls for role in both if role != comes)


async def test_two_colleagues_pick_up_at_once_while_the_agent_answers(house: House) -> None:
    """One of three has the customer, the phones of the others stop."""
    stage, both = house.stage, (COLLEAGUE, THIRD)
    await stage.comes(AGENT, *both)
    await stage.calls_in()
    offered = await stage.phones[AGENT].rings(RINGS_S)
    came = await at_once(*(stage.does("pick-up", by=role) for role in both))
    assert refusals(came) == ["busy"]
    [picks] = [role for role, one in zip(both, came, strict=True) if not isinstance(one, ApiError)]
    picked = await stage.phones[picks].rings()
    for role, call in ((AGENT, offered), (picks, picked)):
        call.answer()
        stage.joins(role, call)
    await judge(house, await comes_to(stage, TALK, together(CUSTOMER, picks)))


async def who_rings(stage: Stage, *roles: str) -> str:
    """The one of them who is called; he answers."""
    waited = {asyncio.ensure_future(stage.phones[role].rings(RINGS_S)): role for role in roles}
    done, waiting = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    [first] = done
    stage.joins(waited[first], first.result()).answer()
    return waited[first]


async def test_the_phone_refers_and_the_screen_transfers_at_once(house: House) -> None:
    """One of them is carried out."""
    stage, both = house.stage, (COLLEAGUE, THIRD)
    await stage.comes(*both)
    await stage.opens("in")
    phone = stage.cast[AGENT].refer(stage.id(COLLEAGUE), within_s=SETTLES_S)
    await at_once(phone, stage.does("transfer", to=THIRD, mode="blind"))
    taker = await who_rings(stage, *both)
    await judge(house, await comes_to(stage, together(CUSTOMER, taker)))
    assert sum(len(stage.phones[role].calls) for role in both) == 1


async def test_a_phone_refers_twice_at_once(house: House) -> None:
    """One is carried out, the other is told to have failed; or refused, if it was overtaken (RFC 3261 §12.2.2)."""
    stage, both = house.stage, (COLLEAGUE, THIRD)
    await stage.comes(*both)
    await stage.opens("in")
    own = stage.cast[AGENT]
    codes = sorted(await at_once(*(own.refer(stage.id(role), within_s=SETTLES_S) for role in both)))
    assert codes in ([202, 202], [202, 500])
    taker = await who_rings(stage, *both)
    came_to = await comes_to(stage, together(CUSTOMER, taker))
    assert sorted(code for code in own.told if code >= 200) == ([200, 603] if codes == [202, 202] else [200])
    await judge(house, came_to)
    assert sum(len(stage.phones[role].calls) for role in both) == 1


async def test_both_sides_refer_at_once(house: House) -> None:
    """Two colleagues talk, and each sends the other on: who is quicker leaves, the other talks with whom he named."""
    stage, sides, targets = house.stage, (AGENT, COLLEAGUE), (THIRD, LEADER)
    await stage.comes(*sides, *targets)
    own = await stage.phones[AGENT].dial(stage.id(COLLEAGUE))
    started = await stage.scene.events.first("contact_started", phone=phone_of(stage.id(AGENT)))
    stage.contact = started.subject
    await stage.answers(COLLEAGUE)
    stage.joins(AGENT, await own.answered())
    await stage.hears(AMONG_THEM, SETTLES_S)
    sent = zip(sides, targets, strict=True)
    codes = await at_once(*(stage.cast[one].refer(stage.id(to), within_s=SETTLES_S) for one, to in sent))
    assert codes == [202, 202]
    taker = await who_rings(stage, *targets)
    stays = COLLEAGUE if taker == THIRD else AGENT
    await comes_to(stage, together(stays, taker))
    [leaves] = [role for role in sides if role != stays]
    assert [stage.cast[role].told[-1] for role in (leaves, stays)] == [200, 603]
    done = await closed(house)
    assert (done.direction, done.result, done.agent) == ("internal", "answered", stage.id(taker))
    assert sum(len(stage.phones[role].calls) for role in targets) == 1
