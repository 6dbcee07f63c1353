"""The audit log and who is in: searched, taken away, ended; each of it written down."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from python_calamine import CalamineWorkbook

from .conftest import Place, Visitor
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
        assert page.status_code == 422 and "invalid-feedback" in page.text, bad

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


async def auditor_of(place: Place) -> Visitor:
    """Who reads and takes away the log, and sees numbers masked."""
    async with place.rows() as rows:
        await rows.execute(
            "insert into role (id, name, scope, permissions) values ('auditor', '审计员', 'all', '{accounts,export}')"
            " on conflict do nothing"
        )
    return (await member(place, "auditor"))[1]


async def written(place: Place, action: str, object: str, *details: dict[str, Any]) -> None:
    async with place.rows() as rows:
        await rows.executemany(
            "insert into audit (operator, action, object, detail) values ('admin', $1, $2, $3)",
            [(action, object, json.dumps(detail)) for detail in details],
        )


async def test_numbers_in_the_log_are_masked_for_those_who_see_them_so(place: Place) -> None:
    mark = unique()
    await written(place, "list_delete", f"lists:{mark}", {"number": "+8613712345678"})
    auditor = await auditor_of(place)
    admin = await place.user("admin")
    assert "13712345678" in (await admin.get("/accounts/audit", params={"about": mark})).text
    page = await auditor.get("/accounts/audit", params={"about": mark})
    assert "137****5678" in page.text and "12345678" not in page.text
    file = await auditor.http.get("/accounts/audit.xlsx", params={"about": mark})
    (place.home / f"{mark}.xlsx").write_bytes(file.content)
    lines = CalamineWorkbook.from_path(str(place.home / f"{mark}.xlsx")).get_sheet_by_index(0).to_python()
    assert "137****5678" in str(lines) and "12345678" not in str(lines)


async def test_our_own_ids_are_no_numbers_however_long(place: Place) -> None:
    mark = unique()
    about = {"note": mark, "other": 12345678, "changes": {"remark": ["13712345678", None]}, "phones": [["13787654321"]]}
    await written(place, "customers_merged", "customer:1234567", about)
    auditor = await auditor_of(place)
    page = await auditor.get("/accounts/audit", params={"about": mark})
    assert page.status_code == 200 and shows(page.text, "customer:1234567") and "other: 12345678" in page.text
    assert "137****5678" in page.text and "137****4321" in page.text and "7123456" not in page.text
    assert (await auditor.http.get("/accounts/audit.xlsx", params={"about": mark})).status_code == 200


async def test_what_is_masked_in_the_log_is_not_found_by_it(place: Place) -> None:
    """Or it would be read off, digit by digit; not by the button for more lines either."""
    mark = unique()
    number = "".join(str(ord(letter) % 10) for letter in mark[-10:])
    hidden, tail = number[:6], number[-4:]
    await written(place, "list_delete", f"lists:{mark}", *[{"number": f"+86137{number}", "n": n} for n in range(250)])
    auditor, admin = await auditor_of(place), await place.user("admin")

    async def lines(visitor: Visitor, about: str) -> int:
        page = await visitor.get("/accounts/audit", params={"about": about, "action": "list_delete"})
        assert page.status_code == 200
        assert ('id="more"' in page.text) is (page.text.count(f"lists:{mark}") == 100)
        return page.text.count(f"lists:{mark}")

    assert await lines(admin, hidden) == 100
    assert await lines(auditor, hidden) == await lines(auditor, f"+86137{number}") == 0
    assert await lines(auditor, f"****{tail}") == 0, "nobody has written that down"
    assert await lines(auditor, tail) == await lines(auditor, mark) == 100
    file = await auditor.http.get("/accounts/audit.xlsx", params={"about": hidden, "action": "list_delete"})
    assert mark not in str(CalamineWorkbook.from_filelike(io.BytesIO(file.content)).get_sheet_by_index(0).to_python())


async def test_who_is_in_is_seen_and_put_out(place: Place) -> None:
    id, visitor = await member(place)
    admin = await place.user("admin")
    page = await admin.get("/accounts/sessions", params={"q": id})
    (number,) = re.findall(r'name="session" value="(\d+)"', page.text)
    assert (await admin.post("/accounts/sessions", {"do": "end", "session": number, "q": id})).status_code == 303
    assert (await visitor.get("/board")).status_code == 302
    assert ("admin", "session_ended") in await noted(place, f"operator:{id}")
    assert "没有找到登录" in (await admin.get("/accounts/sessions", params={"q": id})).text
