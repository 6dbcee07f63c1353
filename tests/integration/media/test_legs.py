"""Legs in the real rtpengine: what each party hears, by tone; keys; hold; what is refused."""

from __future__ import annotations

import asyncio
import re
import statistics
from itertools import pairwise

import numpy as np
import pytest

from lq.media.leg import Bridge, MediaLeg, Park
from lq.media.rtpengine import BadDescription, MediaRefused, NoCommonCodec
from lq.media.sdp import audio as description
from tests.contract.mixer.conftest import PROMPTS
from tests.integration.media.codecs import Name
from tests.integration.media.conftest import AGENT, CUSTOMER, THIRD, Studio, at_mixer, bridged, sdp, tone
from tests.integration.media.endpoint import streams
from tests.simulator import audio
from tests.simulator.audio import Law

# -- who hears whom ----------------------------------------------------------------------------------------------------


async def test_a_caller_hears_a_prompt_of_the_mixer_whole(studio: Studio) -> None:
    phone = await studio.party()
    leg, answer = await studio.calls(phone)
    leg = await at_mixer(studio, leg)
    await phone.until(lambda: phone.packets)  # silence: the way is open
    await studio.mixer.play(leg.id, "p1", ["t/440", "t/540"])
    assert await asyncio.wait_for(studio.played.get(), 10) == (leg.id, "p1", True)
    wanted = audio.encode(np.concatenate([PROMPTS["t/440"], PROMPTS["t/540"]]))
    await phone.until(lambda: wanted in b"".join(packet.payload for packet in phone.packets))
    assert description(answer).codecs[0].name == "PCMA" and {p.payload_type for p in phone.packets} == {8}


async def test_a_caller_with_mulaw_hears_the_prompt_in_mulaw(studio: Studio) -> None:
    phone = await studio.party("u")
    leg, answer = await studio.calls(phone)
    leg = await at_mixer(studio, leg)
    await studio.mixer.play(leg.id, "p1", ["t/music"], repeat=0)
    await phone.until(lambda: audio.tones(audio.decode([p.payload for p in phone.voice[-5:]], "u")) == {890})
    assert leg.codec == "PCMU/8000" and [c.name for c in description(answer).codecs] == ["PCMU", "telephone-event"]
    assert {p.payload_type for p in phone.packets} == {0}


async def test_echo_through_rtpengine(studio: Studio) -> None:
    phone = await studio.party()
    leg, _ = await studio.calls(phone)
    leg = await at_mixer(studio, leg)
    await studio.mixer.echo(leg.id)
    phone.say(tone(THIRD))
    await phone.hears(THIRD)


@pytest.mark.parametrize(("of_customer", "of_agent"), [("a", "a"), ("u", "a"), ("a", "u"), ("u", "u")])
async def test_two_parties_hear_each_other_and_not_themselves(studio: Studio, of_customer: Law, of_agent: Law) -> None:
    customer, agent = await studio.party(of_customer), await studio.party(of_agent)
    await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)
    heard = audio.decode([p.payload for p in customer.voice[-25:]], of_customer)
    assert audio.goertzel(heard, AGENT) == pytest.approx(-20, abs=0.5)  # as loud as it was said


async def test_three_legs_change_partners_without_cross_talk(studio: Studio) -> None:
    customer, agent, third = [await studio.party() for _ in range(3)]
    a, b = await bridged(studio, customer, agent)
    c = await studio.called(third)
    third.say(tone(THIRD))
    await customer.hears(AGENT)
    b = await studio.engine.point(b, Park())  # the consultation: agent and third party, the customer waits
    a = await at_mixer(studio, a)
    await studio.mixer.play(a.id, "hold", ["t/music"], repeat=0)
    b, c = await studio.engine.connect(b, c)
    await customer.hears(890)
    await agent.hears(THIRD)
    await third.hears(AGENT)
    b = await studio.engine.point(b, Park())  # the transfer
    await studio.mixer.leave(a.id)
    a, c = await studio.engine.connect(a, c)
    await customer.hears(THIRD)
    await third.hears(CUSTOMER)
    start = len(agent.packets)
    assert audio.tones(agent.recent()) <= {THIRD}  # what he heard last
    await third.until(lambda: len(third.packets) > 50)
    assert len(agent.packets) - start <= 2  # parked: nothing comes to him


