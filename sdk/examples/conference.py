"""Calls people into a conference and prints who comes: one JSON line for each, at the end of his call.

    PYTHONPATH=. .venv/bin/python sdk/examples/conference.py http://127.0.0.1:8100 TOKEN demo 1001 13800138000

The token needs the scopes `read` and `supervise`. What the gate refuses is told at once, by name; who has no word to
say within 90 seconds is left to himself.
"""

from __future__ import annotations

import asyncio
import json
import sys

from lq.sdk import Client

UNDER_WAY = ("calling", "ringing")


def show(to: str, outcome: str) -> None:
    print(json.dumps({"to": to, "outcome": outcome}, ensure_ascii=False), flush=True)


async def call_in(api: str, token: str, conference: str, *people: str) -> None:
    async with Client(api, token) as lq, asyncio.timeout(90):
        begun: dict[str, str] = {}
        for invitation in await lq.call_in(conference, people):
            if invitation.error or not invitation.contact:
                show(invitation.to, invitation.error.code if invitation.error else "failed")
            else:
                begun[invitation.contact] = invitation.to
        while begun:
            for call in (await lq.room(conference)).calls:
                if call.contact in begun and call.outcome not in UNDER_WAY:
                    show(begun.pop(call.contact), call.outcome)
            await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(call_in(*sys.argv[1:]))
