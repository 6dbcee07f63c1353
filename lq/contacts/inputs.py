"""Everything that can happen to a contact, as values. `leg` is the leg's number within the contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Incoming:
    """The INVITE that begins a contact; KEMI has said who sent it."""

    contact: str
    source: str  # trunk:gw1 | phone:8001
    caller: str  # as received: user part of P-Asserted-Identity or From
    called: str
    sdp: str
    node: str


# -- SIP ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Progress:
    leg: int
    code: int
    sdp: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class Rejected:
    leg: int
    code: int
    cause: int = 0  # Q.850 of a Reason header, 0: none
    not_registered: bool = False


@dataclass(frozen=True, slots=True)
class Reoffered:
    """re-INVITE or UPDATE; sdp "" asks for an offer of ours."""

    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    leg: int
    cause: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """The leg's dialog is over; why: bye | ack_missing | timeout | gone."""

    leg: int
    why: str = "bye"
    cause: int = 0


# -- media --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class MediaReady:
    """Answer to PrepareIncoming, PrepareOutgoing, TakeAnswer; sdp is for the phone ("" for TakeAnswer)."""

    leg: int
    media: Mapping[str, Any]
    codec: str
    sdp: str = ""


@dataclass(frozen=True, slots=True)
class MediaReoffered:
    leg: int
    media: Mapping[str, Any]
    sdp: str
    held: bool


@dataclass(frozen=True, slots=True)
class MediaFailed:
    leg: int
    why: str  # no_codec | refused | unavailable


@dataclass(frozen=True, slots=True)
class MediaDeleted:
    leg: int


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    leg: int
    failed: str = ""  # reason, "" when it runs


@dataclass(frozen=True, slots=True)
class Digit:
    leg: int
    key: str


@dataclass(frozen=True, slots=True)
class Played:
    leg: int
    play: str
    complete: bool = True


# -- ACD ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Reserved:
    request: int
    agent: str
    phone: str
    reservation: int
    lane: str


@dataclass(frozen=True, slots=True)
class Waiting:
    request: int
    position: int
    signed_in: int


@dataclass(frozen=True, slots=True)
class AskFailed:
    request: int
    code: int


@dataclass(frozen=True, slots=True)
class Notice:
    """An agent has been reserved for this contact while it waited: ask now."""


# -- clock, people, nodes -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Due:
    name: str


@dataclass(frozen=True, slots=True)
class Command:
    id: str
    verb: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OfferLost:
    """The reservation's lease ran out or was taken away: the fence no longer holds."""

    reservation: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """Another node's contact is ours now."""


Input = (
    Incoming | Progress | Accepted | Rejected | Reoffered | Cancelled | Ended
    | MediaReady | MediaReoffered | MediaFailed | MediaDeleted | RecordingStarted | Digit | Played
    | Reserved | Waiting | AskFailed | Notice | Due | Command | OfferLost | Adopted
)  # fmt: skip