async def test_a_parked_leg_hears_nothing_and_is_heard_by_nobody(studio: Studio) -> None:
    customer, agent = await studio.party(), await studio.party()
    a, b = await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    a, b = await studio.engine.point(a, Park()), await studio.engine.point(b, Park())
    count = len(customer.packets), len(agent.packets)
    await customer.has_sent(25)
    assert (len(customer.packets), len(agent.packets)) <= (count[0] + 2, count[1] + 2)  # what was under way
    await studio.engine.connect(a, b)
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)


async def test_pointing_again_keeps_ports_and_makes_no_hole(studio: Studio) -> None:
    """Prompt → bridge → prompt …: the phone notices a new SSRC, and no more than two packets are missing."""
    customer, agent = await studio.party(), await studio.party()
    a, _ = await studio.calls(customer)
    b = await studio.called(agent)
    agent.say(tone(AGENT))
    ports = a.local_port, a.x_port
    for _ in range(5):
        b = await studio.engine.point(b, Park())
        a = await at_mixer(studio, a)
        await studio.mixer.play(a.id, "p1", ["t/music"], repeat=0)
        await customer.hears(890)
        await studio.mixer.leave(a.id)
        a, b = await studio.engine.connect(a, b)
        await customer.hears(AGENT)
        assert (a.local_port, a.x_port) == ports
    changes = [after.at - before.at for before, after in pairwise(customer.packets) if before.ssrc != after.ssrc]
    assert len(changes) >= 9 and len(streams(customer.packets)) == 6
    assert statistics.median(changes) < 0.06  # of nine: a busy machine delays one or the other


async def test_pointing_is_idempotent(studio: Studio) -> None:
    customer, agent = await studio.party(), await studio.party()
    a, b = await bridged(studio, customer, agent)
    for _ in range(5):
        again = await studio.engine.point(a, Bridge(b)), await studio.engine.point(b, Bridge(a))
        assert again == (a, b)
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)


async def test_many_calls_are_not_mixed_up(studio: Studio) -> None:
    pairs = []
    for n in range(5):
        customer, agent = await studio.party(), await studio.party()
        await bridged(studio, customer, agent)
        customer.say(tone(audio.TONES[2 * n]))
        agent.say(tone(audio.TONES[2 * n + 1]))
        pairs.append((customer, agent))
    for n, (customer, agent) in enumerate(pairs):
        await customer.hears(audio.TONES[2 * n + 1])
        await agent.hears(audio.TONES[2 * n])


# -- keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", [101, 96])
async def test_each_key_is_told_once_also_while_a_prompt_plays(studio: Studio, event_type: int) -> None:
    phone = await studio.party(event_type=event_type)
    leg, answer = await studio.calls(phone)
    assert description(answer).event is not None and description(answer).event.payload == event_type
    leg = await at_mixer(studio, leg)
    await studio.mixer.play(leg.id, "p1", ["t/music"], repeat=0)
    await phone.hears(890)
    keys = "0123456789*#ABCD55"  # the same one twice is two keys
    phone.press(keys)
    await studio.keys_are(*((leg.id, key) for key in keys))
    await phone.hears(890)


async def test_keys_of_two_phones_are_told_apart_and_reach_the_other_party(studio: Studio) -> None:
    customer, agent = await studio.party(), await studio.party()
    a, b = await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)
    customer.press("7")
    await studio.keys_are((a.id, "7"))
    await agent.until(lambda: agent.keys == "7")
    agent.press("8")
    await studio.keys_are((a.id, "7"), (b.id, "8"))
    await customer.until(lambda: customer.keys == "8")


