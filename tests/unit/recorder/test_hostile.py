"""Whatever a file or a stranger's packet holds: known errors only, bounded memory, and what is whole is found."""

from __future__ import annotations

import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st

from recorder.pcap import CHUNK, MAX_PACKET, BadPcap, Capture, RtpPacket
from recorder.voices import LONGEST_S, RATE, STREAMS, Assembler
from tests.unit.recorder.test_recording import LEFT, RIGHT, pcap, rtp_bytes
from tests.unit.recorder.whole import assemble, rtp_packets

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)


def record(ip: bytes, at: float = 1000.0, captured: int | None = None) -> bytes:
    length = len(ip) if captured is None else captured
    return struct.pack("<IIII", int(at), round(at % 1 * 1e6) % 1_000_000, length, len(ip)) + ip[:length]


def udp(payload: bytes, port: int = LEFT) -> bytes:
    return struct.pack("!HHHH", 4000, port, 8 + len(payload), 0) + payload


def ipv4(payload: bytes, *, protocol: int = 17, fragment: int = 0, options: bytes = b"") -> bytes:
    length = 20 + len(options) + len(payload)
    first = 0x45 + len(options) // 4
    ends = b"\x7f\0\0\1" * 2
    return struct.pack("!BBHHHBBH", first, 0, length, 1, fragment, 64, protocol, 0) + ends + options + payload


def ipv6(payload: bytes, following: int = 17) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + bytes(32) + payload


VOICE = udp(rtp_bytes(1, b"\x55" * 160))


def ports(*records: bytes) -> list[int]:
    return [packet.port for packet in rtp_packets(HEADER + b"".join(records))]


def test_udp_over_both_kinds_of_ip_is_found_and_nothing_else() -> None:
    assert ports(record(ipv4(VOICE)), record(ipv6(VOICE)), record(ipv4(VOICE, options=bytes(8)))) == [LEFT] * 3
    strangers = [
        ipv4(VOICE, protocol=6), ipv6(VOICE, following=44), ipv4(VOICE, fragment=0x2000), ipv4(VOICE, fragment=20),
        ipv4(udp(b"\x80\xc8" + bytes(50))),  # RTCP
        ipv4(udp(b"\x40\x08" + bytes(50))),  # version 1
        ipv4(udp(b"\x80\x08")), ipv4(b"\0\0"), ipv6(b"\0\0"), ipv4(VOICE)[:20] + bytes(4),
        ipv4(udp(b"\x90\x08" + bytes(10) + b"\0\0\xff\xff" + bytes(20))),  # an extension longer than the packet
        ipv4(udp(b"\xa0\x08" + bytes(30) + b"\xff")),  # padding longer than the packet
        ipv4(udp(b"\x8f\x08" + bytes(20))),  # fifteen CSRCs that are not there
    ]  # fmt: skip
    assert ports(*map(record, strangers), record(ipv4(VOICE))) == [LEFT]


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=1, max_size=400))
@example(struct.pack("<IIII", 1000, 0, 60_000, 60_000) + b"\x45\0\xea\x60")  # looks like a record that is to come
def test_whole_records_are_found_behind_whatever_a_full_disk_tore(torn: bytes) -> None:
    """A record of 188 bytes is cut anywhere, then rtpengine goes on: at most what follows at once is lost with it."""
    whole = [record(ipv4(udp(rtp_bytes(n, bytes([n % 256]) * 160))), 1000 + n * 0.02) for n in range(600)]
    capture = Capture()
    found = capture.feed(HEADER + whole[0] + torn + b"".join(whole[1:]))
    sequences = [packet.sequence for packet in found if packet.port == LEFT and len(packet.payload) == 160]
    assert sequences[0] == 0 and sequences[-1] == 599 and len(sequences) >= 250


@given(st.integers(1, 215), st.integers(0, 20))
def test_a_record_that_was_cut_costs_itself_only(length: int, at: int) -> None:
    whole = [record(ipv4(udp(rtp_bytes(n, bytes([n]) * 160))), 1000 + n * 0.02) for n in range(30)]
    cut = [*whole[:at], whole[at][:length], *whole[at + 1 :]]
    found = [packet.sequence for packet in rtp_packets(HEADER + b"".join(cut))]
    assert set(range(30)) - set(found) <= {at, at + 1} and len(found) >= 28


@given(st.lists(st.integers(1, 700), max_size=30), st.binary(max_size=50))
def test_it_may_be_read_in_any_pieces(sizes: list[int], torn: bytes) -> None:
    data = pcap([(1000 + n * 0.02, LEFT, rtp_bytes(n, b"\x55" * 160)) for n in range(20)])
    data = data[:600] + torn + data[600:]
    whole = Capture().feed(data)
    capture, found, at = Capture(), [], 0
    for size in (*sizes, len(data)):
        found += capture.feed(data[at : at + size])
        at += size
    assert found == whole


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 300), st.binary(max_size=40))
def test_what_waits_for_more_is_bounded(noise: bytes, at: int, put: bytes) -> None:
    data = pcap([(1000.0, LEFT, rtp_bytes(n, b"\x55" * 160)) for n in range(5)])
    data = data[:at] + put + data[at + len(put) :] + noise * 10
    capture = Capture()
    try:
        for start in range(0, len(data), 1000):
            capture.feed(data[start : start + 1000])
            assert len(capture._rest) <= MAX_PACKET + 1000 < CHUNK
    except BadPcap:
        pass


