"""The mixer's control: JSON lines over a UNIX socket (docs/contracts.md §6).

A bad line costs nobody the connection; one that is too long does, for where the next begins is not known. A connection
that is lost leaves its legs playing: its node, or another, joins them again, or they are dropped after a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from lq.media.mixer.core import Core
from lq.media.mixer.shelf import RATE, Shelf

log = structlog.get_logger()

LONGEST_LINE: Final = 65_536
MOST_ITEMS: Final = 200
MOST_REPEATS: Final = 100
CONNECTIONS: Final = 64
ORPHAN_S: Final = 60.0  # a leg whose node went away and that nobody has joined since is dropped
VERSION: Final = 1


class BadRequest(ValueError):
    """The request cannot be carried out; the text says why."""


@dataclass(slots=True, eq=False)
class _Connection:
    writer: asyncio.StreamWriter

    def send(self, message: Mapping[str, Any]) -> None:
        """What a client leaves unread is bounded: no request of his is taken then, and each leg plays to one end."""
        if not self.writer.is_closing():
            self.writer.write(json.dumps(message).encode() + b"\n")


@dataclass(slots=True)
class _Leg:
    slot: int
    address: str
    owner: _Connection
    play: str = ""
    serial: int = 0
    orphan_since: float | None = None  # monotonic


@dataclass(slots=True)
class Server:
    core: Core
    shelf: Shelf
    rtp: str
    orphan_s: float = ORPHAN_S
    _legs: dict[str, _Leg] = field(default_factory=dict)
    _by_slot: dict[int, str] = field(default_factory=dict)
    _by_address: dict[str, str] = field(default_factory=dict)
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
        except ValueError:  # a line beyond the limit
            connection.send({"id": None, "ok": False, "error": f"a line of more than {LONGEST_LINE} bytes"})
        except ConnectionError as error:
            log.warning("control connection broken off", error=str(error))
        finally:
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
        except (ValueError, LookupError, RecursionError) as error:
            return {"id": id, "ok": False, "error": str(error)}

    # -- requests ---------------------------------------------------------------------------------------------------
    def _ping(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"rtp": self.rtp, "legs": len(self._legs), "version": VERSION}

    def _join(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        name = _text(request, "leg")
        ip, port = _address(request)
        address = f"{ip}:{port}"
        leg = self._legs.get(name)
        if leg is not None and leg.address == address:
            leg.owner, leg.orphan_since = connection, None
            return {}
        if leg is not None:
            self._drop(name)
        former = self._by_address.get(address)
        if former is not None:  # rtpengine gives a port to one leg at a time: the former is over
            log.warning("address of a leg that was never left", leg=former, now=name)
            self._drop(former)
        slot = self.core.join(ip, port)
        if slot is None:
            raise BadRequest("all legs are taken")
        self._legs[name] = _Leg(slot, address, connection)
        self._by_slot[slot] = self._by_address[address] = name
        return {}

    def _play(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        leg, play = self._leg(request), _text(request, "play")
        repeat = _number(request, "repeat", 1, MOST_REPEATS)
        started = _number(request, "started_at", 0, 1 << 53)
        audio = self.shelf.sequence(_items(request))
        at, times = 0, repeat
        if started and audio:
            rounds, at = divmod(max(0, int(time.time() * 1000) - started) * RATE, len(audio))
            if repeat and rounds >= repeat:
                at, times = len(audio), 1  # it would have ended: so it does now
            elif repeat:
                times = repeat - rounds
        self._serial = self._serial % 0xFFFF_FFFF + 1
        leg.play, leg.serial, leg.owner, leg.orphan_since = play, self._serial, connection, None
        self.core.play(leg.slot, audio, at=at, times=times, serial=self._serial)
        return {"duration_ms": len(audio) * max(1, repeat) // RATE}

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
            "skipped": figures.skipped,
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
        del self._by_slot[leg.slot], self._by_address[leg.address]
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
            leg.owner.send(event)

    def _orphan(self, connection: _Connection) -> None:
        for leg in self._legs.values():
            if leg.owner is connection:
                leg.orphan_since = time.monotonic()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self.orphan_s / 4)
            limit = time.monotonic() - self.orphan_s
            for name in [n for n, leg in self._legs.items() if leg.orphan_since and leg.orphan_since < limit]:
                log.warning("leg dropped: nobody has claimed it", leg=name)
                self._drop(name)


def _text(request: Mapping[str, Any], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise BadRequest(f"{key}: expected a text")
    return value


def _address(request: Mapping[str, Any]) -> tuple[str, int]:
    address = _text(request, "address")
    host, _, port = address.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadRequest(f"address {address!r}: expected ip:port")
    return str(ipaddress.IPv4Address(host)), int(port)


def _items(request: Mapping[str, Any]) -> list[str]:
    items = request.get("items")
    if not isinstance(items, list) or not 0 < len(items) <= MOST_ITEMS or not all(isinstance(i, str) for i in items):
        raise BadRequest(f"items: expected 1 to {MOST_ITEMS} names")
    return items


def _number(request: Mapping[str, Any], key: str, default: int, most: int) -> int:
    value = request.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadRequest(f"{key}: expected a whole number from 0 to {most}")
    return value


_Verb = Callable[[Server, _Connection, Mapping[str, Any]], dict[str, Any]]
_VERBS: Final[Mapping[str, _Verb]] = {
    "ping": Server._ping,
    "join": Server._join,
    "play": Server._play,
    "stop": Server._stop,
    "echo": Server._echo,
    "leave": Server._leave,
    "stats": Server._stats,
}
