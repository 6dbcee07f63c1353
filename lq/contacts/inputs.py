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


@dataclass(frozen=True, slots=True)
class Wanted:
    """An agent wants to call somebody from his desk; begins a contact, as Incoming does."""

    contact: str
    command: str  # whose id is answered
    agent: str
    phone: str  # where he is signed in, as far as whoever asks knows
    to: str  # a number as dialled | agent:… | phone:… | queue:… | ivr:…
    node: str
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Invited:
    """A conference room calls somebody; begins a contact, as Incoming does."""

    contact: str
    command: str  # whose id is answered
    conference: str
    to: str  # a number as dialled | agent:… | phone:…
    node: str
    host: bool = False
    greet: bool = True  # he hears that he is invited, and joins then
    purpose: str = ""


# -- SIP ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Progress:
    leg: int
    code: int
    sdp: str = ""
    talks: bool = False  # the phone answers when it is told to


@dataclass(frozen=True, slots=True)
class Accepted:
    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class Rejected:
    leg: int
    code: int
    cause: int = 0  # Q.850 of a Reason header, 0: none


@dataclass(frozen=True, slots=True)
class Reoffered:
    """re-INVITE or UPDATE; sdp "" asks for an offer of ours."""

    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The phone took our re-INVITE."""

    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """… or did not; code 0: it could not be sent now."""

    leg: int
    code: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Our 200 was ACKed. The dialog is written down: nobody need repeat that 200.

    An answer was `owed` when the 200 had made the offer; sdp "" when it is missing.
    """

    leg: int
    sdp: str = ""
    owed: bool = False


@dataclass(frozen=True, slots=True)
class Recalled:
    """The caller's INVITE, which another node had, has come to us. The dialog is written down: nothing else changes."""

    leg: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    leg: int
    cause: int = 0


@dataclass(frozen=True, slots=True)
class Replacing:
    """A call has come that shall take the place of this leg (RFC 3891)."""

    leg: int
    session: str
    sdp: str
    source: str  # the leg of ours that calls: <contact>.<n>


@dataclass(frozen=True, slots=True)
class PickedUp:
    """A phone of ours has called to pick the contact up, by the code or in the place of the leg that rings; or to come
    back to its own leg."""

    session: str
    sdp: str  # "": our 200 makes the offer
    phone: str
    instead_of: int = 0  # the leg that it names (RFC 3891); 0: none


@dataclass(frozen=True, slots=True)
class PhoneAway:
    """The phone says that it leaves its dialog and comes back to the call (returning.py)."""

    leg: int


@dataclass(frozen=True, slots=True)
class Referred:
    """The phone transfers by REFER. `contact` and `other`: the leg that its Replaces names, of this contact or another.

    `id` "": it wants to hear nothing of it.
    """

    leg: int
    to: str  # as dialled
    id: str = ""
    contact: str = ""
    other: int = 0
    replaces: str = ""  # the header as the phone wrote it


@dataclass(frozen=True, slots=True)
class PhoneTold:
    """What the phone said to AnswerPhone; code 0: it could not be asked."""

    leg: int
    command: str
    code: int


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
class MediaLost:
    """Nobody hears this leg; why: engine (it is dead) | unknown (its engine has no such call)."""

    leg: int
    why: str
    engine: str


@dataclass(frozen=True, slots=True)
class PhoneSilent:
    """Nothing has come from the leg's phone for half a minute, though it should talk; told again while it lasts."""

    leg: int
    engine: str


@dataclass(frozen=True, slots=True)
class PhoneHeard:
    """It is heard again."""

    leg: int
    engine: str


@dataclass(frozen=True, slots=True)
class MediaMoved:
    """Answer to Move: the leg on another rtpengine, and the offer for its phone."""

    leg: int
    media: Mapping[str, Any]
    sdp: str


@dataclass(frozen=True, slots=True)
class MediaFailed:
    leg: int
    why: str  # no_codec | refused | unavailable


