"""/v1/tokens: who else may use LQ-SDK, for what, and how long. A secret is told once, to who adds the token."""

from __future__ import annotations

import secrets
import time
from datetime import datetime
from typing import Any

import structlog
from sanic import Request

from lq.api import access, config, context, reading, schemas
from lq.api.errors import not_found, wrong
from lq.config import publish
from lq.config.documents import Token
from lq.config.publish import Document
from lq.config.validation import to_json
from lq.ledger.shown import rfc3339_or_none
from lq.live import reading as live_reading

log = structlog.get_logger()

Json = dict[str, Any]


async def listing(request: Request) -> Json:
    documents = await config.documents(context.of(request), "tokens")
    return reading.page_by_id(request, [_shown(documents[id]) for id in sorted(documents)])


async def one(request: Request, token: str) -> Json:
    documents = await config.documents(context.of(request), "tokens")
    if token not in documents:
        raise not_found(f"token {token}")
    return _shown(documents[token])


async def add(request: Request) -> tuple[int, Json]:
    given = reading.given(request, schemas.TOKEN_GIVEN)
    now_ms = time.time_ns() // 1_000_000
    id, rest = secrets.token_hex(4), secrets.token_urlsafe(32)
    secret = f"lcall_{id}_{rest}"
    token = Token(
        id=id,
        sha256=access.digest(secret),
        expires_at=_expiry(given.pop("expires_at", ""), now_ms),
        created_at=now_ms,
        **given,
    )
    here = context.of(request)
    async with here.history.connection() as connection:
        try:
            async with connection.transaction():
                by = config.operator(request)
                [written] = await publish.put(connection, [("tokens", to_json(token))], by=by)
                await config.audit(connection, request, "token_add", written)
        except publish.Refused as refused:
            raise config.refusal(refused) from refused
        await config.publish_now(connection, here)
    await here.admission.forget()
    log.info("a token was added", token=id, scopes=list(token.scopes))
    return 201, {**_shown(written), "secret": secret}


async def revoke(request: Request, token: str) -> tuple[int, Json]:
    here = context.of(request)
    async with here.history.connection() as connection:
        try:
            async with connection.transaction():
                await publish.delete(connection, "tokens", token)
                await config.audit(connection, request, "token_revoke", Document("tokens", token, 0, {}))
        except publish.Missing as missing:
            raise not_found(f"token {token}") from missing
        await config.publish_now(connection, here)
    await here.admission.forget()
    log.info("a token was revoked", token=token)
    return 204, {}


def _expiry(given: str, now_ms: int) -> int:
    if not given:
        return 0
    try:
        at = datetime.fromisoformat(given)
        expires_at = int(at.timestamp() * 1000) if at.tzinfo else 0
    except (ValueError, OverflowError):
        expires_at = 0
    if expires_at <= now_ms:
        raise wrong("expires_at", "a time to come, with its zone, such as 2027-01-31T00:00:00+08:00, is expected")
    return expires_at


def _shown(document: Document) -> Json:
    token = live_reading.document(Token, document.body)
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "agents": list(token.agents),
        "queues": list(token.queues),
        "per_second": token.per_second,
        "created_at": rfc3339_or_none(token.created_at),
        "expires_at": rfc3339_or_none(token.expires_at),
    }
