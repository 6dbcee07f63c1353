"""SDP as far as a leg needs it (RFC 8866, RFC 3264): codecs, ports, direction, telephone-event. Pure.

What rtpengine does with a description is its business; here we decide which codec is common, remember the phone's side
normalised to that one codec, and read the answers.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

# RFC 3551 static payload types that phones may leave without rtpmap
STATIC: Final = {0: "PCMU/8000", 3: "GSM/8000", 4: "G723/8000", 8: "PCMA/8000", 9: "G722/8000", 18: "G729/8000"}
# What we can carry, in the order that we prefer it: G.711 A-law needs no transcoding inside.
CODECS: Final = ("PCMA", "PCMU", "G722", "G729", "opus")
EVENT: Final = "telephone-event"
PLAIN: Final = "RTP/AVP"
_RATES: Final = {"opus": 48_000}  # in an rtpmap; all others say 8000 (G722 too, RFC 3551 §4.5.2)
_MEDIA: Final = re.compile(r"m=(\w+) (\d{1,5})(?:/\d+)? (\S+) ?(.*)", re.ASCII)
_DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")


class BadSdp(ValueError):
    """Not a session description with an audio stream that can be used."""


@dataclass(frozen=True, slots=True)
class Codec:
    payload: int
    name: str  # as given, "PCMA", "opus"
    rate: int
    parameters: str = ""  # fmtp
    channels: int = 1

    @property
    def map(self) -> str:
        return f"{self.name}/{self.rate}" + (f"/{self.channels}" if self.channels > 1 else "")


@dataclass(frozen=True, slots=True)
class Audio:
    """The audio stream of a description that we take."""

    address: str
    port: int
    codecs: tuple[Codec, ...]
    direction: str
    index: int  # its place among the m= lines
    streams: int  # how many m= lines there are

    @property
    def event(self) -> Codec | None:
        return next((codec for codec in self.codecs if codec.name.lower() == EVENT and codec.rate == 8000), None)

    @property
    def held(self) -> bool:
        """The party does not want to hear us (RFC 3264 §8.4; c=0.0.0.0 is the way of RFC 2543)."""
        return self.direction in ("sendonly", "inactive") or self.address == "0.0.0.0"


def audio(text: str) -> Audio:
    """The first audio stream that is open and that we can carry. Raises BadSdp, whatever the text is."""
    lines = _lines(text)
    if not lines or lines[0] != "v=0":
        raise BadSdp("does not begin with v=0")
    session, *streams = _sections(lines)
    why = "no audio stream"
    for index, section in enumerate(streams):
        media = _MEDIA.fullmatch(section[0])
        if not media or media[1] != "audio":
            continue
        if int(media[2]) == 0:
            why = "audio is refused: port 0"
        elif media[3].upper() != PLAIN:
            why = f"audio over {media[3]} only"
        else:
            return _audio(media, session, section, index, len(streams))
    raise BadSdp(why)


def _lines(text: str) -> list[str]:
    """What is not ASCII can only be a name or a note: nothing that we read, and nothing that we pass on."""
    return [line.strip() for line in text.splitlines() if line.isascii()]


def _sections(lines: list[str]) -> list[list[str]]:
    """The session part, then one list of lines for each m= line."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _audio(media: re.Match[str], session: list[str], section: list[str], index: int, streams: int) -> Audio:
    address = next((line for line in (*section, *session) if line.startswith("c=")), "")
    try:
        host = str(ipaddress.IPv4Address(address.removeprefix("c=IN IP4 ")))
    except ValueError as error:  # a name, IPv6, multicast: rtpengine's interfaces are IPv4
        raise BadSdp(f"connection address: {error}" if address else "no connection address") from error
    port = int(media[2])
    if port > 65535:
        raise BadSdp(f"port {port}")
    direction = next((line[2:] for line in (*section, *session) if line[2:] in _DIRECTIONS), "sendrecv")
    return Audio(host, port, _codecs(media[4], section), direction, index, streams)


