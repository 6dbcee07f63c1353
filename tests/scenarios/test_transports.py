"""A real phone on TCP and on TLS is an agent's phone like any other: called, heard, held, hung up."""

from __future__ import annotations

import pytest

from ops import trace
from tests.center import Center
from tests.scenarios.conftest import Scene, is_read, line, phone_of

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


async def test_an_agents_phone_that_takes_nothing_but_srtp(scene: Scene, center: Center) -> None:
    """Called with RTP/SAVP, for its document says so; and it calls a colleague, whose phone speaks plainly."""
    own = line(35)
    agent, colleague = own.agents
    ext = phone_of(agent)
    document = dict((await scene.lq.document("phones", ext)).body)
    await scene.lq.put_document("phones", ext, document | {"srtp": True})
    try:
        await is_read(center, (await scene.lq.health()).config_version)
        phone = await scene.phone(ext, transport="tls", srtp=True)
        other = await scene.phone(phone_of(colleague))
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
        await talk.hang_up()
        await call.ended()
        assert (await scene.cdr(contact)).result == "answered"
        offers = [m.data for m in trace.messages(center.home.trace, contact) if m.data.startswith(f"INVITE sip:{ext}@")]
        assert offers and all("RTP/SAVP " in offer and "a=crypto:" in offer for offer in offers)
        await scene.state(agent, "ready", within_s=15)
        own_call = await phone.dial(phone_of(colleague))
        theirs = await other.rings()
        await theirs.answer()
        await own_call.answered()
        await own_call.say(AGENT)
        await theirs.say(CALLER)
        await theirs.hears(AGENT)
        await own_call.hears(CALLER)
        await own_call.hang_up()
    finally:
        await scene.lq.put_document("phones", ext, document)
