"""The mixer as lq sees it: verbs as methods, one connection that is kept up."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

log = structlog.get_logger()

TIMEOUT_S: Final = 1.0
RECONNECT_S: Final = 0.1
LONGEST_LINE: Final = 1 << 20
TOGETHER: Final = 100  # legs restored at a time …
RESTORE_S: Final = 10.0  # … each answered within so long: a mixer that is busy with thousands must not be asked anew


class MixerError(Exception):
    """The mixer said no; the text is its reason."""


class MixerUnavailable(MixerError):
    """The mixer is not there or does not answer."""


@dataclass(slots=True)
class _Sound:
    """What plays, to a leg or into a room: enough to go on with it in a new mixer."""

    play: str
    items: list[str]
    repeat: int
    started_at: int  # ms; 0: the mixer has not taken it yet


@dataclass(slots=True)
class _Wish:
    """What a leg shall be at the mixer, and is again when the mixer is back."""

    address: str
    dtmf: bool = False
    echo: bool = False
    sound: _Sound | None = None
    room: dict[str, Any] = field(default_factory=dict)


class Mixer:
    """Verbs as methods. A mixer that was restarted gets legs, rooms and plays again before any verb goes through."""

    def __init__(self, path: str) -> None:
        self.rtp: tuple[str, int] = ("", 0)  # where the mixer's audio is, known from its first answer
        self._path = path
        self._on_played: Callable[[str, str, bool], None] = lambda leg, play, complete: None
        self._on_back: Callable[[], None] = lambda: None
        self._on_digit: Callable[[str, str, int], None] = lambda leg, digit, duration_ms: None
        self._writer: asyncio.StreamWriter | None = None
        self._open = False  # for the verbs: the mixer has answered, and has all legs again
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._count = 0
        self._task: asyncio.Task[None] | None = None
        self._legs: dict[str, _Wish] = {}
        self._rooms: dict[str, _Sound] = {}  # what plays into them
        self._unsure: set[str] = set()  # asked to come or go and not answered: they go when it can be said
        self._tidying: asyncio.Task[None] | None = None
        self.passed: Callable[[], Awaitable[None]] | None = None  # returns when this node may act (lq/pulse.py)

    async def start(
        self,
        on_played: Callable[[str, str, bool], None],
        on_back: Callable[[], None],
        on_digit: Callable[[str, str, int], None] | None = None,
    ) -> None:
        """`on_played(leg or room, play, complete)`, not complete: a new mixer would not play it again;
        `on_digit(leg, digit, duration_ms)`; `on_back()` at each connection, when all is set again, and when a mixer
        that kept somebody waiting in vain answers after all."""
        self._on_played, self._on_back = on_played, on_back
        self._on_digit = on_digit or self._on_digit
        self._task = asyncio.create_task(self._keep_up(), name="mixer connection")

    async def close(self) -> None:
        tasks = [task for task in (self._task, self._tidying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def join(self, leg: str, address: str, *, dtmf: bool = False) -> None:
        """The leg is there, and hears silence. `dtmf`: keys in its voice are told."""
        self._unsure.discard(leg)
        try:
            await self._ask("join", leg=leg, address=address, dtmf=dtmf)
        except MixerUnavailable:
            self._unsure.add(leg)
            raise
        known = self._legs.get(leg)
        if known is None or known.address != address:
            self._legs[leg] = _Wish(address, dtmf)
        else:
            known.dtmf = dtmf

    async def play(self, leg: str, play: str, items: Sequence[str], repeat: int = 1, started_at: int = 0) -> int:
        """The leg hears these items from now on; their length in ms. `started_at` in the past resumes there. Asked
        for a play that goes on, it goes on."""
        sound = _Sound(play, list(items), repeat, started_at)
        if wish := self._legs.get(leg):
            wish.sound, wish.echo = sound, False
        try:
            answer = await self._play({"leg": leg}, sound)
        except MixerUnavailable:
            raise  # it is played when the mixer is back
        except MixerError:
            if wish and wish.sound is sound:
                wish.sound = None
            raise
        return int(answer["duration_ms"])

    async def play_into(self, room: str, play: str, items: Sequence[str], repeat: int = 1) -> int:
        """All who hear the room hear these items."""
        sound = _Sound(play, list(items), repeat, 0)
        answer = await self._play({"room": room}, sound)
        self._rooms[room] = sound
        return int(answer["duration_ms"])

    async def room(
        self, leg: str, room: str | None, *, talk: bool = True, hear: bool = True, whisper: Sequence[str] = ()
    ) -> None:
        """From now on the leg is in this room and in no other; None: in none. `talk`: the others hear it; `hear`: it
        hears them; `whisper`: legs in the same room that hear it besides, at most four. What plays to it, plays on."""
        fields = {"room": room, "talk": talk, "hear": hear, "whisper": list(whisper)}
        if wish := self._legs.get(leg):
            wish.room, wish.echo = fields if room else {}, False
        self._forget_empty_rooms()
        await self._ask("room", leg=leg, **fields)

    async def dtmf(self, leg: str, on: bool = True) -> None:
        """Keys in the leg's voice are told, or not any more."""
        if wish := self._legs.get(leg):
            wish.dtmf = on
        await self._ask("dtmf", leg=leg, on=on)

    async def stop(self, leg: str) -> None:
        if wish := self._legs.get(leg):
            wish.sound, wish.echo = None, False
        await self._ask("stop", leg=leg)

    async def stop_in(self, room: str) -> None:
        self._rooms.pop(room, None)
        await self._ask("stop", room=room)

    async def echo(self, leg: str) -> None:
        if wish := self._legs.get(leg):
            wish.echo, wish.sound, wish.room = True, None, {}
        await self._ask("echo", leg=leg)

    async def leave(self, leg: str) -> None:
        self.let_go(leg)
        try:
            await self._ask("leave", leg=leg)
        except MixerUnavailable:
            self._unsure.add(leg)
            raise

    def let_go(self, leg: str) -> None:
        """Another node's now: it is not left, and not set again in a new mixer by us."""
        self._legs.pop(leg, None)
        self._unsure.discard(leg)
        self._forget_empty_rooms()

    async def stats(self, *, leg: str | None = None, room: str | None = None) -> dict[str, Any]:
        return await self._ask("stats", leg=leg, room=room)

    # -- a new mixer ----------------------------------------------------------------------------------------------
    async def _restore(self, writer: asyncio.StreamWriter) -> None:
        """Everything as it was wished last: legs first, for who whispers needs who listens."""
        for at in range(0, len(legs := list(self._legs.items())), TOGETHER):
            await asyncio.gather(*(self._restore_leg(writer, *each) for each in legs[at : at + TOGETHER]))
        for room, sound in list(self._rooms.items()):
            await self._restore_sound(writer, {"room": room}, sound)
        await self._tidy(writer)

    async def _tidy(self, writer: asyncio.StreamWriter) -> None:
        """A leg that nobody waits for any more would hear its music for ever."""
        while self._unsure:
            leg = self._unsure.pop()
            try:
                if leg not in self._legs:
                    await self._exchange(writer, "leave", {"leg": leg}, RESTORE_S)
            except MixerUnavailable:
                self._unsure.add(leg)
                return

    async def _restore_leg(self, writer: asyncio.StreamWriter, leg: str, wish: _Wish) -> None:
        try:
            await self._exchange(writer, "join", {"leg": leg, "address": wish.address, "dtmf": wish.dtmf}, RESTORE_S)
            if wish.room:
                await self._exchange(writer, "room", {"leg": leg, **wish.room}, RESTORE_S)
            if wish.echo:
                await self._exchange(writer, "echo", {"leg": leg}, RESTORE_S)
        except MixerUnavailable:
            raise
        except MixerError as error:
            log.error("leg not restored in the mixer", leg=leg, error=str(error))
        if wish.sound:
            await self._restore_sound(writer, {"leg": leg}, wish.sound)

    async def _restore_sound(self, writer: asyncio.StreamWriter, where: dict[str, str], sound: _Sound) -> None:
        try:
            await self._exchange(writer, "play", {**where, **dataclasses.asdict(sound)}, RESTORE_S)
            sound.started_at = sound.started_at or _now_ms()
        except MixerUnavailable:
            raise
        except MixerError as error:
            log.error("play not restored in the mixer", play=sound.play, error=str(error), **where)
            self._has_played(next(iter(where.values())), sound.play, False)

    def _has_played(self, where: str, play: str, complete: bool) -> None:
        wish = self._legs.get(where)
        if wish is not None and wish.sound is not None and wish.sound.play == play:
            wish.sound = None
        elif where in self._rooms and self._rooms[where].play == play:
            del self._rooms[where]
        self._on_played(where, play, complete)

    def _forget_empty_rooms(self) -> None:
        """What plays into a room of which none of our legs is left is not ours to play again."""
        if self._rooms:
            ours = {wish.room.get("room") for wish in self._legs.values()}
            self._rooms = {room: sound for room, sound in self._rooms.items() if room in ours}

    # -- the connection -------------------------------------------------------------------------------------------
    async def _play(self, where: dict[str, str], sound: _Sound) -> dict[str, Any]:
        answer = await self._ask("play", **where, **dataclasses.asdict(sound))
        sound.started_at = sound.started_at or _now_ms()
        return answer

    async def _ask(self, what: str, **fields: Any) -> dict[str, Any]:
        if self.passed is not None:
            await self.passed()
        if not self._open or self._writer is None or self._writer.is_closing():
            raise MixerUnavailable(f"no mixer at {self._path}")
        return await self._exchange(self._writer, what, fields)

    async def _exchange(
        self, writer: asyncio.StreamWriter, what: str, fields: dict[str, Any], within_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        self._count += 1
        id = self._count
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[id] = future
        try:
            writer.write(json.dumps({"id": id, "do": what, **fields}).encode() + b"\n")
            async with asyncio.timeout(within_s):
                answer = await future
        except TimeoutError as error:
            raise MixerUnavailable(f"the mixer does not answer {what!r}") from error
        finally:
            self._waiting.pop(id, None)
        if not answer["ok"]:
            raise MixerError(answer["error"])
        return answer

    async def _keep_up(self) -> None:
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self._path, limit=LONGEST_LINE)
            except OSError:
                await asyncio.sleep(RECONNECT_S)
                continue
            reading = asyncio.create_task(self._read(reader))
            try:
                host, _, port = str((await self._exchange(self._writer, "ping", {}))["rtp"]).rpartition(":")
                self.rtp = host, int(port)
                await self._restore(self._writer)
                self._on_back()
                self._open = True
                await reading
            except (MixerError, OSError, ValueError, KeyError, TypeError) as error:
                log.warning("mixer connection", error=repr(error))
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                self._gone()
            await asyncio.sleep(RECONNECT_S)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if message.get("event") == "played":
                    self._has_played(message.get("leg") or message["room"], message["play"], message["complete"])
                elif message.get("event") == "digit":
                    self._on_digit(message["leg"], message["digit"], message["duration_ms"])
                elif "id" in message:  # events that only a newer mixer knows are passed over
                    self._answered(message)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("mixer connection broken off", error=str(error))

    def _answered(self, message: dict[str, Any]) -> None:
        future = self._waiting.get(message["id"])
        if future is not None and not future.done():
            future.set_result(message)
        elif self._writer is not None and (self._tidying is None or self._tidying.done()):
            # Too late for who asked; but it answers again.
            self._tidying = asyncio.create_task(self._answers_again(self._writer), name="mixer tidying")

    async def _answers_again(self, writer: asyncio.StreamWriter) -> None:
        await self._tidy(writer)
        if self._open:  # else at the connection, when all is set again
            self._on_back()

    def _gone(self) -> None:
        self._open = False
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(MixerUnavailable("the mixer went away"))


def _now_ms() -> int:
    return int(time.time() * 1000)
