"""Customers in PostgreSQL, as a person may see them: numbers whole or masked is decided here and nowhere else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import asyncpg
from sanic.exceptions import Forbidden, NotFound

from lcall_web.common import audit
from lcall_web.common.database import SEARCH_S, Database, numbered, queries
from lcall_web.common.masking import masked
from lcall_web.common.viewer import NUMBERS, REVEAL, Viewer
from lcall_web.customers import field_store, fields, numbers, past, rules
from lcall_web.customers.past import Note as Note  # for the pop, which has notes of calls without a customer
from lcall_web.customers.past import PastCall
from lcall_web.customers.rules import Draft, Phone

SQL: Final = queries(__file__)
PAGE: Final = 50
PEOPLE: Final = 50
PATIENCE_S: Final = SEARCH_S + 1  # PostgreSQL gives up first, and says so
MOVES: Final = (  # what was one's who goes, to the one who stays
    *("move_phones", "move_rest", "move_notes", "move_follow_ups", "move_contacts", "move_people", "move_merged"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One of a list."""

    id: int
    kind: str
    name: str
    company: str
    position: str
    level: str
    tags: tuple[str, ...]
    numbers: tuple[str, ...]  # as this viewer may see them
    phones: tuple[int, ...]  # their ids: by these they are called
    owner: str
    changed_at: datetime
    own: Mapping[str, str] = field(default_factory=dict)  # of the fields that the center has added


@dataclass(frozen=True, slots=True)
class Deleted:
    id: int
    kind: str
    name: str
    at: datetime
    by: str
    merged_into: int | None
    merged_name: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A number of somebody's. `to`: what is dialled, empty for who does not see it whole."""

    id: int
    text: str
    label: str
    origin: numbers.Origin
    to: str


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    name: str
    position: str
    level: str
    phones: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Customer:
    """What is stored of one, whole: only this module and its forms may see `draft.phones`."""

    id: int
    version: int
    draft: Draft
    company_id: int | None
    owner_name: str
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str
    deleted_at: datetime | None
    merged_into: int | None


@dataclass(frozen=True, slots=True)
class Card:
    customer: Customer
    phones: tuple[Shown, ...]
    people: tuple[Person, ...]
    more_people: bool
    notes: tuple[Note, ...]
    more_notes: str  # where the next ones are, "" after the last
    calls: tuple[PastCall, ...]
    more_calls: str


class Stale(Exception):
    """Somebody else has changed him meanwhile: as he is now."""

    def __init__(self, customer: Customer) -> None:
        super().__init__(f"customer {customer.id} has version {customer.version}")
        self.customer = customer


class Known(Exception):
    """Others have one of these numbers: (id, name) of each."""

    def __init__(self, holders: Sequence[tuple[int, str]]) -> None:
        super().__init__(f"{len(holders)} have the number")
        self.holders = holders


# -- looking -----------------------------------------------------------------------------------------------------------


def shown(number: str, viewer: Viewer) -> str:
    text = numbers.published(number)
    return text if viewer.may(NUMBERS) else masked(text)


def phone_shown(id: int, number: str, label: str, viewer: Viewer) -> Shown:
    whole = numbers.published(number) if viewer.may(NUMBERS) else ""
    return Shown(id, shown(number, viewer), label, numbers.origin(number), whole)


def statement(name: str, wanted: rules.Search, limit: int) -> tuple[str, list[Any]]:
    """Of a search, as PostgreSQL takes it: conditions that ask another table are left out where they do not matter.
    What may be a number or stand in a text is looked for as either, by the index of each."""
    after_at, after_id = wanted.after or (None, None)
    lists = {"words": wanted.words, "digits": wanted.digits, "parts": wanted.parts, "exact": wanted.exact}
    values = {
        **{name: None if found is None else list(found) for name, found in lists.items()},
        **{"last": wanted.last, "kind": wanted.kind, "level": wanted.level, "tag": wanted.tag, "owner": wanted.owner},
        **{"own": json.dumps(dict([wanted.own])) if wanted.own else None, "texts": list(wanted.texts)},
        **{"after_at": after_at, "after_id": after_id, "limit": limit},
    }
    shown = ["conditions", "with_shown"] if wanted.words and wanted.hidden else ["conditions"]
    if wanted.digits is None:
        return numbered(SQL[name].replace("CONDITIONS", _all(*shown)), values)
    either = SQL["either"].replace("NUMBER", _all(*shown, "with_number" if wanted.parts is None else "with_parts"))
    return numbered(SQL[name].replace("CONDITIONS", either.replace("TEXT", _all(*shown, "with_text"))), values)


