"""What happened in SIP, for the owner of the legs. A session is one INVITE dialog usage, named by an opaque string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Headers = Mapping[str, Sequence[str]]
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Replaces:
    """Which dialog the new call takes the place of (RFC 3891), as its own user agent names it."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool
    session: str = ""  # ours, "" if we do not hold it: perhaps another node does


@dataclass(frozen=True, slots=True)
class Incoming:
    """An initial INVITE; 100 has been queued. sdp "": our 200 has to make the offer.

    With `replaces` the owner puts the call in that session's place and ends it, or refuses (481: no such dialog).
    """

    session: str
    uri: str
    from_: str
    to: str
    call_id: str
    from_tag: str
    headers: Headers
    sdp: str
    source: Address
    local_tag: str = ""  # ours of the dialog that it begins
    replaces: Replaces | None = None


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
    """Our 2xx was ACKed; sdp if the ACK carried one: the answer that is `owed` when our 2xx had made the offer."""

    session: str
    sdp: str
    owed: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """re-INVITE or UPDATE with SDP; sdp "" asks for an offer of ours. answer_offer() or refuse_offer() follows.

    method "200": what the peer offers in his answer to our reinvite("").
    """

    session: str
    method: str
    sdp: str


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The peer's answer to our re-INVITE; or what he now says, when it changed in his answer to a session refresh."""

    session: str
    sdp: str


@dataclass(frozen=True, slots=True)
class OfferRefused:
    session: str
    code: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The peer took its INVITE back; 487 has been queued. `unsaid`: as exported before, for whoever must say it."""

    session: str
    reason_header: str
    unsaid: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Recalled:
    """The INVITE of a session that another process had, and that waits for its answer, has come to us. Before that it
    may be Cancelled, as any."""

    session: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A confirmed dialog is over. why: bye | ack_missing | timeout (no answer, or no session refresh) | 481."""

    session: str
    reason_header: str
    why: str


@dataclass(frozen=True, slots=True)
class Info:
    session: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """A MESSAGE inside the dialog; 200 has been queued."""

    session: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Refer:
    """202 and the first NOTIFY have been queued; notify_refer() tells how it goes on.

    `target` and `replaces` (the Replaces header of the Refer-To URI, unescaped) are what the peer wrote: data, to be
    judged like a dialled number. `id` "": he wants to hear nothing of it (RFC 4488).
    """

    session: str
    target: str
    replaces: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Notify:
    session: str
    event: str
    body: bytes
    state: str = ""  # Subscription-State


@dataclass(frozen=True, slots=True)
class RequestDone:
    session: str
    id: str
    code: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Stray:
    """A request inside a dialog that we do not hold: redeliver() it once adopted, or refuse() it.

    An ACK, or a response to an INVITE (method ""; `to_tag` is ours, its From tag), has no transaction and no answer:
    it is redelivered or passed on as it came.
    """

    method: str
    call_id: str
    to_tag: str
    uri: str
    transaction: Any = field(compare=False)
    data: bytes = b""  # of an ACK, with one hop less to go, or a response


Event = (
    Incoming | Progress | Accepted | Rejected | Confirmed | Offer | OfferAnswered | OfferRefused | Cancelled | Recalled
    | Ended | Info | Text | Refer | Notify | RequestDone | Stray
)  # fmt: skip
