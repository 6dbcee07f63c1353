"""The settings on a real api and PostgreSQL: each kind made, changed, refused, overtaken, deleted; who may."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html import unescape
from typing import Any, Final

import httpx
import pytest
import xlsxwriter
from python_calamine import CalamineWorkbook

from lcall_web.settings.kinds import KINDS
from lq.config import publish
from lq.sdk import ApiError, Client, ListEntry
from tests.integration.ledger.services import eventually

from .conftest import Place, Visitor

NAUGHTY: Final = (
    *("'; drop table operator; --", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}"),
    *(
        "%(name)s %s %",
        "田中さんにあげて下さい \U0001f469\u200d\U0001f469\u200d\U0001f467 ﷽",
        "../../etc/passwd",
        "null",
        "=1+1",
    ),
)

# kind -> id, what is typed, a field that is changed to what is wrong, and the word that says so
EACH: Final[dict[str, tuple[str, dict[str, Any], str, str, str]]] = {
    "agents": ("2901", {"name": "赵敏", "queues": ["sales"]}, "mobile", "138", "格式填写"),
    "phones": (
        "8901x",
        {"name": "前台", "calls": "local", "password": "geheim-99"},
        "forward.busy",
        "ivr:main",
        "能拨打的号码",
    ),
    "queues": ("q-new", {"name": "贵宾"}, "ring_s", "1", "3 到 300"),
    "numbers": ("4008009001", {"target": "queue:sales", "name": "热线"}, "target", "queue:nothing", "不存在"),
    "trunks": ("gw9", {"address": "127.0.9.9", "caller_ids": "01088009001"}, "address", "gw.example", "IP 地址"),
    "routes": ("r-new", {"trunks": ["gw1"], "prefixes": "+8621"}, "prefixes", "上海", "号码的开头"),
    "calendars": ("c-new", {"name": "晚班", "hours": ["18:00-22:00"] + [""] * 6}, "hours", "22:00-18:00", "早于开始"),
    "purposes": ("p-new", {"name": "回访"}, "per_number_a_day", "-1", "0 到 1000"),
    "lists": ("l-new", {"name": "黑名单二", "kind": "black"}, "priority", "5", "不用此项"),
    "pause_reasons": ("tea", {"name": "喝茶"}, "longest_min", "5000", "0 到 1440"),
    "wrap_up_codes": ("w-new", {"name": "咨询", "parent": "fault.network"}, "parent", "fault.network.slow", "最多三级"),
    "conferences": ("room9", {"name": "九号会议室", "pin": "1234"}, "host_pin", "1234", "不能与参会密码相同"),
}


def version(page: httpx.Response) -> str:
    return re.findall(r'name="version" value="(\d+)"', page.text)[0]


def base(page: httpx.Response) -> dict[str, list[str]]:
    return dict(json.loads(unescape(re.findall(r'name="base" value="([^"]*)"', page.text)[0])))


async def form(visitor: Visitor, path: str) -> dict[str, Any]:
    """What a browser would send of this page's form, as it stands."""
    page = await visitor.get(path)
    assert page.status_code == 200, page.text
    return {**base(page), "version": version(page), "base": json.dumps(base(page))}


async def body(lq: Client, kind: str, id: str) -> dict[str, Any]:
    return dict((await lq.document(kind, id)).body)