def _all(*names: str) -> str:
    return " and ".join(SQL[each] for each in names)


async def search(
    database: Database, viewer: Viewer, wanted: rules.Search, most: int = PAGE
) -> tuple[list[Line], str | None]:
    """A page, and where the next one begins. Raises TooMuch."""
    text, values = statement("page", wanted, most + 1)
    rows = await database.fetch(text, *values, seconds=PATIENCE_S)
    lines = [_line(row, viewer) for row in rows[:most]]
    return lines, rules.cursor(lines[-1].changed_at, lines[-1].id) if len(rows) > most else None


def _line(row: asyncpg.Record, viewer: Viewer) -> Line:
    found = tuple(shown(number, viewer) for number in row["numbers"])
    plain = {name: row[name] for name in ("id", "kind", "name", "position", "level", "changed_at")}
    owner = row["owner_name"] or row["owner"] or ""
    about = {"company": row["company"] or "", "tags": tuple(row["tags"]), "own": json.loads(row["own"])}
    return Line(**plain, **about, numbers=found, phones=tuple(row["phones"]), owner=owner)


async def bin(database: Database, after: tuple[datetime, int] | None) -> tuple[list[Deleted], str | None]:
    rows = await database.fetch(SQL["bin"], *(after or (None, None)), PAGE + 1)
    found = [
        Deleted(
            *(row["id"], row["kind"], row["name"], row["deleted_at"], row["deleted_by"] or ""),
            *(row["merged_into"], row["merged_name"] or ""),
        )
        for row in rows[:PAGE]
    ]
    return found, rules.cursor(found[-1].at, found[-1].id) if len(rows) > PAGE else None


async def customer(connection: asyncpg.Connection, id: int) -> Customer:
    """Raises NotFound."""
    row = await connection.fetchrow(SQL["customer"], id)
    if row is None:
        raise NotFound(f"customer {id}")
    phones = await connection.fetch(SQL["phones"], id)
    texts = {name: row[name] or "" for name in rules.NAMES if name != "tags"}
    draft = Draft(
        **texts,
        tags=tuple(row["tags"]),
        phones=tuple(Phone(phone["number"], phone["label"], phone["id"]) for phone in phones),
        own=json.loads(row["own"]),
    )
    names = ("id", "version", "company_id", "created_at", "created_by", "changed_at", "changed_by", "deleted_at")
    about = {name: row[name] for name in (*names, "merged_into")}
    return Customer(**about, draft=draft, owner_name=row["owner_name"] or row["owner"] or "")


async def card(database: Database, viewer: Viewer, id: int, language: str, contact: str | None = None) -> Card:
    """All that is known of one; with `contact` also what was written in that call."""
    async with database.transaction() as connection:
        return await card_within(connection, viewer, id, language, contact)


async def card_within(
    connection: asyncpg.Connection, viewer: Viewer, id: int, language: str, contact: str | None
) -> Card:
    found = await customer(connection, id)
    phones = found.draft.phones
    people = await connection.fetch(SQL["people"], id, PEOPLE + 1) if found.draft.kind == "company" else []
    written, more_notes = await past.notes(connection, id, contact)
    calls, more_calls = await past.history(connection, viewer, [phone.number for phone in phones], id, language)
    return Card(
        customer=found,
        phones=tuple(phone_shown(phone.id or 0, phone.number, phone.label, viewer) for phone in phones),
        people=tuple(_person(row, viewer) for row in people[:PEOPLE]),
        more_people=len(people) > PEOPLE,
        notes=written,
        more_notes=more_notes,
        calls=calls,
        more_calls=more_calls,
    )


def _person(row: asyncpg.Record, viewer: Viewer) -> Person:
    known = zip(row["phones"], row["numbers"], row["labels"], strict=True)
    phones = tuple(phone_shown(id, number, label, viewer) for id, number, label in known)
    return Person(row["id"], row["name"], row["position"], row["level"], phones)


async def notes(connection: asyncpg.Connection, customer: int | None, contact: str | None) -> tuple[Note, ...]:
    """The latest."""
    found, _ = await past.notes(connection, customer, contact)
    return found


