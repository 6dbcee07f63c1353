"""LQ-SDK from outside: the real server, the real client."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

from lq.config import publish, seed
from lq.ledger.events import Event
from lq.ledger.projection import project
from lq.live.redis import Live
from lq.sdk import ApiError, ApiUnavailable, Document
from ops.redis_files import ACL
from tests.integration.ledger import services
from tests.integration.ledger.services import eventually
from tests.unit.ledger.lives import START, Life, answered_call

from .conftest import TOKEN, Api, serving
from .owner import waiting_contact
from .schema import violations

WAV = bytes(range(256)) * 1000


async def store(rows: asyncpg.Connection, events: Sequence[Event]) -> None:
    """As the journal would."""
    numbered = [Event(e.type, e.at, e.subject, e.seq, e.data, f"{e.at}-{n}") for n, e in enumerate(events)]
    async with rows.transaction():
        await project(rows, numbered)


# -- agents ------------------------------------------------------------------------------------------------------------


async def test_an_agents_day(api: Api, live: Live) -> None:
    await live.phone("8001", True, 60_000)
    async with api.client() as lq:
        assert (await lq.agent("1001")).state == "signed_out"
        agent = await lq.sign_in("1001", "8001")
        assert (agent.state, agent.phone, agent.queues) == ("ready", "8001", ("sales",))
        assert agent.since is not None and agent.since.tzinfo is not None
        agent = await lq.pause("1001", "meal")
        assert (agent.state, agent.reason) == ("paused", "meal")
        assert (await lq.ready("1001")).state == "ready"
        assert (await lq.sign_out("1001")).state == "signed_out"
        agents = await lq.agents()
        assert len(agents) == 102 and agents[0].name == "王芳"


async def test_what_an_agent_cannot_do_says_why_and_how_things_are(api: Api) -> None:
    async with api.client() as lq:
        with pytest.raises(ApiError) as conflict:
            await lq.ready("1001")
        assert (conflict.value.status, conflict.value.code) == (409, "conflict")
        assert conflict.value.present is not None and conflict.value.present["state"] == "signed_out"
        assert conflict.value.present["queues"] == ["sales"]
        for call, status, field in (
            (lq.sign_in("1001", "9999"), 422, "phone"),
            (lq.sign_in("7777", "8001"), 404, None),
            (lq.agent("7777"), 404, None),
            (lq.pause("1001", ""), 422, "reason"),
            (lq.pause("1001", "x" * 300), 422, "reason"),
        ):
            with pytest.raises(ApiError) as refused:
                await call
            assert (refused.value.status, refused.value.field) == (status, field)


async def test_he_signs_in_at_nobodys_phone_or_his_own_and_at_no_disabled_one(api: Api, live: Live) -> None:
    """A phone's rights to call come with it."""
    async with api.client() as lq:
        for phone, said in (("8003", {"agent": "1002", "calls": "international"}), ("8004", {"enabled": False})):
            body = (await lq.document("phones", phone)).body
            await lq.put_document("phones", phone, {**body, **said})
        for phone, status, code in (("8003", 403, "phone_forbidden"), ("8004", 422, "phone_disabled")):
            with pytest.raises(ApiError) as refused:
                await lq.sign_in("1001", phone)
            assert (refused.value.status, refused.value.code, refused.value.field) == (status, code, "phone")
        assert (await lq.agent("1001")).state == "signed_out"
        with pytest.raises(ApiError, match="403"):
            await lq.credentials("1001", "8003")
        assert (await lq.sign_in("1002", "8003")).phone == "8003", "his own"
        assert (await lq.credentials("1002")).phone == "8003"
        assert (await lq.sign_in("1001", "8001")).phone == "8001", "a hot desk"
        assert (await lq.credentials("1001")).phone == "8001"
        await lq.sign_out("1001")
        with pytest.raises(ApiError, match="404"):
            await lq.credentials("1001")


async def test_who_is_disabled_does_not_sign_in(api: Api, live: Live) -> None:
    await live.phone("8006", True, 60_000)
    async with api.client() as lq:
        body = (await lq.document("agents", "1006")).body
        assert (await lq.sign_in("1006", "8006")).state == "ready"
        await lq.put_document("agents", "1006", {**body, "enabled": False})
        assert (await lq.agent("1006")).state == "signed_out"
        with pytest.raises(ApiError) as refused:
            await lq.sign_in("1006", "8006")
        assert (refused.value.status, refused.value.code) == (409, "agent_disabled")
        assert refused.value.present is not None and refused.value.present["state"] == "signed_out"
        await lq.put_document("agents", "1006", body)
        assert (await lq.sign_in("1006", "8006")).state == "ready"
        await lq.sign_out("1006")


