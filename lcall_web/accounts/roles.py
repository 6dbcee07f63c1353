"""Roles and teams: what people may do, and whose work their leaders see."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from sanic.exceptions import NotFound

from lcall_web.accounts.changing import STALE, Refused, changing, note
from lcall_web.accounts.rules import BEYOND, TEAMS, Role, may_grant
from lcall_web.accounts.store import SQL, Place
from lcall_web.common.database import Database
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import ROLES, Viewer, granted

IN_USE: Final = mark("还有账号使用这个角色，请先给他们换一个。")
NAME_TAKEN: Final = mark("这个名称已经有了。")


@dataclass(frozen=True, slots=True)
class Team:
    id: int
    name: str
    queues: tuple[str, ...]
    people: int
    changed: str  # which of its versions this is


async def roles(connection: asyncpg.Connection) -> list[Role]:
    """Those built in first."""
    return [_role(row) for row in await connection.fetch(SQL["roles"])]


def _role(row: asyncpg.Record) -> Role:
    name = ROLES.get(row["id"], row["name"])
    permissions = granted(row["id"], row["permissions"])
    return Role(row["id"], name, row["built_in"], row["scope"], permissions, row["people"], _version(row))


def _version(row: asyncpg.Record) -> str:
    changed: datetime = row["changed_at"]
    return changed.isoformat()


async def all_roles(database: Database) -> list[Role]:
    async with database.transaction() as connection:
        return await roles(connection)


async def role(database: Database, id: str) -> Role:
    found = next((role for role in await all_roles(database) if role.id == id), None)
    if found is None:
        raise NotFound(id)
    return found


async def put_role(database: Database, viewer: Viewer, before: Role | None, wanted: Role, place: Place) -> None:
    """Raises Refused. None before: a new one."""
    async with changing(database) as connection:
        for each in (before, wanted):
            if each is not None and not may_grant(viewer, each):
                raise Refused(BEYOND, "permissions")
        about = (wanted.id, wanted.name, wanted.scope, sorted(wanted.permissions))
        if before is None:
            await connection.execute(SQL["create_role"], *about)
        elif await connection.fetchval(SQL["change_role"], *about, datetime.fromisoformat(before.changed)) is None:
            raise Refused(STALE, status=409)
        detail = {"name": wanted.name, "scope": wanted.scope, "permissions": sorted(wanted.permissions)}
        was = {"was": {"scope": before.scope, "permissions": sorted(before.permissions)}} if before else {}
        action = "role_changed" if before else "role_created"
        await note(connection, viewer, action, f"role:{wanted.id}", place, **detail, **was)


async def delete_role(database: Database, viewer: Viewer, role: Role, place: Place) -> None:
    """Raises Refused for one that people have, or that is built in."""
    async with changing(database) as connection:
        if not may_grant(viewer, role):
            raise Refused(BEYOND)
        if await connection.fetchval(SQL["delete_role"], role.id) is None:
            raise Refused(IN_USE, status=409)
        await note(connection, viewer, "role_deleted", f"role:{role.id}", place, name=role.name)


def new_id() -> str:
    return f"r-{uuid.uuid4().hex[:8]}"


# -- teams -------------------------------------------------------------------------------------------------------------


async def teams(database: Database) -> list[Team]:
    rows = await database.fetch(SQL["teams"])
    return [Team(row["id"], row["name"], tuple(row["queues"]), row["people"], _version(row)) for row in rows]


async def team(database: Database, id: int) -> Team:
    found = next((team for team in await teams(database) if team.id == id), None)
    if found is None:
        raise NotFound(str(id))
    return found


async def team_of(connection: asyncpg.Connection, viewer: Viewer) -> int | None:
    row = await connection.fetchrow(SQL["account"], viewer.id)
    return None if row is None else row["team"]


async def put_team(
    database: Database, viewer: Viewer, before: Team | None, name: str, queues: Sequence[str], place: Place
) -> None:
    """Who does not see everything may change the name of his own, for its queues are what he sees. Raises Refused."""
    async with changing(database) as connection:
        if not viewer.reach.everything:
            queues = await _renamed(connection, viewer, before, queues)
        try:
            if before is None:
                id = await connection.fetchval(SQL["create_team"], name, queues)
            else:
                changed = datetime.fromisoformat(before.changed)
                id = await connection.fetchval(SQL["change_team"], before.id, name, queues, changed)
        except asyncpg.UniqueViolationError as error:
            raise Refused(NAME_TAKEN, "name", 409) from error
        if id is None:
            raise Refused(STALE, status=409)
        action = "team_changed" if before else "team_created"
        await note(connection, viewer, action, f"team:{id}", place, name=name, queues=list(queues))


async def _renamed(
    connection: asyncpg.Connection, viewer: Viewer, before: Team | None, queues: Sequence[str]
) -> Sequence[str]:
    """The queues of his own team as they are. Raises Refused for another team, and for others of those that exist."""
    if before is None or before.id != await team_of(connection, viewer):
        raise Refused(TEAMS)
    known = {row["id"] for row in await connection.fetch(SQL["queues"])}
    if set(queues) != known & set(before.queues):
        raise Refused(TEAMS)
    return before.queues


async def delete_team(database: Database, viewer: Viewer, team: Team, place: Place) -> None:
    """Its people stay, in no team. Raises Refused."""
    async with changing(database) as connection:
        if not viewer.reach.everything:
            raise Refused(TEAMS)
        await connection.execute(SQL["delete_team"], team.id)
        await note(connection, viewer, "team_deleted", f"team:{team.id}", place, name=team.name)


async def queues(database: Database) -> Sequence[tuple[str, str, str]]:
    """id, name, English name."""
    rows = await database.fetch(SQL["queues"])
    return [(row["id"], row["name"], row["name_en"] or row["name"]) for row in rows]
