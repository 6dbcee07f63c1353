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


@dataclass(frozen=True, slots=True)
class SeizeChannel:
    """A channel of the trunk for this leg; result: ChannelSeized or ChannelRefused. Let go when the leg has ended."""

    leg: int
    trunk: str


@dataclass(frozen=True, slots=True)
class ReleaseChannel:
    leg: int
    trunk: str


@dataclass(frozen=True, slots=True)
class LookUp:
    """Which of these lists have the number, and who is signed in at the phone; result: LookedUp."""

    leg: int
    number: str
    lists: tuple[str, ...]
    phone: str = ""


@dataclass(frozen=True, slots=True)
class CountCall:
    """One more call to this number on this day for this purpose, if there were fewer than `limit`; result: Counted.

    Once for the contact, however often it is said.
    """

    leg: int
    number: str
    purpose: str
    day: str
    limit: int


@dataclass(frozen=True, slots=True)
class CountGuess:
    """A PIN was entered (guessing.py): does it count, after so many wrong ones of late? Result: Guessed.

    A wrong one is counted, once for its number `nth` in the contact, however often it is said.
    """

    leg: int
    whose: str  # agent:1001 | conference:board
    wrong: bool
    nth: int
    most: int


@dataclass(frozen=True, slots=True)
class JoinConference:
    """Count the contact in, until its end; result: Parties or ConferenceFull. The others are told."""

    conference: str
    host: bool
    most: int


@dataclass(frozen=True, slots=True)
class NoteCalled:
    """What the conference's list is to say of whom it has called with this contact (lq.live.values.Called)."""

    conference: str
    to: str
    at: int
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Engage:
    """Take this agent without the ACD: a colleague asks for him, or (`own`) he himself dials or picks up.

    Named by `agent`, or by the phone that he is signed in at. Result: Engaged or EngageRefused. Not `own`: only if he
    is ready; own: in any state in which he belongs to no contact, and afterwards he is what he was.
    """

    leg: int
    agent: str = ""
    phone: str = ""
    own: bool = False
    lease_ms: int = 0


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
    uri: str  # "": one of our nodes
    sdp: str
    caller: str
    headers: Mapping[str, str] = field(default_factory=dict)
    account: str = ""  # the trunk whose credentials answer a challenge


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
class Reoffer:
    """We change the leg's media: a re-INVITE; result: OfferAnswered, OfferRefused, or the leg's end."""

    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether the leg's phone still knows the dialog (OPTIONS); only its end is told: Ended."""

    leg: int


@dataclass(frozen=True, slots=True)
class RefuseOffer:
    leg: int
    code: int


@dataclass(frozen=True, slots=True)
class TakeSession:
    """This session, which has called, is leg `leg` from now on."""

    leg: int
    session: str


@dataclass(frozen=True, slots=True)
class RefuseSession:
    session: str
    code: int


@dataclass(frozen=True, slots=True)
class AnswerPhone:
    """The ringing phone is told to answer (NOTIFY, event talk); result: PhoneTold. That it does, its own 200 says."""

    leg: int
    command: str = ""  # answered by what comes of it; "": nobody waits


@dataclass(frozen=True, slots=True)
class HoldPhone:
    """The talking phone is told to hold, or to talk again (NOTIFY). If it obeys, its re-INVITE says so."""

    leg: int
    on: bool


@dataclass(frozen=True, slots=True)
class TellReferrer:
    """How the transfer goes that this leg's phone asked for by REFER `id`; from 200 on nothing more is told."""

    leg: int
    id: str
    code: int


# -- media -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PrepareIncoming:
    leg: int
    sdp: str


@dataclass(frozen=True, slots=True)
class PrepareOutgoing:
    leg: int
    kind: str = "rtp"  # what its phone speaks (MediaLeg.kind)


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
class Move:
    """The leg's rtpengine is gone: its media is made anew on another; result: MediaMoved."""

    leg: int


@dataclass(frozen=True, slots=True)
class Connect:
    """These two hear each other and nobody else. `apart`: no key passes by itself, PassKey and SendKey bring them."""

    a: int
    b: int
    apart: bool = False


@dataclass(frozen=True, slots=True)
class StartPlay:
    """The leg is put at the mixer and hears this instead of what it heard."""

    leg: int
    play: str
    items: tuple[str, ...]
    repeat: int = 1
    started_at: int = 0  # of a play that is resumed: it goes on where it would be now; 0: from its beginning


@dataclass(frozen=True, slots=True)
class Park:
    """The leg hears nothing and is heard by nobody."""

    leg: int


@dataclass(frozen=True, slots=True)
class Confer:
    """The leg is in this room, beside whoever else is: who is heard and hears. What it heard before ends.

    `whisper`: legs that hear it besides (at most four), though the others do not.
    """

    leg: int
    room: str
    talk: bool = True
    hear: bool = True
    whisper: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Tone:
    """Who is in a room hears this beside the others' voices."""

    leg: int
    item: str


@dataclass(frozen=True, slots=True)
class SendKey:
    """The leg's phone hears this key, after those before it; KeySent follows."""

    leg: int
    key: str


@dataclass(frozen=True, slots=True)
class PassKey:
    """Leg `leg` pressed a key while it talks with `to`: heard there exactly once, however the two say keys."""

    leg: int
    to: int
    key: str
    duration_ms: int
    method: str


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
    command: str = ""  # answered when it runs; "": nobody waits


@dataclass(frozen=True, slots=True)
class ContinueRecording:
    """The recorded leg is where it is heard again: another part of the same recording there, or nothing (`paused`)."""

    leg: int
    recording: str
    paused: bool


@dataclass(frozen=True, slots=True)
class PauseRecording:
    """Nothing of the leg reaches a disk. `command` is answered when that is so; "": nobody waits."""

    leg: int
    recording: str
    command: str = ""
    change: int = 0  # its number (Recording.changes)


@dataclass(frozen=True, slots=True)
class ResumeRecording:
    leg: int
    recording: str
    command: str = ""
    change: int = 0


@dataclass(frozen=True, slots=True)
class LeaveOutSilence:
    """Silences of both sides that are longer are not kept: the recorder leaves them out at the end."""

    leg: int
    recording: str
    longer_than_s: int


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


@dataclass(frozen=True, slots=True)
class AskAgent:
    """What an agent asks for himself at this phone; agent "": whoever is signed in there. Result: AgentAsked."""

    phone: str
    op: str  # sign_in (moves him from another phone) | sign_out | ready | pause | wrap_up_done
    agent: str = ""
    reason: str = ""


_Written = (
    Emit | AgentOp | Dequeue | SeizeChannel | ReleaseChannel | LookUp | CountCall | CountGuess | Engage | JoinConference
    | NoteCalled
)  # fmt: skip
_Sip = (
    Ring | Answer | Reject | Invite | Ack | Cancel | Bye | AnswerOffer | Reoffer | Probe | RefuseOffer | TakeSession
    | RefuseSession | AnswerPhone | HoldPhone | TellReferrer
)  # fmt: skip
_Media = (
    PrepareIncoming | PrepareOutgoing | TakeAnswer | TakeOffer | Move
    | Connect | Park | Confer | Tone | SendKey | PassKey | StartPlay | Echo | DeleteMedia
)  # fmt: skip
Effect = (
    _Written
    | _Sip
    | _Media
    | StartRecording
    | ContinueRecording
    | PauseRecording
    | LeaveOutSilence
    | ResumeRecording
    | Ask
    | AskAgent
    | Reply
)
