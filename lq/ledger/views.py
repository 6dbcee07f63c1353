"""What the folds of the ledger tell: a contact and its segments, its call detail record, recordings, agents' days.

Plain values. Times are integer ms of the epoch; durations end in `_s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OUTCOMES: Final = ("waiting", "answered", "abandoned", "overflowed")  # of a queue segment; each has exactly one


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of a contact's life. They follow each other; only ring lies inside queue."""

    n: int
    kind: str  # ivr | queue | ring | talk | hold | consult | conference | echo | wrap_up
    started_at: int
    queue: str | None = None
    agent: str | None = None
    ended_at: int | None = None
    reason: str | None = None

    @property
    def duration_s(self) -> float | None:
        return None if self.ended_at is None else seconds(self.started_at, self.ended_at)

    @property
    def outcome(self) -> str | None:
        """Of a queue segment: what became of this wait. no_agent, overflow and failures of ours count as overflowed."""
        if self.kind != "queue":
            return None
        if self.ended_at is None:
            return "waiting"
        if self.reason == "answered":
            return "answered"
        return "abandoned" if self.reason in ("abandoned", "hang_up") else "overflowed"


@dataclass(frozen=True, slots=True)
class Leg:
    id: str
    party: str
    address: str
    state: str = "inviting"  # inviting | answered | ended
    codec: str | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    id: str
    contact_id: str
    kind: str = "whole"
    state: str = "planned"
    agent: str | None = None
    leg: str | None = None
    spool: str | None = None
    path: str | None = None
    format: str | None = None
    channels: int | None = None
    started_at: int | None = None
    planned_at: int | None = None
    duration_ms: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    gaps: tuple[Mapping[str, Any], ...] = ()
    reason: str | None = None  # why it was stopped (the last word of it), or failed


@dataclass(frozen=True, slots=True)
class Contact:
    """What is known of a contact so far. `ended_at` None: it is going on."""

    id: str
    direction: str
    number: str
    number_raw: str
    number_published: str
    called: str
    called_raw: str
    called_published: str
    started_at: int
    trunk: str | None = None
    phone: str | None = None
    purpose: str | None = None  # what somebody outside was called for
    state: str = "started"
    queue: str | None = None  # the last one
    agent: str | None = None  # who talked with the customer last
    queued_at: int | None = None  # first time
    answered_at: int | None = None  # first time, by an agent
    ended_at: int | None = None
    result: str | None = None
    ended_by: str | None = None
    cause: int | None = None
    sip: int | None = None
    notice_played_at: int | None = None  # heard to its end
    segments: tuple[Segment, ...] = ()
    legs: tuple[Leg, ...] = ()
    recordings: tuple[Recording, ...] = ()


@dataclass(frozen=True, slots=True)
class Cdr:
    """The call detail record: one row for each contact that is over."""

    contact_id: str
    direction: str
    number: str
    number_raw: str
    number_published: str
    called: str
    called_raw: str
    called_published: str
    trunk: str | None
    queue: str | None
    agent: str | None
    started_at: int
    queued_at: int | None
    answered_at: int | None
    ended_at: int
    wait_s: float
    ring_s: float
    talk_s: float
    hold_s: float
    wrap_up_s: float
    result: str
    ended_by: str
    cause: int
    sip: int | None
    recording_id: str | None
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class AgentInterval:
    """A stretch of a signed-in agent's day in one state; `seq` is of the event that began it."""

    agent: str
    seq: int
    state: str
    started_at: int
    ended_at: int | None = None
    reason: str | None = None
    phone: str | None = None
    contact: str | None = None
    code: str | None = None


def seconds(start: int, end: int) -> float:
    """From `start` to `end` (ms) in seconds; a clock that stepped back gives 0, never a negative time."""
    return max(0, end - start) / 1000
