"""/v1/contacts/{id}/events: everything that the ledger knows of one contact, from its start, whichever store has it.

What the journal has carried over comes from PostgreSQL, the rest from the stream in Redis; with PostgreSQL away what
the stream still holds. What lies between the two, on the journal's disk still, is waited for: nothing is left out of
the middle of a life. A page's `next` is the id of the event behind which to go on; null: that is all there is by now.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sanic import Request

from lq.api import access, contacts, context, reading
from lq.api.errors import malformed, not_found
from lq.api.feed import Feed, Place, carried, not_yet, place
from lq.api.history import History, HistoryAway
from lq.api.leaders import Leaders, told
from lq.ledger.events import Event
from lq.ledger.projection import stored_event
from lq.ledger.shown import event_json
from lq.live.errors import LiveUnavailable

Json = dict[str, Any]

AT_ONCE: Final = 1000  # entries of the stream
MOST: Final = 50_000  # a request looks at; then it says where to go on
CLOCKS_MS: Final = 5_000  # a node's clock may be ahead of Redis's

STORED: Final = """
select subject, seq, type, v, at, data, stream_ms, stream_n from event
where (subject = $1 or contact = $1) and (stream_ms, stream_n) > ($2, $3)
order by stream_ms, stream_n limit $4"""


async def listing(request: Request, contact: str) -> Json:
    here, size, after = context.of(request), reading.limit(request), _after(request)
    sees = access.of(request)
    if sees.restricted:
        await contacts.need(request, await contacts.found(request, contact))
    try:
        found, written = await _stored(here.history, contact, after, size + 1)
        away = None
    except HistoryAway as error:
        found, written, away = [], _begin(contact), error
    following: str | None = None
    if len(found) <= size:
        start = max(after, written)
        try:
            fresh, more = await _streamed(here.feed, contact, start, size + 1 - len(found))
            if not _meet(found, fresh) and await here.feed.was_trimmed(max(start, _begin(contact))):
                raise away or not_yet()
            found, following = found + fresh, more
        except LiveUnavailable as error:
            if away is not None or not found:
                raise error from away
    if away is not None and not any(event.type == "contact_started" for event in found) and after == (0, 0):
        raise away  # its beginning is no longer in the stream: this would not be the whole
    if not found and after == (0, 0) and following is None:
        raise not_found(f"contact {contact}")
    page = found[:size]
    shown = page if sees.has("supervise") else await _open(request, contact, page, after)
    return {
        "items": [event_json(sees.shown(event)) for event in shown],
        "next": page[-1].id if len(found) > size else following,
    }


async def _open(request: Request, contact: str, page: list[Event], after: Place) -> list[Event]:
    """Without those that tell an agent that a leader listens; pages before this one may have said who he is."""
    known = (await _leaders(context.of(request), contact, after)).and_of(page)
    return [event for event in page if not known.hides(event)]


async def _leaders(here: context.Context, contact: str, after: Place) -> Leaders:
    if after == (0, 0):
        return Leaders()
    try:
        known = (await here.leaders.of([contact]))[contact]
    except LiveUnavailable:
        known = Leaders(doubtful=True)
    return Leaders.of((await told(here.history, [contact])).get(contact, ())) if known.doubtful else known


def _meet(stored: list[Event], fresh: list[Event]) -> bool:
    """Whether one store has so much of its life that nothing can lie between the two."""
    return any(event.type == "contact_ended" for event in stored) or any(
        event.type == "contact_started" for event in fresh
    )


def belongs(event: Event, contact: str) -> bool:
    return event.subject == contact or event.data.get("contact") == contact


def _after(request: Request) -> Place:
    value = reading.parameter(request, "cursor")
    try:
        return place(value) if value else (0, 0)
    except ValueError as error:
        raise malformed("cursor", "the id of an event is expected") from error


def _begin(contact: str) -> Place:
    """Where in the stream a contact can begin at the earliest: its id tells the time (UUIDv7, RFC 9562 §5.7)."""
    try:
        return max(0, (UUID(contact).int >> 80) - CLOCKS_MS), 0
    except ValueError:
        return 0, 0


async def _stored(history: History, contact: str, after: Place, most: int) -> tuple[list[Event], Place]:
    """Events in PostgreSQL, and how far the journal has come."""
    written = await carried(history)
    rows = await history.fetch(STORED, contact, *after, most)
    return [stored_event(row) for row in rows], written


async def _streamed(feed: Feed, contact: str, after: Place, most: int) -> tuple[list[Event], str | None]:
    """Its events behind a place of the stream; and, when that was not yet all of the stream, where to go on."""
    found: list[Event] = []
    for _ in range(MOST // AT_ONCE):
        page = await feed.stream(after, AT_ONCE)
        found += [event for event in page.events if belongs(event, contact)]
        if page.last is None or len(found) >= most:
            return found, None
        after = page.last
    return found, "{}-{}".format(*after)
