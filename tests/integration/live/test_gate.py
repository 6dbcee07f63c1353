"""What the gate to the outside asks of a real Redis: lists of a million numbers, who sits where, calls of a day."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from redis import Redis

from lq.live import keys
from lq.live.errors import BadRequest, Stale
from lq.live.redis import Live
from lq.live.values import GateOp, GateResult, ListEntry
from tests.integration.live.center import Clock, contact, sign_in

LQ1 = "lq1-aaaaaaaa"
NUMBER = "+8613800138000"
DAY = "2026-11-27"


async def look(live: Live, number: str, *lists: str, phone: str = "", id: str = "c1") -> GateResult:
    [said] = (
        await live.commit(id, node=LQ1, epoch=1, snapshot="{}", gate=[GateOp("look", 1, number, lists, phone)])
    ).gate
    return said


async def count(live: Live, id: str, limit: int = 2, leg: int = 1, day: str = DAY) -> bool:
    op = GateOp("count", leg, NUMBER, purpose="marketing", day=day, limit=limit)
    [said] = (await live.commit(id, node=LQ1, epoch=1, snapshot="{}", gate=[op])).gate
    return said.ok


async def told(live: Live, *entries: ListEntry) -> None:
    stands = await live.lists_version()
    await live.list_entries(stands, stands + len(entries), entries)


async def test_a_number_a_prefix_and_what_has_expired(live: Live, clock: Clock) -> None:
    await told(
        live,
        ListEntry("dnc", NUMBER),
        ListEntry("dnc", "110"),
        ListEntry("area", "+8610*"),
        ListEntry("all", "+*"),
        ListEntry("short", "955*", clock() + 1_000),
    )
    lists = ("dnc", "area", "all", "short", "none")
    assert (await look(live, NUMBER, *lists)).listed == ("dnc", "all")
    assert (await look(live, "+861062345678", *lists)).listed == ("area", "all")
    assert (await look(live, "110", *lists)).listed == ("dnc",)
    assert (await look(live, "95588", *lists)).listed == ("short",)
    assert (await look(live, "+86", *lists)).listed == ("all",)
    assert (await look(live, "", *lists)).listed == ()
    clock.pass_ms(1_000)
    assert (await look(live, "95588", *lists)).listed == ()
    await told(live, ListEntry("dnc", NUMBER, gone=True), ListEntry("area", "+8610*", gone=True))
    assert (await look(live, NUMBER, *lists)).listed == ("all",)
    assert (await look(live, "+861062345678", *lists)).listed == ("all",)


async def test_who_sits_at_the_phone(live: Live) -> None:
    await sign_in(live, "1001")
    assert (await look(live, NUMBER, phone="8001")).agent == "1001"
    assert (await look(live, NUMBER, phone="8002")).agent == ""


async def test_changes_are_taken_in_their_order_once(live: Live) -> None:
    await told(live, ListEntry("dnc", NUMBER))
    with pytest.raises(Stale) as stale:
        await live.list_entries(0, 1, [ListEntry("dnc", NUMBER, gone=True)])
    assert stale.value.version == 1
    assert (await look(live, NUMBER, "dnc")).listed == ("dnc",)
    await live.clear_lists()
    assert (await look(live, NUMBER, "dnc")).listed == () and await live.lists_version() == 0


async def test_a_number_is_called_so_often_a_day_and_counted_once_a_contact(live: Live) -> None:
    for id in ("c1", "c2", "c3", "c4", "c5"):
        await contact(live, id)
    assert [await count(live, "c1") for _ in range(3)] == [True, True, True]  # a commit repeated: one call
    assert await count(live, "c2")
    assert not await count(live, "c3") and not await count(live, "c3")
    assert not await count(live, "c3", leg=2), "what it was told once"
    assert await count(live, "c4", day="2026-11-28")
    assert await count(live, "c5", limit=3), "a limit that was raised"
    adopter = [GateOp("count", 1, NUMBER, purpose="marketing", day=DAY, limit=2)]
    again = await live.commit("c1", node="lq2-bbbbbbbb", epoch=2, snapshot="{}", gate=adopter)
    assert again.gate[0].ok, "whoever adopts a contact hears what its owner heard"


async def test_of_many_at_once_as_many_pass_as_may(live: Live, redis_url: str) -> None:
    passed = await asyncio.gather(*(count(live, f"c{n}", limit=7) for n in range(40)))
    assert sum(passed) == 7
    with Redis.from_url(redis_url) as plain:
        key = f"{keys.TAG}:calls:marketing:{DAY}"
        assert plain.hgetall(key) == {NUMBER.encode(): b"7"} and 0 < plain.ttl(key) <= 172_800


async def guess(live: Live, id: str, *, wrong: bool = True, nth: int = 0, whose: str = "agent:1001") -> bool:
    op = GateOp("guess", 1, whose, limit=3, wrong=wrong, nth=nth)
    [said] = (await live.commit(id, node=LQ1, epoch=1, snapshot="{}", gate=[op])).gate
    assert (said.op, said.leg) == ("guess", 1)
    return said.ok


async def test_after_so_many_wrong_pins_none_counts_for_a_quarter_of_an_hour(live: Live, redis_url: str) -> None:
    for _ in range(5):
        assert await guess(live, "c1", wrong=False), "right ones are not counted"
    assert [await guess(live, "c1") for _ in range(4)] == [True] * 4, "a commit repeated: one guess"
    assert await guess(live, "c1", nth=1) and await guess(live, "c2")
    assert not await guess(live, "c3") and not await guess(live, "c3", wrong=False)
    assert await guess(live, "c3", whose="agent:1002")
    with Redis.from_url(redis_url) as plain:
        key = f"{keys.TAG}:guesses:agent:1001"
        assert plain.get(key) == b"3" and 0 < plain.ttl(key) <= 900
        plain.delete(key)
    assert await guess(live, "c3", wrong=False)


async def test_what_cannot_be_read_changes_nothing(live: Live) -> None:
    with pytest.raises(BadRequest):
        await live.commit("c9", node=LQ1, epoch=1, snapshot="{}", gate=[GateOp("look", 1, None)])  # type: ignore[arg-type]
    for bad in (GateOp("look", 1, None), GateOp("ask", 1, NUMBER)):  # type: ignore[arg-type]
        with pytest.raises(BadRequest):
            await live.commit("c9", node=LQ1, epoch=1, snapshot="{}", gate=[bad])
    assert await live.contact("c9") is None
    with pytest.raises(BadRequest):
        await live._call("list", first=0, last=1, entries=[["dnc", 1, 0]])
    assert await live.lists_version() == 0


@pytest.mark.slow
async def test_a_million_numbers(live: Live, redis_url: str) -> None:
    """They take little room, and a look does not feel them."""
    random.seed(7)
    made = [f"+861{random.randrange(3, 10)}{random.randrange(10**9):09}" for _ in range(1_000_000)]
    with Redis.from_url(redis_url) as plain:
        before = plain.info("memory")["used_memory"]
        for start in range(0, len(made), 1000):
            await live.list_entries(start, start + 1000, [ListEntry("dnc", one) for one in made[start : start + 1000]])
        size = plain.info("memory")["used_memory"] - before
    began = time.perf_counter()
    for number in made[::2000]:
        assert (await look(live, number, "dnc")).listed == ("dnc",)
    each_ms = (time.perf_counter() - began) / 500 * 1000
    print(f"{size / len(set(made)):.0f} bytes a number, {size >> 20} MB; a look with its commit {each_ms:.2f} ms")
    assert size < 60 << 20
    assert (await look(live, "+8610000000000", "dnc")).listed == ()
    await live.clear_lists()
    assert (await look(live, made[0], "dnc")).listed == ()
