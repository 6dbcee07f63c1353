"""A contact as data: everything that another node needs to carry it on (DESIGN §5, R3, R8).

Frozen values only; `advance.py` makes the next one. `to_json` is the snapshot, one JSON document written whole.
Times are integer milliseconds of the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import msgspec

from lq.ivr.flow import Position
from lq.trunks.numbers import Number
from lq.trunks.routes import Way

VERSION: Final = 2

State = Literal[
    "arriving", "announcing", "ivr", "queueing", "offering", "placing", "calling", "dialing", "talking",
    "conference", "echo", "code", "ending", "over",
]  # fmt: skip
STATES: Final[tuple[State, ...]] = (
    "arriving",  # the caller's INVITE is in, his media is being prepared
    "announcing",  # he hears something to its end, then goes on to `after`
    "ivr",
    "queueing",
    "offering",  # an agent is reserved: his phone is called, rings
    "placing",  # an agent wants to call from his desk: his own phone is called first
    "calling",  # a colleague is called directly: a phone, without any queue
    "dialing",  # a number outside is called, by one trunk after the other
    "talking",
    "conference",  # he says its PIN, or is in it (conferring.py)
    "echo",
    "code",  # a feature code was dialled: keys are asked for, then the live state
    "ending",  # the end is decided and written; legs and media are being cleared
    "over",
)
Place = Literal[
    "",  # alone: at the mixer, or nowhere
    "talk",  # in the conversation with the customer
    "aside",  # in another one, of which he hears nothing: an agent asks back (consult)
    "waits",  # put on hold by one of us: hears music
    "listens",  # hears the conversation, is not heard (monitor)
    "whispers",  # … and is heard by its agents
]
Verb = Literal["consult", "add", "blind", "pick_up", "monitor", "invite"]
RecordingState = Literal[
    "planned",  # its start is under way
    "active",
    "pausing",
    "paused",  # nothing of it reaches a disk until somebody resumes it
    "resuming",
    "stopping",
    "stopped",  # … until somebody or the policy starts it again
    "starting",
    "closing",
    "failed",
]
Auto = Literal[
    "",
    "wanted",  # its phone shall be called again, asked to answer by itself: our CANCEL is on its way
    "asked",  # it is being called so
]
LegState = Literal["arriving", "inviting", "ringing", "answered", "cancelling", "ended"]


@dataclass(frozen=True, slots=True)
class Play:
    id: str
    items: tuple[str, ...]
    repeat: int = 1  # 0: for ever
    started_at: int = 0


@dataclass(frozen=True, slots=True)
class Mobile:
    """An agent's phone outside: the trunks that may reach it, and which has it now; its channel is the leg's."""

    ways: tuple[Way, ...]
    at: int = 0  # index of the way
    step: Literal["", "asked", "taken"] = ""  # it is called; it was answered; he has pressed 1

    @property
    def way(self) -> Way:
        return self.ways[self.at]


@dataclass(frozen=True, slots=True)
class Leg:
    """One phone-facing leg. Its rtpengine call-id is `<contact>.<n>`."""

    n: int
    party: Literal["customer", "agent"]
    direction: Literal["in", "out"]
    address: str
    state: LegState
    agent: str = ""
    codec: str = ""
    media: Mapping[str, Any] | None = None  # MediaLeg as JSON; None once deleted
    peer: str = ""  # "" nowhere yet | park | mixer | echo | leg:<n> | room:<name>:…  (conversation.py)
    play: Play | None = None
    held: bool = False  # this party has put the other on hold
    rang: bool = False
    pending_sdp: str = ""  # its answer, until its media stands
    early: bool = False  # it has answered while its early media was being set up: that comes first
    moves: int = 0  # its rtpengine is gone: how often its phone was asked to follow to another; 0: it need not
    silent: bool = False  # nothing comes from its phone
    keys_by: str = ""  # how its phone says keys (keys.METHODS), once it has said one
    key: str = ""  # the last one …
    key_at: int = 0  # … and when
    sending: str = ""  # keys that its phone is still to hear; the first is on its way
    typed: str = ""  # keys of an agent that may become an order: not passed on yet (keys.py)
    place: Place = ""  # in which conversation it is; who hears whom follows from it (conversation.py)
    mode: str = ""  # of who came as a leader and has not taken over: as what he is in it (monitor.PLACE)
    consulted: bool = False  # he is asked back: who talks aside with him has asked
    instead_of: int = 0  # the leg whose place it takes (replacing.py)
    muted: bool = False  # he has muted himself: the others do not hear him
    reservation: int = 0  # the fence under which we hold its agent, who has answered; 0: none is held
    dials: bool = False  # … or who calls: nobody has talked with him yet
    told_to_hold: bool = False  # its phone has been, for what an agent ordered at his screen (conversation.py)
    talks: bool = False  # its phone has said that it answers when it is told to (Allow-Events: talk)
    auto: Auto = ""
    mobile: Mobile | None = None  # its phone is a number outside (mobile.py)
    outside: bool = False  # it came by a trunk, or went by one: its address may read as an extension, and is none

    @property
    def alive(self) -> bool:
        return self.state in ("arriving", "inviting", "ringing", "answered")

    @property
    def is_mobile_called(self) -> bool:
        """An agent's mobile, and nobody has pressed 1 at it yet."""
        return self.mobile is not None and self.mobile.step != "taken"

    @property
    def asked(self) -> bool:
        """Something has answered an agent's mobile, and has not said yet that it is he."""
        return self.mobile is not None and self.mobile.step == "asked"


