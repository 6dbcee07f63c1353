"""Screen pop in a foreign CRM: opens the customer's page as soon as an agent is offered his call.

    PYTHONPATH=. .venv/bin/python sdk/examples/screen_pop.py \
        http://127.0.0.1:8100 TOKEN 1001 "http://crm.example/?phone={number}" [EVENT ID]

The token needs the scopes `read` and `events` and should be for this one agent. With POP=print in the environment the
address is printed instead of being opened in the browser. With the id of an event: what came after that one, first.
An api that is away or busy is waited for.
"""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from urllib.parse import quote

from lq.sdk import ApiError, Client, Contact, patiently


async def pop(api: str, token: str, agent: str, page: str, after: str | None = None) -> None:
    shown: set[str] = set()  # an event may come twice, and a phone may ring twice
    async with Client(api, token) as lq:
        async for event in lq.events(["contacts"], after):
            if event.type != "contact_offered" or event.data["agent"] != agent or event.subject in shown:
                continue
            shown.add(event.subject)
            contact = await offered(lq, event.subject)
            if contact is None:
                continue
            address = page.format(number=quote(contact.number, safe=""), contact=event.subject)
            if os.environ.get("POP") == "print":
                print(address, flush=True)
            else:
                await asyncio.to_thread(webbrowser.open, address)


async def offered(lq: Client, contact: str) -> Contact | None:
    """None: it is over, and not in the books yet: nobody waits for that page."""
    try:
        return await patiently(lambda: lq.contact(contact))
    except ApiError as error:
        if error.status != 404:
            raise
        return None


if __name__ == "__main__":
    asyncio.run(pop(*sys.argv[1:6]))
