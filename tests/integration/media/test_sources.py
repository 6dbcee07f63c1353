"""Whose packets are whose voice: strangers who know a port, phones behind routers and phones that move."""

from __future__ import annotations

import pytest

from lq.media.leg import Park
from lq.media.sdp import audio as description
from tests.integration.media.conftest import AGENT, CUSTOMER, THIRD, Studio, at_mixer, bridged, sdp, tone
from tests.simulator import audio


async def test_who_sends_to_our_side_uninvited_is_not_heard_and_hears_nothing(studio: Studio) -> None:
    customer, agent, stray = await studio.party(), await studio.party(), await studio.party()
    a, b = await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    stray.talk(a.x_port, tone(THIRD))
    await stray.has_sent(50)
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)
    assert stray.packets == []
    heard = len(customer.packets)
    a = await studio.engine.point(a, Park())  # the agent's side goes on sending: it is a partner of before
    await customer.has_sent(25)
    assert len(customer.packets) - heard <= 2
    await studio.engine.connect(a, b)
    await customer.hears(AGENT)


async def test_a_phone_that_moves_is_heard_and_hears_from_its_reinvite_on(studio: Studio) -> None:
    """Its packets alone are anybody's: without its word they are not taken for its voice."""
    customer, agent, moved = await studio.party(), await studio.party(), await studio.party()
    a, b = await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    await agent.has_sent(200)  # rtpengine has learned
    await agent.close()
    moved.talk(b.local_port, tone(THIRD))
    await moved.has_sent(25)
    assert THIRD not in audio.tones(customer.recent()) and moved.packets == []
    b, _ = await studio.engine.reoffer(b, sdp(moved))
    await studio.engine.connect(a, b)
    await customer.hears(THIRD)
    await moved.hears(CUSTOMER)


async def test_whoever_knows_a_phones_port_gets_nothing_of_its_call(studio: Studio) -> None:
    customer, agent, stranger = [await studio.party() for _ in range(3)]
    _, b = await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    await agent.has_sent(200)
    stranger.talk(b.local_port, tone(THIRD))
    since = len(customer.packets)
    await stranger.has_sent(50)
    assert audio.tones(customer.heard(since)) == {AGENT} and stranger.packets == []
    await agent.hears(CUSTOMER)


@pytest.mark.slow
async def test_nor_once_it_is_pointed_anew(studio: Studio) -> None:
    """rtpengine would learn again for 3 s then, and the stranger could win."""
    customer, agent, stranger = [await studio.party() for _ in range(3)]
    a, b = await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    await agent.has_sent(200)
    stranger.talk(b.local_port, tone(THIRD))
    await stranger.has_sent(50)
    await studio.engine.connect(a, b)
    await stranger.has_sent(250)
    since = len(customer.packets), len(stranger.packets)
    await stranger.has_sent(50)
    assert audio.tones(customer.heard(since[0])) == {AGENT} and len(stranger.packets) == since[1]
    await agent.hears(CUSTOMER)


@pytest.mark.slow
async def test_nor_by_being_the_first_to_speak(studio: Studio) -> None:
    """While rtpengine learns, it prefers whom the description names, once he speaks: a stranger is heard too, for 3 s,
    and hears nothing."""
    customer, agent, stranger = [await studio.party() for _ in range(3)]
    a, _ = await studio.calls(customer)
    b, offer = await studio.engine.outgoing(studio.name())
    b = await studio.engine.answered(b, sdp(agent))
    stranger.talk(b.local_port, tone(THIRD))
    await stranger.has_sent(25)
    agent.understand(description(offer))
    agent.talk(b.local_port, tone(AGENT))
    await agent.has_sent(10)
    customer.say(tone(CUSTOMER))
    await studio.engine.connect(a, b)
    await agent.has_sent(240)
    since = len(customer.packets)
    await agent.has_sent(50)
    assert audio.tones(customer.heard(since)) == {AGENT} and stranger.packets == []
    await agent.hears(CUSTOMER)


