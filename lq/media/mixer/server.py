"""The mixer's control: JSON lines over a UNIX socket (docs/contracts.md §6).

A bad line costs nobody the connection; one that is too long does, for where the next begins is not known. A connection
that is lost leaves its legs playing: its node, or another, joins them again, or they are dropped after a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from lq.media.mixer import asked
from lq.media.mixer.core import MOST_WHISPERS, NO_ROOM, Core
from lq.media.mixer.shelf import RATE, Shelf

log = structlog.get_logger()

LONGEST_LINE: Final = 65_536
CONNECTIONS: Final = 64
ORPHAN_S: Final = 60.0  # a leg whose node went away and that nobody has joined since is dropped
LEAVING_S: Final = 0.05  # at the end everything fades for a tick
VERSION: Final = 2


@dataclass(slots=True, eq=False)
class _Connection:
    writer: asyncio.StreamWriter

    def send(self, message: Mapping[str, Any]) -> None:
        """What a client leaves unread is bounded: no request of his is taken then, and each leg plays to one end."""
        if not self.writer.is_closing():
            self.writer.write(json.dumps(message).encode() + b"\n")


@dataclass(slots=True)
class _Source:
    """Where something plays: to a leg, or into a room."""

    owner: _Connection
    play: str = ""
    serial: int = 0


@dataclass(slots=True)
class _Leg(_Source):
    slot: int = 0
    address: str = ""
    orphan_since: float | None = None  # monotonic
    room: str = ""
    talk: bool = True
    hear: bool = True
    whisper: tuple[str, ...] = ()  # names, of legs that may not have been joined yet


@dataclass(slots=True)
class _Room(_Source):
    number: int = 0
    members: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Server:
    core: Core
    shelf: Shelf
    rtp: str
    orphan_s: float = ORPHAN_S
    priority: str = ""
    _legs: dict[str, _Leg] = field(default_factory=dict)
    _by_slot: dict[int, str] = field(default_factory=dict)
    _by_address: dict[str, str] = field(default_factory=dict)
    _rooms: dict[str, _Room] = field(default_factory=dict)
    _by_number: dict[int, str] = field(default_factory=dict)
    _whisperers: set[str] = field(default_factory=set)
    _connections: set[_Connection] = field(default_factory=set)
    _serial: int = 0

    async def serve(self, path: Path, asked_to_leave: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.core.wake_fd, self._news)
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
        await self._fall_silent()
        for connection in list(self._connections):
            connection.writer.close()

    async def _fall_silent(self) -> None:
        """No click at the end. Nobody is waited for: a successor has all legs again within a second."""
        for leg in self._legs.values():
            self.core.silence(leg.slot)
            self.core.enter(leg.slot, NO_ROOM, talk=False, hear=False)
        if self._legs:
            await asyncio.sleep(LEAVING_S)

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
                raise asked.BadRequest("a request is an object")
            id = request.get("id")
            verb = _VERBS.get(str(request.get("do")))
            if verb is None:
                raise asked.BadRequest(f"unknown request {request.get('do')!r}")
            return {"id": id, "ok": True, **verb(self, connection, request)}
        except (ValueError, LookupError, RecursionError) as error:
            return {"id": id, "ok": False, "error": str(error)}

    # -- requests ---------------------------------------------------------------------------------------------------
    def _ping(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"rtp": self.rtp, "legs": len(self._legs), "version": VERSION}

    def _join(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        name = asked.text(request, "leg")
        ip, port = asked.address(request)
        dtmf = asked.flag(request, "dtmf", None)
        address = f"{ip}:{port}"
        leg = self._legs.get(name)
        if leg is not None and leg.address == address:
            leg.owner, leg.orphan_since = connection, None
        else:
            leg = self._new_leg(name, connection, ip, port)
        if dtmf is not None:
            self.core.listen_for_keys(leg.slot, dtmf)
        return {}

    def _new_leg(self, name: str, connection: _Connection, ip: str, port: int) -> _Leg:
        address = f"{ip}:{port}"
        if name in self._legs:
            self._drop(name)
        former = self._by_address.get(address)
        if former is not None:  # rtpengine gives a port to one leg at a time: the former is over
            log.warning("address of a leg that was never left", leg=former, now=name)
            self._drop(former)
        slot = self.core.join(ip, port)
        if slot is None:
            raise asked.BadRequest("all legs are taken")
        leg = self._legs[name] = _Leg(connection, slot=slot, address=address)
        self._by_slot[slot] = self._by_address[address] = name
        for whisperer in [self._legs[each] for each in self._whisperers if name in self._legs[each].whisper]:
            self._enter(whisperer)
        return leg

    def _dtmf(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        self.core.listen_for_keys(self._leg(request).slot, bool(asked.flag(request, "on", True)))
        return {}

    def _room(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        """The whole of what a leg does in rooms: what is not said is as it is by default, not as it was."""
        leg = self._leg(request)
        room = "" if request.get("room") is None else asked.text(request, "room")
        talk, hear = bool(asked.flag(request, "talk", True)), bool(asked.flag(request, "hear", True))
        whisper = asked.names(request, "whisper", MOST_WHISPERS)
        number = self._open(room, connection) if room else NO_ROOM
        former, leg.room, leg.talk, leg.hear, leg.whisper = leg.room, room, talk, hear, whisper
        name = self._by_slot[leg.slot]
        if number != NO_ROOM:
            self._rooms[room].members.add(name)
        (self._whisperers.add if whisper else self._whisperers.discard)(name)
        self._enter(leg)
        if former != room:
            self._out_of(former, name)
        return {}

    def _open(self, name: str, connection: _Connection) -> int:
        room = self._rooms.get(name)
        if room is None:
            number = self.core.open_room()
            if number is None:
                raise asked.BadRequest("all rooms are taken")
            room = self._rooms[name] = _Room(connection, number=number)
            self._by_number[number] = name
        return room.number

    def _enter(self, leg: _Leg) -> None:
        number = self._rooms[leg.room].number if leg.room else NO_ROOM
        whisper = [self._legs[each].slot for each in leg.whisper if each in self._legs]
        self.core.enter(leg.slot, number, talk=leg.talk, hear=leg.hear, whisper=whisper)

    def _out_of(self, room: str, leg: str) -> None:
        """A room is there as long as somebody is in it."""
        if not room:
            return
        self._rooms[room].members.discard(leg)
        if not self._rooms[room].members:
            number = self._rooms.pop(room).number
            del self._by_number[number]
            self.core.close_room(number)

    def _play(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        source, play = self._source(request), asked.text(request, "play")
        repeat = asked.number(request, "repeat", 1, asked.MOST_REPEATS)
        started = asked.number(request, "started_at", 0, 1 << 53)
        audio = self.shelf.sequence(asked.items(request))
        source.owner = connection
        if isinstance(source, _Leg):
            source.orphan_since = None
        if play != source.play:  # else it plays: who asks again, or took the leg over, hears of its end
            self._begin(source, play, audio, repeat, started)
        return {"duration_ms": len(audio) * max(1, repeat) // RATE}

    def _begin(self, source: _Leg | _Room, play: str, audio: bytes, repeat: int, started: int) -> None:
        at, times = 0, repeat
        if started and audio:
            rounds, at = divmod(max(0, int(time.time() * 1000) - started) * RATE, len(audio))
            if repeat and rounds >= repeat:
                at, times = len(audio), 1  # it would have ended: so it does now
            elif repeat:
                times = repeat - rounds
        self._serial = self._serial % 0xFFFF_FFFF + 1
        source.play, source.serial = play, self._serial
        if isinstance(source, _Leg):
            self.core.play(source.slot, audio, at=at, times=times, serial=self._serial)
        else:
            self.core.play_into(source.number, audio, at=at, times=times, serial=self._serial)

    def _stop(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        source = self._source(request)
        source.play, source.serial = "", 0
        if isinstance(source, _Leg):
            self.core.silence(source.slot)
        else:
            self.core.silence_in(source.number)
        return {}

    def _echo(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        leg = self._leg(request)
        former, name = leg.room, self._by_slot[leg.slot]
        leg.play, leg.serial, leg.room, leg.whisper = "", 0, "", ()
        self._whisperers.discard(name)
        self._enter(leg)
        self._out_of(former, name)
        self.core.echo(leg.slot)
        return {}

    def _leave(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        name = asked.text(request, "leg")
        if name in self._legs:
            self._drop(name)
        return {}

    def _stats(self, connection: _Connection, request: Mapping[str, Any]) -> dict[str, Any]:
        """Of a leg, of those in a room, or of the process."""
        if request.get("leg") is not None:
            return self._leg_stats(self._leg(request))
        if request.get("room") is not None:
            members = sorted(self._room_of(request).members)
            return {"legs": {name: self._leg_stats(self._legs[name]) for name in members}}
        figures = self.core.figures()
        late = sorted(figures.lateness_us) or [0]
        return {
            "legs": len(self._legs),
            "rooms": len(self._rooms),
            "connections": len(self._connections),
            "ticks": figures.ticks,
            "received": figures.received,
            "sent": figures.sent,
            "strangers": figures.strangers,
            "skipped": figures.skipped,
            "priority": self.priority,
            "late_us": {"p50": late[len(late) // 2], "p99": late[len(late) * 99 // 100], "max": late[-1]},
        }

    def _leg_stats(self, leg: _Leg) -> dict[str, Any]:
        return {
            "address": leg.address,
            "room": leg.room or None,
            "talk": leg.talk,
            "hear": leg.hear,
            "play": leg.play or None,
            **dataclasses.asdict(self.core.leg_figures(leg.slot)),
        }

    # -- inside -------------------------------------------------------------------------------------------------------
    def _leg(self, request: Mapping[str, Any]) -> _Leg:
        name = asked.text(request, "leg")
        leg = self._legs.get(name)
        if leg is None:
            raise asked.BadRequest(f"no leg {name!r}: join it first")
        return leg

    def _source(self, request: Mapping[str, Any]) -> _Leg | _Room:
        return self._leg(request) if request.get("room") is None else self._room_of(request)

    def _room_of(self, request: Mapping[str, Any]) -> _Room:
        name = asked.text(request, "room")
        room = self._rooms.get(name)
        if room is None:
            raise asked.BadRequest(f"nobody is in room {name!r}")
        return room

    def _drop(self, name: str) -> None:
        leg = self._legs.pop(name)
        del self._by_slot[leg.slot], self._by_address[leg.address]
        self._whisperers.discard(name)
        self.core.leave(leg.slot)
        self._out_of(leg.room, name)

    def _news(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.core.wake_fd, 8)
        for kind, number, serial in self.core.ended():
            self._ended(kind, number, serial)
        for slot, digit, ms in self.core.digits():
            name = self._by_slot.get(slot)
            if name is not None:
                self._legs[name].owner.send({"event": "digit", "leg": name, "digit": digit, "duration_ms": ms})

    def _ended(self, kind: str, number: int, serial: int) -> None:
        name = (self._by_slot if kind == "leg" else self._by_number).get(number, "")
        source = self._legs.get(name) if kind == "leg" else self._rooms.get(name)
        if source is None or source.serial != serial:
            return  # replaced at the same moment
        event = {"event": "played", kind: name, "play": source.play, "complete": True}
        source.play, source.serial = "", 0
        source.owner.send(event)

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


_Verb = Callable[[Server, _Connection, Mapping[str, Any]], dict[str, Any]]
_VERBS: Final[Mapping[str, _Verb]] = {
    "ping": Server._ping,
    "join": Server._join,
    "dtmf": Server._dtmf,
    "room": Server._room,
    "play": Server._play,
    "stop": Server._stop,
    "echo": Server._echo,
    "leave": Server._leave,
    "stats": Server._stats,
}
