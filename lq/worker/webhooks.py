"""Webhooks: what happens is told to receivers outside, each event at least once, signed, and again until it is taken.

Events come from the ledger in PostgreSQL, in the order in which the journal wrote them, behind a checkpoint that moves
in the transaction that queues their deliveries. Each receiver has its own few connections and its own rest after a
failure: one that is dead or slow costs the others nothing. What is told of one contact is told in its order.

An event that its receiver does not want (it says so: UNWANTED) holds nothing back. Any other failure is its receiver's
and may pass, so it is tried for a day; what has waited behind it all that time is then tried as well, once at least.

Addresses of the house are allowed (an LCall stands in a LAN, and so does the CRM); who may write webhooks may have this
host send requests there. No redirect is followed, and of an answer only the status is read.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx
import structlog

from lq import telemetry
from lq.config.documents import Webhook
from lq.ledger.projection import stored_event
from lq.ledger.shown import rfc3339_of
from lq.live import reading
from lq.worker import payloads
from lq.worker.patience import again_and_again
from lq.worker.payloads import signature

log = structlog.get_logger()

LOOK_EVERY_S: Final = 0.25
NOBODY_EVERY_S: Final = 1.0  # while nobody is to be told
TIDY_EVERY_S: Final = 10.0
BATCH: Final = 500  # events
AT_ONCE: Final = 8  # requests to one receiver
ANSWER_S: Final = 10.0
LOCKED_S: Final = 60
MOST_WAITING: Final = 10_000  # deliveries to one receiver
FOR_S: Final = 86_400  # a delivery is tried
HELD_BACK_S: Final = 2 * FOR_S  # one that was never tried is kept: another of its contact may have had the first day
UNWANTED: Final = frozenset((400, 409, 410, 413, 415, 422))  # about what was sent; 401, 404 … are about where it was
REST_S: Final = 60.0  # at most, of a receiver that failed

WAITING: Final = telemetry.gauge("webhook_waiting", "deliveries that wait for their receiver", ("webhook",))
TRIED: Final = telemetry.counter("webhook_attempts", "requests to receivers of webhooks", ("webhook", "outcome"))

HOOKS: Final = "select body from config_document where kind = 'webhooks' order by id"
NAMES: Final = "select id, body->>'name' as name from config_document where kind = 'agents'"
CHECKPOINT: Final = "select n from webhook_checkpoint for update skip locked"
NEWEST: Final = "select coalesce(max(n), 0) from event where n is not null"
NEXT: Final = """
select n, subject, seq, type, v, at, data, stream_ms, stream_n from event
where n is not null and n > $1 order by n limit $2"""
CONTACTS: Final = """
select id, direction, number, called_published, phone, queue, agent from contact where id = any($1::text[])"""
QUEUE: Final = """
insert into webhook_delivery (webhook, event, type, contact, body, state, done_at, attempts)
values ($1, $2, $3, $4, $5, $6, case when $6 = 'failed' then now() end, $7)"""
HOW_MANY: Final = """
select webhook, count(*) as waiting from webhook_delivery where state in ('queued', 'running') group by webhook"""
CLAIM: Final = """
with claimed as (
update webhook_delivery set state = 'running', locked_until = now() + make_interval(secs => $3)
where id in (
    select id from webhook_delivery one
    where webhook = $1 and state = 'queued' and run_at <= now() and not exists (
        select from webhook_delivery other where other.webhook = one.webhook and other.contact = one.contact
            and other.id < one.id and other.state in ('queued', 'running'))
    order by run_at, id limit $2 for update skip locked)
returning id, type, body, created_at, jsonb_array_length(attempts) as attempts)
select * from claimed order by id"""
TOLD: Final = """
update webhook_delivery set state = $2, run_at = coalesce($3, run_at), locked_until = null,
    done_at = case when $2 = 'queued' then null else now() end, attempts = attempts || $4::jsonb
