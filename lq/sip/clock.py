"""Deadlines of many holders in one heap. Pure: it says when, it does not wait."""

from __future__ import annotations

import heapq
from typing import Any, Protocol

_Entry = list[Any]  # [when, count, whose (None: moved or cleared since), which]


class Holder(Protocol):
    timers: dict[str, float]  # what is due when; changed freely by whoever owns it, then watch() is called
    armed: dict[str, _Entry]  # what the heap knows of it


class Clock:
    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._dead = self._count = 0

    def __len__(self) -> int:
        return len(self._heap) - self._dead

    def watch(self, holder: Holder) -> None:
        """Take over what has changed in the holder's timers."""
        timers, armed = holder.timers, holder.armed
        for timer, at in timers.items():
            entry = armed.get(timer)
            if entry is None or entry[0] != at:
                if entry is not None:
                    self._disarm(entry)
                self._count += 1
                armed[timer] = entry = [at, self._count, holder, timer]
                heapq.heappush(self._heap, entry)
        if len(armed) > len(timers):
            for timer in [timer for timer in armed if timer not in timers]:
                self._disarm(armed.pop(timer))

    def deadline(self) -> float | None:
        while self._heap and self._heap[0][2] is None:
            heapq.heappop(self._heap)
            self._dead -= 1
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> tuple[Any, str] | None:
        """The next holder and timer that is due; it is cleared."""
        at = self.deadline()
        if at is None or at > now:
            return None
        _, _, holder, timer = heapq.heappop(self._heap)
        del holder.timers[timer], holder.armed[timer]
        return holder, timer

    def _disarm(self, entry: _Entry) -> None:
        """A session that ended must not be kept for the half hour that its timer had to go."""
        entry[2] = None
        self._dead += 1
        if self._dead > 1000 and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2] is not None]
            heapq.heapify(self._heap)
            self._dead = 0
