"""The gate to the outside on the real system: each refusal by name, routes and numbers of agents, lists of callers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lq.config import demo
from lq.config.calendars import DAYS
from lq.config.validation import to_json
from lq.sdk import ListEntry
from tests.center import Center
from tests.conftest import OwnCenter
from tests.scenarios.conftest import Scene, is_read, line, new_number
from tests.scenarios.faults import CALL_PATH
from tests.scenarios.test_outgoing import contact_of, network, phone, refused
from tests.simulator.gateway import Answer
from tests.simulator.place import Place
from tests.simulator.rtp import Media

pytestmark = pytest.mark.usefixtures("one_by_one", "exchange")

MOBILE = "13800138000"
NEVER = {"id": "never", "name": "从不", "hours": {}}
ROUTE: dict[str, Any] = {"id": "outside", "trunks": ["gw1", "gw2"], "caller_id": demo.OUT[0], "recording": "talk"}


@contextlib.asynccontextmanager
async def configured(scene: Scene, center: Center, *changes: tuple[str, dict[str, Any]]) -> AsyncIterator[None]:
    """These documents hold, then again those that were there."""
    before: list[tuple[str, str, dict[str, Any] | None]] = []
    try:
        for kind, body in changes:
            known = [one for one in await scene.lq.documents(kind) if one.id == body["id"]]
            before.append((kind, body["id"], dict(known[0].body) if known else None))
            await scene.lq.put_document(kind, body["id"], body)
        await is_read(center, (await scene.lq.health()).config_version)
        yield
    finally:
        for kind, id, body in reversed(before):
            await (scene.lq.put_document(kind, id, body) if body is not None else scene.lq.delete_document(kind, id))
        await is_read(center, (await scene.lq.health()).config_version)


async def rules(scene: Scene, ext: str, count: int) -> list[str]:
    """Of all refusals of this phone's calls, oldest first, once there are so many."""

    def told() -> list[str] | None:
        calls = dict.fromkeys(event.subject for event in scene.events.seen if event.data.get("phone") == ext)
        refusals = [e for call in calls for e in scene.events.of(call, "contact_dial_refused")]
        return [event.data["rule"] for event in refusals] if len(refusals) >= count else None

    return await scene.events.until(told)


async def test_numbers_on_a_do_not_call_list(scene: Scene, center: Center) -> None:
    outside = await network(scene, "gw1")
    own = await phone(scene, "8081")
    listed, prefix, white = new_number(), "+862155*", new_number()
    changes = (("lists", {"id": "scene-dnc", "kind": "dnc"}), ("lists", {"id": "scene-white", "kind": "white"}))
    async with configured(scene, center, *changes):
        entries = [ListEntry(listed, "投诉"), ListEntry(prefix), ListEntry(white)]
        await scene.lq.put_list_entries("scene-dnc", entries)
        await scene.lq.put_list_entries("scene-white", [ListEntry(white)])
        for number in (listed, "9" + listed, "02155556666"):
            assert await refused(await own.dial(number)) == (403, 21)
        assert outside.calls == []
        call = await own.dial(white)
        asked = await outside.called(white)
        await call.answered()
        await call.hang_up()
        await asked.ended()
        assert await rules(scene, "8081", 3) == ["dnc"] * 3
        contact = scene.events.of((await contact_of(scene, "8081")), "contact_ended")[0]
        assert (contact.data["result"], contact.data["ended_by"]) == ("refused", "system")
        for list in ("scene-dnc", "scene-white"):
            await scene.lq.clear_list(list)


