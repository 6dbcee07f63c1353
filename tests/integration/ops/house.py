"""Looking at a center from outside: what of it runs, and what `lcall` says."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ops.home import CHECKOUT
from tests.center import Center

LCALL: Final = str(CHECKOUT / "lcall")
STORES: Final = "postgres,redis,redis-rtpengine"  # starts in a second, and has processes of every kind
TALKING: Final = "postgres,redis,redis-rtpengine,rtpengine,migrate,seed,kamailio"


def lcall(center: Center, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*center.prefix, LCALL, *words], env=center.environment, capture_output=True, text=True, timeout=60
    )


def said(center: Center) -> str:
    """What the runner has shown since the first start."""
    return (center.path / "up.log").read_text(encoding="utf-8")


def of(home: Path) -> list[int]:
    """All processes of the center in this LCALL_HOME: by environment, words, or the directory where they are.

    PostgreSQL's children overwrite the first two, and stand in its data directory.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = [(process / name).read_bytes() for name in ("environ", "cmdline")]
            known.append(os.fsencode(os.readlink(process / "cwd")))
        except OSError:
            continue  # it ended, or has (a zombie's directory cannot be read)
        if any(os.fsencode(home) in text for text in known):
            found.append(int(process.name))
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    """False for a zombie too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def shown(pids: Sequence[int]) -> list[str]:
    lines = []
    for pid in pids:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            lines.append(f"{pid} {words}")
        except OSError:
            continue
    return lines


def nothing_left(home: Path, within_s: float = 10.0) -> None:
    until(lambda: not of(home), within_s, lambda: f"still there: {shown(of(home))}")


def until(condition: Callable[[], bool], within_s: float, otherwise: Callable[[], str] = lambda: "") -> None:
    """Waits for what can only be looked at; AssertionError when it does not come."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, otherwise() or f"not within {within_s} s"
        time.sleep(0.02)


def up(
    home: Path, port_base: int, *prefix: str, within_s: float = 60, **environ: str
) -> subprocess.CompletedProcess[str]:
    """`lcall up` that is expected to refuse: runs to its end."""
    own = {"LCALL_HOME": str(home), "LCALL_PORT_BASE": str(port_base), **environ}
    return subprocess.run(
        [*prefix, LCALL, "up", "--no-demo"],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=within_s,
    )


def mounted(place: Path, size: str, *options: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "tmpfs", place], check=True)


def unmounted(place: Path) -> None:
    subprocess.run(["umount", place], check=True)
