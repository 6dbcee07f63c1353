"""Tokens of programs: told once, kept as a hash, allowed what they say, gone when they are revoked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis as RedisClient
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lq.api import shares
from lq.config import publish, seed
from lq.config.documents import SCOPES
from lq.ledger.events import Event
from lq.live import keys
from lq.live.redis import Live
from lq.live.values import AgentOp, EngageOp
from lq.sdk import ApiError, Client, Contact, Token
from ops.migrate import migrate
from tests.integration.ledger import services
from tests.integration.ledger.services import eventually
from tests.unit.contacts.talks import monitoring
from tests.unit.ledger.lives import START, Life, agent_event, answered_call

from .conftest import TOKEN, Api, serving
from .owner import NODE, owning, waiting_contact
from .test_api import recorded, store
from .test_life import carry


async def client(api: Api, *scopes: str, **to: Any) -> tuple[Token, Client]:
    async with api.client() as house:
        token = await house.add_token("test", scopes, **to)
    assert token.secret is not None
    return token, api.client(token.secret)


async def test_a_secret_is_told_once_and_kept_as_a_hash(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    until = datetime.now(UTC) + timedelta(days=30)
    token, program = await client(api, "read", queues=["sales"], per_second=20, expires_at=until)
    secret = token.secret
    assert secret is not None and secret.startswith(f"lcall_{token.id}_") and secret not in repr(token)
    async with api.client() as house, program:
        [listed] = await house.tokens()
        assert listed == Token(token.id, "test", ("read",), (), ("sales",), 20, token.created_at, token.expires_at)
        assert await house.token(token.id) == listed
        assert len(await program.queues()) == 1
        await house.revoke_token(token.id)
        assert await house.tokens() == ()
        with pytest.raises(ApiError, match="404"):
            await house.revoke_token(token.id)
        with pytest.raises(ApiError, match="401"):
            await program.queues()
        await house.add_token("other", ["read"])
    tables = await rows.fetch("select body::text as t from config_document union all select detail::text from audit")
    texts = [row["t"] for row in tables] + [json.dumps(await live.config("tokens"))]
    assert all(secret not in text and secret[15:] not in text for text in texts)
    assert secret[15:] not in api.running.text()
    assert [row["action"] for row in await rows.fetch("select action from audit order by id")] == [
        *("token_add", "token_revoke", "token_add"),
    ]


async def test_a_repeat_of_the_request_is_not_told_the_secret(api: Api) -> None:
    async with api.http() as http:
        body = {"name": "crm", "scopes": ["read"]}
        first = await http.post("/v1/tokens", json=body, headers={"Idempotency-Key": "k"})
        again = await http.post("/v1/tokens", json=body, headers={"Idempotency-Key": "k"})
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json()["id"] == again.json()["id"] and "secret" not in again.json()


REFUSED: Final[list[tuple[dict[str, Any], str]]] = [
    ({"scopes": ["read"]}, "name"),
    ({"name": "x"}, "scopes"),
    ({"name": "x", "scopes": []}, "scopes"),
    ({"name": "x", "scopes": ["all"]}, "scopes.0"),
    ({"name": "x", "scopes": "read"}, "scopes"),
    ({"name": "x", "scopes": ["config"], "agents": ["1001"]}, "scopes"),
    ({"name": "x", "scopes": ["read"], "per_second": 0}, "per_second"),
    ({"name": "x", "scopes": ["read"], "expires_at": "tomorrow"}, "expires_at"),
    ({"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"name": "x", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
]


async def test_a_token_that_cannot_be_is_refused_with_its_field(api: Api) -> None:
    async with api.http() as http:
        for body, field in REFUSED:
            answer = await http.post("/v1/tokens", json=body)
            assert (answer.status_code, answer.json()["error"]["field"]) == (422, field), (body, answer.text)
        nobody = await http.post("/v1/tokens", json={"name": "x", "scopes": ["read"], "agents": ["7"]})
        assert nobody.status_code == 422 and "agents/7" in nobody.json()["error"]["message"]
        assert (await http.get("/v1/tokens")).json()["items"] == []


CALLS: Final[dict[str, list[Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]]]] = {
    "read": [lambda http, p=path: http.get(p) for path in ("/v1/agents", "/v1/queues", "/v1/contacts", "/v1/cdrs")],
    "agents": [lambda http: http.post("/v1/agents/1001/pause", json={"reason": "meal"})],
    "contacts": [
        lambda http: http.post("/v1/contacts/c9/hold", json={"agent": "1001"}),
        lambda http: http.post("/v1/contacts/c9/hang-up"),
    ],
    "supervise": [
        lambda http: http.post("/v1/contacts/c9/monitor", json={"agent": "1901", "mode": "listen"}),
        lambda http: http.delete("/v1/contacts/c9/monitor?agent=1901"),
        lambda http: http.post("/v1/contacts/c9/release", json={"agent": "1901"}),
    ],
    "recordings": [lambda http: http.get("/v1/recordings/c1-r1"), lambda http: http.get("/v1/recordings/c1-r1/audio")],
    "events": [lambda http: http.get("/v1/events")],
    "config": [
        lambda http: http.get("/v1/config/queues"),
        lambda http: http.put("/v1/config/queues/vip", json={"name": "贵宾"}),
    ],
    "admin": [lambda http: http.get("/v1/tokens")],
}


async def test_a_scope_opens_its_own_paths_and_no_others(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    await waiting_contact(live, "c9")
    await recorded(api, rows)
    assert set(CALLS) == set(SCOPES)
    async with owning(live):
        for mine in SCOPES:
            token, program = await client(api, mine)
            headers = {"Authorization": f"Bearer {token.secret}"}
            async with program, httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False) as http:
                for scope, calls in CALLS.items():
                    for call in calls:
                        answer = await call(http)
                        error = answer.json().get("error", {}) if answer.status_code >= 400 else {}
                        if mine in (scope, "admin"):
                            assert error.get("code") not in ("scope_missing", "unauthorized"), (mine, scope)
                        else:
                            assert (answer.status_code, error["code"]) == (403, "scope_missing"), (mine, scope)
                            assert repr(scope) in error["message"]


async def test_configuration_gives_nobody_rights(api: Api) -> None:
    _, program = await client(api, "config")
    async with program:
        for call in (
            program.documents("tokens"),
            program.document("tokens", "x"),
            program.put_document("tokens", "x", {"name": "x", "sha256": "a" * 64, "scopes": ["admin"]}),
            program.delete_document("tokens", "x"),
        ):
            with pytest.raises(ApiError, match="404"):
                await call


async def test_a_restricted_token_acts_and_sees_for_its_own_agents_only(
    api: Api, live: Live, rows: asyncpg.Connection
) -> None:
    await live.phone("8001", True, 60_000)
    await waiting_contact(live, "sold", queue="sales")
    await waiting_contact(live, "helped", queue="support")
    await store(rows, answered_call("c1"))  # agent 1001, queue sales
    await store(rows, Life("other").start("+8613911112222").queue("support").end("abandoned").events)
    handed = Life("handed", START + 60_000).start("+8613911113333").queue().offer().answer()
    await store(rows, handed.answer("1002", "").end("answered").events)  # 1001 has sent it on
    await recorded(api, rows)
    scopes = ("read", "agents", "contacts", "recordings")
    _, one = await client(api, *scopes, agents=["1001"])
    _, queue = await client(api, *scopes, queues=["support"])
    async with owning(live) as owner, one, queue:
        assert [agent.id for agent in await one.agents()] == ["1001"]
        assert len(await queue.agents()) == 51
        assert [q.id for q in await queue.queues()] == ["support"]
        assert (await one.sign_in("1001", "8001")).state == "ready"
        assert [c.id for c in (await queue.contacts()).items] == ["helped"]
        assert [c.id for c in (await one.contacts("ended")).items] == ["handed", "c1"]
        assert [c.id for c in (await one.contacts("ended", number="1113333")).items] == ["handed"]
        assert (await one.contacts("ended", number="13911112222")).items == ()
        assert [c.id for c in (await queue.contacts("ended")).items] == ["other"]
        assert [c.contact_id for c in (await one.cdrs()).items] == ["handed", "c1"]
        assert [c.contact_id for c in (await queue.cdrs()).items] == ["other"]
        assert (await one.recording("c1-r1")).id == "c1-r1" and (await one.contact_events("c1"))
        await queue.hang_up("helped", "1050")
        await one.pick_up("sold", "1001")
        assert [(contact, verb) for contact, verb, _ in owner.heard] == [("helped", "hang_up"), ("sold", "pick_up")]
        owner.heard.clear()
        for call, status, code in (
            (one.agent("1002"), 403, "agent_forbidden"),
            (one.pause("1002", "meal"), 403, "agent_forbidden"),
            (queue.agent("1001"), 403, "agent_forbidden"),
            (queue.queue("sales"), 403, "queue_forbidden"),
            (one.contact("helped"), 403, "contact_forbidden"),
            (one.contact_events("other"), 403, "contact_forbidden"),
            (queue.recording("c1-r1"), 403, "contact_forbidden"),
            (one.hang_up("helped", "1001"), 403, "contact_forbidden"),
            (one.hang_up("sold", "1002"), 403, "agent_forbidden"),
            (one.hang_up("sold"), 422, "invalid"),
            (one.pick_up("sold", "1002"), 403, "agent_forbidden"),
            (one.list_entries("vip"), 403, "token_restricted"),
        ):
            with pytest.raises(ApiError) as refused:
                await call
            assert (refused.value.status, refused.value.code) == (status, code), str(refused.value)
        assert owner.heard == []


def listened_to(id: str) -> list[Event]:
    """A leader has listened in it, and another one has barged in."""
    life = Life(id).start().queue().offer().answer()
    for leg, phone, agent, mode in ((f"{id}.4", "8901", "1901", "listen"), (f"{id}.5", "8902", "1902", "barge")):
        life.say("contact_called", n=life.n, leg=leg, verb="monitor", to=f"agent:{agent}")
        state = {"agent": agent, "state": "talking", "previous": "ready", "since": life.at, "contact": id}
        life.events.append(Event("agent_state_changed", life.at, f"agent:{agent}", 1, state))
        life.say("leg_started", leg=leg, party="agent", address=phone, direction="out")
        life.say("leg_answered", leg=leg, codec="PCMA").say("contact_call_ended", leg=leg, outcome="answered")
        life.say("contact_monitored", agent=agent, mode=mode, leg=leg)
        life.say("leg_placed", leg=leg, place="listens" if mode == "listen" else "talk")
    life.end("answered")
    for n in (4, 5):
        life.say("leg_ended", leg=f"{id}.{n}", by="us", cause=16)
    return life.events


async def test_of_a_call_that_is_over_who_may_not_supervise_does_not_learn_who_listened(
    api: Api, live: Live, rows: asyncpg.Connection
) -> None:
    events = listened_to("c1")
    await store(rows, events)
    _, agents = await client(api, "read", agents=["1001"])
    _, leaders = await client(api, "read", "supervise")

    def legs(contact: Contact) -> list[str]:
        return [leg.address for leg in contact.legs]

    async with agents, leaders:
        for program, shown in ((leaders, ["8001", "8901", "8902"]), (agents, ["8001", "8902"])):
            [listed] = (await program.contacts("ended")).items
            assert legs(listed)[1:] == shown and legs(await program.contact("c1"))[1:] == shown
        assert len(await leaders.contact_events("c1")) == len(events)
        whole = await agents.contact_events("c1")
        told = json.dumps([dict(event.data) for event in whole])
        assert "8901" not in told and "1901" not in told and "c1.4" not in told and "1902" in told
        for n, event in enumerate(whole):  # also where a page begins behind what has told of him
            assert [each.seq for each in await agents.contact_events("c1", after=event.id)] == [
                each.seq for each in whole[n + 1 :]
            ]


def tells_of_who_listens(event: Event) -> bool:
    """And of who has barged in, before that."""
    text = json.dumps([event.subject, dict(event.data)])
    since = ("contact_monitored", "leg_placed", "leg_ended")
    of_the_other = event.data.get("leg") == "c1.5" and event.type not in since
    return any(word in text for word in ("c1.4", "8901")) or of_the_other or ("1901" in text and '"c1"' in text)


async def every(program: Client, after: str, last: int) -> list[Event]:
    """What comes over a connection that begins behind this event, up to the one of this seq."""
    found: list[Event] = []
    async with asyncio.timeout(10), aclosing(program.events(after=after)) as events:
        async for event in events:
            if event.seq == last:
                return found
            found.append(event)
    raise AssertionError("the events have ended")


@pytest.mark.parametrize("to", [{}, {"agents": ["1001"]}])
async def test_whoever_begins_to_look_at_any_moment_of_a_call_does_not_learn_who_listens(
    dsn: str, redis_server: services.Redis, api: Api, live: Live, rows: asyncpg.Connection, to: dict[str, Any]
) -> None:
    """Page by page, by a connection that begins behind any event, and at an api that was started afterwards."""
    await waiting_contact(live, "c1")
    snapshot = json.loads((await live.contact("c1")).snapshot)  # type: ignore[union-attr]
    await live.commit("c1", node=NODE, epoch=1, snapshot=json.dumps({**snapshot, "agent": "1001"}))
    start, happened = await live.last_event(), listened_to("c1")
    await add(live, *happened, agent_event(999_999, "ready", "signed_out"))
    token, program = await client(api, "read", "events", per_second=500, **to)
    ids = [event.id for event in await live.events(start)][:-1]
    own = [event for event in happened if event.subject == "c1" and not tells_of_who_listens(event)]
    assert {"c1.2", "c1.5"} <= {event.data.get("leg") for event in own} and len(own) < len(happened) - 10
    async with program:
        for n, after in enumerate([start, *ids]):
            heard = await every(program, after, 999_999)
            assert not any(map(tells_of_who_listens, heard))
            expected = [event.seq for event in own if event in happened[n:]]
            assert [event.seq for event in heard if event.subject == "c1"] == expected
            states = [event for event in heard if event.data.get("agent") == "1901" and event.type.startswith("agent_")]
            assert [dict(event.data).keys() & {"state", "contact"} for event in states] == [{"state"}] * len(states)
            assert not to or states == []
    headers, after, paged = {"Authorization": f"Bearer {token.secret}"}, start, list[int]()
    async with httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False) as http:
        while after != ids[-1]:
            page = (await http.get("/v1/events", params={"after": after, "limit": 1, "topics": "contacts"})).json()
            paged += [item["seq"] for item in page["items"] if item["subject"] == "c1"]
            after = page["next"]
    assert paged == [event.seq for event in own]
    await live.commit("c1", node=NODE, epoch=1, snapshot=None)
    async with RedisClient.from_url(redis_server.url, protocol=2) as stream:
        await carry(stream, rows)
    async with serving(dsn, redis_server.url, api.home) as fresh, fresh.client(token.secret or "") as program:
        heard = await every(program, start, 999_999)
        assert [event.seq for event in heard if event.subject == "c1"] == [event.seq for event in own]


async def test_in_which_contact_a_leader_listens_says_no_agent(api: Api, live: Live) -> None:
    """Neither while he is called nor after it, in his wrap-up."""
    await live.phone("8901", True, 600_000)
    await live.agent("1901", "sign_in", phone="8901")
    _, agents = await client(api, "read", "agents")
    _, leaders = await client(api, "read", "supervise")

    async def contact_of(program: Client) -> set[tuple[str | None, bool]]:
        one, [listed] = await program.agent("1901"), [each for each in await program.agents() if each.id == "1901"]
        return {(each.contact, each.reservation is not None) for each in (one, listed)}

    life = monitoring()
    called = json.dumps(life.contact.to_json())
    async with agents, leaders:
        done = await live.commit(
            "c1", node=NODE, epoch=1, snapshot=called, events=life.ledger, engages=[EngageOp(3, agent="1901", own=True)]
        )
        fence = done.engaged[0].reservation
        assert fence is not None
        assert await contact_of(leaders) == {("c1", True)} and await contact_of(agents) == {(None, False)}
        paused = await agents.pause("1901", "meal")
        assert (paused.next, paused.contact, paused.reservation) == ("paused", None, None)
        with pytest.raises(ApiError) as conflict:
            await agents.sign_in("1901", "8902")
        assert conflict.value.present is not None and conflict.value.present["contact"] is None
        assert conflict.value.present["state"] != "ready"
        await live.commit("c1", node=NODE, epoch=1, snapshot=called, agents=[AgentOp("1901", fence, "talking")])
        assert await contact_of(agents) == {(None, False)}
        left = AgentOp("1901", fence, "release", "answered", wrap_up_ms=60_000)
        await live.commit("c1", node=NODE, epoch=1, snapshot=None, agents=[left])
        assert await contact_of(leaders) == {("c1", False)} and await contact_of(agents) == {(None, False)}


async def test_of_a_leader_who_has_barged_in_every_agent_may_know(api: Api, live: Live) -> None:
    await live.phone("8901", True, 600_000)
    await live.agent("1901", "sign_in", phone="8901")
    _, agents = await client(api, "read")
    life = monitoring("barge")
    snapshot = json.dumps(life.contact.to_json())
    async with agents:
        engages = [EngageOp(3, agent="1901", own=True)]
        await live.commit("c1", node=NODE, epoch=1, snapshot=snapshot, events=life.ledger, engages=engages)
        assert (await agents.agent("1901")).contact == "c1"


async def test_a_token_of_an_agent_sees_the_contact_that_he_is_given_before_it_names_him(api: Api, live: Live) -> None:
    await live.phone("8001", True, 600_000)
    await live.agent("1001", "sign_in", phone="8001")
    await waiting_contact(live, "c9")
    _, his = await client(api, "read", "contacts", agents=["1001"])
    _, another = await client(api, "read", "contacts", agents=["1002"])
    async with his, another, owning(live) as owner:
        for call in (his.contact("c9"), his.reject("c9", "1001")):
            with pytest.raises(ApiError, match="contact_forbidden"):
                await call
        await live.ask("c9", "r1", {"sales": 0})
        assert (await his.contact("c9")).agent is None, "its snapshot names nobody yet"
        assert (await his.reject("c9", "1001")).id == "c9" and owner.heard == [("c9", "reject", {"agent": "1001"})]
        for call in (another.contact("c9"), another.reject("c9", "1002")):
            with pytest.raises(ApiError, match="contact_forbidden"):
                await call


async def test_an_expired_token_is_no_token(api: Api) -> None:
    _, program = await client(api, "read", expires_at=datetime.now(UTC) + timedelta(seconds=5))
    async with program:
        assert await program.agents()

        async def expired() -> bool:
            try:
                await program.agents()
            except ApiError as error:
                return error.status == 401
            return False

        await eventually(expired, "the end of the token", 10)


async def test_a_token_may_come_so_often_and_no_more(api: Api) -> None:
    token, program = await client(api, "read", per_second=2)
    headers = {"Authorization": f"Bearer {token.secret}"}
    async with program, httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False) as http:
        began = time.monotonic()
        answers = [await http.get("/v1/queues") for _ in range(12)]
        came = 2 * (time.monotonic() - began)  # beside the four at once
        refused = [answer for answer in answers if answer.status_code == 429]
        assert answers[0].status_code == 200 and 12 - 4 - came - 1 <= len(refused) <= 12 - 4
        assert refused[0].headers["Retry-After"] == "1" and token.id in refused[0].json()["error"]["message"]
    async with api.client() as house:
        assert await house.agents(), "others are not held up"


# -- events ------------------------------------------------------------------------------------------------------------


async def add(live: Live, *events: Event) -> None:
    for event in events:
        await live._redis.xadd(keys.EVENTS, dict(event.fields()))


async def heard(program: Client, count: int, topics: tuple[str, ...] = ()) -> list[Event]:
    found = []
    async with asyncio.timeout(10), aclosing(program.events(topics, after="0")) as events:
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_a_listener_hears_what_his_token_is_for(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    call = [event for event in answered_call("c1") if not event.type.startswith("recording_")]
    other = Life("c2").start("+8613911112222").queue("support").end("abandoned").events
    colleague = Event("agent_state_changed", 1, "agent:1002", 1, {**agent_event(1, "ready", "x").data, "agent": "1002"})
    keys_pressed = Event("contact_keys", 1, "c1", 900, {"n": 1, "node": "menu", "pii_digits": "4111"})
    sentinel = agent_event(9, "ready", "signed_out")
    await add(live, *call, keys_pressed, *other, colleague, sentinel)
    await store(rows, [*call, *other])
    _, all_topics = await client(api, "events", "read")
    _, one = await client(api, "events", "read", agents=["1001"])
    _, deaf = await client(api, "events")
    async with all_topics, one, deaf:
        own = [*call, keys_pressed, sentinel]
        found = await heard(one, len(own))
        assert [event.seq for event in found] == [event.seq for event in own], "of his contact also what names nobody"
        assert all("pii_digits" not in event.data for event in found)
        assert len(await heard(all_topics, len(call) + len(other) + 3)) == len(call) + len(other) + 3
        with pytest.raises(ApiError, match="403"):
            await heard(one, 1, ("recordings",))
        with pytest.raises(ApiError, match="403"):
            await heard(deaf, 1, ("agents",))


async def test_the_streams_of_a_revoked_token_end(api: Api, live: Live) -> None:
    token, program = await client(api, "events", "read")
    url = f"{api.url.replace('http', 'ws')}/v1/events"
    kept, kept_program = await client(api, "events", "read")
    async with (
        connect(url, additional_headers={"Authorization": f"Bearer {token.secret}"}, proxy=None) as socket,
        connect(url, additional_headers={"Authorization": f"Bearer {kept.secret}"}, proxy=None) as other,
        api.client() as house,
        program,
        kept_program,
    ):
        await house.revoke_token(token.id)
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(5):
                await socket.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        await add(live, agent_event(1, "ready", "signed_out"))
        async with asyncio.timeout(5):
            assert json.loads(await other.recv())["type"] == "agent_state_changed"
        with pytest.raises(InvalidStatus):
            await connect(url, additional_headers={"Authorization": f"Bearer {token.secret}"}, proxy=None)


async def test_a_browser_gives_its_token_among_the_protocols(api: Api, live: Live) -> None:
    token, program = await client(api, "events", "read")
    url = f"{api.url.replace('http', 'ws')}/v1/events"
    async with program, connect(url, subprotocols=["lcall.v1", f"bearer.{token.secret}"], proxy=None) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "lcall.v1"
        await add(live, agent_event(1, "ready", "signed_out"))
        async with asyncio.timeout(5):
            assert json.loads(await socket.recv())["seq"] == 1


async def test_a_page_of_another_origin_may_ask_with_a_token(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as nobody:
        wish = {"Origin": "http://crm", "Access-Control-Request-Method": "POST"}
        preflight = await nobody.options("/v1/contacts/c9/hold", headers=wish)
        assert preflight.status_code == 204 and "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        refused = await nobody.get("/v1/agents", headers={"Origin": "http://crm"})
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "*")
        assert "Access-Control-Allow-Credentials" not in refused.headers


# -- shares ------------------------------------------------------------------------------------------------------------


async def test_a_program_that_leaks_streams_takes_none_from_the_house(api: Api) -> None:
    """Nor from another program."""
    leaks, _ = await client(api, "events", "read", per_second=500)
    other, _ = await client(api, "events", "read")
    url = f"{api.url.replace('http', 'ws')}/v1/events"

    def listens(secret: str | None) -> connect:
        return connect(url, additional_headers={"Authorization": f"Bearer {secret}"}, proxy=None)

    each = shares.streams().each
    async with AsyncExitStack() as held:
        for _ in range(each):
            await held.enter_async_context(listens(leaks.secret))
        with pytest.raises(InvalidStatus) as refused:
            await listens(leaks.secret)
        assert refused.value.response.status_code == 429 and refused.value.response.headers["Retry-After"]
        for secret in (other.secret, TOKEN):
            async with listens(secret):
                pass

    async def free_again() -> bool:
        try:
            async with listens(leaks.secret):
                return True
        except InvalidStatus:
            return False

    await eventually(free_again, "its streams are over", 5)


async def test_what_a_program_hears_stands_in_the_audit_log_once(api: Api, rows: asyncpg.Connection) -> None:
    await recorded(api, rows)
    token, _ = await client(api, "read", "recordings", per_second=500)
    async with api.http() as http:
        http.headers["Authorization"] = f"Bearer {token.secret}"
        for part in ("bytes=0-99", "bytes=100-"):
            assert (await http.get("/v1/recordings/c1-r1/audio", headers={"Range": part})).status_code == 206
        assert (await http.get("/v1/recordings/c1-r1/audio?live=1")).status_code in (404, 503), "nobody hears it"
    async with api.http() as house:  # the web's: it says itself who it was
        assert (await house.get("/v1/recordings/c1-r1/audio")).status_code == 200
    noted = await rows.fetch("select operator, action from audit where object = 'recording:c1-r1'")
    assert [tuple(row) for row in noted] == [(f"token:{token.id}", "recording_played")]


async def test_a_program_that_does_not_read_recordings_to_their_end_holds_up_nobody(
    api: Api, rows: asyncpg.Connection
) -> None:
    await recorded(api, rows)
    with (api.home / "recordings/2026/11/24/c1-r1.wav").open("r+b") as file:
        file.truncate(20_000_000)  # more than lies in sockets
    slow, _ = await client(api, "read", "recordings", per_second=500)
    each, path = shares.downloads().each, "/v1/recordings/c1-r1/audio"
    headers = {"Authorization": f"Bearer {slow.secret}"}
    async with (
        httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False) as http,
        api.client() as house,
        AsyncExitStack() as held,
    ):
        for _ in range(each):
            answer = await held.enter_async_context(http.stream("GET", path))
            assert answer.status_code == 200
        refused = await http.get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many")
        assert (await http.get("/v1/agents")).status_code == 200, "what is short goes on"
        async with house.recording_audio("c1-r1") as audio:
            assert audio.status == 200 and await house.agents()


# -- absences ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_with_postgresql_away_tokens_go_on_working(live: Live, redis_server: services.Redis) -> None:
    with services.postgres() as server, services.temporary_directory("api") as home:
        await migrate(server.dsn())
        connection = await asyncpg.connect(server.dsn())
        await seed.seed(connection)
        await publish.publish(connection, live)
        await connection.close()
        async with serving(server.dsn(), redis_server.url, home) as api:
            token, program = await client(api, "read")
            server.kill()
            async with program, api.client() as house:
                assert await program.agents()
                assert [known.id for known in await house.tokens()] == [token.id]
                with pytest.raises(ApiError, match="503"):
                    await house.add_token("more", ["read"])
        async with serving(server.dsn(), redis_server.url, home) as again, again.client(token.secret or "") as program:
            assert await program.agents(), "also at an api that has never seen PostgreSQL"


async def test_a_redis_that_lost_everything_shuts_nobody_out(
    dsn: str, live: Live, redis_server: services.Redis, rows: asyncpg.Connection, tmp_path: Path
) -> None:
    await seed.seed(rows)
    await publish.publish(rows, live)
    async with serving(dsn, redis_server.url, tmp_path) as api:
        _, program = await client(api, "read")
        async with program:
            assert await program.agents()
            async with RedisClient.from_url(redis_server.url, protocol=2) as redis:
                await redis.flushall()
            for _ in range(20):
                try:
                    await program.agents()
                except ApiError as error:
                    assert error.status == 503, error
