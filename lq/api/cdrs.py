"""/v1/cdrs: the call detail records, latest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import asyncpg
from sanic import Request

from lq.api import access, context, reading
from lq.api.history import SEARCH_S
from lq.ledger.events import RESULTS
from lq.ledger.shown import rfc3339_of

Json = dict[str, Any]

COLUMNS: Final = (
    *("contact_id", "direction", "number", "number_published", "called", "called_published", "queue", "agent", "trunk"),
    "purpose",
    *("started_at", "queued_at", "answered_at", "ended_at", "wait_s", "ring_s", "talk_s", "hold_s", "wrap_up_s"),
    *("result", "ended_by", "cause", "recording_id", "survey"),
)
EXACT: Final = ("agent", "queue", "direction", "result", "trunk", "purpose")  # parameter = column
FILTERS: Final = ("from", "to", "number", "contact", *EXACT)


async def listing(request: Request) -> Json:
    where, arguments = _conditions(request)
    size = reading.limit(request)
    arguments.append(size + 1)
    query = f"select {', '.join(COLUMNS)} from cdr where {' and '.join(where)}"
    query += f" order by started_at desc, contact_id desc limit ${len(arguments)}"
    rows = await context.of(request).history.fetch(query, *arguments, seconds=SEARCH_S)
    page = rows[:size]
    following = reading.next_cursor(page[-1]["started_at"], page[-1]["contact_id"]) if len(rows) > size else None
    return {"items": [cdr_json(row) for row in page], "next": following}


def _conditions(request: Request) -> tuple[list[str], list[Any]]:
    """The filters of a request as SQL; texts of ours only, what the client wrote goes as arguments."""
    where: list[str] = ["true"]
    arguments: list[Any] = []

    def add(condition: str, *values: Any) -> None:
        places = [f"${len(arguments) + n}" for n in range(1, len(values) + 1)]
        where.append(condition.format(*places))
        arguments.extend(values)

    if (start := reading.moment(request, "from")) is not None:
        add("started_at >= {}", start)
    if (end := reading.moment(request, "to")) is not None:
        add("started_at < {}", end)
    if number := reading.parameter(request, "number"):
        add(
            "(number like {0} or number_published like {0} or called_published like {0})",
            f"%{reading.literal(number)}%",
        )
    if reading.parameter(request, "result"):
        reading.choice(request, "result", RESULTS, "")
    restricted, agents, queues = access.of(request).rows()
    if restricted:
        add(
            "(agent = any({0}::text[]) or queue = any({1}::text[]) or exists (select from segment s where"
            " s.contact_id = cdr.contact_id and (s.agent = any({0}::text[]) or s.queue = any({1}::text[]))))",
            *(agents, queues),
        )
    if contact := reading.parameter(request, "contact"):
        add("contact_id = {}", contact)
    for name in EXACT:
        if value := reading.parameter(request, name):
            add(f"{name} = {{}}", value)
    if (behind := reading.cursor(request)) is not None:
        add("(started_at, contact_id) < ({}, {})", *behind)
    return where, arguments


def cdr_json(row: asyncpg.Record) -> Json:
    """As DESIGN §9 shows it: numbers as people know them (`called`), the other party in E.164 where it has one."""
    found = {name: moment(row[name]) for name in COLUMNS}
    found["number"] = row["number"] or row["number_published"]
    found["called"] = row["called_published"] or row["called"]
    del found["called_published"]
    return found


def moment(value: Any) -> Any:
    """A time in RFC 3339, UTC with milliseconds; anything else as it is."""
    if isinstance(value, datetime):
        return rfc3339_of(value)
    return value
