"""The fields that the center adds to its customers (客户字段): their list, their order, the form of one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from sanic import Blueprint, Request
from sanic.exceptions import Forbidden, NotFound
from sanic.response import HTTPResponse

from lcall_web.common import context, door
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import SETTINGS
from lcall_web.customers import definitions, field_store, fields, rules, sheets, views
from lcall_web.customers.definitions import Form, Row
from lcall_web.customers.fields import Field

blueprint = Blueprint("customer_fields", url_prefix="/customers/fields")

HOME: Final = "/customers/fields/"
EXPIRED: Final = mark("页面已经过期，请返回并刷新页面，再试一次。")


@blueprint.get("/")
@door.needs(SETTINGS)
async def listing(request: Request) -> HTTPResponse:
    return await _listing(request)


async def _listing(request: Request, status: int = 200, message: str = "") -> HTTPResponse:
    known = await field_store.fields(context.of(request).database)
    return await views.page(
        request,
        "field_list.html",
        status,
        message=message,
        own_fields=fields.active(known),
        retired=[field for field in known if field.retired],
        most=definitions.MOST,
        field_kinds=fields.KINDS,
        whose=definitions.WHOSE,
    )


# -- the form of one ---------------------------------------------------------------------------------------------------


@blueprint.get("/new")
@door.needs(SETTINGS)
async def new(request: Request) -> HTTPResponse:
    return await _form(request, None, definitions.blank(), key=str(uuid.uuid4()))


@blueprint.post("/new")
@door.needs(SETTINGS)
async def create(request: Request) -> HTTPResponse:
    viewer, here, given = door.viewer(request), context.of(request), door.form(request)
    key = rules.key_of(given.get("key", ""))
    async with field_store.changing(here.database) as (connection, known):
        if key is not None and await field_store.made(connection, key):
            return views.go_to(HOME)
        wanted, form = definitions.read(given, None, known, sheets.heads())
        if form.good:
            if key is None:
                raise Forbidden(EXPIRED)
            await field_store.create(connection, viewer, key, wanted, request.ip)
    if not form.good:
        return await _form(request, None, form, 422, key=str(key or uuid.uuid4()))
    return views.go_to(HOME)


@blueprint.get("/<id:int>")
@door.needs(SETTINGS)
async def edit(request: Request, id: int) -> HTTPResponse:
    found = field_store.one(await field_store.fields(context.of(request).database), id)
    if found.retired:
        return views.go_to(HOME)
    return await _form(request, found, definitions.form_of(found))


@blueprint.post("/<id:int>")
@door.needs(SETTINGS)
async def change(request: Request, id: int) -> HTTPResponse:
    viewer, here, given = door.viewer(request), context.of(request), door.form(request)
    async with field_store.changing(here.database) as (connection, known):
        before = field_store.one(known, id)
        if before.retired:
            raise NotFound(f"field {id} is retired")
        wanted, form = definitions.read(given, before, known, sheets.heads())
        done = definitions.same(before, wanted)
        stale = not done and views.number_of(given.get("version", "")) != before.version
        if form.good and not done and not stale:
            await field_store.change(connection, viewer, before, wanted, request.ip)
    if not form.good:
        return await _form(request, before, form, 422)
    if stale:
        return await _form(request, before, form, 409, theirs=definitions.theirs(before, wanted))
    return views.go_to(HOME)


async def _form(
    request: Request,
    field: Field | None,
    form: Form,
    status: int = 200,
    *,
    key: str = "",
    theirs: Mapping[str, str] | None = None,
) -> HTTPResponse:
    return await views.page(
        request,
        "field_form.html",
        status,
        field=field,
        form=form,
        key=key,
        theirs=theirs or {},
        stale=theirs is not None,
        filled=await field_store.filled(context.of(request).database, field),
        field_kinds=fields.KINDS,
        whose=_whose(field),
        field_names=definitions.NAMES,
    )


def _whose(field: Field | None) -> Mapping[str, str]:
    """What may be chosen: a field that there is already is only widened."""
    return {value: text for value, text in definitions.WHOSE.items() if field is None or value in ("both", field.whose)}


@blueprint.get("/choice-row")
@door.needs(SETTINGS)
async def choice_row(request: Request) -> HTTPResponse:
    """One more line for a choice."""
    row = Row(str(uuid.uuid4().int % 10**8))
    return await views.page(request, "field_choice.html", row=row, filled=field_store.Filled(None, None, {}))


# -- order, out of sight, and back -------------------------------------------------------------------------------------


@blueprint.post("/<id:int>/move")
@door.needs(SETTINGS)
async def move(request: Request, id: int) -> HTTPResponse:
    """`way`: up or down; `at`: the place where it was seen, so that a second click does nothing."""
    viewer, given = door.viewer(request), door.form(request)
    at = given.get("at", "")
    async with field_store.changing(context.of(request).database) as (connection, known):
        field_store.one(known, id)
        if at.isascii() and at.isdigit() and len(at) < 4:
            await field_store.move(connection, viewer, known, id, given.get("way", ""), int(at), request.ip)
    return views.go_to(HOME)


@blueprint.post("/<id:int>/retire")
@door.needs(SETTINGS)
async def retire(request: Request, id: int) -> HTTPResponse:
    viewer = door.viewer(request)
    async with field_store.changing(context.of(request).database) as (connection, known):
        await field_store.retire(connection, viewer, field_store.one(known, id), True, request.ip)
    return views.go_to(HOME)


@blueprint.post("/<id:int>/restore")
@door.needs(SETTINGS)
async def restore(request: Request, id: int) -> HTTPResponse:
    viewer = door.viewer(request)
    async with field_store.changing(context.of(request).database) as (connection, known):
        found = field_store.one(known, id)
        message = definitions.back(found, known, sheets.heads()) if found.retired else ""
        if not message:
            await field_store.retire(connection, viewer, found, False, request.ip)
    return await _listing(request, 409, message) if message else views.go_to(HOME)
