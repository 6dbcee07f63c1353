"""The one list of alarms, as the watch keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx
from sanic import Request

from lq.api import context
from lq.ledger.shown import rfc3339_or_none

WITHIN_S: Final = 2.0
NOBODY_LOOKS: Final[Mapping[str, Any]] = {
    "id": "process_down:watch",
    "severity": "critical",
    "about": "watch",
    "since": None,
    "value": 1.0,
    "zh": "没有人在监视：watch 进程没有应答",
    "en": "nobody looks: the process watch does not answer",
    "do_zh": "查看 lcall logs watch",
    "do_en": "see lcall logs watch",
}


async def listing(request: Request) -> dict[str, Any]:
    """Worst first. That nobody looks is an alarm too."""
    url = context.of(request).places.watch
    try:
        async with httpx.AsyncClient(timeout=WITHIN_S, trust_env=False) as http:
            answer = await http.get(f"{url}/alarms")
            items: list[dict[str, Any]] = [
                {**alarm, "since": rfc3339_or_none(alarm["since"])} for alarm in answer.json()["items"]
            ]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        items = [dict(NOBODY_LOOKS)]
    return {"items": items, "next": None}
