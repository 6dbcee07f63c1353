"""Consult, complete, cancel, conference, blind transfer: who hears whom at each step, and where the customer ends."""

from __future__ import annotations

import asyncio

import pytest

from lq.live.redis import Live
from lq.sdk import ApiError
from ops.instance import instance
from ops.services import redis_url
from tests.center import Center
from tests.scenarios.conftest import SendOn, phone_of
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, MOBILE, THIRD, TONES, Stage, stage
from tests.simulator.call import Call
from tests.simulator.gateway import Answer, Ring
from tests.simulator.matrix import ANYTHING, MUSIC, Names

__all__ = ["stage"]

TALKING = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}}
BOTH_WAYS = pytest.mark.parametrize("direction", ["in", "out"])
OUT_IS_RARER = pytest.mark.parametrize("direction", ["in", pytest.param("out", marks=pytest.mark.slow)])
RINGING: dict[str, Names] = {CUSTOMER: {MUSIC}, AGENT: ANYTHING}  # the ring tone
RINGS_S = 40.0  # a phone that nobody lifts: 30


async def consults(stage: Stage, direction: str = "in", *, recorded: bool = False) -> None:
    """The customer waits, agent and colleague talk."""
    await stage.comes(COLLEAGUE)
    await stage.opens(direction, recorded=recorded)
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    await stage.answers(COLLEAGUE)
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: {COLLEAGUE}, COLLEAGUE: {AGENT}})


@BOTH_WAYS
async def test_a_consultation_is_completed(stage: Stage, direction: str) -> None:
    await consults(stage, direction, recorded=True)
    await stage.does("transfer/complete")
    await stage.ends(AGENT)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    cdr = await stage.closes(
        recorded=[(CUSTOMER, AGENT), (CUSTOMER, MUSIC), (CUSTOMER, COLLEAGUE)],
        talked=[{CUSTOMER, AGENT}, {AGENT, COLLEAGUE}, {CUSTOMER, COLLEAGUE}],
    )
    assert (cdr.result, cdr.agent) == ("answered", stage.id(COLLEAGUE))
    told = await stage.tells("contact_transferred", mode="consult")
    assert told.data["from_agent"] == stage.id(AGENT)


@OUT_IS_RARER
@pytest.mark.slow
async def test_a_consultation_is_taken_back_and_everybody_joins_the_next(stage: Stage, direction: str) -> None:
    await consults(stage, direction, recorded=True)
    await stage.does("transfer/cancel")
    await stage.ends(COLLEAGUE)
    await stage.hears(TALKING)
    await stage.is_ready_again(COLLEAGUE)
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    await stage.answers(COLLEAGUE)
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: {COLLEAGUE}, COLLEAGUE: {AGENT}})
    await stage.does("transfer/conference")
    await stage.all_hear_each_other(CUSTOMER, AGENT, COLLEAGUE)
    await stage.hangs_up(AGENT)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    await stage.hangs_up(COLLEAGUE)
    await stage.ends(CUSTOMER)
    cdr = await stage.closes(
        recorded=[
            *((CUSTOMER, AGENT), (CUSTOMER, MUSIC), (CUSTOMER, AGENT), (CUSTOMER, MUSIC)),
            *((CUSTOMER, {AGENT, COLLEAGUE}), (CUSTOMER, COLLEAGUE)),
        ],
        talked=[
            *({CUSTOMER, AGENT}, {AGENT, COLLEAGUE}, {CUSTOMER, AGENT}, {AGENT, COLLEAGUE}),
            *({CUSTOMER, AGENT, COLLEAGUE}, {CUSTOMER, COLLEAGUE}),
        ],
    )
    assert cdr.ended_by == "agent"


