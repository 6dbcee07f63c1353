"""What must be remembered of a leg's media, and where its inner side can point. Frozen, plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from lq.media.sdp import BadSdp, place


@dataclass(frozen=True, slots=True)
class MediaLeg:
    """One rtpengine call with the phone at tag L and our side at tag X (DESIGN §6)."""

    id: str  # the rtpengine call-id: `<contact>.<n>`
    role: Literal["in", "out"]
    phone_sdp: str = ""  # the phone's description, normalised to its one codec
    engine: str = ""  # the rtpengine that has it: its ng address; "" the first
    local_port: int = 0  # where the phone sends to
    x_host: str = "127.0.0.1"  # where our side …
    x_port: int = 0  # … sends to; 0: the phone has not answered yet
    codec: str = ""  # as in rtpmap: PCMA/8000
    event_type: int = 101  # telephone-event payload type on X, which mirrors the phone's
    strict: bool = False  # its RTP comes from the address in its description: a trunk's; a phone's is learned
    seen: str = ""  # and this is what was learned, host:port; "" for not yet
    keys: bool = True  # the phone takes and sends RFC 4733; else keys are tones in its voice
    blocked: bool = False  # its keys are not passed on by rtpengine: the other leg knows them under another type
    injecting: bool = False  # keys can be put into what it hears
    kind: str = "rtp"  # how its phone's audio travels: rtp | srtp (SDES) | webrtc (DTLS, ICE)
    peer_host: str = ""
    peer_port: int = 9  # where X sends: another leg's X, the mixer, or 9: nowhere
    version: int = 1  # of our side's description towards the phone
    direction: str = "sendrecv"  # what we last answered the phone

    @property
    def x_address(self) -> str:
        """Where our side sends from and listens: host:port."""
        return f"{self.x_host}:{self.x_port}"

    @property
    def heard_from(self) -> str:
        """Where the phone's voice comes from, host:port; "" as long as that is not known."""
        if not self.strict:
            return self.seen
        try:
            return "{}:{}".format(*place(self.phone_sdp))
        except BadSdp:
            return ""

    def types_keys_as(self, other: MediaLeg) -> bool:
        """Keys pass between the two as they are; else each is taken out here and put in there."""
        return self.keys and other.keys and self.event_type == other.event_type

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> MediaLeg:
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in document.items() if key in known})


@dataclass(frozen=True, slots=True)
class Park:
    """Nowhere: the phone hears nothing, and is heard by nobody."""


@dataclass(frozen=True, slots=True)
class Bridge:
    other: MediaLeg


@dataclass(frozen=True, slots=True)
class At:
    """The mixer, or any RTP address."""

    host: str
    port: int


Peer = Park | Bridge | At
