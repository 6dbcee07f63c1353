"""Coming in, step by step; going out; and the language of the pages."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from sanic import Blueprint, Request
from sanic.response import HTTPResponse, redirect

from lcall_web.accounts import passwords, rules, store
from lcall_web.accounts.rules import Step
from lcall_web.common import context, door, pages
from lcall_web.common.i18n import LANGUAGES, mark

blueprint = Blueprint("login")

YEAR_S: Final = 365 * 86_400
STEP: Final = "lcall_step"  # the cookie of one whose password was right
STEP_S: Final = 600
LONGEST_BROWSER: Final = 300
REFUSALS: Final = {
    "wrong": (401, mark("工号或密码不对。")),
    "wrong_code": (401, mark("验证码不对，或者已经用过。")),
    "too_often": (429, mark("尝试次数过多，请 15 分钟后再试。")),
    "over": (401, mark("登录已超时，请重新输入密码。")),
}
PAGES: Final = {"code": "accounts/code.html", "password": "accounts/first_password.html"}


def place(request: Request) -> store.Place:
    return store.Place(request.ip, request.headers.get("user-agent", "")[:LONGEST_BROWSER])


@blueprint.get("/login")
async def login(request: Request) -> HTTPResponse:
    following = rules.local(request.args.get("next", ""))
    if request.ctx.viewer is not None:
        return redirect(following)
    return await pages.page(request, "accounts/login.html", next=following, id="", message="")


@blueprint.post("/login")
async def log_in(request: Request) -> HTTPResponse:
    form = door.form(request)
    id = form.get("id", "")
    entry = await store.log_in(context.of(request).database, id, form.get("password", ""), place(request))
    if entry.refusal is not None:
        return await _refused(request, entry.refusal, id)
    return await _on(request, entry)


@blueprint.get("/login/code")
async def ask_code(request: Request) -> HTTPResponse:
    return await _look(request, "code")


@blueprint.get("/login/password")
async def ask_password(request: Request) -> HTTPResponse:
    return await _look(request, "password")


async def _look(request: Request, step: Step) -> HTTPResponse:
    who = await _waiting(request, step)
    return redirect("/login") if who is None else await _step(request, step, who.operator)


@blueprint.post("/login/code")
async def second_factor(request: Request) -> HTTPResponse:
    token, written = request.cookies.get(STEP) or "", door.form(request).get("code", "")
    entry = await store.second_factor(context.of(request).database, token, written, place(request))
    return await _came(request, "code", entry)


@blueprint.post("/login/password")
async def first_password(request: Request) -> HTTPResponse:
    form, token = door.form(request), request.cookies.get(STEP) or ""
    password, again = form.get("password", ""), form.get("again", "")
    entry = await store.first_password(context.of(request).database, token, password, again, place(request))
    if isinstance(entry, str):
        who = await _waiting(request, "password")
        return await _step(request, "password", who.operator if who else "", 422, entry)
    return await _came(request, "password", entry)


async def _waiting(request: Request, step: Step) -> store.Waiting | None:
    return await store.waiting(context.of(request).database, request.cookies.get(STEP) or "", step)


async def _came(request: Request, step: Step, entry: store.Entry) -> HTTPResponse:
    if entry.refusal is None:
        return await _on(request, entry)
    who = await _waiting(request, step)
    if who is None:
        return await _refused(request, entry.refusal, "")
    status, message = REFUSALS[entry.refusal]
    return await _step(request, step, who.operator, status, message)


async def _step(request: Request, step: Step, id: str, status: int = 200, message: str = "") -> HTTPResponse:
    following = rules.local(door.form(request).get("next", "") or request.args.get("next", ""))
    return await pages.page(
        request, PAGES[step], status, next=following, id=id, message=message, shortest=passwords.SHORTEST
    )


async def _refused(request: Request, refusal: store.Refusal, id: str) -> HTTPResponse:
    status, message = REFUSALS[refusal]
    following = rules.local(door.form(request).get("next", ""))
    return await pages.page(request, "accounts/login.html", status, next=following, id=id, message=message)


async def _on(request: Request, entry: store.Entry) -> HTTPResponse:
    """To the next step, or in. Each time with a token that nobody knew before."""
    following = rules.local(door.form(request).get("next", ""))
    if entry.step is not None:
        answer = redirect(f"/login/{entry.step}?next={quote(following, safe='')}", status=303)
        door.set_cookie(request, answer, STEP, entry.token, STEP_S)
        return answer
    if request.ctx.viewer is not None:
        await context.of(request).sessions.end(request.ctx.viewer.session)
    answer = redirect(following, status=303)
    door.set_cookie(request, answer, door.SESSION, entry.session)
    door.drop_cookie(answer, STEP)
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
