"""While they talk: hold and its music, keys, the audio that nobody else may hear."""

from __future__ import annotations

import pytest

from lq.config import demo
from tests.scenarios.conftest import LINES, Scene, line
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.gateway import Answer

CALLER, AGENT = 990, 1670


async def test_hold_gives_the_caller_music_and_resume_takes_it_away(scene: Scene) -> None:
    """A real phone holds. (It lends us no ear after that: the next test listens at the agent's side.)"""
    own = line(17)
    phone = await scene.agent(own.agents[0], answer_after_s=0.1)
    call = await scene.dial(own.number)
    await call.answered()
    talk = await (await phone.rings(15)).answered()
    call.say(CALLER)
    await talk.say(AGENT)
    await call.hears(AGENT)
    await talk.hears(CALLER)
    contact = await scene.contact(call)

    await talk.hold()
    await scene.events.first("contact_held", subject=contact, by="agent")
    music = await call.hears(scene.place.prompt("music/hold"), since=call.heard_s, name="music/hold")
    await call.hears(scene.place.prompt("music/hold")[RATE:], since=music.second, name="the music's next second")
    held = call.stream.heard_since(round((music.second + 0.1) * RATE))
    assert AGENT not in audio.tones(held)
    assert (await scene.lq.contact(contact)).segments[-1].kind == "hold"

    await talk.resume()
    await scene.events.first("contact_resumed", subject=contact, by="agent")
    since = (await call.hears(AGENT, since=call.heard_s)).second
    await call.hears(AGENT, since=since + 0.5)
    assert audio.tones(call.stream.heard_since(round((since + 0.1) * RATE))) == {AGENT}
    await call.hang_up()
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.hold_s > 1.5) == ("answered", True)


async def test_who_is_held_is_not_heard(scene: Scene) -> None:
    own = line(19)
    phone = await scene.softphone(own.agents[0])
    await scene.sign_in(own.agents[0])
    call = await scene.dial(own.number)
    await call.answered()
    talk = await phone.rings(15)
    talk.answer()
    call.say(CALLER)
    talk.say(AGENT)
    await talk.hears(CALLER)
    contact = await scene.contact(call)

    for direction in ("sendonly", "inactive"):
        await talk.reoffer(direction)
        await scene.events.first("contact_held", subject=contact)
        since = call.heard_s
        await call.hears(scene.place.prompt("music/hold"), since=since, name="music/hold")
        silent_from, talk_heard = talk.stream.length + 800, talk.heard_s
        await call.hears(scene.place.prompt("music/hold")[RATE:], since=since, name="the music's next second")
        assert audio.tones(talk.stream.heard_since(silent_from)) == set()
        await talk.reoffer("sendrecv")
        await talk.hears(CALLER, since=talk_heard)
        await call.hears(AGENT, since=call.heard_s)
    assert [e.type for e in scene.events.of(contact, "contact_held", "contact_resumed")] == [
        "contact_held",
        "contact_resumed",
    ] * 2
    await talk.hang_up()
    await call.ended()
    assert talk.gateway.wire.faults == []


async def test_keys_pass_between_the_two_as_they_are(scene: Scene) -> None:
    own = line(18)
    phone = await scene.agent(own.agents[0], answer_after_s=0.1)
    call = await scene.dial(own.number)
    await call.answered()
    talk = await (await phone.rings(15)).answered()
    await talk.say(AGENT)
    await call.hears(AGENT)
    await talk.send_digits("42#")
    await call.hears(AGENT, since=call.heard_s + 0.7)
    assert [key.key for key in call.stream.keys] == ["4", "2", "#"]
    await call.hang_up()


async def test_thirty_calls_at_once_and_no_cross_talk(scene: Scene) -> None:
    """The echo number: each caller hears himself and nobody else."""
    tones = [audio.TONES[n % len(audio.TONES)] for n in range(30)]
    calls = [await scene.dial("4008001009") for _ in tones]
    for call, tone in zip(calls, tones, strict=True):
        await call.answered()
        call.say(tone)
    for call in calls:
        await scene.events.first("contact_echo", subject=await scene.contact(call))
    for call, tone in zip(calls, tones, strict=True):
        heard = await call.hears(tone, 15)
        await call.hears(tone, 15, since=heard.second + 1)
        alone = call.stream.heard_since(round((heard.second + 0.1) * RATE))
        assert audio.tones(alone) == {tone}
    assert scene.gateway.spans.busy == 30
    for call in calls:
        await call.hang_up()
    assert (scene.gateway.spans.busy, scene.gateway.causes) == (0, {16: 30})


@pytest.mark.slow
@pytest.mark.alone  # half of all agents and phones, and others need those too
async def test_thirty_pairs_at_once_each_hears_its_own_partner(scene: Scene) -> None:
    """A whole E1 span of callers and thirty agents of queue support: any pairing is right, a mixed-up voice is not."""
    taken = {agent for each in LINES for agent in line(each).agents}
    agents = [agent for agent in map(str, demo.SUPPORT) if agent not in taken and int(agent) not in demo.SALES][:30]
    assert len(agents) == 30
    phones = [await scene.softphone(agent, rule=Answer(0.3)) for agent in agents]
    for agent in agents:
        await scene.sign_in(agent)
    calls = [await scene.dial("4008001002") for _ in agents]
    by_caller = {call.caller: call for call in calls}
    talks = [await phone.rings(30) for phone in phones]
    pairs = [(by_caller.pop(talk.caller), await talk.answered()) for talk in talks]
    assert not by_caller
    tones = [(audio.TONES[n % 14], audio.TONES[(n + 7) % 14]) for n in range(len(pairs))]
    for (call, talk), (up, down) in zip(pairs, tones, strict=True):
        call.say(up)
        talk.say(down)
    for (call, talk), (up, down) in zip(pairs, tones, strict=True):
        heard = (await call.hears(down, 20)).second, (await talk.hears(up, 20)).second
        await call.hears(down, since=heard[0] + 1)
        await talk.hears(up, since=heard[1] + 1)
        assert audio.tones(call.stream.heard_since(round((heard[0] + 0.2) * RATE))) == {down}
        assert audio.tones(talk.stream.heard_since(round((heard[1] + 0.2) * RATE))) == {up}
    for call in calls:
        await call.hang_up()
    for call in calls:
        contact = await scene.contact(call)
        recording, _ = await scene.recording(contact)
        cdr = await scene.cdr(contact)
        assert (cdr.result, cdr.cause, cdr.recording_id) == ("answered", 16, recording.id)


@pytest.mark.slow
async def test_the_customer_of_a_phone_that_has_vanished_gets_the_next_agent(scene: Scene) -> None:
    """No BYE, no audio, and no answer to OPTIONS: found within a minute and a half, not in an hour."""
    own = line(16)
    phone = await scene.agent(own.agents[0], answer_after_s=0.1)
    call = await scene.dial(own.number)
    await call.answered()
    talk = await (await phone.rings(15)).answered()
    await talk.say(AGENT)
    await call.hears(AGENT)
    contact = await scene.contact(call)
    await phone.kill()
    await scene.events.until(lambda: scene.story(contact).count("contact_queued") == 2 or None, 100)
    other = await scene.agent(own.agents[1], answer_after_s=0.1)
    talk = await (await other.rings(15)).answered()
    await talk.say(AGENT)
    await call.hears(AGENT, since=call.heard_s)
    await call.hang_up()
    lost = scene.events.of(contact, "leg_media_lost")
    assert [event.data["reason"] for event in lost] == ["silent"]
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.agent) == ("answered", own.agents[1])
