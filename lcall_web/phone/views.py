"""The agent's phone in his browser: its password for a while, and the dialog of its devices."""

from __future__ import annotations

from sanic import Blueprint, Request
from sanic.response import HTTPResponse, json

from lcall_web.common import context, door, pages, words
from lcall_web.common.i18n import translated
from lcall_web.common.viewer import DESK
from lcall_web.phone import rules, store
from lq.sdk import ApiError

blueprint = Blueprint("phone", url_prefix="/phone")


@blueprint.post("/credentials")
@door.needs(DESK)
async def credentials(request: Request) -> HTTPResponse:
    """Of his own phone, or of one that is his; written down. static/browser_phone.js asks."""
    wanted = door.form(request).get("phone", "")
    try:
        given = await store.credentials(context.of(request), door.viewer(request), wanted, request.ip)
    except ApiError as error:
        if error.status not in rules.REASONS:
            raise
        return json({"reason": rules.REASONS[error.status]}, status=409)
    return json(rules.told(given, door.edge(request)))


@blueprint.get("/devices")
@door.needs(DESK)
async def devices(request: Request) -> HTTPResponse:
    """What stands in the dialog: devices with a meter, and what to do when something is in the way."""
    states = {name: translated(request.ctx.language, text) for name, text in words.PHONE_STATES.items()}
    secure = request.scheme == "https"
    return await pages.page(request, "phone/devices.html", states=states, reasons=rules.WORDS, secure=secure)
