"""SIP messages: the wire and (start line, headers, body). Lenient in what is read, strict in what is written.

Header values stay the raw strings that the peer sent, so that Via, Record-Route, From, To and Call-ID are echoed byte
for byte: real phones are broken by parsers that write again what they have read. Names are lower case; compact forms
(RFC 3261 §7.3.3) are spelled out. Structured access (`uri_of`, `param`, `cseq`) reads only what the user agent needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

MAX_SIZE: Final = 65_535
MAX_HEADERS: Final = 200

COMPACT: Final[Mapping[str, str]] = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition",
    "e": "content-encoding", "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported",
    "l": "content-length", "m": "contact", "o": "event", "r": "refer-to", "s": "subject",
    "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}  # fmt: skip
REASONS: Final[Mapping[int, str]] = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 183: "Session Progress", 200: "OK", 202: "Accepted",
    302: "Moved Temporarily", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 407: "Proxy Authentication Required", 408: "Request Timeout",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required",
    422: "Session Interval Too Small", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
    500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 504: "Server Time-out",
    503: "Service Unavailable", 505: "Version Not Supported", 600: "Busy Everywhere", 603: "Decline",
}  # fmt: skip
_LISTS: Final = frozenset({"via", "route", "record-route", "contact", "supported", "require", "allow", "unsupported"})
_SPELLED: Final = {
    "call-id": "Call-ID", "cseq": "CSeq", "mime-version": "MIME-Version", "rseq": "RSeq", "rack": "RAck",
    "min-se": "Min-SE", "www-authenticate": "WWW-Authenticate",
}  # fmt: skip
_FOLD: Final = re.compile(r"\r\n[ \t]+")
_SENDABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"\x00-\x1f\x7f]+")
_BOUNDARY: Final = re.compile(r';\s*boundary\s*=\s*"?([^";]+)"?', re.IGNORECASE)
# All patterns here take a time that grows with the text and not with its square: one message may hold up every call.
_COMMA: Final = re.compile(r'"(?:[^"\\]|\\.?)*(?:"|\Z)|<[^>]*(?:>|\Z)|(,)')  # outside of quotes and <>
_SEMICOLON: Final = re.compile(r'"(?:[^"\\]|\\.?)*(?:"|\Z)|(;)')
# up to the end of the URI: a quoted name, a plain one, one with a quote too many; parameters may hold <> in quotes
_NAME_ADDR: Final = re.compile(r'(?:\s*"(?:[^"\\]|\\.)*"\s*|[^"<]*|[^<;]*)<([^>]*)>?')
_REQUEST_LINE: Final = re.compile(r"(\S+) (.*[^ ]) +SIP/(\d+\.\d+)", re.IGNORECASE)
_STATUS_LINE: Final = re.compile(r"SIP/2\.0 +(\d{3})(?: +(.*))?", re.IGNORECASE)
_CSEQ: Final = re.compile(r"\s*(\d{1,10})\s+(\S+)\s*")


class ParseError(ValueError):
    """Not a SIP message that can be answered; says why."""


@dataclass(slots=True)
class Message:
    headers: dict[str, list[str]] = field(default_factory=dict)
    body: bytes = b""

    def get(self, name: str) -> str:
        """The first value of a header, "" if there is none."""
        values = self.headers.get(name)
        return values[0] if values else ""

    def all(self, name: str) -> list[str]:
        return self.headers.get(name, [])

    def put(self, name: str, value: str) -> None:
        """Set a header. A value with a line break would be another header: ValueError."""
        if "\r" in value or "\n" in value or "\0" in value:
            raise ValueError(f"line break in the value of {name}")
        self.headers[name.lower()] = [value]

    def tokens(self, name: str) -> set[str]:
        return {value.strip().lower() for value in self.all(name)}

    @property
    def call_id(self) -> str:
        return self.get("call-id")

    @property
    def cseq(self) -> tuple[int, str]:
        found = _CSEQ.fullmatch(self.get("cseq"))
        return (int(found[1]), found[2]) if found else (0, "")

    @property
    def from_tag(self) -> str:
        return param(self.get("from"), "tag")

    @property
    def to_tag(self) -> str:
        return param(self.get("to"), "tag")

    @property
    def branch(self) -> str:
        return param(self.get("via"), "branch")

    @property
    def sdp(self) -> str:
        """The session description: the body, or the part of a multipart body that is one; "" if there is none."""
        value = self.get("content-type")
        kind = value.partition(";")[0].strip().lower()
        if kind == "application/sdp":
            return self.body.decode("utf-8", "replace")
        return _sdp_part(value, self.body) if kind.startswith("multipart/") else ""

    def start_line(self) -> str:
        raise NotImplementedError

    def encode(self) -> bytes:
        out = [self.start_line()]
        for name, values in self.headers.items():
            if name != "content-length":
                spelled = _SPELLED.get(name) or spell(name)
                out += [f"{spelled}: {value}" for value in values]
        out.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(out).encode("utf-8", "surrogateescape") + self.body


@dataclass(slots=True)
class Request(Message):
    method: str = ""
    uri: str = ""

    def start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"


@dataclass(slots=True)
class Response(Message):
    code: int = 0
    reason: str = ""

    def start_line(self) -> str:
        return f"SIP/2.0 {self.code} {self.reason}"


def answer(request: Request, code: int, reason: str = "", *, to_tag: str = "") -> Response:
    """A response: Via, From, To, Call-ID, CSeq copied as they came (RFC 3261 §8.2.6)."""
    given = request.headers
    to = request.get("to")
    if to_tag and code > 100 and not request.to_tag:
        to = f"{to};tag={to_tag}"
    headers = {name: given.get(name, [""]) for name in ("via", "from", "to", "call-id", "cseq")} | {"to": [to]}
    if 100 < code < 300 and "record-route" in given:
        headers["record-route"] = given["record-route"]
    return Response(headers, b"", code, reason or REASONS.get(code, "Unknown"))


def parse(data: bytes) -> Request | Response:
    """One datagram as a message. Raises ParseError; nothing else, whatever the bytes are."""
    start, lines, body = read_head(data)
    headers = read_headers(lines)
    for name in ("via", "from", "to", "call-id", "cseq"):
        if not headers.get(name, [""])[0]:
            raise ParseError(f"no {spell(name)}")
    message = _start(start, headers)
    if not is_cseq(message):
        raise ParseError(f"bad CSeq {message.get('cseq')!r}")
    if isinstance(message, Request) and message.cseq[1] != message.method:
        raise ParseError("CSeq names another method")
    message.body = _body(body, set(message.all("content-length")))
    return message


def read_head(data: bytes) -> tuple[str, list[str], bytes]:
    """Start line, header lines and what follows. Raises ParseError."""
    if len(data) > MAX_SIZE:
        raise ParseError(f"message of {len(data)} bytes")
    head, end, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not end:
        raise ParseError("no end of headers")
    text = head.decode("utf-8", "surrogateescape")
    if not text.count("\n") == text.count("\r\n") == text.count("\r") or "\0" in text:
        # echoed to a less strict reader it would be another line
        raise ParseError("a line break that ends no line, or a null")
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)
    start, *lines = text.split("\r\n")
    return start, lines, body


def is_cseq(message: Message) -> bool:
    """It has one, below 2**31 (RFC 3261 §8.1.1.5)."""
    return message.cseq != (0, "") and message.cseq[0] < 1 << 31


def read_headers(lines: list[str]) -> dict[str, list[str]]:
    if len(lines) > MAX_HEADERS:
        raise ParseError(f"{len(lines)} header lines")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not name:
            raise ParseError("a header line without a name")
        name = COMPACT.get(name, name)
        value = value.strip()
        values = [part.strip() for part in _split(value, _COMMA)] if "," in value and name in _LISTS else [value]
        if name in headers:
            headers[name] += values
        else:
            headers[name] = values
    return headers


def _split(value: str, separator: re.Pattern[str]) -> list[str]:
    ends = [found.start() for found in separator.finditer(value) if found[1]]
    return [value[start:end] for start, end in zip((0, *(end + 1 for end in ends)), (*ends, None), strict=True)]


def _start(line: str, headers: dict[str, list[str]]) -> Request | Response:
    if found := _STATUS_LINE.fullmatch(line):
        return Response(headers, b"", int(found[1]), found[2] or "")
    if found := _REQUEST_LINE.fullmatch(line):
        if found[3] != "2.0":
            raise ParseError(f"SIP version {found[3]}")
        return Request(headers, b"", found[1], found[2].strip("<>"))
    raise ParseError("neither a request nor a status line")


def _body(body: bytes, lengths: set[str]) -> bytes:
    if not lengths:
        return body
    if len(lengths) > 1:
        raise ParseError(f"{len(lengths)} values of Content-Length")
    (length,) = lengths
    stated = number(length)
    if stated is None or stated > len(body):
        raise ParseError(f"Content-Length {length[:20]!r} with {len(body)} bytes")
    return body[:stated]


def _sdp_part(content_type: str, body: bytes) -> str:
    """Carriers put the description beside an ISUP message or a location (RFC 5621 §3.1)."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return ""
    for part in body.split(b"--" + boundary[1].strip().encode("utf-8", "surrogateescape"))[1:20]:
        head, _, content = part.partition(b"\r\n\r\n")
        if re.search(rb"^content-type\s*:\s*application/sdp\b", head, re.IGNORECASE | re.MULTILINE):
            return content.removesuffix(b"\r\n").decode("utf-8", "replace")
    return ""


