"""What must be remembered of a leg's media, and where its inner side can point. Frozen, plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class MediaLeg:
    """One rtpengine call with the phone at tag L and our side at tag X (DESIGN §6)."""

    id: str  # the rtpengine call-id: `<contact>.<n>`
    role: Literal["in", "out"]
    phone_sdp: str = ""  # the phone's description, normalised to its one codec
    local_port: int = 0  # where the phone sends to
    x_port: int = 0  # where our side sends to
    codec: str = ""  # as in rtpmap: PCMA/8000
    event_type: int = 101  # telephone-event payload type on X, which mirrors the phone's
    kind: Literal["rtp", "webrtc"] = "rtp"
    peer_host: str = ""
    peer_port: int = 9  # where X sends: another leg's X, the mixer, or 9: nowhere
    version: int = 1  # of our side's description towards the phone
    direction: str = "sendrecv"  # what we last answered the phone

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
