"""Hold, mute and keys while two talk, whoever has called whom: who hears what, before, during and after."""

from __future__ import annotations

import pytest

from lq.sdk import ApiError
from tests.center import Center
from tests.scenarios.conftest import is_read
from tests.scenarios.stage import AGENT, CUSTOMER, Stage, stage
from tests.simulator.matrix import MUSIC

__all__ = ["stage"]

TALKING = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}}
HELD = {CUSTOMER: {MUSIC}, AGENT: frozenset[str]()}
OUT_IS_RARER = pytest.mark.parametrize("direction", ["in", pytest.param("out", marks=pytest.mark.slow)])


@pytest.mark.slow
@OUT_IS_RARER
async def test_the_agents_phone_holds(stage: Stage, direction: str) -> None:
    await stage.opens(direction)
    for way, address in (("sendonly", ""), ("inactive", ""), ("sendrecv", "0.0.0.0")):
        await stage.cast[AGENT].reoffer(way, address=address)
        await stage.hears(HELD)
        await stage.cast[AGENT].reoffer("sendrecv")
        await stage.hears(TALKING)
    cdr = await stage.closes()
    assert (cdr.result, cdr.hold_s > 3) == ("answered", True)


@OUT_IS_RARER
async def test_hold_mute_and_keys_by_command(stage: Stage, direction: str) -> None:
    await stage.opens(direction)
    await stage.does("hold")
    await stage.hears(HELD)
    assert (await stage.scene.lq.contact(stage.contact)).state == "held"
    await stage.does("resume")
    await stage.hears(TALKING)
    await stage.does("mute")
    await stage.hears({CUSTOMER: set(), AGENT: {CUSTOMER}})
    await stage.does("unmute")
    await stage.hears(TALKING)
    await stage.does("send-dtmf", digits="19#")
    await stage.hears_keys(CUSTOMER, "19#")
    await stage.hears(TALKING)
    cdr = await stage.closes(by=AGENT)
    assert (cdr.result, cdr.ended_by, cdr.hold_s > 1) == ("answered", "agent", True)


async def test_music_that_is_not_there_is_the_shipped_one(stage: Stage, center: Center) -> None:
    """While he waits, and on hold, where he would be sent no packets at all."""
    lq, queue = stage.scene.lq, f"stage{stage.n}"
    before = (await lq.document("queues", queue)).body
    await lq.put_document("queues", queue, {**before, "music": "music/gone"})
    stage.scene.stack.push_async_callback(lq.put_document, "queues", queue, before)
    await is_read(center, (await lq.health()).config_version or 0)
    assert stage.voices  # read while nobody waits
    await stage.comes(AGENT)
    await lq.pause(stage.id(AGENT), "meeting")
    await stage.calls_in()
    await stage.hears({CUSTOMER: {MUSIC}}, 10)
    await lq.ready(stage.id(AGENT))
    await stage.answers(AGENT)
    await stage.hears(TALKING)
    await stage.does("hold")
    await stage.hears(HELD)
    await stage.does("resume")
    await stage.hears(TALKING)
    await stage.closes()


@pytest.mark.slow
async def test_phone_and_command_hold_at_once_and_the_customer_holds_too(stage: Stage) -> None:
    await stage.opens("in")
    await stage.does("hold")
    await stage.cast[AGENT].reoffer("sendonly")
    await stage.hears(HELD)
    await stage.cast[AGENT].reoffer("sendrecv")
    await stage.hears(HELD)  # the command stands
    await stage.does("resume")
    await stage.hears(TALKING)
    await stage.cast[CUSTOMER].reoffer("sendonly")
    await stage.hears({CUSTOMER: set(), AGENT: {MUSIC}})
    await stage.cast[CUSTOMER].reoffer("sendrecv")
    await stage.hears(TALKING)
    await stage.closes()


async def test_who_is_not_in_it_is_told_so(stage: Stage) -> None:
    await stage.opens("in")
    for verb in ("hold", "resume", "mute", "transfer/complete", "transfer/cancel"):
        with pytest.raises(ApiError) as told:
            await stage.does(verb, by="third")
        assert (told.value.status, told.value.code) == (409, "not_in_contact")
    await stage.hears(TALKING)
    await stage.closes()
    with pytest.raises(ApiError) as told:
        await stage.does("hold")
    assert (told.value.status, told.value.code) == (409, "ended")