def spell(name: str) -> str:
    """The header's name as it is written."""
    spelled = _SPELLED.get(name)
    if spelled is None:
        spelled = "-".join(part.capitalize() for part in name.split("-"))
        if len(_SPELLED) < 500:
            _SPELLED[name] = spelled
    return spelled


def uri_of(value: str) -> str:
    """The URI of a name-addr or addr-spec (RFC 3261 §20.10)."""
    return _address(value)[0].strip()


def _address(value: str) -> tuple[str, str]:
    """The URI, and the header's parameters behind it: whatever they quote."""
    if value.startswith("<"):
        uri, _, behind = value[1:].partition(">")
        return uri, behind
    if "<" in value and (found := _NAME_ADDR.match(value)):
        return found[1], value[found.end() :]
    uri, semicolon, behind = value.partition(";")
    return uri, semicolon + behind


def param(value: str, name: str) -> str:
    """A header parameter outside of <>, "" if there is none."""
    tail = _address(value)[1]
    for part in _split(tail, _SEMICOLON) if '"' in tail else tail.split(";"):
        key, _, given = part.partition("=")
        if key.strip().lower() == name:
            return given.strip()
    return ""


def sendable_uri(uri: str) -> bool:
    """Whether a URI of the peer's can stand in a request line of ours."""
    return _SENDABLE.fullmatch(uri) is not None


def number(digits: str, most: int = 999_999_999) -> int | None:
    """None if it is none, or more than any that means something: int() refuses 4,300 digits, and "²"."""
    known = digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))
    return int(digits) if known and int(digits) <= most else None


def seconds(value: str) -> int | None:
    """A number of seconds before any parameters: Session-Expires, Min-SE, Retry-After; None if it is none."""
    return number(re.split(r"[;( ]", value.strip(), maxsplit=1)[0])


def without_tag(value: str) -> str:
    behind = _address(value)[1]
    rest = re.sub(r";\s*tag\s*=[^;>]*(?=;|$)", "", behind, flags=re.IGNORECASE)
    return value.removesuffix(behind) + rest


def uri_headers(uri: str) -> dict[str, str]:
    """Headers inside a URI (?Replaces=…), unescaped, names in lower case."""
    pairs = (part.partition("=") for part in uri.partition("?")[2].split("&") if part)
    return {name.lower(): unquote(value) for name, _, value in pairs}


def userinfo(text: str) -> str:
    """Whatever somebody calls himself, as the user part of a SIP URI (RFC 3261 §25.1); escaped once, also if it was."""
    return quote(unquote(text), safe="-_.!~*'()&=+$,") or "anonymous"
