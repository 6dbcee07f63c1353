"""A plain RTP endpoint (RFC 3550, RFC 4733): packets at absolute deadlines, in any codec; keeps every packet heard."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar, cast

from lq.media.sdp import Audio
from tests.integration.media.codecs import Name, speech
from tests.simulator import audio
from tests.simulator.audio import FRAME, RATE, Samples

KEYS: Final = "0123456789*#ABCD"
KEY_PACKETS: Final = 5  # 100 ms
PAUSE_PACKETS: Final = 3
HEADER: Final = struct.Struct("!BBHII")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Packet:
    at: float  # monotonic
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


class Endpoint(asyncio.DatagramProtocol):
    """`sent` and `packets` grow as it talks and hears. Made by `await Endpoint.open()`."""

    def __init__(self, codec: Name, event_type: int, ptime_ms: int) -> None:
        self.speech, self.event_type = speech(codec, ptime_ms), event_type
        self.step = self.speech.frame * self.speech.clock  # RTP timestamp units of one packet
        self.packets: list[Packet] = []
        self.sent: list[bytes] = []  # payloads of the voice, in order …
        self.stamps: list[int] = []  # … and their timestamps
        self.to: tuple[str, int] | None = None
        self.ssrc, self.sequence, self.timestamp = (
            random.getrandbits(32),
            random.getrandbits(16),
            random.getrandbits(32),
        )
        self.network: Callable[[int, bytes], Sequence[bytes]] = lambda n, packet: [packet]  # what it makes of our n-th
        self.opened: Callable[[bytes], bytes] = lambda packet: packet  # of what comes, where it comes sealed
        self.count = 0
        self.catches_up = False  # after the machine stood still: all that it owes, at once; so it leaves no hole
        self._keys: deque[tuple[int, bytes] | None] = deque()
        self._news, self._said, self._closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._voice: Iterator[bytes] = iter(())
        self._silence = self.speech.frames(audio.silence(0.02))[0]
        self._transport: asyncio.DatagramTransport | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, codec: Name = "PCMA", event_type: int = 101, ptime_ms: int = 20, port: int = 0) -> Endpoint:
        loop = asyncio.get_running_loop()
        made = lambda: cls(codec, event_type, ptime_ms)  # noqa: E731
        _, new = await loop.create_datagram_endpoint(made, local_addr=("127.0.0.1", port))
        return new

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def understand(self, offer: Audio) -> None:
        """Takes the payload types of an offer for its answer (RFC 3264 §6.1)."""
        for codec in offer.codecs:
            if codec.name == self.speech.name:
                self.speech = replace(self.speech, payload_type=codec.payload)

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    # -- talks ---------------------------------------------------------------------------------------------------------
    def talk(self, to: int, samples: Samples | None = None) -> None:
        """From now on a packet each 20 ms, to this port: these samples again and again, or silence."""
        self.to = ("127.0.0.1", to)
        self.say(audio.silence(0.02) if samples is None else samples)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"rtp {self.port}")

    def say(self, samples: Samples, *, once: bool = False) -> None:
        payloads = self.speech.frames(samples)
        self._voice = iter(payloads) if once else _for_ever(payloads)

    def press(self, keys: str) -> None:
        """Keys, one after another, in the place of the voice (RFC 4733 §2.5): 100 ms, the end three times, a pause.

        Their timestamps count as the voice's do (one SSRC), their durations in 8 kHz.
        """
        for key in keys:
            for n in range(1, KEY_PACKETS + 3):
                end = 0x80 if n >= KEY_PACKETS else 0
                length = min(n, KEY_PACKETS) * FRAME
                self._keys.append((n - 1, struct.pack("!BBH", KEYS.index(key), end | 10, length)))
            self._keys += [None] * PAUSE_PACKETS

    def packet(
        self, payload: bytes, *, payload_type: int | None = None, timestamp: int | None = None, marker: bool = False
    ) -> None:
        """The next packet of our stream."""
        kind = self.speech.payload_type if payload_type is None else payload_type
        stamp = self.timestamp if timestamp is None else timestamp
        data = HEADER.pack(0x80, kind | marker << 7, self.sequence, stamp & 0xFFFFFFFF, self.ssrc) + payload
        for each in self.network(self.count, data):
            self.raw(each)
        self.count += 1
        self.sequence = self.sequence + 1 & 0xFFFF

    def raw(self, data: bytes) -> None:
        assert self._transport is not None and self.to is not None
        self._transport.sendto(data, self.to)

    async def _run(self) -> None:
        due = time.monotonic()
        while True:
            payload = next(self._voice, None) or self._silence
            self.sent.append(payload)
            self.stamps.append(self.timestamp)
            self._said.set()
            key = self._keys.popleft() if self._keys else None
            if key is None:
                self.packet(payload)
            else:
                n, event = key  # all packets of a key have the timestamp of its beginning
                stamp = self.timestamp - n * self.step
                self.packet(event, payload_type=self.event_type, timestamp=stamp, marker=n == 0)
            self.timestamp = self.timestamp + self.step & 0xFFFFFFFF
            due += self.speech.frame / RATE
            behind = int((time.monotonic() - due) * RATE / self.speech.frame)
            if behind > 5 and not self.catches_up:  # the machine stood still: a phone would not send all that either
                self.timestamp = self.timestamp + behind * self.step & 0xFFFFFFFF
                due += behind * self.speech.frame / RATE
            await asyncio.sleep(due - time.monotonic())

    async def has_sent(self, more: int) -> None:
        """Waits until it has said so many packets more."""
        wanted = len(self.sent) + more
        async with asyncio.timeout(10 + more / 25):
            while len(self.sent) < wanted:
                self._said.clear()
                await self._said.wait()

    @property
    def said(self) -> bytes:
        """All that was said, on the axis of our own clock; where the machine stood still, A-law silence."""
        places = [(stamp - self.stamps[0]) % 2**32 for stamp in self.stamps]
        axis = bytearray(b"\xd5" * (places[-1] + FRAME))
        for place, payload in zip(places, self.sent, strict=True):
            axis[place : place + FRAME] = payload
        return bytes(axis)

    # -- hears ---------------------------------------------------------------------------------------------------------
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        if not 192 <= second <= 223:
            data = self.opened(data)
        if data and first >> 6 == 2 and not 192 <= second <= 223:  # RTCP (RFC 5761 §4)
            payload = data[HEADER.size + 4 * (first & 15) :]
            kind, marker = second & 127, bool(second & 128)
            self.packets.append(Packet(time.monotonic(), kind, marker, sequence, timestamp, ssrc, payload))
            self._news.set()

    def error_received(self, exc: Exception) -> None:
        """What we send to is closed just now (a test restarts it)."""

    @property
    def voice(self) -> list[Packet]:
        return [packet for packet in self.packets if packet.payload_type == self.speech.payload_type]

    def heard(self, since: int = 0) -> Samples:
        """All voice since that packet, joined in the order in which it came."""
        kind = self.speech.payload_type
        return self.speech.decode([p.payload for p in self.packets[since:] if p.payload_type == kind])

    def recent(self, seconds: float = 0.1) -> Samples:
        """The end of what was heard; coders are given as much again before it, to swing in."""
        last = self.speech.decode([p.payload for p in self.voice[-2 * round(seconds / 0.02) :]])
        return last[-round(seconds * RATE) :]

    @property
    def keys(self) -> str:
        """Keys heard, each once: an event is named by its timestamp."""
        found: dict[int, str] = {}
        for packet in self.packets:
            if packet.payload_type == self.event_type:
                found.setdefault(packet.timestamp, KEYS[packet.payload[0]])
        return "".join(found.values())

    async def until(self, check: Callable[[], T], within: float = 10.0, what: str = "") -> T:
        """Waits until this is true; it is asked again after each packet."""
        try:
            async with asyncio.timeout(within):
                while not (value := check()):
                    self._news.clear()
                    await self._news.wait()
                return value
        except TimeoutError:
            told = what or f"{sorted(audio.tones(self.recent(0.2)))} in the last 0.2 s of {len(self.packets)} packets"
            raise AssertionError(f"port {self.port} waited in vain: {told}") from None

    async def hears(self, *tones: int, within: float = 10.0) -> None:
        """Waits until these tones, and no others, fill 100 ms."""
        start = len(self.packets)
        await self.until(
            lambda: len(self.packets) - start >= 5 and audio.tones(self.recent()) == set(tones),
            within,
            f"for {set(tones) or 'silence'}; heard {audio.tones(self.recent())}",
        )


def _for_ever(payloads: Sequence[bytes]) -> Iterator[bytes]:
    while True:
        yield from payloads


def streams(packets: Sequence[Packet]) -> dict[int, list[Packet]]:
    """By SSRC, in the order in which they first came."""
    found: dict[int, list[Packet]] = {}
    for packet in packets:
        found.setdefault(packet.ssrc, []).append(packet)
    return found
