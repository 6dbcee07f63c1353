"""The clock of Redis, as a node knows it from its renewals: what Redis dates is void by its time, not by the node's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from lq import telemetry

log = structlog.get_logger()

PRECISE_S: Final = 1.0  # an answer that took longer (or a node that was frozen meanwhile) tells too little
APART: Final = telemetry.gauge("redis_clock_apart_seconds", "between the clock of this host and that of Redis")


class RedisClock:
    """`now` gives milliseconds of the epoch by the clock of this host."""

    def __init__(self, now: Callable[[], int] = lambda: int(time.time() * 1000)) -> None:
        self._now = now
        self._ahead_ms = 0  # of ours

    def told(self, now: int, took_s: float) -> None:
        """Redis was asked `took_s` ago and says its time: of somewhere between."""
        if took_s <= PRECISE_S:
            self._ahead_ms = now + int(took_s * 500) - self._now()
            APART.set(abs(self._ahead_ms) / 1000)

    def is_void(self, message: Mapping[str, Any]) -> bool:
        """A command that comes so late that who sent it has been told 503: it is not carried out."""
        late_ms = self._now() + self._ahead_ms - message["expires_at"]
        if late_ms >= 0:
            about = {key: message.get(key) for key in ("type", "contact", "id", "verb")}
            log.warning("command dropped: nobody waits for it any more", late_ms=late_ms, **about)
        return bool(late_ms >= 0)
