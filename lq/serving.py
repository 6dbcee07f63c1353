"""A server of Sanic: HTTP on loopback and, where others come, HTTPS with the center's certificate (contracts.md §1).

Sanic's own second listener runs the application's start and end twice. This one is a listener and no more.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from sanic import Sanic
from sanic.server import HttpProtocol, Signal
from sanic.server.protocols.websocket_protocol import WebSocketProtocol

log = structlog.get_logger()

LOOK_EVERY_S: Final = 60.0
HANDSHAKE_S: Final = 10.0


def run(app: Sanic[Any, Any], listen: str, tls: str = "") -> None:
    """Until it is asked to end. `tls`: host:port of HTTPS, by edge.crt and edge.key in $LCALL_TLS; "": none."""
    if tls:
        directory = Path(os.environ.get("LCALL_TLS", ""))
        if (directory / "edge.crt").is_file() and (directory / "edge.key").is_file():
            _attach(app, tls, Certificate(directory))
        else:
            log.warning("no HTTPS: there is no certificate", directory=str(directory))
    host, _, port = listen.rpartition(":")
    app.run(host=host, port=int(port), single_process=True, motd=False, access_log=False)


class Certificate:
    """What stands in the files, for each connection that is made; a new one needs no restart."""

    def __init__(self, directory: Path) -> None:
        self._files = directory / "edge.crt", directory / "edge.key"
        self._seen = self._state()
        self.context = self._read(_context())

    async def follow(self) -> None:
        """Until cancelled. A pair that does not fit, for it is being written, is looked at again."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        try:
            if (state := self._state()) == self._seen:
                return
            self._read(_context())
            self._read(self.context)
        except (OSError, ssl.SSLError) as error:
            log.warning("the new certificate cannot be used, the old one stays", error=str(error))
        else:
            self._seen = state
            log.info("a new certificate is in use")

    def _state(self) -> tuple[tuple[int, int], ...]:
        return tuple((found.st_mtime_ns, found.st_ino) for found in (file.stat() for file in self._files))

    def _read(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.load_cert_chain(*self._files)
        return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _attach(app: Sanic[Any, Any], address: str, certificate: Certificate) -> None:
    host, _, port = address.rpartition(":")
    connections: set[HttpProtocol] = set()
    signal = Signal()

    @app.before_server_start
    async def listen(app: Sanic[Any, Any]) -> None:
        loop = asyncio.get_running_loop()
        protocol = partial(
            WebSocketProtocol if app.websocket_enabled else HttpProtocol,
            loop=loop, app=app, signal=signal, connections=connections, state={},
        )  # fmt: skip
        if app.websocket_enabled:
            names = ("MAX_SIZE", "PING_INTERVAL", "PING_TIMEOUT")
            given = {f"websocket_{name.lower()}": app.config[f"WEBSOCKET_{name}"] for name in names}
            protocol = partial(protocol, **given)
        app.ctx.tls = await loop.create_server(
            protocol, host.strip("[]"), int(port), ssl=certificate.context, ssl_handshake_timeout=HANDSHAKE_S
        )
        app.ctx.certificate = asyncio.create_task(certificate.follow())

    @app.before_server_stop
    async def take_no_more(app: Sanic[Any, Any]) -> None:
        app.ctx.tls.close()
        app.ctx.certificate.cancel()
        signal.stopped = True
        for connection in list(connections):
            connection.close_if_idle()

    @app.after_server_stop  # before the others of its kind: what these close is still there
    async def see_off(app: Sanic[Any, Any]) -> None:
        until = asyncio.get_running_loop().time() + app.config.GRACEFUL_SHUTDOWN_TIMEOUT
        while connections and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(0.05)
        for connection in list(connections):
            if connection.transport is not None:
                connection.transport.abort()
