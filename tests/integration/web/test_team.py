"""The leader's page and the wall: whom a leader may order about, what he is told when it is not done, what he sees."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from lq.live.redis import Live

from .calls import LiveCall, now_ms, past_call
from .conftest import Place, Visitor
from .stream import following
from .test_board import sign_in, sign_out, state
from .test_customers import enter


async def ordered(visitor: Visitor, path: str, **fields: str) -> tuple[int, str]:
    answer = await visitor.post(path, {"key": uuid.uuid4().hex, **fields})
    return answer.status_code, str(answer.json()["message"])


async def audited(place: Place, action: str, object: str) -> list[tuple[str, Any]]:
    async with place.rows() as rows:
        found = await rows.fetch(
            "select operator, detail from audit where action = $1 and object = $2 order by id", action, object
        )
    return [(row["operator"], json.loads(row["detail"])) for row in found]


@pytest.mark.parametrize("path", ["/team", "/wall", "/team/work", "/wall/figures"])
async def test_only_leaders_come_in(place: Place, path: str) -> None:
    agent, leader, nobody = await place.user("1026"), await place.user("1901"), place.visitor()
    assert (await agent.get(path)).status_code == 403
    assert (await leader.get(path)).status_code == 200
    assert (await nobody.get(path)).status_code in (302, 401)


async def test_an_agent_orders_nothing(place: Place, live: Live) -> None:
    await sign_in(place, live, "1027")
    agent = await place.user("1026")
    for path in ("agents/1027/state", "agents/1027/monitor", "agents/1027/release", "calls/x/pick-up", "calls/x/leave"):
        assert (await agent.post(f"/team/{path}", {"to": "sign-out"})).status_code == 403
    async with place.client() as lq:
        assert (await lq.agent("1027")).state == "ready"
    await sign_out(place, "1027")


async def test_a_leader_pauses_readies_and_signs_out_and_it_is_written_down(place: Place, live: Live) -> None:
    await sign_in(place, live, "1028")
    leader = await place.user("1901")
    async with following(leader.http) as stream:
        await stream.until(lambda s: state(s, "1028") == "ready", "ready")
        assert (await ordered(leader, "/team/agents/1028/state", to="pause", reason="meal"))[0] == 200
        await stream.until(lambda s: state(s, "1028") == "paused", "paused")
        assert stream.agents["1028"]["reason"] == "用餐" and stream.agents["1028"]["team"] is True
        assert await ordered(leader, "/team/agents/1028/state", to="pause", reason="nonsense") == (
            422,
            "请选择示忙原因。",
        )
        assert (await ordered(leader, "/team/agents/1028/state", to="fly"))[0] == 422
        assert (await ordered(leader, "/team/agents/1028/state", to="ready"))[0] == 200
        await stream.until(lambda s: state(s, "1028") == "ready", "ready again")
        assert (await ordered(leader, "/team/agents/1028/state", to="sign-out"))[0] == 200
        await stream.until(lambda s: state(s, "1028") == "signed_out", "signed out")
    noted = [
        (who, detail["to"], detail["reason"]) for who, detail in await audited(place, "agent_forced", "agent:1028")
    ]
    assert noted == [("1901", "pause", "meal"), ("1901", "ready", ""), ("1901", "sign-out", "")]


async def test_the_same_click_twice_is_done_once(place: Place, live: Live) -> None:
    """The second hears the answer to the first, though the agent has changed his state since."""
    await sign_in(place, live, "1029")
    leader = await place.user("1901")
    fields = {"key": uuid.uuid4().hex, "to": "pause", "reason": "break"}
    assert (await leader.post("/team/agents/1029/state", fields)).status_code == 200
    async with place.client() as lq:
        await lq.ready("1029")
        assert (await leader.post("/team/agents/1029/state", fields)).status_code == 200
        assert (await lq.agent("1029")).state == "ready"
    await sign_out(place, "1029")


async def test_what_cannot_be_done_is_said_in_words(place: Place, live: Live) -> None:
    await sign_in(place, live, "1030")
    leader = await place.user("1902")
    english = await place.user("1902", **{"accept-language": "en"})
    monitor = "/team/agents/1030/monitor"
    no_phone = (409, "请先用自己的话机签入，再监听、耳语或强插。")
    assert await ordered(leader, monitor, contact="x", mode="listen") == no_phone
    said = (409, "Sign in with a phone of your own first; then listen, whisper or barge in.")
    assert await ordered(english, monitor, contact="x", mode="listen") == said
    await sign_in(place, live, "1902")
    assert await ordered(leader, monitor, contact="x", mode="listen") == (409, "他现在没有通话。")
    assert await ordered(leader, monitor, contact="x", mode="'; <script>") == (422, "没有这个操作。")
    assert (await ordered(leader, "/team/agents/1902/monitor", contact="x", mode="listen"))[1] == "不能监听自己的通话。"
    assert await ordered(leader, "/team/agents/nobody/state", to="ready") == (403, "这位坐席不在您的班组里。")
    call = await LiveCall(live, f"team-{uuid.uuid4().hex[:8]}").start()
    await call.queue()
    assert call.agent == "1030"
    await call.answer()
    stale = "画面已过时：他已不在这通电话里，请看最新状态再操作。"
    for path in (monitor, "/team/agents/1030/release"):
        assert await ordered(leader, path, contact="another", mode="listen") == (409, stale)
    assert await ordered(leader, f"/team/calls/{call.id}x/pick-up") == (404, "这通电话或坐席已不存在。")
    await call.end()
    assert await audited(place, "call_released", "contact:another") == [], "nothing was done"
    await sign_out(place, "1030")
    await sign_out(place, "1902")


async def test_a_leader_leads_his_team_and_nobody_else(place: Place, live: Live) -> None:
    async with place.rows() as rows:
        other = await rows.fetchval("insert into team (name, queues) values ($1, '{support}') returning id", "夜班")
        await rows.execute("update operator set team = $1 where id = '1034'", other)
    leader = await place.user("1902")
    async with following(leader.http) as stream:
        await stream.until(lambda s: len(s.agents) == 102, "all")
        assert stream.agents["1035"]["team"] is True and stream.agents["1034"]["team"] is False
    assert await ordered(leader, "/team/agents/1034/state", to="sign-out") == (403, "这位坐席不在您的班组里。")
    assert (await ordered(leader, "/team/agents/1035/state", to="sign-out"))[0] == 200
    async with place.rows() as rows:
        await rows.execute("update operator set team = (select team from operator where id = '1035') where id = '1034'")


async def test_leaders_see_who_listens_and_who_wants_help_and_agents_do_not(place: Place, live: Live) -> None:
    await sign_in(place, live, "1032")
    leader, agent = await place.user("1901"), await place.user("1033")
    async with following(leader.http) as seen, following(agent.http) as hidden:
        for stream in (seen, hidden):
            await stream.until(lambda s: state(s, "1032") == "ready", "the snapshot")
        call = await LiveCall(live, f"leads-{uuid.uuid4().hex[:8]}", "13911113333").start()
        await call.queue()
        assert call.agent == "1032"
        await call.answer()
        call.life.say("contact_help_wanted", n=1, agent="1032")
        call.life.say("contact_called", n=1, leg=f"{call.id}.3", verb="monitor", to="agent:1902")
        await call._commit(help="1032")
        await seen.until(lambda s: s.agents["1032"].get("help", 0) > 0, "he wants help")
        card = seen.agents["1032"]
        assert [one["mode"] for one in card["leaders"]] == ["calling"] and card["contact"] == call.id
        assert (card["number"], card["call"], card["queue"]) == ("139****3333", "talking", "销售")
        call.life.say("contact_call_ended", leg=f"{call.id}.3", outcome="answered")
        call.life.say("contact_help_ended", agent="1032", by="1902")
        call.life.say("contact_monitored", agent="1902", mode="whisper", leg=f"{call.id}.3")
        await call._commit(help="")
        await seen.until(lambda s: s.agents["1032"]["help"] == 0, "a leader has come")
        assert [(one["id"], one["mode"], one["label"]) for one in seen.agents["1032"]["leaders"]] == [
            ("1902", "whisper", "耳语")
        ]
        await hidden.until(lambda s: state(s, "1032") == "talking", "a colleague sees that he talks")
        await call.end()
        await seen.until(lambda s: state(s, "1032") == "ready", "over")
        await hidden.until(lambda s: state(s, "1032") == "ready", "over")
        assert seen.agents["1032"]["leaders"] == []
        told = re.sub(r"event: desk\ndata: .*", "", hidden.text)  # his own soft phone can ask for help
        assert "leaders" not in told and "whisper" not in told and "help" not in told
    await sign_out(place, "1032")


async def test_a_leader_sees_whose_calls_they_are_if_customers_are_for_his_eyes(place: Place, live: Live) -> None:
    number, name = f"139{uuid.uuid4().int % 10**8:08}", f"客户{uuid.uuid4().hex[:8]}"
    leader, agent = await place.user("1901"), await place.user("1033")
    call = await LiveCall(live, f"whose-{uuid.uuid4().hex[:8]}", number).start()
    await call.queue("support")
    path = "/live?board=1&callers=1"
    async with following(leader.http, path) as seen, following(agent.http, path) as hidden:
        await seen.until(lambda s: call.id in s.calls, "it waits")
        await enter(leader, name, number)
        await seen.until(lambda s: s.names.get(call.id) == name, "entered while he waits")
        await call.end("abandoned")
        await seen.until(lambda s: call.id not in s.calls, "over")
        await hidden.until(lambda s: s.agents, "the snapshot")
        assert hidden.names == {} and name not in hidden.text
    async with place.rows() as rows:
        before = await rows.fetchval("select permissions from role where id = 'leader'")
        without = [each for each in before if each != "customers"]
        try:
            await rows.execute("update role set permissions = $1 where id = 'leader'", without)
            async with following((await place.user("1901")).http, path) as blind:
                await blind.until(lambda s: s.agents, "the snapshot")
                assert "event: callers" not in blind.text
        finally:
            await rows.execute("update role set permissions = $1 where id = 'leader'", before)


async def test_the_days_work_and_the_curve_of_the_day(place: Place) -> None:
    leader = await place.user("1901")
    before = (await leader.get("/wall/figures?queues=support")).json()["hours"]
    await place.store(past_call(f"work-{uuid.uuid4().hex}", now_ms() - 1000, "13800130000", "1090", "support").events)

    async def settled() -> tuple[int, float]:
        found = (await leader.get("/team/work")).json()["agents"].get("1090", [0, 0])
        return found[0], found[1]

    async def more() -> int:
        hours = (await leader.get("/wall/figures?queues=support")).json()["hours"]
        assert (await leader.get("/wall/figures?queues=nobody")).json()["hours"][-1]["offered"] == 0
        return int(sum(hour["offered"] for hour in hours) - sum(hour["offered"] for hour in before))

    # the day's figures are kept for some seconds
    await until(lambda: settled(), (1, 34.0))
    await until(lambda: more(), 1)

    # They are of his people: not for who leads others.
    async with place.rows() as rows:
        team = await rows.fetchval("select team from operator where id = '1031'")
        other = await rows.fetchval("insert into team (name, queues) values ('晚班', '{}') returning id")
        change = "update operator set role = $1, team = $2 where id = '1031'"
        await rows.execute(change, "leader", other)
        stranger = await place.user("1031")
        assert (await stranger.get("/team/work")).json()["agents"].keys() <= {"1031"}
        assert "1090" in (await (await place.user("admin")).get("/team/work")).json()["agents"]
        await rows.execute(change, "agent", team)


async def until(ask: Any, wanted: object) -> None:
    import asyncio

    async with asyncio.timeout(20):
        while (found := await ask()) != wanted:  # noqa: ASYNC110 - the server's memory tells nobody
            await asyncio.sleep(0.2)
    assert found == wanted


@pytest.mark.parametrize("query", ["", "?queues='%3B<script>&show=<b>&theme=x&warn=-1", "?queues=" + "x," * 500])
async def test_the_wall_stands_whatever_its_address_says(place: Place, query: str) -> None:
    leader = await place.user("1901")
    page = await leader.get(f"/wall{query}")
    assert page.status_code == 200 and "<script>&" not in page.text and "<b>" not in page.text
    assert 'id="wall-board"' in page.text and "lc-menu" not in page.text