async def test_hours_and_the_daily_limit_of_a_purpose(scene: Scene, center: Center) -> None:
    outside = await network(scene, "gw1")
    own = await phone(scene, "8082")
    number, other = new_number(), new_number()
    closed = {"id": "service", "calendar": "never"}
    async with configured(scene, center, ("calendars", NEVER), ("purposes", closed)):
        assert await refused(await own.dial(number)) == (403, 21)
    async with configured(scene, center, ("purposes", {"id": "service", "per_number_a_day": 2})):
        for called in (number, other, number):
            call = await own.dial(called)
            await outside.called(called)
            await call.answered()
            await call.hang_up()
        assert await refused(await own.dial(number)) == (403, 21)
        for called in ("110", other):
            call = await own.dial(called)
            await call.answered()
            await call.hang_up()
    assert await rules(scene, "8082", 2) == ["hours", "daily_limit"]
    cdr = await scene.cdr(await contact_of(scene, "8082"))
    assert cdr.purpose == "service"
    assert (await scene.lq.cdrs(purpose="service", number=cdr.number)).items


async def test_no_route_and_no_number_to_show(scene: Scene, center: Center) -> None:
    outside = await network(scene, "gw1")
    own = await phone(scene, "8083")
    trunks = {id: dict((await scene.lq.document("trunks", id)).body) for id in ("gw1", "gw2")}
    async with configured(scene, center, ("routes", {**ROUTE, "prefixes": ["+1"]})):
        assert await refused(await own.dial(MOBILE)) == (403, 21)
    mute = [("trunks", {**body, "caller_ids": []}) for body in trunks.values()]
    async with configured(scene, center, *mute):
        assert await refused(await own.dial(MOBILE)) == (403, 21)
    inward = [("trunks", {**body, "direction": "in"}) for body in trunks.values()]
    async with configured(scene, center, *inward):
        assert await refused(await own.dial(MOBILE)) == (403, 21)
    assert await refused(await own.dial("*70")) == (404, 1)
    assert outside.calls == []
    assert await rules(scene, "8083", 4) == ["no_route", "no_caller_id", "no_route", "unreadable"]


async def test_who_calls_decides_the_trunk_and_the_number(scene: Scene, center: Center) -> None:
    """Everybody goes by gw1; agent 1084's queue by gw2; now, by hours, to Shanghai as well."""
    first, second = await network(scene, "gw1"), await network(scene, "gw2")
    own = await phone(scene, "8084")
    today = datetime.now(UTC).astimezone(ZoneInfo("Asia/Shanghai")).weekday()
    days = DAYS[today], DAYS[(today + 1) % 7]  # midnight may come meanwhile
    queue = {"id": "scene-out", "name": "外呼组", "caller_id": demo.OUT[3]}
    agent = {"id": "1084", "name": "坐席", "queues": ["scene-out"]}
    changes: list[tuple[str, dict[str, Any]]] = [
        ("queues", queue),
        ("agents", agent),
        ("calendars", {"id": "scene-now", "hours": {day: ["00:00-24:00"] for day in days}}),
        ("routes", {**ROUTE, "trunks": ["gw1"]}),
        ("routes", {"id": "scene-group", "trunks": ["gw2"], "queues": ["scene-out"]}),
        ("routes", {"id": "scene-hours", "trunks": ["gw2"], "prefixes": ["+8621"], "calendar": "scene-now"}),
    ]
    async with configured(scene, center, *changes):
        for signed_in, called, trunk, shown in (
            (False, MOBILE, first, demo.OUT[0]),
            (False, "02161112222", second, demo.OUT[0]),
            (True, MOBILE, second, demo.OUT[3]),
        ):
            if signed_in:
                await scene.lq.sign_in("1084", "8084")
            call = await own.dial(called)
            asked = await trunk.called(called)
            assert asked.caller == shown
            await call.answered()
            await call.hang_up()
            await asked.ended()
        mine = {**agent, "caller_id": demo.OUT[5]}
        async with configured(scene, center, ("agents", mine)):
            call = await own.dial(MOBILE)
            asked = await second.called(MOBILE)
            assert asked.caller == demo.OUT[5]
            await call.answered()
            await call.hang_up()
            await asked.ended()
        await scene.lq.sign_out("1084")


