"""The configuration in PostgreSQL, its only writer, and its publication into Redis.

A change is one transaction: the rows and the new version. Publication follows it and swaps all kinds as they stood at
one version, so that two publishers cannot lose each other's change; one that failed is made up for by `republish`.
Texts that flows say are handed to the worker in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg

from lq.config.documents import KINDS, Settings
from lq.config.references import references
from lq.config.validation import FieldError, Kinds, validate
from lq.ivr import flow
from lq.live.errors import Stale


class Publisher(Protocol):
    """What of the live state this needs: lq.live.redis.Live."""

    async def config_version(self) -> int: ...

    async def publish(self, version: int, kinds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None: ...


@dataclass(frozen=True, slots=True)
class Document:
    kind: str
    id: str
    version: int  # of the configuration, when this document last changed
    body: Mapping[str, Any]


class Refused(Exception):
    """The change would make a bad configuration; the errors say where."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = tuple(errors)


class Changed(Exception):
    """The document is not the one that the writer had read."""

    def __init__(self, present: Document | None) -> None:
        super().__init__("the document has changed meanwhile")
        self.present = present


class Missing(Exception):
    """There is no such document."""


async def read(connection: asyncpg.Connection) -> tuple[int, dict[str, dict[str, Document]]]:
    """The version and all documents by kind and id, as they stand together."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        version = await connection.fetchval("select version from config_version")
        rows = await connection.fetch("select kind, id, version, body from config_document order by kind, id")
    kinds: dict[str, dict[str, Document]] = {kind: {} for kind in KINDS}
    for row in rows:
        if row["kind"] in kinds:
            kinds[row["kind"]][row["id"]] = _document(row)
    return version, kinds


async def put(
    connection: asyncpg.Connection,
    documents: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    by: str,
    if_versions: Mapping[tuple[str, str], int] | None = None,
) -> list[Document]:
    """Writes documents (kind, body) together under one new version. Raises Refused, Changed: nothing is written.

    `if_versions`: (kind, id) -> the version that the writer had read; 0: there was none.
    """
    errors = [error for kind, body in documents for error in validate(kind, body)]
    if errors:
        raise Refused(errors)
    async with connection.transaction():
        version = await _next_version(connection)
        for (kind, id), expected in (if_versions or {}).items():
            await _expect(connection, kind, id, expected)
        rows = [(kind, body["id"], version, json.dumps(body, ensure_ascii=False), by) for kind, body in documents]
        await connection.executemany(
            "insert into config_document (kind, id, version, body, changed_by) values ($1, $2, $3, $4, $5)"
            " on conflict (kind, id) do update set version = excluded.version, body = excluded.body,"
            " changed_by = excluded.changed_by, changed_at = now()",
            rows,
        )
        kinds = await _check_references(connection)
        if any(kind in ("flows", "settings") for kind, _ in documents):
            await _have_spoken(connection, kinds)
    return [Document(kind, body["id"], version, dict(body)) for kind, body in documents]


async def delete(connection: asyncpg.Connection, kind: str, id: str, if_version: int | None = None) -> None:
    """Removes a document. Raises Missing, Changed if it is not of `if_version`, and Refused while another one names it:
    then it stays."""
    async with connection.transaction():
        await _next_version(connection)
        row = await connection.fetchrow(
            "delete from config_document where kind = $1 and id = $2 returning kind, id, version, body", kind, id
        )
        if row is None:
            raise Missing
        if if_version not in (None, row["version"]):
            raise Changed(_document(row))
        await _check_references(connection)


async def _next_version(connection: asyncpg.Connection) -> int:
    """Takes the row's lock first, so that changes follow each other and `_check_references` sees them all."""
    return int(await connection.fetchval("update config_version set version = version + 1 returning version"))


async def _expect(connection: asyncpg.Connection, kind: str, id: str, version: int) -> None:
    row = await connection.fetchrow(
        "select kind, id, version, body from config_document where kind = $1 and id = $2", kind, id
    )
    present = _document(row) if row else None
    if (present.version if present else 0) != version:
        raise Changed(present)


async def _check_references(connection: asyncpg.Connection) -> Kinds:
    rows = await connection.fetch("select kind, id, version, body from config_document")
    kinds: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], {})[row["id"]] = json.loads(row["body"])
    errors = references(kinds)
    if errors:
        raise Refused(errors)
    return kinds


async def _have_spoken(connection: asyncpg.Connection, kinds: Kinds) -> None:
    """One piece of work for each text that a flow says, in the center's language; the worker skips what it has."""
    center = kinds.get("settings", {}).get("center", {})
    language = center.get("language", Settings().language)
    said = {text for body in kinds.get("flows", {}).values() for text in flow.texts(body["nodes"])}
    await connection.executemany(
        "insert into outbox (kind, body) select 'speak', $1::jsonb where not exists"
        " (select from outbox where kind = 'speak' and body = $1::jsonb and state = 'queued')",
        [(json.dumps({"text": text, "language": language}, ensure_ascii=False),) for text in sorted(said)],
    )


async def publish(connection: asyncpg.Connection, live: Publisher) -> int:
    """Swaps the whole configuration into Redis; returns its version. A newer one that is there already stays."""
    version, kinds = await read(connection)
    try:
        await live.publish(version, {kind: {id: d.body for id, d in found.items()} for kind, found in kinds.items()})
    except Stale as newer:
        return newer.version
    return version


async def republish(connection: asyncpg.Connection, live: Publisher) -> bool:
    """Publishes if Redis is behind or empty, or ahead (PostgreSQL came back from a backup); says whether it did."""
    published = await live.config_version()
    version = await connection.fetchval("select version from config_version")
    if published == version:
        return False
    if published > version:
        await connection.execute("update config_version set version = $1 where version < $1", published + 1)
    await publish(connection, live)
    return True


def _document(row: asyncpg.Record) -> Document:
    return Document(row["kind"], row["id"], row["version"], json.loads(row["body"]))
