"""Fields that the center adds to its customers, on the real web: defined, filled in, found, merged, in files."""

from __future__ import annotations

import asyncio
import html
import json
import re
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.ledger.services import eventually
from tests.unit.web.test_customer_rules import sheet

from .calls import now_ms, past_call
from .conftest import Place, Visitor
from .naughty import faults, shows
from .test_customer_sheets import cells, upload
from .test_customers import KEY, NAUGHTY, enter, found, posted, some_number, stored, unique
from .test_people import created
from .test_settings import form

FIELDS = "/customers/fields/"


@pytest.fixture
async def admin(place: Place) -> AsyncIterator[Visitor]:
    """One who may define fields; those of the test are gone after it."""
    yield await place.user("admin")
    async with place.rows() as rows:
        await rows.execute("delete from customer_field")


async def send(visitor: Visitor, name: str, kind: str = "text", **more: str) -> httpx.Response:
    page = await visitor.get(f"{FIELDS}new")
    given = {"key": KEY.findall(page.text)[0], "name": name, "kind": kind, "whose": "both", **more}
    return await visitor.post(f"{FIELDS}new", given)


async def defined(place: Place, visitor: Visitor, name: str, kind: str = "text", **more: str) -> int:
    sent = await send(visitor, name, kind, **more)
    assert sent.status_code == 303, sent.text
    return int(await stored(place, "select id from customer_field where name = $1 and retired_at is null", name))


async def own(place: Place, id: int) -> dict[str, str]:
    return dict(json.loads(await stored(place, "select own from customer where id = $1", id)))


def short() -> str:
    """No number, however it is cut."""
    return f"x{uuid.uuid4().hex[:7]}"


# -- definitions -------------------------------------------------------------------------------------------------------


async def test_the_card_of_who_calls_is_brief_and_the_script_names_them(place: Place, admin: Visitor) -> None:
    agent, number, mark = await place.user("1042"), some_number(), short()
    ids = [await defined(place, admin, f"弹{n}{mark}") for n in range(7)]
    values = {f"own-{id}": f"<b>值{n}" for n, id in enumerate(ids) if n != 2}
    await enter(agent, unique("来电"), number, **values)
    call = unique("own-")
    await place.store(past_call(call, now_ms(), number, "1042", "sales").events)
    queue = await form(admin, "/settings/queues/sales")
    said = await admin.post("/settings/queues/sales", {**queue, "script": f"您的卡是{{弹1{mark}}}。{{弹2{mark}}}"})
    assert said.status_code == 303, said.text
    try:
        page = (await agent.get(f"/pop/{call}", headers={"hx-request": "true", "hx-target": "x"})).text
    finally:
        again = await form(admin, "/settings/queues/sales")
        assert (await admin.post("/settings/queues/sales", {**again, "script": ""})).status_code == 303
    wrong = await admin.post("/settings/queues/sales", {**again, "script": "{没有这个}"})
    assert wrong.status_code == 422 and "有不认识的变量" in wrong.text
    assert faults(page) == [] and "<b>" not in page
    brief, _, more = page.partition('class="lc-more lc-own-more"')
    assert [n for n in range(7) if f"<dt>弹{n}{mark}</dt>" in brief] == [0, 1, 3, 4], "a few of what is filled in"
    assert [n for n in range(7) if f"<dt>弹{n}{mark}</dt>" in more] == [5, 6], "the rest behind 更多"
    assert f'title="弹1{mark}">&lt;b&gt;值1</span>。' in page and f">弹2{mark}</span>" in page


