"""/v1/contacts: those alive come from the live state, those over from history."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from sanic import Request

from lq.api import access, context, reading, seen
from lq.api.errors import Refusal, live_away, not_found
from lq.api.history import SEARCH_S, HistoryAway
from lq.contacts.view import contact_json
from lq.live import keys
from lq.live.errors import LiveUnavailable

Json = dict[str, Any]

AT_ONCE: Final = 50  # snapshots read at the same time

NUMBERED: Final = """
  and id in (select contact_id from cdr where number like $7 or number_published like $7 or called_published like $7)"""
ENDED: Final = """
select id, started_at, body from contact
where ended_at is not null{numbered}
  and ($1::timestamptz is null or (started_at, id) < ($1, $2))
  and (not $4 or exists (
      select from segment where contact_id = contact.id and (agent = any($5::text[]) or queue = any($6::text[]))))
order by started_at desc, id desc limit $3"""


async def listing(request: Request) -> Json:
    state = reading.choice(request, "state", ("active", "ended"), "active")
    number = reading.parameter(request, "number")
    if state == "active":
        return await _active(request, number)
    return await _ended(request, number)


async def _active(request: Request, number: str) -> Json:
    """Latest first; the cursor is the last id, for ids rise with time (UUIDv7)."""
    sees = access.of(request)
    live, size, before = context.of(request).live, reading.limit(request), reading.parameter(request, "cursor")
    ids = [id for id in reversed(await live.contacts()) if not before or id < before]
    page: list[Json] = []
    for start in range(0, len(ids), AT_ONCE):
        states = await asyncio.gather(*(live.contact(id) for id in ids[start : start + AT_ONCE]))
        found = (contact_json(json.loads(state.snapshot)) for state in states if state and state.snapshot)
        # One whose legs are still being cleared is over for everyone who looks.
        wanted = (c for c in found if c["state"] != "ended" and _has(c, number) and sees.contact(c))
        page += [seen.contact(request, c) for c in wanted]
        if len(page) > size:
            break
    return {"items": page[:size], "next": page[size - 1]["id"] if len(page) > size else None}


def _has(contact: Json, number: str) -> bool:
    return any(number in (contact.get(key) or "") for key in ("number", "number_raw", "number_published", "called"))


async def _ended(request: Request, number: str) -> Json:
    at, id = reading.cursor(request) or (None, "")
    size = reading.limit(request)
    query = ENDED.format(numbered=NUMBERED if number else "")  # by the CDRs: their numbers have an index
    pattern = [f"%{reading.literal(number)}%"] if number else []
    rows = await context.of(request).history.fetch(
        query, at, id, size + 1, *access.of(request).rows(), *pattern, seconds=SEARCH_S
    )
    page = rows[:size]
    following = reading.next_cursor(page[-1]["started_at"], page[-1]["id"]) if len(rows) > size else None
    return {"items": await seen.of_history(request, [json.loads(row["body"]) for row in page]), "next": following}


async def one(request: Request, contact: str) -> Json:
    shown = await found(request, contact)
    await need(request, shown)
    return seen.contact(request, shown)


async def need(request: Request, shown: Json) -> None:
    """Refused with 403 for a contact that the token is not for; an agent is given one before its snapshot names him."""
    sees = access.of(request)
    if not sees.contact(shown):
        theirs = await context.of(request).live.to_pick_up(sees.token.agents, ())
        if shown["id"] not in (contact for contact, _ in theirs):
            sees.need_contact(shown)


async def found(request: Request, contact: str) -> Json:
    """Whoever asks. Refused with 404, 503."""
    try:
        state = await context.of(request).live.contact(contact)
    except LiveUnavailable as away:
        try:
            return await from_history(request, contact)
        except (HistoryAway, Refusal):
            raise live_away(str(away)) from away
    if state is not None and state.snapshot:
        return contact_json(json.loads(state.snapshot))
    return await from_history(request, contact)


async def is_over(request: Request, contact: str) -> bool:
    """Redis knows that there was one, for a while: history may not have heard of it yet. Raises RedisError."""
    return bool(await context.of(request).redis.exists(f"{keys.TAG}:over:{contact}"))


async def from_history(request: Request, contact: str) -> Json:
    row = await context.of(request).history.fetchrow("select body from contact where id = $1", contact)
    if row is None:
        raise not_found(f"contact {contact}")
    [body] = await seen.of_history(request, [json.loads(row["body"])])
    return body
