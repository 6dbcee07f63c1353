"""The pages of all documents of the configuration: lists, forms, what a change affects, deleting."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sanic import Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, redirect

from lcall_web.common import context, door
from lcall_web.common.context import Context
from lcall_web.common.i18n import mark
from lcall_web.settings import cells, entries, imports, logo, members, rooms, rules, store
from lcall_web.settings.fields import Kind
from lcall_web.settings.kinds import KINDS
from lcall_web.settings.room import (
    REFUSED,
    address,
    blueprint,
    first,
    given,
    id_of,
    kind_of,
    numbers,
    reads,
    show,
    writes,
)
from lcall_web.settings.rules import Fault
from lq.sdk import ApiError, Document

__all__ = ["blueprint", "entries", "imports", "logo", "members", "rooms"]

MOST: Final = 300  # rows of a list
YEARS: Final = (-1, 0, 1, 2)  # of a calendar that are drawn, from this one
THERE: Final = mark("这个编号已经有了。")
GONE: Final = mark("它刚被别人删除了。可以用原来的编号重新新建。")


@reads("/")
async def start(request: Request) -> HTTPResponse:
    return redirect(address("agents"))


# -- lists -------------------------------------------------------------------------------------------------------------


@reads("/<name:str>/")
async def listing(request: Request, name: str) -> HTTPResponse:
    kind, here = kind_of(name), context.of(request)
    if kind.single:
        return await _form(request, kind, await store.document(here, kind.name, kind.single) or _none(kind))
    documents = await store.documents(here, name)
    table = await cells.table(here, kind, documents, request.ctx.language, numbers(request))
    sought = (request.args.get("q") or "")[:100]
    found = rules.matching(((row.id, row.text) for row in table.rows), sought)
    rows = {row.id: row for row in table.rows}
    return await show(
        request,
        "list.html",
        name,
        kind=kind,
        columns=table.columns,
        rows=[rows[id] for id in found[:MOST]],
        more=max(len(found) - MOST, 0),
        all=len(documents),
        sought=sought,
        told=request.args.get("done") or "",
    )


# -- forms -------------------------------------------------------------------------------------------------------------


def _none(kind: Kind) -> Document:
    return Document(kind.name, kind.single, 0, {})


@reads("/<name:str>/<id:str>")
async def edit(request: Request, name: str, id: str) -> HTTPResponse:
    kind = kind_of(name)
    if id == "+":
        return await _form(request, kind, _none(kind))
    found = await store.document(context.of(request), name, id_of(id))
    if found is None:
        raise NotFound(id)
    return await _form(request, kind, found)


@writes("/<name:str>/<id:str>")
async def save(request: Request, name: str, id: str) -> HTTPResponse:
    """Writes a document as the form has it; `+`: a new one."""
    kind, here, form = kind_of(name), context.of(request), given(request)
    new = id == "+"
    id = first(form, "id") if new else id_of(id)
    version = first(form, "version")
    before = None if new else await store.document(here, name, id)
    if before is None and not new and not kind.single:
        return await _form(request, kind, _none(kind), form, {"id": Fault(GONE)}, id, status=409)
    present = before or Document(name, id, 0, {})
    keep = _hidden(request, kind, present)
    variables = await store.variables(here) if any(field.kind == "script" for field in kind.fields) else ()
    body, faults = rules.read(kind, form, present.body, keep, variables)
    if not rules.ID.fullmatch(id):
        faults["id"] = Fault(rules.BAD_ID)
    if not version.isdigit():
        version = "0"
    if not faults:
        saved = await store.put(here, kind, id, {**body, "id": id}, int(version), door.viewer(request).id)
        if saved.document is not None:
            return await _done(request, kind, id, form, new)
        if saved.present is not None and new:
            faults["id"] = Fault(THERE)
        elif saved.present is not None:
            return await _stale(request, kind, saved.present, form)
        elif saved.gone:
            return await _form(request, kind, _none(kind), form, {"id": Fault(GONE)}, id, status=409)
        for path, fault in saved.faults:
            faults.setdefault(path if path == "id" else rules.place(kind, path), fault)
    shown = Document(name, "" if new else id, int(version), present.body)
    return await _form(request, kind, shown, form, faults, id, status=REFUSED)


async def _done(request: Request, kind: Kind, id: str, form: Mapping[str, list[str]], new: bool) -> HTTPResponse:
    """On to the list, or first to the secret that is shown this once."""
    secret = next(iter(form.get("password", ())), "") if kind.name == "phones" else ""
    if secret:
        return await show(request, "secret.html", kind.name, kind=kind, id=id, secret=secret)
    if kind.single:
        return redirect(f"{address(kind.name)}?done={id}", status=303)
    back = "/settings/members/" + id if new and kind.name == "queues" else f"{address(kind.name)}?done={id}"
    return redirect(back, status=303)


async def _stale(request: Request, kind: Kind, present: Document, form: dict[str, list[str]]) -> HTTPResponse:
    """Somebody was quicker: what only he changed is taken, what both changed is shown, and nothing typed is lost."""
    now, hidden = rules.values_of(kind, present.body), _hidden(request, kind, present)
    base = _base(form, {name: texts for name, texts in now.items() if name not in hidden})
    merged = rules.merge(kind, base, form, now, hidden)
    return await _form(request, kind, present, dict(merged.values), {}, present.id, status=409, merged=merged)


def _hidden(request: Request, kind: Kind, document: Document) -> list[str]:
    """The fields with numbers that he may not see."""
    return [field.name for field in kind.fields if rules.hidden_from(field, document.body, numbers(request))]


def _base(form: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> Mapping[str, list[str]]:
    """The form as it was shown, which it carries along; one that cannot be read is taken as it stands now."""
    try:
        base = json.loads(next(iter(form.get("base", ())), ""))
    except ValueError:
        return now
    if not isinstance(base, dict) or not all(isinstance(value, list) for value in base.values()):
        return now
    return {name: [str(text) for text in value] for name, value in base.items()}


async def _form(
    request: Request,
    kind: Kind,
    document: Document,
    written: Mapping[str, list[str]] | None = None,
    faults: Mapping[str, Fault] | None = None,
    id: str = "",
    status: int = 200,
    merged: rules.Merged | None = None,
) -> HTTPResponse:
    """`written`: what was typed, which stands instead of the document's values."""
    here, new = context.of(request), document.version == 0
    body = document.body
    base = rules.values_of(kind, body)
    values = {**base, **{name: list(texts) for name, texts in (written or {}).items() if name in base}}
    if new and kind.name == "phones" and not values["password"][0]:
        values["password"] = [secrets.token_urlsafe(12)]
    masks = {field.name: rules.hidden_from(field, body, numbers(request)) for field in kind.fields}
    base = {name: texts for name, texts in base.items() if not masks[name]}
    names = await store.names(here, store.named_kinds(kind), request.ctx.language)
    return await show(
        request,
        "form.html",
        kind.name,
        status,
        kind=kind,
        document=document,
        new=new and not kind.single,
        id=document.id or id,
        values=values,
        masks=masks,
        base=json.dumps(base, ensure_ascii=False),
        faults=faults or {},
        merged=merged,
        theirs=cells.texts(kind, body, names, request.ctx.language, numbers(request)),
        options=_options(names, kind, document.id),
        users={} if new else await store.users(here, kind.name, document.id),
        change=None if new else await store.last_change(here, kind.name, document.id),
        live=None if new else await cells.live(here, kind, document.id, request.ctx.language),
        years=_years(here, values),
        told=request.args.get("done") or "",
    )


