"""The first call: from an E1 channel through menu and queue to a real phone and back, told the same by everybody."""

from __future__ import annotations

import hashlib
import json
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE

import pytest

from tests.center import Center
from tests.scenarios.conftest import MENU, Scene, line
from tests.simulator import audio, speech

CALLER, AGENT = 440, 1090  # Hz
LINE = line(1)


async def test_the_whole_first_call(scene: Scene) -> None:
    agent = LINE.agents[0]
    phone = await scene.phone(str(int(agent) + 7000), answer_after_s=0.5)

    # The notice, whole, then the menu; a key interrupts it.
    call = await scene.dial(MENU.number)
    await call.answered()
    contact = await scene.contact(call)
    notice, menu = scene.place.prompt("zh/notice_recorded"), scene.place.prompt("zh/menu_main")
    first = await call.hears(notice)
    assert audio.tones(call.heard) == set()
    second = await call.hears(menu, 20)
    assert audio.similarity(call.heard, notice).score > 0.95  # to its end, nothing missing, nothing on top
    assert second.second - first.second >= len(notice) / audio.RATE - 0.1

    # Nobody is ready: he waits with music.
    await scene.sign_in(agent)
    await scene.lq.pause(agent, "training")
    call.send_digits("1")
    await scene.events.first("contact_queued", subject=contact, queue=LINE.queue)
    await call.hears(scene.place.prompt("music/hold"), 20, since=second.second)

    # The agent comes: his phone shows who calls, he answers, each hears the other and only him.
    await scene.lq.ready(agent)
    talk = await phone.rings()
    assert talk.number == call.caller
    await talk.answered()
    call.say(CALLER)
    await talk.say(AGENT)
    await call.hears(AGENT)
    await talk.hears(CALLER)
    since = call.stream.length, talk.ear.length
    await call.hears(AGENT, since=since[0] / audio.RATE + 1.0)  # a second later, still
    assert audio.tones(call.stream.heard_since(since[0])) == {AGENT}
    assert audio.tones(talk.ear.heard_since(since[1])) == {CALLER}
    live = await scene.lq.contact(contact)
    assert (live.state, live.agent, live.queue, live.number_raw) == ("talking", agent, LINE.queue, call.caller)

    # He hangs up: the phone is silent at once, the agent wraps up.
    await call.hang_up(cause=16)
    await talk.ended()
    await scene.state(agent, "wrap_up")

    # The ledger, the CDR, the recording tell the same call.
    cdr = await scene.cdr(contact)
    assert (cdr.number, cdr.called, cdr.direction) == (f"+86{call.caller}", MENU.number, "in")
    assert (cdr.result, cdr.ended_by, cdr.cause, cdr.agent, cdr.queue) == ("answered", "caller", 16, agent, LINE.queue)
    talked = call.times["bye"] - talk.times["answered"]
    assert cdr.talk_s == pytest.approx(talked, abs=0.5)
    recording, file = await scene.recording(contact)
    assert recording.id == cdr.recording_id and recording.gaps == ()
    assert hashlib.sha256(file.read_bytes()).hexdigest() == recording.sha256
    left, right = await speech.read_wav(file)
    assert len(left) / audio.RATE == pytest.approx(recording.duration_s or 0, abs=0.01)
    assert len(left) / audio.RATE == pytest.approx(call.times["bye"] - call.times["answered"], abs=0.5)
    tail = slice(-int(audio.RATE * 0.8), -int(audio.RATE * 0.1))
    assert (audio.tones(left[tail]), audio.tones(right[tail])) == ({CALLER}, {AGENT})
    assert audio.similarity(right, notice).score > 0.95
    assert audio.similarity(left, notice).score < 0.4
    assert audio.tones(left[: int(first.second * audio.RATE) + len(notice)]) == set()  # he was silent until then

    story = scene.story(contact)
    order = [
        *("contact_started", "contact_ivr_entered", "contact_notice_played", "contact_keys"),
        *("contact_ivr_left", "contact_queued", "contact_offered", "contact_ringing", "contact_offer_ended"),
        *("contact_dequeued", "contact_answered", "contact_ended"),
    ]
    assert [type for type in story if type in order] == order
    sequences = [event.seq for event in scene.events.of(contact)]
    assert len(set(sequences)) == len(sequences)
    states = [event.data["state"] for event in scene.events.of(f"agent:{agent}")]
    until = states.index("wrap_up") + 1  # which may be over by now
    assert states[until - 5 : until] == ["ready", "reserved", "ringing", "talking", "wrap_up"]


async def test_the_agent_hangs_up_first(scene: Scene) -> None:
    agent = LINE.agents[1]
    phone = await scene.agent(agent)
    call = await scene.dial(f"40080070{LINE.n:02}")
    await call.answered()
    talk = await phone.rings()
    await talk.answer()
    call.say(CALLER)
    await talk.hears(CALLER)
    await talk.hang_up()
    await call.ended()
    assert (call.cause, call.ended_by) == (16, "them")
    cdr = await scene.cdr(await scene.contact(call))
    assert (cdr.result, cdr.ended_by, cdr.cause) == ("answered", "agent", 16)
    await scene.state(agent, "wrap_up", "ready")


@pytest.mark.slow
@pytest.mark.usefixtures("exchange")  # its gateway listens where the center calls it
async def test_the_demonstration_call(center: Center) -> None:
    """The program that `make run` and `lcall call` start."""
    program = await create_subprocess_exec(
        *(sys.executable, "-m", "tests.simulator.demo", "--json"), env=center.environment, stdout=PIPE, stderr=PIPE
    )
    out, errors = await program.communicate()
    told = json.loads(out)
    assert program.returncode == 0, (told.get("error"), errors.decode())
    steps = [step["step"] for step in told["steps"]]
    assert steps == [
        *("invite", "trying", "answered", "notice_recorded", "menu_main", "key", "queued", "music", "ready", "ringing"),
        *("talking", "caller_hears", "agent_hears", "bye", "stored", "cdr"),
    ]
    assert told["cdr"]["result"] == "answered"
    assert told["recording"]["duration_s"] > 5
