"""The audit log and who is in: searched, taken away, ended; each of it written down."""

from __future__ import annotations

import json
import re

from python_calamine import CalamineWorkbook

from .conftest import Place
from .naughty import shows
from .test_people import created, member, noted, unique


async def test_the_log_is_searched_and_taken_away_which_is_written_down(place: Place) -> None:
    id, _ = await created(place)
    admin = await place.user("admin")

    async def found(**conditions: str) -> str:
        page = await admin.get("/accounts/audit", params={"about": id, **conditions})
        assert page.status_code == 200
        return page.text

    assert shows(await found(), f"operator:{id}")
    assert shows(await found(who="admin", action="operator_created"), f"operator:{id}")
    assert shows(await found(who="系统管"), f"operator:{id}"), "by a part of the name"
    for nothing in (
        {"who": "1901"},
        {"action": "login"},
        {"from": "2020-01-01", "to": "2020-01-02"},
        {"about": f"{id}%"},
    ):
        assert "没有找到记录" in await found(**nothing), nothing
    for bad in (
        {"from": "24.11.2026"},
        {"from": "2026-11-24", "to": "2026-11-23"},
        {"who": "x" * 101},
        {"to": "9999-99-99"},
    ):
        page = await admin.get("/accounts/audit", params=bad)
        assert page.status_code == 422 and "is-invalid" in page.text, bad

    file = await admin.http.get("/accounts/audit.xlsx", params={"about": id})
    assert file.status_code == 200 and "attachment" in file.headers["content-disposition"]
    (place.home / f"{id}.xlsx").write_bytes(file.content)
    lines = CalamineWorkbook.from_path(str(place.home / f"{id}.xlsx")).get_sheet_by_index(0).to_python()
    assert lines[0][0] == "审计日志" and "admin" in lines[1][0] and id in lines[2][0], "who took what"
    assert lines[4][:2] == ["时间", "工号"] and any(f"operator:{id}" in row for row in lines[5:])
    async with place.rows() as rows:
        detail = await rows.fetchval(
            "select detail from audit where action = 'audit_exported' order by id desc limit 1"
        )
    assert json.loads(detail)["about"] == id


async def test_numbers_in_the_log_are_masked_for_those_who_see_them_so(place: Place) -> None:
    mark = unique()
    async with place.rows() as rows:
        await rows.execute(
            "insert into audit (operator, action, object, detail) values ('admin', 'list_delete', $1, $2)",
            *(f"lists:{mark}", json.dumps({"number": "+8613712345678"})),
        )
        await rows.execute(
            "insert into role (id, name, scope, permissions) values ('auditor', '审计员', 'all', '{accounts,export}')"
            " on conflict do nothing"
        )
    _, auditor = await member(place, "auditor")
    admin = await place.user("admin")
    assert "13712345678" in (await admin.get("/accounts/audit", params={"about": mark})).text
    page = await auditor.get("/accounts/audit", params={"about": mark})
    assert "137****5678" in page.text and "12345678" not in page.text
    file = await auditor.http.get("/accounts/audit.xlsx", params={"about": mark})
    (place.home / f"{mark}.xlsx").write_bytes(file.content)
    lines = CalamineWorkbook.from_path(str(place.home / f"{mark}.xlsx")).get_sheet_by_index(0).to_python()
    assert "137****5678" in str(lines) and "12345678" not in str(lines)


async def test_who_is_in_is_seen_and_put_out(place: Place) -> None:
    id, visitor = await member(place)
    admin = await place.user("admin")
    page = await admin.get("/accounts/sessions", params={"q": id})
    (number,) = re.findall(r'name="session" value="(\d+)"', page.text)
    assert (await admin.post("/accounts/sessions", {"do": "end", "session": number, "q": id})).status_code == 303
    assert (await visitor.get("/board")).status_code == 302
    assert ("admin", "session_ended") in await noted(place, f"operator:{id}")
    assert "没有找到登录" in (await admin.get("/accounts/sessions", params={"q": id})).text
