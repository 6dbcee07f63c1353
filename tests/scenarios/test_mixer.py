"""`kill -9` the mixer of a center with callers of two nodes in menu and queue: a hole, and the same words go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lq.live.redis import Live
from lq.media.mixer.client import Mixer
from lq.sdk.client import Client
from ops.home import read_secrets
from tests.center import CALL_PATH, Center
from tests.conftest import OwnCenter
from tests.simulator import audio
from tests.simulator.audio import RATE
from tests.simulator.call import Call
from tests.simulator.gateway import Gateway
from tests.simulator.place import Place

pytestmark = pytest.mark.kills

CALLERS = 8


@dataclass
class Scene:
    center: Center
    place: Place
    gateway: Gateway
    lq: Client
    live: Live

    async def waiting(self, n: int) -> Call:
        call = await self.gateway.dial(f"1380013802{n}", "4008001001")
        await call.answered()
        await self.hears_music(call)
        return call

    async def hears_music(self, call: Call) -> None:
        """The last second that he heard stands somewhere in the music."""
        music = np.concatenate([self.place.prompt("music/hold")] * 2)  # it goes round
        async with asyncio.timeout(30):
            while True:
                last = call.heard[-RATE:]
                if len(last) == RATE and audio.level(last) > -50 and audio.similarity(music, last).score > 0.95:
                    return
                await asyncio.sleep(0.1)

    async def nodes(self) -> set[str]:
        """Who owns the contacts."""
        states = [await self.live.contact(each.id) for each in (await self.lq.contacts()).items]
        return {self.center.node_of(state.owner) for state in states if state is not None}


@pytest.fixture
async def scene(own_center: OwnCenter, tmp_path: Path) -> AsyncIterator[Scene]:
    center = await asyncio.to_thread(own_center, LCALL_ONLY=CALL_PATH)
    place = Place.of(center)
    live = Live(f"redis://ops:{read_secrets(center.home).redis['ops']}@127.0.0.1:{center.ports.redis}/0", timeout_s=5)
    async with place.gateway() as gateway, place.client() as lq:
        await lq.sign_in("1002", "8002")  # somebody is there, though his phone is not: callers wait
        yield Scene(center, place, gateway, lq, live)
    await live.close()


async def killed_and_back(scene: Scene, calls: list[Call]) -> list[float]:
    """The longest hole that each of them hears while the mixer is killed and started."""
    since = [call.heard_s for call in calls]
    killed = scene.center.kill("mixer")
    await scene.center.back("mixer", killed)
    await asyncio.gather(*(scene.hears_music(call) for call in calls))
    found = []
    for call, start in zip(calls, since, strict=True):
        holes = audio.gaps(call.heard[round(start * RATE) :], longer_than=0.1, below=-90)
        found.append(max((duration for _, duration in holes), default=0.0))
    return found


@pytest.mark.slow
async def test_callers_of_two_nodes_hear_music_again_after_the_mixer_was_killed(scene: Scene) -> None:
    half = CALLERS // 2
    calls = list(await asyncio.gather(*(scene.waiting(n) for n in range(half))))
    calls += await asyncio.gather(*(scene.waiting(n) for n in range(half, CALLERS)))  # they go to who has less to do
    assert await scene.nodes() == {"lq1", "lq2"}
    for _ in range(2):
        holes = await killed_and_back(scene, calls)
        print(f"mixer killed: {CALLERS} callers heard nothing for {min(holes):.2f} … {max(holes):.2f} s")
        assert min(holes) > 0.1  # it was the mixer that they heard
    mixer, back = Mixer(str(scene.center.home.run / "mixer.sock")), asyncio.Event()
    await mixer.start(lambda *told: None, back.set)
    await asyncio.wait_for(back.wait(), 10)
    assert (await mixer.stats())["legs"] == CALLERS
    for call in calls:
        await call.hang_up()
    async with asyncio.timeout(10):
        while (await mixer.stats())["legs"]:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
    await mixer.close()


@pytest.mark.slow
async def test_the_menu_goes_on_where_it_would_be_and_takes_a_key(scene: Scene) -> None:
    call = await scene.gateway.dial("13800138030", "4008001000")
    await call.answered()
    menu = scene.place.prompt("zh/menu_main")
    await call.hears(menu[: 2 * RATE], 30)
    killed = scene.center.kill("mixer")
    await scene.center.back("mixer", killed)
    await call.hears(menu[-2 * RATE :], 20)
    call.send_digits("1")
    await scene.hears_music(call)
    await call.hang_up()
