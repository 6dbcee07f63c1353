"""sipp under control: phones that register and answer, callers in numbers, odd peers; by scenarios that lie beside."""

from __future__ import annotations

import asyncio
import csv
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.simulator.baresip import ON_DIED
from tests.simulator.sip import Peer

SCENARIOS: Final = Path(__file__).parent / "sipp_scenarios"


class SippError(Exception):
    """sipp could not run the scenario at all; its last words stand in the text."""


@dataclass(frozen=True, slots=True)
class Outcome:
    succeeded: int
    failed: int
    errors: str  # what sipp wrote about the failed ones, the first lines


@dataclass(slots=True)
class Sipp:
    """`async with Sipp("callers", local=("127.0.1.1", 0), to=edge, directory=tmp, calls=100, rate=20) as callers:`

    What a scenario needs beyond [service] stands at its head.
    """

    scenario: str
    local: Peer
    to: Peer
    directory: Path
    service: str = ""  # the number called, or the extension
    calls: int = 1
    rate: float = 10.0  # new calls a second
    at_once: int = 100
    talk_ms: int = 1000  # where the scenario has a pause without a length
    options: Sequence[str] = ()  # e.g. ("-rtp_echo",), ("-au", "8001", "-ap", "demo-8001")
    at: Sequence[str] = ()  # words before the command, e.g. ShapedNetwork.at_phone; then `local` has its port
    _process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        port = self.local[1] or _free(self.local[0])
        words = [
            *("sipp", "{}:{}".format(*self.to), "-sf", str(SCENARIOS / f"{self.scenario}.xml")),
            *("-i", self.local[0], "-mi", self.local[0], "-p", str(port)),
            *("-s", self.service or "service", "-m", str(self.calls), "-r", str(self.rate), "-l", str(self.at_once)),
            *("-d", str(self.talk_ms), "-nostdin", "-nd", "-recv_timeout", "30000"),
            *("-trace_err", "-error_file", str(self._file("errors")), "-error_overwrite", "true"),
            *("-trace_stat", "-stf", str(self._file("csv")), "-fd", "1"),
            *self.options,
        ]
        with self._file("log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *ON_DIED, *self.at, *words, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory
            )

    def _file(self, kind: str) -> Path:
        return self.directory / f"{self.scenario}-{self.service or 'any'}.{kind}"

    async def done(self, within_s: float = 30.0) -> Outcome:
        """Waits for its last call. Raises SippError, TimeoutError."""
        assert self._process is not None
        status = await asyncio.wait_for(self._process.wait(), within_s)
        if status not in (0, 1) or not self._file("csv").exists():  # 1: at least one call failed
            raise SippError(f"{self.scenario}: status {status}: {self._said('log')[-500:]}")
        with self._file("csv").open(newline="") as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        errors = self._said("errors")
        return Outcome(int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), errors[:2000])

    def _said(self, kind: str) -> str:
        file = self._file(kind)
        return file.read_text(errors="replace") if file.exists() else ""

    async def stop(self) -> None:
        """Ends it, whatever it is doing."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def _free(host: str) -> int:
    """A UDP port; sipp's own choice would be 5060."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


async def registered_phone(ext: str, password: str, *, edge: Peer, directory: Path, calls: int = 1) -> Sipp:
    """A phone that has registered and answers `calls` calls after a ring, sending back whatever voice it hears."""
    local = ("127.0.0.1", _free("127.0.0.1"))
    credentials = ("-au", ext, "-ap", password)
    async with Sipp("register", local, edge, directory, service=ext, options=credentials) as registering:
        outcome = await registering.done()
    if not outcome.succeeded:
        raise SippError(f"{ext} was not registered: {outcome.errors}")
    phone = Sipp("phone", local, edge, directory, service=ext, calls=calls, options=("-rtp_echo",))
    await phone.start()
    return phone