PACKETS = st.builds(
    RtpPacket,
    st.floats(-1e10, 1e10, allow_nan=False),
    st.sampled_from([LEFT, RIGHT, 9]),
    st.integers(0, 127),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.integers(0, 5),
    st.binary(min_size=1, max_size=300),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(PACKETS, max_size=20))
def test_whatever_packets_come_the_axis_is_bounded(packets: list[RtpPacket]) -> None:
    first = min((packet.time_s for packet in packets), default=0.0)
    near = [packet._replace(time_s=first + (packet.time_s - first) % 600) for packet in packets]
    voices = assemble(near, LEFT, RIGHT, {96: "opus", 97: "telephone-event", 98: "nonsense"})
    assert len(voices.samples) <= (600 + 2) * RATE
    assert all(gap.start_s >= 0 and gap.duration_s > 0 for gap in voices.gaps)
    assembler = Assembler()
    assembler.part(LEFT, RIGHT)
    for packet in packets:  # hours and centuries between them
        if abs(packet.time_s - first) > LONGEST_S:
            assembler.feed(packet)
    assert max(channel.end for channel in assembler.channels) <= LONGEST_S * RATE + RATE


def test_a_packet_tells_where_it_comes_from() -> None:
    def sent(source: bytes, to: bytes) -> RtpPacket:
        (packet,) = rtp_packets(HEADER + record(ipv4(VOICE).replace(b"\x7f\0\0\1" * 2, source + to)))
        return packet

    ours, theirs = bytes([10, 0, 0, 1]), bytes([192, 0, 2, 7])
    assert sent(theirs, ours).source == theirs + (4000).to_bytes(2)
    assert [sent(source, ours).inside for source in (ours, bytes([127, 0, 0, 1]), theirs)] == [True, True, False]


THEIRS, STRANGER = bytes([192, 0, 2, 7, 15, 160]), bytes([192, 0, 2, 66, 15, 160])


def voices(port: int, of_one: RtpPacket, of_other: RtpPacket, silent: range = range(0)) -> bytes:
    """A second in which two send to this port, the first of them not in its silence; that side as samples."""
    assembler = Assembler("192.0.2.7:4000")
    assembler.part(LEFT, RIGHT)
    for n in range(50):
        for one in (of_one, of_other):
            if one is of_other or n not in silent:
                assembler.feed(one._replace(time_s=1000 + n * 0.02, port=port, sequence=n, timestamp=n * 160))
    sound: bytes = assembler.voices().samples[:, int(port == RIGHT)].tobytes()
    return sound


def test_what_a_stranger_sends_to_a_port_is_not_in_the_recording() -> None:
    """rtpengine refuses it, and writes it all the same: the later packet for a place took the place of the first."""
    party = RtpPacket(0, 0, 8, 0, 0, 1, b"\x11" * 160, THEIRS, inside=False)
    ours = RtpPacket(0, 0, 8, 0, 0, 1, b"\x11" * 160, THEIRS, inside=True)
    stranger = RtpPacket(0, 0, 8, 0, 0, 2, b"\x22" * 160, STRANGER, inside=False)
    assert set(voices(LEFT, party, stranger)) == set(voices(RIGHT, ours, stranger)) == {0x11}


def test_whoever_sends_while_the_party_is_silent_is_kept() -> None:
    """It may be the party: its router has given it another port, or it has moved by a re-INVITE."""
    party = RtpPacket(0, 0, 8, 0, 0, 1, b"\x11" * 160, THEIRS, inside=False)
    moved = RtpPacket(0, 0, 8, 0, 0, 2, b"\x22" * 160, STRANGER, inside=False)
    heard = voices(LEFT, party, moved, silent=range(20, 50))
    assert set(heard[: 20 * 160]) == {0x11} and set(heard[31 * 160 :]) == {0x22}


@given(st.text(max_size=30))
def test_an_address_that_is_none_is_nobodys(text: str) -> None:
    packet = RtpPacket(1000, LEFT, 8, 0, 0, 1, b"\x11" * 160, STRANGER, inside=False)
    assembler = Assembler(text)
    assembler.part(LEFT, RIGHT)
    assembler.feed(packet)
    assert assembler.strangers == 0


def test_a_stranger_with_ever_new_streams_does_not_fill_the_memory() -> None:
    assembler = Assembler()
    assembler.part(LEFT, RIGHT, {96: "opus"})
    for n in range(1000):
        assembler.feed(RtpPacket(1000 + n * 0.001, LEFT, 96, n & 0xFFFF, n, n, b"\x08" + bytes(20)))
    assert len(assembler._streams) <= STREAMS + 1
