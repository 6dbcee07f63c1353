"""A recording that still runs, as the recorder beside its rtpengine streams it (recorder/live.py)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final

from sanic import Request

from lq.api import context
from lq.api.errors import Refusal

ANSWER_S: Final = 3.0
CHUNK: Final = 4096

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def listen(request: Request, recording: str, begins: Callable[[], Awaitable[None]]) -> None:
    """A WAV without an end, until the recording is over or the listener leaves. `begins`: it runs, and is heard now."""
    reader, writer = await _found(context.of(request).places.recorders, recording)
    try:
        await begins()
        response = await request.respond(headers={"Cache-Control": "no-store"}, content_type="audio/wav")
        while chunk := await reader.read(CHUNK):
            await response.send(chunk)
        await response.eof()
    finally:
        writer.close()


async def _found(recorders: tuple[str, ...], recording: str) -> Stream:
    """The recorder that has it. Refused with 404 when none has, with 503 when one that may have it does not answer."""
    away = ""
    for address in recorders:
        try:
            async with asyncio.timeout(ANSWER_S):
                stream, error = await _ask(address, recording)
        except (OSError, ValueError) as failure:  # a timeout is an OSError
            away = repr(failure)
            continue
        if stream is not None:
            return stream
        if error == "busy":
            away = error
    if away:
        raise Refusal(503, "recorder_away", f"a recorder does not answer: {away}", retry_after_s=1)
    raise Refusal(404, "not_running", f"recording {recording} is not running")


async def _ask(address: str, recording: str) -> tuple[Stream | None, str]:
    host, _, port = address.rpartition(":")
    reader, writer = await (
        asyncio.open_unix_connection(address) if "/" in address else asyncio.open_connection(host, int(port))
    )
    try:
        writer.write(json.dumps({"listen": recording}).encode() + b"\n")
        answer = json.loads(await reader.readline())
        if answer["ok"]:
            return (reader, writer), ""
    except BaseException:
        writer.close()
        raise
    writer.close()
    return None, str(answer.get("error"))