async def test_a_field_is_defined_once_renamed_moved_retired_and_back(place: Place, admin: Visitor) -> None:
    name = f"卡{short()}"
    page = await admin.get(f"{FIELDS}new")
    given = {"key": KEY.findall(page.text)[0], "name": name, "name_en": f"Card {name}", "kind": "text", "whose": "both"}
    sent = await asyncio.gather(*(admin.post(f"{FIELDS}new", given) for _ in range(3)))
    assert {answer.status_code for answer in sent} == {303}
    id = await stored(place, "select id from customer_field where name = $1", name)
    assert await stored(place, "select count(*) from customer_field where name = $1", name) == 1
    customer = await enter(admin, unique("持卡人"), fields=str(id), **{f"own-{id}": "K-7"})
    edit = (await admin.get(f"{FIELDS}{id}")).text
    assert re.search(r'id="filled">1 位客户<', edit) and "文本" in edit

    new = f"改{short()}"
    change = {"version": "1", "name": new, "whose": "both", "listed": "1"}
    for _ in range(2):
        assert (await admin.post(f"{FIELDS}{id}", change)).status_code == 303
    stale = await admin.post(f"{FIELDS}{id}", {**change, "name": "另一个名"})
    assert stale.status_code == 409 and 'value="另一个名"' in stale.text and f"<q>{new}</q>" in stale.text
    assert 'name="version" value="2"' in stale.text
    card = (await admin.get(f"/customers/{customer}")).text
    assert new in card and "K-7" in card and name not in card

    second = await defined(place, admin, f"次{short()}")
    for _ in range(2):
        await admin.post(f"{FIELDS}{second}/move", {"way": "up", "at": "1"})
    order = re.findall(r'data-field="(\d+)"', (await admin.get(FIELDS)).text)
    assert order == [str(second), str(id)], "twice is once"

    for _ in range(2):
        assert (await admin.post(f"{FIELDS}{id}/retire")).status_code == 303
    assert new not in (await admin.get(f"/customers/{customer}")).text
    assert (await admin.post(f"{FIELDS}{id}", {**change, "name": "x"})).status_code == 404
    clash = await defined(place, admin, new.upper())
    refused = await admin.post(f"{FIELDS}{id}/restore")
    assert refused.status_code == 409 and "已经有这个名称了" in refused.text
    await admin.post(f"{FIELDS}{clash}/retire")
    for _ in range(2):
        assert (await admin.post(f"{FIELDS}{id}/restore")).status_code == 303
    assert "K-7" in (await admin.get(f"/customers/{customer}")).text, "what stands in it has stayed"
    async with place.rows() as rows:
        noted = await rows.fetch("select action, detail from audit where object = $1 order by id", f"field:{id}")
    assert [row["action"].removeprefix("customer_field_") for row in noted] == [
        *("created", "changed", "retired", "restored"),
    ]
    assert json.loads(noted[1]["detail"])["changes"]["name"] == [name, new]
    log = await admin.get("/accounts/audit", params={"about": f"field:{id}"})
    assert "修改客户字段" in log.text and new in log.text


async def test_errors_stand_beside_what_is_wrong_and_what_was_typed_is_kept(place: Place, admin: Visitor) -> None:
    answer = await send(admin, "姓名", "choice", name_en="x" * 41, **{"choice-0": "甲", "choice-1": "甲"})
    assert answer.status_code == 422
    for text in ("已经有这个名称了", "内容太长。", "这个选项填了两次。", 'value="姓名"', 'value="甲"', "x" * 41):
        assert text in answer.text, text
    none = await send(admin, unique()[:20], "choice")
    assert none.status_code == 422 and "请至少填写一个选项。" in none.text
    assert await stored(place, "select count(*) from customer_field") == 0
    for path in (f"{FIELDS}999999", f"{FIELDS}99999999999999999999"):
        assert (await admin.get(path)).status_code == 404
        for do in ("", "/move", "/retire", "/restore"):
            assert (await admin.post(path + do, {"name": "x"})).status_code == 404, do


async def test_forty_are_enough(place: Place, admin: Visitor) -> None:
    async with place.rows() as rows:
        await rows.execute(
            "insert into customer_field (key, kind, name, place)"
            " select gen_random_uuid(), 'text', 'f' || n, n from generate_series(1, 39) n"
        )
    sent = await asyncio.gather(*(send(admin, f"第四十{n}") for n in range(3)))
    assert sorted(answer.status_code for answer in sent) == [303, 422, 422], "three at once"
    assert "最多 40 个字段" in next(answer for answer in sent if answer.status_code == 422).text
    assert await stored(place, "select count(*) from customer_field") == 40
    assert (await admin.get("/customers/new")).text.count('class="form-label" for="f-own-') == 40


