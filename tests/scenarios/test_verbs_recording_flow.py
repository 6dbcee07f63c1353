"""A flow orders the recording, by a `record` node: the customer says by a key what he wants, before any talk."""

from __future__ import annotations

import pytest

from tests.scenarios.stage import AGENT, CUSTOMER, FLOW_ASKS, RECORDS, REFUSES, Stage, stage
from tests.simulator.matrix import MUSIC, SOUND

__all__ = ["stage"]

TALK = frozenset({CUSTOMER}), frozenset({AGENT})
OURS = frozenset({MUSIC, SOUND})  # what the customer hears of the center


@pytest.mark.slow
async def test_what_is_recorded_because_he_wants_it(stage: Stage) -> None:
    """From the key on, the queue too."""
    await stage.comes(AGENT)
    customer = await stage.calls_in(stage.flow_number)
    await customer.hears(stage.prompt(FLOW_ASKS))
    assert (await stage.scene.lq.contact(stage.contact)).recordings == ()
    customer.send_digits(RECORDS)
    planned = await stage.scene.events.first("recording_planned", contact=stage.contact)
    assert "by" not in planned.data
    await stage.scene.events.first("recording_active", contact=stage.contact)
    await stage.answers(AGENT, 20)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    found = await stage.recorded(await stage.closes())
    assert found[-1] == TALK, found
    assert all(left <= {CUSTOMER} and right <= OURS for left, right in found[:-1]), found


async def test_what_is_not_recorded_because_he_refuses(stage: Stage) -> None:
    """The menu up to the key is; the talk is on no disk, and the reason is in the books."""
    await stage.comes(AGENT)
    customer = await stage.calls_in(stage.recorded_flow_number)
    await customer.hears(stage.prompt(FLOW_ASKS))
    customer.send_digits(REFUSES)
    stopped = await stage.tells("contact_recording_stopped")
    assert (stopped.data["reason"], "by" in stopped.data) == ("customer_refused", False)
    await stage.answers(AGENT, 20)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    [shown] = (await stage.scene.lq.contact(stage.contact)).recordings
    assert (shown.state, shown.reason) == ("stopped", "customer_refused")
    cdr = await stage.closes(talked=[{CUSTOMER, AGENT}])
    found = await stage.recorded(cdr)
    assert found and all(left <= {CUSTOMER} and right <= OURS for left, right in found), found
    assert (await stage.scene.lq.recording(shown.id)).reason == "customer_refused"
