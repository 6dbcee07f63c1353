"""What the web stands on and whether it answers: looked at from the side, so that no page finds out by waiting."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from lcall_web.common.database import Database, DatabaseAway, queries
from lcall_web.common.i18n import mark
from lq.sdk import ApiError, Client

log = structlog.get_logger()

SQL: Final = queries(__file__)
LOOK_EVERY_S: Final = 2.0
LOOK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Center:
    """What the pages need of the center's settings."""

    name: str = "小灵呼 LCall"
    name_en: str = "LCall"
    time_zone: str = "Asia/Shanghai"
    demo: bool = False
    logo: str = ""  # version of its own one; "": it has none

    def called(self, language: str) -> str:
        return self.name_en if language == "en" and self.name_en else self.name


# In the order in which they are told; the first one usually explains the others.
PROBLEMS: Final[Mapping[str, str]] = {
    "database": mark("数据库没有响应：通话不受影响；登录、通话记录和录音暂时不可用，恢复后自动继续。"),
    "api": mark("呼叫接口（LQ-SDK）没有响应：通话不受影响；看板停在最后一刻的画面，恢复后自动刷新。"),
    "live": mark("实时数据（Redis）没有响应：看板停在最后一刻的画面，恢复后自动刷新。"),
    "events": mark("实时事件中断，正在重新连接：看板停在最后一刻的画面，恢复后自动刷新。"),
}


class Watch:
    """`failing`: what does not answer, and since when (ms of the epoch)."""

    def __init__(self, database: Database, lq: Client) -> None:
        self._database = database
        self._lq = lq
        self.center = Center()
        self.failing: dict[str, int] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.on_configuration: Callable[[], None] = lambda: None  # a new version was published
        self._version: int | None = None

    def problems(self) -> list[tuple[str, int]]:
        """The texts to show with their beginnings; what only follows from another problem is left out."""
        known = [key for key in PROBLEMS if key in self.failing]
        if "api" in known:
            known = [key for key in known if key in ("database", "api")]
        elif "live" in known:
            known = [key for key in known if key != "events"]
        return [(PROBLEMS[key], self.failing[key]) for key in known]

    def tell(self, what: str, well: bool) -> None:
        """Somebody found that it answers, or that it does not."""
        if well is (what not in self.failing):
            return
        if well:
            del self.failing[what]
        else:
            self.failing[what] = time.time_ns() // 1_000_000
        log.info("what the web stands on has changed", what=what, well=well)
        self.on_change()

    async def look(self) -> None:
        await asyncio.gather(self._look_at_database(), self._look_at_api())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def _look_at_database(self) -> None:
        try:
            row = await self._database.row(SQL["center"])
        except DatabaseAway:
            self.tell("database", False)
            return
        if row is not None:
            body = json.loads(row["body"])
            known = {name: body[name] for name in ("name", "name_en", "time_zone", "demo") if name in body}
            self.center = Center(**known, logo=row["logo"] or "")
        self.tell("database", True)

    async def _look_at_api(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                health = await self._lq.health()
        except (ApiError, TimeoutError, ValueError):
            self.tell("api", False)
            return
        self.tell("api", True)
        self.tell("live", health.live)
        if health.config_version not in (None, self._version):
            self._version = health.config_version
            self.on_configuration()