@pytest.mark.parametrize("some", [NAUGHTY[:2], pytest.param(NAUGHTY[2:], marks=pytest.mark.slow)], ids=["few", "rest"])
async def test_hostile_names_and_values_are_texts(place: Place, admin: Visitor, some: tuple[str, ...]) -> None:
    mark = unique("敌")
    for n, text in enumerate(some):
        name = f"{text[:18]}{n}"
        id = await defined(place, admin, name, name_en=f"{text[:38]}{n}")
        choice = await defined(place, admin, f"c{n}", "choice", **{"choice-0": text[:40]})
        given = {"fields": f"{id} {choice}", f"own-{id}": text, f"own-{choice}": "1"}
        customer = await enter(admin, mark, **given)
        await admin.post(f"{FIELDS}{id}", {"version": "1", "name": name, "whose": "both", "listed": "1"})
        for path in (
            FIELDS,
            f"{FIELDS}{id}",
            f"{FIELDS}{choice}",
            f"/customers/{customer}",
            f"/customers/{customer}/edit",
        ):
            page = await admin.get(path)
            assert page.status_code == 200 and faults(page.text) == [], (path, text)
        for path in ("/customers/", "/customers/import"):
            page = await admin.get(path, params={"q": mark, "own": f"{choice}=1"})
            assert page.status_code == 200 and faults(page.text) == [] and shows(page.text, name.strip()), (path, text)
        assert shows((await admin.get(f"/customers/{customer}")).text, text.strip()), text
        wrong = await admin.post("/customers/new", {"key": str(uuid.uuid4()), f"own-{choice}": text, "name": ""})
        assert wrong.status_code == 422 and faults(wrong.text) == [], text
        for each in (id, choice):
            await admin.post(f"{FIELDS}{each}/retire")
        assert (await admin.get("/customers/", params={"own": text})).status_code == 422


# -- customers ---------------------------------------------------------------------------------------------------------


async def test_values_are_checked_kept_shown_listed_and_found(place: Place, admin: Visitor) -> None:
    agent, word, hidden = await place.user("1001"), short(), short()
    card = await defined(place, admin, f"卡{word}", listed="1", required="1", name_en="Card No")
    story = await defined(place, admin, f"故事{word}", "lines")
    amount = await defined(place, admin, f"金额{word}", "number")
    born = await defined(place, admin, f"生日{word}", "date", whose="person")
    mail = await defined(place, admin, f"邮件{word}", "flag")
    source = await defined(place, admin, f"来源{word}", "choice", **{"choice-0": "展会", "choice-1": "网站"})
    every = {"fields": f"{card} {story} {amount} {born} {mail} {source}"}
    written = {f"own-{amount}": "很多", f"own-{born}": "明天", f"own-{story}": f"长 {hidden}", f"own-{source}": "2"}
    refused = await posted(agent, "/customers/new", "/customers/new", name="留着", **every, **written)
    assert refused.status_code == 422
    for text in (
        "请填写这一项。",
        "请填写数字",
        "请填写日期",
        'value="很多"',
        'value="明天"',
        hidden,
        'value="2" selected',
    ):
        assert text in refused.text, text
    good = {**written, f"own-{card}": f"银卡 {word}", f"own-{amount}": "1,280.50", f"own-{born}": "1988/2/29"}
    id = await enter(agent, unique("字段"), **every, **good, **{f"own-{mail}": "yes"})
    assert await own(place, id) == {
        **{str(card): f"银卡 {word}", str(story): f"长 {hidden}", str(amount): "1280.50", str(born): "1988-02-29"},
        **{str(mail): "yes", str(source): "2"},
    }
    shown = (await agent.get(f"/customers/{id}")).text
    for text in (f"银卡 {word}", "1280.50", "1988-02-29", ">是<", ">网站<"):
        assert text in shown, text

    assert await found(agent, q=f"银卡{word}") == [id] and await found(agent, q=f"字段 {word[:5]} 银") == [id]
    assert await found(agent, q=hidden) == [], "long texts are not searched, as remarks are not"
    assert await found(agent, own=f"{source}=2") == [id] and await found(agent, own=f"{source}=1") == []
    assert await found(agent, own=f"{mail}=yes", q=word) == [id]
    page = (await agent.get("/customers/", params={"q": word})).text
    assert f"<th>卡{word}</th>" in page and f">银卡 {word}</td>" in page
    agent.http.cookies.set("lcall_language", "en")
    page = (await agent.get("/customers/", params={"q": word})).text
    assert "<th>Card No</th>" in page

    await admin.post(f"{FIELDS}{card}/retire")
    assert await found(agent, q=f"银卡{word}") == [] and id not in await found(agent, q="银"), "nobody would see why"
    left = await posted(agent, f"/customers/{id}/edit", f"/customers/{id}/edit", name=unique("字段"), **every, **good)
    assert left.status_code == 303 and (await own(place, id))[str(card)] == f"银卡 {word}", "not touched out of sight"
    assert str(mail) not in await own(place, id), "what was emptied is gone"
    await admin.post(f"{FIELDS}{card}/restore")
    assert await found(agent, q=f"银卡{word}") == [id]
    async with place.rows() as rows:
        noted = await rows.fetchval(
            "select detail from audit where object = $1 and action = 'customer_changed'", f"customer:{id}"
        )
    assert json.loads(noted)["changes"][f"own-{mail} 邮件{word}"] == ["是", ""]
    await agent.post(f"/customers/{id}/delete", {"version": "2"})
    await agent.post(f"/customers/{id}/restore")
    assert (await own(place, id))[str(card)] == f"银卡 {word}", "through the recycle bin and back"


