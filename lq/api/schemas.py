"""The objects of LQ-SDK as JSON schemas (OpenAPI 3.1), and the bodies that requests may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lq.acd.agent import STATES
from lq.ledger.events import RESULTS, TYPES

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
SECONDS: Final[Schema] = {"type": "number", "minimum": 0}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
FREE: Final[Schema] = {"type": "object"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _one_of(names: Any) -> Schema:
    return {"type": "string", "enum": list(names)}


def _object(properties: Mapping[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}


def page_of(name: str) -> Schema:
    return _object({"items": _list(ref(name)), "next": _or_null(TEXT)})


_TEXT_OR_NULL: Final = _or_null(TEXT)
_MOMENT_OR_NULL: Final = _or_null(MOMENT)

SCHEMAS: Final[Mapping[str, Schema]] = {
    "Health": _object(
        {
            "status": _one_of(("ok", "degraded", "down")),
            "live": {"type": "boolean"},
            "history": {"type": "boolean"},
            "config_version": _or_null(COUNT),
        }
    ),
    "Agent": _object(
        {
            "id": TEXT,
            "name": TEXT,
            "state": _one_of(STATES),
            "since": _MOMENT_OR_NULL,
            "reason": _TEXT_OR_NULL,
            "next": _TEXT_OR_NULL,
            "phone": _TEXT_OR_NULL,
            "queues": _list(TEXT),
            "contact": _TEXT_OR_NULL,
            "reservation": _or_null({"type": "integer"}),
        }
    ),
    "Queue": _object(
        {
            "id": TEXT,
            "name": TEXT,
            "waiting": COUNT,
            "ready": COUNT,
            "talking": COUNT,
            "oldest_wait_s": _or_null(SECONDS),
            "ewt_s": _or_null(SECONDS),
            "service_level": {
                "type": "object",
                "additionalProperties": _or_null({"type": "number", "minimum": 0, "maximum": 1}),
                "description": "seconds -> share of today's waits answered within; null while none came out",
            },
            "answered": _or_null(COUNT),
            "abandoned": _or_null(COUNT),
            "overflowed": _or_null(COUNT),
        }
    ),
    "Segment": _object(
        {
            "n": COUNT,
            "kind": TEXT,
            "queue": _TEXT_OR_NULL,
            "agent": _TEXT_OR_NULL,
            "started_at": MOMENT,
            "ended_at": _MOMENT_OR_NULL,
            "reason": _TEXT_OR_NULL,
        }
    ),
    "Leg": _object({"id": TEXT, "party": TEXT, "address": TEXT, "state": TEXT, "codec": _TEXT_OR_NULL}),
    "ContactRecording": _object({"id": TEXT, "kind": TEXT, "state": TEXT}),
    "Contact": _object(
        {
            "id": TEXT,
            "direction": _one_of(("in", "out", "internal")),
            "state": TEXT,
            "number": TEXT,
            "number_raw": TEXT,
            "number_published": TEXT,
            "called": TEXT,
            "queue": _TEXT_OR_NULL,
            "agent": _TEXT_OR_NULL,
            "started_at": MOMENT,
            "answered_at": _MOMENT_OR_NULL,
            "notice_played_at": _MOMENT_OR_NULL,
            "segments": _list(ref("Segment")),
            "legs": _list(ref("Leg")),
            "recordings": _list(ref("ContactRecording")),
            "data": FREE,
        }
    ),
    "Cdr": _object(
        {
            "contact_id": TEXT,
            "direction": TEXT,
            "number": TEXT,
            "number_published": TEXT,
            "called": TEXT,
            "queue": _TEXT_OR_NULL,
            "agent": _TEXT_OR_NULL,
            "trunk": _TEXT_OR_NULL,
            "started_at": MOMENT,
            "queued_at": _MOMENT_OR_NULL,
            "answered_at": _MOMENT_OR_NULL,
            "ended_at": MOMENT,
            "wait_s": SECONDS,
            "ring_s": SECONDS,
            "talk_s": SECONDS,
            "hold_s": SECONDS,
            "wrap_up_s": SECONDS,
            "result": _one_of(RESULTS),
            "ended_by": _one_of(("caller", "agent", "system")),
            "cause": {"type": "integer", "description": "ITU-T Q.850"},
            "recording_id": _TEXT_OR_NULL,
            "survey": _TEXT_OR_NULL,
        }
    ),
    "Recording": _object(
        {
            "id": TEXT,
            "contact_id": TEXT,
            "kind": TEXT,
            "state": TEXT,
            "started_at": _MOMENT_OR_NULL,
            "duration_s": _or_null(SECONDS),
            "channels": _or_null(COUNT),
            "format": _TEXT_OR_NULL,
            "sha256": _TEXT_OR_NULL,
            "gaps": _list(FREE),
        }
    ),
    "Event": _object(
        {
            "id": TEXT,
            "v": COUNT,
            "type": _one_of(TYPES),
            "at": MOMENT,
            "subject": TEXT,
            "seq": {"type": "integer"},
            "data": FREE,
        }
    ),
    "Document": _object({"kind": TEXT, "id": TEXT, "version": COUNT, "body": FREE}),
    "OpenApi": FREE,
    "Nothing": FREE,
    "Error": _object(
        {
            "error": _object(
                {"code": TEXT, "message": TEXT, "field": _TEXT_OR_NULL, "present": FREE}, optional=("present",)
            )
        }
    ),
}

# -- bodies of requests ------------------------------------------------------------------------------------------------

NO_BODY: Final = _object({})
SIGN_IN: Final = _object({"phone": TEXT})
PAUSE: Final = _object({"reason": TEXT})
WRAP_UP: Final = _object({"code": TEXT, "done": {"type": "boolean"}}, optional=("code", "done"))
BY_AGENT: Final = _object({"agent": TEXT}, optional=("agent",))
DOCUMENT: Final = {"type": "object", "description": "the document of this kind; see lq/config/documents.py"}
