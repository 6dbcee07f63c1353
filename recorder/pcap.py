"""Packets out of an rtpengine pcap (libpcap format, link type 101: raw IP). Nothing in the file is trusted.

A file may be read as it grows. On a full disk rtpengine loses the end of a block in the midst of a packet and goes on
when there is room: what stands between is passed over, up to the next record that can be one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv6Address
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

_GLOBAL: Final = struct.Struct("<IHHiIII")
_RECORD: Final = struct.Struct("<IIII")
_RTP: Final = struct.Struct("!BBHII")
_MAGIC: Final = {0xA1B2C3D4: 1_000_000, 0xA1B23C4D: 1_000_000_000}  # parts of a second
_RAW_IP: Final = 101
_ETHERNET: Final = 1
_LENGTHS: Final = 6  # bytes of an IP header that tell its length
_UDP: Final = 17
_LOOPBACK: Final = IPv6Address("::1").packed
HEADER: Final = _GLOBAL.size  # bytes: a file that has no more holds no packet
MAX_PACKET: Final = 65_535
CHUNK: Final = 1 << 18


FIRST: Final = 100  # packets: a second of two voices


class BadPcap(ValueError):
    """Not a pcap that can be read at all."""


class RtpPacket(NamedTuple):
    time_s: float  # captured
    port: int  # destination: whose audio it is
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    source: bytes = b""  # address and port, as on the wire
    inside: bool = True  # it comes from this machine


class Capture:
    """A pcap that comes in pieces. Holds no more than one record and what was fed last."""

    def __init__(self) -> None:
        self._rest = b""
        self._fraction = self._skip = 0
        self.passed_over = 0  # bytes that were no record

    @property
    def begun(self) -> bool:
        """The file's header has come."""
        return self._fraction > 0

    def feed(self, data: bytes) -> list[RtpPacket]:
        """The RTP packets that are whole now. Raises BadPcap on a bad file header."""
        data = self._rest + data
        at = 0
        if not self.begun:
            if len(data) < _GLOBAL.size:
                self._rest = data
                return []
            self._header(data)
            at = _GLOBAL.size
        found: list[RtpPacket] = []
        while (length := self._length(data, at)) is not None:
            if length < 0:
                at = self._next(data, at)
                continue
            start = at + _RECORD.size
            seconds, part, _, _ = _RECORD.unpack_from(data, at)
            packet = _rtp(seconds + part / self._fraction, data, start + self._skip, start + length)
            if packet is not None:
                found.append(packet)
            at = start + length
        self._rest = data[at:]
        return found

    def _header(self, data: bytes) -> None:
        magic, _, _, _, _, _, link = _GLOBAL.unpack_from(data)
        if magic not in _MAGIC or link not in (_RAW_IP, _ETHERNET):
            raise BadPcap(f"magic {magic:#x}, link type {link}")
        self._fraction, self._skip = _MAGIC[magic], 14 if link == _ETHERNET else 0

    def _length(self, data: bytes, at: int) -> int | None:
        """Of the packet of the record that begins here; None: it is not whole yet; -1: no record begins here."""
        start = at + _RECORD.size
        ip = start + self._skip
        if ip + _LENGTHS > len(data):
            return None
        _, part, captured, whole = _RECORD.unpack_from(data, at)
        if part >= self._fraction or not self._skip + 20 <= captured <= whole <= MAX_PACKET:
            return -1
        if not self._skip and _ip_length(data, ip) != whole:
            return -1
        return captured if start + captured <= len(data) else None

    def _next(self, data: bytes, at: int) -> int:
        """The next place where a record can begin."""
        begin, at = at, at + 1
        while self._length(data, at) == -1:
            at += 1
        self.passed_over += at - begin
        return at


def _ip_length(data: bytes, at: int) -> int:
    """As the packet tells it (RFC 791, RFC 8200)."""
    version = data[at] >> 4
    if version == 4:
        return int.from_bytes(data[at + 2 : at + 4])
    return 40 + int.from_bytes(data[at + 4 : at + 6]) if version == 6 else -1


def rtp_file(pcap: Path) -> Iterator[RtpPacket]:
    """All RTP packets in the order of capture; a cut tail ends them. Raises BadPcap on a bad file header, OSError."""
    capture = Capture()
    with pcap.open("rb") as file:
        while data := file.read(CHUNK):
            yield from capture.feed(data)
    if not capture.begun:
        raise BadPcap("shorter than its header")


def first_ports(pcap: Path) -> set[int]:
    """Where its first RTP packets went, both ways if both speak; empty for a file without any. Raises OSError."""
    try:
        return {packet.port for packet in islice(rtp_file(pcap), FIRST)}
    except BadPcap:
        return set()


def begins_at(pcap: Path) -> float:
    """When its first packet was captured (s of the epoch); infinity: never. Raises OSError."""
    with pcap.open("rb") as file:
        data = file.read(_GLOBAL.size + _RECORD.size)
    if len(data) < _GLOBAL.size + _RECORD.size:
        return float("inf")
    seconds, part, _, _ = _RECORD.unpack_from(data, _GLOBAL.size)
    return float(seconds + part / _MAGIC.get(_GLOBAL.unpack_from(data)[0], 1_000_000))


def _rtp(time_s: float, data: bytes, at: int, end: int) -> RtpPacket | None:
    """None for anything that is no whole RTP packet in UDP over IP, or is a fragment of one."""
    udp = _udp(data, at, end)
    start = udp + 8
    if not udp or start + _RTP.size > end:
        return None
    first, second, sequence, timestamp, ssrc = _RTP.unpack_from(data, start)
    kind = second & 127
    if first >> 6 != 2 or 64 <= kind < 96:  # 64–95: RTCP (RFC 5761 §4)
        return None
    start += _RTP.size + 4 * (first & 15)
    if first & 16:  # header extension
        if start + 4 > end:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    if first & 32:
        end -= data[end - 1]
    if end <= start:
        return None
    port = int.from_bytes(data[udp + 2 : udp + 4])
    source, to = _addresses(data, at)
    sender = source + data[udp : udp + 2]
    inside = source in (to, _LOOPBACK) or (len(source) == 4 and source[0] == 127)
    return RtpPacket(time_s, port, kind, sequence, timestamp, ssrc, data[start:end], sender, inside)


def _addresses(data: bytes, at: int) -> tuple[bytes, bytes]:
    """Where the packet comes from and goes to (RFC 791, RFC 8200)."""
    first, length = (at + 12, 4) if data[at] >> 4 == 4 else (at + 8, 16)
    return data[first : first + length], data[first + length : first + 2 * length]


def _udp(data: bytes, at: int, end: int) -> int:
    """Where the UDP header stands; 0: there is none."""
    if end - at < 28:
        return 0
    version = data[at] >> 4
    if version == 4 and data[at + 9] == _UDP:
        fragment = int.from_bytes(data[at + 6 : at + 8]) & 0x3FFF  # more fragments, offset
        header = (data[at] & 15) * 4
        return at + header if not fragment and header >= 20 and at + header + 8 <= end else 0
    if version == 6 and data[at + 6] == _UDP and at + 48 <= end:
        return at + 40
    return 0
