"""The call list as a file: what was searched for in its head, numbers as the viewer may see them, up to a limit."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from lcall_web.calls import rules, store
from lcall_web.common import audit, words
from lcall_web.common.context import Context
from lcall_web.common.i18n import mark, translated
from lcall_web.common.spreadsheet import MOST_ROWS
from lcall_web.common.viewer import Viewer

AT_ONCE: Final = 2  # files that one web makes at the same time
PATIENCE_S: Final = 120.0
CHUNK: Final = 65_536

TITLE: Final = mark("通话记录")
BY: Final = mark("导出人")
AT: Final = mark("导出时间")
MORE: Final = mark("还有更多通话没有导出：一次最多 50000 条，请缩小范围。")
FIELDS: Final[Mapping[str, str]] = {
    "from": mark("从"), "to": mark("到"), "number": mark("号码"), "agent": mark("坐席"), "queue": mark("技能组"),
    "direction": mark("方向"), "result": mark("结果"), "trunk": mark("中继"), "least": mark("最短通话"),
    "most": mark("最长通话"), "code": mark("话后小结"), "recorded": mark("录音"), "at_from": mark("每天从"),
    "at_to": mark("每天到"), "customer": mark("客户"), "waited": mark("最短排队"), "ended_by": mark("结束方"),
    "cause": mark("原因码"), "call": mark("通话编号"),
}  # fmt: skip
COLUMNS: Final = (
    (mark("开始时间"), "time", 19), (mark("方向"), "text", 7), (mark("号码"), "text", 16), (mark("接入号"), "text", 16),
    (mark("技能组"), "text", 12), (mark("工号"), "text", 8), (mark("坐席"), "text", 10), (mark("结果"), "text", 12),
    (mark("排队"), "seconds", 10), (mark("振铃"), "seconds", 10), (mark("通话"), "seconds", 10),
    (mark("话后整理"), "seconds", 10), (mark("话后小结"), "text", 20), (mark("结束方"), "text", 12),
    (mark("原因码"), "text", 8), (mark("中继"), "text", 10), (mark("录音"), "text", 12), (mark("通话编号"), "text", 38),
)  # fmt: skip

CODES: Final = "; "

running = asyncio.Semaphore(AT_ONCE)


class Failed(Exception):
    """The file was not made."""


@dataclass(frozen=True, slots=True)
class Wish:
    viewer: Viewer
    address: str
    language: str
    search: rules.Search
    given: Mapping[str, str]  # the form, as it was written
    zone: str


@asynccontextmanager
async def file(here: Context, wish: Wish) -> AsyncIterator[AsyncIterator[bytes]]:
    """The file in pieces, once it is made. Written down first. Raises Failed."""
    asked = {name: value for name, value in wish.given.items() if value and name != "cursor"}
    async with here.database.transaction() as connection:
        await audit.note(connection, wish.viewer.id, "calls_exported", "calls", wish.address, **asked)
    async with running, asyncio.timeout(PATIENCE_S):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lcall_web.common.sheet"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield await _made(here, wish, process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _made(here: Context, wish: Wish, process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    source, made = process.stdin, process.stdout
    assert source is not None and made is not None
    try:
        async for line in _lines(here, wish):
            if source.is_closing():  # the process is dead; uvloop calls a write to it no ConnectionError
                raise Failed
            source.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            await source.drain()
        source.close()
        first = await made.read(CHUNK)
    except ConnectionError as error:
        raise Failed from error
    if not first:
        raise Failed
    return _pieces(first, made)


async def _pieces(first: bytes, rest: asyncio.StreamReader) -> AsyncIterator[bytes]:
    yield first
    while piece := await rest.read(CHUNK):
        yield piece


async def _lines(here: Context, wish: Wish) -> AsyncIterator[Any]:
    def word(text: str) -> str:
        return translated(wish.language, text)

    there = ZoneInfo(wish.zone)
    shown = {name: _shown(name, wish) for name in FIELDS if wish.given.get(name)}
    yield {
        "title": word(TITLE),
        "facts": [
            *((word(FIELDS[name]), value) for name, value in shown.items()),
            (word(BY), f"{wish.viewer.name} {wish.viewer.id}"),
            (word(AT), f"{datetime.now(UTC).astimezone(there):%Y-%m-%d %H:%M:%S}"),
        ],
        "columns": [(word(name), kind, width) for name, kind, width in COLUMNS],
        "more": word(MORE),
    }
    rows = 0
    async for row in store.lines(here.database, wish.viewer, wish.search, wish.language, MOST_ROWS + 1):
        rows += 1
        if rows > MOST_ROWS:
            yield True
            return
        yield _cells(row, there, wish.language)


def _shown(name: str, wish: Wish) -> str:
    value = wish.given[name]
    known = {"direction": words.DIRECTIONS, "result": words.RESULTS, "recorded": rules.RECORDED}
    named = {**known, "ended_by": words.ENDED_BY}.get(name, {})
    return translated(wish.language, named.get(value, value))


def _cells(row: store.Row, there: ZoneInfo, language: str) -> list[Any]:
    def word(known: Mapping[str, str], key: str) -> str:
        return translated(language, known.get(key, key))

    started = row.started_at.astimezone(there).replace(tzinfo=None, microsecond=0)
    return [
        *(started.isoformat(), word(words.DIRECTIONS, row.direction), row.number, row.called, row.queue, row.agent),
        *(row.agent_name, word(words.RESULTS, row.result), row.wait_s, row.ring_s, row.talk_s, row.wrap_up_s),
        *(CODES.join(row.codes), word(words.ENDED_BY, row.ended_by), str(row.cause or ""), row.trunk),
        *(word(words.RECORDINGS, row.recording), row.id),
    ]