async def owners(database: Database, named: str = "") -> dict[str, str]:
    rows = await database.fetch(SQL["owners"], named)
    return {row["id"]: row["name"] for row in rows}


async def companies(database: Database, text: str) -> list[str]:
    words = text.split()[: rules.WORDS]
    rows = await database.fetch(SQL["companies"], words) if words else []
    return [row["name"] for row in rows]


async def reveal(database: Database, viewer: Viewer, id: int, phone: int, address: str) -> Shown:
    """The number whole, once that is written down."""
    if not viewer.may(REVEAL):
        raise Forbidden
    async with database.transaction() as connection:
        found = await customer(connection, id)
        wanted = next((each for each in found.draft.phones if each.id == phone), None)
        if wanted is None:
            raise NotFound(f"phone {phone} of customer {id}")
        await audit.note(connection, viewer.id, "number_revealed", f"customer:{id}", address, phone=phone)
    text = numbers.published(wanted.number)
    return Shown(phone, text, wanted.label, numbers.origin(wanted.number), text)


# -- changing ----------------------------------------------------------------------------------------------------------


async def create(
    connection: asyncpg.Connection, viewer: Viewer, key: uuid.UUID, draft: Draft, address: str, anyway: bool
) -> int:
    """In the caller's transaction; the second time the same one. Raises Known."""
    await connection.execute(SQL["one_at_a_time"], str(key))
    if (known := await connection.fetchval(SQL["by_key"], key)) is not None:
        return int(known)
    if not anyway:
        await _refuse_known(connection, [phone.number for phone in draft.phones], 0)
    company = await _company(connection, viewer, draft.company, address)
    id = await connection.fetchval(SQL["insert"], key, *_columns(draft, company), viewer.id)
    await _put_phones(connection, id, draft.phones)
    await audit.note(connection, viewer.id, "customer_created", f"customer:{id}", address, name=draft.name)
    return int(id)


async def _refuse_known(connection: asyncpg.Connection, found: Sequence[str], but: int) -> None:
    holders = await connection.fetch(SQL["holders"], list(found), but)
    if holders:
        raise Known([(row["id"], row["name"]) for row in holders])


def _columns(draft: Draft, company: int | None) -> tuple[Any, ...]:
    return (
        *(draft.kind, draft.name, company, draft.position, draft.level, list(draft.tags)),
        *(draft.email, draft.address, draft.remark, draft.owner or None),
        json.dumps(draft.own, ensure_ascii=False),
    )


async def _company(connection: asyncpg.Connection, viewer: Viewer, name: str, address: str) -> int | None:
    """The company of this name; one that is not known yet is made."""
    if not name:
        return None
    await connection.execute(SQL["one_at_a_time"], f"company:{name}")
    if (known := await connection.fetchval(SQL["company_named"], name)) is not None:
        return int(known)
    columns = _columns(Draft("company", name), None)
    id = await connection.fetchval(SQL["insert"], uuid.uuid4(), *columns, viewer.id)
    await audit.note(connection, viewer.id, "customer_created", f"customer:{id}", address, name=name)
    return int(id)


async def _put_phones(connection: asyncpg.Connection, id: int, phones: Sequence[Phone]) -> None:
    await connection.execute(SQL["drop_phones"], id, [phone.number for phone in phones])
    await connection.executemany(
        SQL["put_phone"], [(id, phone.number, phone.label, place) for place, phone in enumerate(phones)]
    )


async def change(
    database: Database,
    viewer: Viewer,
    id: int,
    version: int,
    draft: Draft,
    address: str,
    *,
    anyway: bool,
    same_company: bool,
) -> None:
    """Raises Stale, Known, NotFound. What is so already is not done again. `same_company`: where he works, whatever
    it is called by now, and were it in the bin."""
    async with database.transaction() as connection:
        await connection.execute(SQL["lock"], [id])
        before = await customer(connection, id)
        if before.deleted_at is not None:
            raise NotFound(f"customer {id} is deleted")
        same_company = same_company and draft.kind == "person"
        if same_company:
            draft = replace(draft, company=before.draft.company)
        if rules.same(before.draft, draft):
            return
        if before.version != version:
            raise Stale(before)
        had = {phone.number for phone in before.draft.phones}
        if not anyway:
            await _refuse_known(connection, [p.number for p in draft.phones if p.number not in had], id)
        company = before.company_id if same_company else await _company(connection, viewer, draft.company, address)
        await connection.execute(SQL["update"], id, *_columns(draft, None if company == id else company), viewer.id)
        await _put_phones(connection, id, draft.phones)
        changes = await _changes(connection, before.draft, draft)
        await audit.note(connection, viewer.id, "customer_changed", f"customer:{id}", address, changes=changes)


