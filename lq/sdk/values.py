"""The objects of LQ-SDK, version 1, as frozen values. Fields are only ever added; unknown ones are ignored."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Health:
    status: str  # ok | degraded (history away) | down (live state away)
    live: bool  # Redis answers
    history: bool  # PostgreSQL answers
    config_version: int | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong now, in both languages, and what helps."""

    id: str  # <rule>:<about>
    severity: str  # critical | major | minor
    about: str
    value: float
    zh: str
    en: str
    do_zh: str
    do_en: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    id: str  # operator number (工号)
    name: str
    # signed_out | ready | reserved | ringing | dialing | talking | wrap_up | paused | busy_other | phone_offline
    state: str
    since: datetime | None = None  # when he came into `state`
    reason: str | None = None  # of a pause
    next: str | None = None  # what he will be when he is free: paused | signed_out
    phone: str | None = None  # where he is signed in
    queues: tuple[str, ...] = ()
    contact: str | None = None  # the one that he is with, or was in wrap-up
    reservation: int | None = None
    code: str | None = None  # of the wrap-up, as far as he has said


@dataclass(frozen=True, slots=True)
class Queue:
    id: str
    name: str
    waiting: int  # contacts
    ready: int  # agents
    talking: int  # agents
    # seconds that the first has waited (None: nobody waits), that who comes now may expect to wait (0: somebody is
    # ready; None: nobody is signed in, or none was served yet today)
    oldest_wait_s: float | None = None
    ewt_s: float | None = None
    service_level: Mapping[str, float | None] = field(default_factory=dict)  # seconds -> in_time / counted, today
    answered: int | None = None  # today; None: history is away
    abandoned: int | None = None
    overflowed: int | None = None
    in_time: int | None = None  # of answered: within the seconds of service_level
    counted: int | None = None  # of how many waits service_level is the share: without those who gave up within 5 s


@dataclass(frozen=True, slots=True)
class Segment:
    n: int
    kind: str  # ivr | queue | ring | talk | hold | consult | conference | echo; of history also wrap_up
    queue: str | None = None
    agent: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    id: str
    party: str  # customer | agent
    address: str
    state: str  # arriving | inviting | ringing | answered | cancelling | ended; of history inviting, answered, ended
    codec: str | None = None
    agent: str | None = None  # of a contact alive: whose phone it is
    mode: str | None = None  # of a leader's: listen | whisper | barge; shown to who may supervise
    place: str | None = None  # of a contact alive: talk | aside (consulted) | waits (on hold) …; None: nowhere
    muted: bool = False


@dataclass(frozen=True, slots=True)
class ContactRecording:
    id: str
    kind: str
    state: str  # planned | active | paused | stopped | closing | …
    reason: str | None = None  # why it is stopped: customer_refused, pci …


