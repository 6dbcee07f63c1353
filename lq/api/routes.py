"""Every path of LQ-SDK, once: from this table the server is built and the OpenAPI document is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sanic import Request

from lq.api import agents, cdrs, config, contacts, context, events, openapi, queues, recordings, schemas
from lq.ledger.events import RESULTS
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
}
_EVENT_QUERY: Final = {
    "topics": {"type": "string", "description": f"comma-separated: {', '.join(events.TOPICS)}; all if absent"},
    "after": {"type": "string", "description": "id of an event; if absent, from now"},
    "limit": _PAGE["limit"],
}


def _agent_command(verb: str, handler: Handler, summary: str, body: schemas.Schema) -> Route:
    path = f"/v1/agents/<agent:str>/{verb}"
    return Route("POST", path, handler, summary, "Agent", body=body, errors=(404, 409, 422))


ROUTES: Final = (
    Route("GET", "/v1/health", health, "How the api and what it stands on are", "Health", open=True),
    Route("GET", "/v1/openapi.json", openapi_document, "This document", "OpenApi", open=True),
    Route("GET", "/v1/agents", agents.listing, "All agents with their present state", "Agent", True, _PAGE),
    Route("GET", "/v1/agents/<agent:str>", agents.one, "One agent", "Agent", errors=(404,)),
    _agent_command("sign-in", agents.sign_in, "Sign in at a phone (签入)", schemas.SIGN_IN),
    _agent_command("sign-out", agents.sign_out, "Sign out, after the call if there is one (签出)", schemas.NO_BODY),
    _agent_command("ready", agents.ready, "Ready for calls (示闲)", schemas.NO_BODY),
    _agent_command("pause", agents.pause, "Not ready for a reason (示忙)", schemas.PAUSE),
    _agent_command("wrap-up", agents.wrap_up, "Note the code, or be done (话后整理)", schemas.WRAP_UP),
    Route("GET", "/v1/queues", queues.listing, "All queues, now and today", "Queue", True, _PAGE),
    Route("GET", "/v1/queues/<queue:str>", queues.one, "One queue", "Queue", errors=(404,)),
    Route(
        *("GET", "/v1/contacts", contacts.listing, "Contacts alive or over, latest first", "Contact", True),
        {"state": {"type": "string", "enum": ["active", "ended"], "default": "active"}, "number": _NUMBER, **_PAGE},
    ),
    Route("GET", "/v1/contacts/<contact:str>", contacts.one, "One contact", "Contact", errors=(404,)),
    Route(
        *("POST", "/v1/contacts/<contact:str>/hang-up", contacts.hang_up, "End the contact (挂断)", "Contact"),
        body=schemas.BY_AGENT,
        errors=(403, 404, 409, 422),
    ),
    Route("GET", "/v1/cdrs", cdrs.listing, "Call detail records (话单), latest first", "Cdr", True, _CDR_QUERY | _PAGE),
    Route("GET", "/v1/recordings/<recording:str>", recordings.one, "One recording", "Recording", errors=(404,)),
    Route(
        *("GET", "/v1/recordings/<recording:str>/audio", recordings.audio, "Its audio; Range is honoured", "Nothing"),
        errors=(404, 416),
        media_type="audio/wav",
    ),
    Route(
        *("GET", "/v1/events", events.events, "Events after one; with Upgrade: websocket replayed, then live"),
        *("Event", True, _EVENT_QUERY),
    ),
    Route(
        "GET", "/v1/config/<kind:str>", config.listing, "Documents of a kind", "Document", True, _PAGE, errors=(404,)
    ),
    Route("GET", "/v1/config/<kind:str>/<id:str>", config.one, "One document", "Document", errors=(404,)),
    Route(
        *("PUT", "/v1/config/<kind:str>/<id:str>", config.put, "Write and publish a document", "Document"),
        body=schemas.DOCUMENT,
        errors=(404, 409, 422),
    ),
    Route(
        *("DELETE", "/v1/config/<kind:str>/<id:str>", config.delete, "Remove a document that none names", "Nothing"),
        errors=(404, 409),
    ),
)