async def _changes(connection: asyncpg.Connection, before: Draft, after: Draft) -> dict[str, list[str]]:
    own = fields.changes(await field_store.fields(connection), before, after) if before.own != after.own else {}
    return {**rules.changes(before, after), **own}


async def delete(database: Database, viewer: Viewer, id: int, version: int, address: str) -> None:
    """Into the recycle bin. Raises Stale."""
    async with database.transaction() as connection:
        await connection.execute(SQL["lock"], [id])
        before = await customer(connection, id)
        if before.deleted_at is not None:
            return
        if before.version != version:
            raise Stale(before)
        await connection.execute(SQL["delete"], id, viewer.id)
        await audit.note(connection, viewer.id, "customer_deleted", f"customer:{id}", address, name=before.draft.name)


async def restore(database: Database, viewer: Viewer, id: int, address: str) -> None:
    async with database.transaction() as connection:
        before = await customer(connection, id)
        done = await connection.execute(SQL["restore"], id, viewer.id)
        if done != "UPDATE 0":
            name = before.draft.name
            await audit.note(connection, viewer.id, "customer_restored", f"customer:{id}", address, name=name)


async def held(connection: asyncpg.Connection, id: int) -> int | None:
    """Whose that is which is written about this customer: his, or of who he is merged into by now; held until then.
    None: he lies in the bin, or there is none."""
    if (row := await connection.fetchrow(SQL["held"], id)) is not None:
        return id if row["deleted_at"] is None else None
    other = await connection.fetchval(SQL["merged_into"], id)
    return None if other is None else await held(connection, other)


async def add_note(
    connection: asyncpg.Connection, viewer: Viewer, key: uuid.UUID, body: str, customer: int | None, contact: str | None
) -> None:
    """Once for each key."""
    await connection.execute(SQL["note"], key, customer, contact, body, viewer.id)


# -- two who are one ---------------------------------------------------------------------------------------------------


async def alike(database: Database, viewer: Viewer, found: Customer) -> list[Line]:
    have = [phone.number for phone in found.draft.phones]
    rows = await database.fetch(SQL["alike"], found.id, have, found.draft.name, seconds=PATIENCE_S)
    return [
        Line(
            *(row["id"], row["kind"], row["name"], row["company"] or "", "", row["level"], ()),
            *(tuple(shown(number, viewer) for number in row["numbers"]), tuple(row["phones"]), "", found.changed_at),
        )
        for row in rows
    ]


async def merge(
    database: Database,
    viewer: Viewer,
    keep: int,
    other: int,
    versions: tuple[int, int],
    choices: Mapping[str, str],
    address: str,
) -> None:
    """`other` goes, and all that was his is `keep`'s. Raises Stale."""
    async with database.transaction() as connection:
        await connection.execute(SQL["lock"], [keep, other])
        kept, gone = await customer(connection, keep), await customer(connection, other)
        if gone.merged_into == keep:
            return
        for each, version in ((kept, versions[0]), (gone, versions[1])):
            if each.deleted_at is not None:
                raise NotFound(f"customer {each.id} is deleted")
            if each.version != version:
                raise Stale(each)
        draft = fields.merged(await field_store.fields(connection), kept.draft, gone.draft, choices)
        company = kept.company_id if draft.company == kept.draft.company else gone.company_id
        company = None if company in (keep, other) or draft.kind == "company" else company
        for name in MOVES:
            await connection.execute(SQL[name], keep, other)
        await connection.execute(SQL["update"], keep, *_columns(draft, company), viewer.id)
        await _put_phones(connection, keep, draft.phones)
        await connection.execute(SQL["bury"], keep, other, viewer.id)
        about = {"other": other, "name": gone.draft.name, "changes": await _changes(connection, kept.draft, draft)}
        await audit.note(connection, viewer.id, "customers_merged", f"customer:{keep}", address, **about)
