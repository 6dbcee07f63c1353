"""What the runner tells the `lcall` command and the tests: $LCALL_HOME/run/state.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ops.home import Home, write_private

State = Literal["waiting", "starting", "ready", "done", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Status:
    service: str
    pid: int  # 0: no process
    address: str
    state: State
    log: str
    restarts: int


@dataclass(frozen=True, slots=True)
class Center:
    runner: int  # its pid
    port_base: str  # LCALL_PORT_BASE, "" = the demo world's addresses
    address: str  # LCALL_ADDRESS as it was resolved
    ready: bool  # everything stood once
    started_at: str  # RFC 3339, UTC
    services: tuple[Status, ...]
    rtpengines: int = 1  # LCALL_RTPENGINES

    @property
    def variables(self) -> dict[str, str]:
        """By these another process finds the same table of services and ports."""
        return {
            "LCALL_PORT_BASE": self.port_base,
            "LCALL_ADDRESS": self.address,
            "LCALL_RTPENGINES": str(self.rtpengines),
        }

    def of(self, service: str) -> Status:
        """Raises KeyError for a service that this center does not have."""
        for status in self.services:
            if status.service == service:
                return status
        raise KeyError(service)


def runs(center: Center | None) -> bool:
    """Whether its runner is alive, and not another process that got its number."""
    if center is None:
        return False
    try:
        return b"ops.cli" in Path(f"/proc/{center.runner}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def write(home: Home, center: Center) -> None:
    write_private(home.state, json.dumps(asdict(center), indent=1), lasting=False)


def read(home: Home) -> Center | None:
    """What was last written here; whether that center still runs is told by `home.locked`."""
    try:
        found = json.loads(home.state.read_text())
        services = tuple(Status(**status) for status in found.pop("services"))
        return Center(**found, services=services)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None  # nothing yet, cut off by a power cut, or of another release
