"""Every path of LQ-SDK, once: from this table the server is built and the OpenAPI document is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sanic import Request

from lq.api import (
    agents,
    alarms,
    cdrs,
    commands,
    conferences,
    config,
    contacts,
    context,
    events,
    life,
    lists,
    openapi,
    phones,
    placing,
    queues,
    recordings,
    schemas,
    tokens,
    webhooks,
)
from lq.ledger.events import RESULTS
from lq.ledger.topics import TOPICS
from lq.live.errors import LiveError

Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str  # with <name:str> for what varies
    handler: Handler
    summary: str
    answer: str  # a name of schemas.SCHEMAS
    listing: bool = False  # the answer is a page of them
    query: Mapping[str, schemas.Schema] = field(default_factory=dict)
    body: schemas.Schema | None = None
    errors: tuple[int, ...] = ()  # beyond those that every path may answer
    open: bool = False  # needs no token
    scope: str = "read"  # that the token must have
    creates: bool = False  # 201
    guarded: bool = False  # takes If-Match
    media_type: str = "application/json"


async def health(request: Request) -> tuple[int, dict[str, Any]]:
    """200 while calls can be seen and controlled, also when history is away; else 503."""
    here = context.of(request)
    version: int | None = None
    try:
        version = await here.live.config_version()
    except LiveError:
        status = "down"
    else:
        status = "ok" if here.history.available else "degraded"
    body = {"status": status, "live": version is not None, "history": here.history.available, "config_version": version}
    return (503 if version is None else 200), body


async def openapi_document(request: Request) -> dict[str, Any]:
    return openapi.document(ROUTES)


_PAGE: Final = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
    "cursor": schemas.TEXT,
}
_NUMBER: Final = {"type": "string", "description": "any part of the number, as digits"}
_CDR_QUERY: Final = {
    "from": {**schemas.MOMENT, "description": "started at this time or later"},
    "to": {**schemas.MOMENT, "description": "started before this time"},
    "number": _NUMBER,
    "agent": schemas.TEXT,
    "queue": schemas.TEXT,
    "direction": {"type": "string", "enum": ["in", "out", "internal"]},
    "result": {"type": "string", "enum": list(RESULTS)},
    "trunk": schemas.TEXT,
    "contact": schemas.TEXT,
    "purpose": schemas.TEXT,
}
_EVENT_QUERY: Final = {
    "topics": {
        "type": "string",
        "description": f"comma-separated: {', '.join(TOPICS)}; all that the token may hear if absent",
    },
    "after": {"type": "string", "description": "id of an event; if absent, from now"},
    "limit": _PAGE["limit"],
}


def _agent_command(verb: str, handler: Handler, summary: str, body: schemas.Schema, answer: str = "Agent") -> Route:
    path = f"/v1/agents/<agent:str>/{verb}"
    return Route("POST", path, handler, summary, answer, body=body, errors=(404, 409, 422), scope="agents")


def _contact_command(command: commands.Command) -> Route:
    return Route(
        *(command.method, f"/v1/contacts/<contact:str>/{command.path}", commands.handler(command)),
        *(command.summary, "Contact"),
        query={} if command.method == "POST" else {"agent": schemas.AGENT},
        body=command.body if command.method == "POST" else None,
        errors=(404, 409, 422),
        scope=command.scope,
    )


def _conference_command(
    verb: str, handler: Handler, summary: str, body: schemas.Schema, answer: str = "Conference"
) -> Route:
    path = f"/v1/conferences/<conference:str>/{verb}"
    return Route("POST", path, handler, summary, answer, body=body, errors=(404, 409, 422), scope="supervise")


ROUTES: Final = (
    Route("GET", "/v1/health", health, "How the api and what it stands on are", "Health", open=True),
    Route("GET", "/v1/openapi.json", openapi_document, "This document", "OpenApi", open=True),
    Route("GET", "/v1/alarms", alarms.listing, "What is wrong now, worst first (告警)", "Alarm", True),
    Route("GET", "/v1/agents", agents.listing, "All agents with their present state", "Agent", True, _PAGE),
    Route("GET", "/v1/agents/<agent:str>", agents.one, "One agent", "Agent", errors=(404,)),
    _agent_command("sign-in", agents.sign_in, "Sign in at a phone (签入)", schemas.SIGN_IN),
    _agent_command("sign-out", agents.sign_out, "Sign out, after the call if there is one (签出)", schemas.NO_BODY),
    _agent_command("ready", agents.ready, "Ready for calls (示闲)", schemas.NO_BODY),
    _agent_command("pause", agents.pause, "Not ready for a reason (示忙)", schemas.PAUSE),
    _agent_command(
        *("credentials", phones.credentials, "A password for a while for his phone", schemas.CREDENTIALS),
        answer="Credentials",
    ),
    _agent_command("wrap-up", agents.wrap_up, "Note the code, or be done (话后整理)", schemas.WRAP_UP),
    Route("GET", "/v1/queues", queues.listing, "All queues, now and today", "Queue", True, _PAGE),
    Route("GET", "/v1/queues/<queue:str>", queues.one, "One queue", "Queue", errors=(404,)),
    Route(
        *("GET", "/v1/contacts", contacts.listing, "Contacts alive or over, latest first", "Contact", True),
        {"state": {"type": "string", "enum": ["active", "ended"], "default": "active"}, "number": _NUMBER, **_PAGE},
    ),
    Route(
        *("POST", "/v1/contacts", placing.place, "An agent calls: his own phone first (点击外呼)", "Contact"),
        body=schemas.PLACE,
        errors=(404, 409, 422),
        scope="contacts",
        creates=True,
    ),
    Route("GET", "/v1/contacts/<contact:str>", contacts.one, "One contact", "Contact", errors=(404,)),
    *map(_contact_command, commands.COMMANDS),
    Route(
        *("GET", "/v1/contacts/<contact:str>/events", life.listing, "All that happened to a contact, in order"),
        *("Event", True, _PAGE),
        errors=(404,),
    ),
    Route(
        *("GET", "/v1/conferences", conferences.listing, "All conferences, and who is in them (会议)"),
        *("Conference", True, _PAGE),
    ),
    Route("GET", "/v1/conferences/<conference:str>", conferences.one, "One", "Conference", errors=(404,)),
    _conference_command("kick", conferences.kick, "Hang up one party (踢出)", schemas.PARTY),
    _conference_command("mute", conferences.mute, "One party is not heard (禁言)", schemas.PARTY),
    _conference_command("unmute", conferences.unmute, "… and is again (取消禁言)", schemas.PARTY),
    _conference_command("host", conferences.make_host, "One party is a host, or none any more (主持人)", schemas.HOST),
    _conference_command("call", conferences.call, "Call people in (会议外呼)", schemas.CALL_IN, "Invitations"),
    _conference_command("end", conferences.end, "Hang up everybody (结束会议)", schemas.NO_BODY),
    Route("GET", "/v1/cdrs", cdrs.listing, "Call detail records (话单), latest first", "Cdr", True, _CDR_QUERY | _PAGE),
    Route(
        "GET",
        "/v1/recordings/<recording:str>",
        recordings.one,
        "One recording",
        "Recording",
        errors=(404,),
        scope="recordings",
    ),
    Route(
        *(
            "GET",
            "/v1/recordings/<recording:str>/audio",
            recordings.audio,
            "Its audio; Range is honoured",
            "Nothing",
            False,
        ),
        {"live": {"type": "string", "enum": ["1"], "description": "what is being said now, while it runs"}},
        errors=(404, 416, 503),
        media_type="audio/wav",
        scope="recordings",
    ),
    Route(
        *("GET", "/v1/events", events.events, "Events after one; with Upgrade: websocket replayed, then live"),
        *("Event", True, _EVENT_QUERY),
        scope="events",
    ),
    Route(
        *("GET", "/v1/config/<kind:str>", config.listing, "Documents of a kind", "Document", True, _PAGE),
        errors=(404,),
        scope="config",
    ),
    Route(
        *("GET", "/v1/config/<kind:str>/<id:str>", config.one, "One document", "Document"),
        errors=(404,),
        scope="config",
    ),
    Route(
        *("PUT", "/v1/config/<kind:str>/<id:str>", config.put, "Write and publish a document", "Document"),
        body=schemas.DOCUMENT,
        errors=(404, 409, 422),
        scope="config",
        guarded=True,
    ),
    Route(
        *("DELETE", "/v1/config/<kind:str>/<id:str>", config.delete, "Remove a document that none names", "Nothing"),
        errors=(404, 409),
        scope="config",
        guarded=True,
    ),
    Route(
        *("GET", "/v1/config/<kind:str>/<id:str>/users", config.users, "Documents that name this one"),
        *("DocumentUser", True, _PAGE),
        errors=(404,),
        scope="config",
    ),
    Route(
        *("POST", "/v1/config", config.put_many, "Write and publish documents together, or none", "Written"),
        body=schemas.DOCUMENTS,
        errors=(404, 409, 422),
        scope="config",
    ),
    Route(
        *("GET", "/v1/webhooks/<webhook:str>/deliveries", webhooks.deliveries),
        "What was told to a receiver, or is to be, latest first",
        "Delivery",
        listing=True,
        query=_PAGE,
        errors=(404,),
        scope="config",
    ),
    Route("GET", "/v1/tokens", tokens.listing, "Tokens of programs", "Token", True, _PAGE, scope="admin"),
    Route(
        *("POST", "/v1/tokens", tokens.add, "Add a token; its secret is told once", "Token"),
        body=schemas.TOKEN_GIVEN,
        errors=(409, 422),
        scope="admin",
        creates=True,
    ),
    Route("GET", "/v1/tokens/<token:str>", tokens.one, "One token", "Token", errors=(404,), scope="admin"),
    Route(
        *("DELETE", "/v1/tokens/<token:str>", tokens.revoke, "Revoke a token; its event streams end", "Nothing"),
        errors=(404,),
        scope="admin",
    ),
    Route(
        *("GET", "/v1/lists/<list:str>/entries", lists.listing, "Numbers of a list (名单)", "ListEntry", True),
        {"number": {"type": "string", "description": "only this one"}, **_PAGE},
        errors=(422,),
    ),
    Route(
        *("POST", "/v1/lists/<list:str>/entries", lists.put, "Write up to 1,000 numbers of a list", "Written"),
        body=schemas.ENTRIES,
        errors=(404, 422),
        scope="config",
    ),
    Route(
        *("DELETE", "/v1/lists/<list:str>/entries", lists.clear, "Take some thousands of numbers off it", "Written"),
        scope="config",
    ),
    Route(
        *("DELETE", "/v1/lists/<list:str>/entries/<number:str>", lists.delete, "Take a number off a list", "Nothing"),
        errors=(404, 422),
        scope="config",
    ),
)
