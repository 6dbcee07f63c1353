"""A wallboard's feed: one JSON line a change, each with the whole of that queue, for whatever draws it.

    PYTHONPATH=. .venv/bin/python sdk/examples/wallboard.py http://127.0.0.1:8100 TOKEN

The token needs the scopes `read` and `events`; one that is for some queues shows those only.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict

from lq.sdk import Client, Queue


def show(queue: Queue) -> None:
    print(json.dumps(asdict(queue), ensure_ascii=False), flush=True)


async def feed(api: str, token: str) -> None:
    async with Client(api, token) as lq:
        after = await lq.last_event_id()  # first where the stream stands, then how things are: nothing falls between
        for queue in await lq.queues():
            show(queue)
        async for event in lq.events(["queues"], after):
            if event.type == "queue_changed":
                show(await lq.queue(event.data["queue"]))


if __name__ == "__main__":
    asyncio.run(feed(*sys.argv[1:3]))
