"""The mixer's inner loop in virtual time: packets arrive when a test says, and hours take seconds."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lq.media.mixer.core import NO_ROOM, Core, LegFigures
from tests.integration.media.endpoint import HEADER
from tests.simulator import audio
from tests.simulator.audio import Samples

TICK_MS: Final = 5.0


@dataclass
class Talker:
    """A leg that talks from `start_ms` on: packets of `ptime` ms, as its clock and the network will have it."""

    lab: Lab
    slot: int
    ip: str
    heard: list[bytes] = field(default_factory=list)
    ssrc: int = 1
    sequence: int = 65_500  # so that it turns over
    timestamp: int = 2**32 - 4000

    def says(
        self,
        samples: Samples,
        *,
        start_ms: float = 0.0,
        ptime: int = 20,
        ppm: float = 0.0,
        delay_ms: Callable[[int], float | None] = lambda n: 0.0,
        twice: Callable[[int], bool] = lambda n: False,
    ) -> None:
        """`delay_ms(n)`: how long packet n is under way, None if it is lost."""
        data, step = audio.encode(samples), ptime * 8
        for n, at in enumerate(range(0, len(data), step)):
            payload = data[at : at + step]
            packet = HEADER.pack(0x80, 8, self.sequence, self.timestamp, self.ssrc) + payload
            self.sequence = self.sequence + 1 & 0xFFFF
            self.timestamp = self.timestamp + len(payload) & 0xFFFFFFFF
            sent = start_ms + (at + len(payload)) / 8 * (1 + ppm / 1e6)
            delay = delay_ms(n)
            if delay is not None:
                for _ in range(1 + twice(n)):
                    self.lab.later(sent + delay, self, packet)

    @property
    def sound(self) -> Samples:
        return audio.decode(self.heard)

    @property
    def figures(self) -> LegFigures:
        return self.lab.core.leg_figures(self.slot)


class Lab:
    def __init__(self, core: Core) -> None:
        self.core = core
        self.now = 0.0
        self.talkers: dict[int, Talker] = {}
        self._pending: list[tuple[float, int, Talker, bytes]] = []
        self._count = itertools.count()

    def leg(self) -> Talker:
        ip = f"127.7.{len(self.talkers) >> 8}.{len(self.talkers) & 255}"
        slot = self.core.join(ip, 4000)
        assert slot is not None
        self.talkers[slot] = Talker(self, slot, ip)
        return self.talkers[slot]

    def legs(self, count: int) -> list[Talker]:
        return [self.leg() for _ in range(count)]

    def room(self, *members: Talker, talk: bool = True, hear: bool = True) -> int:
        room = self.core.open_room()
        assert room is not None
        for member in members:
            self.core.enter(member.slot, room, talk=talk, hear=hear)
        return room

    def out(self, leg: Talker) -> None:
        self.core.enter(leg.slot, NO_ROOM, talk=False, hear=False)

    def later(self, at_ms: float, talker: Talker, packet: bytes) -> None:
        heapq.heappush(self._pending, (at_ms, next(self._count), talker, packet))

    def run(self, ms: float) -> None:
        """What has arrived by then is heard by the next tick."""
        until = self.now + ms
        while self.now < until:
            self.now += TICK_MS
            while self._pending and self._pending[0][0] <= self.now:
                _, _, talker, packet = heapq.heappop(self._pending)
                self.core.hear(talker.ip, 4000, packet)
            for slot, frame in self.core.step().items():
                self.talkers[slot].heard.append(frame)


def clicks(samples: Samples, frequency: float, over: float = 2.0) -> list[float]:
    """Seconds at which a sine of this frequency breaks: its curvature is more than `over` times what it should be."""
    x = samples.astype(np.float64)
    turn = 2 * np.cos(2 * np.pi * frequency / audio.RATE)
    broken = np.abs(x[2:] - turn * x[1:-1] + x[:-2])  # 0 for a sine of any level and phase
    most = max(np.abs(x).max(), 1.0) * over
    return [float(at) / audio.RATE for at in np.flatnonzero(broken > most)]


def longest_silence(samples: Samples) -> float:
    return max((duration for _, duration in audio.gaps(samples, 0.0)), default=0.0)


def joined(pieces: Iterable[Samples]) -> Samples:
    return np.concatenate(list(pieces))
