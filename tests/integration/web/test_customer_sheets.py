"""Customers taken away as a file, and brought in from one, on the real web."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from python_calamine import CalamineWorkbook

from tests.integration.ledger.services import eventually
from tests.unit.web.test_customer_rules import sheet

from .conftest import Place, Visitor
from .test_customers import KEY, enter, some_number, some_numbers, stored, unique


def cells(answer: httpx.Response) -> list[list[Any]]:
    return CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()


async def test_export_holds_the_filter_and_no_formula(place: Place) -> None:
    admin, tag = await place.user("admin"), unique()
    number = some_number()
    await enter(admin, "=cmd|' /C calc'!A0", number, tags=tag)
    await enter(admin, "+1+1", tags=tag)
    answer = await admin.get("/customers/export", params={"tag": tag, "level": "normal"})
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
    rows = cells(answer)
    assert f"标签 = {tag}" in rows[1][0] and "普通客户" in rows[1][0] and "admin" in rows[2][0]
    assert [row[0] for row in rows[5:]] == ["+1+1", "=cmd|' /C calc'!A0"]
    assert rows[6][2] == number
    detail = await stored(
        place, "select detail from audit where action = 'customers_exported' order by id desc limit 1"
    )
    assert json.loads(detail) == {"rows": 2, "filters": {"tag": tag, "level": "normal"}}
    async with place.rows() as rows_:
        await rows_.execute("update operator set role = 'manager' where id = '1098'")
    manager = await place.user("1098")
    masked = cells(await manager.get("/customers/export", params={"tag": tag}))
    assert f"139****{number[-4:]}" in str(masked) and number not in str(masked)


async def upload(visitor: Visitor, data: bytes, **fields: str) -> httpx.Response:
    page = await visitor.get("/customers/import")
    sent: Mapping[str, str] = {"key": KEY.findall(page.text)[0], "csrf": visitor.csrf, **fields}
    files = {"file": ("客户.xlsx", data)}
    return await visitor.http.post("/customers/import", data=sent, files=files, headers={"x-csrf-token": visitor.csrf})


async def test_a_file_is_looked_at_then_taken_once(place: Place) -> None:
    admin, mark = await place.user("admin"), unique()
    known = some_number()
    await enter(admin, unique("已有"), known)
    good = [(f"导入{mark}{n}", number, "VIP 客户", "=1+1") for n, number in enumerate(some_numbers(230))]
    data = sheet(
        ("名称", "号码", "等级", "备注"),
        ("<b>", "", "", ""),
        *good,
        ("", "x", "", ""),
        ("已有的", known, "", ""),
        good[0],
    )
    shown = await upload(admin, data)
    assert shown.status_code == 303
    path = shown.headers["location"]
    page = (await admin.get(path)).text
    assert "请填写这一项。" in page and "号码无法识别" in page and "&lt;b&gt;" in page and "导入 233 行" in page
    assert await stored(place, "select count(*) from customer where name like $1", f"导入{mark}%") == 0
    assert (await (await place.user("1098")).get(path)).status_code in (403, 404), "another's file"
    for _ in range(2):
        assert (await admin.post(f"{path}/start")).status_code == 303

    async def done() -> bool:
        part = await admin.get(path, headers={"hx-request": "true", "hx-target": "progress"})
        return 'id="import-done"' in part.text

    await eventually(done, "the import is done", 30)
    part = (await admin.get(path)).text
    assert re.search(r'id="taken">231<', part) and re.search(r'id="known">2<', part)
    assert await stored(place, "select count(*) from customer where name like $1", f"导入{mark}%") == 230
    again = await upload(admin, data)
    await admin.post(f"{again.headers['location']}/start")
    path = again.headers["location"]
    await eventually(done, "the import is done", 30)
    assert re.search(r'id="taken">0<', (await admin.get(path)).text), "imported again, nobody is doubled"


async def test_columns_that_nobody_knows_are_told_before_anything_is_taken(place: Place) -> None:
    admin, name = await place.user("admin"), unique("列")
    numbers = [some_number(), some_number()]
    data = sheet(("姓名", "手机号", "<b>性别", "座机"), (name, numbers[0], "女", numbers[1]))
    path = (await upload(admin, data)).headers["location"]
    page = (await admin.get(path)).text
    assert "这些列没有认出来" in page and "&lt;b&gt;性别" in page and all(number in page for number in numbers)
    assert (
        "没有认出来" not in (await admin.get((await upload(admin, sheet(("名称",), (name,)))).headers["location"])).text
    )


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (b"", 422, "请选择一个 .xlsx 文件。"),
        (b"not a sheet", 422, "这不是 Excel 工作簿"),
        (sheet(("a",), ("b",)), 422, "没有“名称”一列"),
        (b"x" * 5_100_000, 413, "文件超过 5 MB"),
    ],
)
async def test_a_file_that_cannot_be_taken_is_refused_with_its_reason(
    place: Place, data: bytes, status: int, message: str
) -> None:
    admin = await place.user("admin")
    answer = await upload(admin, data)
    assert answer.status_code == status and message in answer.text
