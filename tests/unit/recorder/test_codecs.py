"""Phones that speak no G.711: their tone is in the WAV, at its place, whatever the network does to the packets."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.codecs import ALAW, RATE, TO_ALAW, Undecodable, decoder, missing
from recorder.pcap import RtpPacket
from recorder.voices import SILENCE
from tests.simulator import audio
from tests.simulator.encoders import STEP, encoded
from tests.unit.recorder.whole import assemble

LEFT, RIGHT = 30000, 30002
KINDS = {"G722": 9, "G729": 18, "opus": 111}
CODECS = {111: "OPUS", 101: "telephone-event"}


def stream(codec: str, samples: audio.Samples, *, late: float = 0.0) -> list[RtpPacket]:
    return [
        RtpPacket(1000 + late + n * 0.02, LEFT, KINDS[codec], n, 77 + n * STEP[codec], 1, payload)
        for n, payload in enumerate(encoded(samples, codec))
    ]


def left(packets: list[RtpPacket]) -> audio.Samples:
    voices = assemble(packets, LEFT, RIGHT, CODECS)
    assert [gap for gap in voices.gaps if gap.channel == 0] == []
    return audio.decode(voices.samples[:, 0].tobytes())


def test_the_libraries_are_here() -> None:
    assert missing() == []


@pytest.mark.parametrize("codec", KINDS)
def test_a_tone_is_heard_at_its_place(codec: str) -> None:
    """440 Hz for a second, 740 Hz for another; as long as it was, the change within 30 ms of its place."""
    heard = left(stream(codec, np.concatenate([audio.tone(440, 1.0), audio.tone(740, 1.0)])))
    assert len(heard) == 2 * RATE
    assert audio.tones(heard[1600:7200]) == {440} and audio.tones(heard[8800:15200]) == {740}
    assert audio.tones(heard[7120:7920]) == {440} and audio.tones(heard[8240:9040]) == {740}


@pytest.mark.parametrize("codec", KINDS)
def test_overtaken_and_doubled_packets_go_through_the_decoder_once_and_in_order(codec: str) -> None:
    packets = stream(codec, audio.tone(440, 2.0))
    straight = left(packets)
    order = random.Random(7)
    mixed = sorted([*packets, *order.sample(packets, 20)], key=lambda packet: packet.sequence + 3 * order.random())
    mixed = [packets[0], *(packet for packet in mixed if packet.sequence)]
    arrived = [packet._replace(time_s=1000 + n * 0.0166) for n, packet in enumerate(mixed)]
    assert np.array_equal(left(arrived), straight)


@pytest.mark.parametrize("codec", KINDS)
def test_a_lost_packet_is_silence_and_a_longer_hole_is_told(codec: str) -> None:
    packets = [packet for n, packet in enumerate(stream(codec, audio.tone(440, 2.0))) if not 40 <= n < 60]
    voices = assemble(packets, LEFT, RIGHT, CODECS)
    assert [(gap.start_s, gap.duration_s) for gap in voices.gaps if not gap.channel] == [(0.8, 0.4)]
    assert set(voices.samples[6400:9600, 0]) == {SILENCE}
    assert audio.tones(audio.decode(voices.samples[10_000:15_000, 0].tobytes())) == {440}


def test_a_phone_that_changes_its_codec_and_one_that_presses_keys_in_opus() -> None:
    first = stream("G729", audio.tone(440, 1.0))
    second = [p._replace(ssrc=2) for p in stream("opus", audio.tone(740, 1.0), late=1.0)]
    key = [
        RtpPacket(1002.0 + n * 0.02, LEFT, 101, n, 555, 2, bytes((1, 10, 0, 160))) for n in range(5)
    ]  # a clock of its own beside opus'
    heard = left([*first, *second, *key])
    assert audio.tones(heard[1600:7200]) == {440} and audio.tones(heard[9600:15200]) == {740}
    assert abs(len(heard) - 2.1 * RATE) <= 160 and abs(heard[16_400:]).max() == 8


def test_samples_become_the_nearest_code() -> None:
    samples = np.arange(-32768, 32768, 7).astype(np.int16)
    heard = ALAW[TO_ALAW[samples.view(np.uint16)]].astype(int)
    nearest = np.abs(ALAW.astype(int)[None, :] - samples.astype(int)[:, None]).min(axis=1)
    assert np.array_equal(np.abs(heard - samples), nearest)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["PCMA", "PCMU", "G722", "G729", "opus"]), st.lists(st.binary(max_size=1500), max_size=5))
def test_hostile_payloads(codec: str, payloads: list[bytes]) -> None:
    decode: Callable[[bytes], bytes] | None = decoder(codec)
    assert decode is not None
    for payload in (*payloads, b"\xff" * 9000):
        try:
            assert len(decode(payload)) <= RATE // 2
        except Undecodable:
            pass