async def test_a_choice_that_is_retired_stays_readable(place: Place, admin: Visitor) -> None:
    id = await defined(place, admin, f"级{short()}", "choice", **{"choice-0": "金", "choice-1": "银"})
    customer = await enter(admin, unique("金"), fields=str(id), **{f"own-{id}": "1"})
    rows = {"choice-id-0": "1", "choice-0": "白金", "choice-off-0": "1", "choice-id-1": "2", "choice-1": "银"}
    name = await stored(place, "select name from customer_field where id = $1", id)
    page = (await admin.get(f"{FIELDS}{id}")).text
    assert "1 位客户" in page and "0 位客户" in page
    change = {"version": "1", "name": name, "whose": "both", **rows, "choice-7": "铜"}
    assert (await admin.post(f"{FIELDS}{id}", change)).status_code == 303
    assert "白金（已停用）" in (await admin.get(f"/customers/{customer}")).text
    edit = (await admin.get(f"/customers/{customer}/edit")).text
    assert 'value="1" selected' in edit and "铜" in edit
    assert f'name="own-{id}"' in edit and "白金" not in (await admin.get("/customers/new")).text
    kept = await posted(
        admin,
        f"/customers/{customer}/edit",
        f"/customers/{customer}/edit",
        name="还是金",
        fields=str(id),
        **{f"own-{id}": "1"},
    )
    assert kept.status_code == 303 and (await own(place, customer)) == {str(id): "1"}


async def test_two_who_change_one_customer_read_both_texts(place: Place, admin: Visitor) -> None:
    one, other = await place.user("1001"), await place.user("1002")
    id = await defined(place, admin, f"备{short()}")
    level = await defined(place, admin, f"级{short()}", "choice", **{"choice-0": "金", "choice-1": "银"})
    name = unique("两人")
    customer = await enter(one, name)
    path, every = f"/customers/{customer}/edit", {"name": name, "version": "1", "fields": f"{id} {level}"}
    assert (await other.post(path, {**every, f"own-{id}": "他写的", f"own-{level}": "1"})).status_code == 303
    stale = await one.post(path, {**every, f"own-{id}": "我写的"})
    assert stale.status_code == 409
    assert 'value="我写的"' in stale.text and "<q>他写的</q>" in stale.text and "<q>金</q>" in stale.text
    again = await one.post(path, {**every, "version": "2", f"own-{id}": "我写的"})
    assert again.status_code == 303 and await own(place, customer) == {str(id): "我写的"}


async def test_two_become_one_with_what_either_has(place: Place, admin: Visitor) -> None:
    first, second, third = [await defined(place, admin, f"合{short()}") for _ in range(3)]
    keep = await enter(admin, unique("留"), **{f"own-{first}": "留一", f"own-{third}": "留三"})
    gone = await enter(admin, unique("并"), **{f"own-{first}": "并一", f"own-{second}": "并二", f"own-{third}": "并三"})
    page = f"/customers/{keep}/merge?with={gone}"
    text = (await admin.get(page)).text
    assert f'name="take-own-{first}"' in text and f'name="take-own-{second}"' not in text and "并二" in text
    done = await posted(admin, f"/customers/{keep}/merge", page, **{f"take-own-{third}": "other"})
    assert done.status_code == 303
    assert await own(place, keep) == {str(first): "留一", str(second): "并二", str(third): "并三"}


