"""Idempotency-Key on POST: the answer to a request is kept for a day and given again to its repeat."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sanic import Request

from lq.api import access
from lq.api.errors import Refusal, live_away
from lq.live.keys import TAG

KEEP_S: Final = 86_400
RUNNING_MS: Final = 30_000  # longer than any request: after it, one that died here may be sent again
MAX_KEY: Final = 200
SECRET: Final = "secret"  # in the answer to who adds a token

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kept:
    fingerprint: str
    status: int  # 0: still running
    body: dict[str, Any]


async def once(
    redis: Redis, request: Request, token: str, handle: Callable[[], Awaitable[Answer]]
) -> tuple[int, Any, bool]:
    """What `handle` answers, or answered the first time; the last value says that it was a repeat.

    A key is its token's own. A secret is told once: a repeat hears the answer without it.
    """
    key = request.headers.get("idempotency-key", "")
    if not key:
        return (*await handle(), False)
    if len(key) > MAX_KEY:
        raise Refusal(400, "malformed", f"Idempotency-Key has more than {MAX_KEY} characters")
    place = f"{TAG}:idempotency:{_digest(request.path.encode(), token.encode(), key.encode())}"
    fingerprint = _digest(request.body)
    try:
        return await _once(redis, place, fingerprint, handle)
    except (RedisError, OSError) as error:
        raise live_away(f"{type(error).__name__}: {error}") from error


async def _once(
    redis: Redis, place: str, fingerprint: str, handle: Callable[[], Awaitable[Answer]]
) -> tuple[int, Any, bool]:
    running = json.dumps([fingerprint, 0, {}])
    if not await redis.set(place, running, nx=True, px=RUNNING_MS):
        return (*_repeat(await redis.get(place), fingerprint), True)
    try:
        status, body = await handle()
    except Refusal as refusal:
        if refusal.status >= 500 or refusal.status == 429:
            await redis.delete(place)  # nothing was done: the repeat shall try
        else:
            await _keep(redis, place, Kept(fingerprint, refusal.status, refusal.body()))
        raise
    except BaseException:
        await redis.delete(place)
        raise
    await _keep(redis, place, Kept(fingerprint, status, body))
    return status, body, False


async def _keep(redis: Redis, place: str, kept: Kept) -> None:
    body = {name: value for name, value in kept.body.items() if name != SECRET}
    text = json.dumps([kept.fingerprint, kept.status, body], ensure_ascii=False)
    await redis.set(place, text, ex=KEEP_S)


def _repeat(text: bytes | str | None, fingerprint: str) -> Answer:
    if text is None:
        raise Refusal(409, "in_progress", "the first request with this Idempotency-Key has just failed: try again")
    kept = Kept(*json.loads(text))
    if kept.fingerprint != fingerprint:
        raise Refusal(422, "key_reused", "this Idempotency-Key was used for another request", field="Idempotency-Key")
    if not kept.status:
        raise Refusal(409, "in_progress", "the first request with this Idempotency-Key is still running")
    return kept.status, kept.body


def command_id(request: Request) -> str:
    """What the request is called within the house: a repeat with its key is, as the same; "" without a key.

    So it is carried out once even if the answer to the first was lost before it was kept.
    """
    key = request.headers.get("idempotency-key", "")
    if not key:
        return ""
    return _digest(request.path.encode(), access.of(request).token.id.encode(), key.encode(), request.body)[:32]


async def contact_of(redis: Redis, command: str, new: str) -> tuple[str, bool]:
    """The contact that this request begins: `new`, or the one of its first time (True). Raises RedisError."""
    known = await redis.set(_contact(command), new, nx=True, get=True, ex=KEEP_S)
    return (known.decode(), True) if isinstance(known, bytes) else (new, False)


async def begins(redis: Redis, command: str, contact: str) -> None:
    """Another one than the first time, of which nothing came."""
    await redis.set(_contact(command), contact, ex=KEEP_S)


def _contact(command: str) -> str:
    return f"{TAG}:idempotency:{command}:contact"


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\n".join(parts)).hexdigest()
