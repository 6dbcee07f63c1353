"""The soft phone over HTTP and the page's stream: an agent does what is his to do, and hears of nothing else."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from lq.live.redis import Live
from lq.sdk import ApiError
from tests.unit.ledger.lives import Life

from .calls import LiveCall, now_ms, past_call, today_ms
from .conftest import Place, Visitor
from .stream import Stream, following


async def ask(who: Visitor, path: str, key: str = "", **fields: str) -> httpx.Response:
    """As the page asks."""
    return await who.post(f"/desk/{path}", fields, headers={"Idempotency-Key": key or str(uuid.uuid4())})


def state(stream: Stream) -> str:
    return str(stream.desk.get("agent", {}).get("state"))


@contextlib.asynccontextmanager
async def at_the_desk(place: Place, live: Live, agent: str) -> AsyncIterator[tuple[Visitor, Stream]]:
    """Signed in and ready; signed out afterwards."""
    phone = f"8{agent[1:]}"
    await live.phone(phone, True, 3_600_000)
    who = await place.user(agent)
    async with following(who.http, "/live") as stream:
        assert (await ask(who, "agent/sign-in", phone=phone)).json() == {"done": True}
        await stream.until(lambda s: state(s) == "ready", "ready")
        yield who, stream
    async with place.client() as lq:
        await lq.sign_out(agent)


async def test_a_day_of_states(place: Place, live: Live) -> None:
    async with at_the_desk(place, live, "1027") as (who, stream):
        agent = stream.desk["agent"]
        assert (agent["label"], agent["phone"], stream.desk["call"]) == ("空闲", "8027", None)
        await ask(who, "agent/pause", reason="meal")
        await stream.until(lambda s: state(s) == "paused", "paused")
        assert stream.desk["agent"]["reason"] == "用餐" and stream.desk["why"]["ready"] == ""
        await ask(who, "agent/ready")
        await stream.until(lambda s: state(s) == "ready", "ready again")
        async with place.client() as lq:  # at his phone, by a feature code, or by his leader
            await lq.pause("1027", "break")
        await stream.until(lambda s: state(s) == "paused", "what is done elsewhere is seen here")
        await ask(who, "agent/sign-out")
        await stream.until(lambda s: state(s) == "signed_out", "gone home")
        assert stream.desk["why"]["dial"] == "请先签入。"


async def test_a_request_that_comes_twice_is_done_once(place: Place, live: Live) -> None:
    async with at_the_desk(place, live, "1028") as (who, stream):
        await ask(who, "agent/sign-out")
        await stream.until(lambda s: state(s) == "signed_out", "out")
        for after in ("ready", "signed_out"):
            answer = await ask(who, "agent/sign-in", "one-intention-1", phone="8028")
            assert (answer.status_code, answer.json()) == (200, {"done": True})
            async with place.client() as lq:
                assert (await lq.agent("1028")).state == after, "the repeat does not sign him in again"
            await stream.until(lambda s, after=after: state(s) == after, "his page says so")
            await ask(who, "agent/sign-out")
            await stream.until(lambda s: state(s) == "signed_out", "out again")


async def test_wrong_fields_are_told_beside_them(place: Place, live: Live) -> None:
    async with at_the_desk(place, live, "1029") as (who, _):
        for path, fields, field in (
            ("agent/sign-in", {"phone": " "}, "phone"),
            ("agent/sign-in", {"phone": "'; <script>"}, "phone"),
            ("agent/pause", {"reason": ""}, "reason"),
            ("agent/pause", {"reason": "no_answer"}, "reason"),
            ("dial", {"to": ""}, "to"),
            ("dial", {"to": "'; <script>"}, "to"),
        ):
            answer = await ask(who, path, **fields)
            assert (answer.status_code, answer.json()["field"]) == (422, field), (path, fields)
            assert answer.json()["error"].endswith(("。", "."))
        assert (await ask(who, "agent/sign-in", "x", phone="8029")).status_code == 400, "no key of ours"
        assert (await ask(who, "agent/nonsense")).status_code == 404
        assert (await ask(who, "call/some/nonsense")).status_code == 404
        who.csrf = "forged"
        assert (await ask(who, "agent/ready")).status_code == 403


async def test_a_call_from_its_ring_to_its_wrap_up(place: Place, live: Live) -> None:
    async with at_the_desk(place, live, "1030") as (who, stream):
        call = await LiveCall(live, "desk-call-1", "13912340001").start()
        await call.queue()
        assert call.agent == "1030", "the tests of this file leave nobody else ready"
        await stream.until(lambda s: s.desk["call"] and s.desk["why"]["answer"] == "", "it rings")
        told = stream.desk["call"]
        assert (told["id"], told["number"], told["queue"], told["rings"]) == (
            "desk-call-1",
            "139****0001",
            "销售",
            True,
        )
        assert stream.desk["agent"]["contact"] == "desk-call-1"
        refused = await ask(who, "call/desk-call-1/hang-up")
        assert (refused.status_code, refused.json()["error"]) == (409, "振铃中请用“接听”或“拒接”。")
        stranger = await place.user("1031")
        for verb in ("hang-up", "hold", "transfer"):
            assert (await ask(stranger, f"call/desk-call-1/{verb}", to="1001")).status_code == 409, "not his"
        await call.answer()
        await stream.until(lambda s: s.desk["why"]["hold"] == "", "they talk")
        assert {"done", "dial", "answer", "resume"} <= {name for name, why in stream.desk["why"].items() if why}
        await call.held()
        await stream.until(lambda s: s.desk["call"]["held"], "on hold")
        assert (stream.desk["call"]["label"], stream.desk["why"]["resume"]) == ("保持中", "")
        await call.end(wrap_up_ms=60_000)
        await stream.until(lambda s: state(s) == "wrap_up" and s.desk["over"] == 1, "wrap-up")
        assert stream.desk["call"]["id"] == "desk-call-1" and stream.desk["call"]["state"] == "ended"
        assert stream.desk["wrap_up"]["codes"], "what was it about"
        bad = await ask(who, "agent/done", code="nonsense")
        assert (bad.status_code, bad.json()["field"]) == (422, "code")
        leaf = stream.desk["wrap_up"]["codes"][-1]["id"]
        await ask(who, "agent/code", code=leaf)
        await stream.until(lambda s: s.desk["wrap_up"]["chosen"] == leaf, "the code is known")
        await ask(who, "agent/done")
        await stream.until(lambda s: state(s) == "ready" and s.desk["call"] is None, "free")
        assert "13912340001" not in stream.text


async def test_where_a_code_is_required_nobody_leaves_without_it(place: Place, live: Live) -> None:
    async with place.client() as lq, at_the_desk(place, live, "1037") as (who, stream):
        before = await lq.document("queues", "sales")
        await lq.put_document("queues", "sales", {**before.body, "wrap_up_code": "required"})
        try:
            call = await (await (await LiveCall(live, "desk-coded-1", "13912340007").start()).queue()).answer()
            assert call.agent == "1037"
            await stream.until(lambda s: (s.desk.get("wrap_up") or {}).get("required"), "the web knows")
            await call.end(wrap_up_ms=60_000)
            await stream.until(lambda s: state(s) == "wrap_up", "wrap-up")
            for verb, fields, told in (
                ("pause", {"reason": "meal"}, "请先选择话后小结，再示忙。"),
                ("sign-out", {}, "请先选择话后小结，再签出。"),
                ("ready", {"code": "complaint"}, "请先选择话后小结。"),  # which takes none along
                ("done", {}, "请先选择话后小结。"),
            ):
                refused = await ask(who, f"agent/{verb}", **fields)
                assert (refused.status_code, refused.json()) == (422, {"error": told, "field": "code"}), verb
            await ask(who, "agent/code", code="complaint")
            await stream.until(lambda s: s.desk["wrap_up"]["chosen"] == "complaint", "the code is known")
            assert (await ask(who, "agent/pause", reason="meal")).json() == {"done": True}
            await stream.until(lambda s: state(s) == "paused", "now he may")
        finally:
            await lq.put_document("queues", "sales", before.body)


async def test_his_time_is_over_and_he_stays_until_he_has_chosen_one(place: Place, live: Live) -> None:
    async with place.client() as lq, at_the_desk(place, live, "1059") as (who, stream):
        before = await lq.document("queues", "sales")
        await lq.put_document("queues", "sales", {**before.body, "wrap_up_code": "required"})
        try:
            call = await (await (await LiveCall(live, "desk-late-1", "13912340009").start()).queue()).answer()
            assert call.agent == "1059"
            await stream.until(lambda s: (s.desk.get("wrap_up") or {}).get("required"), "the web knows")
            await call.end(wrap_up_ms=1)
            await stream.until(lambda s: state(s) == "wrap_up", "wrap-up")
            for asked in (lq.ready("1059"), lq.pause("1059", "meal"), lq.wrap_up("1059", done=True)):
                with pytest.raises(ApiError) as refused:
                    await asked
                assert (refused.value.status, refused.value.code) == (409, "code_required"), "whoever asks"
            await ask(who, "agent/code", code="complaint")
            await stream.until(lambda s: state(s) == "ready" and s.desk["call"] is None, "it was waited for that alone")
        finally:
            await lq.put_document("queues", "sales", before.body)


async def test_who_is_disabled_is_out_and_reads_why_he_does_not_come_in(place: Place, live: Live) -> None:
    async with place.client() as lq, at_the_desk(place, live, "1060") as (who, stream):
        before = await lq.document("agents", "1060")
        await lq.put_document("agents", "1060", {**before.body, "enabled": False})
        try:
            await stream.until(lambda s: state(s) == "signed_out", "out at once")
            refused = await ask(who, "agent/sign-in", phone="8060")
            assert (refused.status_code, refused.json()["error"]) == (409, "您的坐席已经停用：请联系管理员。")
        finally:
            await lq.put_document("agents", "1060", before.body)


async def test_an_order_that_is_said_again_is_not_refused_for_what_has_become_of_the_call(
    place: Place, live: Live
) -> None:
    """The answer to the first was lost; the code is one for his queue, and by now the call is over."""
    async with place.client() as lq, at_the_desk(place, live, "1041") as (who, stream):
        await lq.put_document("wrap_up_codes", "said-again", {"name": "只有销售用", "queues": ["sales"]})
        try:
            call = await (await (await LiveCall(live, "desk-again-1", "13912340008").start()).queue()).answer()
            assert call.agent == "1041"
            codes = lambda s: [each["id"] for each in (s.desk.get("wrap_up") or {}).get("codes", ())]  # noqa: E731
            await stream.until(lambda s: "said-again" in codes(s), "the web knows")
            await call.end(wrap_up_ms=60_000)
            await stream.until(lambda s: state(s) == "wrap_up", "wrap-up")
            for _ in range(2):
                answer = await ask(who, "agent/done", "said-again-key-1", code="said-again")
                assert (answer.status_code, answer.json()) == (200, {"done": True})
                await stream.until(lambda s: state(s) == "ready" and s.desk["call"] is None, "free")
            anew = await ask(who, "agent/done", code="said-again")
            assert (anew.status_code, anew.json()["field"]) == (422, "code"), "another order is checked"
        finally:
            await lq.delete_document("wrap_up_codes", "said-again")


async def test_the_customers_name_stands_where_his_number_does(place: Place, live: Live) -> None:
    async with place.rows() as rows:
        for number, name in (("13912340008", "'; <script>"), ("13912340009", "丈夫"), ("13912340009", "妻子")):
            wife = await with_number(rows, name, number)
        await rows.execute("insert into role (id, name, scope, permissions) values ('blind', 'x', 'own', '{desk}')")
        await rows.execute("update operator set role = 'blind' where id = '1039'")
    blind = await place.user("1039")
    async with at_the_desk(place, live, "1038") as (who, stream), following(blind.http, "/live") as unnamed:
        call = await (await LiveCall(live, "desk-named-1", "13912340009").start()).queue()
        assert call.agent == "1038"
        await stream.until(lambda s: "等 2 位" in (s.desk["call"] or {}).get("name", ""), "one of two, while it rings")
        assert stream.desk["call"]["number"] == "139****0009"
        waits = await (await LiveCall(live, "desk-named-2", "13912340008").start()).queue()
        await stream.until(lambda s: [each["name"] for each in s.desk["waiting"]["calls"]] == ["'; <script>"], "waits")
        await who.get("/pop/desk-named-1")
        assert (await who.post("/pop/desk-named-1/customer", {"customer": str(wife)})).status_code == 303
        await stream.until(lambda s: s.desk["call"]["name"] == "妻子", "said in the pop")
        await waits.end("abandoned")
        await call.answer()
        await call.end(wrap_up_ms=60_000)
        await stream.until(lambda s: state(s) == "wrap_up" and s.desk["call"]["name"] == "妻子", "when it is over")
        await unnamed.until(
            lambda s: s.desk.get("waiting", {}).get("count") == 0 and "139****0008" in s.text, "numbers alone"
        )
        assert "1391234000" not in stream.text and "script" not in unnamed.text, "who may not look at customers"
    async with place.rows() as rows:
        await rows.execute("update operator set role = 'agent' where id = '1039'")
        await rows.execute("delete from role where id = 'blind'")


async def with_number(rows: asyncpg.Connection, name: str, number: str) -> int:
    """A customer."""
    id = await rows.fetchval(
        "insert into customer (key, kind, name) values (gen_random_uuid(), 'person', $1) returning id", name
    )
    await rows.execute("insert into customer_phone (customer, number) values ($1, $2)", id, f"+86{number}")
    return int(id)


async def test_what_he_missed_is_told_again_when_it_is_over(place: Place, live: Live) -> None:
    """It stands in history, from which his list is, only then."""
    async with at_the_desk(place, live, "1040") as (_, stream):
        call = await LiveCall(live, "desk-missed-2", "13912340005").start()
        await call.queue()
        assert call.agent == "1040", "the tests of this file leave nobody else ready"
        await stream.until(lambda s: s.desk["call"] and s.desk["call"]["rings"], "it rings")
        await call.unanswered()
        await stream.until(lambda s: s.desk["call"] is None, "no longer his")
        assert stream.desk["over"] == 0
        await call.end("abandoned")
        await stream.until(lambda s: s.desk["over"] == 1, "it is over")


async def test_who_waits_in_his_queues_and_in_no_other(place: Place, live: Live) -> None:
    sales, support = await place.user("1032"), await place.user("1062")
    async with following(sales.http, "/live") as his, following(support.http, "/live") as theirs:
        await his.until(lambda s: "waiting" in s.desk, "told of his")
        call = await LiveCall(live, "desk-wait-1", "13912340002").start()
        await call.queue("support")
        await theirs.until(lambda s: s.desk.get("waiting", {}).get("count") == 1, "one waits")
        [waits] = theirs.desk["waiting"]["calls"]
        assert (waits["number"], waits["queue"]) == ("139****0002", "技术支持")
        assert abs(waits["since"] - call.life.at) < 3000
        await call.end("abandoned")
        await theirs.until(lambda s: s.desk["waiting"]["count"] == 0, "he gave up")
        await his.until(lambda s: "waiting" in s.desk, "told once")
        assert his.desk["waiting"] == {"count": 0, "calls": []}
        assert "13912340002" not in theirs.text and "desk-wait-1" not in his.text


async def test_who_is_no_agent_has_no_soft_phone(place: Place) -> None:
    admin = await place.user("admin")
    assert 'id="desk"' not in (await admin.get("/board")).text
    assert (await admin.get("/desk/")).status_code == (await ask(admin, "agent/ready")).status_code == 403
    async with following(admin.http) as stream:
        await stream.until(lambda s: s.wholes == 1, "the snapshot")
        assert stream.desk == {}


async def test_todays_calls_and_those_that_he_missed(place: Place) -> None:
    at = max(now_ms() - 60_000, today_ms())
    await place.store(past_call("desk-past-1", at, "13912340003", "1033").events)
    rings = Life("desk-missed-1", at)
    rings.start("+8613912340004").queue().offer("1033").wait(20_000)
    rings.say("contact_offer_ended", n=rings.n, agent="1033", outcome="no_answer").end("abandoned")
    await place.store(rings.events)
    async with place.rows() as rows:
        await with_number(rows, "错过的客户", "13912340004")
    his, other = await place.user("1033"), await place.user("1035")
    text = (await his.get("/desk/today")).text
    assert text.count("错过的客户</span>") == 1
    assert text.count("139****0003") and text.count("139****0004") and "无应答" in text
    assert 'data-dial-contact="desk-missed-1"' in text and "1391234" not in text
    nothing = (await other.get("/desk/today")).text
    assert "今天没有未接来电" in nothing and "desk-past-1" not in nothing
    refused = await ask(other, "dial", contact="desk-past-1")
    assert refused.status_code == 404, "whom others talk with is not his to call"


def unanswered(agent: str, id: str, at: int) -> Life:
    life = Life(id, at).start("+8613912340004").queue().offer(agent).wait(20_000)
    return life.say("contact_offer_ended", n=life.n, agent=agent, outcome="no_answer").end("abandoned")


async def test_every_missed_call_can_be_called_back(place: Place) -> None:
    """In the list of calls he would not find them: there are those that he talked in."""
    agent, now, mark = "1014", now_ms(), uuid.uuid4().hex[:8]
    his = await place.user(agent)

    async def shown() -> tuple[list[str], int, int]:
        text = (await his.get("/desk/today")).text
        missed, mine = (text.count(f'data-dial-contact="{name}-{mark}') for name in ("missed", "mine"))
        return re.findall(r'<b class="lc-count[^>]*>([^<]+)</b>', text), missed, mine

    for name, count in (("missed", 21), ("mine", 20)):
        for n in range(count):
            id = f"{name}-{mark}-{n}"
            life = unanswered(agent, id, now + n) if name == "missed" else past_call(id, now + n, "13912340005", agent)
            await place.store(life.events)
    assert await shown() == (["21", "20"], 21, 20)
    for n in range(21, 101):
        await place.store(unanswered(agent, f"missed-{mark}-{n}", now + n).events)
    await place.store(past_call(f"mine-{mark}-21", now + 21, "13912340005", agent).events)
    assert await shown() == (["100+", "20+"], 100, 20)


async def test_a_leader_calls_back_whoever_he_sees_in_the_list(place: Place) -> None:
    mark = uuid.uuid4().hex[:8]
    menu, theirs, before = Life(f"back-menu-{mark}", now_ms()), Life(f"back-theirs-{mark}", now_ms()), f"back-{mark}"
    menu.start("+8613912340011").begin("contact_ivr_entered", flow="main", version=1).wait(3000)
    menu.say("contact_ivr_left", n=1, reason="hang_up").end("ivr")
    theirs.start("+8613912340012").wait(1000).answer("1037", "").wait(9000).end("answered")
    talk = past_call(before, now_ms(), "13912340013", "1034", "support")  # … and then with somebody of another team
    talk.events.pop()
    talk.events.pop()
    talk.begin("contact_answered", queue="", agent="1037", leg=f"{before}.3").wait(5000).end("answered")
    for life in (menu, theirs, talk):
        await place.store(life.events)
    async with place.rows() as rows:
        query = "insert into team (name, queues) values ($1, '{}') returning id"
        other = await rows.fetchval(query, f"back-{mark}")
        team = await rows.fetchval("select team from operator where id = '1037'")
        await rows.execute("update operator set team = $1 where id = '1037'", other)
        leader, agent = await place.user("1902"), await place.user("1034")
        for visitor, life, listed in (
            *((leader, menu, True), (leader, talk, True), (leader, theirs, False)),
            *((agent, menu, False), (agent, talk, True), (agent, theirs, False)),
        ):
            assert ((await visitor.get(f"/calls/{life.id}")).status_code == 200) is listed
            called = await ask(visitor, "dial", contact=life.id)
            assert called.status_code == (409 if listed else 404), (life.id, called.text)
        await rows.execute("update operator set team = $1 where id = '1037'", team)


async def test_the_flows_that_a_caller_can_be_sent_to(place: Place) -> None:
    who = await place.user("1036")
    flows = (await who.get("/desk/flows")).json()["flows"]
    assert [flow["id"] for flow in flows] == ["main"] and flows[0]["name"]


@pytest.mark.parametrize(("language", "label"), [("zh", "未签入"), ("en", "Signed out")])
async def test_the_column_in_both_languages(place: Place, language: str, label: str) -> None:
    who = await place.user("1036", **{"accept-language": language})
    text = (await who.get("/desk/")).text
    assert 'value="8036"' in text and ("签入" in text) == (language == "zh")
    async with following(who.http, "/live") as stream:
        await stream.until(lambda s: s.desk.get("known"), "his state")
        assert stream.desk["agent"]["label"] == label
