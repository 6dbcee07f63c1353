"""Follow-ups on the real web: noted down, told when they are due, done, put off, handed on; who may what."""

from __future__ import annotations

import asyncio
import html
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from lcall_web.followups import rules
from lq.live.redis import Live

from .calls import now_ms, past_call
from .conftest import Place, Visitor
from .naughty import NAUGHTY, UNPRINTABLE, faults, shows
from .stream import following
from .test_customers import KEY, enter, posted, some_number, stored, unique
from .test_pop import agents, pop, rings

__all__ = ["agents"]

PART = {"hx-request": "true", "hx-target": "somewhere"}
ZONE = "Asia/Shanghai"
LEADER, HIS, STRANGER = "1901", "1043", "1099"  # of one team; 1099 leads nobody and sees his own


async def panel(visitor: Visitor, customer: int, contact: str = "") -> httpx.Response:
    return await visitor.get(f"/follow-ups/of/{customer}", params={"contact": contact} if contact else {}, headers=PART)


async def note(visitor: Visitor, customer: int, what: str, contact: str = "", **fields: str) -> httpx.Response:
    """As the form in the card does."""
    page = await panel(visitor, customer, contact)
    hidden = dict(re.findall(r'name="(key|contact)" value="([^"]*)"', page.text))
    given = {**hidden, "kind": "call_back", "what": what, "when": "hour", **fields}
    return await visitor.post(f"/follow-ups/of/{customer}", given, headers=PART)


async def noted(place: Place, visitor: Visitor, customer: int, what: str, **fields: str) -> int:
    answer = await note(visitor, customer, what, **fields)
    assert answer.status_code == 200, answer.text
    return int(await stored(place, "select id from follow_up where body = $1", what))


async def row(place: Place, id: int) -> dict[str, Any]:
    async with place.rows() as rows:
        return dict(await rows.fetchrow("select * from follow_up where id = $1", id))


async def due(place: Place, owner: str, customer: int, after_s: float = 0, body: str = "") -> int:
    """One that is due so many seconds from now, written past the web."""
    async with place.rows() as rows:
        found = await rows.fetchval(
            "insert into follow_up (key, customer, kind, body, owner, due_at, remind_at, created_by, changed_by)"
            " values ($1, $2, 'call_back', $3, $4, $5, $5, $4, $4) returning id",
            *(uuid.uuid4(), customer, body or unique("到期"), owner, datetime.now(UTC) + timedelta(seconds=after_s)),
        )
        return int(found)


async def do(visitor: Visitor, id: int, verb: str, version: int = 1, **fields: str) -> httpx.Response:
    return await visitor.post(f"/follow-ups/{id}/{verb}", {"version": str(version), **fields})


