"""The objects of LQ-SDK as JSON schemas (OpenAPI 3.1), and the bodies that requests may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lq.acd.agent import STATES
from lq.config.documents import SCOPES
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

OUTCOMES_OF_CALLS: Final = (
    "calling, ringing, answered, busy, no_answer, refused, unreachable, taken_back, or the rule by which the gate "
    "refused it; of the last hour"
)

SCHEMAS: Final[Mapping[str, Schema]] = {
    "Health": _object(
        {
            "status": _one_of(("ok", "degraded", "down")),
            "live": {"type": "boolean"},
            "history": {"type": "boolean"},
            "config_version": _or_null(COUNT),
        }
    ),
    "Alarm": _object(
        {
            "id": TEXT,
            "severity": _one_of(("critical", "major", "minor")),
            "about": TEXT,
            "since": _MOMENT_OR_NULL,
            "value": {"type": "number"},
            **{name: TEXT for name in ("zh", "en", "do_zh", "do_en")},
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
            "code": {**_TEXT_OR_NULL, "description": "of the wrap-up (话后小结), as far as he has said"},
        },
        optional=("code",),
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
                "description": "seconds -> in_time / counted of today's waits; null while none counts",
            },
            "answered": _or_null(COUNT),
            "abandoned": _or_null(COUNT),
            "overflowed": _or_null(COUNT),
            "in_time": {**_or_null(COUNT), "description": "of answered: within the seconds of service_level"},
            "counted": {
                **_or_null(COUNT),
                "description": "answered + abandoned - those who gave up within 5 s + overflowed. The service level of "
                "several queues: the sum of in_time / the sum of counted",
            },
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
    "Leg": _object(
        {
            **{"id": TEXT, "party": TEXT, "address": TEXT, "state": TEXT, "codec": _TEXT_OR_NULL},
            "agent": _TEXT_OR_NULL,
            "mode": {**_TEXT_OR_NULL, "description": "of a leader's leg: listen, whisper, barge"},
            "place": {**_TEXT_OR_NULL, "description": "while it goes on: talk, aside (consulted), waits (on hold) …"},
            "muted": {"type": "boolean"},
        },
        optional=("agent", "mode", "place", "muted"),
    ),
    "ContactRecording": _object(
        {"id": TEXT, "kind": TEXT, "state": TEXT, "reason": _TEXT_OR_NULL}, optional=("reason",)
    ),
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
            "purpose": _TEXT_OR_NULL,
            "started_at": MOMENT,
            "answered_at": _MOMENT_OR_NULL,
            "notice_played_at": _MOMENT_OR_NULL,
            "segments": _list(ref("Segment")),
            "legs": _list(ref("Leg")),
            "recordings": _list(ref("ContactRecording")),
            "recording_policy": TEXT,
            "notice_policy": TEXT,
            "help": {**_TEXT_OR_NULL, "description": "the agent who wants a leader to come"},
            "data": FREE,
        },
        optional=("recording_policy", "notice_policy", "help"),
    ),
    "Conference": _object(
        {
            "id": TEXT,
            "name": TEXT,
            "parties": _list(
                _object(
                    {
                        "contact": TEXT,
                        "number": TEXT,
                        "number_published": TEXT,
                        "since": _MOMENT_OR_NULL,
                        "host": {"type": "boolean"},
                        "muted": {"type": "boolean"},
                    }
                )
            ),
            "calls": _list(
                _object(
                    {"contact": TEXT, "to": TEXT, "at": MOMENT, "outcome": {**TEXT, "description": OUTCOMES_OF_CALLS}}
                )
            ),
        },
        optional=("calls",),
    ),
    "Invitations": _object(
        {
            "calls": _list(
                _object(
                    {
                        "to": TEXT,
                        "contact": _or_null(TEXT),
                        "error": _or_null(_object({"code": TEXT, "message": TEXT})),
                    }
                )
            )
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
            "purpose": _TEXT_OR_NULL,
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
            "survey": {**_TEXT_OR_NULL, "description": "null until there are surveys (满意度)"},
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
            "reason": _TEXT_OR_NULL,
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
    "DocumentUser": _object({"kind": TEXT, "id": TEXT, "name": TEXT, "field": TEXT}),
    "Token": _object(
        {
            "id": TEXT,
            "name": TEXT,
            "scopes": _list(_one_of(SCOPES)),
            "agents": _list(TEXT),
            "queues": _list(TEXT),
            "per_second": COUNT,
            "created_at": _MOMENT_OR_NULL,
            "expires_at": _MOMENT_OR_NULL,
            "secret": {**TEXT, "description": "told once, to who adds it"},
        },
        optional=("secret",),
    ),
    "Credentials": _object(
        {
            "phone": TEXT,
            "realm": TEXT,
            "user": {**TEXT, "description": "of the digest (RFC 7616); From, To and Contact name the phone"},
            "secret": {**TEXT, "description": "its password; a repeat of the request does not hear it"},
            "expires_at": MOMENT,
        },
        optional=("secret",),
    ),
    "Delivery": _object(
        {
            "id": COUNT,
            "event": TEXT,
            "type": TEXT,
            "contact": _TEXT_OR_NULL,
            "state": _one_of(("queued", "running", "done", "failed")),
            "created_at": MOMENT,
            "done_at": _MOMENT_OR_NULL,
            "next_at": _MOMENT_OR_NULL,
            "attempts": _list(
                _object(
                    {
                        "at": MOMENT,
                        "took_ms": COUNT,
                        "status": _or_null({**COUNT, "description": "of HTTP; null: no answer came"}),
                        "error": _TEXT_OR_NULL,
                    }
                )
            ),
        }
    ),
    "ListEntry": _object(
        {
            "number": TEXT,
            "note": TEXT,
            "expires_at": _MOMENT_OR_NULL,
            "changed_at": MOMENT,
            "changed_by": TEXT,
        }
    ),
    "Written": _object({"written": COUNT}),
    "OpenApi": FREE,
    "Nothing": FREE,
    "Error": _object(
        {
            "error": _object(
                {
                    **{"code": TEXT, "message": TEXT, "field": _TEXT_OR_NULL, "present": FREE},
                    "errors": _list(_object({"field": TEXT, "code": TEXT, "message": TEXT})),
                },
                optional=("present", "errors"),
            )
        }
    ),
}

# -- bodies of requests ------------------------------------------------------------------------------------------------

NO_BODY: Final = _object({})
SIGN_IN: Final = _object({"phone": TEXT})
PAUSE: Final = _object({"reason": TEXT})
CREDENTIALS: Final = _object({"phone": TEXT}, optional=("phone",))
WRAP_UP: Final = _object({"code": TEXT, "done": {"type": "boolean"}}, optional=("code", "done"))

AGENT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 64}
TARGET: Final[Schema] = {
    **{
        "type": "string",
        "pattern": r"^((queue|ivr|conference):[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}"
        r"|\+?[0-9*#][0-9*#\- ]{0,31}|[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63})$",
    },
    "description": "an agent, a phone, queue:<id>, ivr:<id>, conference:<id> or a number",
}
DIGITS: Final[Schema] = {
    **{"type": "string", "pattern": r"^[0-9A-Da-d*#]{1,64}$"},
    "description": "1 to 64 keys, each of 0-9 * # A-D",
}
PLACE: Final = _object(
    {
        "agent": AGENT,
        "to": {
            **TARGET,
            "pattern": str(TARGET["pattern"]).replace("queue|ivr", "queue|ivr|agent|phone"),
            "description": "an agent, a phone, a number, agent:<id>, phone:<id>, queue:<id>, ivr:<id>, conference:<id>",
        },
        "purpose": {"type": "string", "maxLength": 200, "description": "what it is for; told with contact_started"},
    },
    optional=("purpose",),
)
BY_ANYBODY: Final = _object({"agent": AGENT}, optional=("agent",))
BY_AGENT: Final = _object({"agent": AGENT})
SEND_DTMF: Final = _object({"agent": AGENT, "digits": DIGITS})
TRANSFER: Final = _object({"agent": AGENT, "to": TARGET, "mode": _one_of(("blind", "consult"))})
CONFERENCE: Final = _object(
    {"agent": AGENT, "to": {**TARGET, "description": "who is called to join; absent: who is being consulted"}},
    optional=("to",),
)
RELEASE: Final = _object(
    {"agent": AGENT, "to": {**_one_of(("queue",)), "description": "the customer goes back to the head of his queue"}},
    optional=("to",),
)
MONITOR: Final = _object(
    {
        "agent": AGENT,
        "mode": _one_of(("listen", "whisper", "barge", "take-over")),
        "help": {"type": "boolean", "description": "because help is wanted; 409 help_taken when another leader comes"},
    },
    optional=("help",),
)
WHY: Final[Schema] = {
    **{"type": "string", "pattern": r"^[a-z][a-z_]{0,39}$"},
    "description": "a word of a-z and _, at most 40 characters: customer_refused, pci …",
}
RECORDING: Final = _object(
    {"agent": AGENT, "action": _one_of(("start", "stop", "pause", "resume")), "reason": WHY},
    optional=("agent", "reason"),
)
_SOME: Final[Schema] = {"type": "array", "items": AGENT, "maxItems": 200}
TOKEN_GIVEN: Final = _object(
    {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "scopes": {"type": "array", "items": _one_of(SCOPES), "minItems": 1, "maxItems": len(SCOPES)},
        "agents": _SOME,
        "queues": _SOME,
        "per_second": {"type": "integer", "minimum": 1, "maximum": 1000},
        "expires_at": {"type": "string", "maxLength": 40, "description": "a time to come, in RFC 3339 with its zone"},
    },
    optional=("agents", "queues", "per_second", "expires_at"),
)
PARTY: Final = _object({"contact": TEXT})
HOST: Final = _object({"contact": TEXT, "host": {"type": "boolean"}})
MOST_CALLED: Final = 50  # at once
CALL_IN: Final = _object(
    {
        "to": {
            **_list({**TARGET, "pattern": str(TARGET["pattern"]).replace("queue|ivr|conference", "agent|phone")}),
            **{"minItems": 1, "maxItems": MOST_CALLED, "uniqueItems": True},
            "description": f"1 to {MOST_CALLED} agents, phones, agent:<id>, phone:<id> or numbers, each once",
        },
        "host": {"type": "boolean", "description": "who answers is a host"},
        "greet": {"type": "boolean", "description": "who answers hears that he has joined (default), or joins at once"},
        "purpose": {"type": "string", "maxLength": 200, "description": "what numbers outside are called for"},
    },
    optional=("host", "greet", "purpose"),
)
DOCUMENT: Final = {"type": "object", "description": "the document of this kind; see lq/config/documents.py"}
MOST_DOCUMENTS: Final = 1000  # written at once
DOCUMENTS: Final = _object(
    {
        "documents": {
            **_list(
                _object(
                    {
                        **{"kind": TEXT, "id": TEXT, "body": DOCUMENT},
                        "version": {**COUNT, "description": "that was read; 0: it is new; absent: it does not matter"},
                    },
                    optional=("version",),
                )
            ),
            **{"minItems": 1, "maxItems": MOST_DOCUMENTS},
        },
        "check": {"type": "boolean", "description": "nothing is written, only what is against it is told"},
    },
    optional=("check",),
)
ENTRIES: Final = _object(
    {
        "entries": _list(
            _object(
                {
                    "number": {"type": "string", "description": "a number, or +8610* for all that begin so"},
                    "note": TEXT,
                    "expires_at": _MOMENT_OR_NULL,
                },
                optional=("note", "expires_at"),
            )
        )
    }
)
