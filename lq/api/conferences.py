"""/v1/conferences: who is in which, from the live state; what is done to a party is a command to its contact."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from sanic import Request

from lq.api import access, context, placing, reading, schemas
from lq.api.commands import ANSWER_S, send
from lq.api.errors import Refusal, not_found, wrong
from lq.config.validation import from_json
from lq.contacts.view import contact_json
from lq.ledger.shown import rfc3339_or_none
from lq.live.errors import LiveUnavailable
from lq.live.redis import Live
from lq.live.values import Called

Json = dict[str, Any]
T = TypeVar("T")
AT_ONCE: Final = 50  # snapshots read, or commands sent, at the same time
FULL: Final = {"code": "full", "message": "the conference would have more than max_parties"}


def _need_all(request: Request) -> None:
    """In a conference are parties of all agents and queues."""
    if access.of(request).restricted:
        raise Refusal(403, "token_restricted", "a token of some agents or queues sees no conferences")


async def listing(request: Request) -> Json:
    _need_all(request)
    live = context.of(request).live
    documents = await live.config("conferences")
    found = [await _conference(live, id, body) for id, body in sorted(documents.items())]
    return reading.page_by_id(request, found)


async def one(request: Request, conference: str) -> Json:
    _need_all(request)
    live = context.of(request).live
    body = (await live.config("conferences")).get(conference)
    if body is None:
        raise not_found(f"conference {conference}")
    return await _conference(live, conference, body)


async def _conference(live: Live, id: str, body: Json) -> Json:
    members, called = await live.conference(id), await live.called(id)
    parties = await _at_once(list(members), lambda contact: _party(live, contact, members[contact]))
    calls = await _at_once(list(called), lambda contact: _call(live, contact, called[contact]))
    return {"id": id, "name": body["name"], "parties": [party for party in parties if party], "calls": calls}


async def _call(live: Live, contact: str, called: Called) -> Json:
    """Somebody whom the conference has called within the hour, and what became of it."""
    outcome = called.outcome
    if not outcome:
        state = await live.contact(contact)
        outcome = _is_called(contact_json(json.loads(state.snapshot))) if state and state.snapshot else "taken_back"
    return {"contact": contact, "to": called.to, "at": rfc3339_or_none(called.at), "outcome": outcome}


def _is_called(shown: Json) -> str:
    if shown["state"] == "ended":  # its legs are still being cleared
        return "taken_back"
    return "ringing" if any(leg["state"] == "ringing" for leg in shown["legs"]) else "calling"


async def _party(live: Live, contact: str, host: bool) -> Json | None:
    state = await live.contact(contact)
    if state is None or not state.snapshot:
        return None
    snapshot = json.loads(state.snapshot)
    shown = contact_json(snapshot)
    if shown["state"] == "ended":  # its legs are still being cleared
        return None
    return {
        "contact": contact,
        "number": shown["number"],
        "number_published": shown["number_published"],
        "since": shown["answered_at"],
        "host": host,
        "muted": any(leg["muted"] for leg in snapshot["legs"]),
    }


async def _at_once(all: list[T], act: Callable[[T], Awaitable[Any]]) -> list[Any]:
    done: list[Any] = []
    for start in range(0, len(all), AT_ONCE):
        done += await asyncio.gather(*(act(one) for one in all[start : start + AT_ONCE]))
    return done


async def kick(request: Request, conference: str) -> Json:
    return await _to_party(request, conference, "hang_up")


async def mute(request: Request, conference: str) -> Json:
    return await _to_party(request, conference, "mute_party")


async def unmute(request: Request, conference: str) -> Json:
    return await _to_party(request, conference, "unmute_party")


async def make_host(request: Request, conference: str) -> Json:
    return await _to_party(request, conference, "make_host", schemas.HOST)


async def _to_party(request: Request, conference: str, verb: str, schema: schemas.Schema = schemas.PARTY) -> Json:
    """To who is in it, or is being called into it."""
    _need_all(request)
    given, live = reading.given(request, schema), context.of(request).live
    contact = given["contact"]
    if contact not in await live.conference(conference) and contact not in await live.called(conference):
        raise not_found(f"party {contact} of conference {conference}")
    await send(request, contact, verb, {"host": given["host"]} if "host" in given else {})
    return await one(request, conference)


async def end(request: Request, conference: str) -> Json:
    """Every party is hung up, and who is being called; whoever has left by himself meanwhile is as well."""
    await one(request, conference)
    live = context.of(request).live

    async def hang_up(contact: str) -> None:
        try:
            await send(request, contact, "hang_up", {})
        except Refusal as refusal:
            if refusal.status not in (404, 409):
                raise

    called = [contact for contact, one in (await live.called(conference)).items() if not one.outcome]
    await _at_once([*await live.conference(conference), *called], hang_up)
    return await one(request, conference)


async def call(request: Request, conference: str) -> Json:
    """Each one's call begins, or what is against it is told; they go on by themselves, and the list shows how."""
    _need_all(request)
    given, live = reading.given(request, schemas.CALL_IN), context.of(request).live
    if len(set(given["to"])) < len(given["to"]):
        raise wrong("to", "each is named once")
    body = (await live.config("conferences")).get(conference)
    if body is None:
        raise not_found(f"conference {conference}")
    free = from_json("conferences", body).max_parties - await _taken(live, conference)
    nodes = await placing.nodes(live)
    asked = {"conference": conference, "host": given.get("host", False), "greet": given.get("greet", True)}
    asked |= {"purpose": given.get("purpose", "")}

    async def begin(n: int) -> Json:
        if n >= free:
            return {"to": given["to"][n], "contact": None, "error": FULL}
        return await _begin(live, nodes[n % len(nodes)], {**asked, "to": given["to"][n]})

    return {"calls": await _at_once(list(range(len(given["to"]))), begin)}


async def _taken(live: Live, conference: str) -> int:
    """Who is in it, and who is being called."""
    members, called = await live.conference(conference), await live.called(conference)
    waited_for = [contact for contact, one in called.items() if not one.outcome and contact not in members]
    alive = await _at_once(waited_for, live.contact)
    return len(members) + sum(state is not None for state in alive)


async def _begin(live: Live, node: str, wanted: Json) -> Json:
    contact = placing.fresh()
    try:
        reply = await live.place(node, contact, wanted, ANSWER_S)
    except LiveUnavailable as away:  # it may have begun all the same: then the list has it
        return {"to": wanted["to"], "contact": contact, "error": {"code": "live_unavailable", "message": str(away)}}
    error = reply.get("error")
    told = error and {"code": error["code"], "message": error["message"]}
    return {"to": wanted["to"], "contact": reply["contact"]["id"] if "contact" in reply else None, "error": told}
