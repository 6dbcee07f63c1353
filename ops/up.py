"""`lcall up`: a center in the foreground, from an empty LCALL_HOME to the demonstration call, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from lq.config.opening import known_passwords
from ops import home, screen, state
from ops.child import Child
from ops.home import HomeError
from ops.instance import check_ports, instance
from ops.runner import NotStarted, Runner
from ops.screen import Screen
from ops.services import Instance, api_variables, selected, services

DEMONSTRATION: Final = "tests.simulator.demo"
LEAVES_WITHIN_S: Final = 5.0  # what a killed runner leaves behind has ended by then (ops/guard.py)


@dataclass(frozen=True, slots=True)
class Wishes:
    demonstration: bool = True
    ready_fd: int = -1  # gets one line when everything stands, and is closed; its end without a line means failure
    together_with: int = 0  # the pid of a process whose end is also ours


def empty(demo: str) -> bool:
    """Whether a new center begins without the demo world, by LCALL_DEMO."""
    return demo == "none"


def up(wishes: Wishes) -> int:
    """Returns the exit status; says in a sentence why a center cannot start."""
    show = Screen()
    try:
        place = home.home()
        home.make(place)
        os.umask(0o077)  # for all that is made from here on, by whatever service
        lock = home.lock(place, patience_s=0 if state.runs(state.read(place)) else LEAVES_WITHIN_S)
        center = instance(place)
        _refuse(center)
        table = selected(services(center), os.environ.get("LCALL_ONLY", ""))
        check_ports(table)
    except (HomeError, OSError, ValueError) as error:
        show.say(f"不能启动 cannot start: {error}")
        return 1
    runner = Runner(center, table, show, lock=lock)
    show.say(f"小灵呼 LCall  {place.path}")
    return asyncio.run(_run(runner, wishes, show, lock))


def _refuse(center: Instance) -> None:
    """Raises HomeError for what must not start though it could. Of a new center's world the seed judges."""
    place = center.home
    if place.restoring.exists():
        raise HomeError(
            f"恢复未完成 a restore into {place.path} was cut off: run `lcall restore` again, or take another LCALL_HOME"
        )
    if place.demo and (why := known_passwords(center.ports.outside, center.demo, begun=True)):
        raise HomeError(why)


async def _run(runner: Runner, wishes: Wishes, show: Screen, lock: int) -> int:
    with _asked_to_stop_by(runner, wishes.together_with):
        try:
            await runner.start()
            if not runner.ready:
                return 0
            _greet(runner, wishes, show)
            if wishes.demonstration and runner.complete:
                await _demonstrate(runner, show, lock)
            await runner.stay()
        except NotStarted as error:
            show.say(f"启动失败 failed: {error}")
            return 1
        finally:
            show.progress("", "正在停止 stopping")
            await runner.stop()
            show.progress("", "已全部停止 all stopped")
    return 0


@contextmanager
def _asked_to_stop_by(runner: Runner, companion: int) -> Iterator[None]:
    """Signals, and the end of the process that we were started for (make, a test session)."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, runner.ask_to_stop)
    watched = -1
    if companion:
        try:
            watched = os.pidfd_open(companion)
            loop.add_reader(watched, _ended, loop, watched, runner)
        except ProcessLookupError:
            runner.ask_to_stop()
    try:
        yield
    finally:
        if watched >= 0:
            loop.remove_reader(watched)
            os.close(watched)


def _ended(loop: asyncio.AbstractEventLoop, watched: int, runner: Runner) -> None:
    loop.remove_reader(watched)  # it stays readable, and asking twice means haste
    runner.ask_to_stop()


def _greet(runner: Runner, wishes: Wishes, show: Screen) -> None:
    show.say("\n" + screen.services(runner.statuses()))
    if runner.complete:
        show.say(screen.welcome(runner.instance.home, runner.instance.ports, demo=not empty(runner.instance.demo)))
    if wishes.ready_fd >= 0:
        os.write(wishes.ready_fd, b"ready\n")
        os.close(wishes.ready_fd)


def demonstration_variables(center: Instance, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the demonstration call needs to find this center."""
    place = {
        "LCALL_HOME": str(center.home.path),
        "LCALL_PORT_BASE": center.port_base,
        "LCALL_ADDRESS": center.ports.outside,
        "PYTHONPATH": str(home.CHECKOUT),
        "PYTHONSAFEPATH": "1",
    }
    return {**environ, **place, **api_variables(center)}


async def _demonstrate(runner: Runner, show: Screen, lock: int) -> None:
    if find_spec(DEMONSTRATION) is None:
        show.say("没有演示程序 the demonstration call is not part of this installation")
        return
    show.say("演示呼叫 the demonstration call\n")
    call = await Child.start(
        (sys.executable, "-m", DEMONSTRATION),
        environment=demonstration_variables(runner.instance),
        output=sys.stdout.fileno(),
        lock=lock,
        cwd=runner.instance.home.path,
    )
    stopping = asyncio.create_task(runner.stay())
    try:
        await asyncio.wait({call.ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        call.stop()
        status = await call.ended
    if status != 0 and not runner.stopping:
        show.say(f"\n演示呼叫失败 the demonstration call failed (status {status})")