async def test_a_phone_behind_a_router_is_learned_and_stays_where_it_was_seen(studio: Studio) -> None:
    """What it says of itself leads nowhere; neither a change of partner nor a hold of its own asks for its word."""
    customer, agent, stranger = [await studio.party() for _ in range(3)]
    a, _ = await studio.calls(customer)
    b, offer = await studio.engine.outgoing(studio.name())
    b = await studio.engine.answered(b, sdp(agent, host="192.168.1.7", port=5004))
    agent.understand(description(offer))
    agent.talk(b.local_port, tone(AGENT))
    customer.say(tone(CUSTOMER))
    a, b = await studio.engine.connect(a, b)
    await agent.has_sent(200)
    b = await studio.engine.point(b, Park())
    assert b.seen == f"127.0.0.1:{agent.port}"
    stranger.talk(b.local_port, tone(THIRD))
    await stranger.has_sent(10)
    for direction in ("sendonly", "sendrecv"):
        b, _ = await studio.engine.reoffer(b, sdp(agent, host="192.168.1.7", port=5004, direction=direction))
    a, b = await studio.engine.connect(a, b)
    since = len(customer.packets)
    await stranger.has_sent(200)
    assert audio.tones(customer.heard(since)) == {AGENT} and stranger.packets == []
    await agent.hears(CUSTOMER)
    await agent.close()
    b = await studio.engine.listen(b)  # it has moved after all
    await stranger.hears(CUSTOMER)


@pytest.mark.parametrize("way", ["in", "out"])
async def test_into_a_trunks_call_nobody_puts_a_voice(studio: Studio, way: str) -> None:
    """Where its RTP came from first it comes from, also after the call was joined anew."""
    trunk, agent, stranger = [await studio.party() for _ in range(3)]
    if way == "in":
        a, answer = await studio.engine.incoming(studio.name(), sdp(trunk), strict=True)
        trunk.talk(description(answer).port, tone(CUSTOMER))
    else:
        a, offer = await studio.engine.outgoing(studio.name(), strict=True)
        a = await studio.engine.answered(a, sdp(trunk))
        trunk.talk(description(offer).port, tone(CUSTOMER))
    b = await studio.called(agent)
    agent.say(tone(AGENT))
    a, b = await studio.engine.connect(a, b)
    await agent.hears(CUSTOMER)
    await trunk.has_sent(200)  # rtpengine learns for some seconds
    stranger.talk(a.local_port, tone(THIRD))
    for _ in range(2):
        since = len(agent.packets)
        await stranger.has_sent(50)
        assert audio.tones(agent.heard(since)) == {CUSTOMER} and stranger.packets == []
        await trunk.hears(AGENT)
        a, b = await studio.engine.connect(a, b)


async def test_early_media_then_an_answer_from_elsewhere(studio: Studio) -> None:
    """183 with the ring-back of a gateway, 200 with another port: our port stays."""
    customer, early, agent = [await studio.party() for _ in range(3)]
    a, _ = await studio.calls(customer)
    b, offer = await studio.engine.outgoing(studio.name())
    port = description(offer).port
    b = await studio.engine.answered(b, sdp(early))
    early.talk(port, tone(THIRD))
    a, b = await studio.engine.connect(a, b)
    await customer.hears(THIRD)
    await early.close()
    b = await studio.engine.answered(b, sdp(agent))
    agent.talk(port, tone(AGENT))
    a, b = await studio.engine.connect(a, b)
    await customer.hears(AGENT)
    assert b.local_port == port


async def test_a_phone_behind_nat_is_answered_where_it_sends_from(studio: Studio) -> None:
    phone = await studio.party()
    leg, answer = await studio.engine.incoming(studio.name(), sdp(phone, host="10.255.255.1", port=4000))
    phone.talk(description(answer).port, tone(CUSTOMER))
    leg = await at_mixer(studio, leg)
    await studio.mixer.play(leg.id, "p1", ["t/music"], repeat=0)
    await phone.hears(890)
    await studio.mixer.echo(leg.id)
    await phone.hears(CUSTOMER)
