"""From packets to a WAV: placed by the clocks, bit by bit; hostile files raise one kind of error."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder import spool, store, wav
from recorder.codecs import ALAW, ULAW, ULAW_TO_ALAW
from recorder.pcap import BadPcap, RtpPacket
from recorder.spool import Take, look
from recorder.voices import SILENCE, Voices
from tests.unit.recorder.whole import assemble, rtp_packets

LEFT, RIGHT = 30000, 30002


def rtp(
    port: int, n: int, payload: bytes, *, ssrc: int = 1, payload_type: int = 8, at: float | None = None
) -> RtpPacket:
    return RtpPacket(1000 + (n * 0.02 if at is None else at), port, payload_type, n, n * 160, ssrc, payload)


def read(metadata: Path) -> Take:
    take = spool.read(metadata, [look(metadata.parent.parent)], time.time())
    assert take is not None
    return take


def lost(root: Path, now: float) -> list[Path]:
    return spool.lost([look(root)], now)


def read_plan(plan: Path) -> Take:
    return spool.read_plan(plan, [look(plan.parent.parent)])


def voices_of(take: Take) -> Voices:
    (part,) = take.parts
    return assemble(rtp_packets(part.pcap.read_bytes()), part.left, part.right, part.codecs)


def told(voices: Voices, channel: int = 0) -> list[tuple[float, float, str]]:
    return [(gap.start_s, gap.duration_s, gap.reason) for gap in voices.gaps if gap.channel == channel]


def rtp_bytes(n: int, payload: bytes) -> bytes:
    return struct.pack("!BBHII", 0x80, 8, n, n * 160, 9) + payload


def pcap(packets: list[tuple[float, int, bytes]]) -> bytes:
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for time_s, port, data in packets:
        udp = struct.pack("!HHHH", 4000, port, 8 + len(data), 0) + data
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + udp
        out += struct.pack("<IIII", int(time_s), round(time_s % 1 * 1e6), len(ip), len(ip)) + ip
    return out


def test_alaw_comes_out_bit_by_bit() -> None:
    audio = [bytes((n * 7 + i) % 256 for i in range(160)) for n in range(50)]
    voices = assemble([rtp(LEFT, n, a) for n, a in enumerate(audio)], LEFT, RIGHT)
    sound = wav.decode(wav.encode(voices.samples))
    assert sound.samples[:, 0].tobytes() == b"".join(audio)
    assert set(sound.samples[:, 1]) == {SILENCE}
    assert voices.duration_ms == 1000
    assert told(voices) == [] and told(voices, 1) == [(0.0, 1.0, "no packets")]


def test_a_lost_packet_is_silence_and_a_longer_hole_is_told() -> None:
    kept = [n for n in range(100) if n != 10 and not 40 <= n < 60]
    voices = assemble([rtp(LEFT, n, b"\x01" * 160) for n in kept], LEFT, RIGHT)
    assert len(voices.samples) == 16000
    assert set(voices.samples[1600:1760, 0]) == {SILENCE}
    assert told(voices) == [(0.8, 0.4, "no packets")]


def test_pressed_keys_are_no_gap() -> None:
    """A gateway sends the key instead of the voice, its last packet three times (RFC 4733 §2.5.1.4)."""
    voice = [rtp(LEFT, n, b"\x01" * 160) for n in range(50) if not 20 <= n < 28]
    key = [
        RtpPacket(1000 + n * 0.02, LEFT, 101, n, 20 * 160, 1, struct.pack("!BBH", 1, 10, min(n - 19, 5) * 160))
        for n in range(20, 28)
    ]
    voices = assemble(sorted(voice + key, key=lambda packet: packet.time_s), LEFT, RIGHT)
    assert told(voices) == []
    assert set(voices.samples[20 * 160 : 28 * 160, 0]) == {SILENCE}  # digits are not to be heard in a recording
    assert told(assemble(voice, LEFT, RIGHT)) == [(0.4, 0.16, "no packets")]
    assert told(assemble(key, LEFT, RIGHT)) == []


def test_reordered_and_doubled_packets_land_once_in_their_place() -> None:
    packets = [rtp(LEFT, n, bytes([n]) * 160, at=0.02 * n) for n in (0, 2, 1, 1, 3)]
    voices = assemble(packets, LEFT, RIGHT)
    assert [voices.samples[n * 160, 0] for n in range(4)] == [0, 1, 2, 3]


def test_each_new_stream_begins_where_it_was_captured() -> None:
    """A re-pointed leg hears another SSRC with timestamps of its own."""
    first = [RtpPacket(1000 + n * 0.02, RIGHT, 8, n, 5000 + n * 160, 1, b"\x11" * 160) for n in range(50)]
    second = [RtpPacket(1001.5 + n * 0.02, RIGHT, 8, n, 4_294_967_000 + n * 160, 2, b"\x22" * 160) for n in range(50)]
    wrapped = [RtpPacket(p.time_s, p.port, 8, p.sequence, p.timestamp % (1 << 32), 2, p.payload) for p in second]
    voices = assemble(first + wrapped, LEFT, RIGHT)
    right = voices.samples[:, 1]
    assert set(right[:8000]) == {0x11} and set(right[8000:12000]) == {SILENCE} and set(right[12000:20000]) == {0x22}
    assert told(voices, 1) == [(1.0, 0.5, "no packets")]


def test_a_stream_whose_timestamps_leap_is_placed_again() -> None:
    before = [rtp(LEFT, n, b"\x33" * 160) for n in range(10)]
    after = [RtpPacket(1000.2 + n * 0.02, LEFT, 8, n, 900_000 + n * 160, 1, b"\x44" * 160) for n in range(10)]
    voices = assemble(before + after, LEFT, RIGHT)
    assert len(voices.samples) == 3200


def test_ulaw_becomes_the_nearest_alaw() -> None:
    codes = bytes(range(256))
    voices = assemble([rtp(LEFT, 0, codes, payload_type=0)], LEFT, RIGHT)
    heard = ALAW[voices.samples[:256, 0]].astype(int)
    assert np.all(np.abs(heard - ULAW.astype(int)) <= np.maximum(16, np.abs(ULAW.astype(int)) // 16))
    assert len(set(ULAW_TO_ALAW)) > 200


def test_the_tables_are_those_of_g711() -> None:
    """Against ffmpeg's, which nobody here wrote."""
    for name, table in (("alaw", ALAW), ("mulaw", ULAW)):
        told = subprocess.run(
            ["ffmpeg", "-v", "error", "-f", name, "-ar", "8000", "-i", "-", "-f", "s16le", "-"],
            input=bytes(range(256)), capture_output=True, check=True,
        )  # fmt: skip
        assert np.array_equal(np.frombuffer(told.stdout, "<i2"), table), name


