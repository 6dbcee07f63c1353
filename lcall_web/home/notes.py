"""Sticky notes in PostgreSQL: each person's own, saved while he writes; two pages of his lose nothing of each other."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from sanic.exceptions import NotFound

from lcall_web.common.database import Database, queries
from lcall_web.common.i18n import mark

SQL: Final = queries(__file__)
MOST: Final = 200
TOO_MANY: Final = mark("便签最多 200 张，请先删掉几张。")


@dataclass(frozen=True, slots=True)
class Note:
    id: int
    body: str
    colour: str
    version: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    id: int
    version: int


class Stale(Exception):
    """Another page has changed it meanwhile."""

    def __init__(self, row: asyncpg.Record) -> None:
        super().__init__(f"note {row['id']}")
        self.theirs = {name: row[name] for name in ("id", "version", "body", "colour", "gone")}


class TooMany(Exception):
    """He has as many as one may have."""


async def notes(database: Database, operator: str) -> list[Note]:
    """The last changed first."""
    return [Note(**row) for row in await database.fetch(SQL["notes"], operator, MOST)]


async def add(database: Database, operator: str, key: uuid.UUID, body: str, colour: str) -> Stored:
    """Once, however often its page sends it. Raises Stale if it has been changed since, TooMany."""
    async with database.transaction() as connection:
        row = await connection.fetchrow(SQL["note_of_key"], key)
        if row is None:
            if await connection.fetchval(SQL["count_notes"], operator) >= MOST:
                raise TooMany
            added = await connection.fetchrow(SQL["add_note"], key, operator, body, colour)
            if added is not None:
                return Stored(**added)
            row = await connection.fetchrow(SQL["note_of_key"], key)  # another page was quicker
        if row is None or row["operator"] != operator:
            raise NotFound(f"note {key}")
        return _same(row, body, colour)


def _same(row: asyncpg.Record, body: str, colour: str) -> Stored:
    """As it stands, if it is what is wanted: the answer to the same request was lost. Raises Stale."""
    if row["gone"] or (row["body"], row["colour"]) != (body, colour):
        raise Stale(row)
    return Stored(row["id"], row["version"])


def _stored(row: asyncpg.Record | None) -> Stored:
    if row is None:
        raise NotFound("a note")
    return Stored(**row)


async def save(database: Database, operator: str, id: int, version: int, body: str, colour: str) -> Stored:
    """One that was deleted is there again, if this page knew that. Raises NotFound, Stale."""
    async with database.transaction() as connection:
        row = await _his(connection, operator, id)
        if row["version"] != version:
            return _same(row, body, colour)
        return _stored(await connection.fetchrow(SQL["save_note"], id, body, colour))


async def delete(database: Database, operator: str, id: int, version: int) -> Stored:
    """Raises NotFound, Stale: he deletes no text that he has not seen."""
    async with database.transaction() as connection:
        row = await _his(connection, operator, id)
        if row["gone"]:
            return Stored(row["id"], row["version"])
        if row["version"] != version:
            raise Stale(row)
        await connection.execute(SQL["forget_notes"], operator)
        return _stored(await connection.fetchrow(SQL["delete_note"], id))


async def restore(database: Database, operator: str, id: int) -> Stored:
    async with database.transaction() as connection:
        row = await _his(connection, operator, id)
        if not row["gone"]:
            return Stored(row["id"], row["version"])
        return _stored(await connection.fetchrow(SQL["restore_note"], id))


async def _his(connection: asyncpg.Connection, operator: str, id: int) -> asyncpg.Record:
    row = await connection.fetchrow(SQL["note"], id, operator)
    if row is None:
        raise NotFound(f"note {id}")
    return row
