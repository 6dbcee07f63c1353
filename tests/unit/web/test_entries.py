"""Files of numbers for a list: each line is read, or told."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from lcall_web.settings import entries, sheets
from lq.sdk import ListEntry

ZONE = "Asia/Shanghai"
LAST = datetime(2026, 10, 2, tzinfo=ZoneInfo(ZONE))  # of 2026-10-01


def read(text: str) -> tuple[list[tuple[int, ListEntry]], list[tuple[int, str, str]]]:
    found, wrong = entries._entries(sheets.rows("a.csv", text.encode()), ZONE)
    return found, [(line, written, fault.text) for line, written, fault in wrong]


@pytest.mark.parametrize(
    "text",
    [
        "\t13800138000,甲,2026-10-01\n",  # against 1.38E+10
        '"\t13800138000", "甲","2026/10/1"\r\n',
        "13800138000\t,甲\t,2026/10/1 0:00\t\n",
        "13800138000\t甲\t2026.10.1\n",
        "13800138000\t甲\t20261001\n",
        "\t13800138000\t甲\t2026年10月1日\n",
        '"13800138000"\t"甲"\t2026-10-01T08:00:00+08:00\r',
    ],
)
def test_a_line_is_read_as_programs_write_it(text: str) -> None:
    assert read(text) == ([(1, ListEntry("13800138000", "甲", LAST))], [])


def test_a_cell_in_quotation_marks_has_commas_and_quotation_marks_of_its_own() -> None:
    text = '号码,备注\n13800138000,"投诉, 骚扰 ""三次"""\n\n13800138001,5" 水管\n\t13800138002\n'
    assert read(text) == (
        [
            (2, ListEntry("13800138000", '投诉, 骚扰 "三次"')),
            (4, ListEntry("13800138001", '5" 水管')),
            (5, ListEntry("13800138002", "")),
        ],
        [],
    )


def test_numbers_alone_may_have_a_tab_before_them() -> None:
    assert [entry.number for _, entry in read("\t13800138000\n\t13800138001\n")[0]] == ["13800138000", "13800138001"]


def test_a_line_without_a_number_is_told_and_one_without_anything_is_not() -> None:
    found, wrong = read(",备注,到期\n,,\n,甲,2026-10-01\n , ,\n13800138000\n,,2026-10-01\n")
    assert found == [(5, ListEntry("13800138000", ""))]
    assert wrong == [(3, "甲", entries.NO_NUMBER), (6, "2026-10-01", entries.NO_NUMBER)]


def test_the_first_line_is_a_head_only_if_it_has_no_number() -> None:
    assert read("号码1,备注,如 2026-10-01\n")[0] == [] and read("号码,备注,如 2026-10-01\n") == ([], [])
    assert read(",甲,2026-10-01\n")[1] == [(1, "甲", entries.NO_NUMBER)]


@pytest.mark.parametrize("day", ["2026-13-01", "2026/2/30", "20261301", "soon", "10/1/2026", "2026-10-01 8 点"])
def test_what_is_no_day_is_told(day: str) -> None:
    assert read(f"13800138000,甲,{day}\n") == ([], [(1, day, entries.DAY)])


@pytest.mark.parametrize("text", ['13800138000,"甲\n13800138001,乙\n', '13800138000,"甲"乙\n'])
def test_a_quotation_mark_that_swallows_lines_is_told(text: str) -> None:
    with pytest.raises(sheets.Unreadable, match="引号"):
        sheets.rows("a.csv", text.encode())
