"""Whether this process has run all along. One that was frozen may be dead for the others, and must ask before it acts.

SIP and rtpengine know no fence: what a node says after its contacts were adopted would be believed. So after a lag of
more than half a lease nothing leaves it until it has read its lease again (DESIGN §5).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger()

BEAT_S: Final = 0.1
PATIENCE_S: Final = 10.0  # with a Redis that does not answer: then nobody else can have heard of us either


class Pulse:
    """`limit_s`: a lag beyond it is a freeze. `clock` in seconds, monotonic; it must count the time of a freeze."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s, self._clock = limit_s, clock
        self._last = clock()
        self._frozen_at: float | None = None  # when it was noticed
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.on_thaw: Callable[[], None] = lambda: None

    @property
    def is_frozen(self) -> bool:
        """To be asked before anything leaves, and by whoever comes first after a freeze: no order is relied on."""
        now = self._clock()
        lag, self._last = now - self._last, now
        if lag > self._limit_s:
            self._frozen_at = now
            self._thawed.clear()
            log.warning("this process was frozen; it asks for its lease before it says anything", lag_s=round(lag, 2))
        return self._frozen_at is not None

    async def passed(self) -> None:
        """Returns once nothing stands against acting; at once as a rule."""
        while self.is_frozen:
            await self._thawed.wait()

    def renewed(self, began: float) -> None:
        """The lease was read again by a request that began then; one that began before the freeze proves nothing."""
        if self.is_frozen and self._frozen_at is not None and began > self._frozen_at:
            self._thaw()

    def not_renewed(self) -> None:
        """Redis does not answer. For long: it answers nobody, so we have stayed the owner."""
        if self.is_frozen and self._frozen_at is not None and self._clock() - self._frozen_at > PATIENCE_S:
            log.warning("Redis does not answer: this node stays the owner of what it holds")
            self._thaw()

    async def beat(self) -> None:
        """Until cancelled: keeps the time."""
        while True:
            _ = self.is_frozen
            await asyncio.sleep(BEAT_S)

    def _thaw(self) -> None:
        self._frozen_at = None
        self._thawed.set()
        self.on_thaw()
