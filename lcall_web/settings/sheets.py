"""Workbooks that are read, and the template that is filled in."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook

from lcall_web.common.i18n import mark

LARGEST: Final = 2_000_000  # bytes of a file
UNPACKED: Final = 100_000_000  # of a workbook: a small file may hold a huge one
COLUMNS: Final = 20
NO_FILE: Final = mark("请选择文件。")
TOO_LARGE: Final = mark("文件太大：最多 2 MB。")
NO_WORKBOOK: Final = mark("无法读取：请使用 .xlsx 工作簿。")
NO_TEXT: Final = mark("无法读取：请使用 .xlsx 工作簿，或 UTF-8 的 .csv、.txt 文件。")


class Unreadable(Exception):
    """Its text is marked."""


def workbook(body: bytes) -> list[list[str]]:
    """The rows of the first sheet, each cell as a person would read it. Raises Unreadable."""
    if not body:
        raise Unreadable(NO_FILE)
    if len(body) > LARGEST:
        raise Unreadable(TOO_LARGE)
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            if sum(one.file_size for one in packed.infolist()) > UNPACKED:
                raise Unreadable(TOO_LARGE)
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0)
        rows = sheet.to_python(skip_empty_area=False)
    except (zipfile.BadZipFile, CalamineError, ValueError, IndexError, OSError) as error:
        raise Unreadable(NO_WORKBOOK) from error
    return [[_text(cell) for cell in row[:COLUMNS]] for row in rows]


def rows(name: str, body: bytes) -> list[list[str]]:
    """Of a workbook, or of a text with commas or tabs between the cells. Raises Unreadable."""
    if body[:2] == b"PK" or not body or name.lower().endswith(".xlsx"):
        return workbook(body)
    if len(body) > LARGEST:
        raise Unreadable(TOO_LARGE)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(NO_TEXT) from error
    if not text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        raise Unreadable(NO_TEXT)
    lines = text.splitlines()
    return [[cell.strip().strip('"') for cell in line.replace("\t", ",").split(",")][:COLUMNS] for line in lines]


def _text(cell: Any) -> str:
    """A number without the `.0` that Excel gives to what looks like one; a day as 2026-10-01."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()[:10]
    return str(cell).strip()