async def test_a_key_reaches_the_other_party_with_the_type_that_it_was_offered(studio: Studio) -> None:
    """The caller's phone says 96; the agent's is offered 96, and so understands what comes."""
    customer, agent = await studio.party(event_type=96), await studio.party(event_type=96)
    a, _ = await studio.calls(customer)
    b, offer = await studio.engine.outgoing(studio.name(), event_type=a.event_type)
    assert description(offer).event is not None and description(offer).event.payload == 96
    b = await studio.engine.answered(b, sdp(agent))
    agent.talk(b.local_port, tone(AGENT))
    await studio.engine.connect(a, b)
    await customer.hears(AGENT)
    customer.press("4")
    await agent.until(lambda: agent.keys == "4")
    await studio.keys_are((a.id, "4"))
    agent.press("2")
    await customer.until(lambda: customer.keys == "2")


@pytest.mark.parametrize(
    ("of_customer", "of_agent"),
    [
        (("PCMA", 96), ("PCMA", 101)),
        (("PCMU", 126), ("PCMA", 97)),
        (("G729", 97), ("G722", 101)),
        (("opus", 126), ("PCMA", 101)),
        (("opus", 101), ("opus", 96)),
    ],
)
async def test_keys_of_unequal_types_are_heard_once_each_under_the_types_of_those_who_hear(
    studio: Studio, of_customer: tuple[Name, int], of_agent: tuple[Name, int]
) -> None:
    """rtpengine would pass them on unchanged, and the other phone drop them: they are taken out and put in again."""
    customer, agent = await studio.party(*of_customer), await studio.party(*of_agent)
    a, answer = await studio.calls(customer)
    event = next(c for c in description(answer).codecs if c.name == "telephone-event")
    assert (event.payload, event.rate) == (of_customer[1], 8000)  # as it was offered
    b, _ = await studio.calls(agent)
    customer.say(tone(CUSTOMER))
    agent.say(tone(AGENT))
    a, b = await studio.engine.connect(a, b)
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)
    assert a.blocked and b.blocked
    customer.press("7#")
    await studio.keys_are((a.id, "7"), (a.id, "#"))
    for heard in ("7", "7#"):
        b = await studio.engine.press(b, heard[-1], 100)
        await agent.until(lambda heard=heard: agent.keys == heard)  # type: ignore[misc]
    agent.press("0")
    await studio.keys_are((a.id, "7"), (a.id, "#"), (b.id, "0"))
    a = await studio.engine.press(a, "0", 100)
    await customer.until(lambda: customer.keys == "0")
    known = [{party.speech.payload_type, party.event_type} for party in (customer, agent)]
    assert [{packet.payload_type for packet in party.packets} for party in (customer, agent)] == known
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)


async def test_a_leg_that_is_joined_with_its_like_again_passes_keys_by_itself(studio: Studio) -> None:
    customer, agent, third = await studio.party(event_type=96), await studio.party(), await studio.party()
    a, _ = await studio.calls(customer)
    b, c = await studio.called(agent), await studio.called(third)
    third.say(tone(THIRD))
    a, b = await studio.engine.connect(a, b)
    assert b.blocked
    await studio.engine.point(a, Park())
    b, c = await studio.engine.connect(b, c)
    assert not b.blocked and not b.injecting
    await agent.hears(THIRD)
    agent.press("5")
    await third.until(lambda: third.keys == "5")
    await studio.keys_are((b.id, "5"))


@pytest.mark.parametrize("way", ["in", "out"])
@pytest.mark.parametrize("codec", ["PCMA", "PCMU", "G729"])
async def test_a_phone_without_telephone_events_says_keys_as_tones_and_hears_tones(
    studio: Studio, codec: Name, way: str
) -> None:
    phone, agent = await studio.party(codec, event_type=0), await studio.party()
    a = (await studio.calls(phone))[0] if way == "in" else await studio.called(phone)
    b = await studio.called(agent)
    assert not a.keys
    agent.say(tone(AGENT))
    a, b = await studio.engine.connect(a, b)
    await phone.hears(AGENT)
    pause = audio.silence(0.2)
    phone.say(np.concatenate([audio.key("4"), pause, audio.key("4"), pause, audio.key("#"), pause]), once=True)
    await studio.keys_are((a.id, "4"), (a.id, "4"), (a.id, "#"))
    b = await studio.engine.press(b, "4", 100)
    await agent.until(lambda: agent.keys == "4")
    agent.say(audio.silence(0.2))
    since = len(phone.packets)
    await studio.engine.press(a, "9", 200)
    await phone.until(lambda: len(phone.packets) - since > 30)
    heard = phone.heard(since)
    found = {
        f for f in (697, 770, 852, 941, 1209, 1336, 1477, 1633)
        if max(audio.goertzel(heard[at : at + 800], f) for at in range(0, len(heard) - 800, 400)) > -30
    }  # fmt: skip
    assert found == {852, 1477}


