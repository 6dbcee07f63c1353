"""The phone refers to whatever can be dialled: a queue, a flow, a number outside; and to what cannot be had.

However it goes, the phone hears so (RFC 3515 §2.4.5), and the customer ends somewhere defined.
"""

from __future__ import annotations

import pytest

from lq.sdk import ApiError, ListEntry
from tests.center import Center
from tests.scenarios.conftest import new_number
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, FLOW_ASKS, HAS_AGENT, MOBILE, MOBILE_NUMBER, Stage, stage
from tests.scenarios.test_gate import configured
from tests.simulator.gateway import Ring
from tests.simulator.matrix import MUSIC

__all__ = ["stage"]

OUT_IS_RARER = pytest.mark.parametrize("direction", ["in", pytest.param("out", marks=pytest.mark.slow)])
TALKING = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}}
WAITS_TO_HEAR = {CUSTOMER: {MUSIC}, AGENT: set[str]()}
RINGS_S = 40.0  # a phone that nobody lifts: 30
ABROAD = "0012125550100"  # further than the stage's phones may call


@OUT_IS_RARER
async def test_to_a_queue(stage: Stage, direction: str) -> None:
    """Whoever the customer is, and whoever had called him: he waits there as anybody."""
    await stage.opens(direction, recorded=True)
    own, customer = stage.cast[AGENT], stage.cast[CUSTOMER]
    since = customer.heard_s
    assert await own.refer(stage.number) == 202
    assert await own.referred() == 200
    await stage.ends(AGENT)
    await stage.is_queued(2 if direction == "in" else 1)
    await customer.hears(stage.prompt("queue_welcome"), since=since)
    await stage.answers(AGENT, 15)
    await stage.hears(TALKING)
    cdr = await stage.closes(recorded=[(CUSTOMER, AGENT)] * 2, talked=[{CUSTOMER, AGENT}] * 2)
    assert (cdr.result, cdr.ended_by, cdr.agent, cdr.queue) == ("answered", "caller", stage.id(AGENT), stage.queue)


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["in", "out"])
async def test_to_a_flow(stage: Stage, direction: str) -> None:
    await stage.opens(direction, recorded=True)
    own, customer = stage.cast[AGENT], stage.cast[CUSTOMER]
    since = customer.heard_s
    assert await own.refer(stage.flow_number) == 202
    assert await own.referred() == 200
    await stage.ends(AGENT)
    await stage.tells("contact_ivr_entered", flow=f"stage{stage.n}")
    await customer.hears(stage.prompt(FLOW_ASKS), since=since)
    customer.send_digits(HAS_AGENT)
    await stage.answers(AGENT, 15)
    await stage.hears(TALKING)
    cdr = await stage.closes(recorded=[(CUSTOMER, AGENT)] * 2, talked=[{CUSTOMER, AGENT}] * 2)
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "caller", stage.id(AGENT))


@pytest.mark.slow
async def test_a_flow_that_ends_the_call_of_who_was_answered(stage: Stage) -> None:
    """He has talked with an agent: that is what became of his call."""
    await stage.opens("in")
    assert await stage.cast[AGENT].refer(stage.flow_number) == 202
    await stage.ends(AGENT)
    await stage.ends(CUSTOMER, 20)  # he presses nothing
    cdr = await stage.closes()
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "system", stage.id(AGENT))


@OUT_IS_RARER
async def test_to_a_number_outside(stage: Stage, direction: str) -> None:
    network = await stage.outside()
    await stage.opens(direction, recorded=True)
    network.rule = lambda number: Ring()
    own = stage.cast[AGENT]
    assert await own.refer("9" + MOBILE_NUMBER) == 202
    called = await network.called(MOBILE_NUMBER)
    await stage.hears(WAITS_TO_HEAR)
    assert 200 not in own.told
    called.answer()
    stage.joins(MOBILE, called)
    assert await own.referred() == 200
    await stage.ends(AGENT)  # it does not hang up itself, and has three seconds to do so
    await stage.all_hear_each_other(CUSTOMER, MOBILE)
    await stage.hangs_up(MOBILE)
    await stage.ends(CUSTOMER)
    cdr = await stage.closes(
        recorded=[(CUSTOMER, AGENT), (CUSTOMER, MUSIC), (CUSTOMER, MOBILE)],
        talked=[{CUSTOMER, AGENT}, {CUSTOMER, MOBILE}],
    )
    assert (cdr.result, cdr.agent) == ("answered", stage.id(AGENT))
    assert network.spans.busy == 0