@pytest.mark.parametrize("kind", EACH)
async def test_each_kind_is_made_changed_refused_overtaken_and_deleted(place: Place, kind: str) -> None:
    admin, (id, typed, field, wrong, word) = await place.user("admin"), EACH[kind]
    new = f"/settings/{kind}/+"
    blank = await form(admin, new)
    made = await admin.post(new, {**blank, **typed, "id": id})
    assert made.status_code in (200, 303), made.text
    again = await admin.post(new, {**blank, **typed, "id": id})
    assert again.status_code == made.status_code, "a double click does it once"
    other = await admin.post(new, {**blank, **typed, "id": id, "name": "另一个"})
    assert other.status_code == 422 and "这个编号已经有了" in other.text and "另一个" in other.text
    assert id in (await admin.get(f"/settings/{kind}/")).text
    async with place.client() as lq:
        first = await body(lq, kind, id)
        page = f"/settings/{kind}/{id}"
        refused = await admin.post(page, {**await form(admin, page), field: wrong, "name": "改了一半"})
        assert refused.status_code == 422 and word in refused.text, refused.text
        assert "改了一半" in refused.text and "is-invalid" in refused.text, "what was typed is kept"
        assert await body(lq, kind, id) == first
        mine = await form(admin, page)
        await lq.put_document(kind, id, {**first, "name": "别人改的"})
        stale = await admin.post(page, {**mine, "name": "我改的"})
        assert stale.status_code == 409 and "我改的" in stale.text and "对方改为：别人改的" in stale.text
        mine = {**mine, "version": version(stale), "base": json.dumps(base(stale)), "name": "我改的"}
        assert (await admin.post(page, mine)).status_code == 303
        assert (await body(lq, kind, id))["name"] == "我改的"
        ask = await admin.get(f"/settings/delete/{kind}/{id}")
        assert ask.status_code == 200 and 'id="really"' in ask.text
        for _ in range(2):
            assert (await admin.post(f"/settings/delete/{kind}/{id}")).status_code == 303
        with pytest.raises(ApiError, match="404"):
            await lq.document(kind, id)
        lost = await admin.post(page, {**mine, "name": "还在改"})
        assert lost.status_code == 409 and "还在改" in lost.text, "what was typed outlives its document"
    async with place.rows() as rows:
        who = await rows.fetch("select distinct operator from audit where object = $1", f"{kind}:{id}")
        assert {row["operator"] for row in who} == {"admin", ""}, "the api was told for whom"


async def test_what_is_used_is_not_deleted_and_says_by_whom(place: Place) -> None:
    admin = await place.user("admin")
    page = await admin.get("/settings/queues/sales")
    assert "修改会影响" in page.text and "/settings/numbers/4008001001" in page.text and "现在：排队 0" in page.text
    for answer in (await admin.get("/settings/delete/queues/sales"), await admin.post("/settings/delete/queues/sales")):
        assert "不能删除" in answer.text and "/settings/agents/1001" in answer.text and 'id="really"' not in answer.text
    async with place.client() as lq:
        assert await lq.document("queues", "sales")


async def test_a_phones_password_is_shown_once_and_kept_nowhere(place: Place) -> None:
    admin = await place.user("admin")
    blank = await form(admin, "/settings/phones/+")
    page = await admin.get("/settings/phones/+")
    password = re.findall(r'name="password" value="([^"]+)"', page.text)[0]
    made = await admin.post("/settings/phones/+", {**blank, "id": "8951", "password": password})
    assert made.status_code == 200 and password in made.text
    shown = await admin.get("/settings/phones/8951")
    assert password not in shown.text and 'name="password"' not in shown.text
    replaced = await admin.post("/settings/secret/8951")
    assert replaced.status_code == 200 and password not in replaced.text
    async with place.client() as lq, place.rows() as rows:
        assert password not in str(await rows.fetch("select detail from audit where object = 'phones:8951'"))
        await lq.delete_document("phones", "8951")


async def test_members_of_a_queue_are_changed_without_losing_what_others_change(place: Place) -> None:
    admin = await place.user("admin")
    async with place.client() as lq:
        for id in ("2911", "2912"):
            await lq.put_document("agents", id, {"name": f"成员{id}", "queues": ["sales"]})
        await lq.put_document("queues", "crew", {"name": "小组"})
        assert "成员2911" in (await admin.get("/settings/members/crew")).text
        await lq.put_document("agents", "2912", {"name": "改名", "queues": []})
        form = {"shown": ["2911", "2912"], "member": ["2911", "2912"]}
        assert (await admin.post("/settings/members/crew", form)).status_code == 303
        assert await body(lq, "agents", "2911") == {"id": "2911", "name": "成员2911", "queues": ["sales", "crew"]}
        assert await body(lq, "agents", "2912") == {"id": "2912", "name": "改名", "queues": ["crew"]}
        form = {"shown": ["2911", "2912"], "member": []}
        assert (await admin.post("/settings/members/crew", form)).status_code == 303
        assert (await body(lq, "agents", "2911"))["queues"] == ["sales"]
        for kind, id in (("agents", "2911"), ("agents", "2912"), ("queues", "crew")):
            await lq.delete_document(kind, id)


