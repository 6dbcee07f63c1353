"""Customers on the real web: entering, finding, changing, deleting and merging them; who may what."""

from __future__ import annotations

import asyncio
import html
import json
import re
import uuid
from typing import Any

import httpx
import pytest

from lcall_web.customers import past

from .calls import now_ms, past_call
from .conftest import Place, Visitor

KEY = re.compile(r'name="key" value="([^"]+)"')
LINE = re.compile(r'class="lc-open" href="/customers/(\d+)"')
NAUGHTY = (
    "'; drop table customer; --",
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "%(name)s %s",
    "á́ Z̵͚a͍l̬go ﷽",
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "ＴＥＳＴ　全角",
    "../../etc/passwd",
    '" onmouseover="alert(1)',
    "\\' \\\" \\n",
    "null",
    "ﺍﻟﻌﺮﺑﻴﺔ עברית",
)


def unique(text: str = "") -> str:
    return text + uuid.uuid4().hex[:10]


def some_number() -> str:
    return f"139{uuid.uuid4().int % 10**8:08}"


def some_numbers(count: int) -> list[str]:
    """All different, and of nobody else here."""
    first = uuid.uuid4().int % (10**8 - count)
    return [f"157{first + n:08}" for n in range(count)]


def lines(page: httpx.Response) -> list[int]:
    return [int(id) for id in LINE.findall(page.text)]


async def posted(visitor: Visitor, path: str, page: str, **fields: str) -> httpx.Response:
    """The form of that page, filled in."""
    form = await visitor.get(page)
    hidden = re.findall(r'name="(key|version|other_version|with)" value="([^"]+)"', form.text)
    return await visitor.post(path, {**dict(hidden), **fields})


async def enter(visitor: Visitor, name: str, number: str = "", **fields: str) -> int:
    answer = await posted(visitor, "/customers/new", "/customers/new", name=name, **{"number-0": number}, **fields)
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].removeprefix("/customers/"))


async def stored(place: Place, query: str, *arguments: Any) -> Any:
    async with place.rows() as rows:
        return await rows.fetchval(query, *arguments)


async def found(visitor: Visitor, **wishes: str) -> list[int]:
    page = await visitor.get("/customers/", params=wishes)
    assert page.status_code == 200
    return lines(page)


# -- entering and finding ----------------------------------------------------------------------------------------------