@dataclass(frozen=True, slots=True)
class Segment:
    n: int
    kind: str  # ivr queue ring talk hold consult conference echo
    started_at: int
    queue: str = ""
    agent: str = ""
    ended_at: int = 0  # 0: going on
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """The caller's place in an IVR flow, and the version that he started with."""

    flow: str
    version: int
    position: Position


@dataclass(frozen=True, slots=True)
class Line:
    """Waiting for an agent: of a queue, or one certain agent (queue is "")."""

    queue: str
    lanes: Mapping[str, float]
    since: int
    agent: str = ""
    request: int = 0  # number of the last question to the ACD
    pending: bool = False  # its answer is still out
    again: bool = False  # a notice came meanwhile: ask once more
    position: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    agent: str
    phone: str
    reservation: int  # the fence: whoever names an older one changes nothing
    leg: int


@dataclass(frozen=True, slots=True)
class Dial:
    """A call to the outside on its way: the trunks that may take it, and which has it now."""

    ways: tuple[Way, ...]
    answer: str  # our SDP for the phone that dials, until it is told
    recording: str  # policy
    emergency: bool = False
    at: int = 0  # index of the way
    leg: int = 0
    early: bool = False  # the called side's media is being heard …
    heard: str = ""  # … by its last description
    invited: bool = False  # its INVITE is out
    number: str = ""  # who is called, by a phone that sends its calls outside; "": the contact's own number

    @property
    def way(self) -> Way:
        return self.ways[self.at]


@dataclass(frozen=True, slots=True)
class Code:
    """A feature code at work (codes.py)."""

    feature: str
    step: str = ""  # agent | pin: they are entered; checking: whether that counts; asked: the live state is
    agent: str = ""
    keys: str = ""
    right: bool = False  # the PIN, while it is being checked
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Asking:
    """Before the gate to the outside: a leg that shall call there, and what is known of it so far (gate.py)."""

    leg: int
    number: Number
    phone: str  # from which it is called: how far that is allowed
    purpose: str
    agent: str = ""  # for whom; "": whoever is signed in at the phone
    conference: str = ""  # the room that calls, of its own: then how far that may
    listed: tuple[str, ...] | None = None  # the lists that have the number; None: not asked yet


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody is being called into a contact that lives already. Its key in `Contact.calls` is the leg's number."""

    verb: Verb  # what he shall do once he has answered
    to: str  # agent:1002 | phone:8002 | out:13800138000
    by: int = 0  # the leg that wanted it; 0: none of ours (a leader, a program)
    mode: str = ""  # of a monitor: listen | whisper | barge | take-over; else own: he is not ready (taking.py)
    reservation: int = 0  # the fence of the agent who is called; 0: none is (yet)
    dial: Dial | None = None  # of a number outside
    refer: str = ""  # the REFER that asked for it: whoever sent it is told how it goes
    forwards: tuple[str, ...] = ()  # phones that have sent it on


