"""The home page, and notices as those read them whom they concern."""

from __future__ import annotations

import uuid
from typing import Any, Final

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, redirect

from lcall_web.common import context, door, pages
from lcall_web.common.failures import MAIN
from lcall_web.common.viewer import NOTICES
from lcall_web.home import bulletin, notes, rules, store
from lcall_web.home.store import Notice

blueprint = Blueprint("home")

LETTERS: Final = 600  # of a notice on the home page; the rest on its own
LINES: Final = 12


async def page(request: Request, template: str, status: int = 200, **values: Any) -> HTTPResponse:
    """With what the templates of notices need everywhere."""
    about = {
        "audiences": rules.AUDIENCES,
        "queues": await store.queue_names(context.of(request).database),
        "named": rules.ordered,
        "pieces": rules.pieces,
        "writes": door.viewer(request).may(NOTICES),
    }
    return await pages.page(request, f"home/{template}", status, **about, **values)


def whole_id(id: int) -> int:
    if not 0 < id <= store.LATEST:
        raise NotFound(f"notice {id}")
    return id


def before(request: Request) -> int:
    """The notice that ended the page before."""
    text = request.args.get("before") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else store.LATEST


def wants_part(request: Request) -> bool:
    """A script asks for a part of a page; links and plain forms want the whole one (static/page.js)."""
    return "hx-request" in request.headers and request.headers.get("hx-target") != MAIN


def _list(found: list[Notice]) -> dict[str, Any]:
    return {
        "found": found,
        "mark": rules.shown_mark(each.told for each in found),
        "beginning": lambda text: rules.beginning(text, LETTERS, LINES),
    }


@blueprint.get("/home")
async def home(request: Request) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    return await page(
        request,
        "home.html",
        **_list(await store.current(here.database, viewer)),
        day=await store.day(here, viewer),
        notes=await notes.notes(here.database, viewer.id),
        colours=rules.COLOURS,
        key=str(uuid.uuid4()),
        longest=rules.NOTE_LONGEST,
    )


@blueprint.get("/notices/current")
async def current(request: Request) -> HTTPResponse:
    """The notices of the home page, again."""
    found = await store.current(context.of(request).database, door.viewer(request))
    return await page(request, "current.html", **_list(found))


@blueprint.get("/notices/past")
async def past(request: Request) -> HTTPResponse:
    found, following = await store.past(context.of(request).database, door.viewer(request), before(request))
    template = "past_lines.html" if wants_part(request) else "past.html"
    return await page(request, template, **_list(found), following=following)


@blueprint.get("/notices/<id:int>")
async def one(request: Request, id: int) -> HTTPResponse:
    return await show(request, id)


async def show(request: Request, id: int, status: int = 200, message: str = "") -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    found, manages = await store.notice(here.database, viewer, whole_id(id))
    readers = await store.readers(here.database, found) if manages else []
    return await page(
        request, "notice.html", status, notice=found, manages=manages, readers=readers, message=message
    )  # fmt: skip


@blueprint.post("/notices/<id:int>/read")
async def read(request: Request, id: int) -> HTTPResponse:
    """已阅: he has read the text that his page shows."""
    edition = rules.number_of(door.form(request).get("edition", ""))
    await store.confirm(context.of(request).database, door.viewer(request), whole_id(id), edition)
    bulletin.written(request)
    return HTTPResponse(status=204) if wants_part(request) else redirect(f"/notices/{id}", status=303)
