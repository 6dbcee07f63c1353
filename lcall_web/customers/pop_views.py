"""The screen pop: a part of the desk's page, or a page of its own for whoever opens it so."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

from sanic import Blueprint, Request
from sanic.exceptions import Forbidden, NotFound
from sanic.response import HTTPResponse

from lcall_web.common import context, door
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import BLACKLIST, CUSTOMERS
from lcall_web.customers import black, field_store, fields, pop, rules, store, views
from lcall_web.customers.black import Wish
from lcall_web.customers.rules import Draft, Form

blueprint = Blueprint("pop", url_prefix="/pop")

ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
EXPIRED: Final = mark("页面已经过期，请返回并刷新页面，再试一次。")


@blueprint.get("/<contact:str>")
@door.needs(CUSTOMERS)
async def show(request: Request, contact: str) -> HTTPResponse:
    """?choose=1: he is somebody else, or a new one."""
    return await _pop(request, _id(contact), choosing=bool(request.args.get("choose")))


async def _pop(
    request: Request,
    contact: str,
    status: int = 200,
    *,
    form: Form | None = None,
    key: str = "",
    holders: Any = (),
    written: str = "",
    error: str = "",
    choosing: bool = False,
    wish: Wish | None = None,
    wrong: str = "",
) -> HTTPResponse:
    viewer, here = door.viewer(request), context.of(request)
    found = await pop.pop(here, viewer, contact, request.ctx.language)
    entering = found.history and (found.card is None or choosing)
    owners = await store.owners(here.database) if entering else {}
    return await views.page(
        request,
        "pop_part.html" if views.wants_part(request) else "pop.html",
        status,
        pop=found,
        contact=contact,
        form=form or views.form_of(Draft("person", ""), viewer),
        owners=owners,
        own_fields=fields.active(found.fields),
        key=key or str(uuid.uuid4()),
        note_key=str(uuid.uuid4()),
        holders=holders,
        written=written,
        error=error,
        choosing=choosing or form is not None,
        theirs={},
        days=black.DAYS,
        wish=wish or Wish(""),
        wrong=wrong,
    )


@blueprint.post("/<contact:str>/customer")
@door.needs(CUSTOMERS)
async def choose(request: Request, contact: str) -> HTTPResponse:
    viewer = door.viewer(request)
    customer = views.number_of(door.form(request).get("customer", ""))
    await pop.choose(context.of(request), viewer, _id(contact), customer)
    request.app.ctx.callers.again()
    return await _again(request, contact)


@blueprint.post("/<contact:str>/note")
@door.needs(CUSTOMERS)
async def note(request: Request, contact: str) -> HTTPResponse:
    viewer = door.viewer(request)
    key, body, error = views.read_note(door.form(request))
    if key is None:
        raise Forbidden(EXPIRED)
    if error:
        return await _pop(request, _id(contact), 422, written=body, error=error)
    await pop.note(context.of(request), viewer, _id(contact), key, body)
    return await _again(request, contact)


@blueprint.post("/<contact:str>/new")
@door.needs(CUSTOMERS)
async def new(request: Request, contact: str) -> HTTPResponse:
    viewer, here, given = door.viewer(request), context.of(request), door.form(request)
    key = rules.key_of(given.get("key", ""))
    if key is None:
        raise Forbidden(EXPIRED)
    found = await pop.contact_of(here, viewer, _id(contact))
    draft, form = rules.read(given, {}, True, list(await store.owners(here.database)))
    draft, form = fields.read(await field_store.fields(here.database), draft, form, given, {})
    if not form.good:
        return await _pop(request, contact, 422, form=form, key=str(key))
    try:
        draft = pop.with_number(draft, found)
        await pop.register(here, viewer, contact, key, draft, request.ip, bool(given.get("anyway")))
    except store.Known as known:
        return await _pop(request, contact, 409, form=form, key=str(key), holders=known.holders)
    request.app.ctx.callers.again()
    return await _again(request, contact)


@blueprint.post("/<contact:str>/black")
@door.needs(CUSTOMERS)
@door.needs(BLACKLIST)
async def black_list(request: Request, contact: str) -> HTTPResponse:
    """`list`, `reason`, `days`; `do=off`: the caller is taken off it."""
    viewer, here = door.viewer(request), context.of(request)
    found = await pop.contact_of(here, viewer, _id(contact))
    wish, wrong = black.read(door.form(request))
    if wrong:
        return await _pop(request, contact, 422, wish=wish, wrong=wrong)
    await black.carry_out(here, viewer, found, wish, request.ip)
    return await _again(request, contact)


async def _again(request: Request, contact: str) -> HTTPResponse:
    if not views.wants_part(request):
        return views.go_to(f"/pop/{contact}")
    return await _pop(request, contact)


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise NotFound(text)
    return text