@dataclass(frozen=True, slots=True)
class Conference:
    """The party's place in a conference room; the others in it are contacts of their own."""

    id: str
    phase: Literal["called", "pin", "joining", "greeting", "in", "leaving"] = "pin"  # called: by the room
    host: bool = False
    greet: bool = True  # he hears that he has joined; whom the room calls, that he is invited
    hosted: bool = False  # a host has been in it while he was
    typed: str = ""  # of the PIN
    entered: Literal["", "host", "party", "wrong"] = ""  # whose it is, while it is asked whether it counts
    tries: int = 0
    parties: int = 0  # how many are in it, he included …
    hosts: int = 0  # … and of them hosts …
    change: int = 0  # … as of this change of who is in it


@dataclass(frozen=True, slots=True)
class Recording:
    id: str
    kind: str  # talk | voice | whole | voicemail
    leg: int
    state: RecordingState
    by: str = ""  # the agent who asked for its last change
    was: str = ""  # while a change is under way: its state until then
    changes: int = 0  # so many have been asked for; the last one's result settles it


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that was not carried out, and what was answered."""

    id: str
    status: int
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Contact:
    id: str
    state: State
    direction: Literal["in", "out", "internal"]
    started_at: int
    number: Number
    called: Number
    source: str  # trunk:gw1 | phone:8001
    target: str  # what answers: ivr:main | queue:sales | agent:1001 | phone:8002 | echo | out
    recording_policy: str = "none"  # what the number, the route, or inside who calls says of it; so the notice
    notice_policy: str = ""
    recording_rule: str = ""  # what follows from all that have a word (recorded.py) where it is now; so the notice
    notice_rule: str = ""
    recording_order: Literal["", "on", "off"] = ""  # the last word of people, programs, a flow; "": the policy decides
    recording_reason: str = ""  # why it is off: customer_refused, pci …
    config_version: int = 0
    purpose: str = ""  # what somebody outside is called for (purposes); "": he has called
    priority: int = 0  # of a VIP who calls: added to the queue's
    seq: int = 0
    legs: Mapping[int, Leg] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    menu: Menu | None = None
    line: Line | None = None
    offer: Offer | None = None
    dial: Dial | None = None
    forwards: tuple[str, ...] = ()  # phones that have sent it on
    asking: tuple[Asking, ...] = ()
    code: Code | None = None
    calls: Mapping[int, Call] = field(default_factory=dict)
    conference: Conference | None = None
    recording: Recording | None = None
    help: str = ""  # the agent who wants a leader to come
    notice_at: int = 0  # when the recording notice began; 0: not played, or not to its end
    notices_missed: int = 0  # so often it was played and could not be heard to its end
    after: str = ""  # announcing: the target that follows, or "end:<result>:<cause>"
    deadlines: Mapping[str, int] = field(default_factory=dict)
    plays: int = 0  # counts plays, for their ids
    result: str = ""
    ended_by: str = ""
    cause: int = 0  # ITU-T Q.850
    ended_at: int = 0
    agent: str = ""  # the agent who talked last
    queue: str = ""
    answered_at: int = 0
    done: tuple[str, ...] = ()  # ids of the last 32 commands carried out
    refused: tuple[Refused, ...] = ()  # the last 8 that were not
    command: str = ""  # the one that began it, until it is answered

    @property
    def customer(self) -> Leg:
        """The customer's leg; of numbers outside that are in the contact the first; where there is none, who called."""
        found = [leg for leg in self.legs.values() if leg.party == "customer"]
        return next((leg for leg in found if leg.alive), found[-1] if found else self.legs[1])

    def leg_id(self, n: int) -> str:
        return f"{self.id}.{n}"

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = msgspec.to_builtins(self)  # 60 times as fast as dataclasses.asdict
        document["v"] = VERSION
        document["legs"] = list(document["legs"].values())
        document["calls"] = [{"leg": n, **call} for n, call in document["calls"].items()]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Contact:
        """Raises ValueError on a snapshot of a version that this code does not know."""
        document = upgraded(document)
        known = _known(cls, document)
        known["number"] = Number(**_known(Number, document["number"]))
        known["called"] = Number(**_known(Number, document["called"]))
        known["legs"] = {leg["n"]: _leg(leg) for leg in document["legs"]}
        known["segments"] = tuple(Segment(**_known(Segment, segment)) for segment in document["segments"])
        menu = document["menu"]
        known["menu"] = menu and Menu(menu["flow"], menu["version"], Position(**_known(Position, menu["position"])))
        for name, kind in (("line", Line), ("offer", Offer), ("recording", Recording), ("conference", Conference)):
            known[name] = document.get(name) and kind(**_known(kind, document[name]))
        known["dial"] = _dial(document.get("dial"))
        known["code"] = document.get("code") and Code(**_known(Code, document["code"]))
        known["asking"] = tuple(_asking(asking) for asking in document.get("asking", ()))
        known["calls"] = {
            call["leg"]: Call(
                **{**_known(Call, call), "dial": _dial(call["dial"]), "forwards": tuple(call.get("forwards", ()))}
            )
            for call in document.get("calls", ())
        }
        known["done"] = tuple(document["done"])
        known["refused"] = tuple(Refused(**_known(Refused, one)) for one in document.get("refused", ()))
        known["forwards"] = tuple(document.get("forwards", ()))
        return cls(**known)


