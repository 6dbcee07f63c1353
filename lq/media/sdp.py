"""SDP as far as a leg needs it (RFC 8866, RFC 3264): codecs, ports, direction, telephone-event. Pure.

What rtpengine does with a description is its business; here we decide which codec is common, remember the phone's side
normalised to that one codec, and read the answers.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

# RFC 3551 static payload types that phones may leave without rtpmap
STATIC: Final = {0: "PCMU/8000", 3: "GSM/8000", 4: "G723/8000", 8: "PCMA/8000", 9: "G722/8000", 18: "G729/8000"}
# What we can carry, in the order that we prefer it: G.711 A-law needs no transcoding inside.
CODECS: Final = ("PCMA", "PCMU", "G722", "G729", "opus")
EVENT: Final = "telephone-event"
# What a profile may be: the first kind whose lines are there. The F is feedback (RFC 4585), which nobody must give.
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "RTP/AVP": ("rtp",),
    "RTP/AVPF": ("rtp",),
    "RTP/SAVP": ("srtp",),
    "RTP/SAVPF": ("webrtc", "srtp"),  # RFC 5124; keys of either
    "UDP/TLS/RTP/SAVPF": ("webrtc",),
    "UDP/TLS/RTP/SAVP": ("webrtc",),
}
_PROFILES: Final = {"rtp": "RTP/AVP", "srtp": "RTP/SAVP", "webrtc": "UDP/TLS/RTP/SAVPF"}  # as rtpengine is told
# Of a phone's description, what rtpengine needs besides: keys (RFC 4568), or ICE and DTLS (RFC 8839, 8842).
_CRYPTO: Final = re.compile(
    r"a=crypto:\d{1,9} (?:AES_CM_128|AES_192_CM|AES_256_CM|AEAD_AES_\d{3}_GCM)\w* inline:\S{20,200}.*", re.ASCII
)
_ICE: Final = ("a=ice-", "a=fingerprint:", "a=setup:", "a=candidate:", "a=rtcp-mux", "a=mid:")
_MOST_LINES: Final = 40  # of those: a browser on many networks has some twenty
_RATES: Final = {"opus": 48_000}  # in an rtpmap; all others say 8000 (G722 too, RFC 3551 §4.5.2)
_MEDIA: Final = re.compile(r"m=(\w+) (\d{1,5})(?:/\d+)? (\S+) ?(.*)", re.ASCII)
_ORIGIN: Final = re.compile(r"^o=\S+ \S+ (\d{1,19}) ", re.ASCII | re.MULTILINE)
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
    kind: str = "rtp"  # as in KINDS
    secure: tuple[str, ...] = ()  # its lines of keys, ICE and DTLS

    @property
    def event(self) -> Codec | None:
        """The telephone-event of G.711 and its like."""
        return self.event_at(8000)

    def event_at(self, rate: int) -> Codec | None:
        """The telephone-event of a codec with this clock (RFC 4733 §2.1); many phones offer that of 8 kHz with opus."""
        events = [codec for codec in self.codecs if codec.name.lower() == EVENT and codec.rate in (rate, 8000)]
        return max(events, key=lambda codec: codec.rate == rate, default=None)

    @property
    def held(self) -> bool:
        """The party does not want to hear us (RFC 3264 §8.4; RFC 2543 said c=0.0.0.0, which is nothing with ICE)."""
        nowhere = self.address == "0.0.0.0" and self.kind != "webrtc"
        return self.direction in ("sendonly", "inactive") or nowhere


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
        elif kind := _kind(media[3], session, section):
            return _audio(media, kind, session, section, index, len(streams))
        else:
            why = f"audio over {media[3]} only"
    raise BadSdp(why)


def _kind(profile: str, session: list[str], section: list[str]) -> str:
    """ "": it cannot be had."""
    kinds = KINDS.get(profile.upper(), ())
    return next((kind for kind in kinds if kind == "rtp" or _secure(kind, session, section)), "")


def _secure(kind: str, session: list[str], section: list[str]) -> tuple[str, ...]:
    """Its lines of keys, ICE and DTLS; none: it cannot be had."""
    if kind == "srtp":
        return tuple(line for line in section if _CRYPTO.fullmatch(line))[:_MOST_LINES]
    found = [line for line in section if line.startswith(_ICE)]
    for name in ("a=fingerprint:", "a=setup:", "a=ice-ufrag:", "a=ice-pwd:"):
        if not any(line.startswith(name) for line in found):
            found += [line for line in session if line.startswith(name)]
    complete = all(any(line.startswith(name) for line in found) for name in ("a=fingerprint:", "a=ice-ufrag:"))
    return tuple(found[:_MOST_LINES]) if kind == "webrtc" and complete else ()


def _lines(text: str) -> list[str]:
    """What is not plain ASCII can only be a name or a note: nothing that we read, and nothing that we pass on."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line.isascii() and line.isprintable()]


