"""Our user agent beside other people's: sipp, sippy, baresip, on loopback, without a center."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lq.sip import events as ev
from tests.simulator.baresip import ON_DIED
from tests.unit.sip.end import End

SDP = (
    "v=0\r\no=lq 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
)


class Party(End):
    """A user agent that behaves: it answers what it is asked and says what it owes."""

    def __init__(self, *arguments: Any, talk_s: float = 0.05, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.talk_s = talk_s
        self.answers = True  # an incoming call, at once
        self.hangs_up = True  # its own calls, after talk_s
        self.log: list[ev.Event] = []
        self._news = asyncio.Event()

    async def start(self) -> None:
        await self.shell.start(self._happened)

    def _happened(self, event: ev.Event) -> None:
        self.log.append(event)
        self._news.set()
        now, session = self.shell.now(), getattr(event, "session", "")
        match event:
            case ev.Incoming() if self.answers:
                self.ua.provisional(session, 180, now=now)
                self.ua.accept(session, SDP, now=now)
            case ev.Accepted():
                offered = self.ua.export(session)["local_sdp"]
                self.ua.ack(session, "" if offered else SDP, now=now)
                if self.hangs_up:
                    asyncio.get_running_loop().call_later(self.talk_s, self.hang_up, session)
            case ev.Offer():
                self.ua.answer_offer(session, SDP, now=now)

    def hang_up(self, session: str) -> None:
        self.ua.bye(session, {"Reason": "Q.850;cause=16"}, now=self.shell.now())
        self.go()

    def count(self, kind: type[ev.Event]) -> int:
        return sum(isinstance(event, kind) for event in self.log)

    def of(self, kind: type[ev.Event]) -> list[Any]:
        return [event for event in self.log if isinstance(event, kind)]

    async def until(self, reached: Callable[[], bool], within_s: float = 20.0) -> None:
        async with asyncio.timeout(within_s):
            while not reached():
                await self._news.wait()
                self._news.clear()


Start = Callable[..., Awaitable[Party]]
Run = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def party() -> AsyncIterator[Start]:
    made: list[Party] = []

    async def start(*arguments: Any, **more: Any) -> Party:
        one = Party(*arguments, **more)
        await one.start()
        made.append(one)
        return one

    yield start
    for one in made:
        await one.shell.close()


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """Programs that end with the test; what they say is in `<program>.log`."""
    running: list[asyncio.subprocess.Process] = []

    async def start(*words: str) -> asyncio.subprocess.Process:
        with (tmp_path / f"{Path(words[0]).name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *ON_DIED, *words, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=tmp_path
            )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.returncode is None:
            process.kill()
        await process.wait()
