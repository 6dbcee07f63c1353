"""SIP messages out of a byte stream (RFC 3261 §18.3): cut by Content-Length, and bounded. Pure."""

from __future__ import annotations

import re
from typing import Final

from lq.sip.message import MAX_SIZE

MAX_HEAD: Final = 16_384
PING: Final = b"\r\n\r\n"  # keep-alive; to be answered by PONG (RFC 5626 §3.5.1)
PONG: Final = b"\r\n"
_LENGTH: Final = re.compile(rb"\r\n(?:content-length|l)[ \t]*:\s*([^\r\n]*)(?=\r\n)", re.IGNORECASE)


class BadStream(ValueError):
    """Where a message ends cannot be told any more; the connection is of no use."""


class Framer:
    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # so much holds no end of a head

    def feed(self, data: bytes) -> list[bytes]:
        """Whole messages, and PING for a keep-alive. Raises BadStream."""
        self._buffer += data
        out: list[bytes] = []
        while self._buffer:
            found = self._keep_alive() or self._message()
            if found is None:
                break
            if found != PONG:  # the answer to a ping of ours
                out.append(found)
        return out

    def _keep_alive(self) -> bytes | None:
        """All line ends before a message at once: a flood of pings costs one answer a read."""
        length = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        if not length:
            return None
        del self._buffer[:length]
        self._searched = 0
        return PING if length >= len(PING) else PONG

    def _message(self) -> bytes | None:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end > MAX_HEAD or (end < 0 and len(buffer) > MAX_HEAD):
            raise BadStream(f"no end of headers within {MAX_HEAD} bytes")
        if end < 0:
            self._searched = len(buffer)
            return None
        self._searched = end
        total = end + 4 + _length(bytes(buffer[: end + 2]))
        if total > MAX_SIZE:
            raise BadStream(f"message of {total} bytes")
        if len(buffer) < total:
            return None
        message = bytes(buffer[:total])
        del buffer[:total]
        self._searched = 0
        return message


def _length(head: bytes) -> int:
    """Content-Length, which a stream must have (§18.3)."""
    found = {value.rstrip(b" \t") for value in _LENGTH.findall(head)}
    if len(found) != 1:
        raise BadStream("no Content-Length" if not found else "more than one Content-Length")
    (value,) = found
    if not value.isdigit() or len(value) > 6:
        raise BadStream(f"Content-Length {value[:20]!r}")
    return int(value)
