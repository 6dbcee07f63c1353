"""The screen pop on the real web and live state: who it shows to whom, and that it follows the call."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from lq.contacts.contact import Leg
from lq.live.redis import Live

from .calls import LiveCall, now_ms, past_call
from .conftest import Place, Visitor
from .test_board import sign_in, sign_out
from .test_customers import NAUGHTY, enter, some_number, stored, unique

KEYS = re.compile(r'action="/pop/[\w-]+/(note|new)"[^>]*>.*?name="key" value="([^"]+)"', re.DOTALL)
AGENT, NEXT = "1031", "1032"  # of sales


@pytest.fixture
async def agents(place: Place, live: Live) -> AsyncIterator[tuple[Visitor, Visitor]]:
    """One who is ready and gets the call; another who may get it next."""
    await sign_in(place, live, AGENT)
    yield await place.user(AGENT), await place.user(NEXT)
    async with place.client() as lq:
        await lq.wrap_up(AGENT, done=True) if (await lq.agent(AGENT)).state == "wrap_up" else None
    await sign_out(place, AGENT)


async def rings(live: Live, number: str) -> LiveCall:
    call = await LiveCall(live, unique("pop-"), number).start()
    await call.queue()
    assert call.agent == AGENT
    return call


async def pop(visitor: Visitor, call: LiveCall) -> httpx.Response:
    return await visitor.get(f"/pop/{call.id}", headers={"hx-request": "true", "hx-target": "somewhere"})


async def handed_on(call: LiveCall) -> None:
    """Blindly to the other agent, whose phone rings now."""
    leg = Leg(3, "agent", "out", f"8{NEXT[1:]}", "ringing", agent=NEXT)
    await call._commit(legs={**call.contact.legs, 3: leg})


async def post(visitor: Visitor, call: LiveCall, what: str, **fields: str) -> httpx.Response:
    keys = dict(KEYS.findall((await pop(visitor, call)).text))
    sent = {"key": keys.get(what, ""), **fields}
    return await visitor.post(f"/pop/{call.id}/{what}", sent, headers={"hx-request": "true", "hx-target": "x"})


async def test_a_known_caller_while_it_rings(place: Place, live: Live, agents: tuple[Visitor, Visitor]) -> None:
    his, other = agents
    number, company = some_number(), unique("来电企业")
    id = await enter(his, unique("来电人"), number, company=company, position="主管", level="vip", remark="先问好")
    await place.store(past_call(unique("before-"), now_ms() - 60_000, number, AGENT).events)
    call = await rings(live, number)
    shown = await pop(his, call)
    assert shown.status_code == 200 and "<html" not in shown.text
    for text in (f"/customers/{id}", company, "主管", "VIP", "销售", "先问好", f"139****{number[-4:]}", "已接听"):
        assert text in shown.text, text
    assert number not in shown.text
    assert (await pop(other, call)).status_code == 404, "nobody else's"
    assert (await pop(await place.user("1901"), call)).status_code == 200, "the leader's"
    whole = await his.get(f"/pop/{call.id}")
    assert "<html" in whole.text and company in whole.text
    await call.end("abandoned")
    assert (await pop(his, call)).status_code == 404, "it rang, he did not take it"


async def test_what_to_say_is_about_this_call(place: Place, live: Live, agents: tuple[Visitor, Visitor]) -> None:
    his, _ = agents
    number, name = some_number(), unique("<i>客")
    async with place.client() as lq:
        before = await lq.document("queues", "sales")
        said = "您好，{客户}！\n{agent}（{工号}）为您服务，{企业}。<script>alert(1)</script>"
        await lq.put_document("queues", "sales", {**before.body, "script": said})
        try:
            call = await (await rings(live, number)).answer()
            shown = (await pop(his, call)).text
            assert ">客户</span>！" in shown and f">{AGENT}</span>）为您服务" in shown, "he is not known yet"
            await enter(his, name, number)
            shown = (await pop(his, call)).text
            assert f">{name.replace('<', '&lt;').replace('>', '&gt;')}</span>！" in shown
            assert "&lt;script&gt;alert(1)" in shown and "<script>alert" not in shown and "<i>" not in shown
            await call.end()
        finally:
            await lq.put_document("queues", "sales", before.body)


async def test_who_may_puts_a_caller_on_the_black_list_and_takes_him_off(
    place: Place, live: Live, agents: tuple[Visitor, Visitor]
) -> None:
    his, _ = agents
    leader = await place.user("1901")
    number = some_number()
    call = await (await rings(live, number)).answer()
    path, wish = f"/pop/{call.id}/black", {"list": "black", "reason": "骚扰 '; <script>", "days": "7"}
    assert "黑名单" not in (await pop(his, call)).text
    assert (await his.post(path, wish)).status_code == 403
    assert "加入黑名单" in (await pop(leader, call)).text
    refused = await leader.post(path, {**wish, "reason": " "}, headers={"hx-request": "true"})
    assert (
        refused.status_code == 422 and "请写明原因。" in refused.text and '<option value="7" selected>' in refused.text
    )
    assert (await leader.post(path, {**wish, "list": "vip"})).status_code == 404
    for _ in range(2):
        done = await leader.post(path, wish, headers={"hx-request": "true"})
        assert done.status_code == 200 and "已在黑名单" in done.text
    async with place.client() as lq:
        [entry] = (await lq.list_entries("black", number=number)).items
        assert (entry.number, entry.note, entry.changed_by) == (f"+86{number}", wish["reason"], "1901")
        assert entry.expires_at is not None
        for _ in range(2):
            off = await leader.post(path, {"list": "black", "do": "off"}, headers={"hx-request": "true"})
            assert off.status_code == 200 and "已在黑名单" not in off.text
        assert (await lq.list_entries("black", number=number)).items == ()
    noted = await stored(
        place, "select count(*) from audit where object = $1 and operator = '1901'", f"contact:{call.id}"
    )
    assert noted == 4
    await call.end()


async def test_a_card_for_who_is_reserved_a_moment_before_it_is_offered(
    live: Live, agents: tuple[Visitor, Visitor]
) -> None:
    his, other = agents
    call = await LiveCall(live, unique("pop-"), some_number()).start()
    found = await call.reserve()
    assert found is not None and found.agent == AGENT
    assert (await pop(his, call)).status_code == 200
    assert (await pop(other, call)).status_code == 404
    await call._offer(found)
    await call.end("abandoned")


async def test_notes_follow_the_call_and_belong_to_the_customer(
    place: Place, live: Live, agents: tuple[Visitor, Visitor]
) -> None:
    his, other = agents
    number = some_number()
    id = await enter(his, unique("转接"), number)
    call = await (await rings(live, number)).answer()
    keys = dict(KEYS.findall((await pop(his, call)).text))
    sent = {"key": keys["note"], "body": "客户要改地址"}
    answers = await asyncio.gather(*(his.post(f"/pop/{call.id}/note", sent) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    await handed_on(call)
    shown = (await pop(other, call)).text
    assert shown.count("客户要改地址") == 1 and "本次通话" in shown
    assert (await post(other, call, "note", body="已经改好")).status_code == 200
    both = (await pop(his, call)).text
    assert "客户要改地址" in both and "已经改好" in both
    card = (await other.get(f"/customers/{id}")).text
    assert "客户要改地址" in card and "已经改好" in card
    assert (await post(his, call, "note", body=" ")).status_code == 422
    await call.end()
    await eventually_over(his, call)


async def eventually_over(visitor: Visitor, call: LiveCall) -> None:
    """It is in history only once the journal has it; this place has none."""
    assert (await pop(visitor, call)).status_code == 404


async def test_of_several_one_is_chosen_for_everybody(
    place: Place, live: Live, agents: tuple[Visitor, Visitor]
) -> None:
    his, other = agents
    number = some_number()
    one, two = unique("夫"), unique("妻")
    first = await enter(his, one, number)
    second = await enter(his, two, number, anyway="1")
    call = await (await rings(live, number)).answer()
    shown = (await pop(his, call)).text
    assert (
        "这个号码有 2 位客户" in shown and one in shown and two in shown and f'href="/customers/{first}"' not in shown
    )
    assert (await post(his, call, "note", body="还不知道是谁")).status_code == 200
    for _ in range(2):
        chosen = await his.post(f"/pop/{call.id}/customer", {"customer": str(second)}, headers={"hx-request": "true"})
        assert chosen.status_code == 200 and f'href="/customers/{second}"' in chosen.text
    await handed_on(call)
    shown = (await pop(other, call)).text
    assert two in shown and "还不知道是谁" in shown and one not in shown
    assert "还不知道是谁" in (await his.get(f"/customers/{second}")).text
    assert one in (await other.get(f"/pop/{call.id}?choose=1")).text
    await other.post(f"/pop/{call.id}/customer", {"customer": str(first)})
    assert one in (await pop(his, call)).text, "he was somebody else after all"
    assert "还不知道是谁" in (await his.get(f"/customers/{first}")).text
    assert "还不知道是谁" not in (await his.get(f"/customers/{second}")).text
    await call.end()


async def test_a_customer_with_a_new_number_is_found_chosen_and_given_it_once(
    place: Place, live: Live, agents: tuple[Visitor, Visitor]
) -> None:
    his, other = agents
    old, new, name = some_number(), some_number(), unique("换号")
    id = await enter(his, name, old, company=unique("所在企业"))
    call = await (await rings(live, new)).answer()
    path, part = f"/pop/{call.id}", {"hx-request": "true", "hx-target": "x"}
    shown = (await pop(his, call)).text
    assert f'data-dial-contact="{call.id}"' in shown and "/number" not in shown, (
        "nobody is known, who calls can be called"
    )
    assert "list-group" not in (await his.get(f"{path}/found", params={"q": " "})).text
    for q in (name[1:], old, old[-4:]):
        assert f'value="{id}"' in (await his.get(f"{path}/found", params={"q": q})).text, q
    nobody = (await his.get(f"{path}/found", params={"q": "<b>没有这样的人"})).text
    assert "没有找到客户" in nobody and "<b>" not in nobody
    assert (await his.post(f"{path}/number", headers=part)).status_code == 404, "before anybody is chosen"
    chosen = await his.post(f"{path}/customer", {"customer": str(id)}, headers=part)
    assert f'action="{path}/number"' in chosen.text and f'href="/customers/{id}/merge"' in chosen.text
    await handed_on(call)
    answers = await asyncio.gather(*(who.post(f"{path}/number", headers=part) for who in (his, his, other)))
    assert all(each.status_code == 200 and "/number" not in each.text for each in answers)
    query = "select array_agg(number order by place) from customer_phone where customer = $1"
    assert await stored(place, query, id) == [f"+86{old}", f"+86{new}"]
    changed = "select count(*) from audit where object = $1 and action = 'customer_changed'"
    assert await stored(place, changed, f"customer:{id}") == 1
    assert new not in answers[0].text, "he sees numbers masked"
    await call.end()


async def test_an_unknown_caller_is_entered_once(place: Place, live: Live, agents: tuple[Visitor, Visitor]) -> None:
    his, other = agents
    number = "1380013" + f"{uuid.uuid4().int % 10**4:04}"
    call = await (await rings(live, number)).answer()
    shown = (await pop(his, call)).text
    assert "北京 中国移动" in shown and "新客户" in shown and number not in shown
    await post(his, call, "note", body="先记一笔")
    await handed_on(call)
    name, also = unique("新来的"), unique("又一个")
    keys = [dict(KEYS.findall((await pop(who, call)).text))["new"] for who in agents]
    refused = await his.post(f"/pop/{call.id}/new", {"key": keys[0], "name": "", "email": "x"})
    assert refused.status_code == 422 and "请填写这一项。" in refused.text and 'value="x"' in refused.text
    sent = [
        his.post(f"/pop/{call.id}/new", {"key": keys[0], "name": name}),
        his.post(f"/pop/{call.id}/new", {"key": keys[0], "name": name}),
        other.post(f"/pop/{call.id}/new", {"key": keys[1], "name": also}),
    ]
    assert {answer.status_code for answer in await asyncio.gather(*sent)} == {303}
    made = await stored(place, "select count(*) from customer_phone where number = $1", f"+86{number}")
    assert made == 1, "one customer, in two tabs and by two people"
    known = (await pop(other, call)).text
    assert "先记一笔" in known and (name in known) != (also in known)
    await call.end()


async def test_a_new_customer_takes_the_place_of_one_who_is_not_on_the_line(
    place: Place, live: Live, agents: tuple[Visitor, Visitor]
) -> None:
    his, _ = agents
    number, name, part = some_number(), unique("另一位"), {"hx-request": "true", "hx-target": "x"}
    known = await enter(his, unique("这位"), number)
    call = await (await rings(live, number)).answer()
    await post(his, call, "note", body="是他的太太")  # which says that it is he
    path = f"/pop/{call.id}"
    shown = (await his.get(f"{path}?choose=1", headers=part)).text
    assert f'name="instead" value="{known}"' in shown and "是他的太太" in shown
    sent = {"key": dict(KEYS.findall(shown))["new"], "instead": str(known), "name": name}
    refused = await his.post(f"{path}/new", {**sent, "name": " "}, headers=part)
    assert refused.status_code == 422 and "hx-retarget" not in refused.headers, "the rest of the card stays"
    refused = await his.post(f"{path}/new", sent, headers=part)
    assert refused.status_code == 409 and f'name="instead" value="{known}"' in refused.text
    saved = [his.post(f"{path}/new", {**sent, "anyway": "1"}, headers=part) for _ in range(3)]
    for answer in await asyncio.gather(*saved):
        assert answer.status_code == 200 and name in answer.text and f'href="/customers/{known}"' not in answer.text
        assert answer.headers["hx-retarget"] == "closest .lc-pop"
    assert await stored(place, "select count(*) from customer where name = $1", name) == 1
    made = await stored(place, "select customer from contact_customer where contact = $1", call.id)
    assert await stored(place, "select name from customer where id = $1", made) == name
    assert "是他的太太" in (await his.get(f"/customers/{made}")).text

    # Whoever is shown instead by now is whom a form stands beside; one who has gone leaves a card without a customer.
    late = await his.post(f"{path}/new", {**sent, "key": str(uuid.uuid4()), "anyway": "1"}, headers=part)
    assert late.status_code == 200 and f'href="/customers/{made}"' in late.text, "one, whoever enters him"
    for gone in (known, made):
        await stored(place, "update customer set deleted_at = now() where id = $1", gone)
    shown_again = await his.get(f"{path}?choose=0", headers=part)
    assert shown_again.headers["hx-retarget"] == "closest .lc-pop" and "新客户" in shown_again.text
    await call.end()


@pytest.mark.parametrize("text", NAUGHTY[:6])
async def test_hostile_text_in_a_pop(place: Place, live: Live, agents: tuple[Visitor, Visitor], text: str) -> None:
    his, _ = agents
    call = await (await rings(live, some_number())).answer()
    await post(his, call, "new", name=text, remark=text)
    await post(his, call, "note", body=text)
    shown = (await pop(his, call)).text
    for evil in ("<script>alert", ">49<"):
        assert evil not in shown
    await call.end()


@pytest.mark.parametrize("number", ["anonymous", "'; <script>", "12345678901234"])
async def test_who_shows_no_number_that_can_be_read(
    place: Place, live: Live, agents: tuple[Visitor, Visitor], number: str
) -> None:
    his, _ = agents
    call = await LiveCall(live, unique("odd-"), number).start()
    e164 = replace(call.contact.number, e164="", published="" if number == "anonymous" else number)
    call.contact = replace(call.contact, number=e164)
    await call.queue()
    await call.answer()
    shown = await pop(his, call)
    assert shown.status_code == 200 and "<script>" not in shown.text and "新客户" in shown.text
    assert "未显示号码" in shown.text or "无法识别的号码" in shown.text
    assert "data-dial" not in shown.text, "there is nothing to call"
    assert (await post(his, call, "new", name=unique("无号"))).status_code == 200
    await call.end()


async def test_a_pop_of_nothing(place: Place) -> None:
    agent = await place.user("1001")
    for id in ("none", "%00", "a" * 100, "..%2f..", "'; drop"):
        assert (await agent.get(f"/pop/{id}")).status_code == 404, id
    assert (await agent.post("/pop/none/customer", {"customer": "1"})).status_code == 404
