"""Customers as files: taking them away, bringing them in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sanic import Blueprint, Request
from sanic.exceptions import Forbidden
from sanic.request.form import parse_multipart_form
from sanic.response import HTTPResponse

from lcall_web.common import context, door, spreadsheet
from lcall_web.common.database import TooMuch
from lcall_web.common.i18n import mark, translated
from lcall_web.common.viewer import CUSTOMERS, EXPORT, NUMBERS
from lcall_web.customers import field_store, fields, files, rules, sheets, views
from lcall_web.customers.fields import Field

blueprint = Blueprint("customer_files", url_prefix="/customers")

LARGEST: Final = 5_000_000  # bytes of a file
PATIENCE: Final = 60_000_000  # bytes that are read and thrown away, so that one who sends too much hears why
TOO_LARGE: Final = mark("文件超过 5 MB，请分成几个文件。")
NO_FILE: Final = mark("请选择一个 .xlsx 文件。")
HEAD: Final = (mark("客户名单"), mark("条件"), mark("导出"))
TOO_MANY: Final = mark("结果超过 50000 行，请增加条件后再导出。")


@blueprint.get("/export")
@door.needs(CUSTOMERS)
@door.needs(EXPORT)
async def export(request: Request) -> HTTPResponse:
    """xlsx of all that the list would show with this filter."""
    viewer, here = door.viewer(request), context.of(request)
    given = {name: request.args.get(name) or "" for name in rules.FILTERS if name != "cursor"}
    known = await field_store.fields(here.database)
    wanted, form = fields.search(known, given, viewer.id, viewer.may(NUMBERS))
    if not form.good:
        return await views.page(request, "refused.html", 422, message=next(iter(form.errors.values())))
    now = datetime.now(UTC).astimezone(ZoneInfo(here.watch.center.time_zone))
    language = request.ctx.language
    asked = {name: value for name, value in form.given.items() if value}
    try:
        rows = await files.export(here.database, viewer, wanted, language, asked, request.ip)
    except files.TooManyRows:
        return await views.page(request, "refused.html", 422, message=TOO_MANY)
    except TooMuch:
        return await views.page(request, "refused.html", 422, message=views.TOO_MUCH)
    title, condition, taken = (translated(language, text) for text in HEAD)
    who = f"{viewer.name} ({viewer.id}) {now:%Y-%m-%d %H:%M:%S}"
    head = [title, f"{condition}: {_told(asked, language, known)}", f"{taken}: {who}"]
    return await spreadsheet.answer(f"customers-{now:%Y%m%d-%H%M%S}", head, sheets.titles(language, known), rows)


FILTER_NAMES: Final = {
    "q": mark("搜索"),
    "kind": rules.NAMES["kind"],
    "level": rules.NAMES["level"],
    "tag": rules.NAMES["tags"],
    "owner": rules.NAMES["owner"],
    "own": mark("自定义字段"),
}


def _told(asked: dict[str, str], language: str, known: Sequence[Field]) -> str:
    """The filter as people read it."""
    words = {**rules.KINDS, **rules.LEVELS, rules.MINE: mark("我")}
    found = [
        fields.told(known, value, language)
        if name == "own"
        else f"{translated(language, FILTER_NAMES[name])} = {translated(language, words.get(value, value))}"
        for name, value in asked.items()
    ]
    return "; ".join(found) or translated(language, mark("全部客户"))


# -- in ----------------------------------------------------------------------------------------------------------------


@blueprint.get("/import")
@door.needs(CUSTOMERS)
@door.needs(EXPORT)
async def form(request: Request) -> HTTPResponse:
    return await _form(request)


async def _form(request: Request, status: int = 200, error: str = "") -> HTTPResponse:
    columns = await _columns(request)
    return await views.page(request, "import.html", status, error=error, key=str(uuid.uuid4()), columns=columns)


async def _columns(request: Request) -> dict[str, str]:
    known = await field_store.fields(context.of(request).database)
    return sheets.columns(known, request.ctx.language)


@blueprint.get("/import/template")
@door.needs(CUSTOMERS)
@door.needs(EXPORT)
async def template(request: Request) -> HTTPResponse:
    """A file to be filled in."""
    columns = await _columns(request)
    return await spreadsheet.answer("customers", [], list(columns.values()), [])


@blueprint.post("/import", stream=True)
@door.needs(CUSTOMERS)
@door.needs(EXPORT)
async def look(request: Request) -> HTTPResponse:
    """Reads the file by itself: the server's limit is for forms, and does not hold for streams."""
    viewer, here = door.viewer(request), context.of(request)
    body, size = bytearray(), 0
    while (piece := await request.stream.read()) is not None:  # type: ignore[union-attr]
        size += len(piece)
        if size > PATIENCE:
            raise Forbidden(TOO_LARGE)
        if size <= LARGEST:
            body += piece
    if size > LARGEST:
        return await _form(request, 413, TOO_LARGE)
    name, data, key = _sent(request, bytes(body))
    if not data or key is None:
        return await _form(request, 422, NO_FILE)
    try:
        await files.look(here.database, viewer, key, name, data)
    except sheets.Unreadable as error:
        return await _form(request, 422, str(error))
    return views.go_to(f"/customers/import/{key}")


def _sent(request: Request, body: bytes) -> tuple[str, bytes, uuid.UUID | None]:
    """Name and content of the file, and the key of the form; empty for what is no form with a file."""
    kind, _, rest = request.headers.get("content-type", "").partition("boundary=")
    if not kind.startswith("multipart/form-data") or not rest:
        return "", b"", None
    try:
        fields, found = parse_multipart_form(body, rest.strip('"').encode())  # type: ignore[no-untyped-call]
    except (ValueError, LookupError):
        return "", b"", None
    file = found.get("file")
    return (rules.clean(file.name), file.body, rules.key_of(fields.get("key") or "")) if file else ("", b"", None)


@blueprint.get("/import/<id:uuid>")
@door.needs(CUSTOMERS)
@door.needs(EXPORT)
async def shown(request: Request, id: uuid.UUID) -> HTTPResponse:
    """What it would do; while it is done, how far it is."""
    viewer, here = door.viewer(request), context.of(request)
    found = await files.state(here.database, viewer, id)
    part = views.wants_part(request)
    bad = await files.preview(here.database, id, True) if found.bad else []
    good = await files.preview(here.database, id, False) if found.state == "shown" else []
    return await views.page(
        request,
        "import_part.html" if part else "import_shown.html",
        job=found,
        bad=bad,
        good=good,
        columns=await _columns(request),
        part=part,
    )


@blueprint.post("/import/<id:uuid>/start")
@door.needs(CUSTOMERS)
@door.needs(EXPORT)
async def start(request: Request, id: uuid.UUID) -> HTTPResponse:
    viewer, here = door.viewer(request), context.of(request)
    await files.state(here.database, viewer, id)
    if await files.start(here.database, viewer, id, request.ip):
        request.app.add_task(files.run(here.database, viewer, id, request.ip))
    return views.go_to(f"/customers/import/{id}")
