"""What the live state is asked and what it answers. Times are integer milliseconds of the epoch, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lq.acd.agent import SIGNED_OUT


@dataclass(frozen=True, slots=True)
class AgentOp:
    """What a commit does to one agent of its contact; `fence` is the reservation it was given."""

    agent: str
    fence: int
    op: str  # lq.acd.agent.CONTACT_OPERATIONS
    outcome: str = ""  # of a release: lq.acd.agent.OUTCOMES
    ttl_ms: int | None = None  # the reservation lapses unless renewed within
    lanes: Mapping[str, int] | None = None  # his keys from now on, if they changed
    wrap_up_ms: int = 0

    def as_json(self) -> dict[str, Any]:
        request: dict[str, Any] = {"agent": self.agent, "fence": self.fence, "op": self.op}
        if self.op == "release":
            request |= {"outcome": self.outcome, "wrap_up_ms": self.wrap_up_ms}
        if self.ttl_ms is not None:
            request["ttl_ms"] = self.ttl_ms
        if self.lanes is not None:
            request["lanes"] = dict(self.lanes)
        return request


@dataclass(frozen=True, slots=True)
class AgentResult:
    """ok False: the agent is not this contact's any more (or not in a state that allows it); drop his leg."""

    agent: str
    ok: bool
    state: str


@dataclass(frozen=True, slots=True)
class Reserved:
    agent: str
    phone: str
    reservation: int  # the fence
    lane: str


@dataclass(frozen=True, slots=True)
class Waiting:
    position: int  # 1: next
    signed_in: int
    ready: int


@dataclass(frozen=True, slots=True)
class AgentState:
    id: str
    name: str = ""
    state: str = SIGNED_OUT
    since: int = 0
    reason: str | None = None
    next: str | None = None  # the state that he goes to when he is free: signed_out | paused
    phone: str | None = None
    contact: str | None = None
    reservation: int | None = None
    code: str | None = None
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueState:
    id: str
    name: str
    waiting: int
    ready: int
    talking: int
    signed_in: int
    oldest_since: int | None  # when the longest waiting contact began to wait


@dataclass(frozen=True, slots=True)
class ContactState:
    id: str
    owner: str
    epoch: int
    snapshot: str
    agent: str | None = None
    fence: int | None = None  # only while the reservation is neither answered nor released
    lanes: Mapping[str, int] = field(default_factory=dict)  # empty unless it waits
    since: int | None = None


@dataclass(frozen=True, slots=True)
class PhoneState:
    ext: str
    registered_until: int
    agent: str | None


@dataclass(frozen=True, slots=True)
class TrunkState:
    id: str
    up: bool
    since: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lease:
    role: str  # lq | mixer | rtpengine
    id: str  # of an lq: its incarnation
    incarnation: str
    address: str
    load: int
    draining: bool
    expires: int


@dataclass(frozen=True, slots=True)
class Renewal:
    now: int  # ms, Redis TIME
    config_version: int
    lapsed: bool  # the lease had run out before: read what you own again before sending anything


@dataclass(frozen=True, slots=True)
class Adopted:
    contact: str
    epoch: int
    snapshot: str
