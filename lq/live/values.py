"""What the live state is asked and what it answers. Times are integer milliseconds of the epoch, UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from lq.acd.agent import SIGNED_OUT
from lq.acd.strategies import Key

LEASE_MS: Final = 2_000  # of a node, which renews it four times as often


@dataclass(frozen=True, slots=True)
class AgentOp:
    """What a commit does to one agent of its contact; `fence` is the reservation it was given."""

    agent: str
    fence: int
    op: str  # lq.acd.agent.CONTACT_OPERATIONS
    outcome: str = ""  # of a release: lq.acd.agent.OUTCOMES
    ttl_ms: int | None = None  # the reservation lapses unless renewed within
    lanes: Mapping[str, Key] | None = None  # his keys from now on, if they changed
    wrap_up_ms: int = 0
    queue: str | None = None  # of a release: whose call it was, for the code that it may want; None: his lane says it

    def as_json(self) -> dict[str, Any]:
        request: dict[str, Any] = {"agent": self.agent, "fence": self.fence, "op": self.op}
        if self.op == "release":
            request |= {"outcome": self.outcome, "wrap_up_ms": self.wrap_up_ms}
        if self.ttl_ms is not None:
            request["ttl_ms"] = self.ttl_ms
        if self.queue is not None:
            request["queue"] = self.queue
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
class ChannelOp:
    """What a commit does to the trunk channel of one leg of its contact. A leg holds one channel at most."""

    trunk: str
    op: Literal["seize", "release"]
    leg: int  # its number within the contact
    direction: Literal["in", "out"] = "out"  # in: never refused, for the call is there already


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """Of an operation on a channel, in the order of the request; ok False with error "full": take the next route."""

    trunk: str
    leg: int
    ok: bool
    number: int | None = None  # the channel that the leg holds now
    error: str = ""


@dataclass(frozen=True, slots=True)
class EngageOp:
    """Take an agent without the ACD, for a leg of the contact; named by himself or by the phone he is signed in at."""

    leg: int
    agent: str = ""
    phone: str = ""
    own: bool = False  # he himself calls: in any state in which he belongs to no contact; else only if he is ready
    lease_ms: int = 0  # 0: until he is released


@dataclass(frozen=True, slots=True)
class EngageResult:
    """In the order of the request; ok False: he is in `state` (settling: it is being found out who is where)."""

    leg: int
    ok: bool
    agent: str  # "": nobody is signed in at that phone
    state: str
    phone: str = ""
    reservation: int = 0  # the fence
    media: str = ""  # what that phone speaks, if the edge has said so


@dataclass(frozen=True, slots=True)
class GateOp:
    """What the gate to the outside asks of the live state for one leg of its contact.

    look: which of `lists` have the number, and who is signed in at `phone`. count: one more call to it on `day` for
    `purpose`, unless there are `limit`; once for the contact, however often it is said. guess: whether a PIN of
    `number` (agent:1001, conference:board) counts, with fewer than `limit` wrong ones of late; a `wrong` one is one
    more, once for each `nth` of the contact.
    """

    op: Literal["look", "count", "guess"]
    leg: int
    number: str
    lists: Sequence[str] = ()
    phone: str = ""
    purpose: str = ""
    day: str = ""
    limit: int = 0
    wrong: bool = False
    nth: int = 0


@dataclass(frozen=True, slots=True)
class GateResult:
    """Of a GateOp, in the order of the request; `ok`: it was counted, or counts."""

    op: Literal["look", "count", "guess"]
    leg: int
    listed: tuple[str, ...] = ()
    agent: str = ""
    ok: bool = False


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One number of a list, or a prefix, which ends in *; `expires` ms, 0: never."""

    list: str
    number: str
    expires: int = 0
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """A contact's place in a conference, until it is over. most: how many may be in it (0: whoever is, stays)."""

    conference: str
    host: bool
    most: int = 0


@dataclass(frozen=True, slots=True)
class Called:
    """Somebody whom a conference has called, and what became of it; outcome "": he is being called."""

    conference: str
    to: str  # agent:1002 | phone:8002 | a number
    at: int  # ms
    outcome: str = ""  # answered | busy | no_answer | refused | unreachable | a rule of the gate


@dataclass(frozen=True, slots=True)
class Gathering:
    """Who is in a conference, as its newest party is told; ok False: it is full, and he is not in it."""

    ok: bool
    parties: int
    hosts: int
    change: int = 0  # the last one, of all conferences; what is told of an older one is out of date


@dataclass(frozen=True, slots=True)
class AgentHold:
    """An agent whom a contact holds, as its owner remembers it, for a Redis that may have forgotten."""

    agent: str
    phone: str
    fence: int
    state: Literal["reserved", "ringing", "dialing", "talking"]
    lane: str
    ttl_ms: int = 0  # of the reservation, unless he talks; 0: it has no end
    name: str = ""
    lanes: Mapping[str, Key] = field(default_factory=dict)
    since: int | None = None
    seq: int | None = None  # of the event that said this state; None: the ledger has not heard of it
    next: str | None = None  # as in AgentState
    engaged: bool = False  # taken without the ACD: no answer to the contact's question


@dataclass(frozen=True, slots=True)
class ChannelHold:
    leg: int
    trunk: str
    number: int
    direction: Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class Place:
    """In line: the same place, for its score says it."""

    lanes: Mapping[str, int]
    since: int
    lease_ms: int


@dataclass(frozen=True, slots=True)
class Holds:
    """All that a contact holds of the live state. What it does not name is let go."""

    agents: Sequence[AgentHold] = ()
    channels: Sequence[ChannelHold] = ()
    legs: Sequence[int] = ()  # alive; channels of others are free
    waiting: Place | None = None
    conference: Membership | None = None


@dataclass(frozen=True, slots=True)
class HoldResult:
    """ok False: somebody else has the agent, under a newer fence."""

    agent: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Recalled:
    """The last that the ledger said of an agent, for a Redis that may have lost it."""

    agent: str
    name: str
    state: str
    since: int
    seq: int
    phone: str
    lanes: Mapping[str, Key]
    reason: str | None = None
    next: str | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did, entry by entry of what it asked for; empty for the repeat of a contact's last commit."""

    agents: tuple[AgentResult, ...] = ()
    channels: tuple[ChannelResult, ...] = ()
    holds: tuple[HoldResult, ...] = ()
    engaged: tuple[EngageResult, ...] = ()
    gate: tuple[GateResult, ...] = ()
    conference: Gathering | None = None


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
    era: int  # rises when Redis may have forgotten something: say again what you hold, then `asserted`
    adopted_by: str | None = None  # another node has taken what we own: we are dead, and leave without a word


@dataclass(frozen=True, slots=True)
class Mended:
    """`snapshot` only of a contact that is ours now."""

    epoch: int = 0
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Adopted:
    contact: str
    epoch: int
    snapshot: str