def _sections(lines: list[str]) -> list[list[str]]:
    """The session part, then one list of lines for each m= line."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _audio(media: re.Match[str], kind: str, session: list[str], section: list[str], index: int, streams: int) -> Audio:
    address = next((line for line in (*section, *session) if line.startswith("c=")), "")
    if kind == "webrtc" and address.startswith("c=IN IP6 "):
        address = "c=IN IP4 0.0.0.0"  # its candidates tell
    try:
        host = str(ipaddress.IPv4Address(address.removeprefix("c=IN IP4 ")))
    except ValueError as error:  # a name, IPv6, multicast: rtpengine's interfaces are IPv4
        raise BadSdp(f"connection address: {error}" if address else "no connection address") from error
    port = int(media[2])
    if port > 65535:
        raise BadSdp(f"port {port}")
    direction = next((line[2:] for line in (*section, *session) if line[2:] in _DIRECTIONS), "sendrecv")
    secure = _secure(kind, session, section) if kind != "rtp" else ()
    return Audio(host, port, _codecs(media[4], section), direction, index, streams, kind, secure)


def _codecs(payloads: str, section: list[str]) -> tuple[Codec, ...]:
    maps: dict[int, str] = dict(STATIC)
    parameters: dict[int, str] = {}
    for line in section:
        name, _, rest = line.partition(":")
        said, _, value = rest.strip().partition(" ")
        payload = _number(said)
        if payload is not None and name in ("a=rtpmap", "a=fmtp"):
            (maps if name == "a=rtpmap" else parameters)[payload] = value.strip()
    named = [payload for payload in map(_number, payloads.split()) if payload is not None and payload in maps]
    codecs = (_codec(payload, maps[payload], parameters.get(payload, "")) for payload in named)
    return tuple(codec for codec in codecs if codec is not None)


def _codec(payload: int, map: str, parameters: str) -> Codec | None:
    """`PCMA/8000`, `opus/48000/2`; None: that is no map."""
    name, _, rest = map.partition("/")
    clock, slash, more = rest.partition("/")
    rate, channels = _number(clock), _number(more.partition("/")[0]) if slash else 1
    name = "G729" if name.upper() in ("G729A", "G729AB") else name  # annexes A and B: the same on the wire
    return None if rate is None or channels is None else Codec(payload, name, rate, parameters, channels)


def _number(digits: str) -> int | None:
    """None if it is none, or longer than any that means something here."""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 8 else None


def common(offered: Audio, ours: tuple[str, ...] = CODECS) -> Codec | None:
    """The codec that both know, by our preference; None: nothing in common."""
    known = (codec for codec in reversed(offered.codecs) if codec.rate == _RATES.get(codec.name.lower(), 8000))
    by_name = {codec.name.lower(): codec for codec in known}
    return next((by_name[name.lower()] for name in ours if name.lower() in by_name), None)


def spoken(answered: Audio) -> Codec | None:
    """The codec that an answer begins with, of those that we can carry: who names several speaks the first of them
    (RFC 3264 §6.1), and what we had rather is too late."""
    known = {name.lower() for name in CODECS}
    return common(answered, tuple(codec.name for codec in answered.codecs if codec.name.lower() in known))


def inner(host: str, port: int, event: int = 101, direction: str = "sendrecv") -> str:
    """Our own side of a leg: A-law and telephone-event. Port 9 is nowhere (RFC 863)."""
    return _text(host, port, (Codec(8, "PCMA", 8000), Codec(event, EVENT, 8000, "0-16")), direction)


def normalised(offered: Audio, codec: Codec) -> str:
    """The phone's description with nothing but this codec, its telephone-event, address and direction."""
    event = offered.event_at(codec.rate)
    # rtpengine knows no event whose clock is not the codec's; in the stream they have one clock whatever was said.
    events = () if event is None else (replace(event, rate=codec.rate),)
    profile = _PROFILES[offered.kind]
    return _text(offered.address, offered.port, (codec, *events), offered.direction, profile, offered.secure)