async def test_the_order_of_a_queues_agents_is_kept_as_it_was_ticked(place: Place) -> None:
    admin, path = await place.user("admin"), "/settings/queues/rowed"
    async with place.client() as lq:
        await lq.put_document("queues", "rowed", {"name": "排好的"})
        page = await form(admin, path) | {"strategy": "in_order", "agent_order": ["1003", "1001"]}
        assert (await admin.post(path, page)).status_code == 303
        assert (await body(lq, "queues", "rowed"))["agent_order"] == ["1003", "1001"]
        shown = re.findall(r'name="agent_order" value="(\w+)"', (await admin.get(path)).text)
        assert shown[:2] == ["1003", "1001"], "and shown so"
        refused = await admin.post(path, await form(admin, path) | {"wrap_up_code": "required", "wrap_up_s": "0"})
        assert refused.status_code == 422 and "话后整理时长为 0 时" in refused.text
        with pytest.raises(ApiError, match="409"):
            await lq.delete_document("agents", "1003")
        await lq.delete_document("queues", "rowed")


async def test_the_emergency_switch_and_a_days_click_are_saved(place: Place) -> None:
    admin = await place.user("admin")
    async with place.client() as lq:
        await lq.put_document("calendars", "night", {"name": "夜班"})
        for value in ("closed", "closed", ""):
            assert (await admin.post("/settings/override/night", {"override": value})).status_code == 303
            assert (await body(lq, "calendars", "night")).get("override") == value
        page = await form(admin, "/settings/calendars/night")
        page |= {"holidays": "2026-10-02\n2026-10-01", "workdays": "2026-10-10"}
        assert (await admin.post("/settings/calendars/night", page)).status_code == 303
        saved = await body(lq, "calendars", "night")
        assert (saved["holidays"], saved["workdays"]) == (["2026-10-01/2026-10-02"], ["2026-10-10"])
        assert 'data-day="2026-10-10" data-mark="workday"' in (await admin.get("/settings/calendars/night")).text
        await lq.delete_document("calendars", "night")


# -- numbers of lists --------------------------------------------------------------------------------------------------


async def test_numbers_are_added_found_imported_and_taken_off(place: Place) -> None:
    admin, path = await place.user("admin"), "/settings/entries/numbers-test"
    async with place.client() as lq:
        await lq.put_document("lists", "numbers-test", {"kind": "black", "name": "测试名单"})
        assert "名单还是空的" in (await admin.get(path)).text
        wrong = await admin.post(path, {"numbers": "13800138000\nabc", "note": "骚扰"})
        assert wrong.status_code == 422 and "第 2 行" in wrong.text and "骚扰" in wrong.text
        assert (await lq.list_entries("numbers-test")).items == ()
        day = await admin.post(path, {"numbers": "13800138000", "expires": "someday"})
        assert day.status_code == 422 and "填写日期" in day.text
        given = {"numbers": "13800138000，+8610*", "note": NAUGHTY[1], "expires": "2036-12-31"}
        assert (await admin.post(path, given)).status_code == 303
        page = await admin.get(path + "?number=13800138000")
        assert "+8613800138000" in page.text and "2037-01-01" in page.text and NAUGHTY[1] not in page.text
        assert (await admin.get(path + "?number=x")).status_code == 422
        files = {"file": ("a.csv", "号码,备注,到期\n13911112222,甲,2036-01-01\n01088880000,乙,\n".encode(), "text/csv")}
        assert (await admin.post(f"{path}/import", files=files)).status_code == 303
        assert len((await lq.list_entries("numbers-test")).items) == 4
        assert "还有号码" in (await admin.get("/settings/delete/lists/numbers-test")).text
        for bad in (b"", b"PK\x03\x04", b"\xff\xfe\x00", "13911112222,甲,soon\n".encode()):
            answer = await admin.post(f"{path}/import", files={"file": ("a.csv", bad, "text/csv")})
            assert answer.status_code == 422
        for number in ("+8613800138000", "+8613800138000", "+8610*"):
            assert (await admin.post(f"{path}/remove", {"number": number})).status_code == 303
        left = {one.number for one in (await lq.list_entries("numbers-test")).items}
        assert len(left) == 2 and not left & {"+8613800138000", "+8610*"}
        await lq.clear_list("numbers-test")
        assert (await admin.post("/settings/delete/lists/numbers-test")).status_code == 303


