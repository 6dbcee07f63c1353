"""The door of the api: each request is told whose token it carries, and how often that one may come.

Tokens are published into Redis as the rest of the configuration is, and known here from one look to the next: neither a
PostgreSQL nor a Redis that is away shuts anybody out who was known.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from sanic import Request

from lq.api import access
from lq.api.access import Access
from lq.api.errors import Refusal, live_away
from lq.config.documents import Token
from lq.live import reading
from lq.live.errors import LiveError, LiveUnavailable
from lq.live.redis import Live

log = structlog.get_logger()

LOOK_EVERY_S: Final = 0.5  # so long may a revoked token go on
RATE: Final = 500.0  # requests a second of one client address, after a burst of BURST
BURST: Final = 1000.0
CLIENTS: Final = 1000
PROTOCOL: Final = "lcall.v1"  # of the WebSocket; beside it a browser, which can set no header, offers its token
REVOKED: Final = "revoked"  # why a listener is cancelled
OFFERED: Final = "bearer."


@dataclass
class Meter:
    """How many requests each client may still make: a bucket of `burst` that fills with `rate` a second."""

    buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)  # client -> left, at

    def allows(self, client: str, now: float, rate: float = RATE, burst: float = BURST) -> bool:
        left, at = self.buckets.pop(client, (burst, now))
        left = min(burst, left + (now - at) * rate)
        self.buckets[client] = (max(0.0, left - 1), now)
        if len(self.buckets) > CLIENTS:
            self.buckets.popitem(last=False)
        return left >= 1


@dataclass
class Admission:
    live: Live
    house: str  # the secret in sdk.token
    tokens: Mapping[str, Token] = field(default_factory=dict)
    queues_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # agent -> the queues that he serves
    version: int = 0  # of the configuration that these are of; 0: none was read yet
    listeners: dict[asyncio.Task[None], Token] = field(default_factory=dict)  # to events
    addresses: Meter = field(default_factory=Meter)
    clients: Meter = field(default_factory=Meter)

    async def run(self) -> None:
        """Until cancelled: knows of each change of the tokens, and ends the sockets of those that are no more."""
        while True:
            try:
                await self.look()
            except LiveError as error:
                log.debug("the tokens cannot be read", error=str(error))
            self._end_listeners()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """A Redis that came back empty (version 0) is told again soon; until then what was known holds."""
        version = await self.live.config_version()
        if version in (0, self.version):
            return
        tokens, agents = await asyncio.gather(self.live.config("tokens"), self.live.config("agents"))
        self.tokens = {id: reading.document(Token, body) for id, body in tokens.items()}
        self.queues_of = {id: tuple(body.get("queues", ())) for id, body in agents.items()}
        self.version = version

    async def admit(self, request: Request) -> Access:
        """Refused with 429 for too many requests, 401 for an unknown token, 503 while no tokens can be known."""
        now = self.meet(request)
        token = await self._token(_given(request))
        rate, burst = (RATE, BURST) if token is access.HOUSE else (float(token.per_second), 2.0 * token.per_second)
        if not self.clients.allows(token.id, now, rate, burst):
            message = f"the token {token.id} may make {rate:.0f} requests a second"
            raise Refusal(429, "too_many", message, retry_after_s=1)
        return Access.of_token(token, self.queues_of)

    def meet(self, request: Request) -> float:
        """Whoever comes, with or without a token; the present time."""
        now = time.monotonic()
        if not self.addresses.allows(request.ip, now):
            raise Refusal(429, "too_many", "too many requests from this address", retry_after_s=1)
        return now

    async def _token(self, given: str) -> Token:
        found = access.identified(given, self.house, self.tokens, _now_ms())
        if found is None and access.SECRET.fullmatch(given):  # it may have been added a moment ago
            try:
                await self.look()
            except LiveUnavailable as away:
                if not self.version:
                    raise live_away(str(away)) from away
            found = access.identified(given, self.house, self.tokens, _now_ms())
        if found is None:
            raise Refusal(401, "unauthorized", "the token is missing, wrong, revoked or expired")
        return found

    def _end_listeners(self) -> None:
        now_ms = _now_ms()
        for task, token in self.listeners.items():
            known = token is access.HOUSE or self.tokens.get(token.id) == token
            if not known or not access.alive(token, now_ms):
                task.cancel(REVOKED)

    async def forget(self) -> None:
        """After a change of ours: what is known is read anew."""
        self.version = -1
        try:
            await self.look()
        except LiveError as error:
            log.warning("the tokens cannot be read", error=str(error))
        self._end_listeners()


def _given(request: Request) -> str:
    """The secret of a request: in its header, or among the protocols that a browser's WebSocket offers."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()
    offered = request.headers.get("sec-websocket-protocol", "").split(",")
    return next((each.strip()[len(OFFERED) :] for each in offered if each.strip().startswith(OFFERED)), "")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
