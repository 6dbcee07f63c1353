"""The machine's clock is set in the midst of a recording: every packet is in the WAV, or in the pcap that is kept."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from recorder import quiet, spool, store, wav
from recorder.pcap import RtpPacket
from recorder.recorder import Recorder
from recorder.spool import Part
from recorder.voices import LONGEST_S, SILENCE, Assembler, Voices
from tests.unit.recorder.conftest import Told
from tests.unit.recorder.test_recording import HEX, LEFT, RIGHT, pcap, rtp_bytes
from tests.unit.recorder.test_watch import aside, closed, recording
from tests.unit.recorder.whole import assemble

HOUR = 3600.0
STEPS = [-8 * HOUR, -HOUR, -30.0, -3.0, -0.4, 9 * HOUR, 20 * 365 * 24 * HOUR]
EACH = 200  # packets of either side before the step, and after it


def voice(port: int, ssrc: int, first: int, last: int, clock: float = 0.0) -> list[RtpPacket]:
    """20 ms each, all alike in nothing; captured where the clock stood."""
    return [
        RtpPacket(1e9 + n * 0.02 + clock, port, 8, n, n * 160, ssrc, bytes([n % 200]) * 160) for n in range(first, last)
    ]


def both(first: int, last: int, clock: float = 0.0, ssrc: int = 1) -> list[RtpPacket]:
    sides = zip(voice(LEFT, ssrc, first, last, clock), voice(RIGHT, ssrc + 1, first, last, clock), strict=True)
    return [packet for pair in sides for packet in pair]


def heard(voices: Voices, channel: int) -> list[int]:
    """Packets in their order, as their first samples tell."""
    return [int(sample) for sample in voices.samples[::160, channel] if sample != SILENCE]


@pytest.mark.parametrize("step", STEPS)
def test_a_clock_that_is_set_costs_no_packet(step: float) -> None:
    voices = assemble(both(0, EACH) + both(EACH, 2 * EACH, step), LEFT, RIGHT)
    for channel in (0, 1):
        assert heard(voices, channel) == [n % 200 for n in range(2 * EACH)]
    assert voices.duration_ms == 2 * EACH * 20 and voices.gaps == () and voices.left_out == 0


@pytest.mark.parametrize("step", STEPS)
def test_whoever_speaks_first_after_it_overwrites_nobody(step: float) -> None:
    """A caller who is passed on: the streams after the step are others."""
    voices = assemble(both(0, EACH) + both(EACH, 2 * EACH, step, ssrc=7), LEFT, RIGHT)
    for channel in (0, 1):
        said = heard(voices, channel)
        before = EACH - 50 if -1 < step < 0 else EACH  # so little may as well be a packet that was overtaken
        assert said[:before] == list(range(before)) and said[-EACH:] == list(range(EACH))
    assert voices.left_out == 0


def test_a_lost_packet_after_the_step_leaves_its_hole() -> None:
    lost = {(LEFT, 250), (LEFT, 251)}
    after = [packet for packet in both(EACH, 2 * EACH, -HOUR) if (packet.port, packet.sequence) not in lost]
    voices = assemble(both(0, EACH) + after, LEFT, RIGHT)
    assert set(voices.samples[250 * 160 : 252 * 160, 0]) == {SILENCE}
    assert [int(sample) for sample in voices.samples[252 * 160 :: 160, 0]] == [n % 200 for n in range(252, 2 * EACH)]


def test_a_clock_that_is_set_twice() -> None:
    steps = ((0, 0.0), (100, -HOUR), (200, 10 * HOUR), (300, 0.0))
    packets = [packet for first, step in steps for packet in both(first, first + 100, step)]
    assert heard(assemble(packets, LEFT, RIGHT), 0) == [n % 200 for n in range(400)]


def test_a_side_that_was_silent_goes_on_beside_the_other() -> None:
    left, right = voice(LEFT, 1, 0, 400), voice(RIGHT, 2, 300, 400)
    packets = [*left[:200], *(packet._replace(time_s=packet.time_s - HOUR) for packet in left[200:300])]
    for one, other in zip(left[300:], right, strict=True):
        packets += [packet._replace(time_s=packet.time_s - HOUR) for packet in (one, other)]
    voices = assemble(packets, LEFT, RIGHT)
    assert heard(voices, 0) == [n % 200 for n in range(400)] and heard(voices, 1) == [n % 200 for n in range(300, 400)]
    assert voices.duration_ms in (8000, 8020)
    assert [(gap.channel, gap.start_s, round(gap.duration_s, 1)) for gap in voices.gaps] == [(1, 0.0, 6.0)]


@pytest.mark.parametrize("late_s", [5, 12])
def test_packets_that_waited_in_a_frozen_rtpengine_are_heard_one_by_one(late_s: int) -> None:
    """Captured in one moment, so many seconds late."""
    last = 200 + late_s * 50
    waited = [packet._replace(time_s=1e9 + 4.0 + late_s) for packet in both(200, last)]
    voices = assemble(both(0, 200) + waited + both(last, last + 150), LEFT, RIGHT)
    for channel in (0, 1):
        assert heard(voices, channel) == [n % 200 for n in range(last + 150)]


@pytest.mark.parametrize("held_s", [0.5, 1.02, 1.2, 3.0, 9.0])
@pytest.mark.parametrize("pace_s", [0.0, 0.0001, 0.005])
def test_what_was_held_back_and_comes_at_once_has_its_own_place(held_s: float, pace_s: float) -> None:
    """A network, or a phone that stood still: nothing is missing, and what follows is no later for it."""
    first = 200 + round(held_s * 50)
    comes = [1e9 + first * 0.02 + n * pace_s for n in range(first - 200)]
    late = [
        packet._replace(time_s=at) for at, n in zip(comes, range(200, first), strict=True) for packet in both(n, n + 1)
    ]
    after = [packet for packet in both(first, 800) if packet.time_s > late[-1].time_s]
    between = [packet._replace(time_s=late[-1].time_s) for packet in both(first, 800)][: -len(after) or None]
    voices = assemble(both(0, 200) + late + between + after, LEFT, RIGHT)
    assert voices.gaps == () and voices.duration_ms == 800 * 20
    for channel in (0, 1):
        assert [int(sample) for sample in voices.samples[::160, channel]] == [n % 200 for n in range(800)]


@pytest.mark.parametrize(("came", "at_once"), [(1, 1), (4, 1), (30, 1), (100, 1), (100, 5), (96, 8)])
def test_a_sender_whose_clock_stood_still_is_heard_when_it_speaks(came: int, at_once: int) -> None:
    """A phone that was on hold for four seconds, and counts on from where it was. The machine is busy: some packets
    are captured in one moment."""
    late = [
        packet._replace(time_s=1e9 + 4.0 + (packet.sequence // at_once * at_once + at_once - 1) * 0.02)
        for packet in voice(LEFT, 1, 200, 200 + came)
    ]
    voices = assemble(voice(LEFT, 1, 0, 200) + late, LEFT, RIGHT)
    place = (400 + at_once - 1) * 160
    assert [int(sample) for sample in voices.samples[place::160, 0]] == [n % 200 for n in range(200, 200 + came)]
    assert voices.left_out == 0


def test_what_is_said_after_the_longest_time_has_no_place_and_is_counted() -> None:
    late = LONGEST_S * 50
    voices = assemble(voice(LEFT, 1, 0, 50) + voice(LEFT, 1, late - 50, late + 50), LEFT, RIGHT)
    assert voices.left_out == 50 and voices.duration_ms == LONGEST_S * 1000


def test_another_rtpengine_may_begin_before_the_one_before_it_ended() -> None:
    assembler = Assembler()
    assembler.part(LEFT, RIGHT)
    for packet in both(0, 200):
        assembler.feed(packet)
    assembler.part(LEFT, RIGHT, beside=True)
    for packet in voice(LEFT, 9, 100, 300):
        assembler.feed(packet)
    assert assembler.voices().duration_ms == 6000


def test_parts_of_one_name_are_in_the_order_of_their_numbers(place: Path) -> None:
    later, lost = place / "pcaps" / f"c1.1-{HEX}.pcap", place / "rescued" / f"c1.1-{HEX}.1.pcap"
    other = place / "pcaps" / f"c1.1-{HEX[::-1]}.pcap"
    for file, at in ((later, 1000.0), (lost, 5000.0), (other, 3000.0)):
        file.write_bytes(pcap([(at, LEFT, rtp_bytes(1, b"\x55" * 160))]))
    parts = [Part(file, LEFT, RIGHT) for file in (lost, later, other)]
    assert spool.in_order(parts) == parts


# -- a round of the recorder ------------------------------------------------------------------------------------------


def test_a_clock_that_goes_back_an_hour_in_a_pcap(place: Path, told: Told) -> None:
    now = time.time()
    closed(place, "c1.1", now)
    packets = [(now + n * 0.02 - HOUR * (n >= 100), LEFT, rtp_bytes(n, bytes([n]) * 160)) for n in range(200)]
    (place / "pcaps" / f"c1.1-{HEX}.pcap").write_bytes(pcap(packets))
    (stored,) = recording([place], told)
    samples = wav.decode((place.parent / "store" / stored.path).read_bytes()).samples
    assert [int(sample) for sample in samples[::160, 0]] == list(range(200))
    assert told.alarms == [] and aside(place) == []


def test_what_has_no_place_in_the_wav_stays_as_a_pcap(place: Path, told: Told) -> None:
    now = time.time()
    closed(place, "c1.1", now - LONGEST_S)
    file = place / "pcaps" / f"c1.1-{HEX}.pcap"
    late = LONGEST_S * 50
    said = [*range(50), *range(late - 10, late + 10)]
    file.write_bytes(
        pcap([(now - LONGEST_S + n * 0.02, LEFT, rtp_bytes(n & 0xFFFF, b"\x11" * 160)[:4] + stamp(n)) for n in said])
    )
    data = file.read_bytes()
    (stored,) = recording([place], told)
    assert stored.duration_ms == LONGEST_S * 1000
    assert told.alarms == [("recorder_debris", file.name)] and not file.exists()
    assert aside(place) == [file.name, f"{file.name}.reason"]
    assert (place / spool.ASIDE / file.name).read_bytes() == data
    assert "10 packets that have no place" in (place / spool.ASIDE / f"{file.name}.reason").read_text()


def stamp(n: int) -> bytes:
    """What follows an RTP header's first four bytes."""
    return (n * 160 % (1 << 32)).to_bytes(4) + (9).to_bytes(4) + b"\x11" * 160


