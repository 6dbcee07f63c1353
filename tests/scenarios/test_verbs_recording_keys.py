"""An agent orders at his phone, by keys in the call, what is recorded; the customer hears nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.center import Center
from tests.scenarios.conftest import is_read
from tests.scenarios.stage import AGENT, CUSTOMER, Stage, stage

__all__ = ["stage"]
pytestmark = pytest.mark.slow


@pytest.fixture
async def with_keys(stage: Stage, center: Center) -> AsyncIterator[None]:
    lq = stage.scene.lq
    before = dict((await lq.document("settings", "center")).body)
    keys = {"start": "*2", "stop": "*2", "pause": "*3", "resume": "*3"}
    await lq.put_document("settings", "center", {**before, "recording_keys": keys})
    await is_read(center, (await lq.health()).config_version or 0)
    yield
    await lq.put_document("settings", "center", before)
    await is_read(center, (await lq.health()).config_version or 0)


async def test_pause_resume_stop(stage: Stage, with_keys: None) -> None:
    await stage.opens("in", recorded=True)
    await stage.scene.events.first("recording_active", contact=stage.contact)
    own = stage.cast[AGENT]
    for keys, told in (("*3", "paused"), ("*3", "resumed"), ("*2", "stopped"), ("*2", "started")):
        own.send_digits(keys)
        event = await stage.tells(f"contact_recording_{told}")
        assert event.data["by"] == stage.id(AGENT)
    own.send_digits("5")
    await stage.hears_keys(CUSTOMER, "5")
    own.send_digits("*7")  # no order: the customer's menu may want it
    await stage.hears_keys(CUSTOMER, "5*7")
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    await stage.closes()


async def test_what_the_policy_refuses_is_told(stage: Stage, with_keys: None) -> None:
    await stage.opens("in")
    stage.cast[AGENT].send_digits("*2")
    event = await stage.tells("contact_recording_refused")
    assert (event.data["action"], event.data["reason"]) == ("start", "never_recorded")
    stage.cast[AGENT].send_digits("*")
    await stage.hears_keys(CUSTOMER, "*")
    await stage.closes()
