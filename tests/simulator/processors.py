"""How much of the processors each service of a center has used: /proc/<pid>/stat of it and of its children."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ops import state
from ops.home import Home

TICKS: Final = os.sysconf("SC_CLK_TCK")


def used(home: Home) -> dict[str, float]:
    """Processor seconds of each running service since it began, with all its processes; what has ended is left out."""
    center = state.read(home)
    assert center is not None, f"no center was started in {home.path}"
    spent, parents = _all()
    return {s.service: sum(spent[pid] for pid in _tree(s.pid, parents)) for s in center.services if s.pid in spent}


def own() -> float:
    """Of this process: what a simulator costs beside the center."""
    times = os.times()
    return times.user + times.system


def _all() -> tuple[dict[int, float], dict[int, list[int]]]:
    spent: dict[int, float] = {}
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        spent[int(entry.name)] = (int(fields[11]) + int(fields[12])) / TICKS
        parents.setdefault(int(fields[1]), []).append(int(entry.name))
    return spent, parents


def _tree(pid: int, parents: dict[int, list[int]]) -> list[int]:
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found
