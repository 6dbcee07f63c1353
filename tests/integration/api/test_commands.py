"""What is done with contacts: each verb as the owner hears it, and what is refused before it gets there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

from lq.ledger.projection import project
from lq.live.redis import Live
from lq.sdk import ApiError, Client, Contact
from tests.integration.ledger import services
from tests.unit.ledger.lives import answered_call

from .conftest import Api, serving
from .owner import NODE, owning, waiting_contact

Call = Callable[[Client], Awaitable[Contact]]

AGENT: Final = {"agent": "1001"}
VERBS: Final[list[tuple[str, Call, dict[str, Any]]]] = [
    ("answer", lambda lq: lq.answer("c9", "1001"), AGENT),
    ("reject", lambda lq: lq.reject("c9", "1001"), AGENT),
    ("hang_up", lambda lq: lq.hang_up("c9", "1001"), AGENT),
    ("hang_up", lambda lq: lq.hang_up("c9"), {}),
    ("hold", lambda lq: lq.hold("c9", "1001"), AGENT),
    ("resume", lambda lq: lq.resume("c9", "1001"), AGENT),
    ("mute", lambda lq: lq.mute("c9", "1001"), AGENT),
    ("unmute", lambda lq: lq.unmute("c9", "1001"), AGENT),
    ("send_dtmf", lambda lq: lq.send_dtmf("c9", "1001", "12#*A"), {**AGENT, "digits": "12#*A"}),
    ("transfer", lambda lq: lq.transfer("c9", "1001", "1002"), {**AGENT, "to": "1002", "mode": "blind"}),
    (
        "transfer",
        lambda lq: lq.transfer("c9", "1001", "queue:sales", "consult"),
        {**AGENT, "to": "queue:sales", "mode": "consult"},
    ),
    ("transfer_complete", lambda lq: lq.complete_transfer("c9", "1001"), AGENT),
    ("transfer_cancel", lambda lq: lq.cancel_transfer("c9", "1001"), AGENT),
    ("transfer_conference", lambda lq: lq.conference("c9", "1001"), AGENT),
    ("pick_up", lambda lq: lq.pick_up("c9", "1001"), AGENT),
    ("release", lambda lq: lq.release("c9", "1001"), AGENT),
    ("monitor", lambda lq: lq.monitor("c9", "1001", "take-over"), {**AGENT, "mode": "take-over"}),
    ("monitor_end", lambda lq: lq.end_monitor("c9", "1001"), AGENT),
    ("record", lambda lq: lq.record("c9", "pause", "1001"), {**AGENT, "action": "pause"}),
    ("record", lambda lq: lq.record("c9", "start"), {"action": "start"}),
]


async def test_each_verb_reaches_the_owner_in_his_words(api: Api, live: Live) -> None:
    await waiting_contact(live, "c9")
    async with owning(live) as owner, api.client() as lq:
        for _, call, _ in VERBS:
            assert (await call(lq)).id == "c9"
        assert owner.heard == [("c9", verb, body) for verb, _, body in VERBS]


async def test_what_the_owner_refuses_is_told_with_the_contact_as_it_is(api: Api, live: Live) -> None:
    await waiting_contact(live, "c9")
    async with owning(live) as owner, api.client() as lq:
        for status, code, present in ((409, "not_talking", "c9"), (400, "unknown_verb", None), (403, "no_right", None)):
            owner.refuses = {"status": status, "error": {"code": code, "message": "not now"}}
            with pytest.raises(ApiError, match=f"{status} {code}: not now") as refused:
                await lq.hold("c9", "1001")
            assert (refused.value.present or {}).get("id") == present
        with pytest.raises(ApiError, match="404"):
            await lq.hold("nobody", "1001")


LONG: Final = "1" * 65
WRONG: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("hold", {}, "agent"),
    ("hold", {"agent": None}, "agent"),
    ("hold", {"agent": ""}, "agent"),
    ("hold", {"agent": LONG}, "agent"),
    ("hold", {"agent": 1001}, "agent"),
    ("hold", {"agent": "10\n01"}, "agent"),
    ("send-dtmf", AGENT, "digits"),
    *(("send-dtmf", {**AGENT, "digits": digits}, "digits") for digits in ("", "12x", "1\n", LONG, 12, "１")),
    ("transfer", {**AGENT, "to": "1002"}, "mode"),
    ("transfer", {**AGENT, "mode": "blind"}, "to"),
    ("transfer", {**AGENT, "to": "1002", "mode": "warm"}, "mode"),
    *(
        ("transfer", {**AGENT, "to": to, "mode": "blind"}, "to")
        for to in ("", "a b", "sip:x@y", "1002\r\nVia: x", "shop:1", "queue:", "queue:a b", "<script>", "../x", LONG)
    ),
    ("monitor", {**AGENT, "mode": "look"}, "mode"),
    ("recording", {**AGENT}, "action"),
    ("recording", {**AGENT, "action": "erase"}, "action"),
]


async def test_a_body_that_cannot_be_is_refused_with_its_field(api: Api, live: Live) -> None:
    await waiting_contact(live, "c9")
    async with owning(live) as owner, api.http() as http:
        for path, body, field in WRONG:
            answer = await http.post(f"/v1/contacts/c9/{path}", json=body)
            assert (answer.status_code, answer.json()["error"]["field"]) == (422, field), (path, body, answer.text)
        no_agent = await http.delete("/v1/contacts/c9/monitor")
        assert (no_agent.status_code, no_agent.json()["error"]["field"]) == (422, "agent")
        assert owner.heard == [], "nothing of it got there"
        for to in ("1002", "8002", "queue:sales", "ivr:main", "conference:0199-a", "+8613800138000", "9010-6552 0000"):
            answer = await http.post("/v1/contacts/c9/transfer", json={**AGENT, "to": to, "mode": "blind", "new": 1})
            assert answer.status_code == 200, to
        assert [body["to"] for _, _, body in owner.heard][-1] == "9010-6552 0000"
        assert all("new" not in body for _, _, body in owner.heard), "a field of another version is passed over"


@pytest.mark.slow
async def test_a_command_whose_answer_was_lost_comes_again_as_the_same(api: Api, live: Live) -> None:
    """Nobody answers; the owner hears both under one id, and knows a repeat by it. Another body is another command."""
    await waiting_contact(live, "c9")
    key = {"Idempotency-Key": "lost"}
    async with api.http() as http:
        for agent in ("1001", "1001", "1002"):
            answer = await http.post("/v1/contacts/c9/hold", json={"agent": agent}, headers=key, timeout=10)
            assert answer.status_code == 503
    first, second, other = [message for _, message in await live.inbox(NODE, "0", block_ms=5000)]
    assert first["id"] == second["id"] != other["id"] and first["reply_to"] != second["reply_to"]


async def test_a_command_comes_again_when_its_contact_is_over(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    """It hears the first answer, a refusal too: kept by its key, or by its owner if the answer itself was lost."""
    await waiting_contact(live, "c9")
    hold = {"Idempotency-Key": "hold"}
    async with owning(live) as owner, api.http() as http:
        first = await http.post("/v1/contacts/c9/hold", json=AGENT, headers=hold)
    refused = {"status": 409, "error": {"code": "not_talking", "message": "not now"}}
    async with api.http() as http:
        answers = {}
        for key, answer in (("lost", {"status": 200}), ("lost-refusal", refused)):
            lost = {"Idempotency-Key": key}
            assert (await http.post("/v1/contacts/c9/mute", json=AGENT, headers=lost, timeout=10)).status_code == 503
            *_, (_, message) = await live.inbox(NODE, "0", block_ms=5000)
            answers[message["id"]] = answer
        await live.keep_answers("c9", answers)
        await live.commit("c9", node=NODE, epoch=1, snapshot=None)
        async with rows.transaction():
            await project(rows, [replace(event, id=f"{event.at}-{n}") for n, event in enumerate(answered_call("c9"))])
        again = await http.post("/v1/contacts/c9/hold", json=AGENT, headers=hold)
        assert (again.status_code, again.json()) == (200, first.json()) and len(owner.heard) == 1
        for key, code, what in (("lost", 200, "ended"), ("lost-refusal", 409, "not_talking"), ("new", 409, "ended")):
            answer = await http.post("/v1/contacts/c9/mute", json=AGENT, headers={"Idempotency-Key": key})
            assert answer.status_code == code, (key, answer.text)
            assert (answer.json()["state"] if code == 200 else answer.json()["error"]["code"]) == what


async def given_up(http: httpx.AsyncClient, live: Live, key: str) -> str:
    """Nobody answers a command with this key; what it is called within the house."""
    lost = await http.post("/v1/contacts/c9/mute", json=AGENT, headers={"Idempotency-Key": key}, timeout=10)
    assert lost.status_code == 503
    *_, (_, message) = await live.inbox(NODE, "0", block_ms=5000)
    return str(message["id"])


async def test_that_a_contact_is_over_needs_no_history(
    live: Live, redis_server: services.Redis, tmp_path: Path
) -> None:
    """PostgreSQL is away: a refusal is told again, anything new is too late, both without the contact. What was carried
    out is answered by the contact, which has to be waited for."""
    refused = {"status": 409, "error": {"code": "not_talking", "message": "not now"}}
    await waiting_contact(live, "c9")
    async with (
        serving("postgresql://lcall@127.0.0.1:1/none", redis_server.url, tmp_path) as api,
        api.http() as http,
    ):
        answers = {await given_up(http, live, "refused"): refused, await given_up(http, live, "done"): {"status": 200}}
        await live.keep_answers("c9", answers)
        await live.commit("c9", node=NODE, epoch=1, snapshot=None)
        for key, status, code in (
            ("refused", 409, "not_talking"),
            ("new", 409, "ended"),
            ("done", 503, "history_unavailable"),
        ):
            answer = await http.post("/v1/contacts/c9/mute", json=AGENT, headers={"Idempotency-Key": key}, timeout=10)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (status, code) and "present" not in error
        keyless = await http.post("/v1/contacts/c9/hang-up", json={}, timeout=10)
        assert (keyless.status_code, keyless.json()["error"]["code"]) == (409, "ended")


async def test_a_contact_that_the_journal_has_not_written_yet_is_over_all_the_same(api: Api, live: Live) -> None:
    await waiting_contact(live, "c9")
    await live.commit("c9", node=NODE, epoch=1, snapshot=None)
    async with api.http() as http:
        over = await http.post("/v1/contacts/c9/hold", json=AGENT)
        assert (over.status_code, over.json()["error"]["code"]) == (409, "ended")
        assert (await http.post("/v1/contacts/none/hold", json=AGENT)).status_code == 404


async def test_a_command_with_the_same_key_is_carried_out_once(api: Api, live: Live) -> None:
    await waiting_contact(live, "c9")
    async with owning(live) as owner, api.http() as http:
        key = {"Idempotency-Key": "k"}
        for _ in range(2):
            assert (await http.post("/v1/contacts/c9/hold", json=AGENT, headers=key)).status_code == 200
        assert len(owner.heard) == 1
        other = await http.post("/v1/contacts/c9/hold", json={"agent": "1002"}, headers=key)
        assert (other.status_code, other.json()["error"]["code"]) == (422, "key_reused")
