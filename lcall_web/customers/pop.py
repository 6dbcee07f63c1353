"""The screen pop: who a contact is with, for whoever has it or is offered it.

A contact of LQ-SDK carries no data of ours, so which customer it is about and what was noted in it stands in tables of
the web, keyed by the contact: whoever gets it next finds both there.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sanic.exceptions import NotFound

from lcall_web.common import audit, script
from lcall_web.common.context import Context
from lcall_web.common.database import Database, DatabaseAway
from lcall_web.common.masking import masked
from lcall_web.common.script import Piece
from lcall_web.common.viewer import BLACKLIST, NUMBERS, TEAM, Viewer
from lcall_web.customers import black, field_store, fields, numbers, store
from lcall_web.customers.black import BlackList
from lcall_web.customers.fields import Field
from lcall_web.customers.rules import PHONES, Draft, Phone
from lcall_web.customers.store import SQL, Card, Note
from lq.sdk import ApiError, Contact
from lq.sdk.values import decode

TALKED: Final = ("talk", "conference", "consult")
OF_PEOPLE: Final = ("mobile", "fixed", "toll_free", "international")  # kinds of numbers that one may have as his own


@dataclass(frozen=True, slots=True)
class Match:
    """One of several customers with this number."""

    id: int
    kind: str
    name: str
    level: str
    position: str
    company: str


@dataclass(frozen=True, slots=True)
class Pop:
    contact: str
    direction: str
    queue: str
    called: str
    started_at: datetime | None
    number: str  # as this viewer may see it; "": not shown
    to: str  # whole, for who may see it
    origin: numbers.Origin
    card: Card | None  # the customer, once it is known who it is
    matches: tuple[Match, ...]  # all who have the number
    notes: tuple[Note, ...]  # written in this call, when it is not known whose it is
    history: bool  # False: PostgreSQL is away
    script: tuple[Piece, ...] = ()  # what he shall say
    black: tuple[BlackList, ...] = ()  # where the caller can be put, by who may
    fields: tuple[Field, ...] = ()  # that the center has added
    new_number: bool = False  # the customer who was chosen does not have it yet

    @property
    def dials(self) -> bool:
        """Whether there is a number to call back; who sees it masked calls it by the contact."""
        return bool(self.number) and self.origin.kind not in ("anonymous", "unknown")


async def contact_of(here: Context, viewer: Viewer, id: str) -> Contact:
    """The contact, if it is this viewer's to see; raises NotFound otherwise."""
    try:
        found = await here.lq.contact(id)
    except ApiError as error:
        row = await here.database.row(SQL["contact"], id)
        if row is None:
            if error.status == 404:
                raise NotFound(id) from error
            raise
        found = decode(Contact, json.loads(row["body"]))
    if not (
        concerns(found, viewer.id)
        or (viewer.may(TEAM) and _reached(viewer, found))
        or await _is_reserved(here, viewer.id, id)
    ):
        raise NotFound(id)
    return found


async def _is_reserved(here: Context, agent: str, contact: str) -> bool:
    """Whether he is about to be offered it: his own state tells so a moment before the contact does."""
    try:
        return (await here.lq.agent(agent)).contact == contact
    except ApiError as error:
        if error.status == 404:
            return False
        raise


def _reached(viewer: Viewer, contact: Contact) -> bool:
    agents = {contact.agent, *(leg.agent for leg in contact.legs), *(segment.agent for segment in contact.segments)}
    return viewer.reach.holds_call(agents, {contact.queue, *(segment.queue for segment in contact.segments)})


def concerns(contact: Contact, agent: str) -> bool:
    """Whether he has it, is offered it, or has talked in it. A phone that rang and was not answered is not his."""
    return (
        contact.agent == agent
        or any(leg.agent == agent and leg.state != "ended" for leg in contact.legs)
        or any(
            segment.agent == agent and (segment.kind in TALKED or (segment.kind == "ring" and segment.ended_at is None))
            for segment in contact.segments
        )
    )


async def pop(here: Context, viewer: Viewer, id: str, language: str) -> Pop:
    contact = await contact_of(here, viewer, id)
    said, lists, known = "", tuple[BlackList, ...](), tuple[Field, ...]()
    try:
        known = await field_store.fields(here.database)
        card, matches, notes = await _known(here.database, viewer, contact, language)
        (queue, said), history = await _queue(here.database, contact.queue or "", language), True
        lists = await black.lists(here.database, contact) if viewer.may(BLACKLIST) else ()
    except DatabaseAway:
        card, matches, notes, queue, history = None, (), (), contact.queue or "", False
    called = contact.called if contact.direction != "out" else ""
    number = contact.number_published or numbers.published(contact.number)
    return Pop(
        contact=id,
        direction=contact.direction,
        queue=queue,
        called=called,
        started_at=contact.started_at,
        number=number if viewer.may(NUMBERS) else masked(number),
        to=number if viewer.may(NUMBERS) else "",
        origin=numbers.origin(contact.number),
        card=card,
        matches=matches,
        notes=notes,
        history=history,
        script=tuple(script.pieces(said, _own_values(card, known, language) | _values(card, viewer, queue, called))),
        black=lists,
        fields=known,
        new_number=card is not None and _is_new(contact, card.customer),
    )


def _is_new(contact: Contact, customer: store.Customer) -> bool:
    """Whether this customer can be given the number that he calls from."""
    number, phones = numbers.read(contact.number), customer.draft.phones
    known = number in {phone.number for phone in phones} or len(phones) >= PHONES
    return not known and numbers.origin(number).kind in OF_PEOPLE