async def test_a_customer_is_entered_once_and_found_by_any_part(place: Place) -> None:
    agent = await place.user("1001")
    mark, number = unique("q"), some_number()
    page = await agent.get("/customers/new")
    fields = {"key": KEY.findall(page.text)[0], "name": f"苏州 贝叶{mark}（精密）仪器", "kind": "company"}
    fields |= {"number-0": number, "address": "姑苏区平江路七号", "tags": "仪器,华东", "level": "important"}
    answers = await asyncio.gather(*(agent.post("/customers/new", fields) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    (place_of_it,) = {answer.headers["location"] for answer in answers}
    id = int(place_of_it.removeprefix("/customers/"))
    assert await stored(place, "select count(*) from customer where name like $1", f"%{mark}%") == 1
    assert "名称、地址、标签任意一段" in (await agent.get("/customers/")).text, "what the field promises"
    for word in ("叶" + mark, "精密仪器", "平江路", mark.upper(), "苏州贝叶", "仪 器 " + mark, f"{mark} 华东"):
        assert id in await found(agent, q=word), word
    for word in ("贝页", mark + "x", "仪精", "%", "_"):
        assert id not in await found(agent, q=word), word
    assert await found(agent, q=mark, kind="company", level="important", tag="华东") == [id]
    for other in ({"kind": "person"}, {"level": "vip"}, {"tag": "华"}, {"owner": "me"}):
        assert await found(agent, q=mark, **other) == []
    card = (await agent.get(place_of_it)).text
    assert "139****" in card and number not in card and "重点客户" in card
    noted = await stored(
        place, "select operator from audit where action = 'customer_created' and object = $1", f"customer:{id}"
    )
    assert noted == "1001"


async def test_numbers_are_found_by_what_one_sees_of_them(place: Place) -> None:
    admin, agent = await place.user("admin"), await place.user("1002")
    number = some_number()
    id = await enter(admin, unique("号码"), number)
    for text in (number, f"+86 {number[:3]}-{number[3:7]}-{number[7:]}", number[3:9], f"0{number}"):
        assert id in await found(admin, q=text), text
    assert id in await found(agent, q=number) and id in await found(agent, q=number[-4:])
    for part in (number[3:9], number[:7], number[1:]):
        assert id not in await found(agent, q=part), part
    for path in ("/customers/", f"/customers/{id}", f"/customers/{id}/edit", f"/customers/{id}/merge"):
        page = (await agent.get(path, params={"q": number[-4:]})).text
        assert number not in page.replace(f'value="{number[-4:]}"', ""), path


async def test_digits_are_found_in_what_is_written_and_in_numbers(place: Place) -> None:
    admin, agent, street = await place.user("admin"), await place.user("1002"), unique("街")
    contract = f"2{uuid.uuid4().int % 10**11:011}"  # a number does not hold what the house has
    written = await enter(agent, unique("合同"), some_number(), address=f"{street} 18{contract[:3]} 号", tags=contract)
    called = await enter(agent, unique("电话"), f"1391{contract[:7]}", address=street)
    for who in (admin, agent):
        assert await found(who, q=contract) == await found(who, q=f"{contract[:4]} {contract[4:]}") == [written]
        assert await found(who, q=contract[2:11]) == [written]
        assert await found(who, q=f"{street} 18{contract[:3]}") == [written], "a house has a number, too"
        assert await found(who, q=f"{street} 1391{contract[:7]}") == [called]
        assert await found(who, q=f"{street} {contract}", kind="company") == []
    assert await found(admin, q=f"{street} {contract[:3]}") == [called, written], "the one by this, the other by that"
    for q in (f"{contract}1", f"{street}x {contract}", f"{contract} {contract[::-1]}x"):
        assert await found(admin, q=q) == [], q


async def test_pages_lose_nothing(place: Place) -> None:
    admin, tag = await place.user("admin"), unique()
    async with place.rows() as rows:
        await rows.execute(
            "insert into customer (key, kind, name, tags, changed_at)"
            " select gen_random_uuid(), 'person', '某' || n, array[$1], now() - make_interval(secs => n / 3)"
            " from generate_series(1, 120) n",
            tag,
        )
        digits = f"{uuid.uuid4().int % 10**8:08}"
        await rows.execute("update customer set address = $2 where tags @> array[$1] and id % 4 < 2", tag, digits)
        await rows.execute(
            "insert into customer_phone (customer, number) select id, '+86138' || $2 from customer"
            " where tags @> array[$1] and id % 4 in (1, 2)",
            tag,
            digits,
        )
    await every_page(admin, 120, tag=tag)
    await every_page(admin, 90, q=digits)  # they stand in the address of some, in the number of some, in both of some


async def every_page(admin: Visitor, count: int, **wishes: str) -> None:
    page = await admin.get("/customers/", params=wishes)
    seen = lines(page)
    assert len(seen) == 50
    while more := re.search(r'hx-get="([^"]+)" hx-target="#more"', page.text):
        page = await admin.get(html.unescape(more[1]), headers={"hx-request": "true", "hx-target": "more"})
        assert "<html" not in page.text
        seen += lines(page)
    assert len(seen) == len(set(seen)) == count


@pytest.mark.parametrize("text", [*NAUGHTY[:3], *(pytest.param(text, marks=pytest.mark.slow) for text in NAUGHTY[3:])])
async def test_hostile_text_is_text_in_every_field(place: Place, text: str) -> None:
    agent = await place.user("1001")
    mark = unique("z")
    fields = {
        "company": f"{text}{mark}",
        "position": text,
        "tags": text[:20],
        "address": text,
        "remark": f"{text}\n{text}",
    }
    id = await enter(agent, f"{mark}{text}", **fields)
    await posted(agent, f"/customers/{id}/notes", f"/customers/{id}", body=text)
    pages = [f"/customers/{id}", f"/customers/{id}/edit", f"/customers/{id}/merge", f"/customers/?q={mark}"]
    for path in pages:
        page = await agent.get(path)
        assert page.status_code == 200
        for evil in ("<script>alert", 'onmouseover="alert(1)"', ">49<"):
            assert evil not in page.text.replace("&#34; onmouseover=&#34;", ""), (path, evil)
    shown = html.unescape((await agent.get(f"/customers/{id}")).text)
    assert text.strip() in shown
    for path in ("/customers/", "/customers/bin", "/customers/companies", f"/customers/{id}/merge"):
        names = ("q", "tag", "owner", "cursor", "company", "with")
        for wishes in (dict.fromkeys(names, text), {"kind": text, "level": text}):
            answer = await agent.get(path, params=wishes)
            assert answer.status_code in (200, 422) and "<script>alert" not in answer.text, path


async def test_errors_stand_at_their_fields_and_what_was_written_is_kept(place: Place) -> None:
    agent = await place.user("1001")
    answer = await posted(
        agent, "/customers/new", "/customers/new",
        **{"name": "", "email": "nowhere", "number-0": "88001000", "remark": "留着我"},
    )  # fmt: skip
    assert answer.status_code == 422
    for text in ("请填写这一项。", "邮箱地址不完整", "号码无法识别", 'value="nowhere"', 'value="88001000"', "留着我"):
        assert text in answer.text, text


async def test_a_known_number_is_told_and_may_be_shared(place: Place) -> None:
    agent, number = await place.user("1001"), some_number()
    first = await enter(agent, unique("先"), number)
    second = {"name": unique("后"), "number-0": number}
    told = await posted(agent, "/customers/new", "/customers/new", **second)
    assert told.status_code == 409 and f'href="/customers/{first}"' in told.text and 'name="anyway"' in told.text
    shared = await posted(agent, "/customers/new", "/customers/new", **second, anyway="1")
    assert shared.status_code == 303


async def test_people_of_a_company(place: Place) -> None:
    agent, company = await place.user("1001"), unique("协和")
    person = await enter(agent, unique("人"), some_number(), company=company, position="主任")
    id = await stored(place, "select company from customer where id = $1", person)
    page = (await agent.get(f"/customers/{id}")).text
    assert company in page and "主任" in page and f'href="/customers/{person}"' in page
    options = await agent.get("/customers/companies", params={"company": company[:4]})
    assert f'value="{company}"' in options.text
    again = await enter(agent, unique("人"), company=company)
    assert await stored(place, "select company from customer where id = $1", again) == id, "not a second one"


# -- changing ----------------------------------------------------------------------------------------------------------


async def test_a_stale_page_is_told_and_both_texts_stand_there(place: Place) -> None:
    one, other = await place.user("1001"), await place.user("1002")
    id = await enter(one, unique("旧名"), some_number())
    mine, theirs = unique("我写的"), unique("他写的")
    await one.get(f"/customers/{id}/edit")
    page = (await one.get(f"/customers/{id}/edit")).text
    fields = dict(re.findall(r'name="(version|phone-\d+|number-\d+)" value="([^"]+)"', page))
    changed = await posted(other, f"/customers/{id}/edit", f"/customers/{id}/edit", **{**fields, "name": theirs})
    assert changed.status_code == 303
    stale = await one.post(f"/customers/{id}/edit", {**fields, "name": mine})
    assert stale.status_code == 409
    assert f'value="{mine}"' in stale.text and f"<q>{theirs}</q>" in stale.text and "李伟" in stale.text
    version = re.search(r'name="version" value="(\d+)"', stale.text)
    assert version is not None and version[1] == "2"
    saved = await one.post(f"/customers/{id}/edit", {**fields, "name": mine, "version": version[1]})
    assert saved.status_code == 303
    again = await one.post(f"/customers/{id}/edit", {**fields, "name": mine, "version": version[1]})
    assert again.status_code == 303, "a second click"
    assert await stored(place, "select version from customer where id = $1", id) == 3


async def test_who_sees_a_number_masked_changes_the_rest_and_leaves_it_whole(place: Place) -> None:
    agent, number, more = await place.user("1001"), some_number(), some_number()
    id = await enter(agent, unique("保留"), number)
    page = (await agent.get(f"/customers/{id}/edit")).text
    assert number not in page and "readonly" in page
    phone = re.findall(r'name="phone-0" value="(\d+)"', page)[0]
    fields = {"name": "新名", "phone-0": phone, "number-0": "13000000000", "label-0": "work", "number-5": more}
    assert (await posted(agent, f"/customers/{id}/edit", f"/customers/{id}/edit", **fields)).status_code == 303
    async with place.rows() as rows:
        found = await rows.fetch("select number, label from customer_phone where customer = $1 order by place", id)
    assert [tuple(row) for row in found] == [(f"+86{number}", "work"), (f"+86{more}", "mobile")]
    audit = await stored(
        place, "select detail from audit where object = $1 and action = 'customer_changed'", f"customer:{id}"
    )
    assert json.loads(audit)["changes"]["phones"] == ["-0", "+1"] and more not in audit


async def test_a_number_is_dialled_also_where_it_is_masked(place: Place) -> None:
    agent, admin, number = await place.user("1001"), await place.user("admin"), some_number()
    id = await enter(agent, unique("拨打"), number)
    phone = await stored(place, "select id from customer_phone where customer = $1", id)
    assert f'data-dial-phone="{phone}"' in (await agent.get(f"/customers/{id}")).text
    assert "您不是坐席，不能外呼" in (await admin.get(f"/customers/{id}")).text
    for what, status in ((str(phone), 409), ("999999999", 404), ("x", 404)):
        key = {"idempotency-key": unique()}
        answer = await agent.post("/desk/dial", {"phone": what}, headers=key)
        assert answer.status_code == status and number not in answer.text, (what, answer.text)


async def test_deleted_is_in_the_bin_and_comes_back(place: Place) -> None:
    agent = await place.user("1001")
    name = unique("删除")
    id = await enter(agent, name, some_number())
    stale = await agent.post(f"/customers/{id}/delete", {"version": "9"})
    assert stale.status_code == 409 and "别人刚刚改过" in stale.text
    for _ in range(2):
        assert (await agent.post(f"/customers/{id}/delete", {"version": "1"})).status_code == 303
    assert await found(agent, q=name) == []
    assert name in (await agent.get("/customers/bin")).text
    assert "回收站" in (await agent.get(f"/customers/{id}")).text
    assert (await agent.post(f"/customers/{id}/edit", {"name": "x", "version": "2"})).status_code == 404
    for _ in range(2):
        assert (await agent.post(f"/customers/{id}/restore")).status_code == 303
    assert await found(agent, q=name) == [id]
    async with place.rows() as rows:
        noted = await rows.fetch("select action from audit where object = $1 order by id", f"customer:{id}")
    assert [row["action"] for row in noted] == ["customer_created", "customer_deleted", "customer_restored"]


async def test_a_note_is_written_once(place: Place) -> None:
    agent = await place.user("1001")
    id = await enter(agent, unique("记录"))
    page = await agent.get(f"/customers/{id}")
    fields = {"key": KEY.findall(page.text)[0], "body": "第一行\n第二行"}
    for _ in range(2):
        assert (await agent.post(f"/customers/{id}/notes", fields)).status_code == 303
    text = (await agent.get(f"/customers/{id}")).text
    assert text.count("第一行\n第二行") == 1 and "王芳" in text
    empty = await posted(agent, f"/customers/{id}/notes", f"/customers/{id}", body=" \u202e ")
    assert empty.status_code == 422 and "请写下内容。" in empty.text


async def test_two_become_one(place: Place) -> None:
    agent, shared = await place.user("1001"), some_number()
    numbers = [some_number(), some_number()]
    company = unique("留下的企业")
    keep = await enter(agent, company, shared, kind="company", address="甲")
    gone = await enter(
        agent,
        unique("并入的"),
        shared,
        kind="company",
        anyway="1",
        address="乙",
        remark="只有他有",
        **{"number-1": numbers[0]},
    )
    person = await enter(
        agent,
        unique("他的人"),
        numbers[1],
        company=await stored(place, "select name from customer where id = $1", gone),
    )
    await posted(agent, f"/customers/{gone}/notes", f"/customers/{gone}", body="并入者的记录")
    assert f"/customers/{keep}/merge?with={gone}" in (await agent.get(f"/customers/{keep}/merge")).text, (
        "the same number"
    )
    page = f"/customers/{keep}/merge?with={gone}"
    stale = await agent.post(f"/customers/{keep}/merge", {"with": str(gone), "version": "7", "other_version": "1"})
    assert stale.status_code == 409
    done = await posted(agent, f"/customers/{keep}/merge", page, **{"take-address": "other"})
    assert done.status_code == 303
    fields = {"with": str(gone), "version": "1", "other_version": "1"}
    assert (await agent.post(f"/customers/{keep}/merge", fields)).status_code == 303, "a second click"
    card = (await agent.get(f"/customers/{keep}")).text
    for text in ("并入者的记录", "只有他有", "乙", numbers[0][-4:], f'href="/customers/{person}"'):
        assert text in card, text
    assert "甲</dd>" not in card
    assert (await agent.get(f"/customers/{gone}")).headers["location"] == f"/customers/{keep}"
    assert (await agent.post(f"/customers/{gone}/restore")).status_code == 303
    assert await stored(place, "select deleted_at is null from customer where id = $1", gone) is False
    assert await stored(place, "select count(*) from customer_phone where customer = $1", keep) == 2
    for other in (keep, 0, 2**40, gone):
        answer = await agent.post(
            f"/customers/{keep}/merge", {"with": str(other), "version": "2", "other_version": "1"}
        )
        assert answer.status_code in (303, 404), other


async def test_numbers_are_called_from_the_list_and_from_who_may_be_the_same(place: Place) -> None:
    agent, admin, name, number = await place.user("1043"), await place.user("admin"), unique("拨号"), some_number()
    id = await enter(agent, name, number)
    other = await enter(agent, name, number, anyway="1")
    phones = {one: await stored(place, "select id from customer_phone where customer = $1", one) for one in (id, other)}
    for path, shown in ((f"/customers/?q={name}", (id, other)), (f"/customers/{id}/merge", (other,))):
        page = (await agent.get(path)).text
        assert number not in page and all(f'data-dial-phone="{phones[one]}"' in page for one in shown), path
        assert "data-dial-phone" not in (await admin.get(path)).text, "who has no soft phone calls nobody"


async def test_the_history_of_his_numbers(place: Place) -> None:
    agent, number, mark = await place.user("1043"), some_number(), unique()
    id = await enter(agent, unique("历史"), number)
    for n, who in enumerate(("1043", "1044")):
        await place.store(past_call(f"hist-{n}-{mark}", now_ms() - n * 1000, number, who).events)
    page = (await agent.get(f"/customers/{id}")).text
    assert f'href="/calls/hist-0-{mark}"' in page, "his own call opens"
    assert f"hist-1-{mark}" not in page and page.count("已接听") == 2, "a colleague's is told, and does not open"
    assert number not in page


async def test_the_history_outlives_a_number_and_holds_what_was_chosen_for_him(place: Place) -> None:
    agent, old, new, mark = await place.user("1043"), some_number(), some_number(), unique()
    id = await enter(agent, unique("换号"), old)
    calls = {"old": old, "new": new, "hotel": some_number(), "strange": some_number()}
    for n, (which, number) in enumerate(calls.items()):
        await place.store(past_call(f"{which}-{mark}", now_ms() - n * 1000, number, "1043").events)
    async with place.rows() as rows:
        for which in ("old", "hotel"):
            await rows.execute("insert into contact_customer values ($1, $2, '1043')", f"{which}-{mark}", id)
        await rows.execute("update customer_phone set number = $1 where customer = $2", f"+86{new}", id)
    page = (await agent.get(f"/customers/{id}")).text
    assert [which for which in calls if f"{which}-{mark}" in page] == ["old", "new", "hotel"]
    assert page.count(f'href="/calls/old-{mark}"') == 1


async def test_all_that_was_is_told_page_by_page(place: Place) -> None:
    agent, number, mark = await place.user("1043"), some_number(), unique()
    id = await enter(agent, unique("老客户"), number)
    ids, now = [f"often-{n:02}-{mark}" for n in range(2 * past.CALLS + 3)], now_ms()
    for n, call in enumerate(ids):
        await place.store(past_call(call, now - n * 1000, number, "1043").events)
    texts = [f"第{n}条{mark}" for n in range(past.NOTES + 2)]
    for text in texts:
        await agent.post(f"/customers/{id}/notes", {"key": str(uuid.uuid4()), "body": text})
    page = (await agent.get(f"/customers/{id}")).text
    for what, wanted, one in (
        ("calls", ids, re.compile(rf'<a href="/calls/(often-[0-9]+-{mark})"')),
        ("notes", texts[::-1], re.compile(rf"<p>(第[0-9]+条{mark})</p>")),
    ):
        seen, text = one.findall(page), page
        while more := re.search(rf'hx-get="(/customers/{id}/{what}\?[^"]+)"', text):
            answer = await agent.get(more[1].replace("&amp;", "&"), headers={"hx-request": "true"})
            assert answer.status_code == 200 and "<html" not in answer.text
            text = answer.text
            seen += one.findall(text)
        assert seen == wanted, "each once, in order"


async def test_the_history_says_what_each_call_was_about(place: Place) -> None:
    agent, english = await place.user("1043"), await place.user("1043", **{"accept-language": "en"})
    number, mark = some_number(), unique()
    id = await enter(agent, unique("小结"), number)
    await place.store(past_call(f"about-{mark}", now_ms(), number, "1043").events)
    async with place.client() as lq:
        await lq.put_document("wrap_up_codes", mark, {"id": mark, "name": "退货", "name_en": "Returns"})
    async with place.rows() as rows:
        await rows.execute(
            "insert into agent_interval (agent, seq, state, contact, code, started_at)"
            " values ('1043', $1, 'wrap_up', $2, $3, now())",
            *(now_ms(), f"about-{mark}", mark),
        )
    assert "退货" in (await agent.get(f"/customers/{id}")).text
    assert "Returns" in (await english.get(f"/customers/{id}")).text


# -- who may what ------------------------------------------------------------------------------------------------------


async def test_revealing_is_for_those_who_may_and_is_written_down(place: Place) -> None:
    leader, agent, number = await place.user("1901"), await place.user("1001"), some_number()
    id = await enter(agent, unique("看号"), number)
    phone = await stored(place, "select id from customer_phone where customer = $1", id)
    assert "查看号码" not in (await agent.get(f"/customers/{id}")).text
    refused = await agent.post(f"/customers/{id}/phones/{phone}")
    assert refused.status_code == 403 and number not in refused.text
    assert "查看号码" in (await leader.get(f"/customers/{id}")).text
    shown = await leader.post(f"/customers/{id}/phones/{phone}")
    assert shown.status_code == 200 and number in shown.text and "<html" not in shown.text
    assert (await leader.post(f"/customers/{id + 10**6}/phones/{phone}")).status_code == 404
    assert (await leader.post(f"/customers/1/phones/{phone}")).status_code == 404, "not this customer's"
    who = await stored(
        place, "select operator from audit where action = 'number_revealed' and object = $1", f"customer:{id}"
    )
    assert who == "1901"


ROUTES = (
    *(("GET", "/customers/"), ("GET", "/customers/bin"), ("GET", "/customers/new"), ("POST", "/customers/new")),
    *(("GET", "/customers/1"), ("GET", "/customers/1/edit"), ("POST", "/customers/1/notes")),
    *(("GET", "/customers/1/merge"), ("GET", "/customers/phone-row"), ("GET", "/customers/companies")),
    *(("GET", "/customers/export?q=nobody"), ("GET", "/customers/import"), ("GET", "/customers/import/template")),
    *(("POST", "/customers/import"), ("GET", "/customers/99999999999"), ("GET", "/customers/-1"), ("GET", "/pop/none")),
)
OPEN = (200, 200, 200, 403, 200, 200, 403, 200, 200, 200)  # 403: a form without its key is no form of ours
EXPECTED = {
    "": (302, 302, 302, 401, 302, 302, 401, 302, 302, 302, 302, 302, 302, 401, 302, 302, 302),
    "1001": (*OPEN, 403, 403, 403, 403, 404, 404, 404),
    "1901": (*OPEN, 403, 403, 403, 403, 404, 404, 404),
    "admin": (*OPEN, 200, 200, 200, 422, 404, 404, 404),
}


@pytest.mark.parametrize("viewer", EXPECTED)
async def test_every_role_on_every_route(place: Place, viewer: str) -> None:
    visitor = await place.user(viewer) if viewer else place.visitor()
    answers = []
    for method, path in ROUTES:
        headers = {"x-csrf-token": visitor.csrf or "none"} if path == "/customers/import" else {}
        sent = await (visitor.get(path) if method == "GET" else visitor.post(path, headers=headers))
        answers.append(sent.status_code)
    assert tuple(answers) == EXPECTED[viewer]


async def test_without_the_permission_there_are_no_customers(place: Place) -> None:
    async with place.rows() as rows:
        await rows.execute("update operator set role = 'inspector' where id = '1099'")
    inspector = await place.user("1099")
    assert 'href="/customers/"' not in (await inspector.get("/board")).text
    for method, path in ROUTES:
        if path not in ("/customers/-1",):
            answer = await (
                inspector.get(path)
                if method == "GET"
                else inspector.post(path, headers={"x-csrf-token": inspector.csrf})
            )
            assert answer.status_code == 403, path
    async with place.rows() as rows:
        await rows.execute("update operator set role = 'agent' where id = '1099'")
