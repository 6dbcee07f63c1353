"""What the edge does not let in: malformed and forged requests, scanners, guessers. Pure, as policy.py is.

The checks that cost least stand before all this, in kamailio.cfg: bans, floods, overload. An address is punished only
for what was surely sent from it: over TCP, TLS and WebSocket everything, over UDP only an answer to a challenge that
went there. So nobody can lock a phone out by writing its address into packets of his own.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from kamailio.replies import Reply

# -- who is never let in

# tools that scan the Internet for open exchanges name themselves
SCANNERS: Final = (
    "friendly-scanner",
    "sipvicious",
    "sipsak",
    "sipcli/",
    "vaxsipuseragent",
    "sundayddr",
    "sip-scan",
    "pplsip",
    "eyebeam/1.0 release",
    "iwar/",
    "smap ",
    "voipbuster scanner",
)


def is_scanner(user_agent: str) -> bool:
    lowered = user_agent.lower()
    return any(name in lowered for name in SCANNERS)


# -- guessing passwords: counted for five minutes (kamailio.cfg, table `wrong`)

WRONG_OF_A_STRANGER: Final = 20  # from an address where no phone has proved itself: banned
WRONG_OF_A_USER_HERE: Final = 10  # for one name from one address: not looked at any more
WRONG_OF_A_USER: Final = 50  # for one name from everywhere: looked at only from where he has proved himself
MALFORMED: Final = 20  # over a connection: banned
NAME_AT_MOST: Final = 32  # of a name that is counted
FIRST_OF_A_USER_HERE: Final = 3  # emergency calls, with what comes before a nonce is good: no guesser's yet


class Counts(Protocol):
    """Counters that are forgotten after a while."""

    def __getitem__(self, key: str) -> int: ...
    def add(self, key: str) -> int:
        """The count with this one."""


class Marks(Protocol):
    def get(self, key: str) -> str | None: ...
    def set(self, key: str, value: str) -> None: ...


class Guesses:
    """Who gives wrong passwords, and who has proved himself where. Known and unknown names are counted alike."""

    def __init__(self, wrong: Counts, proved: Marks, urgent: Counts) -> None:
        self._wrong, self._proved, self._urgent = wrong, proved, urgent

    def proved(self, source: str, name: str) -> None:
        self._proved.set(source, "1")
        self._proved.set(_key(source, name), "1")

    def is_proved(self, source: str) -> bool:
        """Whether a phone has proved itself from this address lately."""
        return self._proved.get(source) is not None

    def is_known(self, source: str, name: str) -> bool:
        """Whether it was this one."""
        return self._proved.get(_key(source, name)) is not None

    def is_locked(self, source: str, name: str) -> bool:
        """Whether this name's password is not even looked at from this address. A good phone elsewhere goes on."""
        if self._wrong[_key(source, name)] >= WRONG_OF_A_USER_HERE:
            return True
        return self._wrong[_key("", name)] >= WRONG_OF_A_USER and not self.is_known(source, name)

    def is_heard_in_need(self, source: str, name: str, second: int) -> bool:
        """Whether this emergency call's password is looked at where else none of this name's were: one a second is.

        Who has just begun to try from his address is no rival of who goes on and on: a guesser cannot shut a phone out.
        """
        begins = self._urgent.add(_key(source, name)) <= FIRST_OF_A_USER_HERE
        return self._urgent.add(f"{_key('first' if begins else 'again', name)}|{second}") == 1

    def wrong(self, source: str, name: str) -> bool:
        """Count a wrong password; whether the address has given too many."""
        self._wrong.add(_key(source, name))
        self._wrong.add(_key("", name))
        return self._wrong.add(source) >= WRONG_OF_A_STRANGER

    def malformed(self, source: str) -> bool:
        return self._wrong.add(f"malformed|{source}") >= MALFORMED


def _key(source: str, name: str) -> str:
    return f"{source}|{name[:NAME_AT_MOST]}"