async def test_a_colleague_leaves_a_conference_while_the_agent_consults(stage: Stage) -> None:
    """The customer waits for the agent, who has him still."""
    await stage.comes(COLLEAGUE, THIRD)
    await stage.opens("in")
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    await stage.answers(COLLEAGUE)
    await stage.does("transfer/conference")
    await stage.all_hear_each_other(CUSTOMER, AGENT, COLLEAGUE)
    await stage.does("transfer", to=THIRD, mode="consult")
    await stage.answers(THIRD)
    aside = {AGENT: {THIRD}, THIRD: {AGENT}}
    await stage.hears({CUSTOMER: {COLLEAGUE}, COLLEAGUE: {CUSTOMER}, **aside})
    await stage.hangs_up(COLLEAGUE)
    await stage.hears({CUSTOMER: {MUSIC}, **aside})
    await stage.does("transfer/complete")
    await stage.ends(AGENT)
    await stage.all_hear_each_other(CUSTOMER, THIRD)
    cdr = await stage.closes()
    assert (cdr.result, cdr.agent) == ("answered", stage.id(THIRD))


@OUT_IS_RARER
async def test_blind_to_a_colleague(stage: Stage, direction: str) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens(direction, recorded=True)
    await stage.does("transfer", to=COLLEAGUE, mode="blind")
    await stage.ends(AGENT)
    await stage.hears({CUSTOMER: {MUSIC}})
    await stage.answers(COLLEAGUE)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    cdr = await stage.closes(
        by=COLLEAGUE,
        recorded=[(CUSTOMER, AGENT), (CUSTOMER, MUSIC), (CUSTOMER, COLLEAGUE)],
        talked=[{CUSTOMER, AGENT}, {CUSTOMER, COLLEAGUE}],
    )
    assert (cdr.agent, cdr.ended_by) == (stage.id(COLLEAGUE), "agent")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param("refuses", "refused", marks=pytest.mark.slow),
        *(("is busy", "busy"), ("is away", "unreachable")),
        pytest.param("is silent", "no_answer", marks=pytest.mark.slow),
    ],
)
async def test_whom_he_consults_is_not_to_be_had(stage: Stage, answer: str, outcome: str) -> None:
    await stage.opens("in")
    if answer != "is away":
        await stage.comes(COLLEAGUE)
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    if answer != "is away":
        await is_not_had(stage, answer, await stage.phones[COLLEAGUE].rings(), RINGING)
    await stage.tells("contact_call_ended", outcome=outcome)
    await stage.hears(TALKING)
    await stage.closes()


async def is_not_had(stage: Stage, answer: str, call: Call, meanwhile: dict[str, Names]) -> None:
    """The colleague's phone refuses, is busy, or rings to its end."""
    if answer == "is silent":
        await stage.hears(meanwhile)
        await call.ended(RINGS_S)
        assert call.ended_by == "them"
    else:
        call.refuse({"refuses": 21, "is busy": 17}[answer])


@pytest.mark.slow
async def test_whom_he_consults_hangs_up_midway(stage: Stage) -> None:
    await consults(stage)
    await stage.hangs_up(COLLEAGUE)
    await stage.hears(TALKING)
    await stage.closes()


async def test_the_agent_hangs_up_while_it_rings(stage: Stage) -> None:
    """He has sent the customer on."""
    await stage.comes(COLLEAGUE)
    await stage.opens("in")
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    call = await stage.phones[COLLEAGUE].rings()
    await stage.hears(RINGING)
    await stage.hangs_up(AGENT)
    await stage.hears({CUSTOMER: {MUSIC}})
    call.answer()
    stage.joins(COLLEAGUE, call)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    await stage.closes()


