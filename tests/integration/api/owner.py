"""A contact in Redis as an lq node keeps it, and the part of that node that answers commands."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lq.contacts.contact import Contact
from lq.contacts.view import contact_json
from lq.live.redis import Live
from lq.trunks.numbers import Number
from tests.unit.ledger.lives import START

NODE = "lq1-00000001"


async def waiting_contact(live: Live, id: str, number: str = "13800138000", queue: str = "sales") -> None:
    caller = Number(number, f"+86{number}", number, "mobile")
    called = Number("4008001001", "+864008001001", "4008001001", "toll_free")
    contact = Contact(id, "queueing", "in", START, caller, called, "trunk:gw1", f"queue:{queue}", queue=queue)
    await live.commit(id, node=NODE, epoch=1, snapshot=json.dumps(contact.to_json()))


@dataclass
class Owner:
    """Answers each command with the contact as it stands, or with `refuses`."""

    live: Live
    refuses: Mapping[str, Any] | None = None
    heard: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)  # contact, verb, body

    async def run(self) -> None:
        after = "0"
        while True:
            for id, message in await self.live.inbox(NODE, after, block_ms=1000):
                after = id
                if message["type"] == "place":
                    await waiting_contact(self.live, message["contact"])
                self.heard.append((message["contact"], message.get("verb", message["type"]), message["body"]))
                await self.live.reply(message["reply_to"], self.refuses or await self._done(message["contact"]))

    async def _done(self, contact: str) -> dict[str, Any]:
        state = await self.live.contact(contact)
        assert state is not None
        return {"status": 200, "contact": contact_json(json.loads(state.snapshot))}


@contextlib.asynccontextmanager
async def owning(live: Live) -> AsyncIterator[Owner]:
    owner = Owner(live)
    running = asyncio.create_task(owner.run())
    try:
        yield owner
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
