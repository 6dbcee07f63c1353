"""The sockets and the clock of the user agent: with tcp.py the only part of lq/sip that does I/O."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Literal

import structlog

from lq.sip.agent import Datagram, UserAgent
from lq.sip.events import Address, Event
from lq.sip.tcp import Streams
from lq.sip.transaction import Transport

log = structlog.get_logger()

RECEIVE_BUFFER: Final = 4 << 20  # a burst of a second at 1,000 calls
MAX_UNSENT: Final = 4 << 20  # beyond it datagrams are dropped: retransmission repeats what matters
COMPLAINT_S: Final = 1.0  # a dead network is told of once a second, not once a datagram
LATE: Final = 4096  # datagrams that wait, either way, until a frozen process may act
# direction, message, peer, session (None: of no session of ours, or one that is not known any more)
Trace = Callable[[Literal["in", "out"], bytes, Address, str | None], None]


class Shell(asyncio.DatagramProtocol):
    """Feeds the user agent from a UDP and a TCP socket, sends what it queues, calls it when a timer is due.

    `trace` sees every message as it was on the wire, before its events are told (of a first INVITE, too).
    Datagrams that a call of the owner queued are the owner's to send (after his commit); what a received datagram or a
    timer queued leaves at once.
    """

    def __init__(self, agent: UserAgent, listen: Address, trace: Trace | None = None) -> None:
        self._agent, self._listen, self.trace = agent, listen, trace
        self._on_event: Callable[[Event], None] = lambda event: None
        self._transport: asyncio.DatagramTransport | None = None
        self._streams = Streams(lambda data, peer: self._received(data, peer, "tcp"), self._broken)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._closing = False
        self._complained = 0.0
        self._reopening: asyncio.Task[None] | None = None
        self.is_frozen: Callable[[], bool] = lambda: False  # while true nothing is heard nor said: `resume` when over
        self._late: deque[tuple[bytes, Address, Transport]] = deque(maxlen=LATE)
        self._unsaid: deque[Datagram] = deque(maxlen=LATE)

    async def start(self, on_event: Callable[[Event], None]) -> None:
        """Listen. Raises OSError when the address is taken."""
        self._on_event = on_event
        self.follow_clock()
        await self._open()
        try:
            await self._streams.listen(self._listen)
        except OSError:
            await self.close()
            raise

    async def close(self) -> None:
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._reopening is not None:
            self._reopening.cancel()
        if self._transport is not None:
            self._transport.close()
        await self._streams.close()

    def follow_clock(self) -> float:
        """By how many seconds the wall clock was set since this was called last. Exported sessions tell its times."""
        epoch = time.time() - time.monotonic()
        by, self._agent.epoch = epoch - self._agent.epoch, epoch
        return by

    def now(self) -> float:
        """The user agent's time: seconds, monotonic."""
        return asyncio.get_running_loop().time()

    def send(self, datagrams: Sequence[Datagram]) -> None:
        for datagram in datagrams:
            self._put(datagram)
        self._after()

    def resume(self) -> None:
        """After a freeze: say what waited for it, hear what came meanwhile."""
        while self._unsaid:
            self._put(self._unsaid.popleft())
        late, self._late = self._late, deque(maxlen=LATE)
        for data, peer, transport in late:
            self._received(data, peer, transport)
        self._arm()

    # -- asyncio.DatagramProtocol
    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._received(data, addr, "udp")

    def error_received(self, exc: Exception) -> None:
        """An ICMP answer, no route, a firewall: the transaction's timers deal with it."""
        self._complain("sip socket", str(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio closes the transport on an error that it does not expect: the node must not stay deaf."""
        if not self._closing:
            log.error("sip socket lost, opened again", error=repr(exc))
            self._reopening = asyncio.get_running_loop().create_task(self._reopen(), name="sip socket")

    # -- inside
    async def _reopen(self) -> None:
        while True:
            try:
                return await self._open()
            except OSError as error:
                log.error("sip socket not opened", error=str(error))
                await asyncio.sleep(COMPLAINT_S)

    async def _open(self) -> None:
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

    def _received(self, data: bytes, peer: Address, transport: Transport) -> None:
        if self.is_frozen():
            self._late.append((data, peer, transport))
            return
        session = self._agent.receive(data, peer, self.now(), transport)
        if self.trace is not None:
            self.trace("in", data, peer, session)
        self._flush()

    def _broken(self, peer: Address) -> None:
        self._agent.broken(peer, self.now())
        self._flush()

    def _put(self, datagram: Datagram) -> None:
        if self._closing or self._transport is None:
            return
        if self.is_frozen():
            self._unsaid.append(datagram)
            return
        if self.trace is not None:
            self.trace("out", datagram.data, datagram.destination, datagram.session)
        if datagram.transport == "tcp":
            self._streams.send(datagram.data, datagram.destination, datagram.fallback)
        elif self._transport.get_write_buffer_size() > MAX_UNSENT:  # type: ignore[attr-defined]
            self._complain("sip datagram dropped", "the kernel takes no more")
        else:
            self._transport.sendto(datagram.data, datagram.destination)

    def _complain(self, what: str, error: str) -> None:
        if (now := self.now()) - self._complained >= COMPLAINT_S:
            self._complained = now
            log.warning(what, error=error)

    def _flush(self) -> None:
        for datagram in self._agent.datagrams():
            self._put(datagram)
        self._after()

    def _after(self) -> None:
        """Tell what happened, set the clock again. An event's handler may have queued answers of its own."""
        while events := self._agent.events():
            for event in events:
                self._tell(event)
            for datagram in self._agent.datagrams():
                self._put(datagram)
        self._arm()

    def _tell(self, event: Event) -> None:
        """A fault about one call is not the others': their events are told, the clock is set."""
        try:
            self._on_event(event)
        except Exception:
            log.exception("sip event failed", event_type=type(event).__name__)

    def _arm(self) -> None:
        """One timer. One that fires too early finds nothing due and costs less than being set again each time."""
        at = self._agent.deadline()
        if at is None or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        if self.is_frozen():
            return
        try:
            self._agent.timeout(self.now())
        finally:  # a fault about one call leaves the others their timers
            self._flush()
