"""The live board, and the one stream by which every open page of the web hears what has changed."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Final

import structlog
from sanic import Blueprint, Request
from sanic.response import HTTPResponse

from lcall_web.board import store
from lcall_web.board.feed import SHOWN, Feed, Part, Reader
from lcall_web.common import context, door, pages
from lcall_web.common.database import DatabaseAway
from lcall_web.common.i18n import translated
from lcall_web.common.words import AGENT_STATES

log = structlog.get_logger()

blueprint = Blueprint("board")

TOGETHER_S: Final = 0.2  # what changes within it is told together
PING_S: Final = 10.0  # well under RESPONSE_TIMEOUT, which cuts a silent stream, and SILENT_MS of static/live.js
STILL_IN_S: Final = 15.0  # how often the session is looked at
PATIENCE_S: Final = 10.0  # with a page that does not take what is sent


@blueprint.get("/board")
async def board(request: Request) -> HTTPResponse:
    return await pages.page(request, "board/board.html", states=AGENT_STATES)


@blueprint.get("/live")
async def live(request: Request) -> None:
    """Server-sent events: `problems` with the web's version and the session's mark, which comes first; `board` (with
    ?board=1), `ping`, those of app.ctx.parts."""
    feed: Feed = request.app.ctx.feed
    parts: list[Part] = [part for begin in request.app.ctx.parts if (part := begin(request)) is not None]
    viewer = door.viewer(request)
    reader = feed.join(viewer.session, viewer.id, bool(request.args.get("board")), parts)
    try:
        stream = await request.respond(content_type="text/event-stream; charset=utf-8")
        await _send(stream, "retry: 1000\n\n")
        await _tell(request, stream, feed, reader)
        await stream.eof()
    except TimeoutError:
        log.info("a page was dropped that did not take what it was sent")
        door.cut(request)
    finally:
        feed.leave(reader)


async def _tell(request: Request, stream: HTTPResponse, feed: Feed, reader: Reader) -> None:
    looked = time.monotonic()
    while not reader.over:
        if not await _woken(reader):
            await _send(stream, _message("ping", "{}"))
        elif not reader.over:
            await _send(stream, await _news(request, feed, reader))
            await reader.gather(TOGETHER_S)
        if time.monotonic() - looked > STILL_IN_S:
            if not await _still_in(request, reader):
                return
            looked = time.monotonic()


async def _woken(reader: Reader) -> bool:
    try:
        async with asyncio.timeout(PING_S):
            return await reader.woken.wait()
    except TimeoutError:
        return False


async def _still_in(request: Request, reader: Reader) -> bool:
    """Whether his session goes on, with the rights that it had."""
    try:
        return await context.of(request).sessions.known(reader.session) == door.viewer(request)
    except DatabaseAway:
        return True  # nobody can have ended it meanwhile


async def _news(request: Request, feed: Feed, reader: Reader) -> str:
    all_of_it, changed = reader.take()
    viewer, language = door.viewer(request), request.ctx.language
    news = ""
    if all_of_it or any(kind == "problems" for kind, _ in changed):
        problems = context.of(request).watch.problems()
        told = [{"text": translated(language, text), "since": since} for text, since in problems]
        known = {"problems": told, "version": context.of(request).version, "session": door.session_mark(request)}
        news += _message("problems", json.dumps(known, ensure_ascii=False))
    if reader.board and all_of_it:
        news += _message("board", store.whole(feed.board, viewer, language))
    elif reader.board and (names := {name for name in changed if name[0] in SHOWN}):
        news += _message("board", store.changes(feed.board, names, viewer, language))
    for part in reader.parts:
        if said := await part.news(all_of_it, changed):
            event, body = said
            news += _message(event, json.dumps(body, ensure_ascii=False))
    return news


def _message(event: str, body: str) -> str:
    """`body`: JSON, an object, to which our clock is added: the page's clocks run with it."""
    comma = ", " if body != "{}" else ""
    return f'event: {event}\ndata: {body[:-1]}{comma}"now": {time.time_ns() // 1_000_000}}}\n\n'


async def _send(stream: HTTPResponse, text: str) -> None:
    """Raises TimeoutError when the page does not read."""
    if text:
        async with asyncio.timeout(PATIENCE_S):
            await stream.send(text)
