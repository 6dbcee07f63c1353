"""Customers taken away as a file, and brought in by one: looked at first, then in pieces that are each done whole."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import structlog
from sanic.exceptions import NotFound

from lcall_web.common import audit
from lcall_web.common.database import Database, DatabaseAway, TooMuch
from lcall_web.common.spreadsheet import MOST_ROWS
from lcall_web.common.viewer import Viewer
from lcall_web.customers import field_store, fields, rules, sheets, store
from lcall_web.customers.fields import Field
from lcall_web.customers.store import SQL

log = structlog.get_logger()

PIECE: Final = 1000  # rows that are fetched at once
EXPORT_S: Final = 60.0  # for all of them, each piece within the time of a search
AT_ONCE: Final = 50  # rows of a file that is brought in, for each transaction
SHOWN: Final = 50
AGAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Import:
    id: uuid.UUID
    operator: str
    file: str
    state: str  # shown | running | done
    total: int
    bad: int
    done: int
    taken: int
    known: int
    created_at: datetime
    unread: tuple[str, ...]  # columns of the file that nobody here knows
    still: bool  # nothing has moved for a while

    @property
    def good(self) -> int:
        return self.total - self.bad


class TooManyRows(Exception):
    """More than a file may hold."""


# -- out ---------------------------------------------------------------------------------------------------------------


async def export(
    database: Database, viewer: Viewer, wanted: rules.Search, language: str, asked: Mapping[str, str], address: str
) -> list[list[str]]:
    """All that is found as rows, numbers as this viewer may see them; written down. Raises TooManyRows. One statement,
    fetched in pieces: who is changed meanwhile stands in it as he was."""
    known = await field_store.fields(database)
    text, values = store.statement("sheet", wanted, MOST_ROWS + 1)
    async with database.transaction(EXPORT_S) as connection:
        rows = connection.cursor(text, *values, prefetch=PIECE, timeout=store.PATIENCE_S)
        found = [sheets.cells(_values(row, viewer, known, language), language, known) async for row in rows]
    if len(found) > MOST_ROWS:
        raise TooManyRows
    async with database.transaction() as connection:
        await audit.note(connection, viewer.id, "customers_exported", "", address, filters=dict(asked), rows=len(found))
    return found


def _values(row: asyncpg.Record, viewer: Viewer, known: Sequence[Field], language: str) -> dict[str, str]:
    names = ("name", "kind", "company", "position", "level", "email", "address", "remark", "owner")
    phones = "; ".join(store.shown(number, viewer) for number in row["numbers"])
    own = fields.cells(known, json.loads(row["own"]), language)
    return {**{name: row[name] or "" for name in names}, "phones": phones, "tags": "，".join(row["tags"]), **own}


# -- in ----------------------------------------------------------------------------------------------------------------


async def look(database: Database, viewer: Viewer, key: uuid.UUID, file: str, data: bytes) -> None:
    """Keeps what a file says, for its import or for nothing. Raises Unreadable. Companies are taken first, wherever
    they stand: one of which somebody's row has the name alone would be there already when its own row comes."""
    owners, known = list(await store.owners(database)), await field_store.fields(database)
    sheet = await asyncio.to_thread(sheets.parse, data, owners, known)
    rows = sorted(sheet.rows, key=lambda row: row.kind != "company")
    bad = sum(bool(row.errors) for row in rows)
    records = [(key, row.n, json.dumps(row.body), json.dumps(row.errors), place) for place, row in enumerate(rows, 1)]
    async with database.transaction(store.PATIENCE_S) as connection:
        await connection.execute(SQL["import_forget"])
        done = await connection.execute(SQL["import_begin"], key, viewer.id, file[:200], len(rows), bad, sheet.unread)
        if done != "INSERT 0 0":
            await connection.executemany(SQL["import_row"], records)


async def state(database: Database, viewer: Viewer, id: uuid.UUID) -> Import:
    """Of an import of the viewer's own; raises NotFound otherwise."""
    row = await database.row(SQL["import"], id)
    if row is None or row["operator"] != viewer.id:
        raise NotFound(f"import {id}")
    names = ("id", "file", "state", "total", "bad", "done", "taken", "known", "created_at", "still")
    about = {name: row[name] for name in names}
    return Import(operator=row["operator_name"] or row["operator"], unread=tuple(row["unread"]), **about)


async def preview(database: Database, id: uuid.UUID, bad: bool) -> list[sheets.SheetRow]:
    rows = await database.fetch(SQL["import_bad" if bad else "import_good"], id, SHOWN)
    return [
        sheets.SheetRow(row["n"], json.loads(row["body"]), json.loads(row["errors"]) if bad else {}) for row in rows
    ]


async def start(database: Database, viewer: Viewer, id: uuid.UUID, address: str) -> bool:
    """Whether there is anything to do that nobody does; the first time it is written down."""
    async with database.transaction() as connection:
        before = await connection.fetchrow(SQL["import_lock"], id)
        if before is None:
            return False
        if before["state"] == "shown":
            about = {"file": before["file"], "rows": before["total"]}
            await audit.note(connection, viewer.id, "customers_imported", f"import:{id}", address, **about)
        return bool(await connection.execute(SQL["import_start"], id) != "UPDATE 0")


async def run(database: Database, viewer: Viewer, id: uuid.UUID, address: str) -> None:
    """Until all rows are behind us. Two at once, or one that goes on after another's death, take each row once."""
    while True:
        try:
            if not await _piece(database, viewer, id, address):
                return
        except (DatabaseAway, TooMuch, asyncpg.TransactionRollbackError) as error:  # (of two that met at one company)
            log.warning("an import waits for PostgreSQL", error=str(error))
            await asyncio.sleep(AGAIN_S)


async def _piece(database: Database, viewer: Viewer, id: uuid.UUID, address: str) -> bool:
    """Whether there is more."""
    owners, own = list(await store.owners(database)), await field_store.fields(database)
    async with database.transaction(store.PATIENCE_S) as connection:
        before = await connection.fetchrow(SQL["import_lock"], id)
        if before is None or before["state"] != "running":
            return False
        rows = await connection.fetch(SQL["import_piece"], id, before["done"], AT_ONCE)
        taken = known = 0
        wrong: list[tuple[uuid.UUID, int, str]] = []
        for row in rows:
            if json.loads(row["errors"]):
                continue
            draft, errors = sheets.read(json.loads(row["body"]), owners, own)
            if errors:  # it was right when it was shown: a field is required since, its owner has gone
                wrong.append((id, row["n"], json.dumps(errors)))
                continue
            if await _is_known(connection, draft):
                known += 1
                continue
            key = uuid.uuid5(id, str(row["n"]))
            await store.create(connection, viewer, key, draft, address, anyway=True)
            taken += 1
        await connection.executemany(SQL["import_wrong"], wrong)
        more = len(rows) == AT_ONCE
        done = rows[-1]["place"] if rows else before["done"]
        step = (done, taken, known, len(wrong), "running" if more else "done")
        await connection.execute(SQL["import_step"], id, *step)
        return more


async def _is_known(connection: asyncpg.Connection, draft: rules.Draft) -> bool:
    """One of his numbers is somebody's; without any number, his name is."""
    if draft.phones:
        return bool(await connection.fetch(SQL["holders"], [phone.number for phone in draft.phones], 0))
    return bool(await connection.fetchval(SQL["named"], draft.name))
