"""An agent's phone is called: he takes the call or does not, in every way that phones know; the caller is served on."""

from __future__ import annotations

import asyncio

import pytest

from tests.scenarios.conftest import Line, Scene, line, phone_of
from tests.simulator import audio
from tests.simulator.baresip import Baresip
from tests.simulator.call import Call
from tests.simulator.registrar import NotRegistrar, bindings

CALLER, AGENT = 640, 1370


async def _served_by_the_second(scene: Scene, call: Call, second: Baresip, own: Line, outcome: str) -> str:
    """The caller talks with the line's second agent; the books say what became of the first. The contact."""
    talk = await (await second.rings(15)).answered()
    call.say(CALLER)
    await talk.hears(CALLER)
    await talk.say(AGENT)
    await call.hears(AGENT)
    await call.hang_up()
    contact = await scene.contact(call)
    ends = [(e.data["agent"], e.data["outcome"]) for e in scene.events.of(contact, "contact_offer_ended")]
    assert ends == [*([(own.agents[0], outcome)] if outcome else []), (own.agents[1], "answered")]
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.agent, cdr.ended_by, cdr.cause) == ("answered", own.agents[1], "caller", 16)
    queued = scene.events.of(contact, "contact_queued", "contact_dequeued")
    assert [event.type for event in queued] == ["contact_queued", "contact_dequeued"]  # one wait, however many rings
    return contact


async def test_no_answer_goes_to_the_next_agent(scene: Scene) -> None:
    own = line(7)
    first, second = [await scene.agent(agent) for agent in own.agents]
    second.answer_after_s = 0.2
    call = await scene.dial(own.number)
    await call.answered()
    silent = await first.rings(15)
    contact = await _served_by_the_second(scene, call, second, own, "no_answer")
    await silent.ended()  # its ringing was stopped
    await scene.state(own.agents[0], "ready")
    ended = scene.events.of(contact, "contact_offer_ended")[0]
    assert ended.data["cause"] == 19


@pytest.mark.slow
async def test_twice_without_an_answer_pauses_the_agent(scene: Scene) -> None:
    """line queues: max_no_answer 2."""
    own = line(8)
    phone = await scene.agent(own.agents[0])
    call = await scene.dial(own.number)
    await call.answered()
    for _ in range(2):
        await (await phone.rings(15)).ended()
    paused = await scene.state(own.agents[0], "paused")
    assert paused.data["reason"] == "no_answer"
    await call.hang_up()
    cdr = await scene.cdr(await scene.contact(call))
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("abandoned", "caller", None)


async def test_a_refused_call_goes_to_the_next_agent(scene: Scene) -> None:
    """Baresip's reject key says 486: to a telephone network that is busy."""
    own = line(9)
    first, second = [await scene.agent(agent) for agent in own.agents]
    second.answer_after_s = 0.2
    call = await scene.dial(own.number)
    await call.answered()
    await (await first.rings(15)).hang_up()
    await _served_by_the_second(scene, call, second, own, "busy")
    busy = await scene.events.first("agent_state_changed", subject=f"agent:{own.agents[0]}", state="busy_other")
    assert (await scene.state(own.agents[0], "ready")).at - busy.at >= 5000  # by himself, after five seconds


async def test_a_busy_phone_is_passed_over(scene: Scene) -> None:
    """The agent has called a friend: the ACD knows, and does not offer him anything."""
    own = line(10)
    first, second = [await scene.agent(agent) for agent in own.agents]
    second.answer_after_s = 0.2
    friend = await scene.phone("8090", answer_after_s=0)
    private = await (await first.dial("8090")).answered()
    call = await scene.dial(own.number)
    await call.answered()
    await _served_by_the_second(scene, call, second, own, "")
    assert "ended" not in private.times
    await private.say(890)
    await friend.calls[0].hears(890)
    await private.hang_up()


async def test_an_agent_whose_phone_is_not_registered_is_not_offered_anything(scene: Scene) -> None:
    own = line(11)
    await scene.sign_in(own.agents[0])
    await scene.state(own.agents[0], "phone_offline")
    second = await scene.agent(own.agents[1], answer_after_s=0.2)
    call = await scene.dial(own.number)
    await call.answered()
    talk = await (await second.rings(15)).answered()
    call.say(CALLER)
    await talk.hears(CALLER)
    await call.hang_up()
    contact = await scene.contact(call)
    assert [e.data["agent"] for e in scene.events.of(contact, "contact_offered")] == [own.agents[1]]
    # With his phone he is back.
    await scene.phone(phone_of(own.agents[0]))
    await scene.state(own.agents[0], "ready")