@dataclass(frozen=True, slots=True)
class MediaDeleted:
    leg: int


@dataclass(frozen=True, slots=True)
class KeySent:
    """The first of those that this leg's phone shall hear."""

    leg: int


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    leg: int
    failed: str = ""  # reason, "" when it runs
    command: str = ""


@dataclass(frozen=True, slots=True)
class RecordingPaused:
    """Answer to PauseRecording, and likewise ResumeRecording's."""

    leg: int
    command: str = ""
    failed: str = ""  # reason, "" when it is so
    change: int = 0  # which


@dataclass(frozen=True, slots=True)
class RecordingResumed:
    leg: int
    command: str = ""
    failed: str = ""
    change: int = 0


@dataclass(frozen=True, slots=True)
class Digit:
    """A key, as one of the ways tells it (keys.METHODS)."""

    leg: int
    key: str
    method: str = "rtp"
    duration_ms: int = 100


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
    media: str = "rtp"  # what that phone speaks: rtp | srtp | webrtc


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


@dataclass(frozen=True, slots=True)
class Engaged:
    """Answer to Engage: the agent is ours, at this phone."""

    leg: int
    agent: str
    phone: str
    reservation: int
    media: str = "rtp"  # what that phone speaks


@dataclass(frozen=True, slots=True)
class EngageRefused:
    """He is not to be had. `state`: his; signed_out for one whom nobody knows; settling while Redis, which may have
    forgotten something, is being told."""

    leg: int
    agent: str
    state: str
    phone: str = ""  # where he is signed in


@dataclass(frozen=True, slots=True)
class AgentAsked:
    """Answer to AskAgent; why: "" it is done, nobody (is signed in there), taken (by another), conflict, away."""

    agent: str
    why: str = ""


# -- trunks ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ChannelSeized:
    leg: int
    trunk: str
    channel: int


@dataclass(frozen=True, slots=True)
class ChannelRefused:
    """All channels of the trunk are in use."""

    leg: int
    trunk: str


# -- the gate to the outside ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LookedUp:
    """Answer to LookUp."""

    leg: int
    listed: tuple[str, ...]
    agent: str = ""  # signed in at the phone; "": nobody


@dataclass(frozen=True, slots=True)
class Counted:
    """Answer to CountCall: whether the day's limit lets the call pass."""

    leg: int
    within: bool


@dataclass(frozen=True, slots=True)
class Guessed:
    """Answer to CountGuess: whether the PIN counts, or too many wrong ones were entered before it."""

    leg: int
    within: bool


# -- conferences ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Parties:
    """Who is in the conference now, he included: the answer to JoinConference, and told when others come or go."""

    parties: int
    hosts: int
    change: int = 0  # rises; the answer may come later than what was told after it


@dataclass(frozen=True, slots=True)
class ConferenceFull:
    """As many are in it as may be."""


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
    """Another node's contact is ours now; `node`: our incarnation."""

    node: str = ""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The node wants to hand the contact over. Changes nothing; afterwards the owner looks whether it may go."""

    node: str = ""  # our incarnation


Input = (
    Incoming | Progress | Accepted | Rejected | Reoffered | OfferAnswered | OfferRefused | Confirmed | Recalled
    | Cancelled | Ended | Referred | Replacing | PickedUp | PhoneAway | PhoneTold | MediaReady | MediaReoffered
    | MediaLost
    | PhoneSilent | PhoneHeard | MediaMoved | MediaFailed | MediaDeleted | RecordingStarted | RecordingPaused
    | RecordingResumed | KeySent | Digit | Played | Reserved | Waiting | AskFailed | Notice | AgentAsked | Engaged
    | EngageRefused | ChannelSeized | ChannelRefused | LookedUp | Counted | Guessed | Parties | ConferenceFull | Due
    | Command | OfferLost | Adopted | Leaving
)  # fmt: skip
