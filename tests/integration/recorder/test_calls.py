"""From what was said into a real rtpengine to the WAV: sample by sample, both sides at their time."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lq.media.leg import At, MediaLeg, Park
from recorder.codecs import ALAW, ULAW, ULAW_TO_ALAW
from recorder.pcap import RtpPacket
from tests.contract.mixer.conftest import PROMPTS
from tests.integration.media.conftest import Studio, sdp
from tests.integration.media.endpoint import Endpoint
from tests.integration.recorder.conftest import Books, Recorded, recorded, spool_files, until
from tests.simulator import audio
from tests.unit.recorder.whole import rtp_packets

CUSTOMER, AGENT = 440, 540
PROMPT = audio.encode(PROMPTS["t/odd"])


def tone(frequency: int) -> audio.Samples:
    return audio.tone(frequency, 1.0)


async def caller(studio: Studio, phone: Endpoint, name: str) -> MediaLeg:
    """A call whose every packet is recorded as `<name>-r1`: nothing was said before."""
    leg, _ = await studio.engine.incoming(name, sdp(phone))
    phone.catches_up = True  # what is missing in the recording, the recorder has lost
    await studio.engine.record(leg, f"{name}-r1", name)
    return leg


async def at_mixer(studio: Studio, leg: MediaLeg) -> MediaLeg:
    await studio.mixer.join(leg.id, leg.x_address)
    return await studio.engine.point(leg, At(*studio.mixer.rtp))


async def kept(studio: Studio, books: Books, leg: MediaLeg) -> Recorded:
    """The call ends; its recording, once it was verified and nothing of it is left in the spool."""
    await studio.engine.delete(leg.id)
    await books.verified(f"{leg.id}-r1")
    home = studio.center.home
    await until(lambda: not [f for f in spool_files(home.spool) if leg.id in f], f"{spool_files(home.spool)}")
    return recorded(home.recordings, f"{leg.id}-r1")


def captured(studio: Studio, leg: MediaLeg) -> Path:
    """The pcap under another name, which stays when the recorder has removed it."""
    (pcap,) = (studio.center.home.spool / "pcaps").glob(f"{leg.id}-*.pcap")
    copy = studio.center.path / f"{leg.id}.kept"
    os.link(pcap, copy)
    return copy


async def test_a_call_from_prompt_to_talk(studio: Studio, books: Books) -> None:
    customer, agent = await studio.party(), await studio.party()
    a = await caller(studio, customer, studio.name())
    customer.talk(a.local_port, tone(CUSTOMER))
    a = await at_mixer(studio, a)
    await studio.mixer.play(a.id, "p1", ["t/odd"])
    await studio.played.get()
    b = await studio.called(agent)
    agent.say(tone(AGENT))
    await studio.mixer.leave(a.id)
    a, b = await studio.engine.connect(a, b)
    await customer.hears(AGENT)
    since = len(agent.sent)
    await customer.has_sent(50)
    upto = len(agent.sent)
    result = await kept(studio, books, a)

    assert result.left.strip(b"\xd5") and result.left.strip(b"\xd5") in customer.said
    assert len(result.left) >= 50 * 160 + len(PROMPT)
    prompt = result.right.index(PROMPT)  # whole, once, before the agent
    talk = result.right.index(b"".join(agent.sent[since + 5 : upto - 5]))
    assert prompt + len(PROMPT) < talk and result.right.count(PROMPT) == 1
    heard = audio.decode(result.right)
    assert audio.tones(heard[prompt : prompt + len(PROMPT)]) == {640}
    assert audio.tones(heard[talk : talk + 8000]) == {AGENT}
    assert audio.tones(audio.decode(result.left)[talk : talk + 8000]) == {CUSTOMER}  # and none of the other side's
    assert result.gaps(0) == []

    stored = result.stored
    assert (stored.contact, stored.format, stored.channels) == (a.id, "wav/alaw", 2)
    assert stored.duration_ms == round(len(result.left) / 8)
    events = await books.of(f"{a.id}-r1")
    assert [(event.type, event.seq) for event in events] == [("recording_stored", 4), ("recording_verified", 5)]
    assert events[0].data["sha256"] == stored.sha256 == events[1].data["sha256"]
    assert events[0].data["path"] == stored.path and events[0].data["duration_ms"] == stored.duration_ms
    file = studio.center.home.recordings / stored.path
    told = json.loads(
        subprocess.run(
            ["ffprobe", "-v", "error", "-of", "json", "-show_streams", file], capture_output=True, check=True
        ).stdout
    )["streams"][0]
    assert (told["codec_name"], told["channels"], told["sample_rate"]) == ("pcm_alaw", 2, "8000")


async def test_a_mulaw_phone_is_kept_as_the_nearest_alaw(studio: Studio, books: Books) -> None:
    customer = await studio.party("u")
    a = await caller(studio, customer, studio.name())
    customer.talk(a.local_port, tone(CUSTOMER))
    a = await at_mixer(studio, a)
    await studio.mixer.play(a.id, "p1", ["t/odd"])
    await studio.played.get()
    await customer.has_sent(10)
    result = await kept(studio, books, a)
    said = ULAW_TO_ALAW[np.frombuffer(customer.said, np.uint8)].tobytes()
    assert len(result.left) > 1600 and result.left.strip(b"\xd5") in said
    assert audio.tones(audio.decode(result.left)[:1600]) == {CUSTOMER}
    codes = np.arange(256)
    nearest = np.abs(ALAW[None, :].astype(int) - ULAW[:, None].astype(int)).min(axis=1)
    assert np.array_equal(np.abs(ALAW[ULAW_TO_ALAW[codes]].astype(int) - ULAW.astype(int)), nearest)
    assert PROMPT in result.right  # what he heard is recorded before it became µ-law


async def test_what_the_network_loses_is_silence_of_that_length_and_is_told(studio: Studio, books: Books) -> None:
    customer = await studio.party()
    a = await caller(studio, customer, studio.name())
    lost = {30, *range(50, 75)}
    customer.network = lambda n, packet: [] if n in lost else [packet]
    customer.talk(a.local_port, tone(CUSTOMER))
    await customer.has_sent(100)
    result = await kept(studio, books, a)
    said = bytearray(customer.said)
    for n in lost:
        at = (customer.stamps[n] - customer.stamps[0]) % 2**32
        said[at : at + 160] = b"\xd5" * 160
    assert said.startswith(result.left)  # every other sample in its place
    at = (customer.stamps[50] - customer.stamps[0]) % 2**32 / 8000
    assert (round(at, 3), 0.5) in result.gaps(0)
    assert result.gaps(1) == [(0.0, round(len(result.right) / 8000, 3))]  # he heard nothing at all
    assert set(result.right) == {0xD5}


async def test_doubled_and_overtaken_packets_at_the_wrap_of_both_counters(studio: Studio, books: Books) -> None:
    customer = await studio.party()
    customer.sequence, customer.timestamp = 65_500, 2**32 - 50 * 160
    held: list[bytes] = []

    def network(n: int, packet: bytes) -> Sequence[bytes]:
        if n % 10 == 7:
            held.append(packet)
            return []
        if n % 10 == 8:  # overtakes the one before it, which then comes twice
            late = held.pop()
            return [packet, late, late]
        return [packet]

    customer.network = network
    a = await caller(studio, customer, studio.name())
    customer.talk(a.local_port, tone(CUSTOMER))
    await customer.has_sent(100)
    result = await kept(studio, books, a)
    assert customer.said.startswith(result.left) and len(result.left) > 90 * 160
    assert result.gaps(0) == []


async def test_both_sides_stand_where_they_were_captured(studio: Studio, books: Books) -> None:
    """Against the capture itself: the first packet of each stream, also of those after a change of partner."""
    customer, agent = await studio.party(), await studio.party()
    a = await caller(studio, customer, studio.name())
    customer.talk(a.local_port, audio.chirp(20))
    b = await studio.called(agent)
    agent.say(audio.chirp(20))
    for _ in range(3):
        a, b = await studio.engine.connect(a, b)
        heard = len(customer.packets)
        await customer.until(lambda heard=heard: len(customer.packets) > heard + 20)
        b = await studio.engine.point(b, Park())
        a = await at_mixer(studio, a)
        await studio.mixer.play(a.id, "p", ["t/odd"])
        await studio.played.get()
        await studio.mixer.leave(a.id)
    pcap = captured(studio, a)
    result = await kept(studio, books, a)
    packets = list(rtp_packets(pcap.read_bytes()))
    pcap.unlink()
    start = packets[0].time_s
    firsts: dict[tuple[int, int], RtpPacket] = {}
    for packet in packets:
        firsts.setdefault((packet.port, packet.ssrc), packet)
    assert len(firsts) == 1 + 1 + 3  # the customer, the agent, the mixer three times
    for (port, _), packet in firsts.items():
        voice = result.left if port == a.local_port else result.right
        at = round((packet.time_s - start) * 8000)
        assert voice[at : at + 160] == packet.payload
    # By the sender's clock, which places the rest, it stays within a packet of the capture.
    shifts = []
    for packet in packets:
        if packet.port == a.local_port:
            at = round((packet.time_s - start) * 8000)
            shifts.append(result.left.index(packet.payload, max(0, at - 8000)) - at)
    assert abs(statistics.median(shifts)) <= 160


async def test_a_recording_that_is_asked_for_twice_is_one(studio: Studio, books: Books) -> None:
    """As another node does when it carries a contact on."""
    customer = await studio.party()
    a = await caller(studio, customer, studio.name())
    customer.talk(a.local_port, tone(CUSTOMER))
    await customer.has_sent(10)
    await studio.engine.record(a, f"{a.id}-r1", a.id)
    await customer.has_sent(10)
    result = await kept(studio, books, a)
    assert len(result.left) > 18 * 160 and result.left in customer.said


async def test_a_call_without_a_packet_is_an_empty_recording(studio: Studio, books: Books) -> None:
    a = await caller(studio, await studio.party(), studio.name())
    result = await kept(studio, books, a)
    assert result.stored.duration_ms == 0 and result.left == b""


async def test_keys_are_not_heard_in_the_recording_and_are_no_gap(studio: Studio, books: Books) -> None:
    customer = await studio.party()
    a = await caller(studio, customer, studio.name())
    customer.talk(a.local_port, tone(CUSTOMER))
    await customer.has_sent(20)
    customer.press("12")
    await customer.has_sent(60)
    result = await kept(studio, books, a)
    assert result.gaps(0) == []
    quiet = audio.gaps(audio.decode(result.left), longer_than=0.1)
    assert [round(duration, 2) for _, duration in quiet] == [pytest.approx(0.14, abs=0.02)] * 2
