"""The center's own logo: a picture of a known kind, stored by us, shown on every page."""

from __future__ import annotations

import hashlib
from typing import Final

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, redirect

from lcall_web.common import audit, context, door
from lcall_web.common.i18n import mark
from lcall_web.settings import store
from lcall_web.settings.room import file, first, given, reads, show, writes

public = Blueprint("logo")  # the login page shows it too

LARGEST: Final = 300_000
TOO_LARGE: Final = mark("图片太大：最多 300 kB。")
NO_PICTURE: Final = mark("请选择 PNG、JPEG 或 WebP 图片。")
FOR_EVER: Final = "public, max-age=31536000, immutable"


def picture(body: bytes) -> str:
    """The type of a picture by its first bytes; "" for what is none. No SVG: it may hold scripts."""
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if body.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/webp" if body[:4] == b"RIFF" and body[8:12] == b"WEBP" else ""


@reads("/logo")
async def page(request: Request) -> HTTPResponse:
    return await show(request, "logo.html", "settings", fault="")


@writes("/logo")
async def put(request: Request) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    if first(given(request), "drop"):
        async with here.database.transaction() as connection:
            await connection.execute(store.SQL["drop_logo"])
            await audit.note(connection, viewer.id, "logo_dropped", "center", request.ip)
    else:
        _, body = file(request)
        if len(body) > LARGEST or not picture(body):
            fault = TOO_LARGE if len(body) > LARGEST else NO_PICTURE
            return await show(request, "logo.html", "settings", 422, fault=fault)
        version = hashlib.sha256(body).hexdigest()[:16]
        async with here.database.transaction() as connection:
            await connection.execute(store.SQL["put_logo"], picture(body), body, version, viewer.id)
            await audit.note(connection, viewer.id, "logo_put", "center", request.ip, bytes=len(body))
    await here.watch.look()
    return redirect("/settings/logo", status=303)


@public.get("/logo/<version:str>")
async def logo(request: Request, version: str) -> HTTPResponse:
    row = await context.of(request).database.row(store.SQL["logo"])
    if row is None:
        raise NotFound(version)
    headers = {"Cache-Control": FOR_EVER if row["version"] == version else "no-cache"}
    return HTTPResponse(bytes(row["body"]), content_type=row["type"], headers=headers)