def upgraded(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A snapshot of an older version as this one has it. Raises ValueError on one that nobody knows."""
    if document.get("v") == 1:  # the agent who talks was held by the offer that he had answered
        offer, talking = document["offer"], document["state"] == "talking"
        legs = [{**leg, "place": "talk" if talking and leg["state"] == "answered" else ""} for leg in document["legs"]]
        if offer and offer["answered"]:
            legs = [{**leg, "reservation": offer["reservation"] if leg["n"] == offer["leg"] else 0} for leg in legs]
            offer = None
        document = {**document, "v": 2, "legs": legs, "offer": offer}
    if document.get("v") != VERSION:
        raise ValueError(f"snapshot version {document.get('v')!r}: expected {VERSION}")
    return document


def _dial(document: Mapping[str, Any] | None) -> Dial | None:
    if not document:
        return None
    return Dial(**{**_known(Dial, document), "ways": _ways(document)})


def _asking(document: Mapping[str, Any]) -> Asking:
    number, listed = Number(**_known(Number, document["number"])), document["listed"]
    return Asking(**{**_known(Asking, document), "number": number, "listed": None if listed is None else tuple(listed)})


def _known(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """What this code knows of it: a newer node may have added fields (N and N−1 run together)."""
    return {key: value for key, value in document.items() if key in kind.__dataclass_fields__}  # type: ignore[attr-defined]


def _leg(document: Mapping[str, Any]) -> Leg:
    play = document["play"]
    play = play and Play(**{**_known(Play, play), "items": tuple(play["items"])})
    return Leg(**{**_known(Leg, document), "play": play, "mobile": _mobile(document.get("mobile"))})


def _mobile(document: Mapping[str, Any] | None) -> Mobile | None:
    return Mobile(**{**_known(Mobile, document), "ways": _ways(document)}) if document else None


def _ways(document: Mapping[str, Any]) -> tuple[Way, ...]:
    return tuple(Way(**_known(Way, way)) for way in document["ways"])


def with_leg(contact: Contact, n: int, **changes: Any) -> Contact:
    return replace(contact, legs={**contact.legs, n: replace(contact.legs[n], **changes)})


def clock_set(contact: Contact, by: int) -> Contact:
    """When the wall clock was set by `by` ms: what is compared with it moves along, as much is left as before."""
    deadlines = {name: at + by for name, at in contact.deadlines.items()}
    legs = {n: replace(leg, key_at=leg.key_at + by) if leg.key_at else leg for n, leg in contact.legs.items()}
    line = contact.line
    if line is not None:  # or whoever comes now would be served before those who wait, or after all of them
        lanes = {lane: score + by for lane, score in line.lanes.items()}
        line = replace(line, since=line.since + by, lanes=lanes)
    return replace(contact, deadlines=deadlines, legs=legs, line=line)
