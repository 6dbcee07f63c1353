"""The supervisor of one machine: starts what can start, brings back what dies, ends all of it.

Calls need the vital services only. Where there is a configuration already, a center that can take calls stands, and
what is late (a database that recovers, a long migration) comes when it can. At a first start whatever fails ends it.

Readiness is asked of each service's own instance; a service whose process has ended is never ready. A process of ours
that runs and gives no sign of life is ended like one that died, once it has told its log where it stood. The programs
of others are left to those who watch: that a store or the edge is silent may be the disk, or a flood, and to end it
would cost more.

Whatever happens to the runner itself, the guards (ops/guard.py) end their programs when its pipes close.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ops import leases, probes, state
from ops.child import Child
from ops.home import HomeError
from ops.preparation import NOTHING, prepare
from ops.screen import Screen
from ops.services import Instance, Service, environment, services
from ops.state import Center, State, Status

PROBE_EVERY_S: Final = 0.05
FIRST_READY_S: Final = 60.0  # a fresh start on a slow machine
ATTEMPTS: Final = 3  # of a service that has never been ready
LONG_LIFE_S: Final = 10.0  # who lived longer is started again at once
BACK_OFF_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
SIGNS_EVERY_S: Final = 5.0
SIGNS_MISSED: Final = 6  # in a row: it hangs
TELLS_S: Final = 0.5  # for its log
STOP_WITHIN_S: Final = 30.0  # all together; who has not left by then is ended
LOG_BYTES: Final = 64 << 20  # a longer log is put aside, the one before it thrown away
LOG_EVERY_S: Final = 30.0
LOG_TAIL: Final = 12  # lines shown of a service that did not start


class NotStarted(Exception):
    """The center cannot start: one sentence and the end of a log."""


@dataclass(slots=True)
class Unit:
    """One service and what has become of it."""

    service: Service
    log: Path
    state: State = "waiting"
    child: Child | None = None
    restarts: int = 0
    failures: int = 0  # in a row
    was_ready: asyncio.Event = field(default_factory=asyncio.Event)

    def status(self) -> Status:
        pid = self.child.pid if self.child and self.child.running else 0
        return Status(self.service.name, pid, self.service.address, self.state, str(self.log), self.restarts)


class Runner:
    """`await start()`, then `await stay()`; `ask_to_stop()` from anywhere; `await stop()` at the end in any case."""

    def __init__(self, instance: Instance, table: Iterable[Service], screen: Screen, *, lock: int) -> None:
        self.instance = instance
        self._screen = screen
        self._lock = lock
        self._units = {service.name: Unit(service, instance.home.log / f"{service.name}.log") for service in table}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self.ready = False  # everything stood once, and it was not asked to stop
        self._first = not instance.home.published
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def complete(self) -> bool:
        """Whether the whole table runs, not a part chosen for a trial."""
        return len(self._units) == len(services(self.instance))

    def statuses(self) -> list[Status]:
        return [unit.status() for unit in self._units.values()]

    # -- the life of a center ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when every service is ready, or when it was asked to stop; raises NotStarted."""
        self._keepers = [
            asyncio.create_task(self._mind_the_logs(), name="logs"),
            *(asyncio.create_task(self._keep(unit), name=unit.service.name) for unit in self._units.values()),
        ]
        told = ""
        while True:
            last = self._first or self._seeded()  # before that, Redis may have lost what edge and nodes wait for
            try:
                async with asyncio.timeout(FIRST_READY_S):
                    await self._unless_failing(*(unit.was_ready for unit in self._units.values()))
                break
            except TimeoutError:
                late = [unit for unit in self._units.values() if not unit.was_ready.is_set()]
                needed = [unit for unit in late if self._is_needed(unit)]
                if needed and last:
                    raise _not_started(needed) from None
                if late and (words := _still_starting(late, calls=not needed)) != told:
                    self._screen.progress("", told := words)
        self.ready = not self.stopping
        self._publish()

    def _is_needed(self, unit: Unit) -> bool:
        return self._first or unit.service.vital

    def _seeded(self) -> bool:
        seed = self._units.get("seed")
        return seed is None or seed.was_ready.is_set()

    async def stay(self) -> None:
        """Until it is asked to stop."""
        await self._unless_failing(self._stopping)

    def ask_to_stop(self) -> None:
        """The second time: no more grace for anybody."""
        if self._stopping.is_set():
            self._kill()
        self._stopping.set()

    def _kill(self) -> None:
        for unit in self._units.values():
            if unit.child:
                unit.child.kill()

    async def stop(self) -> None:
        """Ends what runs, within STOP_WITHIN_S: first those that need others, the stores last."""
        self._stopping.set()
        self.ready = False
        out_of_patience = asyncio.get_running_loop().call_later(STOP_WITHIN_S, self._kill)
        for units in reversed(self._in_order()):
            await asyncio.gather(*(self._end(unit) for unit in units))
        await asyncio.gather(*self._keepers, return_exceptions=True)  # what they raised has been heard in start or stay
        out_of_patience.cancel()
        for unit in self._units.values():
            unit.state = "stopped"
        self._publish()

    async def _end(self, unit: Unit) -> None:
        if unit.child and unit.child.running:
            began = time.monotonic()
            unit.child.stop()
            killed = await unit.child.ended == -signal.SIGKILL
            words = "已停止 stopped" + ("，未按时退出 killed, for it did not leave" if killed else "")
            self._screen.progress(unit.service.name, f"{words} ({time.monotonic() - began:.2f} s)")

    def _in_order(self) -> list[list[Unit]]:
        """Units by how long their chain of needs is."""
        depth: dict[str, int] = {}
        for name, unit in self._units.items():  # the table has each after those it needs
            depth[name] = max((depth[need] + 1 for need in self._needs(unit)), default=0)
        return [[self._units[n] for n, d in depth.items() if d == level] for level in range(max(depth.values()) + 1)]

    def _needs(self, unit: Unit) -> list[str]:
        return [need for need in unit.service.needs if need in self._units]

    async def _unless_failing(self, *events: asyncio.Event) -> None:
        """Returns when all the events have come, or the request to stop; raises what a keeper raises meanwhile."""
        awaited = asyncio.create_task(self._all(*events))
        running: set[asyncio.Task[None]] = {awaited, *self._keepers}
        try:
            while not awaited.done():
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            awaited.cancel()

    async def _all(self, *events: asyncio.Event) -> None:
        """Returns when all the events have come, or the request to stop."""
        coming = [asyncio.create_task(event.wait()) for event in events]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while not stopping.done() and not all(task.done() for task in coming):
                waited_for = [task for task in (*coming, stopping) if not task.done()]
                await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*coming, stopping):
                task.cancel()

    # -- the life of a service -----------------------------------------------------------------------------------------

    async def _keep(self, unit: Unit) -> None:
        await self._all(*(self._units[need].was_ready for need in self._needs(unit)))
        while not self._stopping.is_set():
            began = time.monotonic()
            why = await self._live(unit)
            if self._stopping.is_set() or unit.state == "done":
                return
            # A step that fails has not lived, however long it worked: a migration must not begin anew at once.
            lived_long = not unit.service.once and time.monotonic() - began > LONG_LIFE_S
            unit.failures = 1 if lived_long else unit.failures + 1
            self._consider(unit, why)
            await self._back_off(unit)

    async def _live(self, unit: Unit) -> str:
        """One life of the service from its preparation to its end; returns the reason of the end."""
        service = unit.service
        began = time.monotonic()
        self._turn(unit, "starting")
        try:
            await prepare(service.name, self.instance, functools.partial(self._step, unit))
            for command in service.before:
                if status := await self._step(unit, *command):
                    return f"{' '.join(command[1:])}: status {status}"
            if self._stopping.is_set():
                return "stopping"
            unit.child = child = await self._child(unit, service.argv)
        except (HomeError, OSError) as error:
            return str(error)
        self._publish()
        if self._stopping.is_set():  # asked while the program was starting: nobody else knows of it yet
            child.stop()
        if await self._becomes_ready(unit, child):
            self._announce(unit, "ready", began)
            await self._until_it_hangs(unit, child)
        status = await child.ended
        if service.node:
            await self._end_lease(unit)
        if service.once and status == 0:
            self._announce(unit, "done", began)
        return f"signal {-status}" if status < 0 else f"status {status}"

    async def _becomes_ready(self, unit: Unit, child: Child) -> bool:
        """False when it ended before."""
        if (probe := unit.service.ready) is None:
            return False
        while child.running:
            # The child is looked at after the answer: another process may have given it.
            if await probes.answers(probe, child.pid) and child.running:
                return True
            await asyncio.wait({child.ended}, timeout=PROBE_EVERY_S)
        return False

    async def _until_it_hangs(self, unit: Unit, child: Child) -> None:
        """Or has ended; who hangs is ended."""
        missed = 0
        while (probe := unit.service.alive) and child.running and missed < SIGNS_MISSED:
            await asyncio.wait({child.ended}, timeout=SIGNS_EVERY_S)
            missed = missed + 1 if await probes.hangs(probe, child.pid) else 0
        if missed and child.running and not self._stopping.is_set():
            self._screen.progress(
                unit.service.name, "没有反应，结束它 it hangs and is ended; its log tells where it stood"
            )
            with contextlib.suppress(ProcessLookupError):  # it has ended while we looked
                os.kill(child.pid, signal.SIGUSR1)
            await asyncio.wait({child.ended}, timeout=TELLS_S)
            child.kill()

    async def _step(self, unit: Unit, *words: str, heard: Path = NOTHING) -> int:
        unit.child = child = await self._child(unit, words, heard)
        if self._stopping.is_set():
            child.stop()
        return await child.ended

    async def _child(self, unit: Unit, argv: tuple[str, ...], heard: Path = NOTHING) -> Child:
        service = unit.service
        if isinstance(service.ready, probes.Touched):
            service.ready.file.unlink(missing_ok=True)
        output = os.open(unit.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return await Child.start(
                argv,
                environment=environment(self.instance, service.environment),
                output=output,
                lock=self._lock,
                cwd=self.instance.home.path,
                user=service.user,
                heard=heard,
                stop=service.stop,
                grace_s=service.grace_s,
                again_s=service.again_s,
            )
        finally:
            os.close(output)

    async def _end_lease(self, unit: Unit) -> None:
        """A dead node's contacts may be adopted at once, not after its lease (2 s)."""
        problem = await leases.end(self.instance, unit.service.name)
        if problem:
            self._screen.progress(unit.service.name, f"租约未删除 lease left to run out: {problem}")

    def _consider(self, unit: Unit, why: str) -> None:
        self._turn(unit, "failed")
        if unit.was_ready.is_set():
            unit.restarts += 1
        elif self._is_needed(unit) and (unit.service.once or unit.failures >= ATTEMPTS):
            raise NotStarted(f"{unit.service.name} does not start: {why}\n{_tail(unit.log)}")
        words = f"已退出 ended ({why}), {_delay(unit):.1f} 秒后重启 back in {_delay(unit):.1f} s"
        self._screen.progress(unit.service.name, f"{words}: {_last_line(unit.log)}")

    async def _back_off(self, unit: Unit) -> None:
        try:
            async with asyncio.timeout(_delay(unit)):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _mind_the_logs(self) -> None:
        while not self._stopping.is_set():
            for unit in self._units.values():
                try:
                    await asyncio.to_thread(_put_aside, unit.log)
                except OSError as error:
                    self._screen.progress(unit.service.name, f"日志未截断 its log grows on: {error}")
            try:
                async with asyncio.timeout(LOG_EVERY_S):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    # -- what others see -----------------------------------------------------------------------------------------------

    def _announce(self, unit: Unit, state: State, began: float) -> None:
        unit.was_ready.set()
        self._turn(unit, state)
        words = {"ready": "就绪 ready", "done": "完成 done"}[state]
        self._screen.progress(unit.service.name, f"{words} ({time.monotonic() - began:.2f} s)")

    def _turn(self, unit: Unit, state: State) -> None:
        unit.state = state
        self._publish()

    def _publish(self) -> None:
        center = Center(
            os.getpid(),
            self.instance.port_base,
            self.instance.ports.outside,
            self.ready,
            self._started_at,
            tuple(self.statuses()),
            self.instance.ports.rtpengines,
        )
        try:
            state.write(self.instance.home, center)
        except OSError as error:  # a full disk must not end the calls that are up
            self._screen.progress("runner", f"状态未写入 state not written: {error}")


def _delay(unit: Unit) -> float:
    return BACK_OFF_S[min(max(unit.failures - 1, 0), len(BACK_OFF_S) - 1)]


def _put_aside(log: Path) -> None:
    """Emptied in place, for the service goes on writing to its end (O_APPEND)."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".old"))
        os.truncate(log, 0)


def _lines(log: Path) -> list[str]:
    """The last ones; [] without a log."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return file.read().decode(errors="replace").splitlines()[-LOG_TAIL:]


def _still_starting(late: Sequence[Unit], *, calls: bool) -> str:
    names = ", ".join(unit.service.name for unit in late)
    return ("来电已可接入 calls come in; " if calls else "") + f"还在启动 still starting: {names}"


def _not_started(late: Sequence[Unit]) -> NotStarted:
    first = next((unit for unit in late if unit.state == "starting"), late[0])
    names = ", ".join(unit.service.name for unit in late)
    return NotStarted(f"not ready after {FIRST_READY_S:.0f} s: {names}\n{_tail(first.log)}")


def _tail(log: Path) -> str:
    lines = _lines(log)
    return "\n".join(["--", *(f"  {line}" for line in lines), f"-- {log}"]) if lines else ""


def _last_line(log: Path) -> str:
    return next(reversed(_lines(log)), "").strip()[:200]
