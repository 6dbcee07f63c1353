"""The call list with its search, and a call's own page."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import structlog
from sanic import Blueprint, Request
from sanic.exceptions import BadRequest, NotFound
from sanic.response import HTTPResponse

from lcall_web.calls import detail, export, rules, store
from lcall_web.common import codes, context, door, failures, pages, spreadsheet, words
from lcall_web.common.database import TooMuch
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import CUSTOMERS, EXPORT, NUMBERS

log = structlog.get_logger()

blueprint = Blueprint("calls", url_prefix="/calls")

ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
NOT_MADE: Final = mark("文件没有做成。")
EXPORTING: Final = mark("正在导出的人太多，请稍后再试。")
NAMED: Final = mark("叫这个名称的客户太多，请多写几个字。")
TOO_MUCH: Final = mark("查询范围太大，请缩短日期范围或增加条件。")


@blueprint.get("/")
async def listing(request: Request) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    now = datetime.now(UTC)
    wanted, form = _asked(request, now)
    queues = await store.queue_names(here.database)
    found, message = store.Found((), None, None), ""
    if not form.errors:
        try:
            found = await store.search(here.database, viewer, wanted, request.ctx.language)
        except store.TooManyNamed:
            message = NAMED
        except TooMuch:
            message = TOO_MUCH
    more = wanted.after is not None and "hx-request" in request.headers
    return await pages.page(
        request,
        "calls/rows.html" if more else "calls/list.html",
        status=422 if form.errors or message else 200,
        form=form,
        found=found,
        message=message,
        next=_next(form, found),
        file=_address("/calls/export.xlsx", form) if viewer.may(EXPORT) and found.rows else "",
        more=any(form.given[name] for name in rules.MORE),
        queues=queues,
        trunks=await store.trunks(here.database),
        codes=await codes.tree(here.database.fetch, request.ctx.language),
        ranges=_ranges(now.astimezone(ZoneInfo(here.watch.center.time_zone))),
        others=viewer.reach.others,
        numbers=viewer.may(NUMBERS),
        directions=words.DIRECTIONS,
        results=words.RESULTS,
        recordings=words.RECORDINGS,
        recorded=rules.RECORDED,
        customers=viewer.may(CUSTOMERS),
        enders=words.ENDED_BY,
        causes=words.CAUSES,
    )


def _asked(request: Request, now: datetime) -> tuple[rules.Search, rules.Form]:
    args = request.get_args(keep_blank_values=True)  # an emptied date asks for every day, no date for today
    given = {name: args.get(name) or "" for name in args}
    viewer, zone = door.viewer(request), context.of(request).watch.center.time_zone
    return rules.read(given, zone, now, viewer.may(NUMBERS), viewer.may(CUSTOMERS))


@blueprint.get("/export.xlsx")
@door.needs(EXPORT)
async def exported(request: Request) -> HTTPResponse | None:
    """What was searched for, as a file."""
    here, viewer, now = context.of(request), door.viewer(request), datetime.now(UTC)
    wanted, form = _asked(request, now)
    if form.errors:
        raise BadRequest
    if export.running.locked():
        return await failures.failure(request, 503, EXPORTING)
    zone = here.watch.center.time_zone
    wish = export.Wish(viewer, request.ip, request.ctx.language, replace(wanted, after=None), form.given, zone)
    begun = False
    try:
        async with export.file(here, wish) as pieces:
            name = f"calls-{now.astimezone(ZoneInfo(zone)):%Y%m%d-%H%M%S}.xlsx"
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            begun = True
            response = await request.respond(content_type=spreadsheet.TYPE, headers=headers)
            async for piece in pieces:
                await response.send(piece)
            await response.eof()
    except store.TooManyNamed:  # the first that is asked
        return await failures.failure(request, 422, NAMED)
    except (export.Failed, TimeoutError) as error:
        log.warning("a file of calls was not made", begun=begun, error=repr(error))
        if not begun:
            return await failures.failure(request, 503, NOT_MADE)
        door.cut(request)  # or the browser would keep what came as if it were all of it
    return None


def _next(form: rules.Form, found: store.Found) -> str:
    """Where the next page is; it asks the same, for `from` may have been today by default."""
    if found.next is None:
        return ""
    return _address("/calls/", form, cursor=found.next)


def _address(path: str, form: rules.Form, **more: str) -> str:
    asked = {name: value for name, value in form.given.items() if value or name in ("from", "to")}
    return f"{path}?" + urlencode({**asked, "cursor": "", **more})


def _ranges(now: datetime) -> list[tuple[str, str, str]]:
    """Label, first and last day of what is asked for most."""
    today = now.date()
    days = [(mark("今天"), 0, 0), (mark("昨天"), 1, 1), (mark("近 7 天"), 6, 0), (mark("近 30 天"), 29, 0)]
    return [(word, f"{today - timedelta(days=a)}", f"{today - timedelta(days=b)}") for word, a, b in days]


@blueprint.get("/<id:str>")
async def one(request: Request, id: str) -> HTTPResponse:
    found = await detail.call(context.of(request), door.viewer(request), _id(id), request.ctx.language)
    contact = found.contact
    started_at = contact.started_at or found.until
    return await pages.page(
        request,
        "calls/call.html",
        call=found,
        contact=contact,
        started_at=started_at,
        over=contact.state == "ended",
        coded={each.code: each.name for each in found.codes},
        timeline=rules.timeline(contact.segments, started_at, found.until),
        words=words,
    )


@blueprint.post("/<id:str>/number")
async def number(request: Request, id: str) -> HTTPResponse:
    """The number whole (查看号码); written down."""
    here, viewer = context.of(request), door.viewer(request)
    numbers = await detail.reveal(here, viewer, _id(id), request.ip, request.ctx.language)
    return await pages.page(request, "calls/numbers.html", numbers=numbers, whole=True)


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise NotFound(text)
    return text