where id = $1"""
LEFT_BEHIND: Final = "update webhook_delivery set state = 'queued' where state = 'running' and locked_until < now()"
TOO_OLD: Final = """
update webhook_delivery set state = 'failed', done_at = now()
where state = 'queued' and created_at < now() - make_interval(secs => $1)
    and (attempts <> '[]' or created_at < now() - make_interval(secs => $2))"""


@dataclass(frozen=True, slots=True)
class Delivery:
    id: int
    type: str
    body: bytes
    created_at: datetime
    attempts: int  # before this one


@dataclass(frozen=True, slots=True)
class Attempt:
    at: datetime
    took_ms: int
    status: int | None  # of HTTP; None: no answer came
    error: str | None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def alive(self) -> bool:
        """Whether its receiver is: a 400 is about this one delivery."""
        return self.status is not None and self.status < 500 and self.status != 429


@dataclass
class Receiver:
    """One webhook, its connections, and what is on its way there."""

    hook: Webhook
    http: httpx.AsyncClient
    sending: set[asyncio.Task[None]] = field(default_factory=set)
    failures: int = 0  # in a row
    rests_until: float = 0.0  # monotonic

    def room(self, now: float) -> int:
        """How many may be sent now: one that failed is asked with one first."""
        if now < self.rests_until:
            return 0
        return max(0, (1 if self.failures else AT_ONCE) - len(self.sending))

    def heard(self, attempt: Attempt, now: float) -> None:
        self.failures = 0 if attempt.alive else self.failures + 1
        self.rests_until = 0.0 if attempt.alive else now + min(REST_S, 2.0 ** min(self.failures - 2, 10))


class Webhooks:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._receivers: dict[str, Receiver] = {}
        self._done: list[tuple[Delivery, Attempt]] = []
        self._news = asyncio.Event()
        self._version = -1
        self._names: dict[str, str] = {}
        self._tidied_at = -TIDY_EVERY_S

    async def run(self) -> None:
        """Until cancelled; a PostgreSQL that is away is waited for."""
        try:
            await again_and_again(self._dsn, "webhooks", self._work)
        finally:
            await self._close([*self._receivers.values()])

    async def _work(self, connection: asyncpg.Connection) -> None:
        self._news.clear()
        await self._write_down(connection)
        await self._know(connection)
        more = await self._queue(connection)
        await self._tidy(connection)
        for receiver in self._receivers.values():
            await self._send_due(connection, receiver)
        if not more:
            await self._something()

    async def _something(self) -> None:
        """An answer has come, or it is time to look again."""
        try:
            async with asyncio.timeout(LOOK_EVERY_S if self._receivers else NOBODY_EVERY_S):
                await self._news.wait()
        except TimeoutError:
            return

    # -- who is told

    async def _know(self, connection: asyncpg.Connection) -> None:
        version = await connection.fetchval("select version from config_version")
        if version == self._version:
            return
        hooks = [reading.document(Webhook, json.loads(row["body"])) for row in await connection.fetch(HOOKS)]
        known = dict(self._receivers)
        self._receivers = {}
        for hook in hooks:
            if hook.enabled:
                same = known.get(hook.id)
                keep = same is not None and same.hook == hook
                self._receivers[hook.id] = known.pop(hook.id) if keep else Receiver(hook, _http())
        await self._close([*known.values()])
        self._names = {row["id"]: row["name"] for row in await connection.fetch(NAMES)}
        self._version = version

    async def _close(self, receivers: list[Receiver]) -> None:
        """What is on its way there is given up, and tried again if its webhook comes back."""
        for receiver in receivers:
            for task in receiver.sending:
                task.cancel()
            await asyncio.gather(*receiver.sending, return_exceptions=True)
            await receiver.http.aclose()

    # -- what is to be told

    async def _queue(self, connection: asyncpg.Connection) -> bool:
        """The next events as deliveries; whether there may be more. One worker at a time does it."""
        async with connection.transaction():
            checkpoint = await connection.fetchval(CHECKPOINT)
            if checkpoint is None:
                return False
            rows = await connection.fetch(NEXT, checkpoint, BATCH) if self._receivers else []
            if rows:
                await self._queue_events(connection, rows)
            last = rows[-1]["n"] if rows else checkpoint if self._receivers else await connection.fetchval(NEWEST)
            if last != checkpoint:
                await connection.execute("update webhook_checkpoint set n = $1", last)
        return len(rows) == BATCH

    async def _queue_events(self, connection: asyncpg.Connection, rows: list[asyncpg.Record]) -> None:
        hooks = [receiver.hook for receiver in self._receivers.values()]
        events = [stored_event(row) for row in rows]
        wanted = [(hook, event) for event in events for hook in hooks if payloads.wants(hook, event)]
        if not wanted:
            return
        subjects = sorted({event.subject for hook, event in wanted if hook.template == "zammad"})
        contacts = {row["id"]: dict(row) for row in await connection.fetch(CONTACTS, subjects)}
        waiting = {row["webhook"]: row["waiting"] for row in await connection.fetch(HOW_MANY)}
        full_queue = _noted(datetime.now(UTC), 0, None, f"more than {MOST_WAITING} wait for this receiver")
        deliveries = []
        for hook, event in wanted:
            body = payloads.payload(hook, event, contacts.get(event.subject), self._names)
            if body is None:
                continue
            contact = _contact(event.type, event.subject, event.data)
            waiting[hook.id] = waiting.get(hook.id, 0) + 1
            full = waiting[hook.id] > MOST_WAITING
            state, attempts = ("failed", full_queue) if full else ("queued", "[]")
            deliveries.append((hook.id, event.id, event.type, contact, body, state, attempts))
        await connection.executemany(QUEUE, deliveries)

    async def _tidy(self, connection: asyncpg.Connection) -> None:
        if time.monotonic() < self._tidied_at + TIDY_EVERY_S:
            return
        await connection.execute(LEFT_BEHIND)
        await connection.execute(TOO_OLD, FOR_S, HELD_BACK_S)
        WAITING.clear()
        for row in await connection.fetch(HOW_MANY):
            WAITING.labels(row["webhook"]).set(row["waiting"])
        self._tidied_at = time.monotonic()

    # -- telling it

    async def _send_due(self, connection: asyncpg.Connection, receiver: Receiver) -> None:
        room = receiver.room(time.monotonic())
        if not room:
            return
        for row in await connection.fetch(CLAIM, receiver.hook.id, room, LOCKED_S):
            delivery = Delivery(row["id"], row["type"], row["body"].encode(), row["created_at"], row["attempts"])
            task = asyncio.create_task(self._send(receiver, delivery))
            receiver.sending.add(task)
            task.add_done_callback(receiver.sending.discard)

    async def _send(self, receiver: Receiver, delivery: Delivery) -> None:
        attempt = await send(receiver.http, receiver.hook, delivery)
        receiver.heard(attempt, time.monotonic())
        outcome = "taken" if attempt.taken else "refused" if attempt.status else "unanswered"
        TRIED.labels(receiver.hook.id, outcome).inc()
        if not attempt.taken:
            log.warning(
                "a webhook was not taken",
                webhook=receiver.hook.id,
                delivery=delivery.id,
                attempt=delivery.attempts + 1,
                status=attempt.status,
                error=attempt.error,
            )
        self._done.append((delivery, attempt))
        self._news.set()

    async def _write_down(self, connection: asyncpg.Connection) -> None:
        """What came of it. Lost when PostgreSQL goes away now: then it is sent once more."""
        while self._done:
            delivery, attempt = self._done[0]
            await connection.execute(TOLD, delivery.id, *_outcome(delivery, attempt))
            self._done.pop(0)


async def send(http: httpx.AsyncClient, hook: Webhook, delivery: Delivery) -> Attempt:
    """One request; whatever goes wrong is the attempt's error, without the address, in which a password may stand."""
    at, began = datetime.now(UTC), time.monotonic()
    headers = {
        "Content-Type": "application/json",
        "X-LCall-Event": delivery.type,
        "X-LCall-Delivery": str(delivery.id),
        "X-LCall-Signature": signature(hook.secret, int(at.timestamp()), delivery.body),
    }
    status: int | None = None
    error: str | None = None
    try:
        async with (
            asyncio.timeout(ANSWER_S),
            http.stream("POST", hook.url, content=delivery.body, headers=headers) as answer,
        ):
            status = answer.status_code
            error = "it redirects, which is not followed" if answer.is_redirect else None
    except TimeoutError:
        error = f"no answer within {ANSWER_S:.0f} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failure:
        error = type(failure).__name__
    return Attempt(at, round((time.monotonic() - began) * 1000), status, error)


