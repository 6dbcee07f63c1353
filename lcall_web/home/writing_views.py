"""Notices as those write them who may: their list, writing, changing, ending, deleting, and who has read one."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sanic import Blueprint, Request
from sanic.exceptions import Forbidden
from sanic.response import HTTPResponse, redirect

from lcall_web.common import context, door
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import NOTICES
from lcall_web.home import bulletin, rules, store
from lcall_web.home.rules import Draft, Form, Scope
from lcall_web.home.store import Notice
from lcall_web.home.views import before, page, show, wants_part, whole_id

blueprint = Blueprint("notices", url_prefix="/notices")


async def _scope(request: Request) -> Scope:
    """Raises Forbidden for one in whose scope is nobody."""
    scope = await store.scope(context.of(request).database, door.viewer(request))
    if not scope.audiences:
        raise Forbidden(store.NO_SCOPE)
    return scope


@blueprint.get("/")
@door.needs(NOTICES)
async def listing(request: Request) -> HTTPResponse:
    found, following = await store.managed(context.of(request).database, await _scope(request), before(request))
    part = "managed_lines.html" if wants_part(request) else "managed.html"
    return await page(request, part, found=found, following=following)


@blueprint.get("/new")
@door.needs(NOTICES)
async def new(request: Request) -> HTTPResponse:
    scope = await _scope(request)
    given = dict.fromkeys(("title", "body", "from", "until", "pinned", "confirm"), "")
    team = str(scope.team or "")
    form = Form({**given, "audience": scope.audiences[0], "team": team})
    return await _form(request, form, scope, key=str(uuid.uuid4()))


@blueprint.post("/new")
@door.needs(NOTICES)
async def create(request: Request) -> HTTPResponse:
    given, scope = door.form(request), await _scope(request)
    key = rules.key_of(given.get("key", ""))
    if key is None:
        raise Forbidden(mark("页面已经过期，请返回并刷新页面，再试一次。"))
    draft, form = await _read(request, scope)
    if draft is None:
        return await _form(request, form, scope, 422, key=str(key))
    id = await store.write(context.of(request).database, door.viewer(request), key, draft, request.ip)
    bulletin.written(request)
    return redirect(f"/notices/{id}", status=303)


async def _read(request: Request, scope: Scope, stands: Draft | None = None) -> tuple[Draft | None, Form]:
    here = context.of(request)
    queues = door.chosen(request, "queues") & set(await store.queue_names(here.database))
    teams = await store.teams(here.database, scope)
    zone = here.watch.center.time_zone
    return rules.read(door.form(request), queues, scope, teams, zone, datetime.now(UTC), stands)


async def _form(
    request: Request,
    form: Form,
    scope: Scope,
    status: int = 200,
    *,
    notice: Notice | None = None,
    version: int = 0,
    key: str = "",
    theirs: Form | None = None,
    again: bool = False,
) -> HTTPResponse:
    about: dict[str, Any] = {
        **{"form": form, "notice": notice, "version": version, "key": key, "theirs": theirs, "again": again},
        **{"scope": scope, "teams": await store.teams(context.of(request).database, scope), "names": rules.NAMES},
        **{"title_longest": rules.TITLE_LONGEST, "body_longest": rules.BODY_LONGEST},
    }
    return await page(request, "form.html", status, **about)


@blueprint.get("/<id:int>/edit")
@door.needs(NOTICES)
async def edit(request: Request, id: int) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    found = await store.managed_one(here.database, viewer, whole_id(id))
    form = rules.form_of(found.draft, here.watch.center.time_zone)
    return await _form(request, form, await _scope(request), notice=found, version=found.version)


@blueprint.post("/<id:int>/edit")
@door.needs(NOTICES)
async def change(request: Request, id: int) -> HTTPResponse:
    here, viewer, given = context.of(request), door.viewer(request), door.form(request)
    found = await store.managed_one(here.database, viewer, whole_id(id))
    scope, version, again = await _scope(request), rules.number_of(given.get("version", "")), bool(given.get("again"))
    draft, form = await _read(request, scope, found.draft)
    if draft is None:
        return await _form(request, form, scope, 422, notice=found, version=version, again=again)
    try:
        await store.change(here.database, viewer, found, version, draft, again, request.ip)
    except store.Stale as stale:
        now = stale.notice
        theirs = rules.form_of(now.draft, here.watch.center.time_zone)
        return await _form(request, form, scope, 409, notice=now, version=now.version, theirs=theirs, again=again)
    bulletin.written(request)
    return redirect(f"/notices/{id}", status=303)


@blueprint.post("/<id:int>/end")
@door.needs(NOTICES)
async def end(request: Request, id: int) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    found = await store.managed_one(here.database, viewer, whole_id(id))
    await store.end(here.database, viewer, found, request.ip)
    bulletin.written(request)
    return redirect(f"/notices/{id}", status=303)


@blueprint.post("/<id:int>/delete")
@door.needs(NOTICES)
async def delete(request: Request, id: int) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    found = await store.managed_one(here.database, viewer, whole_id(id))
    version = rules.number_of(door.form(request).get("version", ""))
    try:
        await store.delete(here.database, viewer, found, version, request.ip)
    except store.Stale:
        return await show(request, id, 409, mark("别人刚刚改过这条公告，请先看一看再删除。"))
    bulletin.written(request)
    return redirect("/notices/", status=303)


@blueprint.get("/<id:int>/readers")
@door.needs(NOTICES)
async def readers(request: Request, id: int) -> HTTPResponse:
    """Who has read it, and who has not: a part of its page."""
    here = context.of(request)
    found = await store.managed_one(here.database, door.viewer(request), whole_id(id))
    return await page(request, "readers.html", notice=found, readers=await store.readers(here.database, found))
