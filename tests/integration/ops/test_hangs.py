"""A process of ours that runs and handles nothing is ended, tells where it stood, and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from ops import runner
from ops.probes import Http, Touched, answers, hangs
from ops.services import Service, services
from tests.integration.ops.house import until
from tests.integration.ops.test_late import shows, supervised
from tests.unit.ops.example import example
from tests.unit.sip.end import free_port

WAYS = {
    "a loop that does not end": "while True: pass",
    "a pattern that takes for ever, in C and with the interpreter's lock": "re.match('(a|a)*b', 'a' * 64)",
}
PROGRAM = """
import asyncio, re
from pathlib import Path
from lq import process, telemetry

def hang_here():
    {way}

async def main():
    process.log_to_stderr("trial")
    telemetry.serve()
    beating = asyncio.create_task(telemetry.HEART.beat())
    await asyncio.sleep(0)
    ready, order = Path("trial.ready"), Path("hang")
    ready.touch()
    while not order.exists():
        await asyncio.sleep(0.02)
    order.unlink()
    hang_here()

asyncio.run(main())
"""


def trial(place: Path, way: str) -> Service:
    """It hangs once it finds the order to."""
    port = free_port()[1]
    return Service(
        "trial",
        (sys.executable, "-c", PROGRAM.format(way=way)),
        Touched(place / "trial.ready"),
        environment={"LCALL_METRICS": f"127.0.0.1:{port}"},
        vital=True,
        alive=Http(port, "/alive"),
    )


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_who_hangs_is_ended_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(runner, "SIGNS_EVERY_S", 0.5)
    service = trial(tmp_path, way)
    async with supervised(tmp_path, service, first=True) as (center, shown):
        await center.start()
        [before] = center.statuses()
        (tmp_path / "hang").touch()
        await shows(shown, "it hangs and is ended", "back in 0.0 s")
        await asyncio.to_thread(until, lambda: center.statuses()[0].state == "ready", 20)
        [after] = center.statuses()
        assert (after.restarts, after.state) == (1, "ready") and after.pid != before.pid
        log = Path(before.log).read_text(encoding="utf-8")
        assert "most recent call first" in log and "in hang_here" in log
        assert not await hangs(service.alive or Http(0, ""), after.pid)


async def test_who_is_stopped_or_at_work_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP is somebody's order: a debugger, or an operator who looks. It runs on when it may."""
    monkeypatch.setattr(runner, "SIGNS_EVERY_S", 0.05)
    service = trial(tmp_path, "pass")
    async with supervised(tmp_path, service, first=True) as (center, shown):
        await center.start()
        [before] = center.statuses()
        asked = 0

        async def counted(probe: Http, pid: int) -> bool:
            nonlocal asked
            asked += 1
            return await hangs(probe, pid)

        monkeypatch.setattr(runner.probes, "hangs", counted)
        os.kill(before.pid, signal.SIGSTOP)
        await asyncio.to_thread(until, lambda: asked > 3 * runner.SIGNS_MISSED, 20)
        os.kill(before.pid, signal.SIGCONT)
        asked = 0
        await asyncio.to_thread(until, lambda: asked > 3 * runner.SIGNS_MISSED, 20)
        assert [status.pid for status in center.statuses()] == [before.pid] and "hangs" not in shown.getvalue()
        assert service.alive and await answers(service.alive, before.pid)


def test_all_of_ours_are_asked_and_no_program_of_others() -> None:
    asked = {service.name for service in services(example()) if service.alive}
    assert asked == {"lq1", "lq2", "mixer", "api", "journal", "worker", "recorder", "web", "watch"}
