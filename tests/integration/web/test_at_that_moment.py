"""What one writes at the very moment at which somebody else takes away what it belongs to."""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import pytest

from tests.integration.ledger.services import eventually

from .calls import now_ms, past_call
from .conftest import Place
from .test_customers import enter, some_number, stored, unique
from .test_home import AGENT, LEADER, write

WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"

TRIES = 3


async def waiting(rows: asyncpg.Connection, count: int) -> None:
    async def so_many() -> bool:
        return bool(await rows.fetchval(WAITING) >= count)

    await eventually(so_many, f"{count} wait", 1.5)


async def test_a_note_belongs_to_who_stays_of_two(place: Place) -> None:
    """Of a customer, and of a call with him. Who waits for two seconds is told to come again: then all of it again."""
    for _ in range(TRIES):
        if await merged_while_noted(place):
            return
    pytest.fail(f"in {TRIES} tries not all three within two seconds")


async def merged_while_noted(place: Place) -> bool:
    agent, number, id = await place.user("1036"), some_number(), f"moment-{uuid.uuid4().hex[:12]}"
    keep, gone = await enter(agent, unique("留下")), await enter(agent, unique("并入"), number)
    await place.store(past_call(id, now_ms(), number, "1036").events)
    merge = {"with": str(gone), "version": "1", "other_version": "1"}
    texts = unique("在合并时写的"), unique("在通话里写的")
    async with place.rows() as rows, place.rows() as watching:
        async with rows.transaction():
            await rows.execute("lock table follow_up in access exclusive mode")  # half of a merge is done
            merged = asyncio.create_task(agent.post(f"/customers/{keep}/merge", merge))
            await waiting(watching, 1)
            notes = [
                asyncio.create_task(agent.post(path, {"key": str(uuid.uuid4()), "body": text}))
                for path, text in zip((f"/customers/{gone}/notes", f"/pop/{id}/note"), texts, strict=True)
            ]
            await waiting(watching, 3)
        answers = [await task for task in (merged, *notes)]
    said = {answer.status_code for answer in answers}
    if 503 in said:
        return False
    assert said == {303}
    for text in texts:
        assert await stored(place, "select customer from customer_note where body = $1", text) == keep
    assert await stored(place, "select customer from contact_customer where contact = $1", id) == keep
    card = (await agent.get(f"/customers/{keep}")).text
    assert all(text in card for text in texts)
    return True


async def test_a_notice_is_read_while_it_is_deleted(place: Place) -> None:
    leader, agent = await place.user(LEADER), await place.user(AGENT)
    id = await write(leader, unique("test-"), confirm="1")
    async with place.rows() as rows, place.rows() as watching:
        async with rows.transaction():
            await rows.execute("delete from notice where id = $1", id)
            read = asyncio.create_task(
                agent.post(f"/notices/{id}/read", {"edition": "1"}, headers={"hx-request": "true"})
            )
            await waiting(watching, 1)
        assert (await read).status_code == 204
