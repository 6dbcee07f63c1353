"""HEP version 3, in which capture servers (Homer and others) are told of SIP messages. Pure.

Source: "HEP3/EEP protocol" of the sipcapture project: a header `HEP3` + total length, then chunks of vendor id, type
id, length (its own 6 bytes included), payload; all big-endian. Vendor 0 is the generic one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

MAGIC: Final = b"HEP3"
SIP: Final = 1  # protocol type
AGENT_ID: Final = 2001  # who captures; servers show it
_IP_PROTOCOL: Final = {"UDP": 17, "TCP": 6}
_FAMILY: Final = {4: 2, 6: 10}  # as in Linux's socket.h
MOST: Final = 65_535 - 28  # what one datagram carries

Address = tuple[str, int]


def encode(
    at_us: int, source: Address, destination: Address, payload: bytes, *, correlation: str = "", transport: str = "UDP"
) -> bytes:
    """One message as one datagram; `at_us`: µs of the epoch. Raises ValueError on an address that is no IP, or when it
    is too long for a datagram."""
    body = b"".join(_chunks(at_us, source, destination, payload, correlation, transport))
    if len(body) + 6 > MOST:
        raise ValueError(f"a message of {len(payload)} bytes does not fit into one datagram")
    return MAGIC + struct.pack("!H", len(body) + 6) + body


def _chunks(
    at_us: int, source: Address, destination: Address, payload: bytes, correlation: str, transport: str
) -> Iterator[bytes]:
    here, there = ip_address(source[0]), ip_address(destination[0])
    seconds, microseconds = divmod(at_us, 1_000_000)
    first = 3 if here.version == 4 else 5
    yield _chunk(1, struct.pack("!B", _FAMILY[here.version]))
    yield _chunk(2, struct.pack("!B", _IP_PROTOCOL.get(transport, 17)))
    yield _chunk(first, here.packed)
    yield _chunk(first + 1, there.packed)
    yield _chunk(7, struct.pack("!H", source[1]))
    yield _chunk(8, struct.pack("!H", destination[1]))
    yield _chunk(9, struct.pack("!I", seconds))
    yield _chunk(10, struct.pack("!I", microseconds))
    yield _chunk(11, struct.pack("!B", SIP))
    yield _chunk(12, struct.pack("!I", AGENT_ID))
    yield _chunk(15, payload)
    if correlation:
        yield _chunk(17, correlation.encode())


def _chunk(type: int, payload: bytes) -> bytes:
    return struct.pack("!HHH", 0, type, len(payload) + 6) + payload
