"""我的账号: for everybody, about himself alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup
from sanic import Blueprint, Request
from sanic.exceptions import BadRequest
from sanic.response import HTTPResponse, redirect

from lcall_web.accounts import codes, own, passwords, store
from lcall_web.accounts.login_views import REFUSALS, place
from lcall_web.common import context, door, pages
from lcall_web.common.i18n import mark

blueprint = Blueprint("me", url_prefix="/me")

WRONG: Final = {"wrong": (422, mark("密码不对。")), "too_often": REFUSALS["too_often"]}
WRONG_CODE: Final = mark("验证码不对。请核对手机时间，再输入新的验证码。")
DONE: Final = {
    "password": mark("密码已修改，其他设备上的登录已经结束。"),
    "off": mark("两步验证已关闭。"),
    "ended": mark("登录已结束。"),
}
WITH_PASSWORD: Final = ("password", "totp", "off", "codes")  # what one who finds the screen open must not do


@blueprint.get("/")
async def look(request: Request) -> HTTPResponse:
    return await _page(request)


@blueprint.post("/")
async def change(request: Request) -> HTTPResponse:
    """One of the forms of the page; `do` says which."""
    here, viewer, form = context.of(request), door.viewer(request), door.form(request)
    do = form.get("do", "")
    if do in WITH_PASSWORD:
        refusal = await store.knows_password(here.database, viewer, form.get("password", ""), place(request))
        if refusal is not None:
            status, message = WRONG[refusal]
            return await _page(request, status, do, {"password": message})
    if do == "password":
        return await _new_password(request)
    if do == "totp":
        await own.offer_totp(here.database, viewer)
        return redirect("/me/#totp", status=303)
    if do == "forget":
        await own.forget_offer(here.database, viewer)
        return redirect("/me/#totp", status=303)
    if do == "confirm":
        made = await own.confirm_totp(here.database, viewer, form.get("code", ""), place(request))
        return await _page(request, made=made) if made else await _page(request, 422, do, {"code": WRONG_CODE})
    if do == "codes":
        return await _page(request, made=await own.new_codes(here.database, viewer, place(request)))
    if do == "off":
        await own.totp_off(here.database, viewer, place(request))
        return redirect("/me/?done=off", status=303)
    if do == "end":
        id = form.get("session", "")
        if not (id.isascii() and id.isdigit() and len(id) < 18):
            raise BadRequest(do)
        return _ended(request, await own.end_session(here.database, viewer, int(id), place(request)))
    if do == "end_others":
        return _ended(request, await own.end_others(here.database, viewer, place(request)))
    raise BadRequest(do)


async def _new_password(request: Request) -> HTTPResponse:
    here, viewer, form = context.of(request), door.viewer(request), door.form(request)
    new, again = form.get("new", ""), form.get("again", "")
    fault, ended = await own.change_password(here.database, viewer, new, again, place(request))
    if fault:
        field = "again" if fault == passwords.DIFFERENT else "new"
        return await _page(request, 422, "password", {field: fault})
    forget(request, ended)
    return redirect("/me/?done=password", status=303)


def _ended(request: Request, sessions: Iterable[bytes]) -> HTTPResponse:
    forget(request, sessions)
    return redirect("/me/?done=ended#sessions", status=303)


def forget(request: Request, sessions: Iterable[bytes]) -> None:
    """The open pages of sessions that have ended hear nothing more."""
    for session in sessions:
        request.app.ctx.feed.forget(session)


async def _page(
    request: Request,
    status: int = 200,
    form: str = "",
    errors: dict[str, str] | None = None,
    made: list[str] | None = None,
) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    found = await own.own(here.database, viewer)
    address = codes.address(found.offered, viewer.id, here.watch.center.name) if found.offered else ""
    return await pages.page(
        request,
        "accounts/me.html",
        status,
        own=found,
        form=form,
        errors=errors or {},
        made=made or [],
        picture=Markup(codes.picture(address)) if address else "",
        shortest=passwords.SHORTEST,
        done=DONE.get(request.args.get("done", ""), ""),
    )
