"""The metrics of queues, each defined once with its formula. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lq.ledger.views import Segment


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How the waits that began in a period came out. offered = answered + abandoned + overflowed + waiting (R4)."""

    answered: int = 0
    abandoned: int = 0  # the customer gave up: 排队放弃
    overflowed: int = 0  # we gave up: no agent, overflow elsewhere, a failure
    waiting: int = 0
    in_time: int = 0  # answered within the queue's service level time

    @property
    def offered(self) -> int:
        return self.answered + self.abandoned + self.overflowed + self.waiting

    @property
    def service_level(self) -> float | None:
        """服务水平 = answered in time / (answered + abandoned + overflowed); None before any wait has come out."""
        return self._share(self.in_time)

    @property
    def answer_rate(self) -> float | None:
        """接通率 = answered / (answered + abandoned + overflowed)."""
        return self._share(self.answered)

    def _share(self, part: int) -> float | None:
        over = self.answered + self.abandoned + self.overflowed
        return round(part / over, 4) if over else None


def queue_counts(segments: Iterable[Segment], service_level_s: float) -> QueueCounts:
    """The counts over queue segments; others are ignored."""
    counts = dict.fromkeys(("answered", "abandoned", "overflowed", "waiting"), 0)
    in_time = 0
    for segment in segments:
        outcome = segment.outcome
        if outcome is None:
            continue
        counts[outcome] += 1
        in_time += outcome == "answered" and (segment.duration_s or 0.0) <= service_level_s
    return QueueCounts(**counts, in_time=in_time)


def expected_wait_s(waiting: int, ready: int, signed_in: int, handling_s: float | None) -> float | None:
    """预计等待 of who queues now = (waiting + 1) × mean handling time / agents signed in; 0 while somebody is ready.

    None while nothing is known: nobody signed in, or nobody served yet.
    """
    if ready > waiting:
        return 0.0
    if not signed_in or handling_s is None:
        return None
    return round((waiting + 1) * handling_s / signed_in, 1)
