"""A phone with two lines joins its two calls by itself (REFER with Replaces, RFC 5589 §7), as attended transfer is done
on every hardware phone: two contacts, mostly on two nodes."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Line, Scene, line, phone_of
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call
from tests.simulator.gateway import Answer
from tests.simulator.softphone import Softphone

CUSTOMER, AGENT, COLLEAGUE = 990, 1670, 540


async def talking(scene: Scene, own: Line) -> tuple[Call, Softphone, Call, Softphone]:
    """A customer and the line's first agent talk: his call, the agent's phone and its call; the colleague's phone."""
    phone = await scene.softphone(own.agents[0])
    other = await scene.softphone(own.agents[1], rule=Answer(0.1))
    await scene.sign_in(own.agents[0])
    call = await scene.dial(own.number)
    await call.answered()
    talk = await phone.rings(15)
    talk.answer()
    call.say(CUSTOMER)
    talk.say(AGENT)
    await talk.hears(CUSTOMER)
    return call, phone, talk, other


async def test_the_customer_and_the_colleague_talk_and_the_phone_is_free(scene: Scene) -> None:
    own = line(17)
    call, phone, talk, other = await talking(scene, own)
    contact = await scene.contact(call)

    await talk.reoffer("sendonly")
    second = await phone.dial(phone_of(own.agents[1]))
    third = await (await other.rings(10)).answered()
    third.say(COLLEAGUE)
    await second.answered()
    second.say(AGENT)
    await third.hears(AGENT)
    assert await talk.refer("8000", second) == 202
    since = (await call.hears(COLLEAGUE, since=call.heard_s)).second, (await third.hears(CUSTOMER)).second
    await call.hears(COLLEAGUE, since=since[0] + 1)
    await third.hears(CUSTOMER, since=since[1] + 1)
    assert audio.tones(call.stream.heard_since(round((since[0] + 0.2) * RATE))) == {COLLEAGUE}
    assert audio.tones(third.stream.heard_since(round((since[1] + 0.2) * RATE))) == {CUSTOMER}
    assert await talk.referred() == 200
    await talk.ended()
    await second.ended()

    await third.hang_up()
    await call.ended()
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.queue) == ("answered", own.queue)


@pytest.mark.slow
async def test_a_phone_that_names_a_call_which_is_over_keeps_its_customer(scene: Scene) -> None:
    own = line(18)
    call, phone, talk, other = await talking(scene, own)
    second = await phone.dial(phone_of(own.agents[1]))
    third = await (await other.rings(10)).answered()
    await second.answered()
    await third.hang_up()
    await second.ended()
    await talk.refer("8000", second)
    assert await talk.referred() >= 400
    await call.hears(AGENT, since=call.heard_s)
    await talk.hears(CUSTOMER, since=talk.heard_s)
    await call.hang_up()
