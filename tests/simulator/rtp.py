"""RTP of all channels from one thread: A-law every 20 ms at absolute deadlines, keys as RFC 4733.

The thread owns the pace; everybody else hands it speech and keys and looks at what has come. Times are seconds of the
epoch; what comes is stamped by the kernel, so a busy process measures as well as an idle one.
"""

from __future__ import annotations

import asyncio
import os
import random
import select
import socket
import struct
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tests.simulator import audio
from tests.simulator.audio import FRAME, RATE, Samples

TICK: Final = FRAME / RATE
PCMA: Final = 8
SILENCE: Final = audio.encode(np.zeros(FRAME, np.int16))
KEYS: Final = "0123456789*#ABCD"  # RFC 4733 §3.2: the event's number is its place
KEY_FRAMES: Final = 5  # 100 ms of key …
PAUSE_FRAMES: Final = 4  # … and 80 ms of pause: what China's exchanges send and take
END_PACKETS: Final = 3  # §2.5.1.4: the last packet three times
VOLUME: Final = 10  # -10 dBm0
SO_TIMESTAMPNS: Final = 35  # asm-generic/socket.h; Python 3.11 has no name for it
HEADER: Final = struct.Struct("!BBHII")
EVENT: Final = struct.Struct("!BBH")
STAMP: Final = struct.Struct("qq")
LOST_S: Final = 3.0  # what the thread owes after a shorter halt is sent at once: a hole that is heard is not ours
TOO_FAR: Final = RATE  # a stream whose timestamps jump by more than a second is placed anew by its arrival
CALM_TICKS: Final = 50  # in step after a halt of ours: until then what it owed, and comes at once, keeps its place

Peer = tuple[str, int]


@dataclass(eq=False)
class Halt:
    """For how long the thread stood still just now (s): what it owed was sent at once, and comes at once."""

    seconds: float = 0.0
    _calm: int = 0

    def tick(self, behind_s: float) -> None:
        if behind_s > TICK:
            self.seconds, self._calm = max(self.seconds, behind_s), 0
        elif self.seconds:
            self._calm += 1
            if self._calm > CALM_TICKS:
                self.seconds = 0.0


@dataclass(eq=False)
class Saying:
    """Speech on its way out. `began_at` once its first packet has left."""

    frames: Sequence[bytes]
    repeat: bool
    began_at: float = 0.0
    at: int = 0
    said: asyncio.Event = field(default_factory=asyncio.Event)  # to its end, or replaced by other speech


@dataclass(eq=False)
class _Key:
    event: int
    timestamp: int = 0
    elapsed: int = 0  # frames
    ends: int = 0
    pause: int = PAUSE_FRAMES


@dataclass(frozen=True, slots=True)
class HeardKey:
    key: str
    at: float


