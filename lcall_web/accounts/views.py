"""Coming in, going out, and the language of the pages."""

from __future__ import annotations

from typing import Final

from sanic import Blueprint, Request
from sanic.response import HTTPResponse, redirect

from lcall_web.accounts import rules, store
from lcall_web.common import context, door, pages
from lcall_web.common.i18n import LANGUAGES, mark

blueprint = Blueprint("accounts")

YEAR_S: Final = 365 * 86_400
LONGEST_BROWSER: Final = 300
REFUSALS: Final = {
    "wrong": (401, mark("工号或密码不对。")),
    "too_often": (429, mark("尝试次数过多，请 15 分钟后再试。")),
}


@blueprint.get("/login")
async def login(request: Request) -> HTTPResponse:
    following = rules.local(request.args.get("next", ""))
    if request.ctx.viewer is not None:
        return redirect(following)
    return await pages.page(request, "accounts/login.html", next=following, id="", message="")


@blueprint.post("/login")
async def log_in(request: Request) -> HTTPResponse:
    form = door.form(request)
    id, following = form.get("id", ""), rules.local(form.get("next", ""))
    here = context.of(request)
    browser = request.headers.get("user-agent", "")[:LONGEST_BROWSER]
    token, refusal = await store.log_in(here.database, id, form.get("password", ""), request.ip, browser)
    if refusal is not None:
        status, message = REFUSALS[refusal]
        return await pages.page(request, "accounts/login.html", status, next=following, id=id, message=message)
    if request.ctx.viewer is not None:
        await here.sessions.end(request.ctx.viewer.session)
    answer = redirect(following, status=303)
    door.set_cookie(request, answer, door.SESSION, token)
    return answer


@blueprint.post("/logout")
async def log_out(request: Request) -> HTTPResponse:
    here = context.of(request)
    await store.log_out(here.database, here.sessions, door.viewer(request), request.ip)
    request.app.ctx.feed.forget(door.viewer(request).session)
    answer = redirect("/login", status=303)
    door.drop_cookie(answer, door.SESSION)
    return answer


@blueprint.post("/language")
async def language(request: Request) -> HTTPResponse:
    form = door.form(request)
    answer = redirect(rules.local(form.get("next", "")), status=303)
    if (chosen := form.get("language", "")) in LANGUAGES:
        door.set_cookie(request, answer, door.LANGUAGE, chosen, YEAR_S)
    return answer
