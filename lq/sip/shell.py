"""The socket and the clock of the user agent: the only part of lq/sip that does I/O."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final, Literal

import structlog

from lq.sip.agent import Datagram, UserAgent
from lq.sip.events import Address, Event

log = structlog.get_logger()

RECEIVE_BUFFER: Final = 4 << 20  # a burst of a second at 1,000 calls
Trace = Callable[[Literal["in", "out"], bytes, Address], None]


class Shell(asyncio.DatagramProtocol):
    """Feeds the user agent from a UDP socket, sends what it queues, calls it when a timer is due.

    `trace` sees every datagram. Datagrams that a call of the owner queued are the owner's to send (after his commit);
    what a received datagram or a timer queued leaves at once.
    """

    def __init__(self, agent: UserAgent, listen: Address, trace: Trace | None = None) -> None:
        self._agent, self._listen, self._trace = agent, listen, trace
        self._on_event: Callable[[Event], None] = lambda event: None
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, on_event: Callable[[Event], None]) -> None:
        """Listen. Raises OSError when the address is taken."""
        self._on_event = on_event
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.setblocking(False)
        try:
            sock.bind(self._listen)
        except OSError:
            sock.close()
            raise
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def now(self) -> float:
        """The user agent's time: seconds, monotonic."""
        return asyncio.get_running_loop().time()

    def send(self, datagrams: Sequence[Datagram]) -> None:
        for datagram in datagrams:
            self._put(datagram.data, datagram.destination)
        self._after()

    # -- asyncio.DatagramProtocol
    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self._trace is not None:
            self._trace("in", data, addr)
        self._agent.receive(data, addr, self.now())
        self._flush()

    def error_received(self, exc: Exception) -> None:
        log.warning("sip socket", error=str(exc))  # an ICMP answer; the transaction's timers deal with it

    # -- inside
    def _put(self, data: bytes, destination: Address) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._trace is not None:
            self._trace("out", data, destination)
        self._transport.sendto(data, destination)

    def _flush(self) -> None:
        for datagram in self._agent.datagrams():
            self._put(datagram.data, datagram.destination)
        self._after()

    def _after(self) -> None:
        """Tell what happened, set the clock again. An event's handler may have queued answers of its own."""
        while events := self._agent.events():
            for event in events:
                self._on_event(event)
            for datagram in self._agent.datagrams():
                self._put(datagram.data, datagram.destination)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._agent.deadline()
        if at is not None:
            self._timer = asyncio.get_running_loop().call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        self._agent.timeout(self.now())
        self._flush()
