"""The numbers of a list (black, white, VIP, do-not-call): searched, added, imported, taken off."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sanic import Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, redirect

from lcall_web.common import context, door
from lcall_web.common.i18n import mark
from lcall_web.common.masking import masked
from lcall_web.common.written import day
from lcall_web.settings import refusals, sheets, store
from lcall_web.settings.business import LISTS
from lcall_web.settings.room import REFUSED, file, first, given, id_of, numbers, reads, show, writes
from lcall_web.settings.rules import Fault
from lq.sdk import ApiError, ListEntry

AT_ONCE: Final = 1_000  # entries of one request of LQ-SDK
MOST: Final = 20_000  # of one import
PAGE: Final = 100
SHOWN: Final = 8  # faults of an import
BETWEEN: Final = re.compile("[,，]")
TIME: Final = re.compile(r"(?:T|\s+)\d{1,2}:\d\d.*")  # of a day that a program wrote
LAST_YEAR: Final = 2999  # what is later is how other programs write "never"
NOTHING: Final = mark("请填写至少一个号码。")
TOO_MANY: Final = mark("一次最多导入 20000 个号码，请分成几个文件。")
NO_NUMBER: Final = mark("这一行没有号码。")
DAY: Final = mark("请按 2026-10-01 填写日期。")

Line = tuple[int, ListEntry]  # the line on which it was written
Wrong = tuple[int, str, Fault]  # line, what was written there, what is the matter with it


@dataclass(frozen=True, slots=True)
class Put:
    """What became of numbers: so many are in the list now, and these cannot be."""

    stored: int
    wrong: Sequence[Wrong]


@reads("/entries/<id:str>")
async def entries(request: Request, id: str) -> HTTPResponse:
    return await _page(request, id_of(id))


@writes("/entries/<id:str>")
async def add(request: Request, id: str) -> HTTPResponse:
    """Numbers that were typed, one a line, with one note and one day on which they expire."""
    form = given(request)
    written = {name: first(form, name) for name in ("numbers", "note", "expires")}
    found = _numbers(written["numbers"])
    if not found or len(found) > MOST:
        return await _page(request, id_of(id), REFUSED, written, {"numbers": Fault(TOO_MANY if found else NOTHING)})
    try:
        expires = _until(written["expires"], context.of(request).watch.center.time_zone)
    except ValueError:
        return await _page(request, id, REFUSED, written, {"expires": Fault(DAY)})
    put = await _put(request, id, [(n, ListEntry(number, written["note"], expires)) for n, number in found])
    if put.wrong:
        return await _page(request, id, REFUSED, written, put=put)
    return redirect(f"/settings/entries/{id}?done={len(found)}", status=303)


@writes("/entries/<id:str>/import")
async def add_file(request: Request, id: str) -> HTTPResponse:
    """A workbook or a text: number, note, day on which it expires."""
    zone = context.of(request).watch.center.time_zone
    try:
        rows = await asyncio.to_thread(sheets.rows, *file(request))
    except sheets.Unreadable as error:
        return await _page(request, id_of(id), REFUSED, faults={"file": Fault(str(error))})
    given_entries, wrong = _entries(rows, zone)
    if not (given_entries or wrong) or len(given_entries) > MOST:
        fault = Fault(TOO_MANY if given_entries else NOTHING)
        return await _page(request, id_of(id), REFUSED, faults={"file": fault})
    put = Put(0, wrong) if wrong else await _put(request, id_of(id), given_entries)
    if put.wrong:
        return await _page(request, id, REFUSED, put=put)
    return redirect(f"/settings/entries/{id}?done={len(given_entries)}", status=303)


def _numbers(text: str) -> list[tuple[int, str]]:
    """With the line of each; several may stand on one, with commas between them."""
    lines = enumerate(text.splitlines(), 1)
    return [(n, part.strip()) for n, line in lines for part in BETWEEN.split(line) if part.strip()]


def _entries(rows: list[list[str]], zone: str) -> tuple[list[Line], list[Wrong]]:
    found, wrong = [], []
    for n, row in enumerate(rows, 1):
        number, note, expires = (*row, "", "", "")[:3]
        said = next(filter(None, row), "")
        if not said or (n == 1 and not any(letter.isdigit() for letter in number or "".join(row))):  # a head
            continue
        if not number:
            wrong.append((n, said, Fault(NO_NUMBER)))
            continue
        try:
            found.append((n, ListEntry(number, note, _until(expires, zone))))
        except ValueError:
            wrong.append((n, expires, Fault(DAY)))
    return found, wrong


def _until(text: str, zone: str) -> datetime | None:
    """The end of a day of the center; None is never. Raises ValueError."""
    last = day(TIME.sub("", text)) if text else None
    if last is None or last.year > LAST_YEAR:
        return None
    return datetime.combine(last + timedelta(days=1), time(), ZoneInfo(zone))


async def _put(request: Request, id: str, entries: Sequence[Line]) -> Put:
    """Of a thousand in which one cannot be, nothing is written."""
    lq, operator = context.of(request).lq, door.viewer(request).id
    stored, wrong = 0, list[Wrong]()
    for start in range(0, len(entries), AT_ONCE):
        some = entries[start : start + AT_ONCE]
        try:
            await lq.put_list_entries(id, [entry for _, entry in some], operator=operator)
        except ApiError as error:
            if error.status != REFUSED:
                raise
            line, entry = some[next((int(part) for part in (error.field or "").split(".") if part.isdigit()), 0)]
            wrong.append((line, entry.number, refusals.said(error.message)))
        else:
            stored += len(some)
    return Put(stored, wrong)


@writes("/entries/<id:str>/remove")
async def remove(request: Request, id: str) -> HTTPResponse:
    number = first(given(request), "number")
    try:
        await context.of(request).lq.delete_list_entry(id_of(id), number, operator=door.viewer(request).id)
    except ApiError as error:
        if error.status not in (404, REFUSED):  # a second click: it is off already
            raise
    return redirect(f"/settings/entries/{id}", status=303)


async def _page(
    request: Request,
    id: str,
    status: int = 200,
    written: Mapping[str, str] | None = None,
    faults: Mapping[str, Fault] | None = None,
    put: Put | None = None,
) -> HTTPResponse:
    here = context.of(request)
    found = await store.document(here, "lists", id)
    if found is None:
        raise NotFound(id)
    sought = (request.args.get("number") or "").strip()[:64]
    problems = dict(faults or {})
    page: Any = None
    try:
        behind = await store.entry_number(here, id, request.args.get("behind") or "")
        page = await here.lq.list_entries(id, number=sought or None, limit=PAGE, cursor=behind or None)
    except ApiError as error:
        if error.status != REFUSED:
            raise
        problems["number"] = refusals.said(error.message)
    place = await store.entry_place(here, id, page.next) if page and page.next else ""
    return await show(
        request,
        "entries.html",
        "lists",
        status if "number" not in problems else REFUSED,
        document=found,
        kind=LISTS,
        entries=page.items if page else (),
        following=urlencode({"number": sought, "behind": place}) if place else "",
        sought=sought,
        written={"numbers": "", "note": "", "expires": "", **(written or {})},
        faults=problems,
        put=put,
        wrong=put.wrong[:SHOWN] if put else (),
        more=max(len(put.wrong) - SHOWN, 0) if put else 0,
        mask=(lambda number: number) if numbers(request) else masked,
        whole=numbers(request),
        now=datetime.now(ZoneInfo(here.watch.center.time_zone)),
        last_year=LAST_YEAR,
        done=request.args.get("done") or "",
    )