def test_other_tools_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(wav.encode(np.full((8001, 2), 0x55, np.uint8)))
    told = subprocess.run(["soxi", str(file)], capture_output=True, text=True, check=True).stdout
    assert "A-law" in told and "Channels       : 2" in told and "8001 samples" in told


def test_no_packet_at_all_is_an_empty_recording() -> None:
    voices = assemble([], LEFT, RIGHT)
    assert voices.duration_ms == 0 and wav.decode(wav.encode(voices.samples)).samples.shape == (0, 2)


def test_a_codec_that_is_not_decoded_is_told() -> None:
    packets = [rtp(LEFT, n, b"\x01" * 20, payload_type=3) for n in range(50)]  # GSM
    packets += [rtp(RIGHT, n, b"\x01" * 160) for n in range(50)]
    voices = assemble(packets, LEFT, RIGHT)
    assert told(voices) == [(0.0, 1.0, "codec not decoded")] and told(voices, 1) == []


def test_a_change_to_such_a_codec_in_the_midst_is_told_where_it_is() -> None:
    packets = [rtp(LEFT, n, b"\x01" * 160, payload_type=8 if n < 20 or n >= 30 else 3) for n in range(50)]
    assert told(assemble(packets, LEFT, RIGHT)) == [(0.4, 0.2, "codec not decoded")]


def test_a_voice_may_begin_a_little_later_than_the_other_but_not_much() -> None:
    left = [rtp(LEFT, n, b"\x01" * 160) for n in range(250)]
    for first, last, gaps in (
        (40, 210, []),
        (60, 250, [(0.0, 1.2, "no packets")]),
        (0, 190, [(3.8, 1.2, "no packets")]),
    ):
        right = [rtp(RIGHT, n, b"\x02" * 160, ssrc=2) for n in range(first, last)]
        voices = assemble(sorted(left + right, key=lambda packet: packet.time_s), LEFT, RIGHT)
        assert told(voices) == [] and told(voices, 1) == gaps


def test_sequence_and_timestamp_wrap() -> None:
    packets = [
        RtpPacket(1000 + n * 0.02, LEFT, 8, (65530 + n) % 65536, (2**32 - 1600 + n * 160) % 2**32, 1, bytes([n]) * 160)
        for n in range(30)
    ]
    voices = assemble(packets, LEFT, RIGHT)
    assert [voices.samples[n * 160, 0] for n in range(30)] == list(range(30)) and told(voices) == []


