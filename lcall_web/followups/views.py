"""Follow-ups: one's own page of them, those of a customer in his card and in the pop, and what is done with one."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from sanic import Blueprint, Request
from sanic.exceptions import Forbidden, NotFound
from sanic.response import HTTPResponse, json, redirect

from lcall_web.common import context, door, pages
from lcall_web.common.database import DatabaseAway, TooMuch
from lcall_web.common.i18n import mark, translated
from lcall_web.common.viewer import CUSTOMERS
from lcall_web.common.written import clean, key_of
from lcall_web.followups import rules, store
from lcall_web.followups.rules import Form

blueprint = Blueprint("followups", url_prefix="/follow-ups")

LARGEST: Final = 2**63 - 1
EXPIRED: Final = mark("页面已经过期，请返回并刷新页面，再试一次。")
TOO_MUCH: Final = mark("查询范围太大，请选择一位坐席。")
CHANGED: Final = mark("别人刚刚改过这条跟进：请看现在的内容，再点一次。")
GONE: Final = mark("这条跟进已经不在您这里。")
AWAY: Final = mark("没有保存：系统暂时没有响应，请稍后再点一次。")


def _zone(request: Request) -> str:
    return context.of(request).watch.center.time_zone


async def _page(request: Request, template: str, status: int = 200, **values: Any) -> HTTPResponse:
    now, zone = datetime.now(UTC), _zone(request)
    common = {
        **{"kinds": rules.kinds(request.ctx.language), "whens": rules.WHEN, "zone": zone, "now": now},
        **{"told": partial(rules.told, now=now, zone=zone), "dials": door.viewer(request).desk},
    }
    return await pages.page(request, f"followups/{template}", status, **common, **values)


def _id(id: int) -> int:
    if not 0 < id <= LARGEST:
        raise NotFound(f"follow-up {id}")
    return id


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _changed(request: Request) -> None:
    """The pages of whoever has it, and of whoever had it, are told."""
    request.app.ctx.reminders.again()


# -- the list ----------------------------------------------------------------------------------------------------------


@blueprint.get("/")
@door.needs(CUSTOMERS)
async def listing(request: Request) -> HTTPResponse:
    """?agent=: one's own, `all` that he may see, or one agent's."""
    viewer, database = door.viewer(request), context.of(request).database
    asked = clean(request.args.get("agent") or rules.MINE)
    try:
        people = rules.people(asked, viewer)
    except LookupError as error:
        raise NotFound(asked) from error
    agents = await store.owners(database, viewer, asked) if viewer.reach.others else {viewer.id: viewer.name}
    if asked not in (rules.MINE, rules.ALL, *agents):
        raise NotFound(asked)
    found, message = store.Found((), (), False), ""
    try:
        found = await store.search(database, viewer, people)
    except TooMuch:
        message = TOO_MUCH
    return await _page(
        request,
        "list.html",
        422 if message else 200,
        found=found,
        message=message,
        groups=rules.grouped(found.open, datetime.now(UTC), _zone(request)),
        names=rules.GROUPS,
        agents=agents,
        agent=asked,
        again="/follow-ups/" + (f"?{urlencode({'agent': asked})}" if asked else ""),
    )


# -- a customer's ------------------------------------------------------------------------------------------------------


@blueprint.get("/of/<customer:int>")
@door.needs(CUSTOMERS)
async def of_customer(request: Request, customer: int) -> HTTPResponse:
    """The part of his card and of the pop; ?contact=: the call in which it stands there."""
    return await _panel(request, _id(customer), request.args.get("contact") or "")


async def _panel(
    request: Request, customer: int, contact: str, status: int = 200, form: Form | None = None, key: str = ""
) -> HTTPResponse:
    viewer, database = door.viewer(request), context.of(request).database
    found = await store.of_customer(database, viewer, customer)
    contact = rules.contact_of(contact) or ""
    return await _page(
        request,
        "panel.html",
        status,
        found=found,
        customer=customer,
        contact=contact,
        form=form or rules.blank(viewer.id),
        owners=await store.owners(database, viewer),
        key=key or str(uuid.uuid4()),
        again=f"/follow-ups/of/{customer}" + (f"?{urlencode({'contact': contact})}" if contact else ""),
    )


@blueprint.post("/of/<customer:int>")
@door.needs(CUSTOMERS)
async def create(request: Request, customer: int) -> HTTPResponse:
    viewer, here, given = door.viewer(request), context.of(request), door.form(request)
    key, contact = key_of(given.get("key", "")), given.get("contact", "")
    if key is None:
        raise Forbidden(EXPIRED)
    owners = await store.owners(here.database, viewer)
    draft, form = rules.read({"owner": viewer.id, **given}, datetime.now(UTC), _zone(request), owners)
    if draft is None:
        return await _panel(request, _id(customer), contact, 422, form, str(key))
    await store.create(here.database, viewer, key, _id(customer), rules.contact_of(contact), draft, request.ip)
    _changed(request)
    if "hx-request" not in request.headers:
        return redirect(f"/customers/{customer}", status=303)
    return await _panel(request, customer, contact)


# -- one of them -------------------------------------------------------------------------------------------------------


@blueprint.get("/<id:int>/edit")
@door.needs(CUSTOMERS)
async def edit(request: Request, id: int) -> HTTPResponse:
    """?back=customer: it was opened from his card."""
    async with context.of(request).database.transaction() as connection:
        found = await store.one(connection, door.viewer(request), _id(id))
    form = rules.filled(found.draft, _zone(request))
    return await _form(request, found, form, found.version, request.args.get("back") or "")


async def _form(
    request: Request,
    found: store.FollowUp,
    form: Form,
    version: int,
    back: str,
    status: int = 200,
    theirs: dict[str, str] | None = None,
) -> HTTPResponse:
    owners = await store.owners(context.of(request).database, door.viewer(request), found.draft.owner)
    return await _page(
        request,
        "form.html",
        status,
        one=found,
        form=form,
        version=version,
        owners=owners,
        theirs=theirs or {},
        stale=theirs is not None,
        back="customer" if back == "customer" else "",
        leads=_behind(found, back),
    )


def _behind(found: store.FollowUp, back: str) -> str:
    return f"/customers/{found.customer}" if back == "customer" else "/follow-ups/"


@blueprint.post("/<id:int>/edit")
@door.needs(CUSTOMERS)
async def change(request: Request, id: int) -> HTTPResponse:
    viewer, here, given = door.viewer(request), context.of(request), door.form(request)
    async with here.database.transaction() as connection:
        before = await store.one(connection, viewer, _id(id))
    owners = await store.owners(here.database, viewer, before.draft.owner)
    version, back, zone = _number(given.get("version", "")), given.get("back", ""), _zone(request)
    known = {"owner": before.draft.owner, **given}
    draft, form = rules.read(known, datetime.now(UTC), zone, owners, before.draft)
    if draft is None:
        return await _form(request, before, form, version, back, 422)
    try:
        await store.change(here.database, viewer, id, version, draft, request.ip)
    except store.Stale as stale:
        now = stale.found
        return await _form(request, now, form, now.version, back, 409, rules.theirs(now.draft, draft, zone))
    _changed(request)
    return redirect(_behind(before, back), status=303)


# -- buttons, of the rows of every list and of the reminders (static/follow_ups.js): answered in JSON ------------------


async def _answer(request: Request, work: Callable[[], Awaitable[None]]) -> HTTPResponse:
    try:
        await work()
    except store.Stale:
        return _refused(request, CHANGED, 409)
    except NotFound:
        return _refused(request, GONE, 404)
    except (DatabaseAway, TooMuch):
        return _refused(request, AWAY, 503)
    _changed(request)
    return json({"done": True})


def _refused(request: Request, text: str, status: int) -> HTTPResponse:
    return json({"error": translated(request.ctx.language, text)}, status=status)


def _version(request: Request) -> int:
    return _number(door.form(request).get("version", ""))


@blueprint.post("/<id:int>/done")
@door.needs(CUSTOMERS)
async def done(request: Request, id: int) -> HTTPResponse:
    viewer, database = door.viewer(request), context.of(request).database
    return await _answer(request, lambda: store.finish(database, viewer, _id(id), _version(request), request.ip))


@blueprint.post("/<id:int>/reopen")
@door.needs(CUSTOMERS)
async def reopen(request: Request, id: int) -> HTTPResponse:
    viewer, database = door.viewer(request), context.of(request).database
    return await _answer(request, lambda: store.reopen(database, viewer, _id(id), _version(request), request.ip))


@blueprint.post("/<id:int>/later")
@door.needs(CUSTOMERS)
async def later(request: Request, id: int) -> HTTPResponse:
    """`when`: one of rules.WHEN."""
    viewer, database = door.viewer(request), context.of(request).database
    when = door.form(request).get("when", "")
    if when not in rules.WHEN:
        return _refused(request, rules.NO_TIME, 422)
    to = rules.moment(when, datetime.now(UTC), _zone(request))
    return await _answer(request, lambda: store.put_off(database, viewer, _id(id), _version(request), to, request.ip))


@blueprint.post("/<id:int>/snooze")
@door.needs(CUSTOMERS)
async def snooze(request: Request, id: int) -> HTTPResponse:
    """In ten minutes."""
    viewer, database = door.viewer(request), context.of(request).database
    return await _answer(request, lambda: store.snooze(database, viewer, _id(id)))
