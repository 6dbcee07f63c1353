"""Leaders who came and were not heard, of contacts that are over: an agent shall not see that one listened (access.py).

A contact that goes on says it of its legs (`mode`); history keeps no mode, so there its events are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sanic import Request

from lq.api import access, context
from lq.api.access import Access, Sight
from lq.api.history import History
from lq.ledger.events import Event
from lq.ledger.projection import stored_event

Json = dict[str, Any]

TOLD: Final = """
select subject, seq, type, v, at, data, stream_ms, stream_n from event
where subject = any($1) and type in ('contact_called', 'contact_monitored')
order by subject, seq"""


@dataclass
class Leaders:
    """What events tell of them, one after another."""

    sight: Sight
    legs: set[str] = field(default_factory=set)  # of who was never heard
    came: set[str] = field(default_factory=set)  # agents
    heard: set[str] = field(default_factory=set)

    def tells(self, event: Event) -> bool:
        """Whether it is of one whom an agent does not hear. His state names the contact, too."""
        if event.type == "agent_state_changed":
            return event.data["agent"] in self.came - self.heard
        leg = str(event.data.get("leg", ""))
        hidden = self.sight.tells_of_a_leader(event)
        if hidden and event.type == "contact_called":
            self.legs.add(leg)
            self.came.add(str(event.data["to"]).removeprefix("agent:"))
        elif not hidden and event.type == "contact_monitored":  # he has barged in, or taken over
            self.legs.discard(leg)
            self.heard.add(str(event.data["agent"]))
        return hidden


def of(sees: Access, events: Iterable[Event] = ()) -> Leaders:
    found = Leaders(Sight(sees, frozenset()))
    for event in events:
        found.tells(event)
    return found


async def told(history: History, contacts: Sequence[str]) -> list[Event]:
    """All that history has of them, contact by contact. Raises HistoryAway."""
    return [stored_event(row) for row in await history.fetch(TOLD, list(contacts))]


async def without(request: Request, contacts: list[Json]) -> list[Json]:
    """Contacts of history as this token may see them."""
    sees = access.of(request)
    if sees.has("supervise") or not contacts:
        return contacts
    legs = of(sees, await told(context.of(request).history, [contact["id"] for contact in contacts])).legs
    return [{**one, "legs": [leg for leg in one.get("legs", ()) if leg["id"] not in legs]} for one in contacts]