# -- hold and other re-offers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "host", "answered"),
    [
        ("sendonly", "127.0.0.1", "recvonly"),
        ("inactive", "127.0.0.1", "inactive"),
        ("recvonly", "127.0.0.1", "sendonly"),
        ("sendrecv", "0.0.0.0", "sendrecv"),
    ],
)
async def test_hold_gets_a_legal_answer_and_the_talk_goes_on_afterwards(
    studio: Studio, direction: str, host: str, answered: str
) -> None:
    customer, agent = await studio.party(), await studio.party()
    a, b = await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    held, answer = await studio.engine.reoffer(b, sdp(agent, direction=direction, host=host))
    assert description(answer).direction == answered
    assert description(answer).port == b.local_port and (held.local_port, held.x_port) == (b.local_port, b.x_port)
    assert re.search(r"^o=- 7 2 ", answer, re.MULTILINE)
    a = await at_mixer(studio, a)
    held = await studio.engine.point(held, Park())
    await studio.mixer.play(a.id, "hold", ["t/music"], repeat=0)
    await customer.hears(890)
    await studio.mixer.leave(a.id)
    resumed, answer = await studio.engine.reoffer(held, sdp(agent))
    assert description(answer).direction == "sendrecv" and description(answer).port == b.local_port
    assert re.search(r"^o=- 7 3 ", answer, re.MULTILINE)
    await studio.engine.connect(a, resumed)
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)


async def test_a_phone_that_moves_and_changes_its_codec_is_followed(studio: Studio) -> None:
    customer, agent, moved = await studio.party(), await studio.party(), await studio.party("u")
    _, b = await bridged(studio, customer, agent)
    await agent.hears(CUSTOMER)
    await agent.close()
    changed, answer = await studio.engine.reoffer(b, sdp(moved))
    moved.talk(description(answer).port, tone(THIRD))
    assert changed.codec == "PCMU/8000" and description(answer).port == b.local_port
    await customer.hears(THIRD)
    await moved.until(lambda: audio.tones(audio.decode([p.payload for p in moved.voice[-5:]], "u")) == {CUSTOMER})


async def test_the_codec_that_is_spoken_stays_when_more_are_offered(studio: Studio) -> None:
    phone = await studio.party("u")
    leg, _ = await studio.calls(phone)
    both = sdp(phone).replace("RTP/AVP 0 ", "RTP/AVP 0 8 ")
    leg, answer = await studio.engine.reoffer(leg, both)
    assert leg.codec == "PCMU/8000" and [c.name for c in description(answer).codecs] == ["PCMU", "telephone-event"]


async def test_a_reoffer_that_is_refused_changes_nothing(studio: Studio) -> None:
    customer, agent = await studio.party(), await studio.party()
    _, b = await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    with pytest.raises(NoCommonCodec):
        await studio.engine.reoffer(b, sdp(agent).replace("PCMA/8000", "AMR/8000").replace("AVP 8", "AVP 99"))
    with pytest.raises(MediaRefused):
        await studio.engine.reoffer(b, "v=0\r\n")
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)


# -- what is negotiated ------------------------------------------------------------------------------------------------


async def test_g722_is_taken_when_it_is_all_that_a_phone_has(studio: Studio) -> None:
    phone = await studio.party()
    text = sdp(phone).replace("RTP/AVP 8 ", "RTP/AVP 9 ").replace("a=rtpmap:8 PCMA/8000", "a=rtpmap:9 G722/8000")
    leg, answer = await studio.engine.incoming(studio.name(), text)
    assert leg.codec == "G722/8000" and description(answer).codecs[0].map == "G722/8000"
    await studio.engine.point(leg, Park())


