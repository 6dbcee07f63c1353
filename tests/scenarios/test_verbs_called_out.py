"""The customer was called, and has no queue that he came from: each verb all the same, and where he ends.

Recorded on his side as one who called: left what he says, right what he hears.
"""

from __future__ import annotations

import pytest

from tests.scenarios.ladders import whispers
from tests.scenarios.stage import (
    AGENT,
    COLLEAGUE,
    CUSTOMER,
    FLOW_ASKS,
    HAS_AGENT,
    LEADER,
    MOBILE,
    THIRD,
    TONES,
    Stage,
    stage,
)
from tests.simulator.gateway import Ring
from tests.simulator.matrix import MUSIC

__all__ = ["stage"]

IN_IS_RARER = pytest.mark.parametrize("direction", [pytest.param("in", marks=pytest.mark.slow), "out"])
TALKING = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}}
TALK = (CUSTOMER, AGENT)
TWO = {CUSTOMER, AGENT}
NOT_RECORDED = THIRD, COLLEAGUE  # whose tones the agent says meanwhile; neither is there


async def says(stage: Stage, tone_of: str) -> None:
    """The agent does, and the customer hears it for a second."""
    stage.cast[AGENT].say(TONES[tone_of])
    await stage.hears({CUSTOMER: {tone_of}, AGENT: {CUSTOMER}})


@IN_IS_RARER
async def test_what_is_recorded_by_order(stage: Stage, direction: str) -> None:
    """Of the agent and of a leader, who is not in the call; what is said meanwhile stands in no recording."""
    await stage.opens(direction, recorded=True)
    orders = [
        *(("pause", AGENT, "paused", ""), ("resume", AGENT, "resumed", "")),
        *(("stop", LEADER, "stopped", "customer_refused"), ("start", LEADER, "started", "")),
    ]
    for n, (action, by, told, reason) in enumerate(orders):
        contact = await stage.does("recording", by=by, action=action, **({"reason": reason} if reason else {}))
        assert [one["state"] for one in contact["recordings"]] == [("paused", "active", "stopped", "active")[n]]
        event = await stage.tells(f"contact_recording_{told}", by=stage.id(by))
        assert event.data.get("reason", "") == reason
        if action in ("pause", "stop"):
            await says(stage, NOT_RECORDED[n // 2])
            stage.cast[AGENT].say(TONES[AGENT])
        await stage.hears(TALKING)
    cdr = await stage.closes(recorded=[TALK] * 3, talked=[TWO])
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "caller", stage.id(AGENT))


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["in", "out"])
async def test_the_customer_refuses_and_stays_unrecorded_wherever_he_is_sent(stage: Stage, direction: str) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens(direction, recorded=True)
    await stage.does("recording", by=LEADER, action="stop", reason="customer_refused")
    await stage.does("transfer", to=COLLEAGUE, mode="blind")
    await stage.ends(AGENT)
    await stage.answers(COLLEAGUE)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    [shown] = (await stage.scene.lq.contact(stage.contact)).recordings
    assert (shown.state, shown.reason) == ("stopped", "customer_refused")
    await stage.closes(recorded=[TALK], talked=[TWO, {CUSTOMER, COLLEAGUE}])
    assert (await stage.scene.lq.recording(shown.id)).reason == "customer_refused"


async def test_a_leader_comes_to_help(stage: Stage) -> None:
    await stage.comes(LEADER)
    await stage.opens("out", recorded=True)
    await stage.does("help")
    await stage.tells("contact_help_wanted", agent=stage.id(AGENT))
    await stage.does("monitor", by=LEADER, mode="whisper", help=True)
    await stage.answers(LEADER)
    await stage.tells("contact_help_ended", agent=stage.id(AGENT), by=stage.id(LEADER))
    await stage.hears({CUSTOMER: {AGENT}, AGENT: {CUSTOMER, LEADER}, LEADER: {CUSTOMER, AGENT}})
    await stage.does("monitor/end", by=LEADER)
    await stage.ends(LEADER)
    await stage.hears(TALKING)
    await stage.does("help")
    await stage.does("help/end")
    ended = await stage.tells_all("contact_help_ended", 2)
    assert [event.data.get("by") for event in ended] == [stage.id(LEADER), None]
    await stage.closes(recorded=[TALK], talked=[TWO, TWO | {whispers(LEADER)}, TWO])


