"""Customers: their list with its search, the card of one, entering, changing, deleting and merging them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

from sanic import Blueprint, Request
from sanic.exceptions import Forbidden, NotFound
from sanic.response import HTTPResponse, redirect

from lcall_web.common import context, door, pages, words
from lcall_web.common.database import TooMuch
from lcall_web.common.failures import MAIN
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import CUSTOMERS, EXPORT, NUMBERS, REVEAL, SETTINGS, Viewer
from lcall_web.customers import field_store, fields, numbers, past, rules, store
from lcall_web.customers.fields import Field
from lcall_web.customers.rules import Draft, Form, Row

blueprint = Blueprint("customers", url_prefix="/customers")

TOO_MUCH: Final = mark("查询范围太大，请多写几个字或增加条件。")
EMPTY_NOTE: Final = mark("请写下内容。")
LONG_NOTE: Final = mark("内容太长，最多 4000 字。")
LARGEST: Final = 2**63 - 1


def common(viewer: Viewer) -> dict[str, Any]:
    """What the templates of this room need everywhere."""
    return {
        **{"kinds": rules.KINDS, "levels": rules.LEVELS, "labels": rules.LABELS, "names": rules.NAMES},
        "origins": numbers.KINDS,
        **{"directions": words.DIRECTIONS, "results": words.RESULTS, "recordings": words.RECORDINGS},
        **{"dials": viewer.desk, "reveals": viewer.may(REVEAL) and not viewer.may(NUMBERS)},
        **{"whole": viewer.may(NUMBERS), "exports": viewer.may(EXPORT), "settles": viewer.may(SETTINGS)},
    }


async def page(request: Request, template: str, status: int = 200, **values: Any) -> HTTPResponse:
    return await pages.page(request, f"customers/{template}", status, **common(door.viewer(request)), **values)


def whole_id(id: int) -> int:
    if not 0 < id <= LARGEST:
        raise NotFound(f"customer {id}")
    return id


def number_of(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def wants_part(request: Request) -> bool:
    """A script asks for a part of a page; links and plain forms want the whole one (static/page.js)."""
    return "hx-request" in request.headers and request.headers.get("hx-target") != MAIN


def go_to(address: str) -> HTTPResponse:
    return redirect(address, status=303)


# -- the list ----------------------------------------------------------------------------------------------------------


@blueprint.get("/")
@door.needs(CUSTOMERS)
async def listing(request: Request) -> HTTPResponse:
    viewer, here = door.viewer(request), context.of(request)
    known = await field_store.fields(here.database)
    given = {name: request.args.get(name) or "" for name in request.args}
    wanted, form = fields.search(known, given, viewer.id, viewer.may(NUMBERS))
    found: list[store.Line] = []
    following, message = None, ""
    if form.good:
        try:
            found, following = await store.search(here.database, viewer, wanted)
        except TooMuch:
            message = TOO_MUCH
    asked = {name: value for name, value in form.given.items() if value and name != "cursor"}
    return await page(
        request,
        "lines.html" if wanted.after is not None and wants_part(request) else "list.html",
        status=200 if form.good and not message else 422,
        form=form,
        found=found,
        message=message,
        asked=urlencode(asked),
        searched=bool(asked),
        listed=[field for field in fields.active(known) if field.listed],
        offering=fields.offering(known),
        next="/customers/?" + urlencode({**asked, "cursor": following}) if following else "",
    )


@blueprint.get("/bin")
@door.needs(CUSTOMERS)
async def bin(request: Request) -> HTTPResponse:
    after = rules.behind(request.args.get("cursor") or "")
    found, following = await store.bin(context.of(request).database, after)
    more = "/customers/bin?" + urlencode({"cursor": following}) if following else ""
    return await page(
        request, "bin_lines.html" if after and wants_part(request) else "bin.html", found=found, next=more
    )


# -- entering and changing ---------------------------------------------------------------------------------------------


@blueprint.get("/new")
@door.needs(CUSTOMERS)
async def new(request: Request) -> HTTPResponse:
    given = {name: request.args.get(name) or "" for name in ("name", "kind", "company")}
    form = Form({**dict.fromkeys(rules.NAMES, ""), **given}, (Row("0", rules.clean(request.args.get("number") or "")),))
    return await _form(request, form, key=str(uuid.uuid4()))


@blueprint.post("/new")
@door.needs(CUSTOMERS)
async def create(request: Request) -> HTTPResponse:
    viewer, here, given = door.viewer(request), context.of(request), door.form(request)
    defined = await field_store.fields(here.database)
    draft, form = rules.read(given, {}, True, list(await store.owners(here.database)))
    draft, form = fields.read(defined, draft, form, given, {})
    key = rules.key_of(given.get("key", ""))
    if key is None:
        raise Forbidden(mark("页面已经过期，请返回并刷新页面，再试一次。"))
    if not form.good:
        return await _form(request, form, 422, key=str(key))
    try:
        async with here.database.transaction() as connection:
            id = await store.create(connection, viewer, key, draft, request.ip, bool(given.get("anyway")))
    except store.Known as known:
        return await _form(request, form, 409, key=str(key), holders=known.holders)
    return go_to(f"/customers/{id}")


@blueprint.get("/<id:int>/edit")
@door.needs(CUSTOMERS)
async def edit(request: Request, id: int) -> HTTPResponse:
    viewer = door.viewer(request)
    async with context.of(request).database.transaction() as connection:
        found = await store.customer(connection, whole_id(id))
    if found.deleted_at is not None:
        return redirect(f"/customers/{id}")
    form = form_of(found.draft, viewer)
    return await _form(request, form, customer=found, version=found.version, company=f"={found.draft.company}")


@blueprint.post("/<id:int>/edit")
@door.needs(CUSTOMERS)
async def change(request: Request, id: int) -> HTTPResponse:
    viewer, here, given = door.viewer(request), context.of(request), door.form(request)
    async with here.database.transaction() as connection:
        before = await store.customer(connection, whole_id(id))
    stored = {phone.id: phone.number for phone in before.draft.phones if phone.id is not None}
    owners = list(await store.owners(here.database, before.draft.owner))
    defined = await field_store.fields(here.database)
    draft, form = rules.read(given, stored, viewer.may(NUMBERS), owners)
    draft, form = fields.read(defined, draft, form, given, before.draft.own)
    version, company = number_of(given.get("version", "")), given.get("company_shown", "")
    same_company = company == "=" + given.get("company", "")
    if not form.good:
        return await _form(request, form, 422, customer=before, version=version, company=company)
    wishes = {"anyway": bool(given.get("anyway")), "same_company": same_company}
    try:
        await store.change(here.database, viewer, id, version, draft, request.ip, **wishes)
    except store.Known as known:
        holders = known.holders
        return await _form(request, form, 409, customer=before, version=version, company=company, holders=holders)
    except store.Stale as stale:
        now = stale.customer
        if same_company and draft.kind == "person":
            draft, form, company = _with_company(now.draft.company, draft, form)
        theirs = _theirs(now, draft, viewer) | fields.theirs(defined, now.draft, draft, request.ctx.language)
        return await _form(request, form, 409, customer=now, version=now.version, company=company, theirs=theirs)
    return go_to(f"/customers/{id}")


def _with_company(name: str, draft: Draft, form: Form) -> tuple[Draft, Form, str]:
    """Who has left the company as it was has it as it is now."""
    return replace(draft, company=name), replace(form, given={**form.given, "company": name}), f"={name}"


def form_of(draft: Draft, viewer: Viewer) -> Form:
    rows = tuple(
        Row(str(n), store.shown(phone.number, viewer), phone.label, phone.id) for n, phone in enumerate(draft.phones)
    )
    return Form({**{name: draft.value(name) for name in rules.NAMES}, **fields.of_form(draft)}, rows)


def _theirs(now: store.Customer, mine: Draft, viewer: Viewer) -> dict[str, str]:
    """Field → what somebody else has stored in it meanwhile, where it is not what is written here."""
    found = {name: now.draft.value(name) for name in rules.NAMES if now.draft.value(name) != mine.value(name)}
    has = [store.shown(phone.number, viewer) for phone in now.draft.phones]
    if {phone.number for phone in now.draft.phones} != {phone.number for phone in mine.phones}:
        found["phones"] = " / ".join(has)
    return found


async def _form(
    request: Request,
    form: Form,
    status: int = 200,
    *,
    customer: store.Customer | None = None,
    version: int = 0,
    company: str = "",
    key: str = "",
    holders: Any = (),
    theirs: Mapping[str, str] | None = None,
) -> HTTPResponse:
    """`company`: as it was when the form was opened, behind a `=`, for an empty field is none."""
    database = context.of(request).database
    owners = await store.owners(database, customer.draft.owner if customer else "")
    about = {
        "customer": customer,
        "own_fields": fields.active(await field_store.fields(database)),
        "version": version,
        "company": company,
        "key": key,
        "holders": holders,
        "theirs": theirs or {},
        "stale": theirs is not None,
    }
    return await page(request, "form.html", status, form=form, owners=owners, **about)


@blueprint.get("/phone-row")
@door.needs(CUSTOMERS)
async def phone_row(request: Request) -> HTTPResponse:
    """One more line for a number."""
    return await page(request, "phone_row.html", row=Row(str(uuid.uuid4().int % 10**9), ""), theirs={})


@blueprint.get("/companies")
@door.needs(CUSTOMERS)
async def companies(request: Request) -> HTTPResponse:
    """Names to choose from while one is written."""
    found = await store.companies(context.of(request).database, rules.clean(request.args.get("company") or "")[:100])
    return await page(request, "companies.html", found=found)


# -- one customer ------------------------------------------------------------------------------------------------------


@blueprint.get("/<id:int>")
@door.needs(CUSTOMERS)
async def one(request: Request, id: int) -> HTTPResponse:
    viewer = door.viewer(request)
    found = await store.card(context.of(request).database, viewer, whole_id(id), request.ctx.language)
    if found.customer.merged_into is not None:
        return redirect(f"/customers/{found.customer.merged_into}")
    return await _card(request, found)


async def _card(
    request: Request, card: store.Card, status: int = 200, written: str = "", error: str = "", message: str = ""
) -> HTTPResponse:
    known = fields.active(await field_store.fields(context.of(request).database))
    about = {"written": written, "error": error, "message": message, "key": str(uuid.uuid4()), "own_fields": known}
    return await page(request, "card.html", status, card=card, customer=card.customer, contact="", **about)


@blueprint.get("/<id:int>/calls")
@door.needs(CUSTOMERS)
async def older_calls(request: Request, id: int) -> HTTPResponse:
    """More rows of his history."""
    viewer, after = door.viewer(request), rules.behind_call(request.args.get("cursor") or "")
    async with context.of(request).database.transaction() as connection:
        found = await store.customer(connection, whole_id(id))
        had = [phone.number for phone in found.draft.phones]
        calls, more = await past.history(connection, viewer, had, id, request.ctx.language, after)
    return await page(request, "past_calls.html", calls=calls, more=more, contact="")


@blueprint.get("/<id:int>/notes")
@door.needs(CUSTOMERS)
async def older_notes(request: Request, id: int) -> HTTPResponse:
    """More of what was noted."""
    after = rules.behind(request.args.get("cursor") or "")
    async with context.of(request).database.transaction() as connection:
        found = await store.customer(connection, whole_id(id))
        written, more = await past.notes(connection, found.id, None, after)
    return await page(request, "past_notes.html", notes=written, more=more, contact="")


def read_note(given: Mapping[str, str]) -> tuple[uuid.UUID | None, str, str]:
    """Its key, its text, and what is wrong with it."""
    body = rules.clean(given.get("body", ""), lines=True)
    error = EMPTY_NOTE if not body else LONG_NOTE if len(body) > rules.NOTE_LONGEST else ""
    return rules.key_of(given.get("key", "")), body, error


@blueprint.post("/<id:int>/notes")
@door.needs(CUSTOMERS)
async def note(request: Request, id: int) -> HTTPResponse:
    viewer, here = door.viewer(request), context.of(request)
    key, body, error = read_note(door.form(request))
    if key is None:
        raise Forbidden(mark("页面已经过期，请返回并刷新页面，再试一次。"))
    async with here.database.transaction() as connection:
        if (customer := await store.held(connection, whole_id(id))) is None:
            raise NotFound(f"customer {id} is deleted")
        if not error:
            await store.add_note(connection, viewer, key, body, customer, None)
    if not error:
        return go_to(f"/customers/{id}")
    card = await store.card(here.database, viewer, id, request.ctx.language)
    return await _card(request, card, 422, body, error)


@blueprint.post("/<id:int>/phones/<phone:int>")
@door.needs(CUSTOMERS)
async def reveal(request: Request, id: int, phone: int) -> HTTPResponse:
    """The number whole (查看号码); written down."""
    viewer = door.viewer(request)
    found = await store.reveal(context.of(request).database, viewer, whole_id(id), whole_id(phone), request.ip)
    return await page(request, "phone.html", phone=found, customer_id=id)


@blueprint.post("/<id:int>/delete")
@door.needs(CUSTOMERS)
async def delete(request: Request, id: int) -> HTTPResponse:
    viewer, here = door.viewer(request), context.of(request)
    version = number_of(door.form(request).get("version", ""))
    try:
        await store.delete(here.database, viewer, whole_id(id), version, request.ip)
    except store.Stale:
        card = await store.card(here.database, viewer, id, request.ctx.language)
        return await _card(request, card, 409, message=mark("别人刚刚改过这位客户，请先看一看再删除。"))
    return go_to("/customers/")


@blueprint.post("/<id:int>/restore")
@door.needs(CUSTOMERS)
async def restore(request: Request, id: int) -> HTTPResponse:
    await store.restore(context.of(request).database, door.viewer(request), whole_id(id), request.ip)
    return go_to(f"/customers/{id}")


# -- two who are one ---------------------------------------------------------------------------------------------------


@blueprint.get("/<id:int>/merge")
@door.needs(CUSTOMERS)
async def merge_form(request: Request, id: int) -> HTTPResponse:
    """Whom he may be the same as; with ?with=… both side by side."""
    return await _merge(request, whole_id(id), number_of(request.args.get("with") or ""))


async def _merge(request: Request, id: int, other: int, status: int = 200, message: str = "") -> HTTPResponse:
    viewer, here = door.viewer(request), context.of(request)
    async with here.database.transaction() as connection:
        keep = await store.customer(connection, id)
        gone = await store.customer(connection, other) if other and other != id else None
    if keep.deleted_at is not None or (gone is not None and gone.deleted_at is not None):
        return redirect(f"/customers/{id}")
    known = await field_store.fields(here.database)
    q = rules.clean(request.args.get("q") or "")[:100]
    found: list[store.Line] = []
    if gone is None:
        try:
            found = await _candidates(request, known, keep, q)
        except TooMuch:
            status, message = 422, TOO_MUCH
    about: dict[str, Any] = {"keep": keep, "other": gone, "found": found, "q": q, "message": message}
    if gone is not None:
        about["own_fields"] = fields.active(known)
        about["differing"] = fields.differing(known, keep.draft, gone.draft)
        about["result"] = fields.merged(known, keep.draft, gone.draft, {})
        about["numbers"] = [store.shown(phone.number, viewer) for phone in about["result"].phones]
    return await page(request, "merge.html", status, **about)


async def _candidates(request: Request, known: Sequence[Field], keep: store.Customer, q: str) -> list[store.Line]:
    viewer, database = door.viewer(request), context.of(request).database
    if not q:
        return await store.alike(database, viewer, keep)
    wanted, _ = fields.search(known, {"q": q}, viewer.id, viewer.may(NUMBERS))
    found, _ = await store.search(database, viewer, wanted, 11)
    return [line for line in found if line.id != keep.id]


@blueprint.post("/<id:int>/merge")
@door.needs(CUSTOMERS)
async def merge(request: Request, id: int) -> HTTPResponse:
    viewer, here, given = door.viewer(request), context.of(request), door.form(request)
    other = number_of(given.get("with", ""))
    if not other or other == whole_id(id):
        raise NotFound(f"customer {other}")
    versions = number_of(given.get("version", "")), number_of(given.get("other_version", ""))
    choices = {name.removeprefix("take-"): value for name, value in given.items() if name.startswith("take-")}
    try:
        await store.merge(here.database, viewer, id, other, versions, choices, request.ip)
    except store.Stale:
        return await _merge(request, id, other, 409, mark("别人刚刚改过其中一位，请核对后再合并。"))
    return go_to(f"/customers/{id}")
