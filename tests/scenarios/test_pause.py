"""The agent takes a card's number: the recording is paused meanwhile, from the command to the books."""

from __future__ import annotations

from lq.live.redis import Live
from ops.instance import instance
from ops.services import redis_url
from recorder import wav
from tests.center import Center
from tests.scenarios.conftest import Scene, line
from tests.simulator import audio
from tests.simulator.audio import RATE

CALLER, AGENT, CARD = 990, 1670, 1240
LINE = line(5)


def is_card(samples: audio.Samples) -> bool:
    """A packet of it is. Where the caller begins anew every tone flickers, but then its neighbours are as loud."""
    card = audio.goertzel(samples, CARD)
    return card > -45 and card > max(audio.goertzel(samples, neighbour) for neighbour in (890, 1090, 1370))


async def test_a_card_number_is_in_no_recording(scene: Scene, center: Center) -> None:
    agent = LINE.agents[0]
    phone = await scene.softphone(agent)
    await scene.sign_in(agent)
    call = await scene.dial(LINE.number)
    await call.answered()
    talk = await phone.rings(20)
    talk.answer()
    call.say(CALLER)
    talk.say(AGENT)
    await talk.hears(CALLER)
    await call.hears(AGENT, since=call.heard_s)
    contact = await scene.contact(call)
    live = Live(redis_url(instance(center.home, {"LCALL_PORT_BASE": str(center.port_base)}), "api"), timeout_s=5)
    await live.start()
    try:
        paused = await live.command(contact, "record", {"action": "pause", "agent": agent})
        assert paused["status"] == 200 and paused["contact"]["recordings"][0]["state"] == "paused"
        assert (await scene.lq.contact(contact)).recordings[0].state == "paused"
        since = talk.heard_s
        call.say(CARD)
        await talk.hears(CARD, since=since)  # the agent hears it all the same
        await talk.hears(CARD, since=since + 1.0)
        call.say(CALLER)
        await talk.hears(CALLER, since=talk.heard_s)
        resumed = await live.command(contact, "record", {"action": "resume", "agent": agent})
        assert resumed["status"] == 200 and resumed["contact"]["recordings"][0]["state"] == "active"
        await talk.hears(CALLER, since=talk.heard_s + 1.0)
        assert (await live.command(contact, "record", {"action": "resume"}))["status"] == 200  # it is so already
    finally:
        await live.close()
    await call.hang_up()
    told = scene.events.of(contact, "contact_recording_paused", "contact_recording_resumed")
    ended = [(event.type.rpartition("_")[2], event.data["by"]) for event in told]
    assert ended == [("paused", agent), ("resumed", agent)]
    recording, file = await scene.recording(contact)
    left, right = wav.decode(file.read_bytes()).samples.T
    heard = [audio.decode(side.tobytes()) for side in (left, right)]
    assert [gap["reason"] for gap in recording.gaps if gap["duration_s"] > 1] == ["paused", "paused"]
    assert [at / RATE for at in range(0, len(heard[0]), 400) if is_card(heard[0][at : at + 800])] == []
    assert audio.tones(heard[0][-RATE:-400]) == {CALLER} and audio.tones(heard[1][-RATE:-400]) == {AGENT}