@pytest.mark.slow
async def test_the_customer_hangs_up_while_he_waits(stage: Stage) -> None:
    await consults(stage)
    await stage.hangs_up(CUSTOMER)
    cdr = await stage.closes()
    assert cdr.ended_by == "caller"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param("refuses", "refused", marks=pytest.mark.slow),
        ("is busy", "busy"),
        pytest.param("is silent", "no_answer", marks=pytest.mark.slow),
    ],
)
async def test_nobody_takes_what_was_sent_blind_so_the_queue_has_it_back(
    stage: Stage, answer: str, outcome: str
) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens("in")
    await stage.does("transfer", to=COLLEAGUE, mode="blind")
    await stage.ends(AGENT)
    await is_not_had(stage, answer, await stage.phones[COLLEAGUE].rings(), {CUSTOMER: {MUSIC}})
    await stage.tells("contact_call_ended", outcome=outcome)
    await stage.is_queued(2)
    await stage.answers(AGENT, 15)
    await stage.hears(TALKING)
    await stage.closes()


@pytest.mark.slow
async def test_who_is_sent_on_to_a_number_outside_hears_its_network(stage: Stage) -> None:
    """Before the answer, in place of music."""
    network = await stage.outside()
    network.rule = lambda number: Ring()
    await stage.opens("in")
    await stage.does("transfer", to=MOBILE, mode="blind")
    await stage.ends(AGENT)
    called = await network.called()
    await stage.hears({CUSTOMER: {MUSIC}})
    stage.joins(MOBILE, called).ring(early_media=True)
    await stage.hears({CUSTOMER: {MOBILE}})
    called.answer()
    await stage.all_hear_each_other(CUSTOMER, MOBILE)
    await stage.closes()
    assert network.spans.busy == 0


async def test_a_mobile_is_consulted_and_has_the_customer(stage: Stage) -> None:
    network = await stage.outside()
    await stage.opens("in")
    await stage.does("transfer", to=MOBILE, mode="consult")
    stage.joins(MOBILE, await (await network.called()).answered())
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: {MOBILE}, MOBILE: {AGENT}})
    await stage.does("transfer/complete")
    await stage.ends(AGENT)
    await stage.all_hear_each_other(CUSTOMER, MOBILE)
    await stage.hangs_up(MOBILE)
    await stage.ends(CUSTOMER)
    await stage.closes()
    assert network.spans.busy == 0


async def test_what_a_network_says_before_the_answer_hears_who_consults(stage: Stage) -> None:
    network = await stage.outside()
    network.rule = lambda number: Answer(60.0, early_media=True)  # answered by us
    await stage.opens("in")
    await stage.does("transfer", to=MOBILE, mode="consult")
    call = stage.joins(MOBILE, await network.called())
    await stage.tells("leg_ringing", early_media=True)
    await stage.cast[AGENT].hears(TONES[MOBILE])
    call.answer()
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: {MOBILE}, MOBILE: {AGENT}})
    await stage.closes()


async def test_a_consultation_follows_the_forwarding_of_the_phone(stage: Stage, sends_on: SendOn) -> None:
    await stage.comes(COLLEAGUE, THIRD)
    phone = phone_of(stage.id(COLLEAGUE))
    await sends_on(phone, busy=phone_of(stage.id(THIRD)))
    await stage.opens("in")
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    (await stage.phones[COLLEAGUE].rings()).refuse(17)
    await stage.answers(THIRD)
    await stage.tells("contact_forwarded", phone=phone, why="busy")
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: {THIRD}, THIRD: {AGENT}})
    await stage.closes()


async def test_blind_to_an_access_number_which_is_a_queue(stage: Stage) -> None:
    """His own: he has it again after his wrap-up."""
    await stage.opens("in", recorded=True)
    await stage.does("transfer", to=stage.number, mode="blind")
    await stage.ends(AGENT)
    await stage.is_queued(2)
    await stage.answers(AGENT, 15)
    await stage.hears(TALKING)
    await stage.closes(recorded=[(CUSTOMER, AGENT)] * 2, talked=[{CUSTOMER, AGENT}] * 2)