async def test_what_cannot_be_is_told_by_its_line_and_with_what_was_stored(place: Place) -> None:
    admin, path = await place.user("admin"), "/settings/entries/lines-test"

    async def imported(text: str) -> str:
        answer = await admin.post(f"{path}/import", files={"file": ("a.csv", text.encode(), "text/csv")})
        assert answer.status_code == 422
        return answer.text

    async with place.client() as lq:
        await lq.put_document("lists", "lines-test", {"kind": "black", "name": "行号名单"})
        told = await imported("号码,备注\n\n13911112222,甲\n\nabc,乙\n")
        assert "第 5 行 abc" in told and "没有写入任何号码。" in told
        told = await imported("号码,备注,到期\n13911112222,甲,2036-01-01\n13911112223,甲,soon\n")
        assert "第 3 行 soon" in told and "没有写入任何号码。" in told
        typed = await admin.post(path, {"numbers": "13911112222，13911112223\n\nabc"})
        assert typed.status_code == 422 and "第 3 行 abc" in typed.text and "没有写入任何号码。" in typed.text
        assert (await lq.list_entries("lines-test")).items == ()
        thousand = "".join(f"1391111{n:04}\n" for n in range(1000))
        told = await imported(f"号码\n{thousand}abc\n13911120000\n")
        assert "第 1002 行 abc" in told and "已写入 1000 个号码，其余没有写入" in told
        for number, there in (("13911110000", 1), ("13911110999", 1), ("13911120000", 0)):
            assert len((await lq.list_entries("lines-test", number=number)).items) == there, number
        while await lq.clear_list("lines-test"):
            pass
        await lq.delete_document("lists", "lines-test")


async def test_the_end_of_time_is_never(place: Place) -> None:
    """9999-12-31 is how other programs write it."""
    admin, path = await place.user("admin"), "/settings/entries/never-test"
    async with place.client() as lq:
        await lq.put_document("lists", "never-test", {"kind": "black", "name": "长期名单"})
        assert (await admin.post(path, {"numbers": "13800138001", "expires": "9999-12-31"})).status_code == 303
        files = {"file": ("a.csv", "13800138002,甲,9999-12-31\n13800138003,乙,2001-01-01\n".encode(), "text/csv")}
        assert (await admin.post(f"{path}/import", files=files)).status_code == 303
        last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        await lq.put_list_entries("never-test", [ListEntry("13800138004", expires_at=last)])
        entries = {one.number[-1]: one.expires_at for one in (await lq.list_entries("never-test")).items}
        assert entries["1"] is None and entries["2"] is None and entries["3"] and entries["4"] == last
        page = await admin.get(path)
        assert page.status_code == 200 and page.text.count('<td class="text-nowrap">长期</td>') == 3
        await lq.clear_list("never-test")
        await lq.delete_document("lists", "never-test")


# -- agents from a workbook --------------------------------------------------------------------------------------------


def workbook(*rows: tuple[Any, ...]) -> dict[str, Any]:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for n, row in enumerate(rows):
            sheet.write_row(n, 0, row)
    return {"file": ("agents.xlsx", file.getvalue(), "application/zip")}


HEAD: Final = ("工号", "姓名", "身份", "技能组", "话机", "话机密码", "手机")


