"""A WAV that another process is writing, heard while it grows; each piece is stamped with when it was seen."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from tests.simulator.audio import RATE, Samples

HEADER: Final = 44  # bytes of a plain 16 bit WAV before its samples
LOOK_EVERY_S: Final = 0.002


class Tail:
    """An Ear (tests/simulator/hearing.py)."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._data = bytearray()
        self._arrivals: list[tuple[int, float]] = []  # samples after it, when it was seen
        self._finished = False

    @property
    def is_open(self) -> bool:
        return self._file is not None

    @property
    def length(self) -> int:
        return len(self._data) // 2

    def open(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)

    async def follow(self) -> None:
        while not self._finished:
            self._look()
            await asyncio.sleep(LOOK_EVERY_S)

    def finish(self) -> None:
        """Read the rest; nothing more comes."""
        self._finished = True
        if self._file is not None:
            self._look()
            self._file.close()

    def _look(self) -> None:
        assert self._file is not None
        if not self._data:
            self._file.seek(HEADER)
        new = self._file.read(1 << 20)
        if new:
            self._data += new
            self._arrivals.append((self.length, time.time()))

    def heard_since(self, sample: int) -> Samples:
        return np.frombuffer(bytes(self._data[2 * sample : 2 * self.length]), np.int16)

    def time_of(self, second: float) -> float:
        place = bisect_right(self._arrivals, (int(second * RATE), float("inf")))
        return self._arrivals[min(place, len(self._arrivals) - 1)][1]
