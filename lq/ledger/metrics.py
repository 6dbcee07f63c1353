"""The metrics of queues, each defined once with its formula. Pure.

A *wait* is a queue segment: from entering a queue to leaving it. A contact that is sent to a second queue waits twice
and is offered twice, once to each. A wait belongs to the interval in which it began, whenever it came out.

    offered           = answered + abandoned + overflowed + waiting                                  (R4)
    short abandon     = abandoned within SHORT_ABANDON_S (短时放弃): he misdialled or changed his mind
    counted           = answered + abandoned - short_abandoned + overflowed
    service level     = in_time / counted; of several queues: the sum of in_time / the sum of counted 服务水平
    answer rate       = answered / (answered + abandoned + overflowed)                               接通率
    average wait      = waiting time of the answered / answered                                      平均排队时长
    occupancy         = serving / (serving + ready), serving = all states between ready and ready     占用率

Answer rate, average wait and an agent's time wait for the reports: until then only tests ask for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lq.ledger.views import AgentInterval, Segment

SHORT_ABANDON_S: Final = 5.0
SERVING: Final = ("reserved", "ringing", "dialing", "talking", "wrap_up")


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How the waits that began in a period came out."""

    answered: int = 0
    abandoned: int = 0  # the customer gave up: 排队放弃
    overflowed: int = 0  # we gave up: no agent, overflow elsewhere, a failure
    waiting: int = 0
    in_time: int = 0  # answered within the queue's service level time
    short_abandoned: int = 0  # of abandoned: within SHORT_ABANDON_S
    answered_wait_s: float = 0.0  # sum
    abandoned_wait_s: float = 0.0  # sum
    longest_wait_s: float = 0.0  # of those that came out
    overflowed_by: Mapping[str, int] = field(default_factory=dict)  # reason -> how many

    @property
    def offered(self) -> int:
        return self.answered + self.abandoned + self.overflowed + self.waiting

    @property
    def counted(self) -> int:
        """Of how many waits the service level is the share."""
        return self.answered + self.abandoned - self.short_abandoned + self.overflowed

    @property
    def service_level(self) -> float | None:
        """None before any wait that counts has come out."""
        return _share(self.in_time, self.counted)

    @property
    def answer_rate(self) -> float | None:
        return _share(self.answered, self.answered + self.abandoned + self.overflowed)

    @property
    def average_wait_s(self) -> float | None:
        return round(self.answered_wait_s / self.answered, 3) if self.answered else None


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def queue_counts(segments: Iterable[Segment], service_level_s: float) -> QueueCounts:
    """The counts over queue segments; others are ignored."""
    waits = [(segment, segment.outcome, segment.duration_s or 0.0) for segment in segments if segment.outcome]
    count = Counter(outcome for _, outcome, _ in waits)
    answered = [seconds for _, outcome, seconds in waits if outcome == "answered"]
    abandoned = [seconds for _, outcome, seconds in waits if outcome == "abandoned"]
    return QueueCounts(
        answered=count["answered"],
        abandoned=count["abandoned"],
        overflowed=count["overflowed"],
        waiting=count["waiting"],
        in_time=sum(seconds <= service_level_s for seconds in answered),
        short_abandoned=sum(seconds <= SHORT_ABANDON_S for seconds in abandoned),
        answered_wait_s=round(sum(answered), 3),
        abandoned_wait_s=round(sum(abandoned), 3),
        longest_wait_s=max((seconds for *_, seconds in waits), default=0.0),
        overflowed_by=dict(Counter(s.reason or "" for s, outcome, _ in waits if outcome == "overflowed")),
    )


def expected_wait_s(waiting: int, ready: int, signed_in: int, handling_s: float | None) -> float | None:
    """预计等待 of who queues now = (waiting + 1) × mean handling time / agents signed in; 0 while somebody is ready.

    None while nothing is known: nobody signed in, or nobody served yet.
    """
    if ready > waiting:
        return 0.0
    if not signed_in or handling_s is None:
        return None
    return round((waiting + 1) * handling_s / signed_in, 1)


@dataclass(frozen=True, slots=True)
class AgentTime:
    """An agent's time within a period, by state; together the time for which he was signed in."""

    seconds: Mapping[str, float] = field(default_factory=dict)  # state -> seconds

    @property
    def signed_in_s(self) -> float:
        return round(sum(self.seconds.values()), 3)

    @property
    def occupancy(self) -> float | None:
        """None of one who was neither serving nor ready."""
        serving = sum(self.seconds.get(state, 0.0) for state in SERVING)
        whole = serving + self.seconds.get("ready", 0.0)
        return round(serving / whole, 4) if whole else None


def agent_time(intervals: Iterable[AgentInterval], start: int, end: int) -> AgentTime:
    """One agent's intervals, cut to [start, end) in ms; one that goes on counts up to `end`."""
    spent: Counter[str] = Counter()
    for interval in intervals:
        begun, over = max(start, interval.started_at), min(end, interval.ended_at or end)
        if over > begun:
            spent[interval.state] += over - begun
    return AgentTime({state: ms / 1000 for state, ms in spent.items()})
