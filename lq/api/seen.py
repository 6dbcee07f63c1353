"""Contacts and agents as a token may see them: without `supervise`, nothing of a leader who is not heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sanic import Request

from lq.api import access, context
from lq.api.leaders import Leaders, told

Json = dict[str, Any]


def contact(request: Request, shown: Json) -> Json:
    """One that goes on, or has just ended: by the modes of its legs; of those who are gone, by what is known."""
    sees = access.of(request)
    if sees.has("supervise"):
        return shown
    return _without(sees.shown_contact(shown), context.of(request).leaders.secret(shown["id"]))


async def of_history(request: Request, contacts: list[Json]) -> list[Json]:
    """Contacts as history has them: it keeps no modes, but all events. Raises HistoryAway."""
    if access.of(request).has("supervise") or not contacts:
        return contacts
    events = await told(context.of(request).history, [one["id"] for one in contacts])
    return [_without(one, Leaders.of(events.get(one["id"], ())).secret()) for one in contacts]


def _without(contact: Json, legs: set[str]) -> Json:
    return {**contact, "legs": [leg for leg in contact.get("legs", ()) if leg["id"] not in legs]}


async def agents(request: Request, found: Sequence[Json]) -> list[Json]:
    """Of one who listens or whispers, or has just done so, not in which contact. Raises LiveUnavailable."""
    busy = sorted({str(agent["contact"]) for agent in found if agent["contact"]})
    if access.of(request).has("supervise") or not busy:
        return list(found)
    here = context.of(request)
    await here.feed.caught_up()  # so that the book is not behind what the agents are
    leaders = await here.leaders.of(busy)
    return [_outside(agent) if _is_unheard(agent, leaders) else agent for agent in found]


def _is_unheard(agent: Json, leaders: dict[str, Leaders]) -> bool:
    return bool(agent["contact"]) and leaders[agent["contact"]].hides_agent(agent["id"])


def _outside(agent: Json) -> Json:
    return {**agent, "contact": None, "reservation": None}
