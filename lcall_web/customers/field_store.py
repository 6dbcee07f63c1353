"""The fields that the center has added to its customers, in PostgreSQL: read with every form, changed one at a time."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from sanic.exceptions import NotFound

from lcall_web.common import audit
from lcall_web.common.database import SEARCH_S, Database, TooMuch, queries
from lcall_web.common.viewer import Viewer
from lcall_web.customers import definitions
from lcall_web.customers.fields import Choice, Field, active

SQL: Final = queries(__file__)
LOCK: Final = "customer_field"


@dataclass(frozen=True, slots=True)
class Filled:
    """How many customers have something in a field; `by`: of choices, which. None: too many to be counted."""

    all: int | None  # whose it is
    count: int | None
    by: Mapping[str, int]


async def fields(source: Database | asyncpg.Connection) -> tuple[Field, ...]:
    """In their order, retired ones too."""
    return tuple(_field(row) for row in await source.fetch(SQL["fields"]))


def _field(row: asyncpg.Record) -> Field:
    names = ("id", "kind", "name", "name_en", "whose", "required", "listed", "retired", "version")
    choices = tuple(Choice(**one) for one in json.loads(row["choices"]))
    return Field(**{name: row[name] for name in names}, choices=choices)


async def filled(database: Database, field: Field | None) -> Filled:
    """None: of one that nobody has yet."""
    try:
        rows = await database.fetch(SQL["kinds_count"], seconds=SEARCH_S + 1)
        everybody = sum(row["count"] for row in rows if field is None or field.holds(row["kind"]))
        if field is None:
            return Filled(everybody, 0, {})
        offers = field.kind in ("flag", "choice")
        found = await database.fetch(SQL["field_filled"], field.key, offers, seconds=SEARCH_S + 1)
    except TooMuch:
        return Filled(None, None, {})
    return Filled(everybody, sum(row["count"] for row in found), {row["value"]: row["count"] for row in found})


# -- changing ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def changing(database: Database) -> AsyncIterator[tuple[asyncpg.Connection, tuple[Field, ...]]]:
    """Nobody else defines a field meanwhile: names stay apart, and no more come than there may be."""
    async with database.transaction() as connection:
        await connection.execute(SQL["one_at_a_time"], LOCK)
        yield connection, await fields(connection)


def one(known: Sequence[Field], id: int) -> Field:
    found = next((field for field in known if field.id == id), None)
    if found is None:
        raise NotFound(f"field {id}")
    return found


async def made(connection: asyncpg.Connection, key: uuid.UUID) -> bool:
    """Whether a field was made with this form already."""
    return await connection.fetchval(SQL["field_by_key"], key) is not None


async def create(connection: asyncpg.Connection, viewer: Viewer, key: uuid.UUID, new: Field, address: str) -> None:
    columns = (new.kind, new.whose, new.name, new.name_en, new.required, new.listed, _choices(new))
    id = await connection.fetchval(SQL["field_insert"], key, *columns)
    about: dict[str, Any] = {"name": new.name, "kind": new.kind, "whose": new.whose}
    await audit.note(connection, viewer.id, "customer_field_created", f"field:{id}", address, **about)


async def change(connection: asyncpg.Connection, viewer: Viewer, before: Field, after: Field, address: str) -> None:
    columns = (after.whose, after.name, after.name_en, after.required, after.listed, _choices(after))
    await connection.execute(SQL["field_update"], before.id, *columns)
    changes = definitions.changes(before, after)
    await audit.note(
        connection,
        viewer.id,
        "customer_field_changed",
        f"field:{before.id}",
        address,
        name=before.name,
        changes=changes,
    )


async def retire(connection: asyncpg.Connection, viewer: Viewer, field: Field, retired: bool, address: str) -> None:
    """Out of sight, or back; twice is once."""
    done = await connection.execute(SQL["field_retire" if retired else "field_restore"], field.id)
    if done != "UPDATE 0":
        action = "customer_field_retired" if retired else "customer_field_restored"
        await audit.note(connection, viewer.id, action, f"field:{field.id}", address, name=field.name)


async def move(
    connection: asyncpg.Connection, viewer: Viewer, known: Sequence[Field], id: int, way: str, at: int, address: str
) -> None:
    """One place up or down, if it still stands `at` the place where it was seen."""
    order = definitions.moved(known, id, way, at)
    if not order:
        return
    await connection.executemany(SQL["field_place"], [(each, place) for place, each in enumerate(order, 1)])
    names = {field.id: field.name for field in active(known)}
    about = {"name": names[id], "place": [str(at + 1), str(order.index(id) + 1)]}
    await audit.note(connection, viewer.id, "customer_field_moved", f"field:{id}", address, **about)


def _choices(field: Field) -> str:
    found = [{"id": each.id, "name": each.name, "retired": each.retired} for each in field.choices]
    return json.dumps(found, ensure_ascii=False)