# -- files -------------------------------------------------------------------------------------------------------------


async def test_files_have_their_columns(place: Place, admin: Visitor) -> None:
    mark = short()
    card = await defined(place, admin, f"卡{mark}", required="1", name_en=f"Card {mark}")
    source = await defined(place, admin, f"来源{mark}", "choice", **{"choice-0": "展会", "choice-1": "网站"})
    assert [f"卡{mark}", f"来源{mark}"] == cells(await admin.get("/customers/import/template"))[0][-2:]
    tag = unique()
    data = sheet(
        ("名称", "标签", f"CARD {mark}", f"来源{mark}"),
        *((f"入{mark}甲", tag, "K-1", "网站"), (f"入{mark}乙", tag, "", "展会"), (f"入{mark}丙", tag, "x", "电视")),
    )
    shown = await upload(admin, data)
    path = shown.headers["location"]
    page = (await admin.get(path)).text
    assert page.count("请填写这一项。") == 1 and page.count("没有这个选项。") == 1 and "导入 1 行" in page
    assert f"<th>来源{mark}</th>" in page and "电视" in page
    await admin.post(f"{path}/start")

    async def done() -> bool:
        return 'id="import-done"' in (await admin.get(path)).text

    await eventually(done, "the import is done", 30)
    id = await stored(place, "select id from customer where name = $1", f"入{mark}甲")
    assert await own(place, id) == {str(card): "K-1", str(source): "2"}
    rows = cells(await admin.get("/customers/export", params={"tag": tag, "own": f"{source}=2"}))
    assert f"来源{mark} = 网站" in html.unescape(rows[1][0])
    assert [row[-2:] for row in rows[4:]] == [[f"卡{mark}", f"来源{mark}"], ["K-1", "网站"]]


async def test_rows_that_become_wrong_before_they_are_taken_are_told(place: Place, admin: Visitor) -> None:
    """Every row is counted once, and shown with what is wrong with it by now."""
    mark, number, (owner, _) = short(), some_number(), await created(place)
    await enter(admin, unique("已有"), number)

    async def imported() -> tuple[str, str]:
        """What the page that waits for it is sent when it is done, and what its page says then."""
        await admin.post(f"{path}/start")
        asking = {"hx-request": "true", "hx-target": "progress"}

        async def done() -> str:
            part = (await admin.get(path, headers=asking)).text
            return part if 'id="import-done"' in part else ""

        return str(await eventually(done, "the import is done", 30)), (await admin.get(path)).text

    def counts(page: str) -> list[int]:
        """Rows, bad ones, those taken, those known."""
        facts = page.partition("<dl")[2].partition("</dl>")[0]
        return [int(count) for count in re.findall(r"<dd[^>]*>(\d+)</dd>", facts)]

    rows = ((f"归{mark}甲", "", "admin"), (f"归{mark}乙", "", owner), (f"归{mark}丙", number, ""))
    shown = await upload(admin, sheet(("名称", "号码", "负责坐席工号"), *rows, ("", "13900000000", "")))
    path = shown.headers["location"]
    assert counts((await admin.get(path)).text) == [4, 1, 0, 0]
    await stored(place, "update operator set disabled = true where id = $1", owner)
    for page in await imported():
        assert counts(page) == [4, 2, 1, 1], page
        assert f"归{mark}乙" in page and "没有这位坐席。" in page

    shown = await upload(admin, sheet(("名称",), (f"必{mark}甲",), (f"必{mark}乙",)))
    path = shown.headers["location"]
    assert counts((await admin.get(path)).text) == [2, 0, 0, 0]
    await defined(place, admin, f"卡{mark}", required="1")
    for page in await imported():
        assert counts(page) == [2, 2, 0, 0] and page.count("请填写这一项。") == 2, page
    assert await stored(place, "select count(*) from customer where name like $1", f"必{mark}%") == 0
    await upload(admin, sheet(("名称",), ("别的",)))
    assert (await admin.get(path)).text.count("请填写这一项。") == 2, "what another file brings deletes them not"
