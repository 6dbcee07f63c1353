"""The whole center is stopped while people talk: they go on when it is started again, or it ends their calls first."""

from __future__ import annotations

import asyncio
import os

import pytest

from ops import cli
from tests.scenarios.faults import Scene, scene

__all__ = ["scene"]
pytestmark = pytest.mark.kills


@pytest.mark.slow
async def test_talks_outlive_a_restart_of_everything(scene: Scene) -> None:
    [pair] = await scene.pairs(1)
    await asyncio.to_thread(scene.center.stop)
    await asyncio.to_thread(scene.center.start, together_with=os.getpid())
    await pair.call.hears(pair.tones[1], 30, since=pair.call.heard_s)
    await pair.talk.hears(pair.tones[0], 30, since=pair.talk.heard_s)
    await pair.call.hang_up()
    await pair.talk.ended()
    done = await scene.cdr(pair.contact)
    assert (done.result, done.ended_by) == ("answered", "caller")


@pytest.mark.slow
async def test_a_stop_for_good_hangs_up_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = await scene.pairs(2)
    waits = await scene.in_queue("13800138072")
    for name, value in scene.center.environment.items():
        monkeypatch.setenv(name, value)
    assert await asyncio.to_thread(cli.main, ["stop", "--hang-up"]) == 0
    for call in (*(party for pair in pairs for party in (pair.call, pair.talk)), waits):
        await call.ended()
    await asyncio.to_thread(scene.center.stop)  # nothing is left to stop
    await asyncio.to_thread(scene.center.start, together_with=os.getpid())
    ended = {one.contact_id: (one.result, one.ended_by) for one in [await scene.cdr(pair.contact) for pair in pairs]}
    assert set(ended.values()) == {("answered", "system")}
    assert (await scene.lq.contacts("active")).items == ()
