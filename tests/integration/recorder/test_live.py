"""Somebody listens while the call runs: both voices, each on its side, as they are; by LQ-SDK and at the socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from lq.sdk import Client
from recorder import wav
from tests.integration.media.conftest import Studio, sdp
from tests.integration.recorder import process
from tests.integration.recorder.conftest import Books, planned, url
from tests.integration.recorder.test_pause import OPEN, SECRET, Desk, desk, recording_desk
from tests.simulator import audio

__all__ = ["desk"]
CUSTOMER, AGENT = 440, 540


@dataclass
class Listener:
    """What came of the stream: a header, then stereo A-law."""

    data: bytearray = field(default_factory=bytearray)
    over: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def side(self, n: int) -> audio.Samples:
        return audio.decode(bytes(self.data[wav.HEADER :])[n::2])

    async def until(self, check: str, *, left: int = 0, right: int = 0, within: float = 10.0) -> None:
        """Waits until the last 200 ms are these tones; 0: nothing."""
        wanted = ({left} - {0}, {right} - {0})
        async with asyncio.timeout(within):
            while (audio.tones(self.side(0)[-1600:]), audio.tones(self.side(1)[-1600:])) != wanted:
                assert not self.over, check
                self.news.clear()
                await self.news.wait()

    async def end(self) -> None:
        async with asyncio.timeout(10):
            while not self.over:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def listening(studio: Studio, recording: str) -> AsyncIterator[Listener]:
    """By LQ-SDK."""
    listener = Listener()
    token = studio.center.home.sdk_token.read_text().strip()
    base = f"http://127.0.0.1:{studio.center.ports.api}"
    async with Client(base, token) as lq, lq.recording_audio(recording, live=True) as found:
        assert found.status == 200 and found.headers["content-type"] == "audio/wav"

        async def listen() -> None:
            async for chunk in found.chunks:
                listener.data += chunk
                listener.news.set()
            listener.over = True
            listener.news.set()

        task = asyncio.create_task(listen())
        yield listener
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_both_voices_are_heard_as_they_speak(studio: Studio, books: Books) -> None:
    customer, agent = await studio.party(), await studio.party()
    agent.catches_up = True
    name = studio.name()
    a, _ = await studio.engine.incoming(name, sdp(customer))
    planned(studio.center.home.spool, f"{name}-r1", a)
    await studio.engine.record(a, f"{name}-r1", name)
    customer.talk(a.local_port, audio.tone(CUSTOMER, 1.0))
    b = await studio.called(agent)
    agent.say(audio.tone(AGENT, 1.0))
    a, b = await studio.engine.connect(a, b)
    await customer.hears(AGENT)
    await customer.has_sent(100)
    async with listening(studio, f"{name}-r1") as listener:
        await listener.until("both", left=CUSTOMER, right=AGENT)
        assert len(listener.side(0)) < 2 * 8000  # he comes in the midst, not at the beginning
        assert wav.endless(2) == bytes(listener.data[: wav.HEADER])
        for frequency in (740, 890):
            customer.say(audio.tone(frequency, 1.0))
            await listener.until("the other tone", left=frequency, right=AGENT)
        heard, at = len(listener.side(0)), time.monotonic()
        async with asyncio.timeout(20):
            while True:  # in the time of the call: a moment's halt of either of us is made up for, a drift is not
                await customer.has_sent(100)
                await listener.until("goes on", left=890, right=AGENT)
                if abs((len(listener.side(0)) - heard) / 8000 - (time.monotonic() - at)) < 0.8:
                    break
        assert audio.gaps(listener.side(1), longer_than=0.1) == []
        await studio.engine.delete(a.id)
        await listener.end()
    await books.verified(f"{name}-r1")


async def test_what_does_not_run_cannot_be_heard(studio: Studio) -> None:
    token = studio.center.home.sdk_token.read_text().strip()
    base = f"http://127.0.0.1:{studio.center.ports.api}/v1/recordings"
    async with httpx.AsyncClient(trust_env=False) as client:
        for recording, status in (("nothing-r1", 404), ("..%2f..%2fetc", 404)):
            found = await client.get(f"{base}/{recording}/audio?live=1", headers={"Authorization": f"Bearer {token}"})
            assert found.status_code == status and found.json()["error"]["code"] == "not_running"
        assert (await client.get(f"{base}/x-r1/audio?live=1")).status_code == 401


async def test_a_pause_is_not_heard_and_the_listener_stays(desk: Desk, books: Books) -> None:
    await desk.says(OPEN)
    async with listening(desk.studio, desk.recording) as listener:
        await listener.until("before", left=OPEN)
        desk.phone.say(audio.silence(0.02))
        await desk.pause()
        await desk.says(SECRET, 150)
        desk.phone.say(audio.tone(740, 1.0))
        await desk.phone.has_sent(5)
        await desk.resume()
        await listener.until("after", left=740)
        assert len(listener.side(0)) < 4 * 8000  # the pause was left out: he is not three seconds behind
        heard = listener.side(0)
        assert not any(SECRET in audio.tones(heard[at : at + 800]) for at in range(0, len(heard) - 800, 400))
        await desk.hang_up()
        await listener.end()
    await books.verified(desk.recording)


@pytest.mark.kills
@pytest.mark.slow
async def test_a_listener_hears_on_after_a_restart_of_rtpengine(own_studio: Studio, own_books: Books) -> None:
    center = own_studio.center
    running = await process.recorder(center.home.spool, center.home.recordings, url(center, "recorder"))
    desk = await recording_desk(own_studio)
    await desk.says(OPEN)
    listener = Listener()
    for _ in range(250):
        if (center.home.run / "recorder.sock").exists():
            break
        await asyncio.sleep(0.02)
    reader, writer = await asyncio.open_unix_connection(str(center.home.run / "recorder.sock"))
    writer.write(json.dumps({"listen": desk.recording}).encode() + b"\n")
    assert json.loads(await reader.readline())["ok"]

    async def listen() -> None:
        while data := await reader.read(4096):
            listener.data += data
            listener.news.set()
        listener.over = True
        listener.news.set()

    task = asyncio.create_task(listen())
    await listener.until("before", left=OPEN)
    killed = center.kill("rtpengine")
    await center.back("rtpengine", killed)
    desk.phone.say(audio.tone(740, 1.0))
    await listener.until("after", left=740)
    await desk.hang_up()
    await listener.end()
    await task
    writer.close()
    await own_books.verified(desk.recording)
    assert await process.ended(running) == 0
    desk.desk.forget(desk.contact.id)


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b'{"listen": 5}\n', b'{"listen": "../x"}\n', b"\xff" * 100_000 + b"\n"]
)
async def test_a_listener_who_asks_nonsense(studio: Studio, line: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(studio.center.home.run / "recorder.sock"))
    writer.write(line)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer == b"" or json.loads(answer) == {"ok": False, "error": "not_running"}
    writer.close()
