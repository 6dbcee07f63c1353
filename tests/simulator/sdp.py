"""What a telephone says about its media, as far as a gateway or a test cares (RFC 8866, RFC 3264). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PAYLOADS: Final[Mapping[str, int]] = {"PCMU": 0, "GSM": 3, "G723": 4, "PCMA": 8, "G722": 9, "G729": 18}
_NAMES: Final = {number: name for name, number in PAYLOADS.items()}
_RTPMAP: Final = re.compile(r"a=rtpmap:(\d+) ([^/]+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Description:
    address: str
    port: int
    codecs: tuple[str, ...]
    event_type: int | None = None  # payload type of telephone-event
    direction: str = "sendrecv"


def parse(text: str) -> Description:
    """Of the one audio line. Raises ValueError when there is none."""
    lines = [line.strip() for line in text.splitlines()]
    media = next((line.split() for line in lines if line.startswith("m=audio ")), None)
    if media is None:
        raise ValueError(f"no audio in {text!r}")
    connection = [line.split()[2] for line in lines if line.startswith("c=")]
    names = dict(_NAMES)
    for found in map(_RTPMAP.match, lines):
        if found and (found[2].upper() != "TELEPHONE-EVENT" or found[3] == "8000"):  # our codecs' clock, not opus'
            names[int(found[1])] = found[2].upper()
    types = [int(number) for number in media[3:]]
    events = next((number for number in types if names.get(number) == "TELEPHONE-EVENT"), None)
    direction = next((line[2:] for line in lines if line in _DIRECTIONS), "sendrecv")
    codecs = tuple(names[number] for number in types if number in names and number != events)
    return Description(connection[-1], int(media[1]), codecs, events, direction)


_DIRECTIONS: Final = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")


def write(name: str, description: Description, *, session: int, version: int) -> str:
    types = [PAYLOADS[codec] for codec in description.codecs]
    lines = [
        "v=0",
        f"o={name} {session} {version} IN IP4 {description.address}",
        "s=-",
        f"c=IN IP4 {description.address}",
        "t=0 0",
        _media(description, types),
        *(f"a=rtpmap:{PAYLOADS[codec]} {codec}/8000" for codec in description.codecs),
    ]
    if description.event_type is not None:
        lines += [f"a=rtpmap:{description.event_type} telephone-event/8000", f"a=fmtp:{description.event_type} 0-15"]
    return "\r\n".join([*lines, "a=ptime:20", f"a={description.direction}", ""])


def _media(description: Description, types: Sequence[int]) -> str:
    events = [] if description.event_type is None else [description.event_type]
    return f"m=audio {description.port} RTP/AVP " + " ".join(str(number) for number in [*types, *events])
