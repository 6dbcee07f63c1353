"""A wallboard's feed: one JSON line a change, each with the whole of that queue, for whatever draws it.

    PYTHONPATH=. .venv/bin/python sdk/examples/wallboard.py http://127.0.0.1:8100 TOKEN

The token needs the scopes `read` and `events`; one that is for some queues shows those only. However often a queue
changes, one line says how it is then: nobody falls behind. An api that is away or busy is waited for.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict

from lq.sdk import ApiError, Client, Queue, patiently


def show(queue: Queue) -> None:
    print(json.dumps(asdict(queue), ensure_ascii=False), flush=True)


class Board:
    """Which queues have changed, each once, and how they are."""

    def __init__(self, lq: Client) -> None:
        self.lq = lq
        self.changed: dict[str, None] = {}
        self.news = asyncio.Event()

    async def listen(self, after: str) -> None:
        async for event in self.lq.events(["queues"], after):
            if event.type == "queue_changed":
                self.changed[event.data["queue"]] = None
                self.news.set()

    async def draw(self) -> None:
        while True:
            await self.news.wait()
            self.news.clear()
            while self.changed:
                queue = next(iter(self.changed))
                del self.changed[queue]
                await self.ask(queue)

    async def ask(self, queue: str) -> None:
        try:
            show(await patiently(lambda: self.lq.queue(queue)))
        except ApiError as error:
            if error.status != 404:
                raise
            # it has been deleted meanwhile: there is nothing to show


async def feed(api: str, token: str) -> None:
    async with Client(api, token) as lq, asyncio.TaskGroup() as tasks:
        board = Board(lq)
        after = await patiently(lq.last_event_id)  # first where the stream stands, then how things are: none is missed
        for queue in await patiently(lq.queues):
            show(queue)
        tasks.create_task(board.listen(after))
        tasks.create_task(board.draw())


if __name__ == "__main__":
    asyncio.run(feed(*sys.argv[1:3]))
