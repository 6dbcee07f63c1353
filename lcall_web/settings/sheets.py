"""Workbooks that are read, and the template that is filled in."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime
from typing import Any, Final

from lcall_web.common import workbook as reader
from lcall_web.common.i18n import mark
from lcall_web.common.written import printable

LARGEST: Final = 2_000_000  # bytes of a file
ROWS: Final = 100_000
COLUMNS: Final = 20
NO_FILE: Final = mark("请选择文件。")
TOO_LARGE: Final = mark("文件太大：最多 2 MB。")
BUSY: Final = mark("正在读取别人的文件，请稍后再试。")
NO_WORKBOOK: Final = mark("无法读取：请使用 .xlsx 工作簿。")
NO_TEXT: Final = mark("无法读取：请使用 .xlsx 工作簿，或 UTF-8、GBK 的 .csv、.txt 文件。")
QUOTES: Final = mark("引号不成对，分不清哪里是一格：请检查文件里的英文双引号。")
LEADING: Final = re.compile(r"^\t+", re.MULTILINE)


class Unreadable(Exception):
    """Its text is marked."""


def workbook(body: bytes) -> list[list[str]]:
    """The rows of the first sheet, each cell as a person would read it. Raises Unreadable."""
    if not body:
        raise Unreadable(NO_FILE)
    if len(body) > LARGEST:
        raise Unreadable(TOO_LARGE)
    try:
        found = reader.rows(body, ROWS + 1, COLUMNS)
    except reader.Unreadable as error:
        raise Unreadable(NO_WORKBOOK) from error
    except reader.TooLarge as error:
        raise Unreadable(TOO_LARGE) from error
    except reader.Busy as error:
        raise Unreadable(BUSY) from error
    if len(found) > ROWS:
        raise Unreadable(TOO_LARGE)
    return [[_text(cell) for cell in row] for row in found]


def rows(name: str, body: bytes) -> list[list[str]]:
    """Of a workbook, or of a text with commas or tabs between the cells (RFC 4180). Raises Unreadable."""
    if body[:2] == b"PK" or not body or name.lower().endswith(".xlsx"):
        return workbook(body)
    if len(body) > LARGEST:
        raise Unreadable(TOO_LARGE)
    text = _decoded(body)
    if not printable(text.replace("\n", "").replace("\r", "").replace("\t", "")):
        raise Unreadable(NO_TEXT)
    # A tab before a number keeps Excel from writing it as 1.38E+10, so that it parts cells only where no comma does.
    delimiter = "," if "," in text else "\t"
    lines = io.StringIO(LEADING.sub("", text), newline="")
    found = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        return [[cell.strip() for cell in row][:COLUMNS] for row in found]
    except csv.Error as error:
        raise Unreadable(QUOTES) from error


def _decoded(body: bytes) -> str:
    for letters in ("utf-8-sig", "gb18030"):  # the second: as Excel saves it in China
        try:
            return body.decode(letters)
        except UnicodeDecodeError:
            continue
    raise Unreadable(NO_TEXT)


def _text(cell: Any) -> str:
    """A number without the `.0` that Excel gives to what looks like one; a day as 2026-10-01."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()[:10]
    return str(cell).strip()
