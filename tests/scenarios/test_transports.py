"""A real phone on TCP and on TLS is an agent's phone like any other: called, heard, held, hung up."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Scene, line, phone_of

CALLER, AGENT = 990, 1670


@pytest.mark.parametrize(("transport", "number"), [("tcp", 21), ("tls", 22)])
async def test_an_agents_phone_on_a_connection(scene: Scene, transport: str, number: int) -> None:
    own = line(number)
    agent = own.agents[0]
    phone = await scene.phone(phone_of(agent), transport=transport)
    await scene.sign_in(agent)
    call = await scene.dial(own.number)
    talk = await phone.rings(15)
    await talk.answer()
    await call.answered()
    call.say(CALLER)
    await talk.say(AGENT)
    await call.hears(AGENT)
    await talk.hears(CALLER)
    contact = await scene.contact(call)
    await talk.hold()
    await scene.events.first("contact_held", subject=contact, by="agent")
    await talk.resume()
    await scene.events.first("contact_resumed", subject=contact, by="agent")
    await call.hears(AGENT, since=call.heard_s)
    await talk.hang_up()
    await call.ended()
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.ended_by) == ("answered", "agent")
