"""All that happened to one contact: from history, from the stream, from both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis as RedisClient

from lq.api import life
from lq.ledger.events import Event
from lq.ledger.journal import BEGIN, Store, next_entries
from lq.sdk import ApiError
from tests.integration.ledger import services
from tests.unit.ledger.lives import START, agent_event, answered_call

from .conftest import Api, serving
from .test_events import add

CONTACT = str(UUID(int=START << 80 | 7 << 76 | 2 << 62 | 5))


@pytest.fixture
async def stream(redis_server: services.Redis) -> AsyncIterator[RedisClient]:
    async with RedisClient.from_url(redis_server.url, protocol=2) as client:
        yield client


def a_life() -> list[Event]:
    """A call, its agent's states, and others' events between them."""
    talking = agent_event(START + 9000, "talking", "ringing", contact=CONTACT)
    foreign = [*answered_call("c2", START + 3), agent_event(START + 9001, "talking", "ringing", contact="c2")]
    return [*answered_call(CONTACT), *foreign, talking]


def told(events: Sequence[Event]) -> list[tuple[str, int]]:
    return [(event.subject, event.seq) for event in events]


def expected() -> list[tuple[str, int]]:
    return [*told(answered_call(CONTACT)), ("agent:1001", START + 9000)]


async def carry(stream: RedisClient, rows: asyncpg.Connection, most: int = 500) -> None:
    """As the journal does, as far as `most` entries."""
    store = Store(rows)
    entries = await next_entries(stream, await store.checkpoint())
    await store.apply(await store.checkpoint(), entries[:most])


async def test_from_the_stream_before_the_journal_has_come(api: Api, stream: RedisClient) -> None:
    await add(stream, a_life())
    async with api.client() as lq:
        found = await lq.contact_events(CONTACT)
        assert told(found) == expected()
        assert told(await lq.contact_events(CONTACT, after=found[4].id)) == expected()[5:]


async def test_half_of_it_in_each_store_and_all_of_it_in_history(
    api: Api, stream: RedisClient, rows: asyncpg.Connection
) -> None:
    await add(stream, a_life())
    await carry(stream, rows, most=7)
    async with api.client() as lq:
        assert told(await lq.contact_events(CONTACT)) == expected()
        await carry(stream, rows)
        await stream.xtrim("{lcall}:events", maxlen=0)
        found = await lq.contact_events(CONTACT)
        assert told(found) == expected()
        assert found[0].id and found[0].at == START


async def test_what_is_on_the_journals_disk_is_waited_for(
    api: Api, stream: RedisClient, rows: asyncpg.Connection
) -> None:
    """Only a life of which nothing can be missing is shown meanwhile."""
    before = answered_call("before", START - 9)
    await add(stream, [*before, *a_life()])
    entries = await next_entries(stream, BEGIN)
    store, written = Store(rows), len(before) + 3
    checkpoint = await store.apply(await store.checkpoint(), entries[:written])
    await stream.xtrim("{lcall}:events", maxlen=1, approximate=False)
    async with api.client() as lq:
        assert told(await lq.contact_events("before")) == told(before)
        for contact in (CONTACT, "c2"):
            with pytest.raises(ApiError) as half:
                await lq.contact_events(contact)
            assert (half.value.status, half.value.code) == (503, "history_unavailable")
        await store.apply(checkpoint, entries[written:])
        assert told(await lq.contact_events(CONTACT)) == expected()


async def test_in_pages_whose_border_lies_anywhere(api: Api, stream: RedisClient, rows: asyncpg.Connection) -> None:
    await add(stream, a_life())
    await carry(stream, rows, most=9)
    async with api.http() as http:
        for size in (1, 4, 9, 13, 500):
            found, cursor = [], ""
            for _ in range(40):
                answer = await http.get(f"/v1/contacts/{CONTACT}/events", params={"limit": size, "cursor": cursor})
                page = answer.json()
                assert answer.status_code == 200 and len(page["items"]) <= size
                found += [(item["subject"], item["seq"]) for item in page["items"]]
                if (cursor := page["next"]) is None:
                    break
            assert found == expected(), size


async def test_who_is_unknown_is_404_and_a_wrong_cursor_400(api: Api) -> None:
    async with api.client() as lq:
        with pytest.raises(ApiError, match="404"):
            await lq.contact_events("nobody")
        with pytest.raises(ApiError, match="400"):
            await lq.contact_events(CONTACT, after="yesterday")


async def test_a_long_stream_is_looked_through_in_bounded_requests(
    stream: RedisClient, monkeypatch: pytest.MonkeyPatch, dsn: str, redis_server: services.Redis
) -> None:
    from lq.api.feed import Feed
    from lq.api.history import History

    monkeypatch.setattr(life, "AT_ONCE", 10)
    monkeypatch.setattr(life, "MOST", 20)
    await stream.delete("{lcall}:events")
    await add(stream, [*answered_call("c2"), *answered_call("c3"), *answered_call(CONTACT)])
    feed = Feed(stream, redis_server.url, History(dsn))
    first, following = await life._streamed(feed, CONTACT, (0, 0), 100)
    assert first == [] and following is not None
    found: list[Event] = []
    while following is not None:
        ms, n = following.split("-")
        more, following = await life._streamed(feed, CONTACT, (int(ms), int(n)), 100)
        found += more
    assert told(found) == expected()[:-1]
    await feed._reader.aclose()


async def test_with_postgresql_away_what_the_stream_holds_from_the_start(
    redis_server: services.Redis, stream: RedisClient, tmp_path: Path
) -> None:
    await stream.delete("{lcall}:events")
    async with serving("postgresql://lcall@127.0.0.1:1/none", redis_server.url, tmp_path) as api:
        await add(stream, a_life())
        async with api.client() as lq:
            assert told(await lq.contact_events(CONTACT)) == expected()
            await stream.xtrim("{lcall}:events", maxlen=10, approximate=False)
            with pytest.raises(ApiError) as half:
                await lq.contact_events(CONTACT)
            assert (half.value.status, half.value.code) == (503, "history_unavailable")


async def test_with_redis_away_what_history_has(dsn: str, rows: asyncpg.Connection, tmp_path: Path) -> None:
    with services.redis() as server:
        async with RedisClient.from_url(server.url, protocol=2) as client:
            await add(client, a_life())
            await carry(client, rows)
        async with serving(dsn, server.url, tmp_path) as api, api.client() as lq:
            server.kill()
            assert told(await lq.contact_events(CONTACT)) == expected()
            with pytest.raises(ApiError, match="503"):
                await lq.contact_events("unknown")
