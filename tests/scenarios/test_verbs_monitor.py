"""A leader listens, whispers, barges in, takes over, releases; a colleague picks up: who hears whom at each step."""

from __future__ import annotations

import asyncio

import pytest

from tests.scenarios.ladders import listens as heard_by
from tests.scenarios.ladders import whispers
from tests.scenarios.outcomes import HELD
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER, THIRD, Stage, stage
from tests.simulator.matrix import MUSIC

__all__ = ["stage"]

OUT_IS_RARER = pytest.mark.parametrize("direction", ["in", pytest.param("out", marks=pytest.mark.slow)])
LISTENED = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}, LEADER: {CUSTOMER, AGENT}}
WHISPERED = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER, LEADER}, LEADER: {CUSTOMER, AGENT}}


async def listens(stage: Stage, direction: str = "in", *, recorded: bool = False) -> None:
    await stage.comes(LEADER)
    await stage.opens(direction, recorded=recorded)
    await stage.does("monitor", by=LEADER, mode="listen")
    await stage.answers(LEADER)
    await stage.hears(LISTENED)


@OUT_IS_RARER
async def test_a_leader_listens_whispers_barges_in_and_takes_over(stage: Stage, direction: str) -> None:
    await listens(stage, direction, recorded=True)
    await stage.does("monitor", by=LEADER, mode="whisper")
    await stage.hears(WHISPERED)
    await stage.does("monitor", by=LEADER, mode="listen")
    await stage.hears(LISTENED)
    await stage.does("monitor", by=LEADER, mode="barge")
    await stage.all_hear_each_other(CUSTOMER, AGENT, LEADER)
    await stage.does("monitor", by=LEADER, mode="take-over")
    await stage.ends(AGENT)
    await stage.all_hear_each_other(CUSTOMER, LEADER)
    two = {CUSTOMER, AGENT}
    cdr = await stage.closes(
        recorded=[(CUSTOMER, AGENT), (CUSTOMER, {AGENT, LEADER}), (CUSTOMER, LEADER)],
        talked=[
            *(two, two | {heard_by(LEADER)}, two | {whispers(LEADER)}, two | {heard_by(LEADER)}),
            *(two | {LEADER}, {CUSTOMER, LEADER}),
        ],
    )
    assert (cdr.result, cdr.agent) == ("answered", stage.id(LEADER))


@pytest.mark.slow
async def test_the_monitor_ends_or_hangs_up_and_nobody_notices(stage: Stage) -> None:
    await listens(stage)
    await stage.does("monitor/end", by=LEADER)
    await stage.ends(LEADER)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    await stage.is_ready_again(LEADER)
    await stage.does("monitor", by=LEADER, mode="whisper")
    await stage.answers(LEADER)
    await stage.hears(WHISPERED)
    await stage.hangs_up(LEADER)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    await stage.closes()


async def test_hold_while_a_leader_listens(stage: Stage) -> None:
    await listens(stage)
    await stage.does("hold")
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: set(), LEADER: {AGENT}})
    await stage.does("resume")
    await stage.hears(LISTENED)
    await stage.hangs_up(CUSTOMER)
    await stage.closes()


async def test_a_leader_comes_into_a_hold_and_leaves_it_as_it_was(stage: Stage) -> None:
    await stage.comes(LEADER)
    await stage.opens("in")
    await stage.does("hold")
    await stage.hears(HELD)
    await stage.does("monitor", by=LEADER, mode="barge")
    await stage.answers(LEADER)
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: {LEADER}, LEADER: {AGENT}})
    await stage.hangs_up(LEADER)
    await stage.hears(HELD)
    await stage.does("resume")
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    cdr = await stage.closes()
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "caller", stage.id(AGENT))


@pytest.mark.slow
async def test_a_whisper_is_in_no_recording(stage: Stage) -> None:
    await stage.comes(AGENT, LEADER)
    await stage.calls_in(recorded=True)
    await stage.answers(AGENT, 25)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    await stage.does("monitor", by=LEADER, mode="whisper")
    await stage.answers(LEADER)
    await stage.hears(WHISPERED)
    await stage.does("hold")
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: {LEADER}, LEADER: {AGENT}})
    await stage.does("resume")
    await stage.hears(WHISPERED)
    await stage.does("monitor", by=LEADER, mode="barge")
    await stage.all_hear_each_other(CUSTOMER, AGENT, LEADER)
    await stage.hangs_up(CUSTOMER)
    await stage.ends(AGENT)  # with the last customer it is over for who came for him (ARCHITECTURE, decisions)
    await stage.ends(LEADER)
    await stage.closes(
        recorded=[
            (CUSTOMER, AGENT),
            (CUSTOMER, MUSIC),
            (CUSTOMER, AGENT),
            (CUSTOMER, {AGENT, LEADER}),
        ],
    )


@pytest.mark.slow
async def test_two_leaders_at_once(stage: Stage) -> None:
    """Each hears the talk; what one whispers hears the agent alone, and he still does when the other has taken over."""
    await stage.comes(LEADER, THIRD)
    await stage.opens("in")
    await asyncio.gather(*(stage.does("monitor", by=role, mode="listen") for role in (LEADER, THIRD)))
    for role in (LEADER, THIRD):
        await stage.answers(role)
    await stage.hears({**LISTENED, THIRD: {CUSTOMER, AGENT}})
    await stage.does("monitor", by=LEADER, mode="whisper")
    await stage.hears({**WHISPERED, THIRD: {CUSTOMER, AGENT}})
    await stage.does("monitor", by=THIRD, mode="take-over")
    await stage.ends(AGENT)
    await stage.hears({CUSTOMER: {THIRD}, THIRD: {CUSTOMER, LEADER}, LEADER: {CUSTOMER, THIRD}})
    await stage.closes()


async def test_a_colleague_picks_up_what_rings(stage: Stage) -> None:
    await stage.comes(AGENT)
    await stage.calls_in(recorded=True)
    ringing = await stage.phones[AGENT].rings(20)
    await stage.comes(COLLEAGUE)
    await stage.does("pick-up", by=COLLEAGUE)
    await stage.answers(COLLEAGUE)
    await ringing.ended()
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    cdr = await stage.closes(recorded=[(CUSTOMER, COLLEAGUE)], talked=[{CUSTOMER, COLLEAGUE}])
    assert (cdr.result, cdr.agent) == ("answered", stage.id(COLLEAGUE))


async def test_a_leader_releases(stage: Stage) -> None:
    await stage.opens("in")
    await stage.does("release", by=LEADER)
    await stage.ends(CUSTOMER)
    cdr = await stage.closes()
    assert (cdr.result, cdr.ended_by) == ("answered", "system")


async def test_a_leader_releases_to_the_queue(stage: Stage) -> None:
    """The recording is the same one: with a hole, in which the customer waits."""
    await stage.opens("in", recorded=True)
    await stage.does("release", by=LEADER, to="queue")
    await stage.ends(AGENT)
    await stage.is_queued(2)
    await stage.answers(AGENT, 15)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    cdr = await stage.closes(recorded=[(CUSTOMER, AGENT)] * 2, talked=[{CUSTOMER, AGENT}] * 2)
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "caller", stage.id(AGENT))