def test_a_pcap_that_cannot_be_read_stays(
    place: Path,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when the store was full the first time, which tells of it once."""
    closed(place, "c1.1", time.time())
    file = place / "pcaps" / f"c1.1-{HEX}.pcap"
    spoiled = b"\0\0\0\0" + file.read_bytes()[4:]
    file.write_bytes(spoiled)
    write = store.write

    def full(file: Path, data: bytes) -> None:
        if file.suffix == ".wav":
            raise OSError(28, "No space left on device")
        write(file, data)

    monkeypatch.setattr(store, "write", full)
    recorder = Recorder([place], place.parent / "store", told)
    asyncio.run(recorder.round())
    assert file.exists() and aside(place) == [file.name, f"{file.name}.reason"]
    monkeypatch.setattr(store, "write", write)
    (stored,) = recording([place], told)
    assert stored.duration_ms == 0 and not file.exists()
    assert (place / spool.ASIDE / file.name).read_bytes() == spoiled
    assert [alarm for alarm in told.alarms if alarm[0] == "recorder_debris"] == [("recorder_debris", file.name)]


@pytest.mark.parametrize("left", [b"", b"\0" * 10])
def test_a_file_without_a_header_is_told_and_not_kept(place: Path, told: Told, left: bytes) -> None:
    """rtpengine died before its first block."""
    closed(place, "c1.1", time.time())
    (place / "pcaps" / f"c1.1-{HEX}.pcap").write_bytes(left)
    (stored,) = recording([place], told)
    assert stored.duration_ms == 0 and aside(place) == []
    assert told.alarms == [("recorder_debris", f"c1.1-{HEX}.pcap")]


def test_silence_that_is_left_out_hides_nothing() -> None:

    voices = assemble(both(0, 10) + both(500, 510), LEFT, RIGHT)
    assert quiet.left_out(replace(voices, gaps=(), left_out=3), 2.0).left_out == 3
