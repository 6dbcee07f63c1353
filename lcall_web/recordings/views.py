"""The player of a recording: its state and gaps, its outline, its audio in any part."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, json

from lcall_web.common import context, door, pages
from lcall_web.common.words import RECORDING_STOPS, RECORDINGS
from lcall_web.recordings import store
from lq.sdk import ApiError

blueprint = Blueprint("recordings", url_prefix="/recordings")

ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}")
PATIENCE_S: Final = 30.0  # with a player that has heard enough for now; it asks again where it stopped
PASSED_ON: Final = ("content-length", "content-range", "accept-ranges")

outlines = store.Outlines()


@blueprint.get("/<id:str>")
async def player(request: Request, id: str) -> HTTPResponse:
    """A part of a page: whoever shows a call asks for it."""
    found = await store.recording(context.of(request), door.viewer(request), _id(id))
    return await pages.page(
        request, "recordings/player.html", recording=found, states=RECORDINGS, stops=RECORDING_STOPS
    )


@blueprint.get("/<id:str>/peaks")
async def peaks(request: Request, id: str) -> HTTPResponse:
    return json({"peaks": await outlines.of(context.of(request), door.viewer(request), _id(id))})


@blueprint.get("/<id:str>/audio")
async def audio(request: Request, id: str) -> HTTPResponse | None:
    """As a stream: nothing of it is kept here, and a listener who has gone stops it."""
    wanted = request.headers.get("range")
    try:
        async with store.audio(context.of(request), door.viewer(request), _id(id), wanted, request.ip) as found:
            headers = {name: found.headers[name] for name in PASSED_ON if name in found.headers}
            response = await request.respond(status=found.status, headers=headers, content_type="audio/wav")
            async for chunk in found.chunks:
                async with asyncio.timeout(PATIENCE_S):
                    await response.send(chunk)
            await response.eof()
    except TimeoutError:
        door.cut(request)
    except ApiError as error:
        if error.status == 416:
            return HTTPResponse(status=416)
        raise
    return None


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise NotFound(text)
    return text