@dataclass(frozen=True, slots=True)
class Contact:
    id: str
    direction: str  # in | out | internal
    # started | ivr | queued | ringing | talking | held | consulting | conferencing | echo | code | ended
    state: str
    number: str  # the other party in E.164, where he has such a number
    number_raw: str  # as it was received
    called: str
    queue: str | None = None
    agent: str | None = None
    number_published: str = ""
    purpose: str | None = None
    started_at: datetime | None = None
    answered_at: datetime | None = None
    notice_played_at: datetime | None = None
    segments: tuple[Segment, ...] = ()
    legs: tuple[Leg, ...] = ()
    recordings: tuple[ContactRecording, ...] = ()
    recording_policy: str = ""  # while it goes on: none | on_demand | voice | talk | whole
    notice_policy: str = ""  # required | by_agent (he says it) | none
    help: str | None = None  # the agent who wants a leader to come
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Party:
    contact: str
    number: str
    number_published: str
    host: bool
    muted: bool
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class PartyCall:
    """Somebody whom a conference has called within the hour."""

    contact: str
    to: str
    outcome: (
        str  # calling | ringing | answered | busy | no_answer | refused | unreachable | taken_back | the gate's rule
    )
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conference:
    """A conference room, who is in it, and whom it has called."""

    id: str
    name: str
    parties: tuple[Party, ...] = ()
    calls: tuple[PartyCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    code: str  # a rule of the gate (dnc, hours, permission …), busy, unreachable, full, invalid …
    message: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """One of those whom a conference was asked to call: his contact has begun, unless there is an error."""

    to: str
    contact: str | None = None
    error: Refused | None = None


@dataclass(frozen=True, slots=True)
class Cdr:
    contact_id: str
    direction: str
    number: str
    called: str
    queue: str | None
    agent: str | None
    queued_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime
    wait_s: float  # from the first queue to the first answer, or to the end
    ring_s: float  # all offers to agents, answered or not
    talk_s: float  # with conferences
    hold_s: float  # on hold, or while an agent consulted
    wrap_up_s: float  # of all its agents
    result: str  # answered | abandoned | ivr | no_agent | busy | no_answer | refused | failed
    ended_by: str  # caller | agent | system
    cause: int  # ITU-T Q.850
    recording_id: str | None = None
    survey: str | None = None  # null until there are surveys
    started_at: datetime | None = None
    purpose: str | None = None
    number_published: str = ""
    trunk: str | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    id: str
    contact_id: str
    kind: str  # talk | whole | voice (as talk, without silences)
    state: str  # planned | active | closing | stored | verified | failed | deleted
    started_at: datetime | None = None
    duration_s: float | None = None
    channels: int | None = None
    format: str | None = None
    sha256: str | None = None
    gaps: tuple[Mapping[str, Any], ...] = ()
    reason: str | None = None  # why it was stopped, or failed


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration document and the version of the configuration at its last change."""

    kind: str
    id: str
    version: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DocumentUser:
    """A document that names another one, and the field in which it does."""

    kind: str
    id: str
    name: str
    field: str


@dataclass(frozen=True, slots=True)
class Token:
    """A program's right to use LQ-SDK. `agents`, `queues`: what it is restricted to; neither: nothing."""

    id: str
    name: str
    scopes: tuple[str, ...]
    agents: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    per_second: int = 50
    created_at: datetime | None = None
    expires_at: datetime | None = None
    secret: str | None = field(default=None, repr=False)  # told once, to who adds it


@dataclass(frozen=True, slots=True)
class Credentials:
    """With which a browser phone registers at the edge until `expires_at`: digest (RFC 7616) as `user` in `realm`."""

    phone: str
    realm: str
    user: str
    secret: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    at: datetime
    took_ms: int
    status: int | None = None  # of HTTP; None: no answer came
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook."""

    id: int
    event: str  # its id in the stream
    type: str
    state: str  # queued | running | done | failed
    created_at: datetime
    contact: str | None = None
    done_at: datetime | None = None
    next_at: datetime | None = None  # when it is tried again
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One number of a list, or all that begin so (`+8610*`)."""

    number: str
    note: str = ""
    expires_at: datetime | None = None
    changed_at: datetime | None = None
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    next: str | None = None  # cursor of the next page


def decode(cls: type[T], document: Mapping[str, Any]) -> T:
    """The value that a JSON object stands for; raises ValueError when it is not of this shape."""
    hints = _hints(typing.cast(typing.Hashable, cls))
    try:
        known = {f.name: _convert(hints[f.name], document[f.name]) for f in fields(cls) if f.name in document}  # type: ignore[arg-type]
        return cls(**known)
    except TypeError as error:
        raise ValueError(f"not a {cls.__name__}: {error}") from error


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _convert(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(hint, types.UnionType):
        return _convert(next(arm for arm in hint.__args__ if arm is not type(None)), value)
    if typing.get_origin(hint) is tuple:
        return tuple(_convert(hint.__args__[0], item) for item in value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return decode(hint, value)
    return value
