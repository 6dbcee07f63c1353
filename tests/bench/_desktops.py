"""Streams of pages that nobody looks at, held open and read by a process of their own. For benches.

    python -m tests.bench._desktops FILE

FILE: {"host", "port", "path", "tokens": [session, …]}, one stream for each token. It says "open" when each has had its
first news; then, for each line of its input and at its end, as a line of JSON what was heard by then (`Heard`). Times
are seconds of the epoch.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import asyncpg

from lcall_web.common import sessions
from lcall_web.common.door import SESSION

OPEN_WITHIN_S: Final = 60.0
CALL: Final = re.compile(rb'"call": \{"id": "([^"]+)"')
NOW: Final = re.compile(rb'"now": (\d+)')


@dataclass
class Heard:
    messages: int = 0
    bytes: int = 0
    pings: int = 0
    lost: int = 0  # streams that ended before their time
    refused: int = 0
    calls: dict[str, float] = field(default_factory=dict)  # call → when a desktop was first told that it has it
    late_ms: list[float] = field(default_factory=list)  # from the moment that stands in a message to its arrival


class Desktop(asyncio.Protocol):
    def __init__(self, request: bytes, heard: Heard, opened: asyncio.Event) -> None:
        self._request, self._heard, self._opened = request, heard, opened
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self._heard.bytes += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        for message in whole:
            self._take(message, now)

    def _take(self, message: bytes, now: float) -> None:
        if message.startswith(b"HTTP/"):
            self._heard.refused += not message.startswith(b"HTTP/1.1 200")
            return
        self._opened.set()
        if b"event: ping" in message:
            self._heard.pings += 1
            return
        self._heard.messages += 1
        if sent := NOW.search(message):
            self._heard.late_ms.append(1000 * now - int(sent[1]))
        if b"event: desk" in message and (call := CALL.search(message)):
            self._heard.calls.setdefault(call[1].decode(), now)

    def connection_lost(self, error: Exception | None) -> None:
        self._heard.lost += 1


async def main(file: str) -> None:
    wish = json.loads(Path(file).read_text())
    loop, heard, opened = asyncio.get_running_loop(), Heard(), []
    for token in wish["tokens"]:
        lines = (f"GET {wish['path']} HTTP/1.1", f"Host: {wish['host']}:{wish['port']}", f"Cookie: {SESSION}={token}")
        opened.append(asyncio.Event())
        desktop = Desktop("".join(f"{line}\r\n" for line in (*lines, "")).encode(), heard, opened[-1])
        await loop.create_connection(lambda desktop=desktop: desktop, wish["host"], wish["port"])  # type: ignore[misc]
    async with asyncio.timeout(OPEN_WITHIN_S):
        await asyncio.gather(*(each.wait() for each in opened))
    heard.messages = heard.bytes = 0
    heard.late_ms.clear()
    print("open", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(asdict(heard)), flush=True)
    print(json.dumps(asdict(heard)), flush=True)


# -- for the bench -----------------------------------------------------------------------------------------------------


@dataclass
class Desktops:
    """`heard` is known once they are closed."""

    process: asyncio.subprocess.Process
    heard: Heard = field(default_factory=Heard)

    async def so_far(self) -> Heard:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(b"?\n")
        return Heard(**json.loads(await self.process.stdout.readline()))

    async def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.heard = Heard(**json.loads(await self.process.stdout.readline()))
        await self.process.wait()


async def tokens(dsn: str, agents: Sequence[str]) -> list[str]:
    """Sessions of these agents, as if each had logged in."""
    rows = await asyncpg.connect(dsn)
    try:
        return [await sessions.begin(rows, agent, "127.0.0.1", "bench") for agent in agents]
    finally:
        await rows.close()


@asynccontextmanager
async def opened(directory: Path, host: str, port: int, path: str, given: Sequence[str]) -> AsyncIterator[Desktops]:
    """All of them are open; afterwards closed, if they were not. Fails if one was refused or lost meanwhile."""
    file = directory / "desktops.json"
    file.write_text(json.dumps({"host": host, "port": port, "path": path, "tokens": list(given)}))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench._desktops", str(file)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    assert process.stdout is not None
    made = Desktops(process)
    try:
        assert await process.stdout.readline() == b"open\n", "a desktop has no stream"
        yield made
        await made.close()
        assert not made.heard.lost and not made.heard.refused, made.heard
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