def test_packets_are_found_in_a_pcap_and_a_cut_tail_ends_them() -> None:
    packet = struct.pack("!BBHII", 0x80, 8, 1, 160, 9) + b"\x55" * 160
    data = pcap([(1000.5, LEFT, packet), (1000.52, 9, b"no rtp"), (1000.54, LEFT, packet)])
    found = list(rtp_packets(data))
    assert [(p.time_s, p.port, len(p.payload)) for p in found] == [(1000.5, LEFT, 160), (1000.54, LEFT, 160)]
    assert len(list(rtp_packets(data[:-5]))) == 1


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 200), st.binary(max_size=8))
def test_hostile_pcaps(tail: bytes, at: int, put: bytes) -> None:
    packet = struct.pack("!BBHII", 0x80, 8, 1, 160, 9) + b"\x55" * 20
    data = pcap([(1000.5, LEFT, packet)] * 3) + tail
    data = data[:at] + put + data[at + len(put) :]
    try:
        assemble(rtp_packets(data), LEFT, RIGHT)
    except BadPcap:
        pass


@given(st.binary(max_size=200))
def test_hostile_wavs(data: bytes) -> None:
    for candidate in (data, wav.encode(np.zeros((4, 2), np.uint8))[:44] + data):
        try:
            wav.decode(candidate)
        except wav.BadWav:
            pass


def make_take(root: Path, told: str = "recording=c1-r1|contact=c1|left=30000|right=30002|leg=c1.1") -> Path:
    for name in ("metadata", "pcaps"):
        (root / name).mkdir(parents=True, exist_ok=True)
    metadata = root / "metadata" / "m.txt"
    metadata.write_text(f"/elsewhere/pcaps/c1.pcap\n\n\ncall start time: 2026-11-24T14:58:32\n\n{told}\n")
    packet = struct.pack("!BBHII", 0x80, 8, 1, 160, 9) + b"\x55" * 160
    (root / "pcaps" / "c1.pcap").write_bytes(pcap([(1_795_532_312.5, LEFT, packet)]))
    return metadata


def test_a_recording_is_stored_with_its_sidecar_and_reads_back(tmp_path: Path) -> None:
    take = read(make_take(tmp_path))
    stored = store.keep(tmp_path / "store", take, voices_of(take))
    assert stored.path == "2026/11/24/c1-r1.wav" and stored.duration_ms == 20 and stored.started_at == 1_795_532_312_500
    assert store.verified(tmp_path / "store", stored)
    assert store.find(tmp_path / "store", take) == stored
    (tmp_path / "store" / stored.path).write_bytes(b"spoiled")
    assert not store.verified(tmp_path / "store", stored)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "recording=|contact=c|left=1|right=2",
        "recording=../../x|contact=c|left=1|right=2",
        "recording=a|contact=c|left=x|right=2",
    ],
)
def test_metadata_that_says_nothing_usable(tmp_path: Path, told: str) -> None:
    with pytest.raises(spool.Unreadable):
        read(make_take(tmp_path, told))


def test_a_phones_payload_types_are_those_that_it_was_told(tmp_path: Path) -> None:
    """rtpengine's descriptions number the same codecs anew for our side: 98 is a key there, opus at the phone."""
    told = "recording=c1-r1|contact=c1|left=30000|right=30002|payloads=98:opus,101:telephone-event,x:y,9999:z"
    take = read(make_take(tmp_path, f"a=rtpmap:97 opus/48000/2\na=rtpmap:98 telephone-event/48000\n{told}"))
    assert take.parts[0].codecs == {97: "opus", 98: "opus", 101: "telephone-event"}


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take = read(make_take(tmp_path))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.keep(tmp_path / "store", take, assemble([], 1, 2))
    assert [p for p in (tmp_path / "store").rglob("*") if p.is_file()] == []
    assert all(file.exists() for file in (*take.pcaps, take.papers[-1]))


def test_a_recording_of_a_call_that_began_days_before_is_found_again(tmp_path: Path) -> None:
    """The metadata say when the call began, the store when the recording did."""
    metadata = make_take(tmp_path)
    text = metadata.read_text()
    metadata.write_text(
        text.replace("start time: 2026-11-24", "start time: 2026-11-22") + "call end time: 2026-11-24T15:00:00\n"
    )
    metadata.write_text(metadata.read_text() + "recording=c1-r1|contact=c1|left=30000|right=30002\n")
    take = read(metadata)
    stored = store.keep(tmp_path / "store", take, voices_of(take))
    assert stored.path.startswith("2026/11/24/") and store.find(tmp_path / "store", take) == stored


def test_earlier_parts_of_a_recording_come_first(tmp_path: Path) -> None:
    metadata = make_take(tmp_path)
    (tmp_path / "rescued").mkdir()
    for name in ("c1.10.pcap", "c1.2.pcap", "c1.1.pcap", "c11.1.pcap", "c1.1.pcapx", "other.1.pcap"):
        (tmp_path / "rescued" / name).write_bytes(b"")
    assert [path.name for path in read(metadata).pcaps] == ["c1.1.pcap", "c1.2.pcap", "c1.10.pcap", "c1.pcap"]


HEX = "0123456789abcdef"


