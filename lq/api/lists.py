"""/v1/lists: the entries of do-not-call, black, white and VIP lists. PostgreSQL is written, then Redis is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import asyncpg
import structlog
from sanic import Request

from lq.api import access, context, reading
from lq.api.config import operator
from lq.api.errors import Refusal, not_found, wrong
from lq.config import lists, publish
from lq.config.book import Book
from lq.config.documents import NumberRule
from lq.config.lists import AT_ONCE, Entry
from lq.ledger.shown import rfc3339_of
from lq.live.errors import LiveError

log = structlog.get_logger()

Json = dict[str, Any]


async def listing(request: Request, list: str) -> Json:
    """By number; `number` looks for one. Whoever sees some agents' calls only may not see everybody's numbers."""
    if access.of(request).restricted:
        raise Refusal(403, "token_restricted", "a token of some agents or queues sees no lists of numbers")
    size, after = reading.limit(request), reading.parameter(request, "cursor")
    asked = reading.parameter(request, "number")
    async with context.of(request).history.connection() as connection:
        number = _number(asked, await _home(connection), "number") if asked else ""
        rows = await lists.page(connection, list, after, size + 1, number)
    found = [_entry_json(row) for row in rows[:size]]
    return {"items": found, "next": found[-1]["number"] if len(rows) > size else None}


async def put(request: Request, list: str) -> Json:
    """Writes up to 1,000 entries; one that is there already gets the new note and expiry."""
    here = context.of(request)
    given = reading.body(request).get("entries")
    if not isinstance(given, Sequence) or isinstance(given, str) or not 1 <= len(given) <= AT_ONCE:
        raise wrong("entries", f"a list of 1 to {AT_ONCE} entries is expected")
    async with here.history.connection() as connection:
        home = await _home(connection)
        entries = [_entry(one, home, f"entries.{n}") for n, one in enumerate(given)]
        try:
            async with connection.transaction():
                written = await lists.put(connection, list, entries, by=operator(request))
                await _audit(connection, request, "list_put", list, {"entries": written})
        except lists.Missing as missing:
            raise not_found(f"list {list}") from missing
        await _tell(connection, here)
    return {"written": written}


async def delete(request: Request, list: str, number: str) -> tuple[int, Json]:
    here = context.of(request)
    async with here.history.connection() as connection:
        found = _number(unquote(number), await _home(connection), "number")
        try:
            async with connection.transaction():
                await lists.remove(connection, list, [found], by=operator(request))
                await _audit(connection, request, "list_delete", list, {"number": found})
        except lists.Missing as missing:
            raise not_found(f"entry {number} of list {list}") from missing
        await _tell(connection, here)
    return 204, {}


async def clear(request: Request, list: str) -> Json:
    """Removes some thousands of its numbers; `written` 0: it is empty."""
    here = context.of(request)
    async with here.history.connection() as connection:
        async with connection.transaction():
            written = await lists.clear(connection, list, by=operator(request))
            await _audit(connection, request, "list_clear", list, {"entries": written})
        await _tell(connection, here)
    return {"written": written}


async def _home(connection: asyncpg.Connection) -> NumberRule:
    """Numbers are read as phones dial them."""
    trunks = (await publish.read(connection))[1]["trunks"]
    return Book.read(0, {"trunks": {id: trunk.body for id, trunk in trunks.items()}}).home


def _entry(given: Any, home: NumberRule, field: str) -> Entry:
    if not isinstance(given, Mapping):
        raise wrong(field, "an object is expected")
    if unknown := set(given) - {"number", "note", "expires_at"}:
        raise wrong(f"{field}.{min(unknown)}", "there is no such field")
    number = _number(given.get("number"), home, f"{field}.number")
    note = reading.optional_text({f"{field}.note": given.get("note")}, f"{field}.note")
    expires = given.get("expires_at")
    return Entry(number, note, reading.time(expires, f"{field}.expires_at") if expires is not None else None)


def _number(given: Any, home: NumberRule, field: str) -> str:
    if not isinstance(given, str):
        raise wrong(field, "a telephone number is expected")
    try:
        return lists.read_number(given, home)
    except ValueError as error:
        raise wrong(field, str(error)) from error


def _entry_json(row: asyncpg.Record) -> Json:
    return {
        "number": row["number"],
        "note": row["note"],
        "expires_at": rfc3339_of(row["expires_at"]) if row["expires_at"] else None,
        "changed_at": rfc3339_of(row["changed_at"]),
        "changed_by": row["changed_by"],
    }


async def _audit(connection: asyncpg.Connection, request: Request, action: str, list: str, detail: Json) -> None:
    await connection.execute(
        "insert into audit (operator, action, object, address, detail) values ($1, $2, $3, $4, $5)",
        *(operator(request), action, f"lists:{list}", request.ip, json.dumps(detail)),
    )


async def _tell(connection: asyncpg.Connection, here: context.Context) -> None:
    """The change stands, whatever becomes of this: a Redis that is away is told when it is back."""
    try:
        await lists.tell(connection, here.live)
    except LiveError as error:
        log.warning("entries of a list are stored but not published yet", error=str(error))
