"""The configuration as the pages have it: read and written through LQ-SDK, in the name of who does it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lcall_web.common.context import Context
from lcall_web.common.database import DatabaseAway, queries
from lcall_web.common.i18n import DEFAULT
from lcall_web.settings import refusals, rules
from lcall_web.settings.fields import Kind
from lcall_web.settings.kinds import KINDS, TARGETS
from lcall_web.settings.rules import Fault
from lq.sdk import ApiError, Document, DocumentUser

SQL: Final = queries(__file__)
DIGITS: Final = 19  # from which on PostgreSQL has no whole number

Names = Mapping[str, Mapping[str, str]]  # kind -> id -> name


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a document that was to be written."""

    document: Document | None = None  # as it stands now
    faults: tuple[tuple[str, Fault], ...] = ()  # (path, what is wrong)
    present: Document | None = None  # somebody else was quicker
    gone: bool = False  # … and has deleted it


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed a document last."""

    name: str
    at: datetime


class Overtaken(Exception):
    """Somebody else has changed one of the documents since it was read: none is written."""


async def documents(here: Context, kind: str) -> dict[str, Document]:
    return {one.id: one for one in await here.lq.documents(kind)}


async def document(here: Context, kind: str, id: str) -> Document | None:
    try:
        return await here.lq.document(kind, id)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def variables(here: Context) -> frozenset[str]:
    """What a script may name beside the variables that there always are: the fields that customers have been given."""
    rows = await here.database.fetch(SQL["variables"])
    return frozenset(name for row in rows for name in (row["name"], row["name_en"].lower()) if name)


async def names(here: Context, kinds: Iterable[str], language: str = DEFAULT) -> Names:
    """What documents of these kinds are called in this language, for choices and links."""
    fields = ("name_en", "name") if language == "en" else ("name",)
    wanted = sorted(set(kinds))
    found = await asyncio.gather(*(here.lq.documents(kind) for kind in wanted))
    return {
        kind: {one.id: str(next(filter(None, map(one.body.get, fields)), one.id)) for one in some}
        for kind, some in zip(wanted, found, strict=True)
    }


def named_kinds(kind: Kind) -> set[str]:
    """Kinds of documents that the fields of this one may name."""
    found = {field.of for field in kind.fields if field.of}
    forms = {field.kind for field in kind.fields}
    if "target" in forms:
        found |= set(TARGETS.values()) - {"phones"}
    if "forward" in forms:
        found |= {"queues", "agents", "phones"}
    return found


async def users(here: Context, kind: str, id: str) -> dict[str, list[DocumentUser]]:
    """Who names a document, by kind, each once."""
    found: dict[str, dict[str, DocumentUser]] = {}
    for one in await here.lq.document_users(kind, id):
        found.setdefault(one.kind, {}).setdefault(one.id, one)
    order = [*KINDS, *(each for each in found if each not in KINDS)]
    return {each: list(found[each].values()) for each in order if each in found}


async def last_change(here: Context, kind: str, id: str) -> Change | None:
    """None too while the database does not answer: it is only told."""
    try:
        row = await here.database.row(SQL["last_change"], f"{kind}:{id}")
    except DatabaseAway:
        return None
    return None if row is None else Change(row["name"], row["at"])


async def entry_place(here: Context, list: str, number: str) -> str:
    """By what an address names an entry, for numbers are not for everybody; "" if there is none."""
    row = await here.database.row(SQL["entry_place"], list, number)
    return "" if row is None else str(row["changed"])


async def entry_number(here: Context, list: str, place: str) -> str:
    """Of the entry that `entry_place` has named so; "" if it was changed since, or never was."""
    if not (place.isascii() and place.isdigit() and len(place) < DIGITS):
        return ""
    row = await here.database.row(SQL["entry_number"], list, int(place))
    return "" if row is None else str(row["number"])


async def put(here: Context, kind: Kind, id: str, body: Mapping[str, Any], version: int, operator: str) -> Saved:
    """`version`: of the document that was read; 0 for a new one. A repeat of what is done already is done."""
    try:
        return Saved(await here.lq.put_document(kind.name, id, body, if_version=version, operator=operator))
    except ApiError as error:
        if error.status == 422:
            return Saved(faults=tuple(refusals.faults(error.errors, error.field, error.message)))
        if error.status == 400:
            return Saved(faults=(("id", refusals.said("letters, digits, _ . - only, at most 64")),))
        if error.status != 409 or error.code != "changed":
            raise
        if not error.present:
            return Saved(gone=True)
        present = Document(kind.name, id, error.present["version"], error.present["body"])
        if rules.same(kind, present.body, body):
            return Saved(present)
        return Saved(present=present)


async def put_all(
    here: Context, documents: Sequence[Document], operator: str, check: bool = False
) -> dict[int, list[tuple[str, Fault]]]:
    """Writes documents together, each over the version that was read, or with `check` none; by place what is wrong:
    then none is written either. Raises Overtaken."""
    try:
        await here.lq.put_documents(documents, check=check, guarded=not check, operator=operator)
    except ApiError as error:
        if error.status == 409 and error.code == "changed":
            raise Overtaken from error
        if error.status != 422:
            raise
        found: dict[int, list[tuple[str, Fault]]] = {}
        for path, fault in refusals.faults(error.errors, error.field, error.message):
            _, _, rest = path.partition("documents.")
            n, _, name = rest.partition(".")
            found.setdefault(int(n) if n.isdigit() else 0, []).append((name, fault))
        return found
    return {}
