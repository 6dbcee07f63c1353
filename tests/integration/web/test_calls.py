"""The call list and a call's page: who sees which, how much of a number, and what a search finds."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from lq.ledger.events import Event
from tests.unit.ledger.lives import Life

from .calls import now_ms, past_call, spoken
from .conftest import Place
from .test_customers import enter, some_number

ROW = re.compile(r'href="/calls/([\w-]+)"')
HOUR = 3_600_000


def found(text: str) -> list[str]:
    return ROW.findall(text)


def unique() -> str:
    return uuid.uuid4().hex[:12]


async def stored_calls(place: Place, *lives: Life) -> list[str]:
    for life in lives:
        await place.store(life.events)
    return [life.id for life in lives]


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def abandoned(id: str, at: int, number: str, queue: str = "support") -> Life:
    life = Life(id, at).start(f"+86{number}").queue(queue).wait(7000)
    return life.say("contact_dequeued", n=1, queue=queue, reason="abandoned").end("abandoned")


# -- searching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        *("13800131234", "+8613800131234", "8613800131234", "008613800131234", "013800131234", "+86 138-0013-1234"),
        *("(138) 0013 1234", "１３８００１３１２３４", "0013123", "31234", "13800"),
    ],
)
async def test_a_number_is_found_in_any_form_and_by_any_part(place: Place, written: str) -> None:
    (id,) = await stored_calls(place, past_call(f"form-{unique()}", now_ms(), "13800131234"))
    admin = await place.user("admin")
    page = await admin.get("/calls/", params={"number": written})
    assert page.status_code == 200 and id in found(page.text)
    others = await admin.get("/calls/", params={"number": "13811119999"})
    assert id not in found(others.text)


@pytest.mark.parametrize(("written", "there"), [("01066881234", True), ("66881234", True), ("1066881234", True)])
async def test_a_fixed_line_is_found_with_and_without_its_zero(place: Place, written: str, there: bool) -> None:
    id = f"fixed-{unique()}"
    life = Life(id, now_ms()).say(
        "contact_started",
        **{"direction": "in", "number_raw": "66881234", "number": "+861066881234", "number_published": "01066881234"},
        **{"called_raw": "1001", "called": "+864008001001", "called_published": "4008001001"},
        **{"trunk": "gw2", "node": "lq1"},
    )
    await stored_calls(place, life.end("ivr"))
    admin = await place.user("admin")
    page = await admin.get("/calls/", params={"number": written})
    assert (id in found(page.text)) is there


async def test_each_condition_narrows_the_search(place: Place) -> None:
    now, mark = now_ms(), unique()
    sales, support, gone = await stored_calls(
        place,
        past_call(f"a-{mark}", now - 3 * HOUR, "13900004501", "1041", "sales"),
        past_call(f"b-{mark}", now - 2 * HOUR, "13900004501", "1071", "support"),
        abandoned(f"c-{mark}", now - HOUR, "13900004501"),
    )
    admin = await place.user("admin")

    async def search(**conditions: str) -> list[str]:
        page = await admin.get("/calls/", params={"from": "", "to": "", "number": "13900004501", **conditions})
        assert page.status_code == 200
        return [id for id in found(page.text) if mark in id]

    assert await search() == [gone, support, sales], "latest first"
    assert await search(agent="1041") == [sales]
    assert await search(agent="1071") == [support]
    assert await search(queue="support") == [gone, support]
    assert await search(result="abandoned") == [gone]
    assert await search(result="answered", queue="sales") == [sales]
    assert await search(direction="out") == []
    assert await search(**{"from": "2020-01-01", "to": "2020-01-02"}) == []
    async with place.rows() as rows:
        name = await rows.fetchval("select name from operator where id = '1071'")
    assert await search(agent=name) == [support], "an agent is found by his name"


async def test_who_took_part_and_where_it_waited_is_found_whoever_had_it_last(place: Place) -> None:
    """Handed on from sales to support, with advice of a third; a fourth did not pick up."""
    mark, number = unique(), "13900004601"
    life = Life(f"path-{mark}", now_ms() - HOUR).start(f"+86{number}").queue("sales").offer("1044").wait(9000)
    life.say("contact_offer_ended", n=2, agent="1044", outcome="no_answer").offer("1041").answer("1041", "sales")
    life.wait(5000).begin("contact_consulting", by="1041", agent="1042").wait(5000)
    life.queue("support").offer("1071").answer("1071", "support").wait(5000)
    (id,) = await stored_calls(place, life.end("answered"))
    admin = await place.user("admin")

    async def finds(**conditions: str) -> bool:
        found_by = []
        for more in ({}, {"number": number}):
            page = await admin.get("/calls/", params={"from": "", "to": "", **conditions, **more})
            assert page.status_code == 200
            found_by.append(id in found(page.text))
        assert found_by[0] == found_by[1], "the same by the number's index"
        return found_by[0]

    async with place.rows() as rows:
        segments = await rows.fetch("select kind, agent, queue from segment where contact_id = $1", id)
        assert await rows.fetchval("select agent || queue from cdr where contact_id = $1", id) == "1071support"
    took_part = {row["agent"] for row in segments if row["kind"] in ("talk", "consult", "conference")}
    assert took_part == {"1041", "1042", "1071"}
    for agent in ("1041", "1042", "1044", "1071", "1043"):
        assert await finds(agent=agent) == (agent in took_part), agent
    for queue, there in (("sales", True), ("support", True), ("nowhere", False)):
        assert await finds(queue=queue) == there, queue
    assert await finds(agent="1041", queue="support") and not await finds(agent="1044", queue="support")


async def test_who_was_asked_for_advice_has_the_call_among_his(place: Place) -> None:
    """He never had the customer: that he was with the contact is told by his own state alone."""
    mark, at, number = unique(), now_ms() - 60_000, some_number()
    (id,) = await stored_calls(place, past_call(f"advice-{mark}", at, number, "1041"))
    talked = {"agent": "1042", "state": "talking", "previous": "reserved", "since": at, "contact": id}
    after = {"agent": "1042", "state": "ready", "previous": "talking", "since": at + 9000}
    states = [
        Event("agent_state_changed", at + n, "agent:1042", now_ms() + n, told) for n, told in enumerate((talked, after))
    ]
    await place.store(states)
    adviser, other = await place.user("1042"), await place.user("1043")
    for conditions in ({}, {"number": number}):
        page = await adviser.get("/calls/", params={"from": "", "to": "", **conditions})
        assert id in found(page.text)
        page = await other.get("/calls/", params={"from": "", "to": "", **conditions})
        assert id not in found(page.text)
    assert (await adviser.get(f"/calls/{id}")).status_code == 200
    assert (await other.get(f"/calls/{id}")).status_code == 404
    assert f"/calls/{id}" in (await adviser.get("/desk/today")).text


async def test_by_the_time_of_day_who_hung_up_why_and_how_long_it_waited(place: Place) -> None:
    mark, number = unique(), "13900004602"
    day = datetime(2026, 3, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
    morning, evening, night = await stored_calls(
        place,
        past_call(f"m-{mark}", ms(day.replace(hour=9, minute=30)), number, "1041"),
        abandoned(f"e-{mark}", ms(day.replace(hour=18, minute=0)), number),
        Life(f"n-{mark}", ms(day.replace(hour=23, minute=59)))
        .start(f"+86{number}")
        .queue()
        .wait(70_000)
        .end("failed", "system", 34),
    )
    admin = await place.user("admin")

    async def search(**conditions: str) -> list[str]:
        asked = []
        for more in ({}, {"number": number}):
            page = await admin.get("/calls/", params={"from": "", "to": "", **conditions, **more})
            assert page.status_code == 200, page.text
            calls = re.search(r"<span>通话数</span><strong>(\d+)", page.text)
            asked.append([id for id in found(page.text) if mark in id])
            assert calls and (not more or int(calls[1]) == len(found(page.text))), "the totals are of the same"
        assert asked[0] == asked[1], "the same by the number's index"
        return asked[0]

    days = {"from": "2026-03-09", "to": "2026-03-11"}
    assert await search(**days) == [night, evening, morning]
    assert await search(**days, at_from="09:00", at_to="17:59") == [morning]
    assert await search(at_from="18:00", at_to="18:00", **days) == [evening]
    assert await search(**days, at_from="22:00", at_to="5:00") == [night]
    assert await search(**days, at_to="17:59") == [morning]
    assert morning in await search(at_from="9:30", at_to="9:30"), "of all times"
    assert await search(**days, ended_by="system") == [night]
    assert await search(**days, cause="34") == [night] and await search(**days, cause="17") == []
    assert await search(**days, waited="1:00") == [night]
    for conditions in ({}, days):
        page = await admin.get("/calls/", params={"call": evening, **conditions})
        assert found(page.text) == [evening], "by its id, on any day"


async def test_by_the_name_of_a_customer(place: Place) -> None:
    mark, now = unique(), now_ms()
    name, number, other = f"客户{mark}", some_number(), some_number()
    admin, leader = await place.user("admin"), await place.user("1901")
    id, namesake = await enter(admin, name, number), await enter(admin, f"{name}二", some_number())
    ids = [f"{each}-{mark}" for each in ("own", "about", "anothers", "none")]
    for n, (call, used) in enumerate(zip(ids, (number, other, number, other), strict=True)):
        await place.store(past_call(call, now - n * 1000, used, "1041").events)
    async with place.rows() as rows:
        await rows.execute("insert into contact_customer values ($1, $2, '1041')", ids[1], id)
        await rows.execute("insert into contact_customer values ($1, $2, '1041')", ids[2], namesake)
    for visitor in (admin, leader):
        for written, wanted in ((f"{name}二", ids[2:3]), (mark, ids[:3]), (f"客户 {mark}", ids[:3]), (f"{mark}x", [])):
            page = await visitor.get("/calls/", params={"customer": written})
            assert page.status_code == 200 and found(page.text) == wanted, written
    async with place.rows() as rows:
        before = await rows.fetchval("select permissions from role where id = 'leader'")
        without = [each for each in before if each != "customers"]
        try:
            await rows.execute("update role set permissions = $1 where id = 'leader'", without)
            blind = await place.user("1901")
            assert 'id="customer"' not in (await blind.get("/calls/")).text
            assert (await blind.get("/calls/", params={"customer": mark})).status_code == 422
        finally:
            await rows.execute("update role set permissions = $1 where id = 'leader'", before)


@pytest.mark.slow
async def test_totals_are_over_all_that_is_found_and_pages_lose_nothing(place: Place) -> None:
    now, number = now_ms(), "13700007001"
    lives = [past_call(f"page-{n:03}-{unique()}", now - n * 1000, number, talk_ms=20_000) for n in range(110)]
    lives += [abandoned(f"page-9{n}-{unique()}", now - 200_000 - n, number) for n in range(10)]
    ids = await stored_calls(place, *lives)
    admin = await place.user("admin")
    page = await admin.get("/calls/", params={"from": "", "to": "", "number": number})
    sums = re.findall(r"<span>([^<]+)</span><strong>([^<]+)</strong>", page.text)
    assert dict(sums) == {
        **{"通话数": "120", "接听": "110", "排队放弃": "10", "总通话时长": "44:00"},
        **{"平均通话时长": "0:24", "平均排队时长": "0:06"},
    }
    assert page.text.count('<td class="lc-figure">0:24</td>') == 50, "of which each row says its part"
    seen: list[str] = found(page.text)
    while more := re.search(r'hx-get="([^"]+)"[^>]*hx-target="#more"', page.text):
        page = await admin.get(more[1].replace("&amp;", "&"), headers={"hx-request": "true"})
        assert "<html" not in page.text, "only the rows"
        seen += found(page.text)
    assert seen == ids, "every call once, in order"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"from": "24.11.2026"}, "请按 2026-11-24 的格式填写日期。"),
        ({"from": "9999-99-99"}, "请按 2026-11-24 的格式填写日期。"),
        ({"to": "0001-01-01"}, "请按 2026-11-24 的格式填写日期。"),
        ({"from": "2026-11-24", "to": "2026-11-23"}, "结束日期早于开始日期。"),
        ({"number": "abc"}, "号码只能包含数字。"),
        ({"number": "'; drop table cdr; --"}, "号码只能包含数字。"),
        ({"number": "1" * 40}, "号码只能包含数字。"),
        ({"result": "nonsense"}, "没有这个选项。"),
        ({"direction": "<script>"}, "没有这个选项。"),
        ({"agent": "x" * 100}, "内容太长。"),
        ({"agent": "a\x00b"}, "内容太长。"),
    ],
)
async def test_what_cannot_be_searched_for_is_said_and_kept(place: Place, given: dict[str, str], message: str) -> None:
    admin = await place.user("admin")
    page = await admin.get("/calls/", params=given)
    assert page.status_code == 422 and message in page.text
    assert "<script>" not in page.text and found(page.text) == []
    for value in given.values():
        if value.isascii() and value.isalnum():
            assert f'value="{value}"' in page.text or value == "nonsense"


async def test_wild_cards_and_hostile_texts_mean_themselves(place: Place) -> None:
    admin = await place.user("admin")
    for text in ("%", "_", "100%", "\\", "'; drop table cdr; --", "<img src=x onerror=alert(1)>", "王%"):
        page = await admin.get("/calls/", params={"from": "", "to": "", "agent": text})
        assert page.status_code == 200 and found(page.text) == [], text
        assert "<img src=x" not in page.text
    for cursor in ("x", "W10=", "bnVsbA==", "WzEsMl0=", "WyIyMDI2LTAxLTAxIiwgIngiXQ=="):
        assert (await admin.get("/calls/", params={"cursor": cursor})).status_code == 200, cursor


# -- numbers -----------------------------------------------------------------------------------------------------------


async def test_a_masked_number_is_nowhere_in_what_is_sent(place: Place) -> None:
    number = "13655557891"
    (id,) = await stored_calls(place, past_call(f"mask-{unique()}", now_ms(), number, "1042"))
    for viewer in ("1901", "1042"):
        visitor = await place.user(viewer)
        listing = await visitor.get("/calls/")
        detail = await visitor.get(f"/calls/{id}")
        assert id in found(listing.text) and detail.status_code == 200
        for text in (listing.text, detail.text):
            assert "136****7891" in text and number not in text and "55557" not in spoken(text)
        assert "客户按键" in detail.text and re.search(r"客户按键</td>\s*<td[^>]*>\s*\*\*\*\*", detail.text)
    admin = await place.user("admin")
    assert number in (await admin.get("/calls/")).text
    assert f"+86{number}" in (await admin.get(f"/calls/{id}")).text


async def test_the_customer_of_an_outgoing_call_is_masked_as_well(place: Place) -> None:
    id, number = f"out-{unique()}", "13512346666"
    life = Life(id, now_ms()).say(
        "contact_started",
        **{"direction": "out", "number_raw": number, "number": f"+86{number}", "number_published": number},
        **{
            "called_raw": f"9{number}",
            "called": f"+86{number}",
            "called_published": number,
            "phone": "8043",
            "node": "x",
        },
    )
    await stored_calls(place, life.end("no_answer", "system", 19))
    leader = await place.user("1901")
    for path in ("/calls/?direction=out", f"/calls/{id}"):
        text = (await leader.get(path)).text
        assert "135****6666" in text and number not in text, path


async def test_a_search_does_not_tell_the_hidden_digits(place: Place) -> None:
    number = "13477778901"
    (id,) = await stored_calls(place, past_call(f"guess-{unique()}", now_ms(), number))
    leader = await place.user("1901")

    async def finds(text: str) -> bool:
        return id in found((await leader.get("/calls/", params={"number": text})).text)

    assert await finds(number) and await finds(f"+86 {number}") and await finds(f"0{number}")
    assert await finds("8901"), "what he sees of it"
    for part in ("134777", "77778", "7777", "47777890", "1347777890", "%", "134____8901"):
        assert not await finds(part), part


async def test_revealing_is_for_those_who_may_and_is_written_down(place: Place) -> None:
    number = "13355551111"
    (id,) = await stored_calls(place, past_call(f"show-{unique()}", now_ms(), number, "1044"))
    leader, agent = await place.user("1902"), await place.user("1044")
    assert 'id="reveal"' in (await leader.get(f"/calls/{id}")).text
    assert 'id="reveal"' not in (await agent.get(f"/calls/{id}")).text
    refused = await agent.post(f"/calls/{id}/number")
    assert refused.status_code == 403 and number not in refused.text
    shown = await leader.post(f"/calls/{id}/number")
    assert shown.status_code == 200 and number in shown.text
    async with place.rows() as rows:
        noted = await rows.fetch(
            "select operator, action, address from audit where object = $1 order by id", f"contact:{id}"
        )
    assert [tuple(row) for row in noted] == [("1902", "number_revealed", "127.0.0.1")]


# -- whose calls -------------------------------------------------------------------------------------------------------


async def test_an_agent_sees_the_calls_that_he_talked_in(place: Place) -> None:
    mark = unique()
    handed_on = past_call(f"handed-{mark}", now_ms(), "13800009001", "1045")
    handed_on.events.pop()  # not over yet: the customer is handed on to another
    handed_on.events.pop()
    handed_on.seq -= 2
    handed_on.wait(1000).offer("1046").answer("1046", "").wait(5000).end("answered")
    missed = Life(f"missed-{mark}", now_ms()).start().queue().offer("1045").wait(20_000)
    missed.say("contact_offer_ended", n=2, agent="1045", outcome="no_answer").offer("1046").answer("1046").wait(9000)
    await stored_calls(
        place,
        past_call(f"own-{mark}", now_ms(), "13800009000", "1045"),
        handed_on,
        missed.end("answered"),
        past_call(f"other-{mark}", now_ms(), "13800009002", "1046"),
    )

    async def sees(viewer: str) -> set[str]:
        visitor = await place.user(viewer)
        listed = {id for id in found((await visitor.get("/calls/")).text) if mark in id}
        names = [f"{name}-{mark}" for name in ("own", "handed", "missed", "other")]
        opened = {name for name in names if (await visitor.get(f"/calls/{name}")).status_code == 200}
        assert listed == opened, "the list and the pages agree"
        return {name.split("-")[0] for name in opened}

    assert await sees("1045") == {"own", "handed"}
    assert await sees("1046") == {"handed", "missed", "other"}
    assert await sees("1901") == await sees("admin") == {"own", "handed", "missed", "other"}
    assert await sees("1047") == set()


async def test_calls_of_all_times_are_found_in_their_order_whoever_looks(place: Place) -> None:
    mark, number, now = unique(), "13900008123", now_ms()
    ages_h = (0, 2, 30, 24 * 20, 24 * 90, 24 * 400)
    lives = [past_call(f"{mark}-{n}", now - age * HOUR, number, "1046") for n, age in enumerate(ages_h)]
    handed_on = past_call(f"{mark}-handed", now - 24 * 300 * HOUR, number, "1046")
    handed_on.events.pop()
    handed_on.events.pop()
    handed_on.seq -= 2
    handed_on.wait(1000).offer("1047").answer("1047", "").wait(5000).end("answered")
    nobodys = Life(f"{mark}-nobody", now - 24 * 350 * HOUR).start(f"+86{number}").end("ivr")
    ids = await stored_calls(place, *lives[:5], handed_on, nobodys, lives[5])
    his = [id for id in ids if not id.endswith("-nobody")]

    async def sees(viewer: str, **conditions: str) -> list[str]:
        visitor = await place.user(viewer)
        page = await visitor.get("/calls/", params={"from": "", "to": "", **conditions})
        return [id for id in found(page.text) if id.startswith(mark)]

    for conditions in ({"number": number}, {"number": number, "agent": "nobody"}, {"number": "8123"}):
        others = "agent" in conditions
        assert await sees("1046", **conditions) == ([] if others else his)
        assert await sees("1901", **conditions) == await sees("admin", **conditions) == ([] if others else ids)
    assert await sees("1046", result="answered") == his, "without a number: by the time"
    assert await sees("1046", agent="1046") == his, "who handed it on has had it, too"
    assert await sees("1047", agent="1047") == [handed_on.id]
    assert await sees("1901", agent="1047") == [handed_on.id]
    assert nobodys.id in await sees("1901", result="ivr") and await sees("1046", result="ivr") == []


def routes(id: str) -> Sequence[tuple[str, str]]:
    recording = f"{id}-r1"
    return (
        ("GET", "/board"),
        ("GET", "/live"),
        ("GET", "/calls/"),
        ("GET", f"/calls/{id}"),
        ("POST", f"/calls/{id}/number"),
        ("GET", f"/recordings/{recording}"),
        ("GET", f"/recordings/{recording}/peaks"),
        ("GET", f"/recordings/{recording}/audio"),
        ("GET", f"/recordings/{recording}/file"),
        ("POST", f"/recordings/{recording}/comments"),
        ("GET", "/calls/export.xlsx?number=1"),
        ("GET", "/team"),
        ("GET", "/wall"),
    )


EXPECTED = {  # of a call of 1048's whose recording is not stored yet
    "": (302, 401, 302, 302, 401, 302, 302, 302, 302, 401, 302, 302, 302),
    "1048": (200, 200, 200, 200, 403, 200, 404, 404, 403, 422, 403, 403, 403),
    "1049": (200, 200, 200, 404, 403, 404, 404, 404, 404, 404, 403, 403, 403),
    "1901": (200, 200, 200, 200, 200, 200, 404, 404, 403, 422, 403, 200, 200),
    "admin": (200, 200, 200, 200, 200, 200, 404, 404, 404, 422, 200, 200, 200),
}


@pytest.mark.parametrize("viewer", EXPECTED)
async def test_every_role_on_every_route(place: Place, viewer: str) -> None:
    (id,) = await stored_calls(place, past_call(f"role-{unique()}", now_ms(), "13800138000", "1048"))
    visitor = await place.user(viewer) if viewer else place.visitor()
    if not viewer:
        await visitor.get("/login")
    answers = []
    for method, path in routes(id):
        data = {"csrf": visitor.csrf} if method == "POST" else None
        async with visitor.http.stream(method, path, data=data) as answer:
            answers.append(answer.status_code)
    assert tuple(answers) == EXPECTED[viewer]
