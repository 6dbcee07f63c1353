"""Recording by policy and by order, from the command to the WAV: what is on the disk, by content, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from lq.config.demo import ha1
from lq.config.documents import AccessNumber, Agent, Phone, Queue
from lq.config.validation import to_json
from lq.live.redis import Live
from ops.instance import instance
from ops.services import redis_url
from recorder import wav
from tests.center import Center
from tests.integration.recorder.test_pause import on_disk, payloads
from tests.scenarios.conftest import Line, Scene, is_read, phone_of
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call

CALLER, AGENT, THIRD, SECRET = 990, 1670, 640, 1240
STOPPED, ON_DEMAND, CONFERENCE, BY_VOICE, HOUSE = Line(40), Line(41), Line(42), Line(43), Line(44)
SOON: Final = 20.0
LOUD: Final = -35.0


@pytest.fixture
async def live(center: Center) -> AsyncIterator[Live]:
    """Commands, as the api gives them."""
    found = Live(redis_url(instance(center.home, {"LCALL_PORT_BASE": str(center.port_base)}), "api"), timeout_s=5)
    await found.start()
    yield found
    await found.close()


async def line_with(
    scene: Scene, center: Center, line: Line, *, of_queue: str, of_number: str = "", agents: tuple[str, ...] = ()
) -> None:
    """A line of this policy, whose callers need not hear the notice."""
    queue: Any = Queue(line.queue, line.queue, wrap_up_s=0, position_every_s=0, recording=of_queue)  # type: ignore[arg-type]
    number: Any = AccessNumber(line.number, f"queue:{line.queue}", recording=of_number, notice="by_agent")  # type: ignore[arg-type]
    for kind, document in (("queues", queue), ("numbers", number)):
        await scene.lq.put_document(kind, document.id, to_json(document))
    for id in agents or line.agents[:1]:
        agent = Agent(id, f"坐席{id}", (line.queue,) if id == line.agents[0] else ())
        await scene.lq.put_document("agents", id, to_json(agent))
    await is_read(center, (await scene.lq.health()).config_version)


async def talk_on(scene: Scene, line: Line) -> tuple[Call, Call, str]:
    """The caller and the agent hear each other; the contact."""
    phone = await scene.softphone(line.agents[0])
    await scene.sign_in(line.agents[0])
    call = await scene.dial(line.number)
    await call.answered()
    talk = await phone.rings(SOON)
    talk.answer()
    call.say(CALLER)
    talk.say(AGENT)
    await talk.hears(CALLER)
    await call.hears(AGENT, since=call.heard_s)
    return call, talk, await scene.contact(call)


async def says(call: Call, heard_by: Call, tone: int, seconds: float = 1.5) -> None:
    """For so long at least, and heard there."""
    since = heard_by.heard_s
    call.say(tone)
    await heard_by.hears(tone, since=since + 0.5)
    await heard_by.hears(tone, since=heard_by.heard_s + seconds)


async def order(live: Live, contact: str, verb: str, **body: str) -> dict[str, Any]:
    answer: dict[str, Any] = await live.command(contact, verb, body)
    return answer


def heard(file: Path) -> tuple[audio.Samples, audio.Samples]:
    left, right = wav.decode(file.read_bytes()).samples.T
    return audio.decode(left.tobytes()), audio.decode(right.tobytes())


def tones(samples: audio.Samples) -> set[int]:
    """Of those that are said here; where one begins anew others flicker, but not so loud."""
    starts = range(0, len(samples) - 399, 400)  # a shorter piece at the end has no tone that one could tell
    found = {tone for at in starts for tone in audio.tones(samples[at : at + 800], above=LOUD)}
    return found & {CALLER, AGENT, THIRD, SECRET}


@pytest.mark.slow
async def test_what_is_said_between_stop_and_start_is_on_no_disk(scene: Scene, live: Live, center: Center) -> None:
    await line_with(scene, center, STOPPED, of_queue="whole")
    agent = STOPPED.agents[0]
    call, talk, contact = await talk_on(scene, STOPPED)
    await says(call, talk, CALLER)
    assert on_disk(center, payloads(CALLER))  # so it would be found
    answer = await order(live, contact, "record", action="stop", agent=agent, reason="customer_refused")
    shown = answer["contact"]["recordings"][0]
    assert (answer["status"], shown["state"], shown["reason"]) == (200, "stopped", "customer_refused")
    assert (await order(live, contact, "record", action="pause"))["error"]["code"] == "not_recording"
    await says(call, talk, SECRET)
    await says(call, talk, CALLER, 0.2)
    assert on_disk(center, payloads(SECRET)) == []
    answer = await order(live, contact, "record", action="start", agent=agent)
    assert (answer["status"], answer["contact"]["recordings"][0]["state"]) == (200, "active")
    await says(call, talk, CALLER)
    await call.hang_up()
    recording, file = await scene.recording(contact)
    assert on_disk(center, payloads(SECRET)) == [] and (recording.kind, recording.reason) == ("whole", None)
    assert [gap["reason"] for gap in recording.gaps if gap["duration_s"] > 1] == ["paused", "paused"]
    left, right = heard(file)
    assert SECRET not in tones(left)
    for side, tone in ((left, CALLER), (right, AGENT)):
        assert audio.tones(side[RATE : 2 * RATE]) == audio.tones(side[-RATE:-400]) == {tone}
    told = [
        (e.type.rpartition("_")[2], e.data["by"]) for e in scene.events.of(contact) if "contact_recording" in e.type
    ]
    assert told == [("stopped", agent), ("started", agent)]


@pytest.mark.slow
async def test_a_recording_by_voice_keeps_what_is_said_and_the_times(scene: Scene, live: Live, center: Center) -> None:
    """Of eight silent seconds one is left; where it was, and how long, is told with the recording."""
    await line_with(scene, center, BY_VOICE, of_queue="voice")
    call, talk, contact = await talk_on(scene, BY_VOICE)
    await says(call, talk, CALLER)
    for party in (call, talk):
        party.be_quiet()
    quiet = talk.heard_s
    async with asyncio.timeout(30):
        while talk.heard_s < quiet + 8:  # noqa: ASYNC110 - it is time that is waited for
            await asyncio.sleep(0.1)
    await says(talk, call, THIRD)
    await call.hang_up()
    recording, file = await scene.recording(contact)
    (cut,) = [gap for gap in recording.gaps if gap["reason"] == "silence"]
    assert recording.kind == "voice" and 6.5 < cut["duration_s"] < 8.5
    left, right = heard(file)
    at = round(cut["start_s"] * RATE)
    assert tones(left[:at]) == {CALLER} and tones(right[:at]) == {AGENT}
    assert tones(left[at:]) == set() and tones(right[at:]) == {THIRD}
    assert audio.gaps(right[at - RATE : at + RATE], longer_than=0.8), "half a second at either end"
    cdr = await scene.cdr(contact)
    assert cdr.recording_id == recording.id and recording.duration_s is not None
    assert recording.duration_s + cut["duration_s"] == pytest.approx(cdr.talk_s, abs=1.5), (
        "no second is unaccounted for"
    )


@pytest.mark.slow
async def test_a_talk_is_recorded_by_order_until_the_customer_refuses(scene: Scene, live: Live, center: Center) -> None:
    await line_with(scene, center, ON_DEMAND, of_queue="on_demand", of_number="whole")
    agent = ON_DEMAND.agents[0]
    call, talk, contact = await talk_on(scene, ON_DEMAND)
    assert (await scene.lq.contact(contact)).recordings == ()
    await says(call, talk, SECRET)
    await says(call, talk, CALLER, 0.2)
    answer = await order(live, contact, "record", action="start", agent=agent)
    assert (answer["status"], answer["contact"]["recording_policy"]) == (200, "on_demand")
    assert [(one["kind"], one["state"]) for one in answer["contact"]["recordings"]] == [("talk", "active")]
    await says(call, talk, CALLER)
    answer = await order(live, contact, "record", action="stop", agent=agent, reason="customer_refused")
    assert answer["contact"]["recordings"][0]["state"] == "stopped"
    await says(call, talk, SECRET)
    await call.hang_up()
    cdr = await scene.cdr(contact)
    recording, file = await scene.recording(contact)
    assert (recording.kind, recording.reason, cdr.recording_id) == ("talk", "customer_refused", recording.id)
    left, right = heard(file)
    assert (tones(left), tones(right)) == ({CALLER}, {AGENT}) and len(left) > RATE
    planned = await scene.events.first("recording_planned", subject=recording.id)
    assert planned.data["by"] == agent


@pytest.mark.slow
async def test_a_recording_is_whole_when_its_leg_goes_into_a_room_and_back(
    scene: Scene, live: Live, center: Center
) -> None:
    first, third = CONFERENCE.agents
    await line_with(scene, center, CONFERENCE, of_queue="talk", agents=(first, third))
    joins = await scene.softphone(third)
    await scene.sign_in(third)
    call, talk, contact = await talk_on(scene, CONFERENCE)
    await says(call, talk, CALLER)
    answer = await order(live, contact, "transfer_conference", agent=first, to=f"agent:{third}")
    assert answer["status"] == 200, answer
    more = await joins.rings(SOON)
    more.answer()
    more.say(THIRD)
    await call.hears(THIRD, since=call.heard_s)
    await call.hears(AGENT, since=call.heard_s + 1.0)
    await more.hears(CALLER, since=more.heard_s)
    await more.hang_up()
    await call.hears(AGENT, since=call.heard_s + 0.5)
    await says(call, talk, CALLER)
    await call.hang_up()
    recording, file = await scene.recording(contact)
    left, right = heard(file)
    assert tones(left) == {CALLER} and tones(right) == {AGENT, THIRD}
    assert [gap for gap in recording.gaps if gap["duration_s"] > 0.2] == []
    silent = [at / RATE for at in range(400, len(left) - 1200, 400) if CALLER not in audio.tones(left[at : at + 800])]
    assert silent == []  # he is heard all the time
    both = [at for at in range(0, len(right) - 800, 400) if audio.tones(right[at : at + 800]) == {AGENT, THIRD}]
    assert len(both) > 10 and audio.tones(right[-RATE:-400]) == {AGENT}
    lonely = [at / RATE for at in range(400, len(right) - 1200, 400) if AGENT not in audio.tones(right[at : at + 1600])]
    assert lonely == []  # neither is the agent, on his side


async def test_inside_the_house_the_leg_of_who_calls_is_recorded(scene: Scene, center: Center) -> None:
    caller, called = map(phone_of, HOUSE.agents)
    word: Any = Phone(caller, ha1(caller, f"demo-{caller}"), calls="national", recording="talk")
    await scene.lq.put_document("phones", caller, to_json(word))
    await is_read(center, (await scene.lq.health()).config_version)
    here, there = [await scene.softphone(agent) for agent in HOUSE.agents]
    call = await here.dial(called)
    talk = await there.rings(SOON)
    talk.answer()
    await call.answered()
    call.say(CALLER)
    talk.say(AGENT)
    await call.hears(AGENT)
    await says(call, talk, CALLER)
    contact = next(
        e.subject for e in scene.events.seen if e.type == "contact_started" and e.data.get("phone") == caller
    )
    await call.hang_up()
    await scene.cdr(contact)
    recording, file = await scene.recording(contact)
    left, right = heard(file)
    assert recording.kind == "talk"
    assert (audio.tones(left[-RATE:-400]), audio.tones(right[-RATE:-400])) == ({CALLER}, {AGENT})
