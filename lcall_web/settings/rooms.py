"""A conference room while people are in it: who, and invite, mute, make host, put out, end."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final

from sanic import Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse

from lcall_web.common import audit, context, door
from lcall_web.common.context import Context
from lcall_web.common.i18n import mark
from lcall_web.common.masking import masked
from lcall_web.common.words import RULES
from lcall_web.settings import rules
from lcall_web.settings.room import first, given, id_of, numbers, reads, show, writes
from lq.sdk import ApiError, Conference

OUTCOMES: Final[Mapping[str, str]] = {
    "calling": mark("呼叫中"),
    "ringing": mark("振铃"),
    "answered": mark("已接听"),
    "busy": mark("占线"),
    "no_answer": mark("无应答"),
    "refused": mark("拒接"),
    "unreachable": mark("话机不可达"),
    "taken_back": mark("已取消"),
    "full": mark("会议人数已满"),
    "invalid": mark("号码无法识别"),
    **RULES,
    "live_unavailable": mark("实时状态暂时不可用"),
}
MOST: Final = 50  # called at once
VERBS: Final = ("kick", "mute", "unmute", "host", "unhost", "end")
NOBODY: Final = mark("请填写要邀请的坐席、话机或号码。")
TOO_MANY: Final = mark("一次最多邀请 50 人。")
OVER: Final = mark("他已经不在会议中。")
LAST_HOST: Final = mark("最后一位主持人不能取消：他离开时会议就结束。")


@reads("/rooms/<id:str>")
async def room(request: Request, id: str) -> HTTPResponse:
    return await _page(request, await _room(context.of(request), id))


@reads("/rooms/<id:str>/parties")
async def parties(request: Request, id: str) -> HTTPResponse:
    return await _parties(request, await _room(context.of(request), id))


@writes("/rooms/<id:str>/invite")
async def invite(request: Request, id: str) -> HTTPResponse:
    here, form = context.of(request), given(request)
    found = await _room(here, id)
    written = first(form, "to")
    called = list(dict.fromkeys(word for word in rules.split(written) if word))
    if not called or len(called) > MOST:
        return await _page(request, found, 422, written, NOBODY if not called else TOO_MANY)
    await _note(request, here, "conference_call", id, called=len(called))
    try:
        calls = await here.lq.call_in(id, called, host=bool(first(form, "host")))
    except ApiError as error:
        if error.status != 422:
            raise
        return await _page(request, found, 422, written, NOBODY)
    refused = [(one.to, OUTCOMES.get(one.error.code, one.error.code)) for one in calls if one.error]
    return await _page(request, await here.lq.room(id), refused=refused)


@writes("/rooms/<id:str>/<verb:str>")
async def act(request: Request, id: str, verb: str) -> HTTPResponse:
    """What is done to one party, or with `end` to all."""
    here, contact = context.of(request), first(given(request), "contact")
    found = await _room(here, id)
    if verb not in VERBS:
        raise NotFound(verb)
    await _note(request, here, f"conference_{verb}", id, contact=contact)
    told = ""
    try:
        found = await _done(here, verb, id, contact)
    except ApiError as error:
        if error.status not in (404, 409):
            raise
        told = LAST_HOST if error.code == "last_host" else OVER
    return await _parties(request, found, told)


def _done(here: Context, verb: str, id: str, contact: str) -> Awaitable[Conference]:
    match verb:
        case "kick":
            return here.lq.kick(id, contact)
        case "mute":
            return here.lq.mute_party(id, contact)
        case "unmute":
            return here.lq.unmute_party(id, contact)
        case "end":
            return here.lq.end_conference(id)
    return here.lq.make_host(id, contact, verb == "host")


async def _note(request: Request, here: Context, action: str, id: str, **detail: Any) -> None:
    async with here.database.transaction() as connection:
        await audit.note(connection, door.viewer(request).id, action, f"conferences:{id}", request.ip, **detail)


async def _room(here: Context, id: str) -> Conference:
    """Raises ApiError: 404 for one that is not there."""
    return await here.lq.room(id_of(id))


async def _page(
    request: Request,
    found: Conference,
    status: int = 200,
    written: str = "",
    fault: str = "",
    refused: list[tuple[str, str]] | None = None,
) -> HTTPResponse:
    return await show(
        request,
        "room.html",
        "conferences",
        status,
        room=found,
        mask=(lambda number: number) if numbers(request) else masked,
        outcomes=OUTCOMES,
        told="",
        written=written,
        fault=fault,
        refused=refused or [],
    )


async def _parties(request: Request, found: Conference, told: str = "") -> HTTPResponse:
    mask = (lambda number: number) if numbers(request) else masked
    return await show(request, "parties.html", "conferences", room=found, mask=mask, outcomes=OUTCOMES, told=told)
