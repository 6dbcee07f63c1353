"""Follow-ups in PostgreSQL, as a person may see them: whose he may see and change is decided here (rules.his).

On a customer's card all of them stand, as his notes do; only what is the viewer's or of those whose work he sees can be
opened and changed there, and is anywhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
from sanic.exceptions import NotFound

from lcall_web.common import audit
from lcall_web.common.database import SEARCH_S, Database, queries
from lcall_web.common.masking import masked, published
from lcall_web.common.viewer import CUSTOMERS, NUMBERS, Viewer
from lcall_web.followups import rules
from lcall_web.followups.rules import Draft

SQL: Final = queries(__file__)
OPEN: Final = 300  # so many are shown, what is due first
DONE: Final = 50
CUSTOMERS_DONE: Final = 20
PATIENCE_S: Final = SEARCH_S + 1  # PostgreSQL gives up first, and says so


@dataclass(frozen=True, slots=True)
class Phone:
    """A number of the customer's. `to`: what is dialled, empty for who does not see it whole."""

    id: int
    text: str
    to: str


@dataclass(frozen=True, slots=True)
class Line:
    """One of a list."""

    id: int
    version: int
    customer: int
    customer_name: str
    customer_kind: str
    kind: str
    body: str
    owner: str
    owner_name: str
    due_at: datetime
    done_at: datetime | None
    done_by: str
    created_at: datetime
    created_by: str
    phones: tuple[Phone, ...]
    call: str  # that it came from, if this viewer may open it
    his: bool  # this viewer may change it