def carried(page: httpx.Response) -> str:
    return unescape(re.findall(r'name="lines" value="([^"]*)"', page.text)[0])


async def test_a_hundred_agents_come_from_excel(place: Place) -> None:
    admin = await place.user("admin")
    people = [(3001 + n, f"新人{n}", "", "销售", 8301 + n, "", f"+86138{n:08}") for n in range(100)]
    preview = await admin.post("/settings/import/agents", files=workbook(HEAD, *people))
    assert preview.status_code == 200 and "新人99" in preview.text, preview.text[-6000:]
    async with place.client() as lq:
        with pytest.raises(ApiError, match="404"):
            await lq.document("agents", "3001")
        for _ in range(2):  # the second one changes nothing
            done = await admin.post("/settings/import/agents/run", {"lines": carried(preview)})
            assert done.status_code == 200 and "导入完成" in done.text
        assert await body(lq, "agents", "3100") == {
            **{"id": "3100", "name": "新人99", "queues": ["sales"], "mobile": "+8613800000099"}
        }
        assert (await body(lq, "phones", "8400"))["agent"] == "3100"
        passwords = re.findall(r"<code>([\w-]+)</code>", done.text)
        assert len(passwords) == len(set(passwords)) == 100
        kept = re.findall(r"<textarea name=\"lines\" hidden>(.*?)</textarea>", done.text, re.S)[0]
        file = await admin.post("/settings/import/passwords", {"lines": unescape(kept)})
        rows = CalamineWorkbook.from_filelike(io.BytesIO(file.content)).get_sheet_by_index(0).to_python()
        assert len(rows) == 101 and rows[1][0] == "8301" and rows[1][1] in passwords
        again = await admin.post("/settings/import/agents", files=workbook(HEAD, *people))
        assert again.text.count("lc-result-none") == 100, "nothing is left to do"
        async with place.rows() as rows:
            new = [str(id) for id in (*range(3001, 3101), *range(8301, 8401))]
            await rows.execute("delete from config_document where id = any($1)", new)
        await lq.put_document("queues", "sales", await body(lq, "queues", "sales"))  # which publishes all


