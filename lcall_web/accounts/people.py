"""Accounts of others: who there is, with which role, in which team. Every change is written down with what it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from sanic.exceptions import Forbidden, NotFound

from lcall_web.accounts import passwords, rules
from lcall_web.accounts.changing import STALE, Refused, changing, note
from lcall_web.accounts.roles import roles, team_of
from lcall_web.accounts.rules import Role
from lcall_web.accounts.store import SQL, Place
from lcall_web.common.database import Database, literal
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import ROLES, Viewer

PAGE: Final = 100

EXISTS: Final = mark("这个工号已经有账号。")
ONESELF: Final = mark("不能停用自己，也不能改变自己的角色。")


@dataclass(frozen=True, slots=True)
class Line:
    id: str
    name: str
    role: str  # marked, of one that is built in
    team: str
    disabled: bool
    must_change: bool
    totp: bool
    logged_in_at: datetime | None
    here: bool


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    name: str
    role: str
    team: int | None
    disabled: bool
    must_change: bool
    totp: bool
    logged_in_at: datetime | None
    created_at: datetime
    version: int
    agent: bool  # there is an agent of this number


@dataclass(frozen=True, slots=True)
class Wanted:
    text: str = ""
    role: str = ""
    team: int | None = None
    disabled: bool | None = None
    after: str = ""


async def listed(database: Database, wanted: Wanted) -> tuple[list[Line], bool]:
    """In the order of their numbers; whether there are more."""
    text = wanted.text
    arguments = (text, literal(text), wanted.role, wanted.team, wanted.disabled, wanted.after)
    rows = await database.fetch(SQL["operators"], *arguments, PAGE + 1)
    return [_line(row) for row in rows[:PAGE]], len(rows) > PAGE


def _line(row: asyncpg.Record) -> Line:
    known = dict(row)
    return Line(**known | {"role": ROLES.get(row["role"], known.pop("role_name")), "team": row["team"] or ""})


async def counts(database: Database) -> Mapping[str, int]:
    row = await database.row(SQL["count_operators"])
    assert row is not None
    return dict(row)


async def account(database: Database, id: str) -> Account:
    row = await database.row(SQL["account"], id)
    if row is None:
        raise NotFound(id)
    return Account(**dict(row))


async def agent(database: Database, id: str) -> str:
    """The name of the agent of this number; "" if there is none."""
    row = await database.row(SQL["agent"], id)
    return "" if row is None else str(row["name"])


# -- changes -----------------------------------------------------------------------------------------------------------


async def create(
    database: Database, viewer: Viewer, id: str, name: str, role: str, team: int | None, place: Place
) -> str:
    """The password, told once. Raises Refused."""
    password = passwords.generated()
    hashed = await asyncio.to_thread(rules.HASHER.hash, password)
    async with changing(database) as connection:
        known = await _roles(connection)
        _grantable(viewer, known, role)
        if not viewer.reach.everything and team not in (None, await team_of(connection, viewer)):
            raise Refused(rules.TEAMS, "team")
        if await connection.fetchval(SQL["create_operator"], id, name, role, team, hashed) is None:
            raise Refused(EXISTS, "id", 409)
        if not viewer.reach.holds_agent(id) and await connection.fetchrow(SQL["agent"], id) is not None:
            raise Refused(rules.OTHERS, "id")
        about = {"name": name, "role": role, "team": team}
        await note(connection, viewer, "operator_created", f"operator:{id}", place, **about)
    return password


async def change(
    database: Database, viewer: Viewer, before: Account, name: str, role: str, team: int | None, place: Place
) -> None:
    """Raises Refused."""
    async with changing(database) as connection:
        known = await _roles(connection)
        _mine_to_change(viewer, known, before)
        if role != before.role:
            _grantable(viewer, known, role)
            if before.id == viewer.id:
                raise Refused(ONESELF, "role")
        if team != before.team and not viewer.reach.everything:
            raise Refused(rules.TEAMS, "team")
        if await connection.fetchval(SQL["change_operator"], before.id, before.version, name, role, team) is None:
            raise Refused(STALE, status=409)
        was = {"name": before.name, "role": before.role, "team": before.team}
        now = {"name": name, "role": role, "team": team}
        changed = {key: [was[key], value] for key, value in now.items() if was[key] != value}
        await note(connection, viewer, "operator_changed", f"operator:{before.id}", place, **changed)


async def disable(database: Database, viewer: Viewer, before: Account, disabled: bool, place: Place) -> list[bytes]:
    """The sessions that have ended with it. Raises Refused."""
    async with changing(database) as connection:
        known = await _roles(connection)
        _mine_to_change(viewer, known, before)
        if before.id == viewer.id:
            raise Refused(ONESELF)
        if await connection.fetchval(SQL["disable"], before.id, before.version, disabled) is None:
            raise Refused(STALE, status=409)
        ended = await connection.fetch(SQL["end_sessions"], before.id) if disabled else []
        await note(
            connection, viewer, "operator_disabled" if disabled else "operator_enabled", f"operator:{before.id}", place
        )
    return [row["token_sha256"] for row in ended]


async def reset(database: Database, viewer: Viewer, before: Account, place: Place) -> tuple[str, list[bytes]]:
    """A password, told once and changed when he next comes in; the sessions that have ended. Raises Refused."""
    password = passwords.generated()
    hashed = await asyncio.to_thread(rules.HASHER.hash, password)
    async with changing(database) as connection:
        known = await _roles(connection)
        _mine_to_change(viewer, known, before)
        if before.id == viewer.id:
            raise Refused(mark("自己的密码请在“我的账号”里修改。"))
        if await connection.fetchval(SQL["reset_password"], before.id, before.version, hashed) is None:
            raise Refused(STALE, status=409)
        await connection.execute(SQL["forgive_account"], before.id)
        ended = await connection.fetch(SQL["end_sessions"], before.id)
        await note(connection, viewer, "password_reset", f"operator:{before.id}", place)
    return password, [row["token_sha256"] for row in ended]


async def drop_totp(database: Database, viewer: Viewer, before: Account, place: Place) -> None:
    """For one who has lost his telephone. Raises Refused."""
    async with changing(database) as connection:
        known = await _roles(connection)
        _mine_to_change(viewer, known, before)
        if before.id == viewer.id:  # there it asks for the password
            raise Refused(mark("自己的两步验证请在“我的账号”里关闭。"))
        await connection.execute(SQL["totp_off"], before.id)
        await note(connection, viewer, "totp_dropped", f"operator:{before.id}", place)


async def _roles(connection: asyncpg.Connection) -> dict[str, Role]:
    return {role.id: role for role in await roles(connection)}


def _grantable(viewer: Viewer, known: Mapping[str, Role], role: str) -> None:
    if role not in known:
        raise Refused(rules.UNKNOWN, "role")
    if not rules.may_grant(viewer, known[role]):
        raise Refused(rules.BEYOND, "role")


def _mine_to_change(viewer: Viewer, known: Mapping[str, Role], account: Account) -> None:
    if not rules.may_change(viewer, known[account.role], account.id):
        raise Forbidden(rules.UNCHANGEABLE)


# -- everybody's sessions ----------------------------------------------------------------------------------------------


async def end_session(database: Database, viewer: Viewer, id: int, place: Place) -> list[bytes]:
    """Of an account that he may change; raises Forbidden, and nothing has ended."""
    async with database.transaction() as connection:
        ended = await connection.fetch(SQL["end_session"], id, None)
        for row in ended:
            found = await connection.fetchrow(SQL["account"], row["operator"])
            assert found is not None
            _mine_to_change(viewer, await _roles(connection), Account(**dict(found)))
            await note(connection, viewer, "session_ended", f"operator:{row['operator']}", place)
    return _tokens(ended)


async def end_all_sessions(database: Database, viewer: Viewer, place: Place) -> list[bytes]:
    """But his own, and those of accounts that he may not change."""
    async with database.transaction() as connection:
        grantable = [id for id, role in (await _roles(connection)).items() if rules.may_grant(viewer, role)]
        people = None if viewer.reach.agents is None else list(viewer.reach.agents)
        ended = await connection.fetch(SQL["end_all_sessions"], viewer.id, grantable, people)
        await note(connection, viewer, "sessions_ended", "operator:*", place, sessions=len(ended))
    return _tokens(ended)


def _tokens(rows: Iterable[asyncpg.Record]) -> list[bytes]:
    return [row["token_sha256"] for row in rows]
