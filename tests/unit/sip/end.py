"""A user agent on real sockets: loopback, a port that was free a moment ago, for UDP and TCP."""

from __future__ import annotations

import asyncio
import random
import socket

from lq.sip import events as ev
from lq.sip.agent import UserAgent
from lq.sip.digest import Credentials
from lq.sip.shell import Shell
from lq.sip.transaction import Transport


def free_port(*, with_next: bool = False) -> tuple[str, int]:
    """Free for UDP and TCP; `with_next`: the one above it is free for TCP."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as stream:
            udp.bind(("127.0.0.1", 0))
            host, port = udp.getsockname()
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if not _taken(stream, host, port) and not (with_next and _next_taken(host, port)):
                return host, port
    raise OSError("no port is free for UDP and TCP")


def _next_taken(host: str, port: int) -> bool:
    with socket.socket() as stream:
        return _taken(stream, host, port + 1)


def _taken(stream: socket.socket, host: str, port: int) -> bool:
    try:
        stream.bind((host, port))
    except OSError:
        return True
    return False


class End:
    """A user agent with sockets; what it is told waits in `told`."""

    def __init__(
        self,
        next_hop: tuple[str, int] = ("127.0.0.1", 9),
        transport: Transport = "udp",
        accounts: dict[str, Credentials] | None = None,
        address: tuple[str, int] | None = None,
        contact: str = "",
    ) -> None:
        self.address = address or free_port()
        host, port = self.address
        self.ua = UserAgent(
            via=f"{host}:{port}",
            contact=contact or f"<sip:lq@{host}:{port}>",
            next_hop=next_hop,
            rng=random.Random(),
            transport=transport,
            accounts=(accounts or {}).get,
        )
        self.shell = Shell(self.ua, self.address)
        self.told: asyncio.Queue[ev.Event] = asyncio.Queue()

    async def hears(self, kind: type[ev.Event]) -> ev.Event:
        async with asyncio.timeout(10):
            while True:
                event = await self.told.get()
                if isinstance(event, kind):
                    return event

    def call(self, sdp: str = "v=0 offer") -> str:
        session = self.ua.invite("sip:b@there", local="<sip:a@here>", sdp=sdp, now=self.shell.now())
        self.go()
        return session

    def go(self) -> None:
        self.shell.send(self.ua.datagrams())
