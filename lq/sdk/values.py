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
class Agent:
    id: str
    name: str
    state: str
    since: datetime | None = None
    reason: str | None = None
    next: str | None = None
    phone: str | None = None
    queues: tuple[str, ...] = ()
    contact: str | None = None
    reservation: int | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    id: str
    name: str
    waiting: int
    ready: int
    talking: int
    oldest_wait_s: float | None = None
    ewt_s: float | None = None
    service_level: Mapping[str, float | None] = field(default_factory=dict)  # seconds -> share, today
    answered: int | None = None  # today; None: history is away
    abandoned: int | None = None
    overflowed: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    n: int
    kind: str
    queue: str | None = None
    agent: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    id: str
    party: str
    address: str
    state: str
    codec: str | None = None


@dataclass(frozen=True, slots=True)
class ContactRecording:
    id: str
    kind: str
    state: str


@dataclass(frozen=True, slots=True)
class Contact:
    id: str
    direction: str
    state: str
    number: str
    number_raw: str
    called: str
    queue: str | None = None
    agent: str | None = None
    number_published: str = ""
    started_at: datetime | None = None
    answered_at: datetime | None = None
    notice_played_at: datetime | None = None
    segments: tuple[Segment, ...] = ()
    legs: tuple[Leg, ...] = ()
    recordings: tuple[ContactRecording, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


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
    wait_s: float
    ring_s: float
    talk_s: float
    hold_s: float
    wrap_up_s: float
    result: str
    ended_by: str
    cause: int
    recording_id: str | None = None
    survey: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    id: str
    contact_id: str
    kind: str
    state: str
    started_at: datetime | None = None
    duration_s: float | None = None
    channels: int | None = None
    format: str | None = None
    sha256: str | None = None
    gaps: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration document and the version of the configuration at its last change."""

    kind: str
    id: str
    version: int
    body: Mapping[str, Any]


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
