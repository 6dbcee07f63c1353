"""/v1/queues: who waits and who serves now, from the live state; how today went, from history while it is there."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from sanic import Request

from lq.api import access, context, reading
from lq.api.queue_counts import Today
from lq.config.documents import Queue
from lq.ledger.metrics import QueueCounts, expected_wait_s
from lq.live.values import QueueState

Json = dict[str, Any]
SERVICE_LEVEL_S: Final = Queue(id="", name="").service_level_s


def queue_json(queue: QueueState, service_level_s: int, today: Today, now_ms: int) -> Json:
    counts = today.counts.get(queue.id, QueueCounts()) if today.known else None
    handling_s = today.handling_s.get(queue.id)
    oldest = None if queue.oldest_since is None else max(0, now_ms - queue.oldest_since) / 1000
    return {
        "id": queue.id,
        "name": queue.name,
        "waiting": queue.waiting,
        "ready": queue.ready,
        "talking": queue.talking,
        "oldest_wait_s": oldest,
        "ewt_s": expected_wait_s(queue.waiting, queue.ready, queue.signed_in, handling_s),
        "service_level": {str(service_level_s): counts.service_level if counts else None},
        "answered": counts.answered if counts else None,
        "abandoned": counts.abandoned if counts else None,
        "overflowed": counts.overflowed if counts else None,
        "in_time": counts.in_time if counts else None,
        "counted": counts.counted if counts else None,
    }


async def listing(request: Request) -> Json:
    here = context.of(request)
    sees, documents = access.of(request), await here.live.config("queues")
    states = await asyncio.gather(*(here.live.queue_state(id) for id in sorted(documents) if sees.queue(id)))
    return reading.page_by_id(request, [_json(here, state, documents[state.id]) for state in states])


async def one(request: Request, queue: str) -> Json:
    here = context.of(request)
    access.of(request).need_queue(queue)
    state = await here.live.queue_state(queue)
    return _json(here, state, (await here.live.config("queues")).get(queue, {}))


def _json(here: context.Context, state: QueueState, document: Json) -> Json:
    service_level_s = int(document.get("service_level_s", SERVICE_LEVEL_S))
    return queue_json(state, service_level_s, here.today, time.time_ns() // 1_000_000)