def opaque(secret: str, source: str) -> str:
    """What a challenge carries besides its nonce and its answer returns unchanged (RFC 7616 §3.3), bound to an address.

    Who returns it has received what was sent there, so a wrong password is surely from there. Kamailio looks at a nonce
    only after the password, too late for that.
    """
    return hmac.new(secret.encode(), source.encode(), hashlib.sha256).hexdigest()[:32]


def returned_opaque(credentials: str) -> str:
    """The opaque in the value of an Authorization or Proxy-Authorization header, "" if there is none."""
    found = _OPAQUE.search(credentials)
    return found[1] if found else ""


# -- headers that only those may send whom we trust

OURS: Final = "^X-LQ-"
# Identity, way and history of a call: from a phone they are claims (RFC 3325 §5, RFC 5806, RFC 7044, RFC 3327,
# RFC 7315); a Record-Route of its own would lead our requests where it likes.
CLAIMS: Final = (
    "^(X-LQ-.*|P-Asserted-.*|P-Preferred-.*|P-Charging-.*|P-Called-Party-ID|P-Served-User|P-Profile-Key|"
    "Remote-Party-ID|Diversion|History-Info|Record-Route|Path|Service-Route|P-DCS-.*|P-Early-Media)$"
)

# in a reply the Record-Route is ours, handed back
CLAIMS_IN_A_REPLY: Final = "^(X-LQ-.*|P-Asserted-.*|Remote-Party-ID|Diversion|History-Info)$"

# -- the message itself

