"""Everything that a contact can want done: a closed set of values, performed by owner.py after the commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lq.ledger.events import Event


# -- written with the commit -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Emit:
    event: Event


@dataclass(frozen=True, slots=True)
class AgentOp:
    """A change of an agent whom this contact holds; op: ringing | talking | release."""

    agent: str
    fence: int
    op: str
    outcome: str = ""
    ttl_ms: int = 0
    wrap_up_ms: int = 0
    max_no_answer: int = 0


@dataclass(frozen=True, slots=True)
class Dequeue:
    pass


# -- SIP -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Ring:
    leg: int
    code: int = 180
    sdp: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class Reject:
    leg: int
    code: int
    cause: int


@dataclass(frozen=True, slots=True)
class Invite:
    leg: int
    uri: str
    sdp: str
    caller: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ack:
    leg: int


@dataclass(frozen=True, slots=True)
class Cancel:
    leg: int
    reason: str


@dataclass(frozen=True, slots=True)
class Bye:
    leg: int
    cause: int


@dataclass(frozen=True, slots=True)
class AnswerOffer:
    """sdp "" = what we last said."""

    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class RefuseOffer:
    leg: int
    code: int


# -- media -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PrepareIncoming:
    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class PrepareOutgoing:
    leg: int


@dataclass(frozen=True, slots=True)
class TakeAnswer:
    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class TakeOffer:
    """The phone changed its SDP; result: MediaReoffered."""

    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class Connect:
    """These two hear each other and nobody else."""

    a: int
    b: int


@dataclass(frozen=True, slots=True)
class StartPlay:
    """The leg is put at the mixer and hears this instead of what it heard."""

    leg: int
    play: str
    items: tuple[str, ...]
    repeat: int = 1
    started_at: int = 0  # of a play that is resumed: it goes on where it would be now; 0: from its beginning


@dataclass(frozen=True, slots=True)
class Echo:
    leg: int


@dataclass(frozen=True, slots=True)
class DeleteMedia:
    leg: int


@dataclass(frozen=True, slots=True)
class StartRecording:
    leg: int
    recording: str


# -- ACD and people ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Ask:
    request: int
    queue: str
    lanes: Mapping[str, float]
    lease_ms: int


@dataclass(frozen=True, slots=True)
class Reply:
    command: str
    status: int
    error: str = ""
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


_Written = Emit | AgentOp | Dequeue
_Sip = Ring | Answer | Reject | Invite | Ack | Cancel | Bye | AnswerOffer | RefuseOffer
_Media = (
    PrepareIncoming | PrepareOutgoing | TakeAnswer | TakeOffer | Connect | StartPlay | Echo | DeleteMedia
)  # fmt: skip
Effect = _Written | _Sip | _Media | StartRecording | Ask | Reply