# -- what cannot be had ------------------------------------------------------------------------------------------------
@OUT_IS_RARER
async def test_the_gate_refuses_how_far_it_may_call(stage: Stage, direction: str) -> None:
    """Whether it is asked by the phone or by LQ-SDK; no channel is taken."""
    network = await stage.outside()
    await stage.opens(direction)
    before = len(network.calls)
    own = stage.cast[AGENT]
    assert await own.refer("9" + ABROAD) == 202
    assert await own.referred() == 603
    await stage.tells("contact_dial_refused", rule="permission")
    await stage.hears(TALKING)
    for verb, mode in (("transfer", "consult"), ("transfer", "blind"), ("transfer/conference", "")):
        with pytest.raises(ApiError) as refused:
            await stage.does(verb, to="9" + ABROAD, **({"mode": mode} if mode else {}))
        assert (refused.value.status, refused.value.code) == (403, "permission")
    await stage.hears(TALKING)
    assert len(network.calls) == before
    await stage.closes(talked=[{CUSTOMER, AGENT}])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["phone", "screen"])
async def test_a_number_that_is_not_to_be_called(stage: Stage, center: Center, how: str) -> None:
    """The gate has to look it up: a blind transfer is under way by then, its agent has gone, and the queue has him."""
    network, number, lq = await stage.outside(), new_number(), stage.scene.lq
    async with configured(stage.scene, center, ("lists", {"id": f"stage{stage.n}-dnc", "kind": "dnc"})):
        await lq.put_list_entries(f"stage{stage.n}-dnc", [ListEntry(number)])
        await stage.opens("in")
        if how == "phone":
            assert await stage.cast[AGENT].refer(number) == 202
            assert await stage.cast[AGENT].referred() == 603
        else:
            await stage.does("transfer", to=number, mode="blind")
            await stage.ends(AGENT)
            await stage.is_queued(2)
            await stage.answers(AGENT, 15)
        await stage.tells("contact_dial_refused", rule="dnc")
        await stage.hears(TALKING)
        await stage.closes()
        await lq.clear_list(f"stage{stage.n}-dnc")
    assert network.calls == []


@pytest.mark.parametrize(
    ("answer", "code", "outcome", "direction"),
    [
        ("is busy", 486, "busy", "out"),
        pytest.param("refuses", 603, "refused", "out", marks=pytest.mark.slow),
        pytest.param("is silent", 480, "no_answer", "in", marks=pytest.mark.slow),
        pytest.param("is silent", 480, "no_answer", "out", marks=pytest.mark.slow),
    ],
)
async def test_a_colleague_who_is_not_to_be_had(
    stage: Stage, answer: str, code: int, outcome: str, direction: str
) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens(direction, recorded=True)
    own = stage.cast[AGENT]
    assert await own.refer(stage.id(COLLEAGUE)) == 202
    ringing = await stage.phones[COLLEAGUE].rings()
    await stage.hears(WAITS_TO_HEAR)
    if answer == "is silent":
        await ringing.ended(RINGS_S)
        assert ringing.ended_by == "them"
    else:
        ringing.refuse({"is busy": 17, "refuses": 21}[answer])
    assert await own.referred() == code
    await stage.tells("contact_call_ended", outcome=outcome)
    await stage.hears(TALKING)
    talk = (CUSTOMER, AGENT)
    cdr = await stage.closes(recorded=[talk, (CUSTOMER, MUSIC), talk], talked=[{CUSTOMER, AGENT}] * 2)
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "caller", stage.id(AGENT))


@pytest.mark.slow
async def test_a_number_that_there_is_not(stage: Stage) -> None:
    await stage.opens("in")
    assert await stage.cast[AGENT].refer("*70") == 202
    assert await stage.cast[AGENT].referred() >= 400
    await stage.hears(TALKING)
    await stage.closes()