LONGEST: Final = 16_384  # bytes; a browser's INVITE has some 6 kB
HEADERS_AT_MOST: Final = 100
URI_AT_MOST: Final = 512
ID_AT_MOST: Final = 255  # Call-ID, From, To: they become keys
ONCE: Final = frozenset(
    {"from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type", "expires", "user-agent"}
)
NEEDED: Final = ("via", "from", "to", "call-id", "cseq")
COMPACT: Final = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "e": "content-encoding", "f": "from",
    "i": "call-id", "k": "supported", "l": "content-length", "m": "contact", "o": "event", "r": "refer-to",
    "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires",
}  # fmt: skip
SCHEMES: Final = ("sip:", "sips:", "tel:")
_NAME: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")  # RFC 3261 §25.1, token
_FOLD: Final = re.compile(r"\r\n[ \t]+")
_START: Final = re.compile(r"([A-Z]+) ([^ \t\r\n]+) (SIP/\d+\.\d+)")
_CSEQ: Final = re.compile(r"(\d{1,10})[ \t]+([A-Za-z]+)")
_TEXT: Final = bytes({*range(256)} - {*range(32), 127} | {*b"\t\r\n"})
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.?)*(?:"|(\Z))')  # closed or not: else each quote is looked at to the end
_OPAQUE: Final = re.compile(r'[\s,]opaque\s*=\s*"([0-9a-f]{32})"', re.IGNORECASE)
# a phone is answered where it sends from; in its Contact these would name another place
_DETOUR: Final = re.compile(r";\s*(alias|maddr|received)\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    method: str
    uri: str
    version: str
    headers: tuple[tuple[str, str], ...]  # name in lower case and long form, value unfolded

    def values(self, name: str) -> Iterator[str]:
        return (value for known, value in self.headers if known == name)


def head_of(message: bytes) -> Head:
    """The start line and headers of a request. Raises ValueError with what is wrong, in words for the 400."""
    head = message.partition(b"\r\n\r\n")[0]
    if head.translate(None, _TEXT) or not head.count(b"\r\n") == head.count(b"\r") == head.count(b"\n"):
        raise ValueError("Control Character")
    text = head.decode("latin-1")
    start, *lines = _FOLD.sub(" ", text).split("\r\n")
    found = _START.fullmatch(start)
    if found is None:
        raise ValueError("Bad Request Line")
    if len(lines) > HEADERS_AT_MOST:
        raise ValueError("Too Many Headers")
    return Head(found[1], found[2], found[3], tuple(_header(line) for line in lines))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.rstrip(" \t").lower()
    if not colon or not _NAME.fullmatch(name):
        raise ValueError("Bad Header")
    return COMPACT.get(name, name), value.strip(" \t")


def fault(message: bytes, *, datagram: bool) -> Reply | None:
    """What to answer to a request that is not well-formed, None for one that is. `datagram`: it came in one (UDP).

    RFC 3261 §16.3 and §8.2, and what RFC 4475 shows of it, where Kamailio's own checks let it pass.
    """
    if len(message) > LONGEST:
        return Reply(513, "Message Too Large")
    try:
        head = head_of(message)
    except ValueError as error:
        return Reply(400, str(error))
    if head.version != "SIP/2.0":
        return Reply(505, "Version Not Supported")
    if not head.uri.lower().startswith(SCHEMES):
        return Reply(416, "Unsupported URI Scheme")
    if len(head.uri) > URI_AT_MOST:
        return Reply(414, "Request-URI Too Long")
    why = _fault_of_headers(head) or _fault_of_body(head, message, datagram)
    return Reply(400, why) if why else None


def _fault_of_headers(head: Head) -> str:
    names = [name for name, _ in head.headers]
    for name in NEEDED:
        if name not in names:
            return f"No {name.title()}"
    for name in ONCE:
        if names.count(name) > 1:
            return f"More Than One {name.title()}"
    for name in ("from", "to", "call-id"):
        if len(next(head.values(name))) > ID_AT_MOST:
            return f"{name.title()} Too Long"
    for name in ("from", "to", "contact"):
        if not all(map(_is_address, head.values(name))):
            return f"Bad {name.title()}"
    if "\\" in head.uri or "%00" in head.uri or '"' in head.uri or "<" in head.uri:
        return "Bad Request-URI"
    return _fault_of_numbers(head)


def _is_address(value: str) -> bool:
    """Quotes and angle brackets close; no NUL is hidden in it (RFC 4475 §3.1.2.6, §3.1.1.4)."""
    bare = _QUOTED.sub(lambda found: "" if found[1] is None else '"', value)
    return '"' not in bare and bare.count("<") == bare.count(">") and "%00" not in bare and bool(value)


def _fault_of_numbers(head: Head) -> str:
    cseq = _CSEQ.fullmatch(next(head.values("cseq")))
    if cseq is None or int(cseq[1]) >= 2**31:
        return "Bad CSeq"
    if cseq[2] != head.method:
        return "CSeq Names Another Method"
    for name, most in (("max-forwards", 255), ("expires", 2**32 - 1), ("content-length", LONGEST)):
        for value in head.values(name):
            if not value.isascii() or not value.isdecimal() or len(value) > 10 or int(value) > most:
                return f"Bad {name.title()}"
    return ""


def _fault_of_body(head: Head, message: bytes, datagram: bool) -> str:
    length = next(head.values("content-length"), None)
    body = message.partition(b"\r\n\r\n")[2]
    if length is None:
        return "" if datagram else "No Content-Length"  # RFC 3261 §18.3
    if int(length) > len(body):
        return "Body Too Short"
    if body and int(length) and not next(head.values("content-type"), ""):
        return "No Content-Type"
    return ""


def is_detour(contact: str) -> bool:
    """Whether a phone's Contact would send us elsewhere than to where it sends from."""
    return bool(_DETOUR.search(contact))


def offered_media(message: bytes, *, otherwise: str) -> str:
    """`webrtc`, `srtp` or `rtp`: what the SDP in a phone's INVITE asks for; `otherwise` if it has none."""
    body = message.partition(b"\r\n\r\n")[2]
    lines = [line.upper() for line in body.split(b"\n") if line.lower().startswith(b"m=audio")]
    if not lines:
        return otherwise
    if any(b"TLS/RTP/SAVP" in line for line in lines):
        return "webrtc"
    return "srtp" if any(b"RTP/SAVP" in line for line in lines) else "rtp"
