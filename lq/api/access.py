"""Who may do what: the scopes of a token, and the agents and queues that it is restricted to. Pure but for `of`."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sanic import Request

from lq.api.errors import Refusal
from lq.config.documents import Token
from lq.ledger.events import Event
from lq.ledger.shown import without_keys
from lq.ledger.topics import TOPICS, topic_of

Json = Mapping[str, Any]

SECRET: Final = re.compile(r"lcall_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")  # of a token: its id, and 256 bits
HOUSE: Final = Token("house", "sdk.token", "", ("admin",))  # $LCALL_HOME/sdk.token: the house's own, all rights
CONTACTS_KEPT: Final = 10_000
STATE: Final = "agent_state_changed"
UNHEARD: Final = ("listen", "whisper")  # as what a leader is in a contact without its customer's hearing him

# Besides `events`: what else a token must be allowed to see of the center, to hear of it.
TOPIC_SCOPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("agents", "queues", "contacts", "phones"), "read"),
    "recordings": "recordings",
    **dict.fromkeys(("trunks", "nodes", "alarms"), "config"),
}


def digest(secret: str) -> str:
    """What is kept of a token. Its 256 bits are random, so one round is enough (NIST SP 800-63B §5.1.4.2)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def identified(given: str, house: str, tokens: Mapping[str, Token], now_ms: int) -> Token | None:
    """Whose secret this is; compared in constant time. An expired token is nobody's."""
    if hmac.compare_digest(given.encode(), house.encode()):
        return HOUSE
    found = SECRET.fullmatch(given)
    token = tokens.get(found[1]) if found else None
    if not hmac.compare_digest(digest(given), token.sha256 if token else "0" * 64):
        return None
    return token if token and alive(token, now_ms) else None


def alive(token: Token, now_ms: int) -> bool:
    return not token.expires_at or now_ms < token.expires_at


@dataclass(frozen=True, slots=True)
class Access:
    """A token at work. `agents`: those it may act as and look at, by name or by a queue that they serve."""

    token: Token
    agents: frozenset[str] = frozenset()

    @classmethod
    def of_token(cls, token: Token, queues_of: Mapping[str, Iterable[str]]) -> Access:
        """`queues_of`: agent -> the queues that he serves."""
        serving = (agent for agent, queues in queues_of.items() if set(queues) & set(token.queues))
        return cls(token, frozenset((*token.agents, *serving)))

    @property
    def restricted(self) -> bool:
        return bool(self.token.agents or self.token.queues)

    def has(self, scope: str) -> bool:
        return not scope or scope in self.token.scopes or "admin" in self.token.scopes

    def need(self, scope: str) -> None:
        if not self.has(scope):
            raise Refusal(403, "scope_missing", f"the token {self.token.id} has not the scope {scope!r}")

    def agent(self, id: str) -> bool:
        return not self.restricted or id in self.agents

    def need_agent(self, id: str) -> None:
        if not self.agent(id):
            raise Refusal(403, "agent_forbidden", f"the token {self.token.id} is not for agent {id}", field="agent")

    def queue(self, id: str) -> bool:
        return not self.token.queues or id in self.token.queues

    def need_queue(self, id: str) -> None:
        if not self.queue(id):
            raise Refusal(403, "queue_forbidden", f"the token {self.token.id} is not for queue {id}", field="queue")

    def contact(self, shown: Json) -> bool:
        """A contact is seen by who may see one of its agents by name, or one of its queues."""
        parts = (shown, *shown.get("segments", ()), *shown.get("legs", ()))
        return not self.restricted or any(self.names(part) for part in parts)

    def need_contact(self, shown: Json) -> None:
        if not self.contact(shown):
            raise Refusal(403, "contact_forbidden", f"the token {self.token.id} is not for contact {shown['id']}")

    def names(self, part: Json) -> bool:
        """A contact, a segment, a leg of it or what an event says of it."""
        return part.get("agent") in self.token.agents or part.get("queue") in self.token.queues

    def rows(self) -> tuple[bool, list[str], list[str]]:
        """For a search of history: whether only some are seen, and of which agents or which queues."""
        return self.restricted, list(self.token.agents), list(self.token.queues)

    def topics(self, asked: Iterable[str]) -> frozenset[str]:
        """Those asked for, or all that it may hear; refused when one of those asked for is not among them."""
        asked = tuple(asked)
        for topic in asked:
            self.need(TOPIC_SCOPES[topic])
        return frozenset(asked or (topic for topic in TOPICS if self.has(TOPIC_SCOPES[topic])))

    def shown_contact(self, contact: dict[str, Any]) -> dict[str, Any]:
        """An agent shall not see that a leader listens."""
        if self.has("supervise"):
            return contact
        return {**contact, "legs": [leg for leg in contact["legs"] if leg.get("mode") not in UNHEARD]}

    def shown(self, event: Event) -> Event:
        """What a caller pressed (a card's digits may be among it) is the house's own to see."""
        return event if self.has("admin") else without_keys(event)


def of(request: Request) -> Access:
    found: Access = request.ctx.access
    return found


Find = Callable[[str], Awaitable[Json | None]]
Hides = Callable[[Event], Awaitable[bool]]


async def _nothing(contact: str) -> None:
    return None


async def _no(event: Event) -> bool:
    return False


@dataclass
class Sight:
    """Which events one listener hears: of his topics, and of the agents, queues and contacts that his token is for.

    An event seldom says everything of its contact: what is known of each is remembered, and looked up once.
    """

    access: Access
    topics: frozenset[str]
    find: Find = _nothing  # a contact as LQ-SDK shows it
    hides: Hides = _no  # what it tells of a leader is for who may supervise only (leaders.py)
    known: OrderedDict[str, bool] = field(default_factory=OrderedDict)

    async def shown(self, event: Event) -> Event | None:
        """As he hears it; None: he does not."""
        if not await self.sees(event):
            return None
        if event.type == STATE and await self._is_of_a_leader(event):  # his state, but not with whom he is
            event = replace(event, data={key: value for key, value in event.data.items() if key != "contact"})
        return self.access.shown(event)

    async def sees(self, event: Event) -> bool:
        if topic_of(event.type) not in self.topics:
            return False
        if event.type != STATE and await self._is_of_a_leader(event):
            return False
        if not self.access.restricted:
            return True
        kind, _, id = event.subject.partition(":")
        match kind:
            case "agent":
                return self.access.agent(id)
            case "queue":
                return self.access.queue(id)
            case "phone":
                return event.data.get("agent", "") in self.access.agents
        contact = str(event.data.get("contact", "")) if event.type.startswith("recording_") else event.subject
        return not id and bool(contact) and await self._contact(contact, event.data)

    async def _is_of_a_leader(self, event: Event) -> bool:
        """Who is not heard, and this listener shall not know of him."""
        return not self.access.has("supervise") and await self.hides(event)

    async def _contact(self, contact: str, data: Json) -> bool:
        seen = self.known.pop(contact, None)
        called = str(data.get("to", "")).removeprefix("agent:")  # into it, and has not answered yet
        if not seen and (self.access.names(data) or called in self.access.token.agents):
            seen = True
        if seen is None:
            found = await self.find(contact)
            seen = found is not None and self.access.contact(found)
        self.known[contact] = seen
        if len(self.known) > CONTACTS_KEPT:
            self.known.popitem(last=False)
        return seen
