"""A page's stream of server-sent events, read as a browser does (WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from .calls import spoken


@dataclass
class Stream:
    """`board` is what a page that drew every message would show."""

    lines: AsyncIterator[str]
    agents: dict[str, Any] = field(default_factory=dict)
    queues: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, Any] = field(default_factory=dict)
    totals: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    desk: dict[str, Any] = field(default_factory=dict)  # the soft phone, as it was told last
    told: dict[str, Any] = field(default_factory=dict)  # what is due, as it was told last
    notices: dict[str, Any] = field(default_factory=dict)  # what is told of them, as it was told last
    names: dict[str, str] = field(default_factory=dict)  # of the customers of the calls that a leader sees
    text: str = ""  # all that was ever sent
    wholes: int = 0
    over: bool = False

    @property
    def words(self) -> str:
        """All that was ever sent, without clocks and marks, in which any digits may stand."""
        return re.sub(r'": \d{13}\b', '": ', spoken(self.text))

    async def until(self, condition: Callable[[Stream], object], what: str, seconds: float = 15) -> None:
        """Reads on until it holds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(self):
                    await self._read()
        except TimeoutError:
            raise AssertionError(f"{what}: not within {seconds} s; problems {self.problems}") from None

    async def _read(self) -> None:
        event = ""
        async for line in self.lines:
            self.text += line + "\n"
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: "):
                self._take(event, json.loads(line.removeprefix("data: ")))
            elif not line:
                return
        self.over = True
        raise AssertionError("the stream has ended")

    def _take(self, event: str, news: dict[str, Any]) -> None:
        if event == "problems":
            self.problems = [problem["text"] for problem in news["problems"]]
            return
        if event == "ping":
            return
        if event in ("desk", "notices"):
            setattr(self, event, news)
            return
        if event == "callers":
            self.names = {**({} if news["whole"] else self.names), **news["names"]}
            return
        if event == "follow-ups":
            self.told = news
            return
        if news.get("whole"):
            self.wholes += 1
            self.agents, self.queues, self.calls = {}, {}, {}
        for kind in ("agents", "queues", "calls"):
            getattr(self, kind).update({each["id"]: each for each in news[kind]})
        for id in news["gone"]:
            self.calls.pop(id, None)
        self.totals = news["totals"]


@asynccontextmanager
async def following(http: httpx.AsyncClient, path: str = "/live?board=1") -> AsyncIterator[Stream]:
    async with http.stream("GET", path) as answer:
        assert answer.status_code == 200, answer.status_code
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer.aiter_lines())