async def test_a_full_trunk_is_not_called(scene: Scene, center: Center) -> None:
    """gw2, by which nobody else comes in, is one channel wide: the second call takes gw1 without asking gw2."""
    narrow, wide = await network(scene, "gw2"), await network(scene, "gw1")
    own = await phone(scene, "8097")
    trunk = (await scene.lq.document("trunks", "gw2")).body
    changes: list[tuple[str, dict[str, Any]]] = [
        ("trunks", {**trunk, "channels": 1}),
        ("routes", {"id": "scene-narrow", "trunks": ["gw2", "gw1"], "prefixes": ["+86139"]}),
    ]
    async with configured(scene, center, *changes):
        one = await own.dial("13900139001")
        asked = await narrow.called("13900139001")
        two = await own.dial("13900139002")
        other = await wide.called("13900139002")
        assert len(narrow.calls) == 1
        for call, far in ((one, asked), (two, other)):
            await call.answered()
            await call.hang_up()
            await far.ended()


async def test_callers_on_lists(scene: Scene, center: Center) -> None:
    """On the black list: not served. On the VIP list: first in line."""
    black, busy, vip, plain = (new_number() for _ in range(4))
    changes: list[tuple[str, dict[str, Any]]] = [
        ("lists", {"id": "scene-black", "kind": "black"}),
        ("lists", {"id": "scene-busy", "kind": "black", "answer": "busy"}),
        ("lists", {"id": "scene-vip", "kind": "vip", "priority": 3}),
    ]
    agent = line(21).agents[0]
    await scene.agent(agent)  # whoever waits waits for him; he answers nobody
    async with configured(scene, center, *changes):
        for list, number in (("scene-black", black), ("scene-busy", busy), ("scene-vip", vip)):
            await scene.lq.put_list_entries(list, [ListEntry(number)])
        assert await refused(await scene.dial(line(21).number, black)) == (403, 21)
        assert await refused(await scene.dial(line(21).number, busy)) == (486, 17)
        contact = await scene.events.contact_of(black)
        said = (await scene.events.first("contact_refused", subject=contact)).data
        assert said == {"rule": "black_list", "list": "scene-black"}
        assert (await scene.cdr(contact)).result == "refused"
        priorities = []
        for number in (plain, vip):
            call = await scene.dial(line(21).number, number)
            queued = await scene.events.first("contact_queued", subject=await scene.contact(call))
            priorities.append(queued.data["priority"])
            await call.hang_up()
            await call.ended()
        assert priorities == [0, 3]
        for list in ("scene-black", "scene-busy", "scene-vip"):
            await scene.lq.clear_list(list)


@pytest.mark.slow
@pytest.mark.kills
async def test_without_redis_calls_are_refused_and_phones_reach_each_other(own_center: OwnCenter) -> None:
    """Lists and limits cannot be looked at: nothing goes out but emergencies (test_outgoing)."""
    center = await asyncio.to_thread(own_center, LCALL_ONLY=CALL_PATH)
    place, media = Place.of(center), Media()
    try:
        async with (
            place.gateway(media=media, listening=True) as outside,
            place.softphone("8001", media) as own,
            place.softphone("8002", media, Answer(0.2)),
        ):
            before = await own.dial(MOBILE)
            await (await outside.called(MOBILE)).answered()
            await before.hang_up()
            center.freeze("redis")
            assert await refused(await own.dial(MOBILE)) == (500, 41)
            inner = await own.dial("8002")
            await inner.answered(20)
            await inner.hang_up()
            assert len(outside.calls) == 1
    finally:
        await asyncio.to_thread(media.close)


def test_the_demo_route_is_the_one_that_these_tests_know() -> None:
    found = next(body for kind, body in demo.documents(5080) if kind == "routes")
    assert {name: found[name] for name in ROUTE} == ROUTE
    assert to_json(demo.PURPOSES[0])["calendar"] == ""
