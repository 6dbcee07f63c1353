"""The entries of lists (do-not-call, black, white, VIP): PostgreSQL has them, Redis is told of every change in order.

They are no documents: a list may have millions. Each change has a number, and Redis knows up to which it was told, so
that an import is told in parts, two who tell do not undo each other, and a Redis that lost something hears it again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

import asyncpg

from lq.config.documents import NumberRule
from lq.live.errors import Stale
from lq.live.values import ListEntry
from lq.trunks import numbers

AT_ONCE: Final = 1_000  # entries of a request, and of what Redis is told at once
MOST: Final = 10_000  # removed at once
_PREFIX: Final = re.compile(r"\+?\d{1,15}\*")

PUT: Final = """
insert into list_entry (list, number, note, expires_at, changed, changed_by)
select $1, given.number, given.note, given.expires_at, $2 + given.n, $3
from unnest($4::text[], $5::text[], $6::timestamptz[]) with ordinality as given (number, note, expires_at, n)
on conflict (list, number) do update set note = excluded.note, expires_at = excluded.expires_at, gone = false,
    changed = excluded.changed, changed_by = excluded.changed_by, changed_at = now()"""
REMOVE: Final = """
update list_entry set gone = true, note = '', changed = $2 + given.n, changed_by = $3, changed_at = now()
from unnest($4::text[]) with ordinality as given (number, n)
where list_entry.list = $1 and list_entry.number = given.number and not list_entry.gone"""
CHANGES: Final = """
select list, number, expires_at, gone, changed from list_entry where changed > $1 order by changed limit $2"""


class Teller(Protocol):
    """What of the live state this needs: lq.live.redis.Live."""

    async def lists_version(self) -> int: ...

    async def list_entries(self, first: int, last: int, entries: Sequence[ListEntry]) -> None: ...

    async def clear_lists(self) -> None: ...


class Missing(Exception):
    """There is no such list, or no such entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    number: str
    note: str = ""
    expires_at: datetime | None = None  # None: never


def read_number(text: str, home: NumberRule) -> str:
    """A number as lists hold it: in E.164, a short one as it is, `+8610*` for all that begin so. Raises ValueError."""
    given = text.strip()
    if given.endswith("*"):
        if _PREFIX.fullmatch(given):
            return given
        raise ValueError("a prefix is the beginning of a number in E.164 and a star, e.g. +8610*")
    number = numbers.caller(given, replace(home, strip=""))
    if number.kind in ("anonymous", "unknown"):
        raise ValueError("it is no telephone number")
    return number.e164


async def put(connection: asyncpg.Connection, name: str, entries: Sequence[Entry], *, by: str) -> int:
    """Writes entries, each number once; how many. Raises Missing."""
    given = tuple({entry.number: entry for entry in entries}.values())
    async with connection.transaction():
        if not await connection.fetchval(
            "select exists (select from config_document where kind = 'lists' and id = $1)", name
        ):
            raise Missing
        columns = zip(*((one.number, one.note, one.expires_at) for one in given), strict=True)
        await connection.execute(PUT, name, await _before(connection, len(given)), by, *columns)
    return len(given)


async def remove(connection: asyncpg.Connection, name: str, found: Sequence[str], *, by: str) -> None:
    """Removes these numbers. Raises Missing when none of them was there."""
    async with connection.transaction():
        done = await connection.execute(REMOVE, name, await _before(connection, len(found)), by, found)
        if done == "UPDATE 0":
            raise Missing


async def clear(connection: asyncpg.Connection, name: str, *, by: str) -> int:
    """Removes some thousands of the list's entries; how many: at 0 it is empty."""
    rows = await connection.fetch("select number from list_entry where list = $1 and not gone limit $2", name, MOST)
    if rows:
        await remove(connection, name, [row["number"] for row in rows], by=by)
    return len(rows)


async def page(
    connection: asyncpg.Connection, name: str, after: str, limit: int, number: str = ""
) -> list[asyncpg.Record]:
    """Entries by number, behind `after`; with `number` that one."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "select number, note, expires_at, changed_at, changed_by from list_entry where list = $1 and not gone"
        " and number > $2 and ($4 = '' or number = $4) order by number limit $3",
        *(name, after, limit, number),
    )
    return rows


async def tell(connection: asyncpg.Connection, live: Teller) -> bool:
    """Brings Redis to the last change; says whether there was anything to tell. Others may tell at the same time."""
    # All changes up to this number can be seen: who changes holds the row until he has committed.
    version = await connection.fetchval("select version from list_version")
    known = await live.lists_version()
    if known == version:
        return False
    if known > version:  # PostgreSQL came back from a backup
        await live.clear_lists()
        known = 0
    while known < version:
        rows = await connection.fetch(CHANGES, known, AT_ONCE)
        last = rows[-1]["changed"] if len(rows) == AT_ONCE else max([version, *(row["changed"] for row in rows)])
        try:
            await live.list_entries(known, last, [_entry(row) for row in rows])
        except Stale as stale:
            last = stale.version  # another was quicker: on from there
        known = last
    return True


def _entry(row: asyncpg.Record) -> ListEntry:
    expires = int(row["expires_at"].timestamp() * 1000) if row["expires_at"] else 0
    return ListEntry(row["list"], row["number"], expires, row["gone"])


async def _before(connection: asyncpg.Connection, count: int) -> int:
    """Takes so many numbers of changes, and the lock that makes changes follow each other; the number before them."""
    last = await connection.fetchval("update list_version set version = version + $1 returning version", count)
    return int(last) - count