def test_each_part_of_a_leg_that_was_made_anew_is_heard_at_its_own_ports(tmp_path: Path) -> None:
    """rtpengine came back without the call: the leg has other ports since, its left one is what was right before."""
    plan = make_plan(tmp_path)
    document = json.loads(plan.read_text())
    earlier = {"left": LEFT, "right": RIGHT, "codecs": {}}
    plan.write_text(json.dumps({**document, "left": RIGHT, "right": 30004, "earlier": [earlier], "over": True}))
    for name, ports in ((f"c1.1-{HEX}.1", (LEFT, RIGHT)), (f"c1.1-{HEX[::-1]}.1", (RIGHT, 30004))):
        packets = [(1000.0, port, rtp_bytes(1, b"\x55" * 160)) for port in ports]
        (tmp_path / "rescued" / f"{name}.pcap").write_bytes(pcap(packets))
    found = {part.pcap.stem: (part.left, part.right) for part in read_plan(plan).parts}
    assert found == {f"c1.1-{HEX}.1": (LEFT, RIGHT), f"c1.1-{HEX[::-1]}.1": (RIGHT, 30004)}


def make_plan(root: Path, call: str = "c1.1", age: float = 0.0) -> Path:
    for name in ("metadata", "pcaps", "rescued", "planned"):
        (root / name).mkdir(parents=True, exist_ok=True)
    plan = root / "planned" / "c1-r1.json"
    plan.write_text(json.dumps({"recording": "c1-r1", "contact": "c1", "left": LEFT, "right": RIGHT, "call": call}))
    os.utime(plan, (time.time() - age, time.time() - age))
    return plan


def test_a_call_is_lost_when_nothing_but_rescued_parts_are_left_of_it_for_long(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    soon, late = time.time() + 60, time.time() + spool.LOST_S + 60
    part = tmp_path / "rescued" / f"c1.1-{HEX}.1.pcap"
    part.write_bytes(b"")
    assert lost(tmp_path, soon) == [] and lost(tmp_path, late) == [plan]
    take = read_plan(plan)
    assert take.parts == (spool.Part(part, LEFT, RIGHT),) and take.papers == (plan,) and take.recording == "c1-r1"
    for alive in (tmp_path / "pcaps" / f"c1.1-{HEX}.pcap", tmp_path / "metadata" / f"rtpengine-meta-c1.1-{HEX}.txt"):
        alive.write_text("")
        assert lost(tmp_path, late) == []
        alive.unlink()
    (tmp_path / "pcaps" / f"c1.11-{HEX}.pcap").write_text("")  # another call
    assert lost(tmp_path, late) == [plan]


def test_a_plan_of_which_nothing_came_is_forgotten_after_a_day(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    assert lost(tmp_path, time.time() + spool.LOST_S + 60) == []
    assert lost(tmp_path, time.time() + spool.FORGOTTEN_S + 60) == [plan]
    assert read_plan(plan).pcaps == ()


def test_a_call_that_is_over_and_of_which_nothing_came_is_told_soon(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    plan.write_text(json.dumps({**json.loads(plan.read_text()), "over": True}))
    assert lost(tmp_path, time.time() + 5) == [] and lost(tmp_path, time.time() + spool.OVER_S + 5) == [plan]
    live = tmp_path / "pcaps" / f"c1.1-{HEX}.pcap"
    live.write_text("")
    assert lost(tmp_path, time.time() + spool.OVER_S + 5) == []  # its end is on the way


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"recording": "../x", "contact": "c", "left": 1, "right": 2}', "\xff"]
)
def test_an_unreadable_plan_is_set_aside(tmp_path: Path, text: str) -> None:
    plan = make_plan(tmp_path)
    plan.write_text(text)
    assert lost(tmp_path, time.time() + spool.FORGOTTEN_S + 60) == [plan]
    with pytest.raises(spool.Unreadable):
        read_plan(plan)
    spool.aside(tmp_path, plan, "why")
    assert [path.name for path in (tmp_path / "aside").iterdir() if path.suffix != ".reason"] == ["c1-r1.json"]


def test_unreadable_metadata_take_their_pcap_along(tmp_path: Path) -> None:
    metadata = make_take(tmp_path).rename(tmp_path / "metadata" / f"rtpengine-meta-c1.1-{HEX}.txt")
    (tmp_path / "pcaps/c1.pcap").rename(tmp_path / "pcaps" / f"c1.1-{HEX}.pcap")
    spool.aside(tmp_path, metadata, "why")
    assert sorted(path.name for path in (tmp_path / "aside").iterdir()) == [
        f"c1.1-{HEX}.pcap", metadata.name, f"{metadata.name}.reason",
    ]  # fmt: skip


assert shutil.which("ffmpeg") and shutil.which("soxi"), "the tests need ffmpeg and sox"