@pytest.mark.parametrize("to", ["", pytest.param("queue", marks=pytest.mark.slow)])
async def test_a_leader_releases(stage: Stage, to: str) -> None:
    """He came from no queue, so there is none to go back to."""
    await stage.opens("out", recorded=True)
    await stage.does("release", by=LEADER, **({"to": to} if to else {}))
    await stage.ends(CUSTOMER)
    await stage.ends(AGENT)
    cdr = await stage.closes(recorded=[TALK], talked=[TWO])
    assert (cdr.direction, cdr.result, cdr.ended_by) == ("out", "answered", "system")


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["in", "out"])
async def test_somebody_joins_and_the_agent_leaves(stage: Stage, direction: str) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens(direction, recorded=True)
    await stage.does("transfer/conference", to=COLLEAGUE)
    await stage.answers(COLLEAGUE)
    await stage.all_hear_each_other(CUSTOMER, AGENT, COLLEAGUE)
    await stage.hangs_up(AGENT)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    cdr = await stage.closes(
        recorded=[TALK, (CUSTOMER, {AGENT, COLLEAGUE}), (CUSTOMER, COLLEAGUE)],
        talked=[TWO, TWO | {COLLEAGUE}, {CUSTOMER, COLLEAGUE}],
    )
    assert (cdr.result, cdr.agent) == ("answered", stage.id(COLLEAGUE))


@pytest.mark.slow
async def test_to_a_queue(stage: Stage) -> None:
    await stage.opens("out", recorded=True)
    await stage.does("transfer", to=f"queue:{stage.queue}", mode="blind")
    await stage.ends(AGENT)
    await stage.is_queued()
    await stage.answers(AGENT, 15)
    await stage.hears(TALKING)
    cdr = await stage.closes(recorded=[TALK] * 2, talked=[TWO] * 2)
    assert (cdr.direction, cdr.result, cdr.queue, cdr.agent) == ("out", "answered", stage.queue, stage.id(AGENT))


@pytest.mark.slow
async def test_to_a_flow(stage: Stage) -> None:
    await stage.opens("out", recorded=True)
    customer = stage.cast[CUSTOMER]
    since = customer.heard_s
    await stage.does("transfer", to=f"ivr:stage{stage.n}", mode="blind")
    await stage.ends(AGENT)
    await customer.hears(stage.prompt(FLOW_ASKS), since=since)
    customer.send_digits(HAS_AGENT)
    await stage.answers(AGENT, 15)
    await stage.hears(TALKING)
    cdr = await stage.closes(recorded=[TALK] * 2, talked=[TWO] * 2)
    assert (cdr.direction, cdr.result, cdr.agent) == ("out", "answered", stage.id(AGENT))


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["in", "out"])
async def test_to_a_number_outside(stage: Stage, direction: str) -> None:
    """Two numbers outside talk with each other; whoever of them hangs up ends it."""
    network = await stage.outside()
    await stage.opens(direction, recorded=True)
    network.rule = lambda number: Ring()
    await stage.does("transfer", to=MOBILE, mode="blind")
    await stage.ends(AGENT)
    called = await network.called()
    await stage.hears({CUSTOMER: {MUSIC}})
    called.answer()
    stage.joins(MOBILE, called)
    await stage.all_hear_each_other(CUSTOMER, MOBILE)
    await stage.hangs_up(MOBILE)
    await stage.ends(CUSTOMER)
    cdr = await stage.closes(recorded=[TALK, (CUSTOMER, MUSIC), (CUSTOMER, MOBILE)], talked=[TWO, {CUSTOMER, MOBILE}])
    assert (cdr.result, cdr.agent) == ("answered", stage.id(AGENT))
    assert network.spans.busy == 0


@pytest.mark.parametrize(("cause", "outcome"), [(17, "busy"), pytest.param(21, "refused", marks=pytest.mark.slow)])
async def test_whom_he_was_sent_to_is_not_to_be_had(stage: Stage, cause: int, outcome: str) -> None:
    """There is no queue that would have him back: he waits for the agent who has sent him."""
    await stage.comes(COLLEAGUE)
    await stage.opens("out", recorded=True)
    await stage.does("transfer", to=COLLEAGUE, mode="blind")
    await stage.ends(AGENT)
    ringing = await stage.phones[COLLEAGUE].rings()
    await stage.hears({CUSTOMER: {MUSIC}})
    ringing.refuse(cause)
    await stage.tells("contact_call_ended", outcome=outcome)
    await stage.answers(AGENT, 15)
    await stage.hears(TALKING)
    cdr = await stage.closes(recorded=[TALK, (CUSTOMER, MUSIC), TALK], talked=[TWO, TWO])
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "caller", stage.id(AGENT))


@pytest.mark.slow
@pytest.mark.parametrize(("cause", "outcome"), [(17, "busy"), (21, "refused")])
async def test_whom_he_asks_is_not_to_be_had(stage: Stage, cause: int, outcome: str) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens("out", recorded=True)
    for verb, mode in (("transfer", "consult"), ("transfer/conference", "")):
        await stage.does(verb, to=COLLEAGUE, **({"mode": mode} if mode else {}))
        (await stage.phones[COLLEAGUE].rings()).refuse(cause)
        ended = await stage.tells_all("contact_call_ended", 1 if mode else 2)
        assert ended[-1].data["outcome"] == outcome
        await stage.hears(TALKING)
        await stage.is_ready_again(COLLEAGUE)
    await stage.closes(talked=[TWO, TWO])
