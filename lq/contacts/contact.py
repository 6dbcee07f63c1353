"""A contact as data: everything that another node needs to carry it on (DESIGN §5, R3, R8).

Frozen values only; `advance.py` makes the next one. `to_json` is the snapshot, one JSON document written whole.
Times are integer milliseconds of the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from lq.ivr.flow import Position
from lq.trunks.numbers import Number

VERSION: Final = 1

State = Literal["arriving", "announcing", "ivr", "queueing", "offering", "calling", "talking", "echo", "ending", "over"]
STATES: Final[tuple[State, ...]] = (
    "arriving",  # the caller's INVITE is in, his media is being prepared
    "announcing",  # he hears something to its end, then goes on to `after`
    "ivr",
    "queueing",
    "offering",  # an agent is reserved: his phone is called, rings
    "calling",  # a phone is called directly, without the ACD
    "talking",
    "echo",
    "ending",  # the end is decided and written; legs and media are being cleared
    "over",
)
LegState = Literal["arriving", "inviting", "ringing", "answered", "cancelling", "ended"]


@dataclass(frozen=True, slots=True)
class Play:
    id: str
    items: tuple[str, ...]
    repeat: int = 1  # 0: for ever
    started_at: int = 0


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
    peer: str = "park"  # park | mixer | echo | leg:<n>
    play: Play | None = None
    held: bool = False  # this party has put the other on hold
    rang: bool = False
    pending_sdp: str = ""  # its answer, until its media stands

    @property
    def alive(self) -> bool:
        return self.state in ("arriving", "inviting", "ringing", "answered")


@dataclass(frozen=True, slots=True)
class Segment:
    n: int
    kind: str  # ivr queue ring talk hold echo
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
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    id: str
    kind: str  # talk | whole | voicemail
    leg: int
    state: Literal["planned", "active", "closing", "failed"]


@dataclass(frozen=True, slots=True)
class Contact:
    id: str
    state: State
    direction: Literal["in", "out", "internal"]
    started_at: int
    number: Number
    called: Number
    source: str  # trunk:gw1 | phone:8001
    target: str  # what answers: ivr:main | queue:sales | agent:1001 | phone:8002 | echo
    recording_policy: str = "none"
    config_version: int = 0
    seq: int = 0
    legs: Mapping[int, Leg] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    menu: Menu | None = None
    line: Line | None = None
    offer: Offer | None = None
    recording: Recording | None = None
    notice_at: int = 0  # when the recording notice began; 0: not played
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

    @property
    def customer(self) -> Leg:
        return self.legs[1]

    def leg_id(self, n: int) -> str:
        return f"{self.id}.{n}"

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        document["v"] = VERSION
        document["legs"] = [asdict(leg) for leg in self.legs.values()]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Contact:
        """Raises ValueError on a snapshot of a version that this code does not know."""
        if document.get("v") != VERSION:
            raise ValueError(f"snapshot version {document.get('v')!r}: expected {VERSION}")
        known = {key: value for key, value in document.items() if key in cls.__dataclass_fields__}
        known["number"] = Number(**document["number"])
        known["called"] = Number(**document["called"])
        known["legs"] = {leg["n"]: _leg(leg) for leg in document["legs"]}
        known["segments"] = tuple(Segment(**segment) for segment in document["segments"])
        menu = document["menu"]
        known["menu"] = menu and Menu(menu["flow"], menu["version"], Position(**menu["position"]))
        for name, kind in (("line", Line), ("offer", Offer), ("recording", Recording)):
            known[name] = document[name] and kind(**document[name])
        known["done"] = tuple(document["done"])
        return cls(**known)


def _leg(document: Mapping[str, Any]) -> Leg:
    play = document["play"]
    return Leg(**{**document, "play": play and Play(**{**play, "items": tuple(play["items"])})})


def with_leg(contact: Contact, n: int, **changes: Any) -> Contact:
    return replace(contact, legs={**contact.legs, n: replace(contact.legs[n], **changes)})
