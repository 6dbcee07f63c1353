"""Notices in PostgreSQL: whom they concern, who has read them; whose they are to change is decided here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from sanic.exceptions import Forbidden, NotFound

from lcall_web.common import audit
from lcall_web.common.context import Context
from lcall_web.common.database import Database, queries
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import NOTICES, Viewer
from lcall_web.home import rules
from lcall_web.home.rules import Draft, Scope

SQL: Final = queries(__file__)
PAGE: Final = 50
LATEST: Final = 2**63 - 1
NO_SCOPE: Final = mark("您的数据范围里没有别人，所以没有人可以通知。需要时请联系管理员。")


@dataclass(frozen=True, slots=True)
class Notice:
    """As it is, and as one person stands to it."""

    id: int
    draft: Draft
    team_name: str
    edition: int
    version: int
    written_by: str
    writer: str
    written_at: datetime
    changed_by: str
    changer: str
    changed_at: datetime
    state: str  # "planned", "current", "over"
    concerns: bool
    unread: bool
    read_at: datetime | None
    people: int = 0  # of those who write: how many it concerns, and how many have read it
    have_read: int = 0

    @property
    def told(self) -> tuple[int, int, bool]:
        return self.id, self.version, self.unread


@dataclass(frozen=True, slots=True)
class Reader:
    id: str
    name: str
    at: datetime | None
    done: bool
    once: bool  # he has read an older text


@dataclass(frozen=True, slots=True)
class Day:
    calls: int
    talk_s: float
    missed: int


class Stale(Exception):
    """Somebody else has changed it meanwhile: `notice` is what it is now."""

    def __init__(self, notice: Notice) -> None:
        super().__init__(f"notice {notice.id}")
        self.notice = notice


def _draft(row: asyncpg.Record) -> Draft:
    return Draft(
        *(row["title"], row["body"], row["audience"], tuple(row["queues"]), row["team"]),
        *(row["pinned"], row["confirm"], row["from_at"], row["until_at"]),
    )


def _notice(row: asyncpg.Record | None) -> Notice:
    if row is None:
        raise NotFound("a notice")
    until, now = row["until_at"], row["now"]
    state = "over" if until is not None and until <= now else "current" if row["from_at"] <= now else "planned"
    return Notice(
        id=row["id"],
        draft=_draft(row),
        team_name=row["team_name"] or "",
        edition=row["edition"],
        version=row["version"],
        written_by=row["written_by"],
        writer=row["writer"] or row["written_by"],
        written_at=row["written_at"],
        changed_by=row["changed_by"],
        changer=row["changer"] or row["changed_by"],
        changed_at=row["changed_at"],
        state=state,
        concerns=row["concerns"],
        unread=row["unread"] and row["concerns"] and state == "current",
        read_at=row["read_at"],
        people=row.get("people", 0),
        have_read=row.get("have_read", 0),
    )


# -- whose they are ----------------------------------------------------------------------------------------------------


async def scope(database: Database, viewer: Viewer) -> Scope:
    """To whom he may write."""
    if not viewer.may(NOTICES):
        return Scope()
    if viewer.reach.everything:
        return Scope(everything=True)
    if viewer.reach.queues is None:
        return Scope()
    row = await database.row(SQL["team_of"], viewer.id)
    return Scope(team=row["team"] if row else None, queues=viewer.reach.queues)


def _manages(viewer: Viewer, scope: Scope, draft: Draft) -> bool:
    return viewer.may(NOTICES) and scope.holds(draft.audience, draft.queues, draft.team)


async def notice(database: Database, viewer: Viewer, id: int) -> tuple[Notice, bool]:
    """One, and whether it is his to change. Raises NotFound for one that is neither his to read nor to change."""
    row = await database.row(SQL["notice"], viewer.id, id)
    found = _notice(row)
    manages = _manages(viewer, await scope(database, viewer), found.draft)
    if not manages and (not found.concerns or found.state == "planned"):
        raise NotFound(f"notice {id}")
    return found, manages


async def managed_one(database: Database, viewer: Viewer, id: int) -> Notice:
    """Raises NotFound for one that is not his to change."""
    found, manages = await notice(database, viewer, id)
    if not manages:
        raise NotFound(f"notice {id}")
    return found


# -- reading -----------------------------------------------------------------------------------------------------------


async def current(database: Database, viewer: Viewer) -> list[Notice]:
    return [_notice(row) for row in await database.fetch(SQL["current"], viewer.id)]


async def past(database: Database, viewer: Viewer, before: int) -> tuple[list[Notice], int]:
    """A page of those that are over; the id after which the next begins, 0: there are no more."""
    rows = await database.fetch(SQL["past"], viewer.id, before, PAGE + 1)
    return _page([_notice(row) for row in rows])


async def managed(database: Database, scope: Scope, before: int) -> tuple[list[Notice], int]:
    rows = await database.fetch(SQL["managed"], scope.everything, scope.team, sorted(scope.queues), before, PAGE + 1)
    return _page([_notice(row) for row in rows])


def _page(found: list[Notice]) -> tuple[list[Notice], int]:
    return found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else 0


async def readers(database: Database, notice: Notice) -> list[Reader]:
    return [Reader(**row) for row in await database.fetch(SQL["readers"], notice.id)]


async def confirm(database: Database, viewer: Viewer, id: int, edition: int) -> None:
    """He has read it. Raises NotFound for one that is not his to read now."""
    found, _ = await notice(database, viewer, id)
    if not found.concerns or found.state != "current":
        raise NotFound(f"notice {id}")
    async with database.transaction() as connection:
        if await connection.fetchval(SQL["read"], id, viewer.id, edition) is not None:
            await connection.execute(SQL["news"])


async def teams(database: Database, scope: Scope) -> dict[int, str]:
    """Those that he may write to."""
    rows = await database.fetch(SQL["teams"])
    return {row["id"]: row["name"] for row in rows if scope.holds(rules.TEAM, (), row["id"])}


async def queue_names(database: Database) -> dict[str, tuple[str, str]]:
    """Queue -> its name, its English one."""
    return {row["id"]: (row["name"], row["name_en"]) for row in await database.fetch(SQL["queues"])}


async def day(here: Context, viewer: Viewer) -> Day | None:
    """His calls today; None for who is no agent."""
    if not viewer.agent:
        return None
    since = rules.midnight(datetime.now(UTC), here.watch.center.time_zone)
    row = await here.database.row(SQL["day"], viewer.id, since)
    return Day(**row) if row else None


# -- writing -----------------------------------------------------------------------------------------------------------


def _values(draft: Draft) -> tuple[Any, ...]:
    return (
        *(draft.title, draft.body, draft.audience, list(draft.queues), draft.team),
        *(draft.pinned, draft.confirm, draft.from_at, draft.until_at),
    )


def _told(draft: Draft) -> dict[str, Any]:
    """For the audit log."""
    until = draft.until_at.isoformat() if draft.until_at else None
    return {
        **{"title": draft.title, "body": draft.body, "audience": draft.audience, "queues": list(draft.queues)},
        **{"team": draft.team, "pinned": draft.pinned, "confirm": draft.confirm},
        **{"from": draft.from_at.isoformat(), "until": until},
    }


def _changes(before: Draft, after: Draft) -> Mapping[str, Any]:
    was, now = _told(before), _told(after)
    return {name: {"was": was[name], "now": now[name]} for name in now if was[name] != now[name]}


async def write(database: Database, viewer: Viewer, key: uuid.UUID, draft: Draft, address: str) -> int:
    """Once, however often its form comes."""
    async with database.transaction() as connection:
        id = await connection.fetchval(SQL["write"], key, viewer.id, *_values(draft))
        if id is None:
            id = await connection.fetchval(SQL["written"], key, viewer.id)
            if id is None:
                raise Forbidden(mark("页面已经过期，请返回并刷新页面，再试一次。"))
            return int(id)
        await audit.note(connection, viewer.id, "notice_written", f"notice:{id}", address, **_told(draft))
        await connection.execute(SQL["news"])
        return int(id)


async def change(
    database: Database, viewer: Viewer, before: Notice, version: int, draft: Draft, again: bool, address: str
) -> None:
    """`again`: whoever has read it is asked again. Raises Stale."""
    async with database.transaction() as connection:
        row = await connection.fetchrow(SQL["locked"], before.id)
        if row is None:
            raise NotFound(f"notice {before.id}")
        stored = _draft(row)
        if row["version"] != version:
            if stored == draft and row["changed_by"] == viewer.id:
                return  # the second click
            raise Stale(_notice(await connection.fetchrow(SQL["notice"], viewer.id, before.id)))
        await connection.execute(SQL["change"], before.id, viewer.id, int(again), *_values(draft))
        changes = _changes(stored, draft)
        await audit.note(
            connection, viewer.id, "notice_changed", f"notice:{before.id}", address, again=again, changes=changes
        )
        await connection.execute(SQL["news"])


async def end(database: Database, viewer: Viewer, notice: Notice, address: str) -> None:
    """Nobody is shown it from now on. One that is over stays as it is."""
    async with database.transaction() as connection:
        row = await connection.fetchrow(SQL["locked"], notice.id)
        if row is None or row["over"]:
            return
        await connection.execute(SQL["end"], notice.id, viewer.id)
        await audit.note(connection, viewer.id, "notice_ended", f"notice:{notice.id}", address, title=row["title"])
        await connection.execute(SQL["news"])


async def delete(database: Database, viewer: Viewer, notice: Notice, version: int, address: str) -> None:
    """Its text, and who had read it, stay in the audit log. Raises Stale."""
    async with database.transaction() as connection:
        row = await connection.fetchrow(SQL["locked"], notice.id)
        if row is None:
            return  # the second click
        if row["version"] != version:
            raise Stale(notice)
        read_by = [each["operator"] for each in await connection.fetch(SQL["who_read"], notice.id)]
        await connection.execute(SQL["delete"], notice.id)
        told = {**_told(_draft(row)), "written_by": row["written_by"], "read_by": read_by}
        await audit.note(connection, viewer.id, "notice_deleted", f"notice:{notice.id}", address, **told)
        await connection.execute(SQL["news"])