@dataclass(frozen=True, slots=True)
class Found:
    open: tuple[Line, ...]
    done: tuple[Line, ...]
    more: bool  # there are more that are open


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What is stored of one."""

    id: int
    version: int
    customer: int
    customer_name: str
    draft: Draft
    done_at: datetime | None
    changed_at: datetime
    changed_by: str


class Stale(Exception):
    """Somebody else has changed it meanwhile: as it is now."""

    def __init__(self, found: FollowUp) -> None:
        super().__init__(f"follow-up {found.id} has version {found.version}")
        self.found = found


# -- looking -----------------------------------------------------------------------------------------------------------


async def search(database: Database, viewer: Viewer, people: frozenset[str] | None) -> Found:
    """What these have to do (None: everybody), and what was done lately. Raises TooMuch."""
    whose = None if people is None else sorted(people)
    async with database.transaction(PATIENCE_S) as connection:
        found = await _lines(connection, viewer, "open", whose, OPEN + 1)
        done = await _lines(connection, viewer, "done", whose, DONE, rules.LATELY)
    return Found(found[:OPEN], done, len(found) > OPEN)


async def of_customer(database: Database, viewer: Viewer, customer: int) -> Found:
    """Raises NotFound for a customer who is not there."""
    async with database.transaction() as connection:
        await _customer(connection, "customer", customer)
        found = await _lines(connection, viewer, "customers_open", customer, OPEN + 1)
        done = await _lines(connection, viewer, "customers_done", customer, CUSTOMERS_DONE)
    return Found(found[:OPEN], done, len(found) > OPEN)


async def _customer(connection: asyncpg.Connection, query: str, id: int) -> None:
    if await connection.fetchval(SQL[query], id) is None:
        raise NotFound(f"customer {id}")


async def _lines(connection: asyncpg.Connection, viewer: Viewer, which: str, *arguments: Any) -> tuple[Line, ...]:
    rows = await connection.fetch(SQL["lines"].replace("WHICH", SQL[which]), *arguments)
    return tuple(_line(row, viewer) for row in rows)


def _line(row: asyncpg.Record, viewer: Viewer) -> Line:
    known = (
        "id",
        "version",
        "customer",
        "customer_name",
        "customer_kind",
        "kind",
        "body",
        "owner",
        "due_at",
        "done_at",
    )
    opens = row["over"] and viewer.reach.holds_call((row["agent"], *row["agents"]), (row["queue"], *row["queues"]))
    return Line(
        **{name: row[name] for name in (*known, "created_at", "created_by")},
        owner_name=row["owner_name"] or row["owner"],
        done_by=row["done_by"] or "",
        phones=tuple(_phone(*each, viewer) for each in zip(row["ids"] or (), row["numbers"] or (), strict=True)),
        call=row["contact"] if opens else "",
        his=rules.his(viewer, row["owner"]),
    )


def _phone(id: int, number: str, viewer: Viewer) -> Phone:
    text = published(number)
    whole = viewer.may(NUMBERS)
    return Phone(id, text if whole else masked(text), text if whole else "")


async def owners(database: Database, viewer: Viewer, named: str = "") -> dict[str, str]:
    """Whom he may give it to, himself among them; `named` stays in the list."""
    agents = viewer.reach.agents
    if agents == frozenset({viewer.id}) and named in ("", viewer.id):
        return {viewer.id: viewer.name}
    rows = await database.fetch(
        SQL["owners"], None if agents is None else sorted({*agents, viewer.id}), CUSTOMERS, named
    )
    return {row["id"]: row["name"] for row in rows}


async def one(connection: asyncpg.Connection, viewer: Viewer, id: int) -> FollowUp:
    """Raises NotFound also for one that is not his to see."""
    row = await connection.fetchrow(SQL["one"], id)
    if row is None or not rules.his(viewer, row["owner"]):
        raise NotFound(f"follow-up {id}")
    return FollowUp(
        **{name: row[name] for name in ("id", "version", "customer", "customer_name", "done_at", "changed_at")},
        draft=Draft(row["kind"], row["body"], row["owner"], row["due_at"]),
        changed_by=row["changed_by"],
    )


# -- changing ----------------------------------------------------------------------------------------------------------


async def create(
    database: Database, viewer: Viewer, key: uuid.UUID, customer: int, contact: str | None, draft: Draft, address: str
) -> None:
    """Once for each key. Raises NotFound."""
    async with database.transaction() as connection:
        await _customer(connection, "customer_held", customer)
        written = (draft.kind, draft.body, draft.owner, draft.due_at)
        id = await connection.fetchval(SQL["insert"], key, customer, contact, *written, viewer.id)
        if id is not None and draft.owner != viewer.id:
            about = {"customer": customer, "owner": draft.owner}
            await audit.note(connection, viewer.id, "follow_up_created", f"follow_up:{id}", address, **about)


async def change(database: Database, viewer: Viewer, id: int, version: int, draft: Draft, address: str) -> FollowUp:
    """As it was. Raises NotFound, Stale. What is so already is not done again."""
    async with database.transaction() as connection:
        before = await _locked(connection, viewer, id)
        if before.draft == draft:
            return before
        _fresh(before, version)
        written = (draft.kind, draft.body, draft.owner, draft.due_at)
        await connection.execute(SQL["update"], id, *written, viewer.id)
        if {before.draft.owner, draft.owner} != {viewer.id}:
            about = {"customer": before.customer, "changes": rules.changes(before.draft, draft)}
            await audit.note(connection, viewer.id, "follow_up_changed", f"follow_up:{id}", address, **about)
    return before


async def finish(database: Database, viewer: Viewer, id: int, version: int, address: str) -> None:
    """Raises NotFound, Stale."""
    async with database.transaction() as connection:
        before = await _locked(connection, viewer, id)
        if before.done_at is not None:
            return
        _fresh(before, version)
        await connection.execute(SQL["finish"], id, viewer.id)
        await _note(connection, viewer, before, "follow_up_done", address)


async def reopen(database: Database, viewer: Viewer, id: int, version: int, address: str) -> None:
    """Raises NotFound, Stale."""
    async with database.transaction() as connection:
        before = await _locked(connection, viewer, id)
        if before.done_at is None:
            return
        _fresh(before, version)
        await connection.execute(SQL["reopen"], id, viewer.id)
        await _note(connection, viewer, before, "follow_up_reopened", address)


async def put_off(database: Database, viewer: Viewer, id: int, version: int, to: datetime, address: str) -> None:
    """Raises NotFound, Stale."""
    async with database.transaction() as connection:
        before = await _locked(connection, viewer, id)
        if before.draft.due_at == to and before.done_at is None:
            return
        _fresh(before, version)
        await connection.execute(SQL["put_off"], id, viewer.id, to)
        changes = {"due_at": [str(before.draft.due_at), str(to)]}
        await _note(connection, viewer, before, "follow_up_changed", address, changes=changes)


async def snooze(database: Database, viewer: Viewer, id: int) -> None:
    """He himself is told of it again later. Raises NotFound."""
    async with database.transaction() as connection:
        found = await _locked(connection, viewer, id)
        if found.draft.owner != viewer.id:
            raise NotFound(f"follow-up {id} is another's")
        await connection.execute(SQL["snooze"], id, rules.SNOOZE)


async def _locked(connection: asyncpg.Connection, viewer: Viewer, id: int) -> FollowUp:
    await connection.execute(SQL["lock"], id)
    return await one(connection, viewer, id)


def _fresh(found: FollowUp, version: int) -> None:
    if found.version != version:
        raise Stale(found)


async def _note(
    connection: asyncpg.Connection, viewer: Viewer, of: FollowUp, action: str, address: str, **about: Any
) -> None:
    """What is done to another's."""
    if of.draft.owner != viewer.id:
        detail: Mapping[str, Any] = {"customer": of.customer, "owner": of.draft.owner, **about}
        await audit.note(connection, viewer.id, action, f"follow_up:{of.id}", address, **detail)
