"""The player of a recording: its state and gaps, its outline, its audio in any part."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any, Final

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, json

from lcall_web.common import context, door, pages
from lcall_web.common.words import RECORDING_STOPS, RECORDINGS
from lcall_web.recordings import rules, store
from lq.sdk import ApiError

blueprint = Blueprint("recordings", url_prefix="/recordings")

ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}")
PATIENCE_S: Final = 30.0  # with a player that has heard enough for now; it asks again where it stopped
PASSED_ON: Final = ("content-length", "content-range", "accept-ranges")

outlines = store.Outlines()


@blueprint.get("/<id:str>")
async def player(request: Request, id: str) -> HTTPResponse:
    """A part of a page: whoever shows a call asks for it."""
    here, viewer = context.of(request), door.viewer(request)
    found = await store.recording(here, viewer, _id(id))
    return await pages.page(
        request,
        "recordings/player.html",
        recording=found,
        states=RECORDINGS,
        stops=RECORDING_STOPS,
        **_form(),
        comments=await store.comments(here, viewer, found) if found.audible else (),
    )


def _form(given: dict[str, str] | None = None, errors: dict[str, str] | None = None) -> dict[str, Any]:
    """The form of a comment: what was typed is kept, a new one has a key of its own."""
    typed = given or {}
    key = typed.get("key") or secrets.token_hex(16)
    return {"typed": {"at": typed.get("at", ""), "text": typed.get("text", ""), "key": key}, "errors": errors or {}}


@blueprint.post("/<id:str>/comments")
async def comment(request: Request, id: str) -> HTTPResponse:
    """What he writes at a moment of it."""
    here, viewer, given = context.of(request), door.viewer(request), door.form(request)
    found = await store.recording(here, viewer, _id(id))
    written, errors = rules.read(given, found.duration_s or 0)
    if written is None:
        return await _comments(request, found, given, errors, 422)
    key = given.get("key", "")
    await store.comment(here, viewer, found, written, key if rules.KEY.fullmatch(key) else "")
    return await _comments(request, found)


@blueprint.post("/<id:str>/comments/<number:int>/remove")
async def remove_comment(request: Request, id: str, number: int) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    found = await store.recording(here, viewer, _id(id))
    if not 0 < number < 2**63:
        raise NotFound(str(number))
    await store.remove_comment(here, viewer, found, number)
    left = await store.comments(here, viewer, found)  # alone: the next one may be half written below them
    return await pages.page(request, "recordings/comment_removed.html", recording=found, comments=left)


async def _comments(
    request: Request,
    found: store.Recording,
    given: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> HTTPResponse:
    shown = await store.comments(context.of(request), door.viewer(request), found)
    return await pages.page(
        request, "recordings/comments.html", status, recording=found, comments=shown, **_form(given, errors)
    )


@blueprint.get("/<id:str>/peaks")
async def peaks(request: Request, id: str) -> HTTPResponse:
    return json({"peaks": await outlines.of(context.of(request), door.viewer(request), _id(id))})


@blueprint.get("/<id:str>/audio")
async def audio(request: Request, id: str) -> HTTPResponse | None:
    """As a stream: nothing of it is kept here, and a listener who has gone stops it."""
    return await _sent(request, _id(id))


@blueprint.get("/<id:str>/file")
async def file(request: Request, id: str) -> HTTPResponse | None:
    """To keep."""
    return await _sent(request, _id(id), {"Content-Disposition": f'attachment; filename="{_id(id)}.wav"'})


async def _sent(request: Request, id: str, to_keep: dict[str, str] | None = None) -> HTTPResponse | None:
    here, viewer, wanted = context.of(request), door.viewer(request), request.headers.get("range")
    try:
        async with store.audio(here, viewer, id, wanted, request.ip, keep=to_keep is not None) as found:
            headers = {name: found.headers[name] for name in PASSED_ON if name in found.headers} | (to_keep or {})
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
