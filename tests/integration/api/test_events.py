"""Events with replay, and what of the api stands while PostgreSQL or Redis is away or hung."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis as RedisClient
from websockets.asyncio.client import connect

from lq.config import publish, seed
from lq.ledger.events import Event
from lq.ledger.journal import BEGIN, Store, connected, next_entries, trim
from lq.live import keys
from lq.live.redis import Live
from lq.postgres import PATIENCE_S
from lq.sdk import ApiError, Client
from ops.migrate import migrate
from tests.integration.ledger import services
from tests.integration.ledger.services import eventually
from tests.unit.ledger.lives import START, agent_event, answered_call

from .conftest import TOKEN, Api, serving


@pytest.fixture
async def stream(redis_server: services.Redis) -> AsyncIterator[RedisClient]:
    async with RedisClient.from_url(redis_server.url, protocol=2) as client:
        yield client


async def add(stream: RedisClient, events: Sequence[Event]) -> list[str]:
    pipe = stream.pipeline(transaction=False)
    for event in events:
        pipe.xadd(keys.EVENTS, event.fields())
    return [id.decode() for id in await pipe.execute()]


async def take(events: AsyncIterator[Event], count: int, seconds: float = 10) -> list[Event]:
    found = []
    async with asyncio.timeout(seconds):
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_a_stream_replays_what_came_after_an_event_and_goes_on_live(api: Api, stream: RedisClient) -> None:
    written = answered_call()
    ids = await add(stream, written)
    async with api.client() as lq, aclosing(lq.events(after=ids[4])) as events:
        replayed = await take(events, len(written) - 5)
        assert [event.id for event in replayed] == ids[5:]
        assert [(e.type, e.seq, e.at) for e in replayed] == [(e.type, e.seq, e.at) for e in written[5:]]
        started = time.monotonic()
        [id] = await add(stream, [agent_event(START, "ready", "signed_out", queues=["sales"])])
        [live] = await take(events, 1)
        assert live.id == id and time.monotonic() - started < 1
        assert live.data["queues"] == ["sales"] and live.data["since"] == "2025-11-24T16:00:00.000Z"


async def test_only_the_topics_asked_for(api: Api, stream: RedisClient) -> None:
    await add(stream, [*answered_call(), agent_event(1, "ready", "signed_out")])
    async with api.client() as lq:
        async with aclosing(lq.events(("agents",), after="0")) as events:
            assert [event.type for event in await take(events, 1)] == ["agent_state_changed"]
        async with aclosing(lq.events(("recordings", "agents"), after="0")) as events:
            kinds = {event.type.split("_")[0] for event in await take(events, 4)}
            assert kinds == {"recording", "agent"}


async def test_simple_clients_ask_for_pages(api: Api, stream: RedisClient) -> None:
    async with api.http() as http:
        start = (await http.get("/v1/events")).json()
        assert start["items"] == []
        ids = await add(stream, answered_call())
        seen: list[str] = []
        after = start["next"]
        for _ in range(20):
            page = (await http.get("/v1/events", params={"after": after, "limit": 4})).json()
            seen += [event["id"] for event in page["items"]]
            after = page["next"]
        assert seen == ids


async def test_a_client_outlives_the_api_and_misses_nothing(
    dsn: str, redis_server: services.Redis, live: Live, stream: RedisClient, tmp_path: Path
) -> None:
    connections: list[bool] = []
    async with serving(dsn, redis_server.url, tmp_path) as first, first.client() as lq:
        events = lq.events(("agents",), on_connection=connections.append)
        reading = asyncio.create_task(take(events, 3, 30))
        await eventually(lambda: connections == [True], "the connection")
        await add(stream, [agent_event(1, "ready", "signed_out")])
        await asyncio.to_thread(first.running.kill)
        await eventually(lambda: connections == [True, False], "its end")
        await add(stream, [agent_event(2, "paused", "ready"), agent_event(3, "ready", "paused")])
        with services.program("lq.api", first.running.environ, tmp_path / "second.log"):
            assert [event.seq for event in await reading] == [1, 2, 3]
        await events.aclose()


async def test_what_redis_has_trimmed_comes_from_history(
    api: Api, stream: RedisClient, dsn: str, rows: asyncpg.Connection
) -> None:
    calls = 40
    for n in range(calls):
        await add(stream, answered_call(f"c{n}", START + n))
    length = calls * len(answered_call())
    async with connected(dsn) as connection:
        checkpoint = await Store(connection).checkpoint()
        while entries := await next_entries(stream, checkpoint):
            checkpoint = await Store(connection).apply(checkpoint, entries)
    await trim(stream, checkpoint, keep_ms=0)
    assert await stream.xlen(keys.EVENTS) < length
    await add(stream, [agent_event(1, "ready", "signed_out")])
    async with serving(dsn, services_url(stream), api.home) as fresh, fresh.client() as lq:  # with nothing in memory
        async with aclosing(lq.events(after="0")) as events:
            found = await take(events, length + 1)
        assert found[-1].type == "agent_state_changed"
        assert len({(event.subject, event.seq) for event in found}) == length + 1


def services_url(client: RedisClient) -> str:
    where = client.connection_pool.connection_kwargs
    return f"redis://{where['host']}:{where['port']}/0"


async def test_a_client_that_does_not_read_harms_nobody(api: Api, stream: RedisClient) -> None:
    url = f"{api.url.replace('http', 'ws')}/v1/events?after=0"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    big = agent_event(1, "ready", "signed_out", reason="x" * 20_000)
    async with connect(url, additional_headers=headers, proxy=None, max_queue=1, max_size=None, close_timeout=0.1):
        async with api.client() as lq, aclosing(lq.events(after="0")) as events:
            for n in range(40):
                await add(stream, [Event(big.type, n, big.subject, 50 * n + i, big.data) for i in range(50)])
            assert len(await take(events, 2000, 20)) == 2000
        before = memory_kb(api)
        async with api.http() as http:
            assert (await http.get("/v1/agents")).status_code == 200
    assert before < 600_000


def memory_kb(api: Api) -> int:
    status = Path(f"/proc/{api.running.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


async def test_an_entry_that_is_no_event_does_not_stop_the_stream(api: Api, stream: RedisClient) -> None:
    async with api.client() as lq, aclosing(lq.events(after="0")) as events:
        await stream.xadd(keys.EVENTS, {"no": "event"})
        await stream.xadd(keys.EVENTS, {b"\xff": b"\xfe"})
        await add(stream, [agent_event(7, "ready", "signed_out")])
        assert [event.seq for event in await take(events, 1)] == [7]


UNREADABLE = (
    {**agent_event(8, "ready", "signed_out").fields(), "v": "2"},  # of a new node, beside an old api
    {**agent_event(8, "ready", "signed_out").fields(), "data": "5"},
)


@pytest.mark.parametrize("entry", UNREADABLE)
async def test_one_that_is_the_last_entry_stops_nobody(api: Api, stream: RedisClient, entry: dict[str, str]) -> None:
    """It is behind what a client has that has read everything else."""
    async with api.client() as lq, api.http() as http, aclosing(lq.events(after="0")) as events:
        await add(stream, [agent_event(7, "ready", "signed_out")])
        assert [event.seq for event in await take(events, 1)] == [7]
        id = (await stream.xadd(keys.EVENTS, dict(entry))).decode()

        async def is_read() -> bool:
            return bool((await http.get("/v1/events")).json()["next"] == id)

        await eventually(is_read, "the entry")
        assert (await in_time(http, "/v1/health")).status_code == 200
        await add(stream, [agent_event(9, "paused", "ready")])
        assert [event.seq for event in await take(events, 1)] == [9]


async def test_more_of_them_than_a_page_has_are_passed_over(api: Api, stream: RedisClient) -> None:
    pipe = stream.pipeline(transaction=False)
    for _ in range(600):
        pipe.xadd(keys.EVENTS, dict(UNREADABLE[0]))
    await pipe.execute()
    await add(stream, [agent_event(9, "ready", "signed_out")])
    async with api.client() as lq, api.http() as http:
        async with aclosing(lq.events(after="0")) as events:
            assert [event.seq for event in await take(events, 1)] == [9]
        first = (await http.get("/v1/events", params={"after": "0", "limit": 500})).json()
        assert first["items"] == []
        second = (await http.get("/v1/events", params={"after": first["next"], "limit": 500})).json()
        assert [item["seq"] for item in second["items"]] == [9]


async def test_what_is_on_the_journals_disk_is_waited_for(
    dsn: str, redis_server: services.Redis, live: Live, rows: asyncpg.Connection, stream: RedisClient, tmp_path: Path
) -> None:
    """PostgreSQL was away for long: what neither it nor Redis has yet is not left out."""
    ids = await add(stream, answered_call())
    entries = await next_entries(stream, BEGIN)
    store = Store(rows)
    checkpoint = await store.apply(await store.checkpoint(), entries[:7])
    await stream.xtrim(keys.EVENTS, maxlen=1, approximate=False)
    async with serving(dsn, redis_server.url, tmp_path) as api, api.client() as lq, api.http() as http:
        page = (await http.get("/v1/events", params={"after": ids[2]})).json()
        assert ([item["id"] for item in page["items"]], page["next"]) == (ids[3:7], ids[6])
        answer = await http.get("/v1/events", params={"after": ids[6]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "history_unavailable")
        connections: list[bool] = []
        async with aclosing(lq.events(after=ids[2], on_connection=connections.append)) as events:
            assert [event.id for event in await take(events, 4)] == ids[3:7]
            reading = asyncio.create_task(take(events, len(ids) - 7, 20))
            await eventually(lambda: connections[:2] == [True, False], "that it is told to come again")
            await store.apply(checkpoint, entries[7:])
            assert [event.id for event in await reading] == ids[7:]


async def test_a_stream_begun_anew_by_a_clock_that_stands_earlier_is_heard(api: Api, stream: RedisClient) -> None:
    async with api.client() as lq, aclosing(lq.events(after="0")) as events:
        [last] = await add(stream, [agent_event(7, "ready", "signed_out")])
        assert [event.seq for event in await take(events, 1)] == [7]
        await stream.delete(keys.EVENTS)
        for n in (1, 2):
            await stream.xadd(keys.EVENTS, dict(agent_event(7 + n, "paused", "ready").fields()), id=f"5-{n}")
        assert [(event.id, event.seq) for event in await take(events, 2)] == [("5-1", 8), ("5-2", 9)]
    async with api.http() as http:  # and by who comes with an id of the former one
        page = (await http.get("/v1/events", params={"after": last})).json()
    assert ([item["seq"] for item in page["items"]], page["next"]) == ([8, 9], "5-2")


# -- absences ----------------------------------------------------------------------------------------------------------


async def in_time(http: httpx.AsyncClient, path: str, seconds: float = PATIENCE_S - 0.1) -> httpx.Response:
    """Who waits for PostgreSQL takes longer."""
    started = time.monotonic()
    answer = await http.get(path, timeout=20)
    took = time.monotonic() - started
    assert took < seconds, f"{path} took {took:.2f} s"
    return answer


async def test_with_postgresql_hung_or_dead_the_live_part_works(live: Live, redis_server: services.Redis) -> None:
    with services.postgres() as server, services.temporary_directory("api") as home:
        await migrate(server.dsn())
        connection = await asyncpg.connect(server.dsn())
        await seed.seed(connection)
        await publish.publish(connection, live)
        await connection.close()
        await live.phone("8001", True, 60_000)
        async with serving(server.dsn(), redis_server.url, home) as api, api.http() as http:
            await health_becomes(http, "ok")
            server.freeze()
            await live_part_works(http, home)
            await health_becomes(http, "degraded")
            server.thaw()
            await health_becomes(http, "ok")
            server.kill()
            await live_part_works(http, home)
            assert "Traceback" not in api.running.text()


async def health_becomes(http: httpx.AsyncClient, status: str) -> None:
    async def is_so() -> bool:
        return bool((await in_time(http, "/v1/health")).json()["status"] == status)

    await eventually(is_so, f"health {status}", 15)


async def live_part_works(http: httpx.AsyncClient, home: Path) -> None:
    for path in ("/v1/agents", "/v1/agents/1001", "/v1/queues", "/v1/queues/sales", "/v1/contacts", "/v1/events"):
        assert (await in_time(http, path)).status_code == 200, path
    for _ in range(3):
        assert (await http.post("/v1/agents/1001/sign-in", json={"phone": "8001"})).status_code == 200
        assert (await http.post("/v1/agents/1001/sign-out")).status_code == 200
    assert (await in_time(http, "/v1/config/queues/sales", 6)).status_code == 200
    for path in ("/v1/cdrs", "/v1/contacts?state=ended", "/v1/recordings/c1-r1"):
        answer = await in_time(http, path, 6)  # the patience of one request; the next ones are told at once
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "history_unavailable"), path
        assert answer.headers["Retry-After"]
    written = await http.put("/v1/config/queues/vip", json={"name": "x"}, timeout=20)
    assert written.status_code == 503
    id = "0199c8a8-0000-7000-8000-000000000000-r1"
    file = home / "recordings/2025/10/09" / f"{id}.wav"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"RIFF")
    sidecar = {"contact": id[:-3], "format": "alaw", "channels": 2, "duration_ms": 1500, "started_at": START}
    file.with_suffix(".json").write_text(json.dumps(sidecar))
    shown = await in_time(http, f"/v1/recordings/{id}", 6)
    assert (shown.status_code, shown.json()["duration_s"]) == (200, 1.5)
    assert (await in_time(http, f"/v1/recordings/{id}/audio", 6)).content == b"RIFF"


@pytest.mark.slow
async def test_with_redis_hung_or_dead_history_works_and_it_comes_back(dsn: str, tmp_path: Path) -> None:
    with services.redis() as server:
        connection = await asyncpg.connect(dsn)
        await seed.seed(connection)
        await connection.close()
        async with serving(dsn, server.url, tmp_path) as api, api.http() as http, api.client() as lq:
            await eventually(lambda: published(server), "the configuration in Redis", 8)
            server.freeze()
            await live_part_is_refused(http)
            server.thaw()
            await eventually(lambda: answers(lq), "the api after the hang", 8)
            async with aclosing(lq.events(after="0")) as events:
                server.restart()
                async with RedisClient.from_url(server.url) as stream:
                    await stream.flushall()
                    await add(stream, [agent_event(5, "ready", "signed_out")])
                assert [event.seq for event in await take(events, 1)] == [5]
            await eventually(lambda: published(server), "the configuration, published again", 8)


async def published(server: services.Redis) -> bool:
    live = Live(server.url)
    agents = await live.config("agents")
    await live.close()
    return len(agents) == 102


async def answers(lq: Client) -> bool:
    try:
        return bool(await lq.agents())
    except ApiError:
        return False


async def live_part_is_refused(http: httpx.AsyncClient) -> None:
    for path in ("/v1/agents", "/v1/queues/sales", "/v1/contacts"):
        answer = await in_time(http, path, 4)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "live_unavailable"), path
    assert (await http.post("/v1/agents/1001/ready", headers={"Idempotency-Key": "k"})).status_code == 503
    assert (await in_time(http, "/v1/health", 4)).status_code == 503
    assert (await in_time(http, "/v1/cdrs", 4)).status_code == 200


async def test_sigterm_ends_it_with_streams_open(api: Api) -> None:
    async with api.client() as lq:
        connections: list[bool] = []
        reading = asyncio.create_task(take(lq.events(on_connection=connections.append), 1, 30))
        await eventually(lambda: connections == [True], "the connection")
        api.running.process.terminate()
        assert await asyncio.to_thread(api.running.process.wait, 8) == 0
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert "Traceback" not in api.running.text()