class Stream:
    """One channel's voice, both ways. Made by Media.stream()."""

    def __init__(self, host: str, loop: asyncio.AbstractEventLoop, halt: Halt) -> None:
        self._loop, self._halt = loop, halt
        self.socket = _bound(host)
        self.host, self.port = self.socket.getsockname()
        self.event_type = 101
        self.keys: list[HeardKey] = []
        self.sent = self.received = 0
        self._to: Peer | None = None
        self._saying: Saying | None = None
        self._typing: deque[_Key] = deque()
        self._sequence = random.getrandbits(16)
        self._timestamp = random.getrandbits(32)
        self._ssrc = random.getrandbits(32)
        self._voice = bytearray()  # A-law by position since the first packet
        self._present = bytearray()  # 1 where _voice was really received
        self._origin = 0.0  # when the first packet came
        self._lines: dict[int, tuple[int, int]] = {}  # ssrc -> a timestamp and its position
        self._arrivals: list[tuple[int, float]] = []  # position after the packet, when it came
        self._last_event = (-1, -1)

    # -- for the call
    def send_to(self, peer: Peer | None) -> None:
        """Where our voice goes; None: nowhere, it is quiet on the wire."""
        self._to = peer

    def say(self, samples: Samples, repeat: bool = False) -> Saying:
        """Replaces what is being said."""
        before, self._saying = self._saying, Saying(audio.frames(samples), repeat)
        if before is not None:
            before.said.set()
        return self._saying

    def be_quiet(self) -> None:
        before, self._saying = self._saying, None
        if before is not None:
            before.said.set()

    def type(self, digits: str) -> None:
        """Keys, one after another. Raises ValueError for what is no key."""
        self._typing.extend([_Key(KEYS.index(digit)) for digit in digits.upper()])

    @property
    def heard(self) -> Samples:
        """Everything since the first packet, at its place in time; 0 where nothing came (no A-law code means 0)."""
        return self.heard_since(0)

    def heard_since(self, sample: int) -> Samples:
        # two copies, each whole: the thread may append between them
        present = np.frombuffer(bytes(self._present[sample:]), np.uint8)
        voice = audio.decode(bytes(self._voice[sample : sample + len(present)]))
        return voice * present

    @property
    def length(self) -> int:
        """Samples of `heard`."""
        return len(self._present)

    def time_of(self, second: float) -> float:
        """When this second of `heard` came here."""
        arrivals = list(self._arrivals)
        place = bisect_right(arrivals, (int(second * RATE), float("inf")))
        return arrivals[min(place, len(arrivals) - 1)][1]

    # -- for the thread
    def tick(self, now: float) -> None:
        payload = self._next_voice(now)
        key = self._next_key()
        to = self._to
        if to is not None:
            marker = key is not None and key.elapsed == 1 and not key.ends
            kind = PCMA if key is None else self.event_type
            stamp = self._timestamp if key is None else key.timestamp
            if key is not None:
                payload = EVENT.pack(key.event, VOLUME | (0x80 if key.ends else 0), min(key.elapsed * FRAME, 0xFFFF))
            packet = HEADER.pack(0x80, kind | (0x80 if marker else 0), self._sequence, stamp, self._ssrc) + payload
            self._sequence = self._sequence + 1 & 0xFFFF
            self.sent += 1
            try:
                self.socket.sendto(packet, to)
            except OSError:  # the other side has closed its port: what came back is ICMP, not ours to mend
                self.sent -= 1
        self._timestamp = self._timestamp + FRAME & 0xFFFFFFFF

    def _next_voice(self, now: float) -> bytes:
        saying = self._saying
        if saying is None:
            return SILENCE
        if not saying.began_at:
            saying.began_at = now
        frame = saying.frames[saying.at]
        saying.at += 1
        if saying.at == len(saying.frames):
            saying.at = 0
            if not saying.repeat:
                self._saying = None
                self._loop.call_soon_threadsafe(saying.said.set)
        return frame

    def _next_key(self) -> _Key | None:
        """The key that sends this tick's packet; None while nothing is typed and in the pauses, when voice is sent."""
        if not self._typing:
            return None
        key = self._typing[0]
        if not key.elapsed:
            key.timestamp = self._timestamp
        if key.elapsed < KEY_FRAMES:
            key.elapsed += 1
        elif key.ends < END_PACKETS:
            key.ends += 1
        elif key.pause > 1:
            key.pause -= 1
            return None
        else:
            self._typing.popleft()
            return None
        return key

    def packet(self, data: bytes, at: float) -> None:
        if len(data) < HEADER.size or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
            return  # RTCP (RFC 5761 §4), or no RTP at all
        first, second, _, timestamp, ssrc = HEADER.unpack_from(data)
        payload = data[HEADER.size + 4 * (first & 15) :]
        kind = second & 0x7F
        self.received += 1
        if kind == PCMA:
            self._place(payload, timestamp, ssrc, at)
        elif kind == self.event_type and len(payload) >= EVENT.size:
            event = payload[0]
            if (event, timestamp) != self._last_event and event < len(KEYS):
                self._last_event = (event, timestamp)
                self.keys.append(HeardKey(KEYS[event], at))

    def _place(self, payload: bytes, timestamp: int, ssrc: int, at: float) -> None:
        self._origin = self._origin or at
        by_arrival = round((at - self._origin) * RATE)
        base, place = self._lines.setdefault(ssrc, (timestamp, by_arrival))
        position = place + ((timestamp - base + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if abs(position - by_arrival) > TOO_FAR + self._halt.seconds * RATE or position < 0:
            self._lines[ssrc] = (timestamp, by_arrival)
            position = by_arrival
        end = position + len(payload)
        missing = end - len(self._voice)
        if missing > 0:
            self._voice.extend(b"\xd5" * missing)
            self._present.extend(bytes(missing))
        self._voice[position:end] = payload
        self._present[position:end] = b"\x01" * len(payload)
        self._arrivals.append((end, at))


def _bound(host: str) -> socket.socket:
    """An even port, as RFC 3550 §11 asks."""
    while True:
        new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        new.bind((host, 0))
        if new.getsockname()[1] % 2 == 0:
            new.setblocking(False)
            new.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            return new
        new.close()


class Media:
    """The thread. `late` counts ticks that began more than one tick after their time."""

    def __init__(self) -> None:
        self.late = 0
        self._halt = Halt()
        self._streams: dict[int, Stream] = {}
        self._epoll = select.epoll()
        self._lock = threading.Lock()  # who is in _streams
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtp", daemon=True)
        self._fault: BaseException | None = None
        self._thread.start()

    def stream(self, host: str) -> Stream:
        new = Stream(host, asyncio.get_running_loop(), self._halt)
        with self._lock:
            self._streams[new.socket.fileno()] = new
            self._epoll.register(new.socket.fileno(), select.EPOLLIN)
        return new

    def remove(self, stream: Stream) -> None:
        """What it has heard stays readable."""
        with self._lock:
            if self._streams.pop(stream.socket.fileno(), None) is not None:
                self._epoll.unregister(stream.socket.fileno())
                stream.socket.close()
        stream.be_quiet()

    def close(self) -> None:
        """Raises what the thread died of, if it did."""
        self._ended.set()
        self._thread.join()
        for stream in list(self._streams.values()):
            self.remove(stream)
        self._epoll.close()
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            os.sched_setscheduler(
                0, os.SCHED_RR, os.sched_param(1)
            )  # of this thread: what is late here looks like a gap
        except PermissionError:
            pass  # not root: a busy machine will be heard
        try:
            self._pace()
        except BaseException as fault:  # noqa: BLE001 - raised again by close(), in the thread that asks
            self._fault = fault

    def _pace(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            with self._lock:
                now = time.time()
                for stream in self._streams.values():
                    stream.tick(now)
                self._read()
            due += TICK
            left = due - time.monotonic()
            self._halt.tick(-left)
            if left < -TICK:
                self.late += 1
            if left < -LOST_S:  # we were stopped or suspended: the lost time stays lost
                due = time.monotonic()
            time.sleep(max(0.0, left))

    def _read(self) -> None:
        while ready := self._epoll.poll(0):
            for number, _ in ready:
                stream = self._streams[number]
                try:
                    data, ancillary, _, _ = stream.socket.recvmsg(2048, 64)
                except OSError:  # BlockingIOError, or an ICMP error of what we sent before
                    continue
                seconds, nanoseconds = STAMP.unpack_from(ancillary[0][2])
                stream.packet(data, seconds + nanoseconds / 1e9)
