"""As much of Redis's protocol (RESP2) as a supervisor needs; it starts in milliseconds because it imports no client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class Refused(Exception):
    """Redis answered with an error."""


@dataclass(frozen=True, slots=True)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def call(self, *words: str) -> str | int | None:
        """One command whose answer is a text, a number or nothing; raises Refused, OSError, EOFError."""
        parts = [word.encode() for word in words]
        self.writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))
        await self.writer.drain()
        line = await self.reader.readuntil(b"\r\n")
        kind, rest = line[:1], line[1:-2].decode()
        match kind:
            case b"+":
                return rest
            case b":":
                return int(rest)
            case b"$" if int(rest) >= 0:
                return (await self.reader.readexactly(int(rest) + 2))[:-2].decode()
            case b"$":
                return None
            case b"-":
                raise Refused(rest)
            case _:
                raise ValueError(f"unexpected answer from Redis: {line!r}")


@asynccontextmanager
async def connect(host: str, port: int, user: str = "", password: str = "") -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        connection = Connection(reader, writer)
        if user:
            await connection.call("AUTH", user, password)
        yield connection
    finally:
        writer.close()
