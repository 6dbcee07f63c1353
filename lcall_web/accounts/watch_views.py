"""审计日志: what people did."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sanic import Blueprint, Request
from sanic.response import HTTPResponse, redirect

from lcall_web.accounts import log
from lcall_web.accounts.login_views import place
from lcall_web.accounts.rules import Form
from lcall_web.common import context, door, pages, spreadsheet
from lcall_web.common.database import TooMuch
from lcall_web.common.i18n import mark, translated
from lcall_web.common.viewer import ACCOUNTS, EXPORT

blueprint = Blueprint("audit", url_prefix="/accounts")

TOO_MUCH: Final = mark("查询范围太大，请缩短日期范围或增加条件。")
COLUMNS: Final = (mark("时间"), mark("工号"), mark("姓名"), mark("操作"), mark("对象"), mark("地址"), mark("内容"))
NAMES: Final = {"from": mark("从"), "to": mark("到"), "who": mark("谁"), "action": mark("操作"), "about": mark("对象")}


@blueprint.get("/audit")
@door.needs(ACCOUNTS)
async def listing(request: Request) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    wanted, form = log.read(_given(request), here.watch.center.time_zone)
    found, more, message = list[log.Line](), False, ""
    if not form.errors:
        try:
            found, more = await log.search(here.database, viewer, wanted)
        except TooMuch:
            message = TOO_MUCH
    asked = {name: value for name, value in form.given.items() if value or name == "from"}
    part = "hx-request" in request.headers and wanted.before is not None
    return await pages.page(
        request,
        "accounts/audit_rows.html" if part else "accounts/audit.html",
        422 if form.errors or message else 200,
        found=found,
        form=form,
        message=message,
        next=f"/accounts/audit?{urlencode({**asked, 'before': found[-1].id})}" if more else "",
        file=f"/accounts/audit.xlsx?{urlencode(asked)}" if viewer.may(EXPORT) else "",
        actions=await log.actions(here.database),
        words=log.ACTIONS,
        told=told,
    )


def _given(request: Request) -> dict[str, str]:
    """Without any wish for days: the last week."""
    args = request.get_args(keep_blank_values=True)
    given = {name: args.get(name) or "" for name in args}
    if not set(given) & {"from", "to"}:
        zone = ZoneInfo(context.of(request).watch.center.time_zone)
        given["from"] = (datetime.now(zone) - timedelta(days=6)).date().isoformat()
    return given


def told(line: log.Line) -> str:
    """The detail on one line."""
    return " · ".join(f"{key}: {_value(value)}" for key, value in line.detail.items() if value is not None)


def _value(value: object) -> str:
    if isinstance(value, list) and len(value) == 2 and not any(isinstance(one, list | dict) for one in value):
        return f"{'' if value[0] is None else value[0]} → {'' if value[1] is None else value[1]}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@blueprint.get("/audit.xlsx")
@door.needs(ACCOUNTS)
@door.needs(EXPORT)
async def export(request: Request) -> HTTPResponse:
    here, viewer, language = context.of(request), door.viewer(request), request.ctx.language
    zone = ZoneInfo(here.watch.center.time_zone)
    wanted, form = log.read(_given(request), here.watch.center.time_zone)
    if form.errors:
        return redirect(f"/accounts/audit?{request.query_string}")
    found, more = await log.export(here.database, viewer, wanted, form, place(request))
    rows = [
        (
            each.at.astimezone(zone),
            each.operator,
            each.name,
            _action(language, each),
            each.object,
            each.address,
            told(each),
        )
        for each in found
    ]
    columns = [translated(language, column) for column in COLUMNS]
    stamp = datetime.now(zone)
    return await spreadsheet.answer(f"audit-{stamp:%Y%m%d-%H%M}", _head(request, form, stamp, more), columns, rows)


def _action(language: str, line: log.Line) -> str:
    return translated(language, log.ACTIONS.get(line.action, line.action))


def _head(request: Request, form: Form, stamp: datetime, more: bool) -> list[str]:
    """What it is, who took it and when, what was asked for."""
    viewer, language = door.viewer(request), request.ctx.language
    asked = [f"{translated(language, NAMES[name])}: {value}" for name, value in form.given.items() if value]
    rest = [translated(language, mark("只包含最近的 50,000 条。"))] if more else []
    title = translated(language, mark("审计日志"))
    return [title, f"{viewer.id} {viewer.name} · {stamp:%Y-%m-%d %H:%M:%S}", " · ".join(asked), *rest]