def _values(card: Card | None, viewer: Viewer, queue: str, called: str) -> dict[str, str]:
    """What the variables of a script stand for in this call."""
    draft = card.customer.draft if card else None
    company = "" if draft is None else draft.name if draft.kind == "company" else draft.company
    return {
        **{"客户": draft.name if draft else "", "企业": company, "坐席": viewer.name, "工号": viewer.id},
        **{"技能组": queue, "接入号": called},
    }


def _own_values(card: Card | None, known: Sequence[Field], language: str) -> dict[str, str]:
    return fields.variables(known, card.customer.draft.own if card else {}, language)


async def _known(
    database: Database, viewer: Viewer, contact: Contact, language: str
) -> tuple[Card | None, tuple[Match, ...], tuple[Note, ...]]:
    async with database.transaction() as connection:
        rows = await connection.fetch(SQL["callers"], numbers.read(contact.number))
        names = ("id", "kind", "name", "level", "position")
        matches = tuple(Match(**{name: row[name] for name in names}, company=row["company"] or "") for row in rows)
        chosen = await connection.fetchval(SQL["chosen"], contact.id)
        if chosen is None and len(matches) == 1:
            chosen = matches[0].id
        if chosen is None:
            return None, matches, await store.notes(connection, None, contact.id)
        return await store.card_within(connection, viewer, chosen, language, contact.id), matches, ()


async def _queue(database: Database, id: str, language: str) -> tuple[str, str]:
    """Its name and its script."""
    row = await database.row(SQL["queue"], id)
    if row is None:
        return id, ""
    return str((row["name_en"] if language == "en" else "") or row["name"] or id), row["script"] or ""


async def choose(here: Context, viewer: Viewer, id: str, customer: int) -> None:
    """It is this one who is on the line: said for everybody who has the contact, now and later."""
    contact = await contact_of(here, viewer, id)
    async with here.database.transaction() as connection:
        if (chosen := await store.held(connection, customer)) is None:
            raise NotFound(f"customer {customer} is deleted")
        await connection.execute(SQL["choose"], contact.id, chosen, viewer.id)
        for name in ("give_notes", "give_follow_ups"):
            await connection.execute(SQL[name], contact.id, chosen)


async def add_number(here: Context, viewer: Viewer, id: str, address: str) -> None:
    """The number of this contact is also his about whom it is; once, however often that is said."""
    contact = await contact_of(here, viewer, id)
    async with here.database.transaction() as connection:
        if (chosen := await connection.fetchval(SQL["chosen"], contact.id)) is None:
            raise NotFound(f"nobody was chosen for {id}")
        customer = await store.customer(connection, chosen)
    while _is_new(contact, customer):
        draft = replace(customer.draft, phones=(*customer.draft.phones, _phone(numbers.read(contact.number))))
        about = {"anyway": True, "same_company": True}
        try:
            return await store.change(here.database, viewer, chosen, customer.version, draft, address, **about)
        except store.Stale as stale:  # he was changed meanwhile, perhaps by this very click in another tab
            customer = stale.customer
    return None


def _phone(number: str) -> Phone:
    return Phone(number, "mobile" if numbers.origin(number).kind == "mobile" else "work")


async def note(here: Context, viewer: Viewer, id: str, key: uuid.UUID, body: str) -> None:
    """Belongs to the contact, and to its customer if it is known."""
    contact = await contact_of(here, viewer, id)
    async with here.database.transaction() as connection:
        chosen = await connection.fetchval(SQL["chosen"], contact.id)
        rows = await connection.fetch(SQL["callers"], numbers.read(contact.number))
        if chosen is not None:
            chosen = await store.held(connection, chosen)
        elif len(rows) == 1 and (chosen := await store.held(connection, rows[0]["id"])) is not None:
            await connection.execute(SQL["first_choice"], contact.id, chosen, viewer.id)
        await store.add_note(connection, viewer, key, body, chosen, contact.id)


async def register(
    here: Context, viewer: Viewer, id: str, key: uuid.UUID, draft: Draft, address: str, *, instead: int, anyway: bool
) -> int:
    """A new customer, made in the call that he is in: one, however many tabs say so. Raises Known. `instead`: the
    customer whom the form showed, and who is not on the line; 0: nobody."""
    contact = await contact_of(here, viewer, id)
    async with here.database.transaction() as connection:
        await connection.execute(SQL["one_at_a_time"], contact.id)
        if (known := await connection.fetchval(SQL["chosen"], contact.id)) not in (None, instead):
            return int(known)
        made = await store.create(connection, viewer, key, draft, address, anyway)
        await connection.execute(SQL["choose"], contact.id, made, viewer.id)
        for name in ("give_notes", "give_follow_ups"):
            await connection.execute(SQL[name], contact.id, made)
        await audit.note(connection, viewer.id, "customer_chosen", f"contact:{contact.id}", address, customer=made)
        return made


def with_number(draft: Draft, contact: Contact) -> Draft:
    """The number that he calls from is his, also where who enters him does not see it whole."""
    number = numbers.read(contact.number)
    others: Sequence[Phone] = [phone for phone in draft.phones if phone.number != number]
    had = next((phone for phone in draft.phones if phone.number == number), None)
    first = [had or _phone(number)] if number else []
    return replace(draft, phones=(*first, *others))