@contextlib.asynccontextmanager
async def overtaken(place: Place, visitor: Visitor, path: str, form: dict[str, str], agent: str) -> AsyncIterator[Any]:
    """Posts the form; between its reading and its writing somebody else renames the agent. Yields the answer."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    async with place.rows() as rows, place.rows() as watching:
        async with rows.transaction():
            await rows.execute("update config_version set version = version + 1")  # which every change does first
            asked = asyncio.create_task(visitor.post(path, form))
            await eventually(lambda: watching.fetchval(waiting), "it wants to write")
            now = json.loads(await rows.fetchval("select body from config_document where id = $1", agent))
            await publish.put(rows, [("agents", {**now, "name": "别人改的"})], by="somebody")
        yield await asked


async def test_what_somebody_else_changes_meanwhile_stays(place: Place) -> None:
    """Members of a queue and sheets of agents are written as whole documents."""
    admin, agent = await place.user("admin"), "2931"
    async with place.client() as lq:
        await lq.put_document("agents", agent, {"name": "新来的", "queues": ["sales"]})
        form = {"shown": agent, "member": agent}
        async with overtaken(place, admin, "/settings/members/support", form, agent) as answer:
            assert answer.status_code == 303, "it is done over his"
        now = await body(lq, "agents", agent)
        assert (now["name"], now["queues"]) == ("别人改的", ["sales", "support"])

        await lq.put_document("agents", agent, {"name": "新来的", "queues": ["sales"]})
        preview = await admin.post("/settings/import/agents", files=workbook(HEAD, (agent, "", "", "support")))
        form = {"lines": carried(preview)}
        async with overtaken(place, admin, "/settings/import/agents/run", form, agent) as answer:
            assert answer.status_code == 409 and "还没有写入任何内容。" in answer.text
        assert await body(lq, "agents", agent) == {"id": agent, "name": "别人改的", "queues": ["sales"]}
        done = await admin.post("/settings/import/agents/run", {"lines": carried(answer)})
        assert done.status_code == 200 and "导入完成" in done.text
        assert await body(lq, "agents", agent) == {"id": agent, "name": "别人改的", "queues": ["support"]}
        await lq.delete_document("agents", agent)


async def test_a_sheet_with_mistakes_says_them_line_by_line_and_writes_nothing(place: Place) -> None:
    admin = await place.user("admin")
    rows = (
        (2921, "好的", "坐席", "sales", "", "", ""),
        (2922, "", "坐席", "", "", "", ""),
        (2923, "手机错", "老板", "仓库", "", "", "138"),
        (2924, NAUGHTY[1], "", "", "", "", "12"),
    )
    preview = await admin.post("/settings/import/agents", files=workbook(HEAD, *rows))
    assert (
        "有 3 行不对" in preview.text and "没有技能组 仓库" in preview.text and "+8613800138000 的格式" in preview.text
    )
    assert "<script>alert" not in preview.text
    refused = await admin.post("/settings/import/agents/run", {"lines": carried(preview)})
    assert refused.status_code == 422
    async with place.client() as lq:
        assert not {"2921", "2922", "2923", "2924"} & {one.id for one in await lq.documents("agents")}
    for files in (workbook(("a", "b")), workbook(HEAD), {"file": ("a.xlsx", b"PK\x03\x04", "x")}, {}):
        answer = await admin.post("/settings/import/agents", files=files or None)
        assert answer.status_code == 422 and "invalid-feedback" in answer.text
    assert (await admin.post("/settings/import/agents/run", {"lines": "[[1, 2]]"})).status_code == 422
    template = await admin.get("/settings/import/template")
    found = CalamineWorkbook.from_filelike(io.BytesIO(template.content)).get_sheet_by_index(0).to_python()
    assert found[0][:2] == ["工号", "姓名"] and found[1][1] == "李雷"


# -- name and logo -----------------------------------------------------------------------------------------------------


PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


async def test_the_center_has_its_own_name_and_logo(place: Place) -> None:
    admin, stranger = await place.user("admin"), place.visitor()
    async with place.client() as lq:
        before = await body(lq, "settings", "center")
        page = await form(admin, "/settings/settings/")
        refused = await admin.post(
            "/settings/settings/center", {**page, "time_zone": "Mars", "feature_codes.echo": "9"}
        )
        assert refused.status_code == 422 and "Asia/Shanghai" in refused.text and "开头" in refused.text
        assert (await admin.post("/settings/settings/center", {**page, "outside_prefix": "0"})).status_code == 303
        assert {
            **before,
            "outside_prefix": "0",
            "feature_codes": (await body(lq, "settings", "center"))["feature_codes"],
        }
        await lq.put_document("settings", "center", before)
    for bad in (b"<svg onload=alert(1)/>", b"", PIXEL + b"x" * 300_000):
        answer = await admin.post("/settings/logo", files={"file": ("logo.png", bad, "image/png")})
        assert answer.status_code == 422 and "invalid-feedback" in answer.text
    assert (await admin.post("/settings/logo", files={"file": ("logo.png", PIXEL, "image/png")})).status_code == 303
    address = re.findall(r'src="(/logo/[0-9a-f]+)"', (await admin.get("/board")).text)[0]
    picture = await stranger.get(address)
    assert picture.content == PIXEL and picture.headers["content-type"] == "image/png"
    assert (await admin.post("/settings/logo", {"drop": "1"})).status_code == 303
    assert (await stranger.get(address)).status_code == 404 and "/logo/" not in (await admin.get("/board")).text


# -- who may, and hostile text -----------------------------------------------------------------------------------------


PAGES: Final = (
    *(f"/settings/{kind}/" for kind in KINDS),
    *("/settings/agents/+", "/settings/queues/sales", "/settings/delete/queues/sales", "/settings/members/sales"),
    *("/settings/entries/black", "/settings/rooms/demo", "/settings/rooms/demo/parties", "/settings/import/agents"),
    *("/settings/import/template", "/settings/logo", "/settings/"),
)
POSTS: Final = (
    *("/settings/agents/+", "/settings/queues/sales", "/settings/delete/queues/sales", "/settings/members/sales"),
    *("/settings/entries/black", "/settings/entries/black/import", "/settings/entries/black/remove"),
    *("/settings/rooms/demo/invite", "/settings/rooms/demo/end", "/settings/import/agents"),
    *("/settings/import/agents/run", "/settings/import/passwords", "/settings/logo", "/settings/secret/8001"),
    "/settings/override/office",
)


@pytest.mark.parametrize("role", ["1020", "1901"])
async def test_only_who_may_change_settings_sees_them(place: Place, role: str) -> None:
    visitor = await place.user(role)
    assert "/settings/" not in (await visitor.get("/board")).text
    for path in PAGES:
        assert (await visitor.get(path)).status_code == 403, path
    for path in POSTS:
        assert (await visitor.post(path)).status_code == 403, path


async def test_every_page_opens_in_both_languages_and_unknown_ones_are_not_found(place: Place) -> None:
    admin = await place.user("admin")
    for path in PAGES:
        assert (await admin.get(path)).status_code in (200, 302), path
        english = await admin.get(path, headers={"cookie": f"{_cookies(admin)}; lcall_language=en"})
        assert english.status_code in (200, 302), path
    for path in ("/settings/tokens/", "/settings/flows/main", "/settings/agents/7777", "/settings/entries/none"):
        assert (await admin.get(path)).status_code == 404, path
    for path in ("/settings/agents/..%2f", "/settings/members/none", "/settings/delete/settings/center"):
        assert (await admin.get(path)).status_code == 404, path
    stranger = place.visitor()
    assert (await stranger.get("/settings/agents/")).status_code == 302


def _cookies(visitor: Visitor) -> str:
    return "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())


@pytest.mark.slow
async def test_hostile_text_is_shown_as_text_and_kept_as_it_is(place: Place) -> None:
    admin = await place.user("admin")
    async with place.client() as lq:
        for text in NAUGHTY:
            page = await form(admin, "/settings/queues/+") | {"id": "naughty", "name": text}
            assert (await admin.post("/settings/queues/+", page)).status_code == 303, text
            assert (await body(lq, "queues", "naughty"))["name"] == text
            for path in ("queues/", "queues/naughty", "delete/queues/naughty", "members/naughty", "agents/1001"):
                shown = (await admin.get(f"/settings/{path}")).text
                assert "<script>alert" not in shown and "<img src=x" not in shown and ">49<" not in shown
            await lq.delete_document("queues", "naughty")
        for text in ("a\x00b", "a\u202eb", "x" * 600):
            page = await form(admin, "/settings/queues/+") | {"id": "naughty", "name": text}
            assert (await admin.post("/settings/queues/+", page)).status_code == 422
        for text in NAUGHTY:
            for field in ("id", "strategy", "ring_s", "wrap_up_code", "version", "base"):
                page = await form(admin, "/settings/queues/+") | {"id": "naughty", "name": "x", field: text}
                answer = await admin.post("/settings/queues/+", page)
                assert answer.status_code in (303, 422) and "<script>alert" not in answer.text, (field, text)
                if answer.status_code == 303:
                    await lq.delete_document("queues", text if field == "id" else "naughty")


@pytest.fixture
async def setter(place: Place) -> AsyncIterator[Visitor]:
    """One who may change settings and sees numbers masked."""
    async with place.rows() as rows:
        await rows.execute(
            "insert into role (id, name, scope, permissions) values ('setter', '配置员', 'all', '{settings}')"
            " on conflict do nothing"
        )
        await rows.execute("update operator set role = 'setter' where id = '1019'")
        yield await place.user("1019")
        await rows.execute("update operator set role = 'agent' where id = '1019'")


async def test_numbers_of_people_are_masked_for_who_may_not_see_them(place: Place, setter: Visitor) -> None:
    async with place.client() as lq:
        await lq.put_document("agents", "2931", {"name": "有手机", "mobile": "+8613912345678"})
        for path in ("/settings/agents/", "/settings/agents/2931"):
            page = await setter.get(path)
            assert page.status_code == 200 and "139****5678" in page.text and "13912345678" not in page.text
        changed = {**await form(setter, "/settings/agents/2931"), "name": "改名", "mobile": "+8613000000000"}
        assert (await setter.post("/settings/agents/2931", changed)).status_code == 303
        assert await body(lq, "agents", "2931") | {"name": "改名", "mobile": "+8613912345678"} == await body(
            lq, "agents", "2931"
        )
        await lq.delete_document("agents", "2931")


async def test_who_is_overtaken_is_told_no_number_that_he_may_not_see(place: Place, setter: Visitor) -> None:
    agent, phone = "/settings/agents/2932", "/settings/phones/8932"
    password = {"password": "geheim-2932"}
    async with place.client() as lq:
        await lq.put_document("agents", "2932", {"name": "有手机", "mobile": "+8613912345678"})
        await lq.put_document("phones", "8932", {"name": "前台", "forward": {"busy": "13912345678"}, **password})
        for path, hidden, other in (
            (agent, "mobile", {"mobile": "+8613912340000"}),
            (phone, "forward.busy", {"forward": {"busy": "13912340000"}}),
        ):
            kind, id = path.split("/")[2:]
            mine = await form(setter, path)
            assert hidden not in base(await setter.get(path))
            now = await body(lq, kind, id)
            await lq.put_document(kind, id, {**now, "name": "别人改的"})
            stale = await setter.post(path, {**mine, "name": "我改的"})
            assert stale.status_code == 409 and "对方改为：别人改的" in stale.text
            assert "已换成对方的修改" not in stale.text, "nobody has changed what he does not see"
            await lq.put_document(kind, id, {**now, "name": "别人改的", **other})
            for sent in ({}, {hidden: "13912340000"}, {hidden: "1"}):  # the last two by no page of ours
                stale = await setter.post(path, {**mine, "name": "我改的", **sent})
                assert stale.status_code == 409 and "139****0000" in stale.text
                assert "1391234" not in stale.text and "已换成对方的修改" not in stale.text
            forged = {**json.loads(mine["base"]), hidden: ["13912340000"]}
            told = await setter.post(path, {**mine, "base": json.dumps(forged), hidden: "13912340000"})
            assert told.status_code == 409 and "已换成对方的修改" in told.text, "the name"
            assert told.text.count("已换成对方的修改") == 1 and "1391234" not in told.text
            await lq.delete_document(kind, id)


async def test_pages_of_a_list_are_turned_without_a_number_in_their_addresses(place: Place, setter: Visitor) -> None:
    path, following = "/settings/entries/paged-test", re.compile(r'href="(/settings/entries/paged-test\?[^"]+)"')
    given = [ListEntry(f"139{n:04}5678", f"备注{n:03}") for n in range(101)]
    async with place.client() as lq:
        await lq.put_document("lists", "paged-test", {"kind": "black", "name": "翻页名单"})
        await lq.put_list_entries("paged-test", given)
        for visitor in (setter, await place.user("admin")):
            first = await visitor.get(path)
            assert "备注099" in first.text and "备注100" not in first.text
            (link,) = following.findall(first.text)
            assert "%2B" not in link and not re.search(r"\d{11}", link)
            second = await visitor.get(unescape(link))
            assert "备注100" in second.text and "备注099" not in second.text and following.findall(second.text) == []
            if visitor is setter:
                assert not re.search(r"139\d{8}", first.text + second.text)
        for forged in ("cursor=%2B8613900505678", "behind=%2B8613900505678", "behind=13900505678", "behind=x"):
            page = await setter.get(f"{path}?number=&{forged}")
            assert "备注000" in page.text and "备注099" in page.text and "备注100" not in page.text, forged
        assert (await setter.get(f"{path}?behind={'9' * 30}")).status_code == 200
        await lq.clear_list("paged-test")
        await lq.delete_document("lists", "paged-test")