def _text(
    host: str,
    port: int,
    codecs: tuple[Codec, ...],
    direction: str,
    protocol: str = "RTP/AVP",
    more: tuple[str, ...] = (),
) -> str:
    lines = ["v=0", f"o=- 7 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    lines.append(f"m=audio {port} {protocol} " + " ".join(str(codec.payload) for codec in codecs))
    for codec in codecs:
        lines.append(f"a=rtpmap:{codec.payload} {codec.map}")
        if codec.parameters:
            lines.append(f"a=fmtp:{codec.payload} {codec.parameters}")
    lines += [f"a={direction}", "a=ptime:20", *more]
    return "\r\n".join(lines) + "\r\n"


def place(text: str) -> tuple[str, int]:
    """Address and port that a normalised description names."""
    named = audio(text)
    return named.address, named.port


def placed(text: str, where: str) -> str:
    """A normalised description that names host:port instead."""
    host, _, port = where.rpartition(":")
    text = re.sub(r"^(o=.*|c=)IN IP4 .*\r$", rf"\g<1>IN IP4 {host}\r", text, flags=re.MULTILINE)
    return re.sub(r"^m=audio \d+", f"m=audio {port}", text, flags=re.MULTILINE)


def event_as_offered(answer: str, offered: Audio) -> str:
    """An answer whose telephone-event has the clock that the offer gave it, whatever the codec's is."""
    named = {codec.payload: codec.map for codec in offered.codecs if codec.name.lower() == EVENT}
    return re.sub(
        rf"^a=rtpmap:(\d+) {EVENT}/\d+",
        lambda found: f"a=rtpmap:{found[1]} {named.get(int(found[1]), f'{EVENT}/8000')}",
        answer,
        flags=re.MULTILINE,
    )


def with_mid_of(text: str, known: str) -> str:
    """A new offer whose stream has the name that the phone knows it by (RFC 8843 §7.2): a browser insists."""
    mid = re.search(r"^a=mid:\S+", known, re.MULTILINE)
    return re.sub(r"^a=mid:\S+", mid[0], text, flags=re.MULTILINE) if mid else text


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


def newer(text: str, said: str) -> str:
    """A description whose version is above that of what we `said` last, if it says something else (RFC 3264 §8)."""
    now, then = _ORIGIN.search(text), _ORIGIN.search(said)
    if text == said or now is None or then is None or int(now[1]) > int(then[1]):
        return text
    return f"{text[: now.start(1)]}{int(then[1]) + 1}{text[now.end(1) :]}"


def opened(said: str) -> str:
    """What we offer to a phone that asks: what we `said` last, open both ways. That may have been the answer to his
    hold, and whoever is offered that again cannot but hold (§6.1). We hold nobody by a description ourselves."""
    return newer(re.sub(r"^a=(?:sendonly|recvonly|inactive)(?=\s*$)", "a=sendrecv", said, flags=re.MULTILINE), said)


def answer_direction(offered: str) -> str:
    """What we may answer (RFC 3264 §6.1)."""
    return {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}.get(offered, "sendrecv")


def with_refused(answer: str, offer: str) -> str:
    """An answer has as many m= lines as its offer, in order, each with the offer's profile; those that we do not take
    have port 0 (RFC 3264 §6)."""
    _, *sections = _sections(_lines(offer))
    taken = audio(offer).index
    lines = answer.splitlines()
    ours = next(index for index, line in enumerate(lines) if line.startswith("m="))
    kind, port, _, *codecs = lines[ours].split()
    lines[ours] = " ".join((kind, port, sections[taken][0].split()[2], *codecs))
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
