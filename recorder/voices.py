"""Two voices on one time axis: packets of both directions become stereo A-law, sample by sample. Pure.

Packets are keyed by destination port (whose voice) and SSRC (which stream). A stream begins where its first packet was
captured; within it RTP timestamps place every sample, so the sender's clock is kept and a lost packet leaves its hole.
Holes are filled with silence and told as gaps, never hidden. A-law is kept bit by bit; a µ-law phone's voice becomes
the nearest A-law codes (what it heard is A-law anyway: our side of a leg speaks nothing else).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recorder.pcap import RtpPacket

RATE: Final = 8000
SILENCE: Final = 0xD5  # A-law zero (ITU-T G.711)
PCMU, PCMA = 0, 8
PACKET_S: Final = 0.02
GAP_S: Final = 0.06  # two packets missing; a single one is concealed by any phone
EDGE_S: Final = 1.0  # so much later may one voice begin than the other, or earlier end
JUMP: Final = RATE  # a timestamp that leaps further than a second from the capture clock is a restarted stream
LONGEST_S: Final = 8 * 3600  # a corrupt capture time must not ask for all the memory

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Gap:
    channel: int  # 0: the party of the leg, 1: what it heard
    start_s: float
    duration_s: float
    reason: str = "no packets"  # or "codec not decoded"


@dataclass(frozen=True, slots=True)
class Voices:
    started_at: float  # s of the epoch; capture time of the first packet
    samples: Bytes  # shape (n, 2), A-law
    gaps: tuple[Gap, ...]

    @property
    def duration_ms(self) -> int:
        return round(len(self.samples) * 1000 / RATE)


@dataclass(frozen=True, slots=True)
class _Piece:
    position: int
    end: int
    audio: Bytes | None = None  # A-law; None: a pressed key, or a codec that is not decoded here
    decoded: bool = True


@dataclass(slots=True)
class _Stream:
    position: int  # of the sample that `timestamp` names
    timestamp: int


def _linear(alaw: bool) -> npt.NDArray[np.int16]:
    """The 256 values of G.711 A-law or µ-law as 16-bit samples."""
    code = np.arange(256, dtype=np.int32)
    if alaw:
        value = code ^ 0x55
        segment, step = (value >> 4) & 7, (value & 15) << 4
        level = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
        return np.where(value & 0x80, level, -level).astype(np.int16)
    value = ~code & 0xFF
    level = (((value & 15) << 3) + 0x84) << ((value >> 4) & 7)
    return np.where(value & 0x80, 0x84 - level, level - 0x84).astype(np.int16)


ALAW: Final = _linear(alaw=True)
ULAW: Final = _linear(alaw=False)
# each µ-law code as the nearest A-law code
ULAW_TO_ALAW: Final[Bytes] = (
    np.abs(ULAW.astype(np.int32)[:, None] - ALAW.astype(np.int32)[None, :]).argmin(1).astype(np.uint8)
)


def assemble(packets: Iterable[RtpPacket], left: int, right: int) -> Voices:
    """Stereo of the two ports: left is what the party said, right what it heard. No packet at all: no samples."""
    channels: Mapping[int, int] = {left: 0, right: 1}
    heard: tuple[list[_Piece], list[_Piece]] = ([], [])
    streams: dict[tuple[int, int], _Stream] = {}
    start: float | None = None
    for packet in packets:
        channel = channels.get(packet.port)
        if channel is None:
            continue
        if start is None:
            start = packet.time_s
        position = _place(streams, packet, start)
        if 0 <= position < LONGEST_S * RATE:
            heard[channel].append(_piece(packet, position, packet.time_s - start))
    length = max((piece.end for pieces in heard for piece in pieces), default=0)
    samples = np.full((length, 2), SILENCE, np.uint8)
    for channel, pieces in enumerate(heard):
        for piece in pieces:
            if piece.audio is not None:
                samples[piece.position : piece.end, channel] = piece.audio
    gaps = tuple(gap for channel in (0, 1) for gap in _gaps(channel, heard[channel], length))
    return Voices(start or 0.0, samples, gaps)


def _piece(packet: RtpPacket, position: int, captured: float) -> _Piece:
    if packet.payload_type == PCMA:
        return _Piece(position, position + len(packet.payload), np.frombuffer(packet.payload, np.uint8))
    if packet.payload_type == PCMU:
        return _Piece(position, position + len(packet.payload), ULAW_TO_ALAW[np.frombuffer(packet.payload, np.uint8)])
    if _is_key(packet):
        # A pressed key takes the place of the voice: from its timestamp to the end of this packet (RFC 4733 §2.5.1).
        return _Piece(position, max(position, round((captured + PACKET_S) * RATE)))
    return _Piece(position, position + round(PACKET_S * RATE), decoded=False)


def _is_key(packet: RtpPacket) -> bool:
    """A telephone-event: a dynamic payload type with the one block of four bytes (RFC 4733 §2.3)."""
    return packet.payload_type >= 96 and len(packet.payload) == 4


def _place(streams: dict[tuple[int, int], _Stream], packet: RtpPacket, start: float) -> int:
    captured = round((packet.time_s - start) * RATE)
    stream = streams.get((packet.port, packet.ssrc))
    if stream is not None:
        ahead = (packet.timestamp - stream.timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
        position = stream.position + ahead
        if abs(position - captured) <= JUMP:
            return position
    streams[packet.port, packet.ssrc] = _Stream(captured, packet.timestamp)
    return captured


def _gaps(channel: int, pieces: Iterable[_Piece], length: int) -> Iterator[Gap]:
    """Where nothing of this voice can be heard: in its midst, later than EDGE_S after the start, before the end."""
    end, known = 0, sorted((p.position, p.end) for p in pieces if p.decoded)
    foreign = sorted(p.position for p in pieces if not p.decoded)
    for position, following in (*known, (length, length)):
        edge = known and (end == 0 or position == length)
        if position - end > (EDGE_S if edge else GAP_S) * RATE:
            there = bisect_left(foreign, position) > bisect_left(foreign, end)
            reason = "codec not decoded" if there else "no packets"
            yield Gap(channel, round(end / RATE, 3), round((position - end) / RATE, 3), reason)
        end = max(end, following)
