"""Lists of numbers: written, read, taken off, and what Redis knows of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from lq.config import lists, publish, seed
from lq.config.documents import NumberRule
from lq.config.lists import Entry
from lq.live.redis import Live
from lq.live.values import GateOp
from lq.sdk import ApiError, ListEntry

from .conftest import Api

HOME = NumberRule(area_code="10")
NUMBER = "+8613800138000"


async def listed(live: Live, number: str, *names: str) -> tuple[str, ...]:
    ops = [GateOp("look", 1, number, names)]
    return (await live.commit("c1", node="lq1-1", epoch=1, snapshot="{}", gate=ops)).gate[0].listed


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800138000", NUMBER),
        ("+86 138-0013-8000", NUMBER),
        ("62345678", "+861062345678"),
        ("0012125551234", "+12125551234"),
        ("95588", "95588"),
        ("+8610*", "+8610*"),
    ],
)
def test_numbers_are_read_as_everywhere(text: str, number: str) -> None:
    assert lists.read_number(text, HOME) == number


@pytest.mark.parametrize("text", ["", "x", "*", "+86*10", "anonymous", "12345678901234567890", "010 *"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError):
        lists.read_number(text, HOME)


async def test_written_seen_and_taken_off(api: Api, live: Live) -> None:
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    async with api.client() as lq:
        given = [ListEntry("13800138000", "投诉客户", tomorrow), ListEntry("+8621*"), ListEntry("13800138000", "again")]
        assert await lq.put_list_entries("dnc", given) == 2
        page = await lq.list_entries("dnc")
        assert [(one.number, one.note) for one in page.items] == [("+8613800138000", "again"), ("+8621*", "")]
        found = await lq.list_entries("dnc", number="138 0013 8000")
        assert [one.number for one in found.items] == [NUMBER]
        assert await listed(live, NUMBER, "dnc", "black") == ("dnc",)
        assert await listed(live, "+862161112222", "dnc") == ("dnc",)
        with pytest.raises(ApiError) as in_use:
            await lq.delete_document("lists", "dnc")
        assert (in_use.value.status, in_use.value.code) == (409, "in_use")
        await lq.delete_list_entry("dnc", "13800138000")
        assert await listed(live, NUMBER, "dnc") == ()
        with pytest.raises(ApiError) as gone:
            await lq.delete_list_entry("dnc", "13800138000")
        assert gone.value.status == 404
        assert await lq.put_list_entries("dnc", [ListEntry(NUMBER), ListEntry("+8622*")]) == 2
        for number in (NUMBER, "+8622*"):  # as the list tells them
            await lq.delete_list_entry("dnc", number)
        assert (await lq.clear_list("dnc"), await lq.clear_list("dnc")) == (1, 0)
        assert await listed(live, "+862161112222", "dnc") == ()
        await lq.delete_document("lists", "dnc")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "entries"),
        ({"entries": []}, "entries"),
        ({"entries": "13800138000"}, "entries"),
        ({"entries": [{"number": "95588"}] * 1001}, "entries"),
        ({"entries": [1]}, "entries.0"),
        ({"entries": [{"number": "95588"}, {"number": "hello"}]}, "entries.1.number"),
        ({"entries": [{"note": "x"}]}, "entries.0.number"),
        ({"entries": [{"number": "95588", "color": 1}]}, "entries.0.color"),
        ({"entries": [{"number": "95588", "expires_at": "tomorrow"}]}, "entries.0.expires_at"),
        ({"entries": [{"number": "95588", "expires_at": "2026-11-27T00:00:00"}]}, "entries.0.expires_at"),
        ({"entries": [{"number": "95588", "expires_at": 5}]}, "entries.0.expires_at"),
        ({"entries": [{"number": "95588", "note": 5}]}, "entries.0.note"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_written(api: Api, body: object, field: str) -> None:
    async with api.http() as http, api.client() as lq:
        answer = await http.post("/v1/lists/dnc/entries", json=body)
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
        assert (await http.post("/v1/lists/none/entries", json={"entries": [{"number": "95588"}]})).status_code == 404
        assert (await lq.list_entries("dnc")).items == ()


async def test_a_redis_that_lost_them_is_told_again(rows: asyncpg.Connection, live: Live) -> None:
    await seed.seed(rows)
    await publish.publish(rows, live)
    made = [Entry(f"+861380013{n:04}") for n in range(2_500)]
    for start in range(0, len(made), 1000):
        await lists.put(rows, "dnc", made[start : start + 1000], by="test")
    assert await lists.tell(rows, live) and not await lists.tell(rows, live)
    assert await live.lists_version() == 2_500
    assert await listed(live, made[-1].number, "dnc") == ("dnc",)
    await live.clear_lists()
    await lists.remove(rows, "dnc", [made[0].number], by="test")
    assert await lists.tell(rows, live)
    assert await listed(live, made[0].number, "dnc") == ()
    assert await listed(live, made[1].number, "dnc") == ("dnc",)
    await rows.execute("delete from list_entry; update list_version set version = 0")  # an old backup
    await lists.put(rows, "black", [Entry("95588")], by="test")
    assert await lists.tell(rows, live)
    assert await listed(live, made[1].number, "dnc") == ()
    assert await listed(live, "95588", "black") == ("black",)
