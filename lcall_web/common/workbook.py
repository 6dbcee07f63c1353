"""The first sheet of a workbook that somebody has sent, read in a process of its own that may take little memory.

A file of five kB with a cell in A1 and one in XFD1048576 is a rectangle of half a terabyte to whoever opens it, and a
reader that cannot have that aborts: so the web opens none itself.

    python -m lcall_web.common.workbook ROWS COLUMNS < file.xlsx

writes each row as a line of JSON; a cell that is a date, with or without a time, is a list with its ISO text in it.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, BinaryIO, Final

from python_calamine import CalamineError, CalamineWorkbook

NICE: Final = 10  # calls come first
MEMORY: Final = 512 * 1024 * 1024  # bytes; 20,000 rows of 30 cells take a quarter of it
CPU_S: Final = 20
PATIENCE_S: Final = 60.0
UNPACKED: Final = 200_000_000  # bytes: a small file may hold a very large one
WRITTEN: Final = 100_000_000  # characters: one long text may stand in every cell
AT_ONCE: Final = 2
WAITS_S: Final = 5.0  # for the files of others
NO_WORKBOOK: Final = 2  # as what the process ends
TOO_LARGE: Final = 3

_turns = threading.BoundedSemaphore(AT_ONCE)


class Unreadable(Exception):
    """It is no workbook."""


class TooLarge(Exception):
    """It holds more than we can look at."""


class Busy(Exception):
    """Others' files are being read."""


def rows(data: bytes, most: int, columns: int) -> list[list[Any]]:
    """Of the first sheet, from A1 on: at most so many, each at most so wide. Takes a while: not for the loop."""
    if not _turns.acquire(timeout=WAITS_S):
        raise Busy
    try:
        command = (sys.executable, "-m", __name__, str(most), str(columns))
        done = subprocess.run(
            command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TooLarge from error
    finally:
        _turns.release()
    if done.returncode == TOO_LARGE or done.returncode < 0:  # the memory or the time that it may have was not enough
        raise TooLarge
    if done.returncode:
        raise Unreadable
    return [[_given(cell) for cell in json.loads(line)] for line in done.stdout.splitlines()]


def _given(cell: Any) -> Any:
    if not isinstance(cell, list):
        return cell
    [text] = cell
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


# -- in the process of its own -----------------------------------------------------------------------------------------


def main(most: int, columns: int, source: BinaryIO, out: BinaryIO) -> int:
    try:
        written = 0
        for row in _read(source.read(), most):
            line = json.dumps(row[:columns], ensure_ascii=False, default=_said)
            written += len(line)
            if written > WRITTEN:
                return TOO_LARGE
            out.write(line.encode() + b"\n")
    except MemoryError:
        return TOO_LARGE
    except (zipfile.BadZipFile, CalamineError, ValueError, IndexError, OSError):
        return NO_WORKBOOK
    return 0


def _read(data: bytes, most: int) -> Iterator[list[Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        if sum(part.file_size for part in packed.infolist()) > UNPACKED:
            raise MemoryError
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0)
    yield from sheet.to_python(skip_empty_area=False, nrows=most)


def _said(cell: Any) -> Any:
    return [cell.isoformat()] if isinstance(cell, date) else str(cell)


def _limit(what: int, most: int) -> None:
    """Where it is held shorter already, it stays so."""
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    os.nice(NICE)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, CPU_S)
    _limit(resource.RLIMIT_AS, MEMORY)
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer, sys.stdout.buffer))