def _options(names: store.Names, kind: Kind, id: str) -> store.Names:
    """What a field may name: (id -> text) by kind; never the document itself."""
    return {
        named: {each: text for each, text in some.items() if (named, each) != (kind.name, id)}
        for named, some in names.items()
    }


def _years(here: Context, values: Mapping[str, list[str]]) -> list[tuple[int, list[rules.Month]]]:
    if "holidays" not in values:
        return []
    days = [values[name][0].splitlines() if values[name] else [] for name in ("holidays", "workdays")]
    this = datetime.now(ZoneInfo(here.watch.center.time_zone)).year
    return [(this + n, rules.year(this + n, *days)) for n in YEARS]


# -- secrets, the emergency switch, deleting ---------------------------------------------------------------------------


@writes("/secret/<id:str>")
async def secret(request: Request, id: str) -> HTTPResponse:
    """A new password of a phone, shown this once."""
    here, kind = context.of(request), KINDS["phones"]
    found = await store.document(here, "phones", id_of(id))
    if found is None:
        raise NotFound(id)
    password = first(given(request), "password") or secrets.token_urlsafe(12)
    saved = await store.put(
        here, kind, id, {**found.body, "password": password}, found.version, door.viewer(request).id
    )
    if saved.document is None:
        return await _form(request, kind, saved.present or found, status=409)
    return await show(request, "secret.html", "phones", kind=kind, id=id, secret=password)


@writes("/override/<id:str>")
async def override(request: Request, id: str) -> HTTPResponse:
    """The emergency switch of a calendar (应急开关)."""
    kind, here = KINDS["calendars"], context.of(request)
    wanted = first(given(request), "override")
    found = await store.document(here, "calendars", id_of(id))
    if found is None or wanted not in kind.field("override").options:
        raise NotFound(id)
    body = {**found.body, "override": wanted}
    saved = await store.put(here, kind, id, body, found.version, door.viewer(request).id)
    if saved.document is None:
        return await _form(request, kind, saved.present or found, status=409)
    return redirect(f"{address('calendars')}?done={id}", status=303)


@reads("/delete/<name:str>/<id:str>")
async def ask_to_delete(request: Request, name: str, id: str) -> HTTPResponse:
    return await _deleting(request, kind_of(name), id_of(id))


@writes("/delete/<name:str>/<id:str>")
async def delete(request: Request, name: str, id: str) -> HTTPResponse:
    kind, here = kind_of(name), context.of(request)
    if kind.single:
        raise NotFound(id)
    try:
        await here.lq.delete_document(name, id_of(id), operator=door.viewer(request).id)
    except ApiError as error:
        if error.status == 409:
            return await _deleting(request, kind, id, 409)
        if error.status != 404:  # a second click: it is gone already
            raise
    return redirect(address(name), status=303)


async def _deleting(request: Request, kind: Kind, id: str, status: int = 200) -> HTTPResponse:
    here = context.of(request)
    found = None if kind.single else await store.document(here, kind.name, id)
    if found is None:
        raise NotFound(id)
    filled = kind.name == "lists" and bool((await here.lq.list_entries(id, limit=1)).items)
    return await show(
        request,
        "delete.html",
        kind.name,
        status,
        kind=kind,
        document=found,
        users=await store.users(here, kind.name, id),
        filled=filled,
        live=await cells.live(here, kind, id, request.ctx.language),
    )
