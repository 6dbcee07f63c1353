"""Agents and queues in a terminal, read through LQ-SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from lq.sdk.client import Client
from lq.sdk.errors import ApiError
from ops.home import HomeError
from ops.screen import table
from ops.services import Instance

CLEARED_WITHIN_S: Final = 20.0
LOOK_S: Final = 0.1


async def agents(center: Instance, *, as_json: bool) -> str:
    """Those who are signed in first. Raises HomeError when the api does not answer."""
    try:
        async with client(center) as lq:
            found = await lq.agents()
    except ApiError as error:
        raise _away(error) from error
    if as_json:
        return _json(found)
    here = sorted(found, key=lambda agent: (agent.state == "signed_out", agent.id))
    rows = [
        (
            agent.id,
            agent.name,
            agent.state + (f" ({agent.reason})" if agent.reason else ""),
            _age(agent.since),
            agent.phone or "-",
            agent.contact or "-",
        )
        for agent in here
    ]
    return table(("工号 id", "姓名 name", "状态 state", "时长 for", "话机 phone", "呼叫 contact"), rows)


async def hang_up(center: Instance) -> None:
    """Ends every call, also those that come in meanwhile. Raises HomeError when the api does not answer, or when calls
    are left after CLEARED_WITHIN_S."""
    try:
        async with client(center) as lq, asyncio.timeout(CLEARED_WITHIN_S):
            while found := (await lq.contacts("active", limit=500)).items:
                await asyncio.gather(*(_ended(lq, contact.id) for contact in found))
                await asyncio.sleep(LOOK_S)
    except ApiError as error:
        raise _away(error) from error
    except TimeoutError as error:
        raise HomeError("还有通话没有挂断 calls are left; the center runs on") from error


async def _ended(lq: Client, contact: str) -> None:
    try:
        await lq.hang_up(contact)
    except ApiError as error:
        if error.status not in (404, 409):  # it has ended by itself
            raise


async def queues(center: Instance, *, as_json: bool) -> str:
    """Raises HomeError when the api does not answer."""
    try:
        async with client(center) as lq:
            found = await lq.queues()
    except ApiError as error:
        raise _away(error) from error
    if as_json:
        return _json(found)
    rows = [
        (
            queue.id,
            queue.name,
            *(_number(n) for n in (queue.waiting, queue.oldest_wait_s, queue.ready, queue.talking)),
            *(_number(n) for n in (queue.answered, queue.abandoned)),
        )
        for queue in found
    ]
    head = ("技能组 queue", "名称 name", "排队 waiting", "最长 oldest s", "空闲 ready", "通话 talking")
    return table((*head, "接听 answered", "放弃 abandoned"), rows)


def client(center: Instance) -> Client:
    return Client(f"http://127.0.0.1:{center.ports.api}", center.home.sdk_token.read_text().strip(), timeout_s=5)


def _away(error: ApiError) -> HomeError:
    return HomeError(f"LQ-SDK 无应答 the api does not answer: {error.message}")


def _json(found: Iterable[Any]) -> str:
    return json.dumps([asdict(value) for value in found], ensure_ascii=False, indent=1, default=str)


def _age(since: datetime | None) -> str:
    if since is None:
        return "-"
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
