"""The audit log: who did what, about what, when, from where. Only read here; common/audit.py writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from lcall_web.accounts.rules import TOO_LONG, Form
from lcall_web.accounts.store import SQL, Place
from lcall_web.common import audit
from lcall_web.common.database import SEARCH_S, Database, TooMuch, literal
from lcall_web.common.i18n import mark
from lcall_web.common.masking import without_numbers, without_numbers_within
from lcall_web.common.spreadsheet import MOST_ROWS
from lcall_web.common.viewer import NUMBERS, Viewer

PAGE: Final = 100
PATIENCE_S: Final = SEARCH_S + 1
OURS: Final = re.compile(r"(customer|follow_up|notice|field|team):\d+")  # our own ids, however long they grow
FIELDS: Final = ("from", "to", "who", "action", "about")

DAY: Final = mark("请按 2026-11-24 的格式填写日期。")
ORDER: Final = mark("结束日期早于开始日期。")

# What people did, as they say it. An action that is not here is shown by its name.
ACTIONS: Final[Mapping[str, str]] = {
    "login": mark("登录"),
    "logout": mark("退出登录"),
    "password_changed": mark("修改密码"),
    "password_reset": mark("重置密码"),
    "totp_on": mark("开启两步验证"),
    "totp_off": mark("关闭两步验证"),
    "totp_dropped": mark("取消他人的两步验证"),
    "recovery_codes_made": mark("生成恢复码"),
    "recovery_code_used": mark("使用恢复码"),
    "session_ended": mark("结束一个登录"),
    "sessions_ended": mark("结束多个登录"),
    "administrator_let_in": mark("在服务器上设置管理员"),
    "operator_created": mark("新建账号"),
    "operator_changed": mark("修改账号"),
    "operator_disabled": mark("停用账号"),
    "operator_enabled": mark("启用账号"),
    "role_created": mark("新建角色"),
    "role_changed": mark("修改角色"),
    "role_deleted": mark("删除角色"),
    "team_created": mark("新建班组"),
    "team_changed": mark("修改班组"),
    "team_deleted": mark("删除班组"),
    "number_revealed": mark("查看完整号码"),
    "caller_listed": mark("把来电加入黑名单"),
    "caller_unlisted": mark("把来电移出黑名单"),
    "follow_up_created": mark("给他人记下跟进"),
    "follow_up_changed": mark("修改、推迟他人的跟进"),
    "follow_up_done": mark("完成他人的跟进"),
    "follow_up_reopened": mark("重新打开他人的跟进"),
    "customer_field_created": mark("新建客户字段"),
    "customer_field_changed": mark("修改客户字段"),
    "customer_field_moved": mark("调整客户字段的顺序"),
    "customer_field_retired": mark("停用客户字段"),
    "customer_field_restored": mark("重新启用客户字段"),
    "notice_written": mark("发布公告"),
    "notice_changed": mark("修改公告"),
    "notice_ended": mark("结束公告"),
    "notice_deleted": mark("删除公告"),
    "recording_played": mark("播放录音"),
    "recording_listened_live": mark("实时听取录音"),
    "audit_exported": mark("导出审计日志"),
    "config_put": mark("修改配置"),
    "config_delete": mark("删除配置"),
    "list_put": mark("名单加入号码"),
    "list_delete": mark("名单移除号码"),
    "list_clear": mark("清空名单"),
    "customer_created": mark("新建客户资料"),
    "customer_changed": mark("修改客户资料"),
    "customer_deleted": mark("删除客户资料"),
    "customer_restored": mark("恢复客户资料"),
    "customers_merged": mark("合并两位客户"),
    "customer_chosen": mark("指定来电是哪位客户"),
    "customers_exported": mark("导出客户资料"),
    "customers_imported": mark("导入客户资料"),
    "calls_exported": mark("导出通话记录"),
    "recording_downloaded": mark("下载一个录音"),
    "call_released": mark("强拆一个通话"),
    "agent_forced": mark("改变坐席的状态"),
    "phone_credentials": mark("取得浏览器话机的临时密码"),
    "logo_put": mark("更换中心的标志"),
    "logo_dropped": mark("去掉中心的标志"),
    "conference_call": mark("呼叫他人加入会议"),
    "conference_kick": mark("把一方请出会议"),
    "conference_mute": mark("把会议的一方静音"),
    "conference_unmute": mark("取消会议一方的静音"),
    "conference_host": mark("设定会议主持人"),
    "conference_unhost": mark("取消会议主持人"),
    "conference_end": mark("结束一个会议"),
    "token_add": mark("新建接口令牌"),
    "token_revoke": mark("撤销接口令牌"),
}


@dataclass(frozen=True, slots=True)
class Search:
    start: datetime | None
    end: datetime | None
    who: str
    action: str
    about: str
    before: int | None = None  # the last line of the page before


@dataclass(frozen=True, slots=True)
class Line:
    """Numbers in it are as this viewer may see them."""

    id: int
    at: datetime
    operator: str
    name: str
    action: str
    object: str
    address: str
    detail: Mapping[str, Any]


def read(given: Mapping[str, str], zone: str) -> tuple[Search, Form]:
    wishes = {name: given.get(name, "").strip() for name in FIELDS}
    errors: dict[str, str] = {}
    for name in ("who", "action", "about"):
        if len(wishes[name]) > 100 or not wishes[name].isprintable():
            errors[name] = TOO_LONG
    days: list[date | None] = []
    for name in ("from", "to"):
        days.append(_day(wishes[name]))
        if wishes[name] and days[-1] is None:
            errors[name] = DAY
    first, last = days
    if first and last and last < first:
        errors["to"] = ORDER
    before = given.get("before", "")
    search = Search(
        start=_midnight(first, zone) if first else None,
        end=_midnight(last + timedelta(days=1), zone) if last else None,
        who=wishes["who"],
        action=wishes["action"],
        about=wishes["about"],
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None,
    )
    return search, Form(wishes, errors)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2999 else None


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


async def search(database: Database, viewer: Viewer, wanted: Search, most: int = PAGE) -> tuple[list[Line], bool]:
    """Latest first; whether there are more. Raises TooMuch."""
    until = monotonic() + PATIENCE_S
    found: list[Line] = []
    while True:
        rows = await database.fetch(SQL["audit_log"], *_arguments(wanted), most + 1, seconds=PATIENCE_S)
        found += [line for row in rows if _holds(line := _line(row, viewer), viewer, wanted.about)]
        if len(found) > most or len(rows) <= most:
            return found[:most], len(found) > most
        if monotonic() > until:
            raise TooMuch("most lines hold it in what is masked")
        wanted = replace(wanted, before=rows[-1]["id"])


def _arguments(wanted: Search) -> tuple[Any, ...]:
    who, about = literal(wanted.who), literal(wanted.about)
    return wanted.start, wanted.end, wanted.who, who, wanted.action, about, wanted.before


def _line(row: asyncpg.Record, viewer: Viewer) -> Line:
    known = dict(row) | {"name": row["name"] or "", "detail": json.loads(row["detail"])}
    if not viewer.may(NUMBERS):
        known["detail"] = without_numbers_within(known["detail"])
        if not OURS.fullmatch(known["object"]):
            known["object"] = without_numbers(known["object"])
    return Line(**known)


def _holds(line: Line, viewer: Viewer, about: str) -> bool:
    """Whether he sees in it what he looked for: whoever finds by what is masked reads it off, digit by digit."""
    if viewer.may(NUMBERS):
        return True
    shown = f"{line.object}\n{json.dumps(line.detail, ensure_ascii=False)}"
    return about.lower() in shown.lower()


async def export(
    database: Database, viewer: Viewer, wanted: Search, form: Form, place: Place
) -> tuple[list[Line], bool]:
    """All of it up to what a file holds, once it is written down that he took it. Raises TooMuch."""
    async with database.transaction() as connection:
        asked = {name: value for name, value in form.given.items() if value}
        await audit.note(connection, viewer.id, "audit_exported", "audit", place.address, **asked)
    return await search(database, viewer, wanted, MOST_ROWS)


async def actions(database: Database) -> list[str]:
    """Those that have happened."""
    return [row["action"] for row in await database.fetch(SQL["actions"], seconds=PATIENCE_S)]
