"""Two voices on one time axis: packets of both directions become stereo A-law, sample by sample. Pure.

rtpengine writes what it gets before it looks whose it is: what a stranger sends to a port of a call stands in the file,
and nobody has heard it. While he who was heard there speaks, only he is taken.

Packets are keyed by destination port (whose voice) and SSRC (which stream). A stream begins where its first packet was
captured; within it RTP timestamps place every sample, so the sender's clock is kept and a lost packet leaves its hole.
What was held back on its way and comes at once, seconds late, has its place by them too; a sender whose clock stood
still while it was silent is placed where it comes. Which of the two it is tells the pace of half a second.
Holes are filled with silence and told as gaps, never hidden. The capture clock is the machine's, and may be set during
a call: where it says what cannot be, audio goes on behind what was heard last, and none is overwritten. A-law is kept
bit by bit, µ-law becomes the nearest A-law codes; G.722, G.729 and opus go through a decoder of their stream, in the
order of its clock.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from recorder.codecs import CLOCKS, EVENT, NAMES, NOISE, RATE, STATIC, Decoder, Undecodable, decoder
from recorder.pcap import RtpPacket

SILENCE: Final = 0xD5  # A-law zero (ITU-T G.711)
_SILENCE: Final = b"\xd5"
PACKET_S: Final = 0.02
GAP_S: Final = 0.06  # two packets missing; a single one is concealed by any phone
EDGE_S: Final = 1.0  # so much later may one voice begin than the other, or earlier end
JUMP: Final = RATE  # a timestamp that leaps further than a second from the capture clock is a restarted stream
LATE: Final = 10 * RATE  # what is held back for longer is placed where it comes
WATCHED: Final = RATE // 2  # for so long what lags is watched: does it catch up?
CATCHES_UP: Final = 1.5  # times as fast as it was said
LONGEST_S: Final = 8 * 3600  # a corrupt capture time must not ask for all the memory; what is later is left out
STREAMS: Final = 64  # that are remembered; a phone has one, a leg gets one more with each partner
ALONE_S: Final = 0.2  # after so much silence of who was heard another one is taken: a phone may have moved
REORDER: Final = round(0.1 * RATE)  # so long a decoder waits for a packet that was overtaken
_LONGEST: Final = LONGEST_S * RATE

Bytes = npt.NDArray[np.uint8]
PLAIN: Final = ("PCMA", "PCMU")  # need no order


@dataclass(frozen=True, slots=True)
class Gap:
    channel: int  # 0: the party of the leg, 1: what it heard
    start_s: float
    duration_s: float
    reason: str = "no packets"  # or "codec not decoded", "paused", "silence" (recorder/quiet.py)


@dataclass(frozen=True, slots=True)
class Voices:
    started_at: float  # s of the epoch; capture time of the first packet
    samples: Bytes  # shape (n, 2), A-law
    gaps: tuple[Gap, ...]
    left_out: int = 0  # packets that have no place on the axis

    @property
    def duration_ms(self) -> int:
        return round(len(self.samples) * 1000 / RATE)


@dataclass(slots=True)
class _Spans:
    """Intervals of samples, as they come: most go on where the last one ended."""

    found: list[list[int]] = field(default_factory=list)
    order: list[list[int]] | None = None

    def add(self, start: int, end: int) -> None:
        if self.found and self.found[-1][0] <= start <= self.found[-1][1]:
            self.found[-1][1] = max(self.found[-1][1], end)
        else:
            self.found.append([start, end])

    def touch(self, start: int, end: int) -> bool:
        """Only when all have come."""
        if self.found and self.order is None:
            self.order = sorted(self.found)
        at = bisect_left(self.order or [], [end])
        return at > 0 and (self.order or [])[at - 1][1] > start


@dataclass(slots=True)
class _Channel:
    """One side: its samples from `base` on, and what of it is known."""

    base: int = 0
    samples: bytearray = field(default_factory=bytearray)
    known: _Spans = field(default_factory=_Spans)
    foreign: _Spans = field(default_factory=_Spans)  # packets that are not decoded

    @property
    def end(self) -> int:
        return self.base + len(self.samples)

    def put(self, position: int, audio: bytes) -> None:
        """What comes later for the same place counts; what is before `base` was given away."""
        self.known.add(position, position + len(audio))
        at = position - self.base
        if at < 0:
            audio, at = audio[-at:], 0
        self._reach(at)
        self.samples[at : at + len(audio)] = audio

    def quiet(self, position: int, end: int, *, decoded: bool) -> None:
        (self.known if decoded else self.foreign).add(position, end)
        self._reach(end - self.base)

    def _reach(self, at: int) -> None:
        if at > len(self.samples):
            self.samples += _SILENCE * (at - len(self.samples))

    def take(self, upto: int) -> bytes:
        """Gives away everything before that place."""
        self._reach(upto - self.base)
        given = bytes(self.samples[: max(0, upto - self.base)])
        del self.samples[: len(given)]
        self.base += len(given)
        return given


class _Came(NamedTuple):
    """A packet, and where the capture clock puts it."""

    packet: RtpPacket
    codec: str
    captured: int
    now: int


@dataclass(slots=True)
class _Stream:
    """One sender's clock: where a timestamp of it stands, and its decoder."""

    channel: _Channel
    codec: str
    clock: int  # Hz of its timestamps
    position: int = 0
    timestamp: int = 0
    placed: bool = False
    decode: Decoder | None = None
    waiting: list[tuple[int, bytes]] = field(default_factory=list)
    newest: int = 0
    done: int = -1  # the last position that went through the decoder
    lagging: list[_Came] = field(default_factory=list)  # until it is told why
    catches_up: bool | None = None  # what lags was held back on its way; None: nothing lags, or it is not told yet

    def place(self, timestamp: int, captured: int, now: int) -> int | None:
        """`captured`: by the capture clock; `now`: where that is, which is another place if the clock was set.

        None: it lags, and it is not told yet whether its place is by the sender's clock or the capture clock.
        """
        if self.placed:
            position = self._by_its_clock(timestamp)
            if abs(position - captured) <= JUMP and position >= -REORDER:
                self.catches_up = None
                return position
            follows = position >= self.channel.end - REORDER
            if now != captured and follows and position <= now + REORDER:
                return position  # the sender's clock is the better witness
            if now == captured and follows and JUMP < captured - position <= LATE and self.catches_up is not False:
                return position if self.catches_up else None
            self.drain()
            now = max(now, self.channel.end)
        self.position, self.timestamp, self.placed, self.done, self.newest = now, timestamp, True, -1, now
        self.catches_up = None
        return now

    def _by_its_clock(self, timestamp: int) -> int:
        ahead = (timestamp - self.timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
        return self.position + ahead * RATE // self.clock

    def is_told(self) -> bool:
        """Why it lags: it has caught up, or could have."""
        first, last = self.lagging[0], self.lagging[-1]
        has_caught_up = last.captured - self._by_its_clock(last.packet.timestamp) <= JUMP
        return has_caught_up or last.captured - first.captured >= WATCHED

    def told(self) -> list[_Came]:
        """What lags, with the answer why: what comes faster than it was said was held back, and catches up."""
        came, self.lagging = self.lagging, []
        if came:
            first, last = came[0], came[-1]
            said = self._by_its_clock(last.packet.timestamp) - self._by_its_clock(first.packet.timestamp)
            self.catches_up = said > CATCHES_UP * (last.captured - first.captured)
        return came

    def put(self, position: int, payload: bytes) -> None:
        if self.codec in PLAIN:
            self._write(position, payload)
            return
        heapq.heappush(self.waiting, (position, payload))
        self.newest = max(self.newest, position)
        self.drain(self.newest - REORDER)

    def drain(self, upto: int = 1 << 62) -> None:
        while self.waiting and self.waiting[0][0] <= upto:
            position, payload = heapq.heappop(self.waiting)
            if position > self.done:  # neither doubled nor too late
                self.done = position
                self._write(position, payload)

    def _write(self, position: int, payload: bytes) -> None:
        if self.decode is not None:
            try:
                self.channel.put(position, self.decode(payload))
                return
            except Undecodable:
                pass  # told as a gap
        self.channel.quiet(position, position + round(PACKET_S * RATE), decoded=False)


class Assembler:
    """Takes packets in the order of their capture; both sides lie on the axis that begins with the first."""

    def __init__(self, heard_from: str = "") -> None:
        """`heard_from`: the address of the party of the leg, host:port; "" when nobody knows it."""
        self._party = _address(heard_from)
        self._spoke = [float("-inf"), float("-inf")]  # when that was heard last, and our side
        self.strangers = 0  # packets that were left out for it
        self.started_at: float | None = None
        self.newest = 0  # place of the last packet's capture
        self.left_out = 0
        self._beside = False
        self.channels = (_Channel(), _Channel())
        self._sides: Mapping[int, int] = {}
        self._codecs: Mapping[int, str] = STATIC
        self._streams: dict[tuple[int, int, str], _Stream] = {}

    def part(self, left: int, right: int, codecs: Mapping[int, str] | None = None, *, beside: bool = False) -> None:
        """Packets of these ports come now; `codecs`: by payload type, beside those of RFC 3551. A stream goes on.

        `beside`: another rtpengine captured them, and may have begun before the one before it ended.
        """
        self._beside = beside
        self._sides = {left: 0, right: 1}
        self._codecs = STATIC | {kind: NAMES.get(name.lower(), name) for kind, name in (codecs or {}).items()}

    def feed(self, packet: RtpPacket) -> None:
        side = self._sides.get(packet.port)
        if side is None:
            return
        if not self._is_voice(side, packet):
            self.strangers += 1
            return
        channel = self.channels[side]
        if self.started_at is None:
            self.started_at = packet.time_s
        captured = round((packet.time_s - self.started_at) * RATE)
        now = self._now(captured)
        self.newest = max(self.newest, now)
        kind = packet.payload_type
        codec = self._codecs.get(kind, "")
        if kind >= 96 and len(packet.payload) == 4:
            codec = EVENT  # RFC 4733 §2.3, whatever it is called
        key = (side, packet.ssrc, codec if codec in CLOCKS else "")  # the others count in one clock and share it
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(channel, "", CLOCKS.get(codec, RATE))
            if len(self._streams) > STREAMS:
                self._end(self._streams.pop(next(iter(self._streams))))
        if stream.lagging or not self._put(stream, packet, codec, captured, now):
            stream.lagging.append(_Came(packet, codec, captured, now))
            if stream.is_told():
                self._put_all(stream)

    def _is_voice(self, side: int, packet: RtpPacket) -> bool:
        own = packet.inside if side else self._party in (b"", packet.source)
        if own:
            self._spoke[side] = packet.time_s
            return True
        return not 0 <= packet.time_s - self._spoke[side] <= ALONE_S

    def _put_all(self, stream: _Stream) -> None:
        for came in stream.told():
            if not self._put(stream, *came):
                stream.lagging.append(came)

    def _put(self, stream: _Stream, packet: RtpPacket, codec: str, captured: int, now: int) -> bool:
        """False: it is not told yet where."""
        position = stream.place(packet.timestamp, captured, now)
        if position is None:
            return False
        if position >= _LONGEST:
            self.left_out += 1
        if not 0 <= position < _LONGEST:  # before 0: the first packet has overtaken it
            return True
        if codec == EVENT:
            # A pressed key takes the place of the voice, from its timestamp to the end of this packet (RFC 4733 §2.5.1)
            stream.channel.quiet(position, max(position, now + round(PACKET_S * RATE)), decoded=True)
        elif codec == NOISE:
            stream.channel.quiet(position, position + round(PACKET_S * RATE), decoded=True)
        else:
            if codec != stream.codec:
                stream.drain()
                stream.codec, stream.decode, stream.done = codec, decoder(codec), -1
            stream.put(position, packet.payload)
        return True

    def _end(self, stream: _Stream) -> None:
        while stream.lagging:  # each time at least the first of them finds its place
            self._put_all(stream)
        stream.drain()

    def _now(self, captured: int) -> int:
        """Where that capture time is. The clock was set if it is before what was heard, or after all that can be."""
        end = max(channel.end for channel in self.channels)
        back = captured < (0 if self._beside else end - JUMP)
        return end if back or captured >= _LONGEST else captured

    def finish(self) -> None:
        """Nothing more comes of what was begun."""
        for stream in self._streams.values():
            self._end(stream)

    def voices(self, pauses: Sequence[tuple[float, float]] = ()) -> Voices:
        """All of it. `pauses`: from, to in s of the epoch; holes there are told as such."""
        self.finish()
        start = self.started_at or 0.0
        length = max(channel.end for channel in self.channels)
        samples = np.frombuffer(b"".join(channel.take(length) for channel in self.channels), np.uint8)
        stops = [(round((a - start) * RATE), round((min(b, start + LONGEST_S) - start) * RATE)) for a, b in pauses]
        gaps = tuple(gap for n, channel in enumerate(self.channels) for gap in _gaps(n, channel, length, sorted(stops)))
        return Voices(start, np.ascontiguousarray(samples.reshape(2, -1).T), gaps, self.left_out)


def _address(text: str) -> bytes:
    host, _, port = text.rpartition(":")
    try:
        return ip_address(host).packed + int(port).to_bytes(2)
    except (ValueError, OverflowError):
        return b""


def _gaps(channel: int, side: _Channel, length: int, pauses: Sequence[tuple[int, int]]) -> Iterator[Gap]:
    """Where nothing of this voice can be heard: in its midst, later than EDGE_S after the start, before the end."""
    end, known = 0, sorted(side.known.found)
    for position, following in (*known, [length, length]):
        edge = known and (end == 0 or position == length)
        for start, stop, paused in _cut(end, position, pauses):
            if stop - start > (EDGE_S if edge and not paused else GAP_S) * RATE:
                reason = "codec not decoded" if side.foreign.touch(start, stop) else "no packets"
                yield Gap(
                    channel,
                    round(start / RATE, 3),
                    round((stop - start) / RATE, 3),
                    "paused" if paused else reason,
                )
        end = max(end, following)


def _cut(start: int, end: int, pauses: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    """A hole as pieces that lie in a pause, and those that do not."""
    for first, last in pauses:
        if first < end and last > start:
            yield start, max(start, first), False
            yield max(start, first), min(end, last), True
            start = min(end, last)
    yield start, end, False
