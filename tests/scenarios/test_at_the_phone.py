"""Agents answer and refuse at their screen what rings at their phone, whether it takes orders or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from lq.sdk.errors import ApiError
from tests.center import Center
from tests.scenarios.conftest import Line, Scene, is_read, line, phone_of
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call
from tests.simulator.softphone import Softphone

pytestmark = pytest.mark.usefixtures("one_by_one")

CALLER, AGENT = 640, 1370


async def model(scene: Scene, center: Center, ext: str, name: str) -> None:
    """This phone is of that model from now on."""
    body = dict((await scene.lq.document("phones", ext)).body)
    await scene.lq.put_document("phones", ext, body | {"model": name})
    await is_read(center, (await scene.lq.health()).config_version)


@pytest.fixture
async def own(scene: Scene, center: Center) -> AsyncIterator[Line]:
    yield line(31)
    await model(scene, center, phone_of(line(31).agents[0]), "")


async def offered(scene: Scene, own: Line, **phone: bool) -> tuple[Call, Softphone, Call, str]:
    """The line's agent is rung: caller, his phone, what rings there, the contact."""
    agent = own.agents[0]
    his = await scene.softphone(agent, **phone)
    await scene.sign_in(agent)
    await scene.state(agent, "ready")
    call = await scene.dial(own.number)
    await call.answered()
    ringing = await his.rings(15)
    contact = await scene.contact(call)
    await scene.events.first("leg_ringing", subject=contact)
    return call, his, ringing, contact


async def talks(call: Call, ringing: Call) -> None:
    await ringing.answered()
    ringing.say(AGENT)
    await call.hears(AGENT)
    call.say(CALLER)
    await ringing.hears(CALLER)
    await call.hang_up()


async def test_a_phone_that_takes_orders_answers(scene: Scene, own: Line) -> None:
    """Nobody has said what model it is: it says itself what it takes."""
    call, _, ringing, contact = await offered(scene, own, orders=True)
    found = await scene.lq.answer(contact, own.agents[0])
    assert found.id == contact
    await talks(call, ringing)
    assert "told to talk" in ringing.times
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.agent) == ("answered", own.agents[0])


async def test_a_double_click_is_one_answer(scene: Scene, own: Line) -> None:
    call, _, ringing, contact = await offered(scene, own, orders=True)
    for _ in range(2):
        await scene.lq.answer(contact, own.agents[0])
    await talks(call, ringing)
    assert scene.story(contact).count("contact_answered") == 1


@pytest.mark.parametrize("name", ["fanvil", "grandstream", "yealink"])
async def test_a_phone_that_answers_by_itself_is_called_again(
    scene: Scene, center: Center, own: Line, name: str
) -> None:
    """A Yealink whose orders are switched off: it refuses the NOTIFY, and is called again as well."""
    await model(scene, center, phone_of(own.agents[0]), name)
    call, his, ringing, contact = await offered(scene, own, alone=True)
    await scene.lq.answer(contact, own.agents[0])
    await ringing.ended()
    assert ("told to talk" in ringing.times) == (name == "yealink")
    again = await his.rings()
    await talks(call, again)
    offers = scene.events.of(contact, "contact_offered", "contact_offer_ended")
    assert [event.type for event in offers] == ["contact_offered", "contact_offer_ended"]  # one offer
    assert offers[1].data["outcome"] == "answered"
    await scene.state(own.agents[0], "wrap_up")
    assert (await scene.cdr(contact)).agent == own.agents[0]


async def test_any_other_phone_must_be_lifted(scene: Scene, own: Line) -> None:
    call, _, ringing, contact = await offered(scene, own)
    with pytest.raises(ApiError) as refused:
        await scene.lq.answer(contact, own.agents[0])
    assert (refused.value.status, refused.value.code) == (409, "cannot_be_answered")
    assert "ended" not in ringing.times
    ringing.answer()
    await talks(call, ringing)


async def test_an_agent_refuses_at_his_screen(scene: Scene, own: Line) -> None:
    call, _, ringing, contact = await offered(scene, own)
    await scene.lq.reject(contact, own.agents[0])
    await ringing.ended()
    assert ringing.ended_by == "them"
    ended = await scene.events.first("contact_offer_ended", subject=contact)
    assert (ended.data["agent"], ended.data["outcome"]) == (own.agents[0], "refused")
    await scene.state(own.agents[0], "busy_other")
    with pytest.raises(ApiError) as refused:
        await scene.lq.reject(contact, own.agents[0])
    assert (refused.value.status, refused.value.code) == (409, "not_ringing")
    await call.hang_up()


async def test_nothing_rings_at_another_agents_phone(scene: Scene, own: Line) -> None:
    call, _, ringing, contact = await offered(scene, own, orders=True)
    for verb in (scene.lq.answer, scene.lq.reject):
        with pytest.raises(ApiError) as refused:
            await verb(contact, own.agents[1])
        assert (refused.value.status, refused.value.code) == (409, "not_ringing")
    assert not {"answered", "ended"} & set(ringing.times)
    await call.hang_up()


async def test_a_phone_that_takes_orders_shows_the_hold(scene: Scene, center: Center, own: Line) -> None:
    """At the screen and by its key it is one hold: its own re-INVITE says that it holds, and takes it back."""
    await model(scene, center, phone_of(own.agents[0]), "yealink")
    call, _, ringing, contact = await offered(scene, own, orders=True)
    agent = own.agents[0]
    await scene.lq.answer(contact, agent)
    await ringing.answered()
    ringing.say(AGENT)
    await call.hears(AGENT)
    for by_key in (False, True):
        held = scene.story(contact).count("leg_reoffered")
        assert (await scene.lq.hold(contact, agent)).state == "held"
        await scene.events.until(lambda held=held: scene.story(contact).count("leg_reoffered") > held or None)
        assert "told to hold" in ringing.times
        assert scene.events.of(contact, "leg_reoffered")[-1].data["held"]
        assert (await scene.lq.contact(contact)).state == "held"
        async with asyncio.timeout(10):
            while AGENT in audio.tones(call.heard[-RATE:]) or audio.level(call.heard[-RATE:]) < -40:  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # until he hears music
        await (ringing.reoffer("sendrecv") if by_key else scene.lq.resume(contact, agent))
        await call.hears(AGENT, since=call.heard_s)
        assert (await scene.lq.contact(contact)).state == "talking"
    await call.hang_up()
    assert (await scene.cdr(contact)).hold_s > 1
