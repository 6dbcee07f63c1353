"""/v1/webhooks/{id}/deliveries: what was told to a receiver outside, and how it took it. The webhooks themselves are
documents of the configuration."""

from __future__ import annotations

import json
from typing import Any, Final

import asyncpg
from sanic import Request

from lq.api import config, context, reading
from lq.api.cdrs import moment
from lq.api.errors import malformed, not_found

Json = dict[str, Any]

LATEST: Final = """
select id, event, type, contact, state, created_at, done_at, run_at, attempts from webhook_delivery
where webhook = $1 and id < $2 order by id desc limit $3"""


async def deliveries(request: Request, webhook: str) -> Json:
    here, size = context.of(request), reading.limit(request)
    rows = await here.history.fetch(LATEST, webhook, _before(request), size + 1)
    if not rows and webhook not in await config.documents(here, "webhooks"):
        raise not_found(f"webhook {webhook}")
    page = rows[:size]
    return {"items": [_shown(row) for row in page], "next": str(page[-1]["id"]) if len(rows) > size else None}


def _before(request: Request) -> int:
    cursor = reading.parameter(request, "cursor") or str(2**63 - 1)
    if not cursor.isascii() or not cursor.isdecimal() or int(cursor) >= 2**63:
        raise malformed("cursor", "it is not one of ours")
    return int(cursor)


def _shown(row: asyncpg.Record) -> Json:
    """Not what was sent: numbers of customers stand in it, and the event itself is to be had by its id."""
    return {
        "id": row["id"],
        "event": row["event"],
        "type": row["type"],
        "contact": row["contact"],
        "state": row["state"],
        "created_at": moment(row["created_at"]),
        "done_at": moment(row["done_at"]),
        "next_at": moment(row["run_at"]) if row["state"] == "queued" else None,
        "attempts": json.loads(row["attempts"]),
    }