def groups(page: httpx.Response) -> dict[str, str]:
    """The page's cards by their names."""
    _, *parts = re.split(r'data-group="(\w+)"', page.text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


# -- noting down -------------------------------------------------------------------------------------------------------


async def test_it_is_noted_down_once_and_stands_with_the_customer(place: Place) -> None:
    agent, number = await place.user(HIS), some_number()
    customer, what, contact = await enter(agent, unique("跟进"), number), unique("回电报价"), unique("call-")
    await place.store(past_call(contact, now_ms() - 60_000, number, HIS).events)
    assert f'hx-get="/follow-ups/of/{customer}"' in (await agent.get(f"/customers/{customer}")).text
    page = await panel(agent, customer, contact)
    assert page.status_code == 200 and "<html" not in page.text and f'value="{contact}"' in page.text
    given = {
        "key": KEY.findall(page.text)[0],
        "contact": contact,
        "kind": "appointment",
        "what": what,
        "when": "tomorrow",
    }
    answers = await asyncio.gather(*(agent.post(f"/follow-ups/of/{customer}", given, headers=PART) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {200}
    assert await stored(place, "select count(*) from follow_up where body = $1", what) == 1
    id = await stored(place, "select id from follow_up where body = $1", what)
    found = await row(place, id)
    assert (found["owner"], found["contact"], found["created_by"], found["kind"]) == (HIS, contact, HIS, "appointment")
    assert found["due_at"] == rules.moment("tomorrow", datetime.now(UTC), ZONE) == found["remind_at"]
    shown = (await panel(agent, customer)).text
    assert what in shown and f'href="/calls/{contact}"' in shown, "the call was his"
    later = groups(await agent.get("/follow-ups/"))["later"]
    assert what in later and f'href="/customers/{customer}"' in later and f'href="/calls/{contact}"' in later
    phone = await stored(place, "select id from customer_phone where customer = $1", customer)
    assert f'data-dial-phone="{phone}"' in later and f"139****{number[-4:]}" in later and number not in later
    assert await stored(place, "select count(*) from audit where object = $1", f"follow_up:{id}") == 0, "his own"


async def test_what_is_wrong_is_said_and_what_was_written_is_kept(place: Place) -> None:
    agent = await place.user(HIS)
    customer, what = await enter(agent, unique("错")), unique("留着")
    for fields, told in (
        ({"when": ""}, "请选择时间。"),
        ({"when": "", "due": "2020-01-01T09:00"}, "这个时间已经过去。"),
        ({"kind": "x"}, "没有这个选项。"),
        ({"owner": "1044"}, "不能交给这个人。"),
    ):
        answer = await note(agent, customer, what, **fields)
        assert answer.status_code == 422 and told in answer.text and f'value="{what}"' in answer.text, told
    empty = await note(agent, customer, " \u202e ", when="", due="2099-01-01T09:00")
    assert empty.status_code == 422 and "请写下要做的事。" in empty.text and 'value="2099-01-01T09:00"' in empty.text
    assert await stored(place, "select count(*) from follow_up where customer = $1", customer) == 0
    assert (await agent.post(f"/follow-ups/of/{customer}", {"what": what})).status_code == 403, "no form of ours"
    assert (await note(agent, 2**62, what, key=str(uuid.uuid4()))).status_code == 404


@pytest.mark.parametrize(
    "text", [NAUGHTY[0], *(pytest.param(text, marks=pytest.mark.slow) for text in (*NAUGHTY[1:], *UNPRINTABLE))]
)
async def test_hostile_text_is_text(place: Place, text: str) -> None:
    agent = await place.user(HIS)
    customer, key = await enter(agent, unique("敌")), str(uuid.uuid4())
    answer = await note(agent, customer, text, key=key)
    written = await stored(place, "select body from follow_up where key = $1", uuid.UUID(key))
    assert answer.status_code == (200 if written else 422) and faults(answer.text) == []
    pages = ["/follow-ups/", f"/follow-ups/of/{customer}"]
    if written:
        id = await stored(place, "select id from follow_up where key = $1", uuid.UUID(key))
        pages.append(f"/follow-ups/{id}/edit")
        assert (await do(agent, id, "later", when=text)).status_code == 422
        changed = await posted(agent, f"/follow-ups/{id}/edit", pages[-1], kind=text, what=text, due=text, back=text)
        assert changed.status_code == 422 and faults(changed.text) == []
    for path in pages:
        page = await agent.get(path, headers=PART if "/of/" in path else {})
        assert page.status_code == 200 and faults(page.text) == [] and (not written or shows(page.text, written)), path
    for path, field in (("/follow-ups/", "agent"), (f"/follow-ups/of/{customer}", "contact")):
        page = await agent.get(path, params={field: text})
        assert page.status_code in (200, 404) and faults(page.text) == [], path


# -- doing -------------------------------------------------------------------------------------------------------------


async def test_done_once_and_open_again(place: Place) -> None:
    agent, leader = await place.user(HIS), await place.user(LEADER)
    customer, what = await enter(agent, unique("做")), unique("要做")
    id = await noted(place, agent, customer, what)
    answers = await asyncio.gather(*(do(agent, id, "done") for _ in range(3)))
    assert [answer.json() for answer in answers] == [{"done": True}] * 3
    first = await row(place, id)
    assert first["done_by"] == HIS and first["version"] == 2
    assert (await do(leader, id, "done")).status_code == 200
    assert await row(place, id) == first, "it was done, by him"
    page = groups(await agent.get("/follow-ups/"))
    assert what in page["done"] and all(what not in text for name, text in page.items() if name != "done")
    card = (await panel(agent, customer)).text
    assert 'data-follow="reopen"' in card and 'data-follow="done"' not in card
    for _ in range(2):
        assert (await do(leader, id, "reopen", 2)).status_code == 200
    again = await row(place, id)
    assert again["done_at"] is None and again["done_by"] is None and again["version"] == 3
    async with place.rows() as rows:
        log = await rows.fetch("select operator, action from audit where object = $1", f"follow_up:{id}")
    assert [tuple(line) for line in log] == [(LEADER, "follow_up_reopened")], "another's"


@pytest.mark.slow
async def test_open_ones_stand_before_those_that_are_done(place: Place) -> None:
    agent = await place.user(HIS)
    customer, texts = await enter(agent, unique("序")), [unique(f"事{n}-") for n in range(3)]
    ids = [
        await noted(place, agent, customer, text, when=when)
        for text, when in zip(texts, ("monday", "hour", "hour"), strict=True)
    ]
    await do(agent, ids[1], "done")
    shown = (await panel(agent, customer)).text
    assert [text for text in sorted(texts, key=shown.index)] == [texts[2], texts[0], texts[1]]


async def test_put_off(place: Place) -> None:
    agent, leader = await place.user(HIS), await place.user(LEADER)
    customer = await enter(agent, unique("推"))
    id = await due(place, HIS, customer, -3600)
    assert (await do(agent, id, "later", when="never")).status_code == 422
    assert (await do(leader, id, "snooze")).status_code == 404, "he is not told of it"
    for _ in range(2):
        assert (await do(agent, id, "later", when="monday")).status_code == 200
    found = await row(place, id)
    assert found["due_at"] == found["remind_at"] == rules.moment("monday", datetime.now(UTC), ZONE)
    assert found["version"] == 2, "a second click puts nothing off"
    stale = await do(agent, id, "later", when="hour")  # on a Sunday Monday is tomorrow
    assert stale.status_code == 409 and "别人刚刚改过这条跟进" in stale.json()["error"]
    assert (await do(agent, 2**62, "done")).status_code == 404


async def test_a_stale_form_is_told_and_both_texts_stand_there(place: Place) -> None:
    agent, leader = await place.user(HIS), await place.user(LEADER)
    customer, mine, theirs = await enter(agent, unique("旧")), unique("我写的"), unique("他写的")
    id = await noted(place, agent, customer, unique("原来的"))
    path = f"/follow-ups/{id}/edit"
    page = await agent.get(path)
    when = re.findall(r'name="due"[^>]* value="([^"]+)"', page.text)[0]
    given = {"version": "1", "kind": "follow_up", "what": mine, "due": when, "back": "customer"}
    changed = await posted(leader, path, path, kind="call_back", what=theirs, due=when, owner="1044")
    assert changed.headers["location"] == "/follow-ups/"
    assert (await agent.get(path)).status_code == (await agent.post(path, given)).status_code == 404, "handed on"
    assert (await posted(leader, path, path, kind="call_back", what=theirs, due=when, owner=HIS)).status_code == 303
    stale = await agent.post(path, given)
    assert stale.status_code == 409 and f'value="{mine}"' in stale.text and f"<q>{theirs}</q>" in stale.text
    assert "<q>回电</q>" in stale.text and 'name="version" value="3"' in stale.text
    for _ in range(2):
        saved = await agent.post(path, {**given, "version": "3"})
        assert saved.headers["location"] == f"/customers/{customer}"
    found = await row(place, id)
    assert (found["body"], found["kind"], found["version"], found["owner"]) == (mine, "follow_up", 4, HIS)
    async with place.rows() as rows:
        log = await rows.fetch("select operator, detail from audit where object = $1 order by id", f"follow_up:{id}")
    assert [line["operator"] for line in log] == [LEADER] * 2, "what was done to another's"
    assert json.loads(log[0]["detail"])["changes"]["owner"] == [HIS, "1044"]


# -- who may what ------------------------------------------------------------------------------------------------------


async def test_a_leader_sees_his_team_s_and_an_agent_his_own(place: Place) -> None:
    agent, leader, stranger = await place.user(HIS), await place.user(LEADER), await place.user(STRANGER)
    customer, what, given = await enter(agent, unique("权")), unique("他的事"), unique("交给他的")
    id = await noted(place, agent, customer, what)
    page = (await leader.get("/follow-ups/")).text
    assert what not in page and f'<option value="{HIS}"' in page, "first his own"
    for asked in ("all", HIS):
        assert what in (await leader.get("/follow-ups/", params={"agent": asked})).text
    assert what not in (await leader.get("/follow-ups/", params={"agent": "1044"})).text
    assert (await leader.get("/follow-ups/", params={"agent": "nobody"})).status_code == 404
    for_him = await noted(place, leader, customer, given, owner=HIS)
    assert given in (await agent.get("/follow-ups/")).text
    who = "select operator from audit where action = 'follow_up_created' and object = $1"
    assert await stored(place, who, f"follow_up:{for_him}") == LEADER
    # A colleague reads on the card that it will be done, and has no button for it.
    card = (await panel(stranger, customer)).text
    assert what in card and f'data-id="{id}"' not in card and f"/follow-ups/{id}/edit" not in card
    for asked in ("all", HIS):
        listing = await stranger.get("/follow-ups/", params={"agent": asked})
        assert listing.status_code == (404 if asked == HIS else 200) and what not in listing.text
    assert (await stranger.get(f"/follow-ups/{id}/edit")).status_code == 404
    for verb in ("done", "reopen", "later", "snooze", "edit"):
        assert (await do(stranger, id, verb, when="hour")).status_code == 404, verb
    assert (await row(place, id))["version"] == 1


async def test_a_deleted_customer_s_are_hidden_and_come_back(place: Place) -> None:
    agent = await place.user(HIS)
    customer, what = await enter(agent, unique("回收")), unique("藏")
    id = await noted(place, agent, customer, what)
    await agent.post(f"/customers/{customer}/delete", {"version": "1"})
    assert what not in (await agent.get("/follow-ups/")).text
    assert (await panel(agent, customer)).status_code == (await do(agent, id, "done")).status_code == 404
    await agent.post(f"/customers/{customer}/restore")
    assert what in (await agent.get("/follow-ups/")).text and what in (await panel(agent, customer)).text


async def test_those_of_two_who_are_one_are_the_one_s_who_stays(place: Place) -> None:
    agent, what = await place.user(HIS), unique("并")
    keep, gone = await enter(agent, unique("留")), await enter(agent, unique("去"))
    id = await noted(place, agent, gone, what)
    done = await posted(agent, f"/customers/{keep}/merge", f"/customers/{keep}/merge?with={gone}")
    assert done.status_code == 303 and what in (await panel(agent, keep)).text
    today = (await row(place, id))["due_at"] < rules.midnight(datetime.now(UTC), ZONE)
    assert f'href="/customers/{keep}"' in groups(await agent.get("/follow-ups/"))["today" if today else "later"]


async def test_what_was_noted_in_a_call_goes_with_whose_call_it_is(
    place: Place, live: Live, agents: tuple[Visitor, Visitor]
) -> None:
    his, _ = agents
    number, what = some_number(), unique("通话中")
    one, other = await enter(his, unique("甲"), number), await enter(his, unique("乙"), number, anyway="1")
    call = await (await rings(live, number)).answer()
    await his.post(f"/pop/{call.id}/customer", {"customer": str(one)})
    assert f'hx-get="/follow-ups/of/{one}?contact={call.id}"' in (await pop(his, call)).text
    assert (await note(his, one, what, call.id)).status_code == 200
    await his.post(f"/pop/{call.id}/customer", {"customer": str(other)})
    assert what in (await panel(his, other)).text and what not in (await panel(his, one)).text
    await call.end()


# -- being told --------------------------------------------------------------------------------------------------------


async def test_its_owner_is_told_on_every_page_when_it_is_due(place: Place) -> None:
    agent, other = await place.user("1081"), await place.user("1082")
    name, number = unique("<i>客"), some_number()
    customer = await enter(agent, name, number)
    id = await due(place, "1081", customer, 0.4, "'; <script>alert(1)</script>")
    async with (
        following(agent.http, "/live") as one,
        following(agent.http, "/live") as two,
        following(other.http, "/live") as theirs,
    ):
        for stream in (one, two):
            await stream.until(lambda s: s.told.get("waiting") == 1, "he is told")
            [told] = stream.told["due"]
            assert (told["id"], told["name"], told["kind"]) == (id, name, "回电") and "<script>" in told["text"]
            assert told["phone"] == await stored(place, "select id from customer_phone where customer = $1", customer)
            assert stream.told["count"] == 1 and number not in stream.text
        await theirs.until(lambda s: s.told, "a colleague's page")
        assert theirs.told["due"] == [] and theirs.told["count"] == 0
        async with following(agent.http, "/live") as again:
            await again.until(lambda s: s.told.get("due"), "after a reload")
        assert (await do(agent, id, "snooze")).json() == {"done": True}
        for stream in (one, two):
            await stream.until(lambda s: s.told["waiting"] == 0, "he will be told later")
            assert stream.told["count"] == 1 and stream.told["due"] == []
        found = await row(place, id)
        assert found["remind_at"] - found["due_at"] > timedelta(minutes=9) and found["version"] == 1
        assert (await do(agent, id, "done")).status_code == 200
        for stream in (one, two):
            await stream.until(lambda s: s.told["count"] == 0, "done")


@pytest.mark.slow
async def test_without_the_permission_there_are_no_follow_ups(place: Place) -> None:
    async with place.rows() as rows:
        await rows.execute("update operator set role = 'inspector' where id = '1097'")
    inspector = await place.user("1097")
    board = (await inspector.get("/board")).text
    assert "/follow-ups/" not in board and 'id="reminders"' not in board
    assert "/follow-ups/" in (await (await place.user(HIS)).get("/board")).text
    async with place.rows() as rows:
        await rows.execute("update operator set role = 'agent' where id = '1097'")


@pytest.mark.slow
async def test_english(place: Place) -> None:
    agent = await place.user("1083", **{"accept-language": "en"})
    customer, what = await enter(agent, unique("E")), unique("quote")
    empty = (await agent.get("/follow-ups/")).text
    assert "Nothing to follow up" in empty
    await noted(place, agent, customer, what, kind="follow_up")
    page = html.unescape((await agent.get("/follow-ups/")).text)
    for text in ("Follow-ups", "Follow up", "Put off", "Next Monday 9:00", what):
        assert text in page, text
