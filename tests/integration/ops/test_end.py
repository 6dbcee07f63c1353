"""However the runner is told to end, or is ended, nothing of the center stays, and the next start works."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from ops import state
from ops.services import selected, services
from tests.center import Center
from tests.conftest import OwnCenter
from tests.integration.ops.house import STORES, TALKING, lcall, nothing_left, of, parent, said, until
from tests.unit.ops.example import example

pytestmark = pytest.mark.kills


def ended_in(center: Center) -> list[str]:
    """Services in the order in which they ended at the last stop."""
    text = said(center).rpartition("正在停止 stopping")[2]
    return re.findall(r"\] (\S+) +已停止 stopped", text)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGINT, signal.SIGHUP))],
)
def test_asked_to_end(own_center: OwnCenter, number: signal.Signals) -> None:
    center = own_center(LCALL_ONLY=TALKING)
    assert center.kill_runner(number) == 0
    assert of(center.path) == []
    assert state.read(center.home) is not None
    ended = ended_in(center)
    table = selected(services(example()), TALKING)
    assert set(ended) == {service.name for service in table if not service.once}
    for service in table:
        for need in {need for need in service.needs if need in ended and service.name in ended}:
            assert ended.index(service.name) < ended.index(need), f"{need} ended before {service.name}"
    assert "database system is shut down" in center.log("postgres")
    assert "bye bye" in center.log("redis")
    assert lcall(center, "status").returncode == 1


def test_lcall_stop(own_center: OwnCenter) -> None:
    center = own_center(LCALL_ONLY=STORES)
    answer = lcall(center, "stop")
    assert (answer.returncode, answer.stdout) == (0, "已停止 stopped\n")
    assert of(center.path) == [], "it returns when all is gone"
    again = lcall(center, "stop", "--json")
    assert again.returncode == 1 and "no center is running" in again.stdout


@pytest.mark.slow
def test_a_frozen_service_does_not_hold_up_the_end(own_center: OwnCenter) -> None:
    center = own_center(LCALL_ONLY=TALKING)
    for service in ("kamailio", "redis", "postgres"):
        center.freeze(service)
    center.kill_runner(signal.SIGTERM)
    nothing_left(center.path, within_s=40)


@pytest.mark.slow
def test_asked_twice_is_haste(own_center: OwnCenter) -> None:
    """Ctrl-C again: not even a guard that hears nothing is waited for."""
    center = own_center(LCALL_ONLY=STORES)
    os.kill(parent(center.pid("redis")), signal.SIGSTOP)
    os.kill(center.runner, signal.SIGINT)
    until(lambda: "正在停止" in said(center), 5)
    assert center.kill_runner(signal.SIGINT) == 0
    assert of(center.path) == []


@pytest.mark.slow
def test_the_runner_is_killed(own_center: OwnCenter) -> None:
    """kill -9: the guards end everything, and who starts again at once does not have to know of it."""
    center = own_center(LCALL_ONLY=TALKING)
    assert len(of(center.path)) > 20
    center.kill_runner(signal.SIGKILL)
    center.start(together_with=os.getpid())
    assert lcall(center, "status").returncode == 0
    assert said(center).count("小灵呼") == 2
    center.stop()
    nothing_left(center.path)


@pytest.mark.slow
def test_nothing_stays_of_a_killed_runner(own_center: OwnCenter) -> None:
    center = own_center(LCALL_ONLY=TALKING)
    center.kill_runner(signal.SIGKILL)
    nothing_left(center.path, within_s=5)


@pytest.mark.slow
def test_killed_while_the_database_is_made(own_center: OwnCenter) -> None:
    center = own_center.reserved(LCALL_ONLY="postgres")
    center.begin(together_with=os.getpid())
    until(lambda: (center.home.postgres / "data.new").exists(), 20)
    center.kill_runner(signal.SIGKILL)
    nothing_left(center.path, within_s=5)
    assert not (center.home.postgres / "data").exists()
    center.start(together_with=os.getpid())
    assert lcall(center, "status").returncode == 0


@pytest.mark.slow
def test_asked_to_end_while_it_starts(own_center: OwnCenter) -> None:
    center = own_center.reserved(LCALL_ONLY=TALKING)
    center.begin(together_with=os.getpid())
    until(lambda: (center.home.postgres / "data.new").exists(), 20)
    center.kill_runner(signal.SIGTERM)
    nothing_left(center.path)
    assert "Traceback" not in said(center)


def test_it_ends_with_the_process_that_it_was_started_for(own_center: OwnCenter) -> None:
    center = own_center.reserved(LCALL_ONLY=STORES)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as companion:
        center.start(together_with=companion.pid)
        companion.kill()
    nothing_left(center.path)


@pytest.mark.slow
@pytest.mark.parametrize("left", ["1\n", ""])
def test_a_power_cut_may_leave_the_edge_any_pid_file(own_center: OwnCenter, left: str) -> None:
    """Older releases had it write one: with the pid of somebody who lives, or nothing in it, it did not start again."""
    center = own_center(LCALL_ONLY=TALKING)
    center.kill_runner(signal.SIGTERM)
    (center.home.run / "kamailio.pid").write_text(left)
    center.start(together_with=os.getpid())
    assert center.status("kamailio").state == "ready"
    assert [file.name for file in center.path.rglob("kamailio*.pid")] == ["kamailio.pid"], "it writes none"
    assert (center.home.run / "kamailio.pid").read_text() == left


@pytest.mark.slow
def test_a_terminal_that_goes_away(own_center: OwnCenter) -> None:
    """Closing the window: SIGHUP, and nobody reads any more what the runner says."""
    center = own_center.reserved(LCALL_ONLY=STORES)
    heard, told = os.pipe()
    center.begin(together_with=os.getpid(), output=told)
    os.close(told)
    until(lambda: (found := state.read(center.home)) is not None and found.ready, 30)
    os.close(heard)
    killed = center.kill("redis")
    until(lambda: center.status("redis").pid not in (0, killed) and center.status("redis").state == "ready", 10)
    center.kill_runner(signal.SIGHUP)
    nothing_left(center.path)