async def test_our_own_offer_has_alaw_first_and_what_we_can_translate(studio: Studio) -> None:
    leg, offer = await studio.engine.outgoing(studio.name())
    found = description(offer)
    names = ["PCMA", "PCMU", "G722", "G729", "opus", "telephone-event", "telephone-event"]
    assert [c.name for c in found.codecs] == names
    assert found.event and found.event.payload == 101 and found.direction == "sendrecv" and found.port == leg.local_port
    phone = await studio.party("u")
    leg = await studio.engine.answered(leg, sdp(phone))
    assert leg.codec == "PCMU/8000"


@pytest.mark.parametrize(
    "codecs",
    [
        ("97 98", "a=rtpmap:97 AMR/8000\r\na=rtpmap:98 AMR-WB/16000"),
        ("97", "a=rtpmap:97 iLBC/8000"),
        ("97", ""),
    ],
)
async def test_no_codec_in_common_is_said_and_costs_rtpengine_nothing(studio: Studio, codecs: tuple[str, str]) -> None:
    name = studio.name()
    text = f"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP {codecs[0]}\r\n{codecs[1]}\r\n"
    with pytest.raises(NoCommonCodec, match="the phone offers"):
        await studio.engine.incoming(name, text)
    with pytest.raises(MediaRefused, match=r"(?i)unknown call-id"):
        await studio.engine.query(name)
    leg, _ = await studio.engine.outgoing(name)
    with pytest.raises(NoCommonCodec):
        await studio.engine.answered(leg, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin with v=0"),
        ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n", "no audio stream"),
        ("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 8\r\n", "port 0"),
        ("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/SAVP 8\r\na=crypto:1 x inline:y\r\n", "RTP/SAVP only"),
        ("v=0\r\nc=IN IP4 nowhere.invalid\r\nm=audio 4000 RTP/AVP 8\r\n", "connection address"),
        ("v=0\r\nm=audio 4000 RTP/AVP 8\r\n", "no connection address"),
    ],
)
async def test_a_broken_description_is_refused_with_a_reason(studio: Studio, text: str, why: str) -> None:
    name = studio.name()
    with pytest.raises(BadDescription, match=why):
        await studio.engine.incoming(name, text)
    await studio.engine.delete(name)


async def test_video_and_a_second_stream_are_refused_in_the_answer(studio: Studio) -> None:
    phone = await studio.party()
    text = sdp(phone) + "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 4004 RTP/AVP 8\r\n"
    leg, answer = await studio.engine.incoming(studio.name(), text)
    media = re.findall(r"^m=(\w+) (\d+) RTP/AVP", answer, re.MULTILINE)
    assert media == [("audio", str(leg.local_port)), ("video", "0"), ("audio", "0")]
    phone.talk(leg.local_port, tone(CUSTOMER))
    leg = await at_mixer(studio, leg)
    await studio.mixer.echo(leg.id)
    await phone.hears(CUSTOMER)
    leg, answer = await studio.engine.reoffer(leg, text)
    assert len(re.findall(r"^m=", answer, re.MULTILINE)) == 3


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_a_deleted_leg_is_gone_and_deleting_it_again_is_no_error(studio: Studio) -> None:
    customer, agent = await studio.party(), await studio.party()
    a, b = await bridged(studio, customer, agent)
    await customer.hears(AGENT)
    await studio.engine.delete(b.id)
    await studio.engine.delete(b.id)
    with pytest.raises(MediaRefused):
        await studio.engine.query(b.id)
    a = await at_mixer(studio, a)
    await studio.mixer.play(a.id, "p1", ["t/music"], repeat=0)
    await customer.hears(890)


async def test_a_leg_survives_as_json(studio: Studio) -> None:
    """What another node needs to carry it on."""
    customer, agent = await studio.party(), await studio.party()
    a, b = await bridged(studio, customer, agent)
    a, b = MediaLeg.from_json(a.to_json()), MediaLeg.from_json({**b.to_json(), "a_field_of_tomorrow": 1})
    a = await studio.engine.point(a, Park())
    await studio.engine.connect(a, b)
    await customer.hears(AGENT)
    await agent.hears(CUSTOMER)
