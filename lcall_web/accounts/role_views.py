"""Roles as a matrix of what they allow, and teams."""

from __future__ import annotations

from typing import Final

from sanic import Blueprint, Request
from sanic.exceptions import BadRequest, NotFound
from sanic.response import HTTPResponse, redirect

from lcall_web.accounts import roles, rules
from lcall_web.accounts.changing import STALE, Refused
from lcall_web.accounts.login_views import place
from lcall_web.accounts.people_views import DONE
from lcall_web.accounts.rules import Form, Role
from lcall_web.common import context, door, pages
from lcall_web.common.viewer import ACCOUNTS, ADMIN, OWN, PERMISSIONS, SCOPES

blueprint = Blueprint("roles", url_prefix="/accounts")

NEW: Final = "new"


@blueprint.get("/roles")
@door.needs(ACCOUNTS)
async def listing(request: Request) -> HTTPResponse:
    here = context.of(request)
    return await pages.page(
        request,
        "accounts/roles.html",
        known=await roles.all_roles(here.database),
        teams=await roles.teams(here.database),
        queues={id: (name, english) for id, name, english in await roles.queues(here.database)},
        permissions=PERMISSIONS,
        scopes=SCOPES,
        done=DONE.get(request.args.get("done") or "", ""),
    )


# -- one role ----------------------------------------------------------------------------------------------------------


@blueprint.get("/roles/<id:str>")
@door.needs(ACCOUNTS)
async def one(request: Request, id: str) -> HTTPResponse:
    """`new?like=…` begins with what another one allows."""
    role = await _role(request, id)
    if role is not None:
        return await _one(request, role, Form({"name": role.name, "scope": role.scope}), role.permissions)
    like = request.args.get("like") or "agent"
    model = next((one for one in await roles.all_roles(context.of(request).database) if one.id == like), None)
    scope, permissions = (model.scope, model.permissions) if model else (OWN, frozenset[str]())
    return await _one(request, None, Form({"name": "", "scope": scope}), permissions)


async def _role(request: Request, id: str) -> Role | None:
    """None for one that is still to be made."""
    if id == NEW:
        return None
    if not rules.readable(id):
        raise NotFound(id)
    return await roles.role(context.of(request).database, id)


async def _one(
    request: Request, role: Role | None, form: Form, permissions: frozenset[str], status: int = 200
) -> HTTPResponse:
    viewer = door.viewer(request)
    return await pages.page(
        request,
        "accounts/role.html",
        status,
        role=role,
        form=form,
        chosen=permissions,
        changeable=role is None or (role.id != ADMIN and rules.may_grant(viewer, role)),
        grantable=viewer.permissions,
        permissions=PERMISSIONS,
        scopes=SCOPES,
    )


@blueprint.post("/roles/<id:str>")
@door.needs(ACCOUNTS)
async def change(request: Request, id: str) -> HTTPResponse:
    here, viewer, role, given = context.of(request), door.viewer(request), await _role(request, id), door.form(request)
    if given.get("do") not in ("save", "delete"):
        raise BadRequest(given.get("do", ""))
    permissions = door.chosen(request, "permissions")
    name = role.name if role and role.built_in else given.get("name", "").strip()
    form = Form({"name": name, "scope": given.get("scope", "")})
    try:
        if role is not None and given.get("version") != role.changed:
            raise Refused(STALE, status=409)
        if given["do"] == "delete" and role is not None:
            await roles.delete_role(here.database, viewer, role, place(request))
            return redirect("/accounts/roles?done=deleted", status=303)
        if faults := rules.role_faults(form.given, permissions):
            form = Form(form.given, faults)
            return await _one(request, role, form, permissions & set(PERMISSIONS), 422)
        wanted = Role(role.id if role else roles.new_id(), name, False, form.given["scope"], permissions)
        await roles.put_role(here.database, viewer, role, wanted, place(request))
    except Refused as refused:
        form = Form(form.given, {refused.field: refused.reason})
        return await _one(request, await _role(request, id), form, permissions & set(PERMISSIONS), refused.status)
    return redirect("/accounts/roles?done=saved", status=303)


# -- one team ----------------------------------------------------------------------------------------------------------


@blueprint.get("/teams/<id:str>")
@door.needs(ACCOUNTS)
async def team(request: Request, id: str) -> HTTPResponse:
    found = await _team(request, id)
    name, queues = (found.name, found.queues) if found else ("", ())
    return await _one_team(request, found, Form({"name": name}), frozenset(queues))


async def _team(request: Request, id: str) -> roles.Team | None:
    if id == NEW:
        return None
    if not (id.isascii() and id.isdigit() and len(id) < 18):
        raise NotFound(id)
    return await roles.team(context.of(request).database, int(id))


async def _one_team(
    request: Request, team: roles.Team | None, form: Form, queues: frozenset[str], status: int = 200
) -> HTTPResponse:
    known = await roles.queues(context.of(request).database)
    return await pages.page(request, "accounts/team.html", status, team=team, form=form, chosen=queues, known=known)


@blueprint.post("/teams/<id:str>")
@door.needs(ACCOUNTS)
async def change_team(request: Request, id: str) -> HTTPResponse:
    here, viewer, team, given = context.of(request), door.viewer(request), await _team(request, id), door.form(request)
    if given.get("do") not in ("save", "delete"):
        raise BadRequest(given.get("do", ""))
    known = {id for id, _, _ in await roles.queues(here.database)}
    queues = door.chosen(request, "queues") & known
    form = Form({"name": given.get("name", "").strip()})
    try:
        if team is not None and given.get("version") != team.changed:
            raise Refused(STALE, status=409)
        if given["do"] == "delete" and team is not None:
            await roles.delete_team(here.database, viewer, team, place(request))
            return redirect("/accounts/roles?done=deleted", status=303)
        if fault := rules.name_fault(form.given["name"]):
            return await _one_team(request, team, Form(form.given, {"name": fault}), queues, 422)
        await roles.put_team(here.database, viewer, team, form.given["name"], sorted(queues), place(request))
    except Refused as refused:
        form = Form(form.given, {refused.field: refused.reason})
        return await _one_team(request, await _team(request, id), form, queues, refused.status)
    return redirect("/accounts/roles?done=saved", status=303)