async def test_a_post_with_the_same_key_is_done_once(api: Api, live: Live) -> None:
    await live.phone("8001", True, 60_000)
    async with api.http() as http:
        key = {"Idempotency-Key": "k1"}
        first = await http.post("/v1/agents/1001/sign-in", json={"phone": "8001"}, headers=key)
        await http.post("/v1/agents/1001/sign-out")
        again = await http.post("/v1/agents/1001/sign-in", json={"phone": "8001"}, headers=key)
        assert again.json() == first.json() and again.headers["Idempotency-Replayed"] == "true"
        assert (await live.agent_state("1001")).state == "signed_out", "the repeat did nothing"
        other = await http.post("/v1/agents/1001/sign-in", json={"phone": "8002"}, headers=key)
        assert (other.status_code, other.json()["error"]["code"]) == (422, "key_reused")
        refused = {"Idempotency-Key": "k2"}
        assert (await http.post("/v1/agents/1001/ready", headers=refused)).status_code == 409
        replayed = await http.post("/v1/agents/1001/ready", headers=refused)
        assert replayed.status_code == 409 and "present" in replayed.json()["error"]


# -- queues and contacts -----------------------------------------------------------------------------------------------


async def test_a_queue_now_and_today(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    now = await rows.fetchval("select (extract(epoch from now()) * 1000)::bigint")
    for n, life in enumerate([Life("a"), Life("b"), Life("c")]):
        life.at = now
        life.start().queue().wait(5000 + n)
        await store(rows, (life.offer().answer() if n < 2 else life).end("answered" if n < 2 else "abandoned").events)
    await live.phone("8001", True, 60_000)
    await live.agent("1001", "sign_in", phone="8001")
    async with api.client() as lq:

        async def counted() -> Any:
            queue = await lq.queue("sales")
            return queue if queue.answered == 2 else None

        queue = await eventually(counted, "today's counts", 8)
        assert (queue.ready, queue.waiting, queue.abandoned, queue.overflowed) == (1, 0, 1, 0)
        assert queue.service_level == {"20": round(2 / 3, 4)} and queue.ewt_s == 0
        assert (queue.in_time, queue.counted) == (2, 3)
        assert [queue.id for queue in await lq.queues()] == ["sales", "support"]
        with pytest.raises(ApiError, match="404"):
            await lq.queue("shop")


async def test_contacts_alive_are_shown_in_pages_and_found_by_number(api: Api, live: Live) -> None:
    ids = [f"0199-{n}" for n in range(5)]
    for n, id in enumerate(ids):
        await waiting_contact(live, id, f"1380013800{n}")
    async with api.client() as lq:
        first = await lq.contacts(limit=2)
        assert [c.id for c in first.items] == ["0199-4", "0199-3"]
        rest = await lq.contacts(limit=3, cursor=first.next)
        assert [c.id for c in rest.items] == ["0199-2", "0199-1", "0199-0"] and rest.next is None
        [found] = (await lq.contacts(number="38002")).items
        assert (found.id, found.state, found.queue) == ("0199-2", "queued", "sales")
        assert (await lq.contact("0199-1")).number == "+8613800138001"
        with pytest.raises(ApiError, match="404"):
            await lq.contact("none")


async def test_hanging_up_is_done_by_the_owner(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    await waiting_contact(live, "c9")

    async def owner() -> dict[str, Any]:
        [(id, message)] = await live.inbox("lq1-00000001", block_ms=5000)
        await live.taken("lq1-00000001", id)
        await live.reply(message["reply_to"], answer)
        return message

    async with api.client() as lq, api.http() as http:
        shown = (await http.get("/v1/contacts/c9")).json()
        answer: dict[str, Any] = {"status": 409, "error": {"code": "ended", "message": "the contact has ended"}}
        working = asyncio.create_task(owner())
        with pytest.raises(ApiError, match="409 ended") as refused:
            await lq.hang_up("c9")
        assert refused.value.present is not None and refused.value.present["id"] == "c9"
        await working
        answer = {"status": 200, "contact": {**shown, "state": "ended"}}
        working = asyncio.create_task(owner())
        ended = await lq.hang_up("c9", "1001")
        assert ended.state == "ended"
        message = await working
        assert (message["verb"], message["body"]) == ("hang_up", {"agent": "1001"})
        silent = await http.post("/v1/contacts/c9/hang-up", json={})
        assert (silent.status_code, silent.headers["Retry-After"]) == (503, "1")
        await store(rows, answered_call("c1"))
        over = await http.post("/v1/contacts/c1/hang-up", json={})
        assert (over.status_code, over.json()["error"]["present"]["state"]) == (409, "ended")
        assert (await http.post("/v1/contacts/none/hang-up", json={})).status_code == 404


# -- history -----------------------------------------------------------------------------------------------------------


async def test_cdrs_by_filter_and_page(api: Api, rows: asyncpg.Connection) -> None:
    for n in range(7):
        await store(rows, answered_call(f"c{n}", START + n * 60_000))
    await store(rows, Life("gone", START + 999_000).start("+8613911112222").queue("support").end("abandoned").events)
    async with api.client() as lq:
        page = await lq.cdrs(limit=3)
        assert [cdr.contact_id for cdr in page.items] == ["gone", "c6", "c5"]
        second = await lq.cdrs(limit=3, cursor=page.next)
        third = await lq.cdrs(limit=3, cursor=second.next)
        assert [c.contact_id for c in (*second.items, *third.items)] == ["c4", "c3", "c2", "c1", "c0"]
        assert third.next is None
        one = second.items[0]
        assert (one.wait_s, one.talk_s, one.called, one.result) == (3.0, 30.0, "4008001000", "answered")
        assert one.answered_at is not None and one.queued_at is not None
        assert one.answered_at - one.queued_at == timedelta(seconds=3)
        found: dict[str, int] = {}
        for name, value in (("number", "1111222"), ("queue", "support"), ("agent", "1001"), ("result", "abandoned")):
            found[name] = len((await lq.cdrs(**{name: value})).items)
        assert found == {"number": 1, "queue": 1, "agent": 7, "result": 1}
        assert len((await lq.cdrs(from_=one.started_at, to=page.items[2].started_at)).items) == 1
        assert (await lq.cdrs(number="%")).items == ()
        [ended] = (await lq.contacts("ended", number="13911112222")).items
        assert (ended.id, ended.state, ended.data["result"]) == ("gone", "ended", "abandoned")
        assert [s.kind for s in (await lq.contact("c3")).segments] == ["ivr", "queue", "ring", "talk", "hold", "talk"]


async def recorded(api: Api, rows: asyncpg.Connection, path: str = "2026/11/24/c1-r1.wav") -> None:
    facts: dict[str, Any] = {"path": path, "format": "alaw", "channels": 2, "duration_ms": 42_000, "sha256": "ab"}
    facts |= {"started_at": START, "bytes": len(WAV), "gaps": [{"channel": 0, "start_s": 1.0, "duration_s": 0.2}]}
    await store(rows, Life("c1").record("recording_planned", kind="whole").record("recording_stored", **facts).events)
    file = api.home / "recordings/2026/11/24/c1-r1.wav"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(WAV)


async def test_a_recording_and_any_part_of_its_audio(api: Api, rows: asyncpg.Connection) -> None:
    await recorded(api, rows)
    async with api.client() as lq, api.http() as http:
        recording = await lq.recording("c1-r1")
        assert (recording.state, recording.duration_s, recording.gaps[0]["channel"]) == ("stored", 42.0, 0)
        async with lq.recording_audio("c1-r1") as audio:
            assert audio.status == 200 and b"".join([chunk async for chunk in audio.chunks]) == WAV
        for asked, expected in (("bytes=0-99", WAV[:100]), ("bytes=255000-", WAV[255000:]), ("bytes=-7", WAV[-7:])):
            part = await http.get("/v1/recordings/c1-r1/audio", headers={"Range": asked})
            assert (part.status_code, part.content) == (206, expected)
            assert part.headers["Content-Range"].endswith(f"/{len(WAV)}")
        outside = await http.get("/v1/recordings/c1-r1/audio", headers={"Range": "bytes=999999-"})
        assert outside.status_code == 416
        with pytest.raises(ApiError, match="404"):
            await lq.recording("none-r1")


async def test_a_recording_that_was_deleted_after_its_time(api: Api, rows: asyncpg.Connection) -> None:
    facts: dict[str, Any] = {"path": "2026/11/24/d-r1.wav", "format": "alaw", "channels": 2, "duration_ms": 42_000}
    facts |= {"started_at": START, "bytes": len(WAV), "gaps": [], "sha256": "ab"}
    life = Life("d").record("recording_planned", kind="whole").record("recording_stored", **facts)
    await store(rows, life.record("recording_deleted", kept_days=30).events)
    async with api.http() as http:
        assert (await http.get("/v1/recordings/d-r1")).json()["state"] == "deleted"
        answer = await http.get("/v1/recordings/d-r1/audio")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_audio")
        assert "deleted" in answer.json()["error"]["message"]


async def test_no_path_leads_out_of_the_store(api: Api, rows: asyncpg.Connection) -> None:
    async with api.http() as http:
        await recorded(api, rows)
        for path in ("../sdk.token", "/etc/hostname", "2026/../../sdk.token", ""):
            await rows.execute("update recording set path = $1", path)
            answer = await http.get("/v1/recordings/c1-r1/audio")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_audio"), path
        assert (await http.get("/v1/recordings/..%2Fsdk.token/audio")).status_code == 404


# -- configuration -----------------------------------------------------------------------------------------------------


async def test_a_document_is_written_published_and_guarded(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    async with api.client() as lq, api.http() as http:
        sales = await lq.document("queues", "sales")
        changed = await lq.put_document("queues", "sales", {**sales.body, "ring_s": 15}, if_version=sales.version)
        assert changed.version > sales.version
        assert (await live.config("queues"))["sales"]["ring_s"] == 15
        with pytest.raises(ApiError) as stale:
            await lq.put_document("queues", "sales", sales.body, if_version=sales.version)
        assert stale.value.status == 409 and stale.value.present is not None
        assert stale.value.present["body"]["ring_s"] == 15
        with pytest.raises(ApiError) as wrong:
            await lq.put_document("queues", "sales", {**sales.body, "ring_s": "soon"})
        assert (wrong.value.status, wrong.value.field) == (422, "ring_s")
        new = await http.put("/v1/config/queues/vip", json={"name": "贵宾"}, headers={"X-Operator": "admin"})
        assert new.status_code == 201 and "vip" in await live.config("queues")
        vip = await lq.put_document("queues", "vip", {"name": "贵宾", "ring_s": 15}, operator="admin")
        with pytest.raises(ApiError, match="409 changed") as newer:
            await lq.delete_document("queues", "vip", if_version=new.json()["version"])
        assert newer.value.present is not None and newer.value.present["version"] == vip.version
        assert "vip" in await live.config("queues") and (await lq.document("queues", "vip")) == vip
        unread = await http.delete("/v1/config/queues/vip", headers={"If-Match": "yesterday"})
        assert (unread.status_code, unread.json()["error"]["field"]) == (400, "If-Match")
        await lq.delete_document("queues", "vip", if_version=vip.version)
        with pytest.raises(ApiError, match="404"):
            await lq.delete_document("queues", "vip", if_version=vip.version)
        with pytest.raises(ApiError, match="409 in_use"):
            await lq.delete_document("queues", "sales")
        with pytest.raises(ApiError, match="404"):
            await lq.documents("colours")
        audited = await rows.fetch("select operator, action, object from audit order by id")
        assert [tuple(row) for row in audited][1:] == [
            *[("admin", "config_put", "queues:vip")] * 2,
            ("", "config_delete", "queues:vip"),
        ]


@pytest.mark.parametrize(
    "menu",
    [{"keys": []}, {"keys": {"1": []}}, {"timeout_s": "5s"}, {"timeout_s": None}, {"tries": 0}],
)
async def test_a_flow_that_would_cut_off_its_callers_is_refused(api: Api, live: Live, menu: dict[str, Any]) -> None:
    """It was stored, and failed at the next caller; `[]` was a 500."""
    async with api.client() as lq:
        main = (await lq.document("flows", "main")).body
        broken = {**main, "nodes": {**main["nodes"], "menu": {**main["nodes"]["menu"], **menu}}}
        with pytest.raises(ApiError) as refused:
            await lq.put_document("flows", "main", broken)
    assert (refused.value.status, refused.value.code) == (422, "invalid")
    assert (await live.config("flows"))["main"]["nodes"] == main["nodes"]


async def test_documents_are_written_together_or_not_at_all(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    def agent(id: str, version: int = 0, **body: Any) -> Document:
        return Document("agents", id, version, {"name": f"坐席 {id}", **body})

    async with api.client() as lq:
        good = [agent("2001", queues=["vip"]), Document("queues", "vip", 0, {"name": "贵宾"})]
        assert await lq.put_documents(good, check=True) == 0 and "2001" not in await live.config("agents")
        assert await lq.put_documents(good, guarded=True, operator="李雷") == 2
        assert {"2001"} < set(await live.config("agents")) and "vip" in await live.config("queues")
        with pytest.raises(ApiError, match="409 changed"):
            await lq.put_documents([agent("2002"), agent("2001")], guarded=True)
        bad = [agent("2002"), agent("2003", mobile="1"), agent("2004", role="boss", caller_id="x")]
        with pytest.raises(ApiError) as wrong:
            await lq.put_documents(bad)
        fields = [error["field"] for error in wrong.value.errors]
        assert fields == ["documents.1.mobile", "documents.2.role", "documents.2.caller_id"]
        with pytest.raises(ApiError) as lost:
            await lq.put_documents([agent("2002"), agent("2003", queues=["nothing"])], check=True)
        assert (lost.value.field, lost.value.errors[0]["code"]) == ("documents.1.queues", "reference")
        assert "2002" not in await live.config("agents")
        audited = await rows.fetch("select operator, object from audit order by id")
        assert [tuple(row) for row in audited] == [("李雷", "agents:2001"), ("李雷", "queues:vip")]
        used = await lq.document_users("queues", "vip")
        assert [(one.kind, one.id, one.name, one.field) for one in used] == [("agents", "2001", "坐席 2001", "queues")]
        assert len(await lq.document_users("queues", "sales")) > 60
        with pytest.raises(ApiError, match="404"):
            await lq.document_users("queues", "nothing")


async def test_a_phones_secret_is_written_and_never_shown(api: Api, live: Live) -> None:
    async with api.client() as lq:
        shown = await lq.put_document("phones", "8200", {"password": "geheim", "name": "新话机"})
        assert set(shown.body) == {"id", "name"}
        secret = (await live.config("phones"))["8200"]["ha1"]
        assert re.fullmatch("[0-9a-f]{32}", secret)
        await lq.put_document("phones", "8200", {"name": "改名"})
        assert (await live.config("phones"))["8200"] == {"id": "8200", "name": "改名", "ha1": secret}
        assert all("ha1" not in document.body for document in await lq.documents("phones"))


# -- who may, and what is said when not --------------------------------------------------------------------------------


async def test_only_with_the_token(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as nobody:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            answer = await nobody.get("/v1/agents", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
        assert (await nobody.get("/v1/health")).status_code == 200
    with pytest.raises(ApiError, match="401"):
        async for _ in api.client("wrong").events(after="0"):
            pytest.fail("an event without a token")


UNREADABLE: Final[list[tuple[str, str, bytes, int, str | None]]] = [
    ("GET", "/v1/agents?limit=0", b"", 400, "limit"),
    ("GET", "/v1/agents?limit=501", b"", 400, "limit"),
    ("GET", "/v1/agents?limit=٣", b"", 400, "limit"),
    ("GET", "/v1/contacts?state=odd", b"", 400, "state"),
    ("GET", "/v1/cdrs?from=yesterday", b"", 400, "from"),
    ("GET", "/v1/cdrs?from=2026-11-24T08:00:00", b"", 400, "from"),
    ("GET", "/v1/cdrs?cursor=abc", b"", 400, "cursor"),
    ("GET", "/v1/cdrs?result=odd", b"", 400, "result"),
    ("GET", "/v1/cdrs?number=%00", b"", 400, "number"),
    ("GET", "/v1/events?after=x", b"", 400, "after"),
    ("GET", "/v1/events?topics=weather", b"", 400, "topics"),
    ("POST", "/v1/agents/1001/pause", b"{", 400, ""),
    ("POST", "/v1/agents/1001/pause", b"[]", 400, ""),
    ("POST", "/v1/agents/1001/pause", b'{"reason": 5}', 422, "reason"),
    ("POST", "/v1/agents/1001/wrap-up", b'{"done": "yes"}', 422, "done"),
    ("PUT", "/v1/config/queues/a", b'{"id": "b", "name": "x"}', 422, "id"),
    ("PUT", "/v1/config/queues/a%20b", b'{"name": "x"}', 422, "id"),
    ("POST", "/v1/config", b"{}", 422, "documents"),
    ("POST", "/v1/config", b'{"documents": [5]}', 422, "documents.0"),
    ("POST", "/v1/config", b'{"documents": [{"kind": "queues", "body": {}}]}', 422, "documents.0.id"),
    (
        "POST",
        "/v1/config",
        b'{"documents": [{"kind": "queues", "id": "a", "body": {"id": "b"}}]}',
        422,
        "documents.0.body.id",
    ),
    ("POST", "/v1/config", b'{"documents": [{"kind": "tokens", "id": "a", "body": {}}]}', 404, None),
    ("GET", "/v1/config/queues/sales/users?cursor=x", b"", 400, "cursor"),
    ("GET", "/v1/nothing", b"", 404, None),
    ("PATCH", "/v1/agents", b"", 405, None),
]


async def test_what_cannot_be_read_is_refused_in_the_one_shape(api: Api) -> None:
    async with api.http() as http:
        for method, path, content, status, field in UNREADABLE:
            answer = await http.request(method, path, content=content)
            assert answer.status_code == status, (path, content, answer.text)
            error = answer.json()["error"]
            assert error["field"] == field and error["code"] and error["message"], (path, content)


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "PUT /v1/config/queues/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n"
    writer.write(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 413 ") and b'"too_large"' in answer
    writer.close()
    await writer.wait_closed()


# -- OpenAPI -----------------------------------------------------------------------------------------------------------


async def test_the_openapi_document_is_true(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    await live.phone("8001", True, 60_000)
    await waiting_contact(live, "0199-1")
    await store(rows, answered_call("c1"))
    await recorded(api, rows)
    async with api.http() as http:
        document = (await http.get("/v1/openapi.json")).json()
        calls = [
            ("get", "/v1/health", {}),
            ("get", "/v1/agents", {}),
            ("get", "/v1/agents/{agent}", {"agent": "1001"}),
            ("post", "/v1/agents/{agent}/sign-in", {"agent": "1001"}),
            ("get", "/v1/queues", {}),
            ("get", "/v1/queues/{queue}", {"queue": "sales"}),
            ("get", "/v1/contacts", {}),
            ("get", "/v1/contacts", {"?": "state=ended"}),
            ("get", "/v1/contacts/{contact}", {"contact": "c1"}),
            ("get", "/v1/contacts/{contact}", {"contact": "none"}),
            ("get", "/v1/cdrs", {}),
            ("get", "/v1/recordings/{recording}", {"recording": "c1-r1"}),
            ("get", "/v1/events", {"?": "after=0"}),
            ("get", "/v1/config/{kind}", {"kind": "queues"}),
            ("get", "/v1/config/{kind}/{id}", {"kind": "flows", "id": "main"}),
            ("post", "/v1/agents/{agent}/ready", {"agent": "1002"}),
        ]
        for method, path, names in calls:
            query = names.pop("?", "")
            answer = await http.request(method, f"{path.format(**names)}?{query}", json={"phone": "8001"})
            operation = document["paths"][path][method]
            described = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
            assert violations(answer.json(), described, document) == [], path
            if isinstance(answer.json(), dict) and path not in ("/v1/health",):
                assert answer.json(), path


async def test_it_needs_no_more_of_redis_than_it_is_given(
    dsn: str, redis_server: services.Redis, live: Live, rows: asyncpg.Connection, tmp_path: Path
) -> None:
    rights = ACL["api"].split()
    await live._redis.execute_command("ACL", "SETUSER", "api", "on", ">secret", "resetchannels", *rights)
    await seed.seed(rows)
    await publish.publish(rows, live)
    await live.phone("8001", True, 60_000)
    url = redis_server.url.replace("//", "//api:secret@")
    async with serving(dsn, url, tmp_path) as api, api.client() as lq:
        assert (await lq.sign_in("1001", "8001")).state == "ready"
        assert len(await lq.agents()) == 102 and (await lq.queue("sales")).ready == 1
        async with aclosing(lq.events(after="0")) as events:
            assert (await anext(events)).subject
        await lq.put_document("queues", "vip", {"name": "贵宾"})
        assert "vip" in await live.config("queues")
    assert "NOPERM" not in api.running.text()


# -- absences ----------------------------------------------------------------------------------------------------------


async def test_a_client_whose_api_is_gone_is_told_so(api: Api) -> None:
    api.running.kill()
    async with api.client() as lq:
        with pytest.raises(ApiUnavailable):
            await lq.agents()
