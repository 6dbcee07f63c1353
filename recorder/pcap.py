"""Packets out of an rtpengine pcap (libpcap format, link type 101: raw IPv4). Nothing in the file is trusted."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_GLOBAL: Final = struct.Struct("<IHHiIII")
_RECORD: Final = struct.Struct("<IIII")
_MAGIC: Final = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}  # microseconds, nanoseconds
_RAW_IP: Final = 101
_ETHERNET: Final = 1
MAX_PACKET: Final = 65_535


class BadPcap(ValueError):
    """Not a pcap that can be read at all."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    time_s: float  # captured
    port: int  # destination: whose audio it is
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def rtp_packets(data: bytes) -> Iterator[RtpPacket]:
    """All RTP packets in the order of capture; a truncated tail ends them. Raises BadPcap on a bad file header."""
    if len(data) < _GLOBAL.size:
        raise BadPcap("shorter than its header")
    magic, _, _, _, _, _, link = _GLOBAL.unpack_from(data)
    if magic not in _MAGIC or link not in (_RAW_IP, _ETHERNET):
        raise BadPcap(f"magic {magic:#x}, link type {link}")
    fraction, skip = _MAGIC[magic], 14 if link == _ETHERNET else 0
    at = _GLOBAL.size
    while at + _RECORD.size <= len(data):
        seconds, part, captured, _ = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if captured > MAX_PACKET or at + captured > len(data):
            return
        packet = _rtp(seconds + part * fraction, data[at + skip : at + captured])
        if packet is not None:
            yield packet
        at += captured


def _rtp(time_s: float, ip: bytes) -> RtpPacket | None:
    """None for anything that is no whole RTP packet in UDP over IPv4."""
    if len(ip) < 20 or ip[0] >> 4 != 4 or ip[9] != 17:
        return None
    header = (ip[0] & 15) * 4
    if len(ip) < header + 8 + 12:
        return None
    port = int.from_bytes(ip[header + 2 : header + 4])
    rtp = ip[header + 8 :]
    start = 12 + 4 * (rtp[0] & 15)
    if rtp[0] >> 6 != 2 or 64 <= rtp[1] & 127 < 96:  # 64–95: RTCP (RFC 5761 §4)
        return None
    if rtp[0] & 16:  # header extension
        if len(rtp) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(rtp[start + 2 : start + 4])
    end = len(rtp) - (rtp[-1] if rtp[0] & 32 else 0)
    if end <= start:
        return None
    sequence, timestamp, ssrc = struct.unpack_from("!HII", rtp, 2)
    return RtpPacket(time_s, port, rtp[1] & 127, sequence, timestamp, ssrc, rtp[start:end])
