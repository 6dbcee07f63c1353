"""The call list by more of its fields, and as a file: with the rights of who takes it away, written down."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from tests.unit.ledger.lives import Life

from .calls import now_ms, past_call
from .conftest import Place
from .test_calls import ROW, abandoned, found, stored_calls


def cells(file: bytes) -> list[list[Any]]:
    return CalamineWorkbook.from_filelike(io.BytesIO(file)).get_sheet_by_index(0).to_python()


async def role_may(place: Place, role: str, *permissions: str) -> None:
    async with place.rows() as rows:
        await rows.execute("update role set permissions = $2 where id = $1", role, list(permissions))


async def test_each_further_condition_narrows_the_search(place: Place) -> None:
    mark, number = uuid.uuid4().hex[:12], "13900005501"
    long, short, gone = await stored_calls(
        place,
        past_call(f"l-{mark}", now_ms() - 3000, number, talk_ms=600_000),
        past_call(f"s-{mark}", now_ms() - 2000, number, talk_ms=10_000),
        abandoned(f"g-{mark}", now_ms() - 1000, number),
    )
    async with place.rows() as rows:
        await rows.execute(
            "insert into agent_interval (agent, seq, state, contact, code, started_at)"
            " values ('1001', $1, 'wrap_up', $2, $3, now())",
            now_ms(),
            long,
            f"{mark}.late",
        )
        await rows.execute("update cdr set trunk = 'gw2' where contact_id = $1", short)
    async with place.client() as lq:
        await lq.put_document("wrap_up_codes", mark, {"id": mark, "name": "投诉"})
        below = {"id": f"{mark}.late", "name": "送货太晚", "parent": mark}
        await lq.put_document("wrap_up_codes", f"{mark}.late", below)
    admin = await place.user("admin")

    async def search(**conditions: str) -> list[str]:
        page = await admin.get("/calls/", params={"from": "", "to": "", "number": number, **conditions})
        assert page.status_code == 200 and "　送货太晚</option>" in page.text
        return [id for id in found(page.text) if mark in id]

    assert await search(least="5:00") == [long]
    assert await search(most="60") == [gone, short]
    assert await search(least="1", most="0:01:00") == [short]
    assert await search(trunk="gw2") == [short]
    assert await search(code=mark) == [long] and await search(code=f"{mark}.late") == [long]
    assert await search(code="%") == []
    assert await search(recorded="yes") == [short, long] and await search(recorded="no") == [gone]


async def test_what_a_call_was_about_is_told_wherever_it_is(place: Place) -> None:
    """Each agent's last word, by its name and those above it."""
    mark, number = uuid.uuid4().hex[:12], "13900005502"
    (id,) = await stored_calls(place, past_call(f"code-{mark}", now_ms(), number, "1044"))
    async with place.client() as lq:
        await lq.put_document("wrap_up_codes", mark, {"id": mark, "name": "投诉", "name_en": "Complaint"})
        for code, name in (("late", "送货太晚"), ("rude", "态度不好")):
            below = {"id": f"{mark}.{code}", "name": name, "name_en": code, "parent": mark}
            await lq.put_document("wrap_up_codes", f"{mark}.{code}", below)
    now = now_ms()
    async with place.rows() as rows:
        for at, agent, code in ((now, "1044", "late"), (now + 1, "1001", "late"), (now + 2, "1044", "rude")):
            await rows.execute(
                "insert into agent_interval (agent, seq, state, contact, code, started_at)"
                " values ($1, $2, 'wrap_up', $3, $4, to_timestamp($2::bigint / 1000.0))",
                *(agent, at, id, f"{mark}.{code}"),
            )
    admin, english = await place.user("admin"), await place.user("admin", **{"accept-language": "en"})
    asked = {"from": "", "number": number}
    listed = "投诉 / 送货太晚; 投诉 / 态度不好"
    assert listed in (await admin.get("/calls/", params=asked)).text
    rows_ = cells((await admin.get("/calls/export.xlsx", params=asked)).content)
    head = next(n for n, row in enumerate(rows_) if row[0] == "开始时间")
    assert dict(zip(rows_[head], rows_[head + 1], strict=True))["话后小结"] == listed
    assert "Complaint / late; Complaint / rude" in (await english.get("/calls/", params=asked)).text
    detail = (await admin.get(f"/calls/{id}")).text
    assert "投诉 / 送货太晚" in detail and "投诉 / 态度不好" in detail


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"least": "x"}, "请填秒数，或 1:30 这样的时长。"),
        ({"most": "1:2:3:4"}, "请填秒数，或 1:30 这样的时长。"),
        ({"least": "2:00", "most": "60"}, "最长时长小于最短时长。"),
        ({"recorded": "'; <script>"}, "没有这个选项。"),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_exported(
    place: Place, given: dict[str, str], message: str
) -> None:
    admin = await place.user("admin")
    page = await admin.get("/calls/", params=given)
    assert page.status_code == 422 and message in page.text and '<details class="lc-more" open' in page.text
    assert (await admin.get("/calls/export.xlsx", params=given)).status_code == 400


