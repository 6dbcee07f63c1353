"""Transfer by the phone alone: REFER, and REFER with Replaces after a call of its own (RFC 3515, 3891)."""

from __future__ import annotations

import pytest

from tests.scenarios.ladders import ELSEWHERE
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, Stage, stage
from tests.simulator.matrix import MUSIC

__all__ = ["stage"]

OUT_IS_RARER = pytest.mark.parametrize("direction", ["in", pytest.param("out", marks=pytest.mark.slow)])


@OUT_IS_RARER
async def test_refer(stage: Stage, direction: str) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens(direction, recorded=True)
    assert await stage.cast[AGENT].refer(stage.id(COLLEAGUE)) == 202
    call = await stage.phones[COLLEAGUE].rings()
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: set()})
    assert 200 not in stage.cast[AGENT].told
    call.answer()
    stage.joins(COLLEAGUE, call)
    await stage.tells("contact_transferred")
    await stage.told(AGENT, 200)
    await stage.hangs_up(AGENT)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    cdr = await stage.closes(
        recorded=[(CUSTOMER, AGENT), (CUSTOMER, MUSIC), (CUSTOMER, COLLEAGUE)],
        talked=[{CUSTOMER, AGENT}, {CUSTOMER, COLLEAGUE}],
    )
    assert cdr.agent == stage.id(COLLEAGUE)


async def test_a_refer_that_fails_leaves_them_talking(stage: Stage) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens("in")
    assert await stage.cast[AGENT].refer(stage.id(COLLEAGUE)) == 202
    (await stage.phones[COLLEAGUE].rings()).refuse(17)
    await stage.told(AGENT, 486)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    await stage.closes()


@pytest.mark.parametrize("direction", ["in", "out"])
async def test_refer_with_replaces(stage: Stage, direction: str) -> None:
    """Two contacts: the events of each tell its part, and the wire agrees with both."""
    await stage.comes(COLLEAGUE)
    await stage.opens(direction, recorded=True)
    await stage.cast[AGENT].reoffer("sendonly")
    await stage.hears({CUSTOMER: {MUSIC}, AGENT: set()})
    second = await stage.phones[AGENT].dial(stage.id(COLLEAGUE))
    other = (await stage.scene.events.first("contact_started", called_raw=stage.id(COLLEAGUE))).subject
    await stage.answers(COLLEAGUE)
    await second.answered()
    assert await stage.cast[AGENT].refer(stage.id(COLLEAGUE), second) == 202
    await stage.told(AGENT, 200)
    await stage.hangs_up(AGENT)
    await second.hang_up()
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    await stage.closes(
        recorded=[(CUSTOMER, AGENT), (CUSTOMER, MUSIC), (CUSTOMER, COLLEAGUE)],
        talked=[{CUSTOMER, AGENT}, {CUSTOMER, ELSEWHERE}],
    )
    assert (await stage.scene.cdr(other)).recording_id is None
    await stage.agrees(other, [{AGENT, COLLEAGUE}, {ELSEWHERE, COLLEAGUE}])
