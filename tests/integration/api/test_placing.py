"""POST /v1/contacts: which node is asked, in which words, and what becomes of its answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import pytest

from lq.contacts.contact import Contact
from lq.contacts.view import contact_json
from lq.live.redis import Live
from lq.live.values import EngageOp
from lq.sdk import ApiError
from lq.trunks.numbers import Number
from tests.unit.ledger.lives import START, Life

from .conftest import Api
from .test_api import store

BUSY, IDLE, LEAVING = "lq1-00000001", "lq2-00000002", "lq3-00000003"
Heard = list[tuple[str, dict[str, Any]]]


@contextlib.asynccontextmanager
async def nodes(live: Live, refuses: Mapping[str, Any] | None = None) -> AsyncIterator[Heard]:
    """Three nodes; IDLE answers what it is asked."""
    for node, load, draining in ((BUSY, 7, False), (IDLE, 2, False), (LEAVING, 0, True)):
        await live.renew("lq", node, incarnation=node, load=load, draining=draining, lease_ms=60_000)
    heard: Heard = []
    running = asyncio.create_task(_answer(live, heard, refuses))
    try:
        yield heard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _answer(live: Live, heard: Heard, refuses: Mapping[str, Any] | None) -> None:
    after = "0"
    while True:
        for id, message in await live.inbox(IDLE, after, block_ms=1000):
            after = id
            assert message["type"] == "place"
            heard.append((message["contact"], message["body"]))
            done = {"status": 201, "contact": shown(message["contact"])}
            await live.reply(message["reply_to"], refuses or done)


def begun(contact: str) -> str:
    """Its snapshot."""
    number = Number("13800138000", "+8613800138000", "13800138000", "mobile")
    return json.dumps(Contact(contact, "placing", "out", START, number, number, "phone:8001", "out").to_json())


def shown(contact: str) -> dict[str, Any]:
    return contact_json(json.loads(begun(contact)))


async def ready(live: Live, agent: str = "1001", phone: str = "8001") -> None:
    await live.phone(phone, True, 3_600_000)
    await live.agent(agent, "sign_in", phone=phone)


async def test_the_node_with_the_least_load_begins_it(api: Api, live: Live) -> None:
    await ready(live)
    async with nodes(live) as heard, api.http() as http:
        asked = {"agent": "1001", "to": "13800138000", "purpose": "call back"}
        answers = [
            await http.post("/v1/contacts", json=asked, headers={"Idempotency-Key": "k"}),
            await http.post("/v1/contacts", json=asked, headers={"Idempotency-Key": "k"}),
        ]
    assert [answer.status_code for answer in answers] == [201, 201]
    [(contact, body)] = heard
    assert body == {"phone": "8001", **asked}
    assert all(answer.json()["id"] == contact and answer.json()["direction"] == "out" for answer in answers)


async def test_who_is_not_to_be_had_is_refused_as_he_is(api: Api, live: Live) -> None:
    async with nodes(live) as heard, api.client() as lq:
        with pytest.raises(ApiError) as unknown:
            await lq.place("9999", "13800138000")
        with pytest.raises(ApiError) as signed_out:
            await lq.place("1001", "13800138000")
        await ready(live)
        await live.commit("c1", node=BUSY, epoch=1, snapshot="{}", engages=[EngageOp(1, agent="1001", own=True)])
        with pytest.raises(ApiError) as dialing:
            await lq.place("1001", "13800138000")
        assert heard == []
    assert unknown.value.status == 404
    for refused, state in ((signed_out, "signed_out"), (dialing, "dialing")):
        assert refused.value.status == 409 and (refused.value.present or {})["state"] == state


@pytest.mark.parametrize(
    ("status", "code", "field"), [(403, "permission", "to"), (422, "invalid", "to"), (503, "live_unavailable", None)]
)
async def test_what_the_node_refuses_is_told(api: Api, live: Live, status: int, code: str, field: str | None) -> None:
    await ready(live)
    refusal = {"status": status, "error": {"code": code, "message": "not so", "field": field}}
    async with nodes(live, refusal), api.client() as lq:
        with pytest.raises(ApiError) as refused:
            await lq.place("1001", "13800138000")
    assert (refused.value.status, refused.value.code, refused.value.field) == (status, code, field)


async def test_no_node_takes_calls(api: Api, live: Live) -> None:
    await ready(live)
    async with api.client() as lq:
        with pytest.raises(ApiError) as refused:
            await lq.place("1001", "13800138000")
    assert refused.value.status == 503


@pytest.mark.parametrize("to", ["1002", "8002", "queue:sales", "ivr:main", "conference:demo", "13800138000"])
async def test_whatever_a_call_may_go_to_is_asked_of_a_node(api: Api, live: Live, to: str) -> None:
    """DESIGN §9: which of them there is says its configuration."""
    await ready(live)
    async with nodes(live) as heard, api.http() as http:
        answer = await http.post("/v1/contacts", json={"agent": "1001", "to": to})
    assert answer.status_code == 201 and [body["to"] for _, body in heard] == [to]


@pytest.mark.parametrize("to", ["", "room:1", "conference:", "a b", 7])
async def test_a_target_that_cannot_be_is_refused_at_once(api: Api, live: Live, to: Any) -> None:
    async with api.http() as http:
        answer = await http.post("/v1/contacts", json={"agent": "1001", "to": to})
    assert answer.status_code == 422 and answer.json()["error"]["field"] == "to"


async def test_a_repeat_after_a_lost_answer_is_the_same_call(api: Api, live: Live) -> None:
    """The node has begun it and nobody heard so: the agent is dialing by now, and his program hears 201."""
    await ready(live)
    asked, key = {"agent": "1001", "to": "13800138000"}, {"Idempotency-Key": "lost"}
    async with api.http() as http:
        await live.renew("lq", IDLE, incarnation=IDLE, load=2, draining=False, lease_ms=60_000)
        lost = asyncio.create_task(http.post("/v1/contacts", json=asked, headers=key, timeout=10))
        [(place, first)] = await live.inbox(IDLE, "0", block_ms=5000)
        await live.commit(
            first["contact"],
            node=IDLE, epoch=1, snapshot=begun(first["contact"]),
            engages=[EngageOp(1, agent="1001", own=True)],
        )  # fmt: skip
        assert (await lost).status_code == 503
        again = asyncio.create_task(http.post("/v1/contacts", json=asked, headers=key, timeout=10))
        [(_, second)] = await live.inbox(IDLE, place, block_ms=5000)
        assert (second["contact"], second["id"]) == (first["contact"], first["id"])
        await live.reply(second["reply_to"], {"status": 201, "contact": shown(first["contact"])})
        answer = await again
    assert (answer.status_code, answer.json()["id"]) == (201, first["contact"])


@pytest.mark.parametrize(("result", "called_again"), [("no_answer", False), ("refused", True)])
async def test_a_repeat_of_a_call_that_is_over(
    api: Api, live: Live, rows: asyncpg.Connection, result: str, called_again: bool
) -> None:
    """Nobody is called twice. Of one that was refused at once nothing has come: it is tried anew."""
    await ready(live)
    asked, key = {"agent": "1001", "to": "13800138000"}, {"Idempotency-Key": "over"}
    await live.renew("lq", IDLE, incarnation=IDLE, load=2, draining=False, lease_ms=60_000)
    async with api.http() as http:
        lost = asyncio.create_task(http.post("/v1/contacts", json=asked, headers=key, timeout=10))
        [(place, first)] = await live.inbox(IDLE, "0", block_ms=5000)
        assert (await lost).status_code == 503
        await store(rows, Life(first["contact"]).start().end(result, "system", 19).events)
        again = asyncio.create_task(http.post("/v1/contacts", json=asked, headers=key, timeout=10))
        if called_again:
            [(_, second)] = await live.inbox(IDLE, place, block_ms=5000)
            assert second["contact"] != first["contact"]
            await live.reply(second["reply_to"], {"status": 201, "contact": shown(second["contact"])})
        answer = await again
    assert answer.status_code == 201 and (answer.json()["id"] != first["contact"]) == called_again


@pytest.mark.parametrize("known", ["over", "answer", "refusal"])
async def test_a_repeat_of_a_call_that_the_journal_has_not_written_yet(
    api: Api, live: Live, rows: asyncpg.Connection, known: str
) -> None:
    """Redis knows that there was one, for a while: nobody is called twice, unless nothing came of it."""
    await ready(live)
    asked, key = {"agent": "1001", "to": "13800138000"}, {"Idempotency-Key": "behind"}
    await live.renew("lq", IDLE, incarnation=IDLE, load=2, draining=False, lease_ms=60_000)
    async with api.http() as http:
        lost = asyncio.create_task(http.post("/v1/contacts", json=asked, headers=key, timeout=10))
        [(place, first)] = await live.inbox(IDLE, "0", block_ms=5000)
        assert (await lost).status_code == 503
        if known == "answer":
            await live.keep_answers(first["contact"], {first["id"]: {"status": 200}})
        else:
            for snapshot in (begun(first["contact"]), None):
                await live.commit(first["contact"], node=IDLE, epoch=1, snapshot=snapshot)
        if known == "refusal":
            error = {"code": "conflict", "message": "agent 1001 is talking"}
            await live.keep_answers(first["contact"], {first["id"]: {"status": 409, "error": error}})
        again = asyncio.create_task(http.post("/v1/contacts", json=asked, headers=key, timeout=10))
        if known == "refusal":
            [(_, second)] = await live.inbox(IDLE, place, block_ms=5000)
            assert second["contact"] != first["contact"]
            await live.reply(second["reply_to"], {"status": 201, "contact": shown(second["contact"])})
            assert (await again).status_code == 201
            return
        behind = await again
        assert (behind.status_code, behind.json()["error"]["code"]) == (503, "history_unavailable")
        assert await live.inbox(IDLE, place, block_ms=0) == []
        await store(rows, Life(first["contact"]).start().end("no_answer", "system", 19).events)
        answer = await http.post("/v1/contacts", json=asked, headers=key, timeout=10)
    assert (answer.status_code, answer.json()["id"]) == (201, first["contact"])
