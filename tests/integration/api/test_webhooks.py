"""Webhooks as the api shows them, and the command line for tokens and deliveries."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest

from lq.live.redis import Live
from lq.sdk import ApiError
from ops import tokens
from ops.home import HomeError
from ops.services import Instance

from .conftest import Api

HOOK = {"url": "https://crm.example/calls", "secret": "0123456789abcdef", "events": ["contact_ended"]}
ATTEMPT = {"at": "2026-11-24T08:00:00.000Z", "took_ms": 12, "status": 500, "error": None}


async def delivered(rows: asyncpg.Connection, state: str, attempts: list[dict[str, Any]]) -> None:
    await rows.execute(
        "insert into webhook_delivery (webhook, event, type, contact, body, state, attempts)"
        " values ('crm', '1-0', 'contact_ended', 'c1', '{\"number\": \"13800138000\"}', $1, $2)",
        *(state, json.dumps(attempts)),
    )


async def test_a_secret_is_written_and_never_shown(api: Api, live: Live) -> None:
    async with api.client() as lq:
        shown = await lq.put_document("webhooks", "crm", HOOK)
        assert shown.body == {"id": "crm", "url": HOOK["url"], "events": ["contact_ended"]}
        changed = await lq.put_document("webhooks", "crm", {**shown.body, "enabled": False})
        assert "secret" not in changed.body
        assert (await live.config("webhooks"))["crm"] == {**HOOK, "id": "crm", "enabled": False}
        with pytest.raises(ApiError) as refused:
            await lq.put_document("webhooks", "new", {"url": "https://crm.example/", "events": ["contacts"]})
        assert (refused.value.status, refused.value.field) == (422, "secret")


async def test_deliveries_are_shown_latest_first_without_what_was_sent(api: Api, rows: asyncpg.Connection) -> None:
    async with api.client() as lq, api.http() as http:
        with pytest.raises(ApiError, match="404"):
            await lq.deliveries("crm")
        await lq.put_document("webhooks", "crm", HOOK)
        assert (await lq.deliveries("crm")).items == ()
        for state in ("done", "queued", "failed"):
            await delivered(rows, state, [ATTEMPT] if state != "queued" else [])
        page = await lq.deliveries("crm", limit=2)
        rest = await lq.deliveries("crm", limit=2, cursor=page.next)
        assert [each.state for each in (*page.items, *rest.items)] == ["failed", "queued", "done"] and rest.next is None
        failed, queued = page.items
        assert (failed.attempts[0].status, failed.contact, failed.next_at) == (500, "c1", None)
        assert queued.next_at is not None
        assert "13800138000" not in (await http.get("/v1/webhooks/crm/deliveries")).text


async def test_tokens_and_deliveries_in_a_terminal(api: Api, rows: asyncpg.Connection) -> None:
    ports = SimpleNamespace(api=int(api.url.rpartition(":")[2]))
    center = cast(Instance, SimpleNamespace(ports=ports, home=SimpleNamespace(sdk_token=api.home / "sdk.token")))
    wish = tokens.Wish("CRM", ["read", "events"], agents=["1001"], days=30)
    secret, _, said = (await tokens.add(center, wish, as_json=False)).partition("\n")
    assert secret.startswith("lcall_") and secret not in said
    async with api.client(secret) as program:
        assert [agent.id for agent in await program.agents()] == ["1001"]
    listed = json.loads(await tokens.listing(center, as_json=True))
    assert [(each["name"], each["agents"]) for each in listed] == [("CRM", ["1001"])] and "secret" not in listed[0]
    assert "CRM" in await tokens.listing(center, as_json=False)
    with pytest.raises(HomeError, match=r"scopes\.0"):
        await tokens.add(center, tokens.Wish("x", ["all"]), as_json=False)
    assert listed[0]["id"] in await tokens.revoke(center, listed[0]["id"], as_json=False)
    with pytest.raises(HomeError, match="no token"):
        await tokens.revoke(center, listed[0]["id"], as_json=False)
    async with api.client() as lq:
        await lq.put_document("webhooks", "crm", HOOK)
    await delivered(rows, "failed", [ATTEMPT])
    assert "https://crm.example/calls" in await tokens.webhooks(center, "", as_json=False)
    assert "500" in await tokens.webhooks(center, "crm", as_json=False)
    [told] = json.loads(await tokens.webhooks(center, "crm", as_json=True))
    assert told["attempts"][0]["status"] == 500
