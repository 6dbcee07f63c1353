"""账号: who may use the web, and who is in. One form a page; `do` says which of its buttons was pressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from sanic import Blueprint, Request
from sanic.exceptions import BadRequest, NotFound
from sanic.response import HTTPResponse, redirect

from lcall_web.accounts import own, people, roles, rules
from lcall_web.accounts.changing import STALE, Refused
from lcall_web.accounts.login_views import place
from lcall_web.accounts.own_views import forget
from lcall_web.accounts.rules import Form
from lcall_web.common import context, door, pages
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import ACCOUNTS

blueprint = Blueprint("accounts", url_prefix="/accounts")

DONE: Final = {
    "saved": mark("已保存。"),
    "disabled": mark("账号已停用，登录已经结束。"),
    "enabled": mark("账号已启用。"),
    "totp": mark("两步验证已取消，下次登录只需密码。"),
    "deleted": mark("已删除。"),
    "ended": mark("登录已结束。"),
}
STATES: Final = {"": None, "on": False, "off": True}


@blueprint.get("/")
@door.needs(ACCOUNTS)
async def listing(request: Request) -> HTTPResponse:
    here, given = context.of(request), {name: (request.args.get(name) or "").strip()[:64] for name in _FILTERS}
    teams, known = await roles.teams(here.database), await roles.all_roles(here.database)
    wanted = people.Wanted(
        text=_printable(given["q"]),
        role=given["role"] if given["role"] in {role.id for role in known} else "",
        team=next((team.id for team in teams if str(team.id) == given["team"]), None),
        disabled=STATES.get(given["state"]),
        after=_printable(given["after"]),
    )
    found, more = await people.listed(here.database, wanted)
    following = "/accounts/?" + urlencode({**given, "after": found[-1].id}) if more else ""
    part = "hx-request" in request.headers and bool(given["after"])
    return await pages.page(
        request,
        "accounts/people_rows.html" if part else "accounts/people.html",
        found=found,
        next=following,
        given=given,
        known_roles=known,
        teams=teams,
        counts=await people.counts(here.database),
        done=_done(request),
    )


_FILTERS: Final = ("q", "role", "team", "state", "after")


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


def _done(request: Request) -> str:
    return DONE.get(request.args.get("done") or "", "")


# -- one account -------------------------------------------------------------------------------------------------------


@blueprint.get("/new")
@door.needs(ACCOUNTS)
async def new(request: Request) -> HTTPResponse:
    """?id=…: of an agent, by his name."""
    id = rules.readable(request.args.get("id") or "")
    name = await people.agent(context.of(request).database, id) if id else ""
    return await _new(request, Form({"id": id, "name": name, "role": "agent", "team": ""}))


@blueprint.post("/new")
@door.needs(ACCOUNTS)
async def create(request: Request) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    form, team = await _read(request)
    id = form.given["id"]
    if form.errors:
        return await _new(request, form, 422)
    name, role = form.given["name"], form.given["role"]
    try:
        password = await people.create(here.database, viewer, id, name, role, team, place(request))
    except Refused as refused:
        return await _new(request, _with(form, refused), refused.status)
    return await pages.page(request, "accounts/told_once.html", id=id, name=name, password=password, new=True)


async def _new(request: Request, form: Form, status: int = 200) -> HTTPResponse:
    return await pages.page(request, "accounts/new.html", status, form=form, **await _choices(request))


async def _choices(request: Request) -> dict[str, Any]:
    """The roles that he may give, and the teams."""
    here, viewer = context.of(request), door.viewer(request)
    known = await roles.all_roles(here.database)
    return {
        "grantable": [role for role in known if rules.may_grant(viewer, role)],
        "teams": await roles.teams(here.database),
    }


async def _read(request: Request, new: bool = True) -> tuple[Form, int | None]:
    """What the form says, and the team as it is known."""
    form = door.form(request)
    given = {name: form.get(name, "").strip() for name in ("id", "name", "role", "team")}
    teams = await roles.teams(context.of(request).database)
    team = next((team.id for team in teams if str(team.id) == given["team"]), None)
    faults = {
        "id": rules.id_fault(given["id"]) if new else "",
        "name": rules.name_fault(given["name"]),
        "team": rules.UNKNOWN if given["team"] and team is None else "",
    }
    return Form(given, {name: fault for name, fault in faults.items() if fault}), team


def _with(form: Form, refused: Refused) -> Form:
    return Form(form.given, {**form.errors, refused.field: refused.reason})


@blueprint.get("/operators/<id:str>")
@door.needs(ACCOUNTS)
async def one(request: Request, id: str) -> HTTPResponse:
    """Of an agent who has none yet: the form for a new one."""
    try:
        account = await _account(request, id)
    except NotFound:
        if not (rules.readable(id) == id and await people.agent(context.of(request).database, id)):
            raise
        return redirect(f"/accounts/new?{urlencode({'id': id})}")
    return await _one(request, account, _form(account))


async def _account(request: Request, id: str) -> people.Account:
    if not rules.readable(id) or rules.readable(id) != id:
        raise NotFound(id)
    return await people.account(context.of(request).database, id)


def _form(account: people.Account) -> Form:
    team = "" if account.team is None else str(account.team)
    return Form({"id": account.id, "name": account.name, "role": account.role, "team": team})


async def _one(request: Request, account: people.Account, form: Form, status: int = 200) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    async with here.database.transaction() as connection:
        sessions = await own.sessions(connection, viewer, account.id)
    mine = await roles.role(here.database, account.role)
    choices = await _choices(request)
    return await pages.page(
        request,
        "accounts/operator.html",
        status,
        account=account,
        form=form,
        role=mine,
        changeable=rules.may_change(viewer, mine, account.id),
        sessions=sessions,
        done=_done(request),
        **choices,
    )


@blueprint.post("/operators/<id:str>")
@door.needs(ACCOUNTS)
async def change(request: Request, id: str) -> HTTPResponse:
    account, given = await _account(request, id), door.form(request)
    form = _form(account)
    try:
        if given.get("version") != str(account.version):
            raise Refused(STALE, status=409)
        return await _changed(request, account, given)
    except Refused as refused:
        if given.get("do") == "save":  # what was typed is kept
            form, _ = await _read(request, new=False)
        return await _one(request, await _account(request, id), _with(form, refused), refused.status)


async def _changed(request: Request, account: people.Account, given: Mapping[str, str]) -> HTTPResponse:
    here, viewer, do = context.of(request), door.viewer(request), given.get("do", "")
    if do == "save":
        form, team = await _read(request, new=False)
        if form.errors:
            return await _one(request, account, form, 422)
        name, role = form.given["name"], form.given["role"]
        await people.change(here.database, viewer, account, name, role, team, place(request))
        return _back(account, "saved")
    if do in ("disable", "enable"):
        forget(request, await people.disable(here.database, viewer, account, do == "disable", place(request)))
        return _back(account, f"{do}d")
    if do == "reset":
        password, ended = await people.reset(here.database, viewer, account, place(request))
        forget(request, ended)
        return await pages.page(
            request, "accounts/told_once.html", id=account.id, name=account.name, password=password, new=False
        )
    if do == "totp":
        await people.drop_totp(here.database, viewer, account, place(request))
        return _back(account, "totp")
    raise BadRequest(do)


def _back(account: people.Account, done: str) -> HTTPResponse:
    return redirect(f"/accounts/operators/{quote(account.id, safe='')}?done={done}", status=303)


# -- who is in ---------------------------------------------------------------------------------------------------------


@blueprint.get("/sessions")
@door.needs(ACCOUNTS)
async def sessions(request: Request) -> HTTPResponse:
    here, viewer = context.of(request), door.viewer(request)
    wanted = _printable((request.args.get("q") or "").strip()[:64])
    async with here.database.transaction() as connection:
        found = await own.sessions(connection, viewer, None, wanted)
    return await pages.page(request, "accounts/sessions.html", found=found, q=wanted, done=_done(request))


@blueprint.post("/sessions")
@door.needs(ACCOUNTS)
async def end(request: Request) -> HTTPResponse:
    """One session, or with `do=all` everybody's but his own."""
    here, viewer, given = context.of(request), door.viewer(request), door.form(request)
    if given.get("do") == "all":
        forget(request, await people.end_all_sessions(here.database, viewer, place(request)))
    elif (id := given.get("session", "")).isascii() and id.isdigit() and len(id) < 18:
        forget(request, await people.end_session(here.database, viewer, int(id), place(request)))
    else:
        raise BadRequest(given.get("do", ""))
    query = urlencode({"done": "ended", "q": given.get("q", "")[:64]})
    return redirect(f"/accounts/sessions?{query}", status=303)