def again_after(attempts: int) -> timedelta:
    """5 s, 10 s, 20 s … at most an hour."""
    return timedelta(seconds=min(3600, 5 * 2 ** min(attempts - 1, 10)))


def _outcome(delivery: Delivery, attempt: Attempt) -> tuple[str, datetime | None, str]:
    """State, when it is tried again, and the attempt for the log."""
    noted = _noted(attempt.at, attempt.took_ms, attempt.status, attempt.error)
    if attempt.taken:
        return "done", None, noted
    if attempt.status in UNWANTED:
        return "failed", None, noted
    next_at = datetime.now(UTC) + again_after(delivery.attempts + 1)
    if next_at > delivery.created_at + timedelta(seconds=FOR_S):
        return "failed", None, noted
    return "queued", next_at, noted


def _noted(at: datetime, took_ms: int, status: int | None, error: str | None) -> str:
    return json.dumps([{"at": rfc3339_of(at), "took_ms": took_ms, "status": status, "error": error}])


def _contact(type: str, subject: str, data: Mapping[str, Any]) -> str | None:
    if type.startswith(("contact_", "leg_")):
        return subject
    return str(data["contact"]) if type.startswith("recording_") else None


def _http() -> httpx.AsyncClient:
    """With the certificates that this machine trusts, so that a house may have its own authority."""
    return httpx.AsyncClient(
        verify=ssl.create_default_context(),
        follow_redirects=False,
        trust_env=False,
        timeout=ANSWER_S,
        limits=httpx.Limits(max_connections=AT_ONCE),
        headers={"User-Agent": "LCall"},
    )
