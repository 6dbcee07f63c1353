"""Orders of a recording while the nodes that carry them out are killed: what was ordered holds, at whatever node."""

from __future__ import annotations

import asyncio

import pytest

from lq.sdk.commands import RecordingAction
from recorder import wav
from tests.integration.recorder.test_pause import on_disk, payloads
from tests.scenarios.faults import Pair, Scene, scene
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call

__all__ = ["scene"]
pytestmark = [pytest.mark.kills, pytest.mark.slow]

SECRET = 1240


async def says(pair: Pair, tone: int, seconds: float = 1.0) -> None:
    """For so long at least, heard by the agent."""
    since = pair.talk.heard_s
    pair.call.say(tone)
    await pair.talk.hears(tone, since=since + 0.3)
    await pair.talk.hears(tone, since=pair.talk.heard_s + seconds)


async def killed(scene: Scene, contact: str) -> None:
    """Its node, while another one lives; returns when the contact is there and the first is back."""
    dead = await scene.living_owner(contact)
    node = scene.center.node_of(dead)
    pid = scene.center.kill(node)
    await scene.other_owner(contact, dead)
    await scene.center.back(node, pid)


async def ordered_and_killed(scene: Scene, contact: str, action: RecordingAction) -> str:
    """The node dies with the order in its hands; who ordered hears nothing, or that it is so, and says it again."""
    first = asyncio.create_task(scene.lq.record(contact, action, "1001", "customer_refused"))
    await asyncio.sleep(0)
    await killed(scene, contact)
    await asyncio.gather(first, return_exceptions=True)
    return (await scene.lq.record(contact, action, "1001", "customer_refused")).recordings[0].state


async def test_what_is_stopped_stays_so_and_goes_on_when_it_is_started(scene: Scene) -> None:
    (pair,) = await scene.pairs(1)
    caller = pair.tones[0]
    await says(pair, caller)
    assert on_disk(scene.center, payloads(caller))  # so it would be found
    assert await ordered_and_killed(scene, pair.contact, "stop") == "stopped"
    await says(pair, SECRET)
    await killed(scene, pair.contact)
    assert (await scene.lq.contact(pair.contact)).recordings[0].state == "stopped"
    await says(pair, SECRET)
    await says(pair, caller, 0.2)
    assert on_disk(scene.center, payloads(SECRET)) == []
    assert await ordered_and_killed(scene, pair.contact, "start") == "active"
    await says(pair, caller, 2.0)
    await _hung_up(pair.call)
    done = await scene.cdr(pair.contact)
    assert done.recording_id is not None
    file = await _stored(scene, done.recording_id)
    assert on_disk(scene.center, payloads(SECRET)) == []
    left, right = (audio.decode(side.tobytes()) for side in wav.decode(file).samples.T)
    assert audio.tones(left[-RATE:-400]) == {caller} and audio.tones(right[-RATE:-400]) == {pair.tones[1]}
    gaps = (await scene.lq.recording(done.recording_id)).gaps
    assert [gap["reason"] for gap in gaps if gap["duration_s"] > 1] == ["paused", "paused"]


async def _hung_up(call: Call) -> None:
    await call.hang_up()
    await call.ended()


async def _stored(scene: Scene, recording: str) -> bytes:
    async with asyncio.timeout(20):
        while not (found := list(scene.center.home.recordings.glob(f"*/*/*/{recording}.wav"))):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found[0].read_bytes()
