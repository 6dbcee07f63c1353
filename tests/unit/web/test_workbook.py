"""Files that somebody sends: whatever is in one, the web goes on."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

import pytest
import xlsxwriter

from lcall_web.common import workbook
from lcall_web.customers import sheets as customers
from lcall_web.settings import sheets as settings


def file(cells: Mapping[tuple[int, int], Any]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        formats = {
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
            datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
            time: book.add_format({"num_format": "hh:mm"}),
        }
        for (row, column), cell in cells.items():
            sheet.write(row, column, cell, formats.get(type(cell)))
    return out.getvalue()


HUGE = file({(0, 0): "工号", (1_048_575, 16_383): "x"})  # 5 kB, and half a terabyte once it is laid out


def test_two_cells_that_are_very_far_apart_are_refused() -> None:
    assert len(HUGE) < 6000
    with pytest.raises(customers.Unreadable) as of_customers:
        customers.parse(HUGE, ())
    with pytest.raises(settings.Unreadable) as of_settings:
        settings.workbook(HUGE)
    assert of_customers.value.args == (customers.TOO_MANY,) and of_settings.value.args == (settings.TOO_LARGE,)


@pytest.mark.parametrize("column", [700, 16_000])
def test_what_takes_more_memory_than_it_may_is_refused(column: int) -> None:
    """The machine would have so much."""
    with pytest.raises(workbook.TooLarge):
        workbook.rows(file({(0, 0): "a", (50_000, column): "b"}), 100, 20)


def test_a_text_in_every_cell_is_refused_before_we_have_all_of_it() -> None:
    text = "x" * 32_000
    with pytest.raises(workbook.TooLarge):
        workbook.rows(file({(row, 0): text for row in range(4000)}), 10_000, 20)


def test_what_is_packed_small_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", bytes(workbook.UNPACKED + 1))
    assert len(out.getvalue()) < 250_000
    with pytest.raises(workbook.TooLarge):
        workbook.rows(out.getvalue(), 10, 10)


def test_cells_are_what_they_were_in_the_rectangle_that_is_asked_for() -> None:
    cells = {
        **{(1, 1): "王芳\u2028\n1", (1, 2): 1.5, (1, 3): 7, (1, 4): True},
        **{(2, 1): date(2026, 10, 1), (2, 2): datetime(2026, 10, 1, 8, 30), (2, 3): time(8, 30)},
        **{(3, 3): "below", (1, 5): "beside"},
    }
    assert workbook.rows(file(cells), 3, 5) == [
        ["", "", "", "", ""],
        ["", "王芳\u2028\n1", 1.5, 7.0, True],
        ["", date(2026, 10, 1), datetime(2026, 10, 1, 8, 30), "08:30:00", ""],
    ]


def test_a_sheet_with_too_many_rows_is_not_taken_for_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ROWS", 2)
    with pytest.raises(settings.Unreadable, match="太大"):
        settings.workbook(file({(2, 0): "x"}))
    assert len(settings.workbook(file({(1, 0): "x"}))) == 2


def test_a_sheet_of_customers_with_blank_rows_is_not_taken_for_its_beginning() -> None:
    """The last ones stand behind the rows that are looked at."""
    names = (n for n in range(1, customers.ROWS + 60) if n % 400)
    whole = file({(0, 0): "名称", **{(n, 0): f"客{n}" for n in names}})
    assert len(workbook.rows(whole, 30_000, 1)) == customers.ROWS + 60
    with pytest.raises(customers.Unreadable) as refused:
        customers.parse(whole, ())
    assert refused.value.args == (customers.TOO_MANY,)


def test_so_many_at_once_and_the_next_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "WAITS_S", 0.01)
    for _ in range(workbook.AT_ONCE):
        assert workbook._turns.acquire(timeout=1)
    try:
        with pytest.raises(customers.Unreadable) as of_customers:
            customers.parse(b"", ())
        with pytest.raises(settings.Unreadable) as of_settings:
            settings.workbook(b"PK")
        assert of_customers.value.args == of_settings.value.args == (settings.BUSY,)
    finally:
        for _ in range(workbook.AT_ONCE):
            workbook._turns.release()
    with pytest.raises(workbook.Unreadable):
        workbook.rows(b"PK", 10, 10)