def _codecs(payloads: str, section: list[str]) -> tuple[Codec, ...]:
    maps: dict[int, str] = dict(STATIC)
    parameters: dict[int, str] = {}
    for line in section:
        name, _, rest = line.partition(":")
        payload, _, value = rest.partition(" ")
        if payload.isascii() and payload.isdigit() and name in ("a=rtpmap", "a=fmtp"):
            (maps if name == "a=rtpmap" else parameters)[int(payload)] = value.strip()
    found = []
    for payload in payloads.split():
        if not payload.isascii() or not payload.isdigit() or int(payload) not in maps:
            continue
        name, *numbers = maps[int(payload)].split("/")
        if numbers and all(number.isascii() and number.isdigit() for number in numbers[:2]):
            channels = int(numbers[1]) if len(numbers) > 1 else 1
            found.append(Codec(int(payload), name, int(numbers[0]), parameters.get(int(payload), ""), channels))
    return tuple(found)


def common(offered: Audio, ours: tuple[str, ...] = CODECS) -> Codec | None:
    """The codec that both know, by our preference; None: nothing in common."""
    known = (codec for codec in reversed(offered.codecs) if codec.rate == _RATES.get(codec.name.lower(), 8000))
    by_name = {codec.name.lower(): codec for codec in known}
    return next((by_name[name.lower()] for name in ours if name.lower() in by_name), None)


def inner(host: str, port: int, event: int = 101, direction: str = "sendrecv") -> str:
    """Our own side of a leg: A-law and telephone-event. Port 9 is nowhere (RFC 863)."""
    return _text(host, port, (Codec(8, "PCMA", 8000), Codec(event, EVENT, 8000, "0-16")), direction)


def normalised(offered: Audio, codec: Codec) -> str:
    """The phone's description with nothing but this codec, its telephone-event, address and direction."""
    return _text(
        offered.address, offered.port, (codec, *((offered.event,) if offered.event else ())), offered.direction
    )


def _text(host: str, port: int, codecs: tuple[Codec, ...], direction: str) -> str:
    lines = ["v=0", f"o=- 7 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    lines.append(f"m=audio {port} RTP/AVP " + " ".join(str(codec.payload) for codec in codecs))
    for codec in codecs:
        lines.append(f"a=rtpmap:{codec.payload} {codec.map}")
        if codec.parameters:
            lines.append(f"a=fmtp:{codec.payload} {codec.parameters}")
    lines += [f"a={direction}", "a=ptime:20"]
    return "\r\n".join(lines) + "\r\n"


def answering(text: str, direction: str, version: int) -> str:
    """A description of rtpengine's as our answer: our direction, and the version that we are at (RFC 3264 §8)."""
    lines = [line for line in text.splitlines() if line[2:] not in _DIRECTIONS]
    out = []
    for line in lines:
        if line.startswith("o="):
            name, id, _, *rest = line.split()
            line = " ".join((name, id, str(version), *rest))
        out.append(line)
    out.append(f"a={direction}")
    return "\r\n".join(out) + "\r\n"


def answer_direction(offered: str) -> str:
    """What we may answer (RFC 3264 §6.1)."""
    return {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}.get(offered, "sendrecv")


def with_refused(answer: str, offer: str) -> str:
    """An answer has as many m= lines as its offer, in order; those that we do not take have port 0 (RFC 3264 §6)."""
    _, *sections = _sections(_lines(offer))
    taken = audio(offer).index
    lines = answer.splitlines()
    ours = next(index for index, line in enumerate(lines) if line.startswith("m="))
    out = lines[:ours]
    for index, section in enumerate(sections):
        if index == taken:
            out += lines[ours:]
        else:
            out.append(_refused(section[0]))
    return "\r\n".join(out) + "\r\n"


def _refused(line: str) -> str:
    """`m=video 4002 RTP/AVP 96` with port 0."""
    kind, _, *rest = [*line.split(), "", ""]
    return " ".join((kind, "0", *rest)).rstrip()


def is_hold(text: str) -> bool:
    """Whether an offer puts us on hold; an unreadable one does not."""
    try:
        return audio(text).held
    except BadSdp:
        return False
