"""A list as an xlsx file: what it is and what was asked for, then the table. No cell is ever a formula.

    python -m lcall_web.common.sheet < lines > file.xlsx

makes it in a process of its own, so that the web serves on. The first line is JSON: {"title", "facts": [[name, value]],
"columns": [[name, kind, width]], "more"}; each line after it a row; kinds are text, time (ISO, local) and seconds; null
is an empty cell; a last line `true` says that there were more.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final

import xlsxwriter  # type: ignore[import-untyped]

NICE: Final = 10  # calls come first
DAY_S: Final = 86_400
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # OWASP, CSV injection
LONGEST: Final = 32_000  # characters, of the 32,767 that a cell may hold
OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}

Cell = str | int | float | datetime | timedelta | None  # times in the center's zone: a spreadsheet knows none
Row = Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Head:
    title: str  # with no facts and no title the columns stand in the first line
    facts: Sequence[Sequence[str]]  # each a line
    columns: Sequence[tuple[str, int]]  # name, width in characters
    more: str = ""  # said below the rows when there were more of them


def write(head: Head, rows: Iterable[Row | None], out: BinaryIO) -> int:
    """How many rows were written. A row None: there were more than these."""
    with tempfile.TemporaryDirectory() as place:
        book = xlsxwriter.Workbook(out, {**OPTIONS, "tmpdir": place})
        written = _Sheet(book, head).fill(rows)
        book.close()
    return written


def write_lines(lines: Iterable[bytes | str], out: BinaryIO) -> int:
    source = iter(lines)
    given = json.loads(next(source))
    columns = [(name, width) for name, _, width in given["columns"]]
    kinds = [kind for _, kind, _ in given["columns"]]
    return write(Head(given["title"], given["facts"], columns, given["more"]), _rows(source, kinds), out)


def _rows(source: Iterable[bytes | str], kinds: Sequence[str]) -> Iterator[Row | None]:
    for text in source:
        values = json.loads(text)
        if values is True:
            yield None
            return
        yield [_cell(kind, value) for kind, value in zip(kinds, values, strict=True)]


def _cell(kind: str, value: Any) -> Cell:
    if value is None:
        return None
    if kind == "time":
        return datetime.fromisoformat(value)
    return timedelta(seconds=value) if kind == "seconds" else str(value)


class _Sheet:
    def __init__(self, book: xlsxwriter.Workbook, head: Head) -> None:
        self._head = head
        self._sheet = book.add_worksheet()
        self._bold = book.add_format({"bold": True, "font_size": 14})
        self._title = book.add_format({"bold": True, "bg_color": "#E3E8F0", "bottom": 1})
        self._pale = book.add_format({"font_color": "#64748B"})
        self._as_text = book.add_format({"quote_prefix": True})  # typed into again, it still is no formula
        self._moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._duration = book.add_format({"num_format": "[h]:mm:ss"})

    def fill(self, rows: Iterable[Row | None]) -> int:
        for n, (_, width) in enumerate(self._head.columns):
            self._sheet.set_column(n, n, width)
        line = self._above()
        for n, (name, _) in enumerate(self._head.columns):
            self._sheet.write_string(line, n, name, self._title)
        self._sheet.freeze_panes(line + 1, 0)
        written = 0
        for row in rows:
            line += 1
            if row is None:
                self._sheet.write_string(line, 0, self._head.more, self._pale)
                break
            for n, cell in enumerate(row):
                self._write(line, n, cell)
            written += 1
        return written

    def _above(self) -> int:
        """Writes title and facts; the line of the columns."""
        if not (self._head.title or self._head.facts):
            return 0
        self._sheet.write_string(0, 0, self._head.title, self._bold)
        for line, (name, *values) in enumerate(self._head.facts, 1):
            self._sheet.write_string(line, 0, name, self._pale)
            for n, value in enumerate(values, 1):
                self._write(line, n, value)
        return len(self._head.facts) + 2

    def _write(self, line: int, column: int, cell: Cell) -> None:
        if isinstance(cell, datetime):
            self._sheet.write_datetime(line, column, cell.replace(tzinfo=None), self._moment)
        elif isinstance(cell, timedelta):
            self._sheet.write_number(line, column, cell.total_seconds() / DAY_S, self._duration)
        elif isinstance(cell, str):
            as_text = self._as_text if cell.startswith(FORMULA) else None
            self._sheet.write_string(line, column, cell[:LONGEST], as_text)
        elif cell is not None:
            self._sheet.write_number(line, column, cell)


if __name__ == "__main__":
    os.nice(NICE)
    file = io.BytesIO()
    write_lines(sys.stdin.buffer, file)
    sys.stdout.buffer.write(file.getvalue())
