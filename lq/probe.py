"""SIP OPTIONS outside of any dialog, from a socket of its own: whether somebody is there, and what he is told by it."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from typing import Final

from lq.live.values import Lease

ANSWER_S: Final = 0.4  # a node that lives answers in a millisecond; one that is stopped never does
AGAIN_S: Final = 0.1
_INCARNATION: Final = re.compile(rb";i=([^;>\s]+)>")


class _Asker(asyncio.DatagramProtocol):
    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_result(b"")  # nobody listens there


async def options(address: tuple[str, int], uri: str, headers: Sequence[str] = ()) -> bytes:
    """The answer to an OPTIONS, repeated until it comes; b"" when none does within ANSWER_S."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Asker(answered), remote_addr=address)
    try:
        own = "{}:{}".format(*transport.get_extra_info("sockname"))
        token = secrets.token_hex(8)
        lines = (
            f"OPTIONS {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};rport;branch=z9hG4bK{token}",
            "Max-Forwards: 1",
            f"From: <sip:lq@{own}>;tag={token}",
            f"To: <{uri}>",
            f"Call-ID: {token}",
            "CSeq: 1 OPTIONS",
            *headers,
            "Content-Length: 0",
        )
        async with asyncio.timeout(ANSWER_S):
            while not answered.done():
                transport.sendto("\r\n".join((*lines, "", "")).encode())
                await asyncio.wait((answered,), timeout=AGAIN_S)
        return answered.result()
    except TimeoutError:
        return b""
    finally:
        transport.close()


async def answers(lease: Lease) -> bool:
    """Whether this very incarnation is there, whatever it says; its successor has the same address."""
    return await incarnation_at(lease.address) == lease.incarnation


async def incarnation_at(address: str) -> str:
    """Which node is at host:port, whatever it says; "" if none answers."""
    host, _, port = address.rpartition(":")
    found = _INCARNATION.search(await options((host, int(port)), f"sip:lq@{address}"))
    return found[1].decode() if found else ""


async def tell_edge(edge: tuple[str, int], gone: str, heir: str) -> bool:
    """Requests for `gone` go to `heir` from now on; False when the edge did not answer: it reads that in Redis."""
    return bool(await options(edge, "sip:lq.internal", (f"X-LQ-Adopted: {gone};{heir}",)))
