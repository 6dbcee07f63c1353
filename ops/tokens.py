"""Tokens of LQ-SDK, and what webhooks have delivered, in a terminal; through LQ-SDK itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from lq.sdk.errors import ApiError
from lq.sdk.values import Delivery, Token
from ops.board import client
from ops.home import HomeError
from ops.screen import table
from ops.services import Instance


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new token is to be."""

    name: str
    scopes: Sequence[str]
    agents: Sequence[str] = ()
    queues: Sequence[str] = ()
    days: float = 0  # 0: for ever
    per_second: int | None = None


async def listing(center: Instance, *, as_json: bool) -> str:
    """Raises HomeError when the api does not answer or refuses."""
    try:
        async with client(center) as lq:
            found = await lq.tokens()
    except ApiError as error:
        raise _refused(error) from error
    if as_json:
        return json.dumps([_plain(token) for token in found], ensure_ascii=False, indent=1, default=str)
    rows = [
        (
            token.id,
            token.name,
            ",".join(token.scopes),
            ",".join((*token.agents, *token.queues)) or "-",
            f"{token.expires_at:%Y-%m-%d %H:%M}" if token.expires_at else "-",
        )
        for token in found
    ]
    return table(("令牌 id", "名称 name", "权限 scopes", "限于 only for", "到期 until (UTC)"), rows)


async def add(center: Instance, wish: Wish, *, as_json: bool) -> str:
    """The secret with it: it is shown this once."""
    expires_at = datetime.now(UTC) + timedelta(days=wish.days) if wish.days else None
    try:
        async with client(center) as lq:
            token = await lq.add_token(
                wish.name,
                wish.scopes,
                agents=wish.agents,
                queues=wish.queues,
                per_second=wish.per_second,
                expires_at=expires_at,
            )
    except ApiError as error:
        raise _refused(error) from error
    if as_json:
        return json.dumps({**_plain(token), "secret": token.secret}, ensure_ascii=False, indent=1, default=str)
    return f"{token.secret}\n令牌只显示这一次 shown this once; {token.id}: {', '.join(token.scopes)}"


async def revoke(center: Instance, token: str, *, as_json: bool) -> str:
    try:
        async with client(center) as lq:
            await lq.revoke_token(token)
    except ApiError as error:
        raise _refused(error) from error
    return json.dumps({"revoked": token}) if as_json else f"已吊销 revoked: {token}"


async def webhooks(center: Instance, webhook: str, *, as_json: bool) -> str:
    """All webhooks, or the latest deliveries of one."""
    try:
        async with client(center) as lq:
            if not webhook:
                hooks = await lq.documents("webhooks")
            else:
                deliveries = (await lq.deliveries(webhook)).items
    except ApiError as error:
        raise _refused(error) from error
    if not webhook:
        if as_json:
            return json.dumps([dict(hook.body) for hook in hooks], ensure_ascii=False, indent=1)
        rows = [
            (
                hook.id,
                "是 yes" if hook.body.get("enabled", True) else "否 no",
                str(hook.body.get("template", "lcall")),
                str(hook.body["url"]),
            )
            for hook in hooks
        ]
        return table(("推送 id", "启用 on", "格式 template", "地址 url"), rows)
    if as_json:
        return json.dumps([asdict(each) for each in deliveries], ensure_ascii=False, indent=1, default=str)
    head = ("序号 id", "时间 at (UTC)", "事件 event", "状态 state", "次数 tries", "结果 last answer")
    return table(head, [_row(each) for each in deliveries])


def _row(delivery: Delivery) -> tuple[str, ...]:
    last = delivery.attempts[-1] if delivery.attempts else None
    answer = "-" if last is None else last.error or str(last.status)
    at = f"{delivery.created_at:%m-%d %H:%M:%S}"
    return str(delivery.id), at, delivery.type, delivery.state, str(len(delivery.attempts)), answer


def _plain(token: Token) -> dict[str, object]:
    """Without its secret."""
    return {name: value for name, value in asdict(token).items() if name != "secret"}


def _refused(error: ApiError) -> HomeError:
    if not error.status:
        return HomeError(f"LQ-SDK 无应答 the api does not answer: {error.message}")
    return HomeError(f"{error.field}: {error.message}" if error.field else error.message)
