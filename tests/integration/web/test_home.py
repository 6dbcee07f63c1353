"""Notices on the real web: written, told at once to whom they concern, confirmed, changed; and sticky notes."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from typing import Any

import httpx
import pytest

from lcall_web.home import rules
from tests.integration.ledger.services import eventually

from .calls import now_ms, past_call
from .conftest import Place, Visitor
from .naughty import NAUGHTY, UNPRINTABLE, faults, shows
from .stream import Stream, following
from .test_customers import some_number, stored, unique

LEADER, AGENT, SUPPORT = "1901", "1051", "1062"  # of the same team; the agents serve sales and support
VERSION = re.compile(r'name="version" value="(\d+)"')
EDITION = re.compile(r'name="edition" value="(\d+)"')


async def sent(writer: Visitor, title: str, **fields: str) -> httpx.Response:
    form = {"key": str(uuid.uuid4()), "title": title, "audience": "team", "team": await team_of(writer), **fields}
    return await writer.post("/notices/new", form)


async def team_of(writer: Visitor) -> str:
    page = await writer.get("/notices/new")
    found = re.search(r'<option value="(\d+)"[^>]*>客服部<', page.text)
    assert found, page.text
    return found[1]


async def write(writer: Visitor, title: str, **fields: str) -> int:
    answer = await sent(writer, title, **fields)
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].removeprefix("/notices/"))


async def change(writer: Visitor, id: int, title: str, **fields: str) -> httpx.Response:
    page = await writer.get(f"/notices/{id}/edit")
    found = VERSION.search(page.text)
    assert found
    form = {"version": found[1], "title": title, "audience": "team", "team": await team_of(writer), **fields}
    return await writer.post(f"/notices/{id}/edit", form)


def bars(stream: Stream) -> dict[int, Any]:
    return {bar["id"]: bar for bar in stream.notices.get("bars", [])}


def is_unread(page: httpx.Response, id: int) -> bool:
    found = re.search(rf'class="lc-bulletin ([\w-]*)" id="notice-{id}"', page.text)
    assert found, f"notice {id} is not on the page"
    return found[1] == "lc-unread"


async def confirmed(place: Place, id: int, operator: str = AGENT) -> int:
    """Which edition he has read; 0: none."""
    return await stored(place, "select edition from notice_read where notice = $1 and operator = $2", id, operator) or 0


@pytest.fixture
async def nothing_left(place: Place) -> Any:
    yield
    async with place.rows() as rows:  # nobody else's pages show bars of ours
        await rows.execute("delete from notice where title like 'test-%'")
        await rows.execute("update notice_news set version = version + 1")


pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_a_notice_is_told_at_once_and_confirmed(place: Place) -> None:
    leader, agent, title = await place.user(LEADER), await place.user(AGENT), unique("test-")
    async with following(agent.http, "/live") as stream:
        await stream.until(lambda s: s.notices, "what there is at first")
        text = "三点到四点\n见 https://wiki.example/停电 <b>"
        id = await write(leader, title, body=text, confirm="1", pinned="1")
        await stream.until(lambda s: id in bars(s), "the bar")
        bar = bars(stream)[id]
        assert (bar["title"], bar["edition"], bar["cut"]) == (title, 1, False)
        assert ["https://wiki.example/停电", True] in bar["text"] and stream.notices["unread"] >= 1
        home = await agent.get("/home")
        assert is_unread(home, id) and 'href="https://wiki.example/停电" target="_blank" rel="noopener' in home.text
        assert faults(home.text) == [] and shows(home.text, "三点到四点\n见 ")
        page = await leader.get(f"/notices/{id}")
        assert re.search(rf"<small>{AGENT}</small>.*id=\"read\"", page.text, re.DOTALL), "he has not read it"

        # Two clicks, and what a script asks is answered without a page.
        script = {"hx-request": "true"}
        answers = await asyncio.gather(
            *(agent.post(f"/notices/{id}/read", {"edition": "1"}, headers=script) for _ in range(2))
        )
        assert {answer.status_code for answer in answers} == {204}
        await stream.until(lambda s: id not in bars(s), "the bar is gone")
    assert not is_unread(await agent.get("/home"), id)
    page = await leader.get(f"/notices/{id}/readers")
    assert re.search(rf"id=\"read\".*<small>{AGENT}</small></span><small><time", page.text, re.DOTALL)
    assert "<html" not in page.text


async def test_a_leader_writes_to_his_people_and_nobody_else(place: Place) -> None:
    leader, agent, other = await place.user(LEADER), await place.user(AGENT), await place.user(SUPPORT)
    id = await write(leader, unique("test-"), audience="queues", queues="sales")
    assert is_unread(await agent.get("/home"), id) and (await agent.get(f"/notices/{id}")).status_code == 200
    assert f"notice-{id}" not in (await other.get("/home")).text
    for path in (f"/notices/{id}", f"/notices/{id}/readers", f"/notices/{id}/edit"):
        assert (await other.get(path)).status_code in (403, 404)
    assert (await other.post(f"/notices/{id}/read", {"edition": "1"})).status_code == 404
    for refused in (await sent(leader, "test-x", audience="all"), await sent(leader, "test-x", team="999999")):
        assert refused.status_code == 422 and "test-x" in refused.text, "what was written is kept"
    assert (await sent(leader, "test-x", audience="queues", queues="nothing")).status_code == 422
    assert (await agent.get("/notices/new")).status_code == 403
    admin = await place.user("admin")
    whole = await write(admin, unique("test-"), audience="all")
    assert f'href="/notices/{whole}"' not in (await leader.get("/notices/")).text, "not within his scope"
    assert is_unread(await leader.get("/home"), whole)
    assert (await leader.get(f"/notices/{whole}/edit")).status_code == 404
    assert (await leader.post(f"/notices/{whole}/delete", {"version": "1"})).status_code == 404
    assert not is_unread(await admin.get("/home"), whole), "his own"


async def test_it_is_written_once_and_changed_by_two(place: Place) -> None:
    leader, admin, agent = await place.user(LEADER), await place.user("admin"), await place.user(AGENT)
    title, key = unique("test-"), str(uuid.uuid4())
    answers = await asyncio.gather(*(sent(leader, title, key=key) for _ in range(3)))
    assert len({answer.headers.get("location") for answer in answers}) == 1
    id = int(answers[0].headers["location"].removeprefix("/notices/"))
    assert await stored(place, "select count(*) from notice where title = $1", title) == 1
    await agent.post(f"/notices/{id}/read", {"edition": "1"})

    # Changed without asking again; then so that all are asked. What somebody has read stays what he has read.
    assert (await change(leader, id, title, body="改了错字")).status_code == 303
    assert not is_unread(await agent.get("/home"), id)
    old = await leader.get(f"/notices/{id}/edit")
    assert (await change(admin, id, title, body="时间改了", again="1")).status_code == 303
    assert is_unread(await agent.get("/home"), id) and "读过旧的内容" in (await leader.get(f"/notices/{id}")).text
    await agent.post(f"/notices/{id}/read", {"edition": "1"})
    assert is_unread(await agent.get("/home"), id), "a page that showed the old text"
    await agent.post(f"/notices/{id}/read", {"edition": "999"})
    assert await confirmed(place, id) == 2

    # A page of before: both texts are there.
    found = VERSION.search(old.text)
    assert found
    form = {"version": found[1], "title": title, "body": "我的内容", "audience": "team", "team": await team_of(leader)}
    told = await leader.post(f"/notices/{id}/edit", form)
    assert told.status_code == 409 and shows(told.text, "我的内容") and shows(told.text, "时间改了")
    assert (await leader.post(f"/notices/{id}/delete", {"version": found[1]})).status_code == 409
    version = VERSION.search(told.text)
    assert version
    assert (await leader.post(f"/notices/{id}/edit", {**form, "version": version[1]})).status_code == 303
    assert (await leader.post(f"/notices/{id}/edit", {**form, "version": version[1]})).status_code == 303, "two clicks"
    done = "select array_agg(action order by id) from audit where object = $1"
    assert await stored(place, done, f"notice:{id}") == ["notice_written", *["notice_changed"] * 3]


async def test_it_ends_and_is_deleted_into_the_audit_log(place: Place) -> None:
    leader, agent, title = await place.user(LEADER), await place.user(AGENT), unique("test-")
    id = await write(leader, title, body="到此为止", until="2099-01-01T00:00")
    await agent.post(f"/notices/{id}/read", {"edition": "1"})
    for _ in range(2):
        assert (await leader.post(f"/notices/{id}/end")).status_code == 303
    assert f"notice-{id}" not in (await agent.get("/home")).text
    past = await agent.get("/notices/past")
    assert f'id="notice-{id}"' in past.text and (await agent.get(f"/notices/{id}")).status_code == 200
    assert (await agent.post(f"/notices/{id}/read", {"edition": "1"})).status_code == 404
    version = VERSION.search((await leader.get(f"/notices/{id}")).text)
    assert version
    assert (await leader.post(f"/notices/{id}/delete", {"version": version[1]})).status_code == 303
    for visitor in (leader, agent):
        assert (await visitor.get(f"/notices/{id}")).status_code == 404
    detail = "select detail from audit where object = $1 and action = 'notice_deleted'"
    kept = json.loads(await stored(place, detail, f"notice:{id}"))
    assert (kept["title"], kept["body"], kept["read_by"]) == (title, "到此为止", [AGENT])
    admin = await place.user("admin")
    log = await admin.get("/accounts/audit", params={"about": f"notice:{id}"})
    assert "删除公告" in log.text and title in log.text


@pytest.mark.slow
async def test_what_others_write_and_what_begins_is_told(place: Place) -> None:
    """As another process of the web writes it; and a notice of which the time comes while pages are open."""
    agent, title = await place.user(AGENT), unique("test-")
    async with following(agent.http, "/live") as stream:
        await stream.until(lambda s: s.notices, "what there is at first")
        async with place.rows() as rows, rows.transaction():
            id = await rows.fetchval(
                "insert into notice (key, title, audience, confirm, written_by, changed_by, from_at, until_at)"
                " values (gen_random_uuid(), $1, 'all', true, 'admin', 'admin', now() + interval '4 seconds',"
                " now() + interval '12 seconds') returning id",
                title,
            )
            await rows.execute("update notice_news set version = version + 1")
        assert id not in bars(stream) and f"notice-{id}" not in (await agent.get("/home")).text
        assert (await agent.get(f"/notices/{id}")).status_code == 404
        await stream.until(lambda s: id in bars(s), "it begins", 30)
        await stream.until(lambda s: id not in bars(s), "it is over", 30)


async def test_a_page_of_who_writes_hears_who_reads(place: Place) -> None:
    leader, agent = await place.user(LEADER), await place.user(AGENT)
    id = await write(leader, unique("test-"))
    async with following(leader.http, "/live") as his:
        await his.until(lambda s: s.notices.get("written", -1) > 0, "what there is at first")
        before = his.notices["written"]
        await agent.post(f"/notices/{id}/read", {"edition": "1"})
        await his.until(lambda s: s.notices["written"] > before, "somebody has read")


async def test_the_day_in_figures(place: Place) -> None:
    agent = await place.user("1052")
    await place.store(past_call(unique("home-"), now_ms(), some_number(), "1052").events)

    async def counted() -> bool:
        page = (await agent.get("/home")).text
        return bool(re.search(r"今日通话</span><strong>[1-9]", page))

    await eventually(counted, "his call")
    assert 'id="my-day"' not in (await (await place.user("admin")).get("/home")).text, "no agent"


async def test_a_sticky_note_is_saved_and_nothing_is_lost(place: Place) -> None:
    agent, other, key = await place.user(AGENT), await place.user(SUPPORT), str(uuid.uuid4())
    note = {"key": key, "body": "给王总回电", "colour": "yellow"}
    answers = await asyncio.gather(*(agent.post("/notes/", note) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {200}
    (id,) = {answer.json()["id"] for answer in answers}
    assert shows((await agent.get("/home")).text, "给王总回电")

    async def save(visitor: Visitor, version: int, body: str, colour: str = "pink") -> httpx.Response:
        return await visitor.post(f"/notes/{id}", {"version": str(version), "body": body, "colour": colour})

    assert (await save(agent, 1, "给王总回电 ")).json()["version"] == 2
    assert (await save(agent, 1, "给王总回电 ")).json()["version"] == 2, "the same again, whose answer was lost"
    told = await save(agent, 1, "另一页写的")
    assert told.status_code == 409
    assert told.json()["theirs"] == {**{"id": id, "version": 2, "body": "给王总回电 ", "colour": "pink", "gone": False}}
    assert (await agent.post("/notes/", {**note, "body": "旧页"})).status_code == 409, "its page knew it as new"
    long = await save(agent, 2, "长" * 2001)
    assert long.status_code == 422 and "2000" in long.json()["error"]

    # Deleted, back; deleted where another page still writes.
    assert (await agent.post(f"/notes/{id}/delete", {"version": "1"})).status_code == 409
    gone = (await agent.post(f"/notes/{id}/delete", {"version": "2"})).json()["version"]
    assert not shows((await agent.get("/home")).text, "给王总回电")
    told = await save(agent, 2, "还在写")
    assert told.status_code == 409 and told.json()["theirs"]["gone"]
    assert (await agent.post(f"/notes/{id}/restore")).json()["version"] == gone + 1
    assert shows((await agent.get("/home")).text, "给王总回电")

    # Nobody else's.
    assert not shows((await other.get("/home")).text, "给王总回电")
    for answer in (
        await save(other, gone + 1, "x"),
        await other.post(f"/notes/{id}/delete", {"version": str(gone + 1)}),
        await other.post(f"/notes/{id}/restore"),
        await other.post("/notes/", note),
    ):
        assert answer.status_code == 404


@pytest.mark.slow
async def test_naughty_notices_and_notes_are_texts(place: Place) -> None:
    leader, agent = await place.user(LEADER), await place.user(AGENT)
    id = await write(leader, unique("test-"))
    key, version = str(uuid.uuid4()), 1
    note = (await agent.post("/notes/", {"key": key, "body": "x", "colour": "grey"})).json()["id"]
    for text in (*NAUGHTY, *UNPRINTABLE):
        answer = await change(leader, id, f"test-{text}", body=f"{text} http://a.example/{text}")
        assert answer.status_code == 303, repr(text)
        saved = await agent.post(f"/notes/{note}", {"version": str(version), "body": text, "colour": "grey"})
        assert saved.status_code == 200, repr(text)
        version = saved.json()["version"]
        for visitor, path in (
            (leader, f"/notices/{id}"),
            (leader, "/notices/"),
            (agent, "/home"),
            (leader, f"/notices/{id}/edit"),
        ):
            page = await visitor.get(path)
            assert page.status_code == 200 and faults(page.text) == [], (path, text)
            assert shows(page.text, rules.clean(f"test-{text}").strip()), (path, text)
        for fields in ({"audience": text}, {"team": text}, {"from": text}, {"until": text}, {"key": text}):
            answer = await sent(leader, "test-", **fields)
            assert answer.status_code in (303, 403, 422) and faults(answer.text) == [], (fields, answer.status_code)
        for fields in ({"version": text}, {"colour": text}):
            answer = await agent.post(f"/notes/{note}", {"body": "y", "colour": "grey", **fields})
            assert answer.status_code in (409, 422), (fields, answer.status_code)
        for path in ("/notices/", "/notices/past"):
            page = await leader.get(path, params={"before": text})
            assert page.status_code == 200 and faults(page.text) == [], (path, text)
    for path in ("/notices/'; --", "/notices/0", "/notices/-1", f"/notices/{'9' * 40}", "/notices/%00"):
        assert (await agent.get(path)).status_code == 404, path