@pytest.mark.slow
async def test_the_file_holds_what_was_searched_for_and_is_written_down(place: Place) -> None:
    mark, number = uuid.uuid4().hex[:12], "13900006601"
    ids = await stored_calls(
        place, *(past_call(f"x{n:02}-{mark}", now_ms() - n * 1000, number, "1044") for n in range(60))
    )
    admin = await place.user("admin")
    page = await admin.get("/calls/", params={"from": "", "number": number})
    assert 'id="export"' in page.text and len(ROW.findall(page.text)) == 50
    answer = await admin.get("/calls/export.xlsx", params={"from": "", "number": number})
    assert answer.status_code == 200 and 'filename="calls-' in answer.headers["content-disposition"]
    rows = cells(answer.content)
    assert rows[0][0] == "通话记录" and rows[1][:2] == ["号码", number] and rows[2][1].endswith(" admin")
    head = next(n for n, row in enumerate(rows) if row[0] == "开始时间")
    assert [row[-1] for row in rows[head + 1 :]] == ids, "every call, not only the first page, latest first"
    first = dict(zip(rows[head], rows[head + 1], strict=True))
    assert (first["号码"], first["工号"], first["结果"], first["结束方"]) == (number, "1044", "已接听", "客户挂断")
    assert first["通话"].total_seconds() == pytest.approx(38, abs=0.01)
    async with place.rows() as rows_:
        noted = await rows_.fetch("select detail from audit where action = 'calls_exported' and operator = 'admin'")
    assert any(json.loads(row["detail"]).get("number") == number for row in noted)


async def test_who_may_take_a_file_and_who_sees_what_in_it(place: Place) -> None:
    hostile, number = "=cmd|'/c calc'!A1", "13900007701"
    id = f"xh-{uuid.uuid4().hex[:12]}"
    await stored_calls(place, past_call(id, now_ms(), number, "1044"))
    life = Life(f"{id}-h", now_ms() - 500).say(
        "contact_started",
        **{"direction": "in", "number_raw": hostile, "number": "", "number_published": hostile},
        **{"called_raw": "1", "called": "1", "called_published": hostile, "trunk": hostile, "node": "x"},
    )
    await stored_calls(place, life.end("refused", "system", 1))
    for who in ("1044", "1901"):
        visitor = await place.user(who)
        assert (await visitor.get("/calls/export.xlsx")).status_code == 403
        assert 'id="export"' not in (await visitor.get("/calls/")).text
    async with place.rows() as rows:
        before = await rows.fetchval("select permissions from role where id = 'leader'")
    await role_may(place, "leader", *before, "export")
    try:
        leader = await place.user("1901")
        rows_ = cells((await leader.get("/calls/export.xlsx")).content)
    finally:
        await role_may(place, "leader", *before)
    shown = {row[-1]: row for row in rows_}
    assert shown[id][2] == "139****7701", "masked as on the page"
    assert not any(number in str(cell) or "13900007701" in str(cell) for row in rows_ for cell in row)
    admins = {row[-1]: row for row in cells((await (await place.user("admin")).get("/calls/export.xlsx")).content)}
    assert admins[id][2] == number and admins[f"{id}-h"][2] == hostile, "a text, not a formula"
