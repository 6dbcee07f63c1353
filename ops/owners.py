"""Who holds a port, as /proc tells it (proc(5)): which process listens, and whether it is one of ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

Listener = tuple[Literal["tcp", "udp"], int]

PROC: Final = Path("/proc")
LISTENING: Final = {"tcp": "0A", "udp": "07"}  # the states of a socket that waits for anybody (net/tcp_states.h)


def holds(pid: int, listener: Listener) -> bool:
    """Whether this process listens there."""
    return not _sockets(listener).isdisjoint(_open(pid))


def holder(listener: Listener) -> int | None:
    """The process that listens there; None if nobody does, or somebody whose files we may not see."""
    if wanted := _sockets(listener):
        for pid in sorted(int(each.name) for each in PROC.glob("[0-9]*")):
            if not wanted.isdisjoint(_open(pid)):
                return pid
    return None


def described(pid: int) -> str:
    """`redis-server, pid 4711`, with the LCALL_HOME of the center that it belongs to, if it does."""
    try:
        name = (PROC / str(pid) / "comm").read_text().strip()
        # Redis writes its title over its environment; its guard still has it.
        parent = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1]
        variables = b"\0".join((PROC / each / "environ").read_bytes() for each in (str(pid), parent)).split(b"\0")
    except OSError:
        return f"pid {pid}"
    homes = [os.fsdecode(each.partition(b"=")[2]) for each in variables if each.startswith(b"LCALL_HOME=")]
    return f"{name}, pid {pid}" + (f", of the center in {homes[0]}" if homes else "")


def _sockets(listener: Listener) -> set[str]:
    """As they stand in /proc/<pid>/fd."""
    kind, port = listener
    found = set()
    for table in (PROC / "net" / kind, PROC / "net" / f"{kind}6"):
        if not table.exists():
            continue  # no IPv6 here
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING[kind] and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _open(pid: int) -> set[str]:
    try:
        return {os.readlink(entry.path) for entry in os.scandir(PROC / str(pid) / "fd")}
    except OSError:
        return set()  # another user's, or it ended while we looked
