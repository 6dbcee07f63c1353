"""A list as an xlsx file, made by a process of its own so that the web serves on: JSON lines in, the file out.

    python -m lcall_web.calls.sheet < lines > file.xlsx

The first line is the head: {"title", "facts": [[name, value]], "columns": [[name, kind, width]], "more"}; each line
after it a row; kinds are text, time (ISO, local) and seconds; null is an empty cell. `more` is written below the rows
when there were more of them than were sent (a last line `true`).
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from datetime import datetime
from typing import Any, BinaryIO, Final

import xlsxwriter  # type: ignore[import-untyped]

NICE: Final = 10  # calls come first
DAY_S: Final = 86_400
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # OWASP, CSV injection
CELL: Final = 32_000  # characters, of the 32,767 that one may hold
OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def write(lines: Iterable[bytes | str], out: BinaryIO) -> int:
    """How many rows were written."""
    source = iter(lines)
    head = json.loads(next(source))
    with tempfile.TemporaryDirectory() as place:
        book = xlsxwriter.Workbook(out, {**OPTIONS, "tmpdir": place})
        rows = _Sheet(book, head).fill(source)
        book.close()
    return rows


class _Sheet:
    def __init__(self, book: xlsxwriter.Workbook, head: dict[str, Any]) -> None:
        self._head = head
        self._sheet = book.add_worksheet()
        self._bold = book.add_format({"bold": True, "font_size": 14})
        self._title = book.add_format({"bold": True, "bg_color": "#E3E8F0", "bottom": 1})
        self._pale = book.add_format({"font_color": "#64748B"})
        self._as_text = book.add_format({"quote_prefix": True})  # typed into again, it still is no formula
        self._formats = {
            "time": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            "seconds": book.add_format({"num_format": "[h]:mm:ss"}),
        }

    def fill(self, source: Iterable[bytes | str]) -> int:
        columns = self._head["columns"]
        for n, (_, _, width) in enumerate(columns):
            self._sheet.set_column(n, n, width)
        self._sheet.write_string(0, 0, self._head["title"], self._bold)
        line = 1
        for name, value in self._head["facts"]:
            self._sheet.write_string(line, 0, name, self._pale)
            self._text(line, 1, value)
            line += 1
        line += 1
        for n, (name, _, _) in enumerate(columns):
            self._sheet.write_string(line, n, name, self._title)
        self._sheet.freeze_panes(line + 1, 0)
        rows, kinds = 0, [kind for _, kind, _ in columns]
        for text in source:
            values = json.loads(text)
            line += 1
            if values is True:
                self._sheet.write_string(line, 0, self._head["more"], self._pale)
                break
            for n, (kind, value) in enumerate(zip(kinds, values, strict=True)):
                self._cell(line, n, kind, value)
            rows += 1
        return rows

    def _cell(self, line: int, column: int, kind: str, value: Any) -> None:
        if value is None:
            return
        if kind == "time":
            self._sheet.write_datetime(line, column, datetime.fromisoformat(value), self._formats[kind])
        elif kind == "seconds":
            self._sheet.write_number(line, column, value / DAY_S, self._formats[kind])
        else:
            self._text(line, column, str(value))

    def _text(self, line: int, column: int, value: str) -> None:
        """Never a formula, whatever it looks like."""
        self._sheet.write_string(line, column, value[:CELL], self._as_text if value.startswith(FORMULA) else None)


if __name__ == "__main__":
    os.nice(NICE)
    file = io.BytesIO()
    write(sys.stdin.buffer, file)
    sys.stdout.buffer.write(file.getvalue())