async def test_a_phone_that_has_died_costs_the_caller_five_seconds(scene: Scene) -> None:
    """Its registration stands, but nobody answers there."""
    own = line(12)
    first, second = [await scene.agent(agent) for agent in own.agents]
    second.answer_after_s = 0.2
    await first.kill()
    call = await scene.dial(own.number)
    await call.answered()
    await _served_by_the_second(scene, call, second, own, "unreachable")
    await scene.state(own.agents[0], "phone_offline")


async def test_the_caller_goes_while_the_phone_rings(scene: Scene) -> None:
    own = line(13)
    phone = await scene.agent(own.agents[0])
    call = await scene.dial(own.number)
    await call.answered()
    ringing = await phone.rings(15)
    await call.hang_up()
    await ringing.ended()
    assert "answered" not in ringing.times
    await scene.state(own.agents[0], "ready")
    contact = await scene.contact(call)
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.ended_by, cdr.agent, cdr.talk_s) == ("abandoned", "caller", None, 0)
    assert scene.events.of(contact, "contact_offer_ended")[0].data["outcome"] == "caller_gone"


async def test_nobody_is_signed_in(scene: Scene) -> None:
    own = line(14)
    call = await scene.dial(own.number)
    await call.answered()
    await call.hears(scene.place.prompt("zh/no_agent"), 15)
    await call.ended(15)
    assert (call.cause, call.ended_by) == (16, "them")
    cdr = await scene.cdr(await scene.contact(call))
    assert (cdr.result, cdr.ended_by, cdr.queue) == ("no_agent", "system", own.queue)


async def test_a_wrong_password_does_not_register(scene: Scene) -> None:
    with pytest.raises(NotRegistrar, match="403"):
        await bindings("8089", "wrong", edge=scene.place.edge)
    assert await bindings("8089", "demo-8089", edge=scene.place.edge) == []


async def test_the_longest_idle_agent_is_taken_first(scene: Scene) -> None:
    own = line(15)
    phones = [await scene.agent(agent, answer_after_s=0.1) for agent in own.agents]
    calls = [await scene.dial(own.number) for _ in range(2)]
    tones = (740, 1510)
    for call, tone in zip(calls, tones, strict=True):
        await call.answered()
        call.say(tone)
    talks = [await (await phone.rings(15)).answered() for phone in phones]
    callers = {talk.number for talk in talks}
    assert callers == {call.caller for call in calls}
    for talk in talks:  # each agent hears his caller and nobody else
        own_tone = tones[[call.caller for call in calls].index(talk.number)]
        heard = await talk.hears(own_tone)
        since = round(heard.second * audio.RATE) + 800
        await talk.hears(own_tone, since=heard.second + 0.5)
        assert audio.tones(talk.ear.heard_since(since)) == {own_tone}
    # The first to have become ready was taken first. (What nodes make of it may be told in another order.)
    taken = [e for e in scene.events.seen if e.type == "agent_state_changed" and e.data["state"] == "reserved"]
    offers = [event for event in taken if event.data["agent"] in own.agents]
    assert [event.data["agent"] for event in offers] == list(own.agents)
    # Who has hung up first has been idle longest when both are ready again.
    by_caller = {call.caller: call for call in calls}
    for n in (1, 0):
        await by_caller[talks[n].number].hang_up()
        await scene.state(own.agents[n], "wrap_up")
        await scene.lq.wrap_up(own.agents[n], done=True)
    third = await scene.dial(own.number)
    await third.answered()
    await (await phones[1].rings(15)).answered()
    await third.hang_up()


async def test_wrap_up_is_honoured(scene: Scene) -> None:
    """line queues: two seconds of wrap-up; the next caller waits for their end and no longer."""
    own = line(16)
    phone = await scene.agent(own.agents[0], answer_after_s=0.1)
    first = await scene.dial(own.number)
    await first.answered()
    await (await phone.rings(15)).answered()
    second = await scene.dial(own.number)
    await second.answered()
    await scene.events.first("contact_queued", subject=await scene.contact(second))
    await second.hears(scene.place.prompt("music/hold"), 15)
    await first.hang_up()
    talk = await (await phone.rings(15)).answered()
    assert talk.number == second.caller
    await second.hang_up()
    states = scene.events.of(f"agent:{own.agents[0]}", "agent_state_changed")
    wrapped = next(n for n, event in enumerate(states) if event.data["state"] == "wrap_up")
    assert states[wrapped + 1].at - states[wrapped].at >= 2000
    contact = await scene.contact(first)
    async with asyncio.timeout(15):
        while (cdr := await scene.cdr(contact)).wrap_up_s == 0:  # noqa: ASYNC110 - the agent's event comes later
            await asyncio.sleep(0.05)
    assert cdr.wrap_up_s >= 2
