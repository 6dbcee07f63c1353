"""The mixer as lq sees it: verbs as methods, one connection that is kept up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

log = structlog.get_logger()

TIMEOUT_S: Final = 1.0
RECONNECT_S: Final = 0.1
LONGEST_LINE: Final = 1 << 20


class MixerError(Exception):
    """The mixer said no; the text is its reason."""


class MixerUnavailable(MixerError):
    """The mixer is not there or does not answer."""


class Mixer:
    def __init__(self, path: str) -> None:
        self.rtp: tuple[str, int] = ("", 0)  # where the mixer's audio is, known from its first answer
        self._path = path
        self._on_played: Callable[[str, str, bool], None] = lambda leg, play, complete: None
        self._on_back: Callable[[], None] = lambda: None
        self._writer: asyncio.StreamWriter | None = None
        self._open = False  # for the verbs: the mixer has answered, and whoever must set legs again knows
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._count = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self, on_played: Callable[[str, str, bool], None], on_back: Callable[[], None]) -> None:
        """`on_played(leg, play, complete)`; `on_back()` at each connection, before any verb goes through: a mixer that
        was restarted knows no leg, all must be joined again."""
        self._on_played, self._on_back = on_played, on_back
        self._task = asyncio.create_task(self._keep_up(), name="mixer connection")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def join(self, leg: str, address: str) -> None:
        await self._ask("join", leg=leg, address=address)

    async def play(self, leg: str, play: str, items: Sequence[str], repeat: int = 1, started_at: int = 0) -> int:
        """The leg hears these items from now on; their length in ms. `started_at` in the past resumes there."""
        answer = await self._ask(
            "play", leg=leg, play=play, items=list(items), repeat=repeat, started_at=started_at or None
        )
        return int(answer["duration_ms"])

    async def stop(self, leg: str) -> None:
        await self._ask("stop", leg=leg)

    async def echo(self, leg: str) -> None:
        await self._ask("echo", leg=leg)

    async def leave(self, leg: str) -> None:
        await self._ask("leave", leg=leg)

    async def stats(self) -> dict[str, Any]:
        return await self._ask("stats")

    async def _ask(self, what: str, **fields: Any) -> dict[str, Any]:
        if not self._open or self._writer is None or self._writer.is_closing():
            raise MixerUnavailable(f"no mixer at {self._path}")
        return await self._exchange(self._writer, what, fields)

    async def _exchange(self, writer: asyncio.StreamWriter, what: str, fields: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        id = self._count
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[id] = future
        try:
            writer.write(json.dumps({"id": id, "do": what, **fields}).encode() + b"\n")
            async with asyncio.timeout(TIMEOUT_S):
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
                self._on_back()
                self._open = True
                await reading
            except MixerError as error:
                log.warning("mixer connection", error=str(error))
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
                    self._on_played(message["leg"], message["play"], message["complete"])
                elif (future := self._waiting.get(message.get("id"))) and not future.done():
                    future.set_result(message)
        except (OSError, ValueError) as error:
            log.warning("mixer connection broken off", error=str(error))

    def _gone(self) -> None:
        self._open = False
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(MixerUnavailable("the mixer went away"))
