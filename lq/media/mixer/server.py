"""The mixer's control: JSON lines over a UNIX socket (docs/contracts.md §6). A bad line never costs the connection."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from lq.media.mixer.core import Core
from lq.media.mixer.shelf import RATE, NoSuchItem, Shelf

log = structlog.get_logger()

LONGEST_LINE: Final = 65_536
CONNECTIONS: Final = 64
ORPHAN_S: Final = 60.0  # a leg whose node went away and that nobody has joined since is dropped
VERSION: Final = 1


class BadRequest(ValueError):
    """The request cannot be carried out; the text says why."""


@dataclass(slots=True, eq=False)
class _Connection:
    writer: asyncio.StreamWriter
    watches: bool = False
    alive: bool = True

    def send(self, message: Mapping[str, Any]) -> None:
        if self.alive and not self.writer.is_closing():
            self.writer.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")


@dataclass(slots=True)
class _Leg:
    slot: int
    address: str
    owner: _Connection
    play: str = ""
    serial: int = 0
    orphan_since: float = 0.0


@dataclass(slots=True)
class Server:
    core: Core
    shelf: Shelf
    rtp: str
    boot: str = field(default_factory=lambda: secrets.token_hex(4))
    _legs: dict[str, _Leg] = field(default_factory=dict)
    _by_slot: dict[int, str] = field(default_factory=dict)
    _connections: set[_Connection] = field(default_factory=set)
    _serial: int = 0

    async def serve(self, path: Path, asked_to_leave: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.core.wake_fd, self._plays_ended)
        old = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._connected, path, limit=LONGEST_LINE)
        finally:
            os.umask(old)
        sweeping = asyncio.create_task(self._sweep())
        await asked_to_leave.wait()
        sweeping.cancel()
        loop.remove_reader(self.core.wake_fd)
        server.close()
        for connection in list(self._connections):
            connection.writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        if len(self._connections) >= CONNECTIONS:
            log.error("too many control connections")
            writer.close()
            return
        self._connections.add(connection)
        try:
            while line := await reader.readline():
                connection.send(self._answer(connection, line))
                await writer.drain()
        except (ConnectionError, ValueError) as error:  # ValueError: a line beyond the limit
            log.warning("control connection broken off", error=str(error))
        finally:
            connection.alive = False
            self._connections.discard(connection)
            self._orphan(connection)
            writer.close()

    def _answer(self, connection: _Connection, line: bytes) -> dict[str, Any]:
        id = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise BadRequest("a request is an object")
            id = request.get("id")
            verb = _VERBS.get(str(request.get("do")))
            if verb is None:
                raise BadRequest(f"unknown request {request.get('do')!r}")
            return {"id": id, "ok": True, **verb(self, connection, request)}
        except (ValueError, LookupError, TypeError) as error:
            return {"id": id, "ok": False, "error": str(error)}

    # -- requests ---------------------------------------------------------------------------------------------------
    def _ping(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"rtp": self.rtp, "legs": len(self._legs), "version": VERSION, "boot": self.boot}

    def _watch(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        connection.watches = True
        return {}

    def _join(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        name, address = _text(request, "leg"), _text(request, "address")
        leg = self._legs.get(name)
        if leg is not None and leg.address == address:
            leg.owner, leg.orphan_since = connection, 0.0
            return {}
        if leg is not None:
            self._drop(name)
        host, _, port = address.rpartition(":")
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise BadRequest(f"address {address!r}: expected ip:port")
        ip = str(ipaddress.IPv4Address(host))
        slot = self.core.join(ip, int(port))
        if slot is None:
            raise BadRequest(f"no room for {address}: it is joined already, or all legs are taken")
        self._legs[name] = _Leg(slot, address, connection)
        self._by_slot[slot] = name
        return {}

    def _play(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        leg, play = self._leg(request), _text(request, "play")
        items, repeat = request.get("items"), request.get("repeat", 1)
        if not isinstance(items, list) or not items or not all(isinstance(item, str) for item in items):
            raise BadRequest("items: expected a list of names")
        if not isinstance(repeat, int) or not 0 <= repeat <= 100:
            raise BadRequest("repeat: expected 0 (for ever) to 100")
        audio = self.shelf.sequence(items * max(1, repeat))
        started = request.get("started_at") or 0
        if not isinstance(started, int):
            raise BadRequest("started_at: expected ms of the epoch")
        at = max(0, int(time.time() * 1000) - started) * RATE if started else 0
        at = at % len(audio) if repeat == 0 and audio else min(at, len(audio))
        self._serial += 1
        leg.play, leg.serial, leg.owner = play, self._serial, connection
        self.core.play(leg.slot, audio, at=at, repeat=repeat == 0, serial=self._serial)
        return {"duration_ms": len(audio) // RATE}

    def _stop(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        leg = self._leg(request)
        leg.play, leg.serial = "", 0
        self.core.silence(leg.slot)
        return {}

    def _echo(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        leg = self._leg(request)
        leg.play, leg.serial = "", 0
        self.core.echo(leg.slot)
        return {}

    def _leave(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        name = _text(request, "leg")
        if name in self._legs:
            self._drop(name)
        return {}

    def _stats(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        figures = self.core.figures()
        late = sorted(figures.lateness_us) or [0]
        return {
            "legs": len(self._legs),
            "ticks": figures.ticks,
            "received": figures.received,
            "sent": figures.sent,
            "strangers": figures.strangers,
            "late_us": {"p50": late[len(late) // 2], "p99": late[len(late) * 99 // 100], "max": late[-1]},
        }

    # -- inside -------------------------------------------------------------------------------------------------------
    def _leg(self, request: Mapping[str, Any]) -> _Leg:
        name = _text(request, "leg")
        leg = self._legs.get(name)
        if leg is None:
            raise BadRequest(f"no leg {name!r}: join it first")
        return leg

    def _drop(self, name: str) -> None:
        leg = self._legs.pop(name)
        del self._by_slot[leg.slot]
        self.core.leave(leg.slot)

    def _plays_ended(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.core.wake_fd, 8)
        for slot, serial in self.core.ended():
            name = self._by_slot.get(slot, "")
            leg = self._legs.get(name)
            if leg is None or leg.serial != serial:
                continue  # replaced at the same moment
            event = {"event": "played", "leg": name, "play": leg.play, "complete": True}
            leg.play, leg.serial = "", 0
            for connection in {leg.owner, *(c for c in self._connections if c.watches)}:
                connection.send(event)

    def _orphan(self, connection: _Connection) -> None:
        for leg in self._legs.values():
            if leg.owner is connection:
                leg.orphan_since = time.monotonic()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(ORPHAN_S / 4)
            limit = time.monotonic() - ORPHAN_S
            for name in [name for name, leg in self._legs.items() if 0 < leg.orphan_since < limit]:
                log.warning("leg dropped: nobody has claimed it", leg=name)
                self._drop(name)


def _text(request: Mapping[str, Any], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise BadRequest(f"{key}: expected a text")
    return value


_Verb = Callable[[Server, _Connection, Mapping[str, Any]], dict[str, Any]]
_VERBS: Final[Mapping[str, _Verb]] = {
    "ping": Server._ping,
    "watch": Server._watch,
    "join": Server._join,
    "play": Server._play,
    "stop": Server._stop,
    "echo": Server._echo,
    "leave": Server._leave,
    "stats": Server._stats,
}

__all__ = ["BadRequest", "NoSuchItem", "Server"]
