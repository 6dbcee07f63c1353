"""Phones of which nothing comes any more, found by asking rtpengine, leg after leg, at a pace that costs it nothing.

rtpengine's own --timeout would end the call instead: of a caller whose phone is mute while he hears a prompt as of one
whose network is gone. Here it is told, and the contact decides.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from lq.media.engines import Engines
from lq.media.leg import MediaLeg
from lq.media.ng import MediaRefused, MediaUnavailable

SILENT_S: Final = 30.0
ROUND_S: Final = 10.0  # all legs are asked for once in that time …
PACE_S: Final = 0.01  # … but never more than a hundred a second


class Silence:
    def __init__(
        self,
        engines: Engines,
        legs: Callable[[], Iterable[MediaLeg]],
        told: Callable[[MediaLeg, str], None],
        *,
        silent_s: float = SILENT_S,
        round_s: float = ROUND_S,
    ) -> None:
        """`legs()`: those whose phones should be heard now. `told(leg, what)`: silent (again in each round) | heard
        (after it was silent) | unknown (its engine has no such call) | elsewhere (all that came since the
        last round came from another address than the phone's, and was refused)."""
        self._engines, self._legs, self._told = engines, legs, told
        self._silent_s, self._round_s = silent_s, round_s
        self._silent: set[str] = set()
        self._counts: dict[str, tuple[int, int]] = {}

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            began = time.monotonic()
            legs = list(self._legs())
            self._silent &= {leg.id for leg in legs}
            self._counts = {leg.id: self._counts[leg.id] for leg in legs if leg.id in self._counts}
            for leg in legs:
                await self._look(leg)
                await asyncio.sleep(PACE_S)
            await asyncio.sleep(max(PACE_S, began + self._round_s - time.monotonic()))

    async def _look(self, leg: MediaLeg) -> None:
        try:
            answer = await self._engines.query(leg)
        except MediaRefused:
            self._told(leg, "unknown")
            return
        except MediaUnavailable:
            return  # its engine is watched by others
        self._compare(leg, counts(answer))
        heard_at = last_packet(answer)
        if heard_at is not None and time.time() - heard_at > self._silent_s:
            self._silent.add(leg.id)
            self._told(leg, "silent")
        elif leg.id in self._silent:
            self._silent.discard(leg.id)
            self._told(leg, "heard")

    def _compare(self, leg: MediaLeg, now: tuple[int, int] | None) -> None:
        """rtpengine's time of the last packet is also that of one which it refused."""
        if now is None:
            return
        before = self._counts.get(leg.id, now)
        self._counts[leg.id] = now
        if now[0] == before[0] and now[1] > before[1]:
            self._told(leg, "elsewhere")


def counts(answer: dict[str, Any]) -> tuple[int, int] | None:
    """Packets of the phone (tag L) taken and refused so far; None if rtpengine does not say."""
    try:
        found = answer["tags"]["L"]["medias"][0]["streams"][0]["stats"]
        return int(found["packets"]) - int(found["errors"]), int(found["errors"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def last_packet(answer: dict[str, Any]) -> float | None:
    """When the phone (tag L) was heard last, in s of the epoch; None if rtpengine does not say."""
    try:
        return float(answer["tags"]["L"]["medias"][0]["streams"][0]["last packet"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
