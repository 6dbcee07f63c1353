"""TCP connections of the user agent: one per peer, used both ways, bounded, given up when the peer does not read."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Final, cast

import structlog

from lq.sip.events import Address
from lq.sip.stream import PING, PONG, BadStream, Framer

log = structlog.get_logger()

CONNECT_S: Final = 2.0
MAX_CONNECTIONS: Final = 200
MAX_UNSENT: Final = 1 << 20  # bytes that a peer has not read (R12)
SILENT_MS: Final = 10_000  # so long data may stay unacknowledged: a dead peer is found out before timer F
_ALIAS: Final = re.compile(
    rb"\r\n(?:via|v)[ \t]*:[ \t]*SIP/2\.0/TCP[ \t]+([\d.]+)(?::(\d+))?[^\r\n]*;alias", re.IGNORECASE
)


class Connection(asyncio.Protocol):
    """One connection. What is sent before it stands waits."""

    def __init__(self, streams: Streams, peer: Address | None = None) -> None:
        self._streams = streams
        self.peer = peer or ("", 0)
        self.known_as: set[Address] = {peer} if peer else set()
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none of asyncio's classes
        self._transport = made = cast(asyncio.Transport, transport)
        host, port = transport.get_extra_info("peername")[:2]
        self.peer = (host, port)
        _watch_over(transport.get_extra_info("socket"))
        self._streams.opened(self)
        for data in self._waiting:
            made.write(data)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._framer.feed(data)
        except BadStream as bad:
            log.warning("sip connection given up", peer=self.peer, error=str(bad))
            self.abort()
            return
        for message in messages:
            if message == PING:
                self.write(PONG)
            else:
                self._streams.arrived(self, message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._streams.lost(self, exc)

    def write(self, data: bytes) -> None:
        unsent = sum(map(len, self._waiting)) if self._transport is None else self._transport.get_write_buffer_size()
        if unsent + len(data) > MAX_UNSENT:
            log.warning("sip connection given up: the peer does not read", peer=self.peer, unsent=unsent)
            self.abort()
        elif self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """What was written is still sent."""
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.abort()


class Streams:
    """All connections. `receive` gets whole messages, `broken` the address that has none any more."""

    def __init__(self, receive: Callable[[bytes, Address], None], broken: Callable[[Address], None]) -> None:
        self._receive, self._broken = receive, broken
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, None] = {}  # that stand; who was heard last is last
        self._by_peer: dict[Address, Connection] = {}  # under each name that they have
        self._dialling: set[asyncio.Task[None]] = set()
        self._closing = False

    async def listen(self, address: Address) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self), *address)

    async def close(self) -> None:
        self._closing = True
        for task in self._dialling:
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()

    def send(self, data: bytes, destination: Address, fallback: Address | None) -> None:
        connection = self._by_peer.get(destination)
        if connection is None or not connection.open:
            connection = self._dial(fallback or destination)
        connection.write(data)

    def _dial(self, peer: Address) -> Connection:
        known = self._by_peer.get(peer)
        if known is not None and known.open:
            return known
        connection = self._by_peer[peer] = Connection(self, peer)
        task = asyncio.get_running_loop().create_task(self._connect(connection, peer), name=f"sip tcp {peer}")
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)
        return connection

    async def _connect(self, connection: Connection, peer: Address) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().create_connection(lambda: connection, *peer)
        except (OSError, TimeoutError) as error:
            connection.open = False
            self.lost(connection, error)

    # -- what connections tell
    def opened(self, connection: Connection) -> None:
        connection.known_as.add(connection.peer)
        self._by_peer[connection.peer] = connection
        self._connections[connection] = None
        if len(self._connections) > MAX_CONNECTIONS:
            silent = next(iter(self._connections))  # for longest
            del self._connections[silent]
            silent.abort()

    def arrived(self, connection: Connection, message: bytes) -> None:
        if self._connections.pop(connection, True) is None:
            self._connections[connection] = None
        if found := _ALIAS.search(message[:1000]):  # RFC 5923: requests to that address may use this connection
            self._alias(connection, found[1].decode(), int(found[2] or 5060))
        self._receive(message, connection.peer)

    def _alias(self, connection: Connection, host: str, port: int) -> None:
        """Only for the host that the connection comes from, and never in place of one that stands."""
        if host == connection.peer[0] and (host, port) not in self._by_peer:
            connection.known_as.add((host, port))
            self._by_peer[(host, port)] = connection

    def lost(self, connection: Connection, error: Exception | None) -> None:
        self._connections.pop(connection, None)
        for name in connection.known_as:
            if self._by_peer.get(name) is connection:
                del self._by_peer[name]
        if self._closing:
            return
        if error is not None:
            log.warning("sip connection lost", peer=connection.peer, error=str(error) or type(error).__name__)
        for name in connection.known_as:
            self._broken(name)


def _watch_over(sock: socket.socket) -> None:
    """The kernel finds a peer that vanished, in seconds instead of a quarter of an hour."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_MS)
