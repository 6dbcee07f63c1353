"""Calls decide whether a center stands: a database that does not start, or a long migration, comes when it can."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from ops import home, runner, state
from ops.probes import Touched
from ops.runner import NotStarted, Runner
from ops.screen import Screen
from ops.services import Service
from tests.center import CALL_PATH
from tests.conftest import OwnCenter
from tests.integration.ops.house import said, until
from tests.simulator.place import Place
from tests.unit.ops.example import example

ANSWERING: Final = ("redis", "redis-rtpengine", "rtpengine", "mixer", "kamailio", "lq1", "lq2")

# -- the rule ----------------------------------------------------------------------------------------------------------


def edge(place: Path, *, after: str = "/") -> Service:
    """Ready once that file is there."""
    ready = place / "edge.ready"
    script = f"until test -e {after}; do sleep 0.02; done; touch {ready}; exec sleep 600"
    return Service("edge", ("sh", "-c", script), Touched(ready), vital=True)


def seed(place: Path) -> Service:
    """Fails until the gate is open."""
    return Service("seed", ("test", "-e", str(place / "gate")), None)


@asynccontextmanager
async def supervised(place: Path, *table: Service, first: bool) -> AsyncIterator[tuple[Runner, io.StringIO]]:
    """With what it has shown."""
    instance = example(place=place)
    for directory in (instance.home.run, instance.home.log, instance.home.kamailio):
        directory.mkdir()
    if not first:
        (instance.home.kamailio / "known.json").touch()
    shown = io.StringIO()
    lock = home.lock(instance.home, patience_s=0)
    made = Runner(instance, table, Screen(shown), lock=lock)
    try:
        yield made, shown
    finally:
        await made.stop()
        os.close(lock)


async def shows(shown: io.StringIO, *words: str) -> None:
    async with asyncio.timeout(30):
        while not all(word in shown.getvalue() for word in words):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)


async def test_what_fails_at_a_first_start_ends_it(tmp_path: Path) -> None:
    async with supervised(tmp_path, edge(tmp_path), seed(tmp_path), first=True) as (center, _):
        with pytest.raises(NotStarted, match="seed does not start: status 1"):
            await center.start()


async def test_what_fails_later_is_tried_again_beside_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "FIRST_READY_S", 0.1)
    async with supervised(tmp_path, edge(tmp_path), seed(tmp_path), first=False) as (center, shown):
        starting = asyncio.create_task(center.start())
        await shows(shown, "calls come in; 还在启动 still starting: seed\n", "1.0 秒后重启")
        assert not center.ready and not starting.done()
        assert shown.getvalue().count("still starting: seed\n") == 1, "what has not changed is not told again"
        (tmp_path / "gate").touch()
        await starting
        assert center.ready and [status.state for status in center.statuses()] == ["ready", "done"]


async def test_calls_that_need_the_configuration_wait_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis may have lost it: to stop would only begin the wait anew."""
    monkeypatch.setattr(runner, "FIRST_READY_S", 0.1)
    table = edge(tmp_path, after=str(tmp_path / "gate")), seed(tmp_path)
    async with supervised(tmp_path, *table, first=False) as (center, shown):
        starting = asyncio.create_task(center.start())
        await shows(shown, "] " + " " * 17 + "还在启动 still starting: edge, seed\n")
        monkeypatch.setattr(runner, "FIRST_READY_S", 60)
        (tmp_path / "gate").touch()
        await starting
        assert center.ready


async def test_calls_that_do_not_come_in_after_that_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "FIRST_READY_S", 0.1)
    (tmp_path / "gate").touch()
    table = (
        edge(tmp_path, after="/never"),
        seed(tmp_path),
        Service("web", ("sleep", "600"), Touched(tmp_path / "never")),
    )
    async with supervised(tmp_path, *table, first=False) as (center, _):
        with pytest.raises(NotStarted, match=r"not ready after .* s: edge$"):
            await center.start()


# -- the real thing ----------------------------------------------------------------------------------------------------


async def comes(condition: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    await asyncio.to_thread(until, condition, 60, otherwise)


@pytest.mark.kills
@pytest.mark.slow
async def test_calls_run_while_the_database_does_not_start(own_center: OwnCenter, tmp_path: Path) -> None:
    center = await asyncio.to_thread(own_center, LCALL_ONLY=CALL_PATH)
    place = Place.of(center)
    async with place.phone("8001", tmp_path, answer_after_s=0.1) as phone, place.gateway() as gateway:
        async with place.client() as lq:
            await lq.sign_in("1001", "8001")
        await asyncio.to_thread(center.kill_runner, signal.SIGTERM)
        control = center.home.postgres / "data" / "global" / "pg_control"
        control.rename(control.with_name("elsewhere"))
        center.begin(together_with=os.getpid())
        for service in ANSWERING:
            await center.back(service, 0, within_s=60)

        async with place.phone("8002", tmp_path):  # registers
            pass
        call = await gateway.dial("13800138077", "4008001001")
        talk = await (await phone.rings(20)).answered()
        call.say(440)
        await talk.say(990)
        await call.hears(990)
        await talk.hears(440)
        # who was tried three times at a first start has ended it by now
        await comes(lambda: said(center).count("postgres         已退出") > 3, lambda: said(center))
        assert center.status("postgres").state in ("failed", "starting")
        assert {center.status(service).state for service in ("migrate", "seed", "api", "journal")} == {"waiting"}

        control.with_name("elsewhere").rename(control)
        await comes(lambda: (found := state.read(center.home)) is not None and found.ready, lambda: said(center))
        assert "ended" not in talk.times
        await call.hears(990, since=call.heard_s)
        await call.hang_up()
        await talk.ended()
        async with place.client() as lq, asyncio.timeout(20):
            while not (found := await lq.cdrs(number="13800138077")).items:  # noqa: ASYNC110 - the journal tells nobody
                await asyncio.sleep(0.1)
            assert found.items[0].result == "answered"
