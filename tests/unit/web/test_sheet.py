"""The xlsx of a list, read again by another program's reader."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime, timedelta
from typing import Any

from python_calamine import CalamineWorkbook

from lcall_web.common import sheet, spreadsheet

HEAD = {
    "title": "通话记录",
    "facts": [["号码", "=1+1"], ["导出人", "王芳 1001"]],
    "columns": [["开始时间", "time", 19], ["姓名", "text", 10], ["通话", "seconds", 10]],
    "more": "还有更多",
}
HOSTILE = ('=HYPERLINK("http://x")', "+1", "-2+3", "@SUM(A1)", "\t=1", "'; <script>", "http://x/", "007", "x" * 40_000)


def made(*rows: Any) -> tuple[int, bytes]:
    out = io.BytesIO()
    written = sheet.write_lines([json.dumps(line) for line in (HEAD, *rows)], out)
    return written, out.getvalue()


def test_the_search_stands_in_the_head_and_each_row_below() -> None:
    written, file = made(["2026-11-27T08:30:00", "李娜", 90.0], [None, "", None])
    rows = CalamineWorkbook.from_filelike(io.BytesIO(file)).get_sheet_by_index(0).to_python()
    assert written == 2
    assert [row[0] for row in rows[:3]] == ["通话记录", "号码", "导出人"] and rows[1][1] == "=1+1"
    assert rows[4] == ["开始时间", "姓名", "通话"]
    assert rows[5][0] == datetime(2026, 11, 27, 8, 30) and rows[5][1] == "李娜"
    assert rows[5][2].total_seconds() == 90  # type: ignore[union-attr]


def test_what_looks_like_a_formula_is_text_and_stays_so() -> None:
    _, file = made(*([None, text, None] for text in HOSTILE))
    rows = CalamineWorkbook.from_filelike(io.BytesIO(file)).get_sheet_by_index(0).to_python()
    assert [row[1] for row in rows[5:]] == [*HOSTILE[:-1], "x" * sheet.LONGEST]
    with zipfile.ZipFile(io.BytesIO(file)) as parts:
        cells = parts.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in cells and "hyperlink" not in cells
        assert 'quotePrefix="1"' in parts.read("xl/styles.xml").decode()


def test_a_list_that_is_kept_is_written_alike() -> None:
    rows: list[list[Any]] = [[text, None, 1.5] for text in HOSTILE] + [
        ["", datetime(2026, 11, 27, 8, 30), timedelta(minutes=3)]
    ]
    file = spreadsheet.written(["客户名单", "条件: =1+1"], ["姓名", "时间", "数"], rows)
    found = CalamineWorkbook.from_filelike(io.BytesIO(file)).get_sheet_by_index(0).to_python()
    assert [row[0] for row in found[:4]] == ["客户名单", "条件: =1+1", "", "姓名"]
    assert [row[0] for row in found[4:]] == [*HOSTILE[:-1], "x" * sheet.LONGEST, ""]
    assert found[4][2] == 1.5 and found[-1][1] == datetime(2026, 11, 27, 8, 30)
    with zipfile.ZipFile(io.BytesIO(file)) as parts:
        assert "<f>" not in parts.read("xl/worksheets/sheet1.xml").decode()
    template = spreadsheet.written((), ["工号", "姓名"], [["1001", "王芳"]])
    assert CalamineWorkbook.from_filelike(io.BytesIO(template)).get_sheet_by_index(0).to_python()[0] == ["工号", "姓名"]


def test_who_asked_for_too_much_is_told_so() -> None:
    written, file = made(["2026-11-27T08:30:00", "李娜", 90.0], True)
    rows = CalamineWorkbook.from_filelike(io.BytesIO(file)).get_sheet_by_index(0).to_python()
    assert written == 1 and rows[-1][0] == "还有更多"