async def test_whoever_is_signed_in_at_an_extension_is_called_there_as_an_agent(stage: Stage) -> None:
    """A phone refers to the number of another phone: its agent rings, has the customer, and tidies up afterwards."""
    colleague = stage.id(COLLEAGUE)
    await stage.comes(COLLEAGUE)
    await stage.opens("in", recorded=True)
    assert await stage.cast[AGENT].refer(phone_of(colleague)) == 202
    ringing = await stage.phones[COLLEAGUE].rings()
    await stage.scene.state(colleague, "ringing")
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: set()})
    ringing.answer()
    stage.joins(COLLEAGUE, ringing)
    assert await stage.cast[AGENT].referred() == 200
    await stage.ends(AGENT)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    agent = await stage.scene.lq.agent(colleague)
    assert (agent.state, agent.contact) == ("talking", stage.contact)
    await stage.does("hold", by=COLLEAGUE)
    await stage.hears({CUSTOMER: {MUSIC}, COLLEAGUE: set()})
    await stage.does("resume", by=COLLEAGUE)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    has_him = (CUSTOMER, COLLEAGUE)
    cdr = await stage.closes(recorded=[(CUSTOMER, AGENT), (CUSTOMER, MUSIC), has_him, (CUSTOMER, MUSIC), has_him])
    assert cdr.agent == colleague
    await stage.is_ready_again(COLLEAGUE)
    told = stage.scene.events.of(f"agent:{colleague}", "agent_state_changed")
    states = [event.data["state"] for event in told]
    assert states[-5:] == ["reserved", "ringing", "talking", "wrap_up", "ready"], states


@pytest.mark.slow
async def test_two_phones_refer_at_the_same_time(stage: Stage) -> None:
    """Of two agents in a conference: one transfer is carried out, the other is refused and its agent stays."""
    await consults(stage)
    await stage.comes(THIRD)
    await stage.does("transfer/conference")
    await stage.all_hear_each_other(CUSTOMER, AGENT, COLLEAGUE)
    to = phone_of(stage.id(THIRD))
    assert await asyncio.gather(*(stage.cast[role].refer(to) for role in (AGENT, COLLEAGUE))) == [202, 202]
    await stage.answers(THIRD)
    said = {role: await stage.cast[role].referred() for role in (AGENT, COLLEAGUE)}
    assert sorted(said.values()) == [200, 603], said
    gone, stays = sorted(said, key=said.__getitem__)
    await stage.ends(gone)
    await stage.all_hear_each_other(CUSTOMER, stays, THIRD)
    await stage.hangs_up(stays)
    await stage.closes()


@pytest.mark.slow
async def test_a_command_that_is_sent_once_more_changes_nothing(stage: Stage, center: Center) -> None:
    """Its answer was lost, so it comes again under its id, though something else has been done since."""
    await stage.opens("in")
    live = Live(redis_url(instance(center.home, {"LCALL_PORT_BASE": str(center.port_base)}), "api"), timeout_s=5)
    await live.start()
    stage.exchange.push_async_callback(live.close)
    held = await live.command(stage.contact, "hold", {"agent": stage.id(AGENT)}, 5, "lost")
    assert held["status"] == 200
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: set()})
    await stage.does("resume")
    await stage.hears(TALKING)
    again = await live.command(stage.contact, "hold", {"agent": stage.id(AGENT)}, 5, "lost")
    assert again["status"] == 200
    refused = [await live.command(stage.contact, "transfer", {"agent": "none"}, 5, "no") for _ in range(2)]
    assert [(one["status"], one["error"]["code"]) for one in refused] == [(409, "not_in_contact")] * 2
    await stage.hears(TALKING)
    await stage.closes()


@pytest.mark.slow
async def test_wrong_targets_change_nothing(stage: Stage) -> None:
    await stage.opens("in")
    for to, mode, status in ((AGENT, "blind", 422), ("queue:nowhere", "blind", 422), ("queue:sales", "consult", 422)):
        with pytest.raises(ApiError) as told:
            await stage.does("transfer", to=to, mode=mode)
        assert told.value.status == status
    await stage.hears(TALKING)
    await stage.closes()
