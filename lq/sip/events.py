"""What happened in SIP, for the owner of the legs. A session is one INVITE dialog usage, named by an opaque string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Headers = Mapping[str, Sequence[str]]
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Incoming:
    """An initial INVITE; 100 has been queued."""

    session: str
    uri: str
    from_: str
    to: str
    call_id: str
    from_tag: str
    headers: Headers
    sdp: str
    source: Address


@dataclass(frozen=True, slots=True)
class Progress:
    session: str
    code: int
    reason: str
    sdp: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Accepted:
    """2xx to our initial INVITE. It is ACKed when the owner calls ack()."""

    session: str
    code: int
    sdp: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Rejected:
    """The end of our initial INVITE; local time-outs as 408."""

    session: str
    code: int
    reason: str
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Our 2xx was ACKed; sdp if the ACK carried one (answer to our offer)."""

    session: str
    sdp: str


@dataclass(frozen=True, slots=True)
class Offer:
    """re-INVITE or UPDATE with SDP; sdp "" asks for an offer of ours."""

    session: str
    method: str
    sdp: str


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    session: str
    sdp: str


@dataclass(frozen=True, slots=True)
class OfferRefused:
    session: str
    code: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The peer took its INVITE back; 487 has been queued."""

    session: str
    reason_header: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A confirmed dialog is over. why: bye | ack_missing | timeout | 481."""

    session: str
    reason_header: str
    why: str


@dataclass(frozen=True, slots=True)
class Info:
    session: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Refer:
    """202 has been queued. `replaces` is the Replaces header of the Refer-To URI, unescaped."""

    session: str
    target: str
    replaces: str
    referred_by: str


@dataclass(frozen=True, slots=True)
class Notify:
    session: str
    event: str
    body: bytes


@dataclass(frozen=True, slots=True)
class RequestDone:
    session: str
    id: str
    code: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Stray:
    """A request inside a dialog that we do not hold: redeliver() it once adopted, or refuse() it."""

    method: str
    call_id: str
    to_tag: str
    uri: str
    transaction: Any = field(compare=False)


Event = (
    Incoming | Progress | Accepted | Rejected | Confirmed | Offer | OfferAnswered | OfferRefused | Cancelled | Ended
    | Info | Refer | Notify | RequestDone | Stray
)  # fmt: skip
