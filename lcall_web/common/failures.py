"""The one place where what went wrong becomes a page: what is the matter, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from sanic import Request, Sanic
from sanic.exceptions import Forbidden, SanicException
from sanic.response import HTTPResponse

from lcall_web.common import door, pages
from lcall_web.common.database import DatabaseAway, TooMuch
from lcall_web.common.i18n import mark
from lq.sdk import ApiError, ApiUnavailable

log = structlog.get_logger()

RETRY_S: Final = 5
MAIN: Final = "main"  # of the layout: what links change (static/page.js)


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    advice: str


WORDS: Final[Mapping[int, Words]] = {
    400: Words(mark("请求无法理解"), mark("请返回上一页，检查填写的内容后再试。")),
    403: Words(mark("没有权限"), mark("这项内容不对您开放。需要时请联系班长或管理员。")),
    404: Words(mark("没有找到"), mark("它可能已被删除，或者不属于您。请从通话记录重新查找。")),
    405: Words(mark("请求无法理解"), mark("请返回上一页，检查填写的内容后再试。")),
    413: Words(mark("内容太大"), mark("请减少内容后再试。")),
    422: Words(mark("查询范围太大"), mark("请缩短日期范围或增加条件。")),
    500: Words(mark("系统出错了"), mark("错误已记入日志。请再试一次；若仍然出现，请联系管理员。")),
    503: Words(mark("暂时不可用"), mark("通话不受影响。本页会自动重试，恢复后即可继续。")),
}
PART: Final = mark("通话不受影响，恢复后即可继续。")
UNDONE: Final = mark("通话不受影响，请稍后再试一次。")
DATABASE: Final = mark("数据库没有响应。")
API: Final = mark("呼叫接口（LQ-SDK）没有响应。")
SANICS: Final = str(Forbidden())  # its own word, where nobody has said more
BUSY: Final = mark("同时收听的人太多，请稍后再试。")


class Busy(Exception):
    """Nothing more can be taken now."""


def attach(app: Sanic[Any, Any]) -> None:
    app.error_handler.add(SanicException, _refused)
    app.error_handler.add(DatabaseAway, _database_away)
    app.error_handler.add(TooMuch, _too_much)
    app.error_handler.add(Busy, _busy)
    app.error_handler.add(ApiError, _api)
    app.error_handler.add(Exception, _broken)


async def _refused(request: Request, error: SanicException) -> HTTPResponse:
    status = error.status_code or 500
    reason = str(error) if status == 403 and str(error) != SANICS else ""
    return await failure(request, status if status in WORDS else 400 if status < 500 else 500, reason)


async def _database_away(request: Request, error: DatabaseAway) -> HTTPResponse:
    return await failure(request, 503, DATABASE)


async def _too_much(request: Request, error: TooMuch) -> HTTPResponse:
    if request.method in door.READING:
        return await failure(request, 422)
    return await failure(request, 503, DATABASE)  # what is written is as it was meant: once more, later


async def _busy(request: Request, error: Busy) -> HTTPResponse:
    return await failure(request, 503, BUSY)


async def _api(request: Request, error: ApiError) -> HTTPResponse:
    if error.status in (403, 404):
        return await failure(request, error.status)
    if isinstance(error, ApiUnavailable) or error.status in (429, 503):
        return await failure(request, 503, API)
    return await _broken(request, error)


async def _broken(request: Request, error: Exception) -> HTTPResponse:
    log.error("a request failed", path=request.path, exc_info=error)
    return await failure(request, 500)


async def failure(request: Request, status: int, reason: str = "") -> HTTPResponse:
    """`reason`: a marked text that says more than the status does."""
    door.prepare(request)
    asked_by_script = "hx-request" in request.headers
    whole = not asked_by_script or request.headers.get("hx-target") == MAIN
    reads = request.method in door.READING
    tries_again = status == 503 and reads and whole
    answer = await pages.page(
        request,
        "common/failure.html" if whole else "common/failure_part.html",
        status,
        code=status,
        words=WORDS[status] if tries_again or status != 503 else replace(WORDS[503], advice=PART if reads else UNDONE),
        reason=reason,
        tries_again=tries_again,
        retry_s=RETRY_S if tries_again and not asked_by_script else 0,
        again_s=RETRY_S if tries_again and asked_by_script else 0,  # a refresh would end the soft phone beside the page
        back="" if reads else sent_from(request.headers.get("referer", ""), request.host),
    )
    if not reads:
        answer.headers["HX-Push-Url"] = "false"  # nothing can be read there
    if status == 503:
        answer.headers["Retry-After"] = str(RETRY_S)
    return answer


def sent_from(referer: str, host: str) -> str:
    """The page of ours where the form stood; "" if that is not known."""
    try:
        page = urlsplit(referer)
    except ValueError:
        return ""
    if page.netloc != host or not page.path.startswith("/") or page.path.startswith("//"):
        return ""
    return page.path + (f"?{page.query}" if page.query else "")
