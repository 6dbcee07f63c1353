"""A slow, lossy line between two network namespaces: `python -m tests.simulator.wire` with its settings as arguments.

Linux's own netem is not in every kernel, so the line is a process that carries IP packets between two tun devices:
one where it was started, one in the network of a given process. It says `ready` when both stand. Both devices vanish
with the process, whatever it dies of.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

TUNSETIFF: Final = 0x400454CA  # linux/if_tun.h
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET: Final = 0x40000000
PCAP: Final = struct.Struct("<IHHiIII")
RECORD: Final = struct.Struct("<IIII")
RAW_IP: Final = 101
LONGEST: Final = 65536


@dataclass(slots=True)
class Line:
    """One direction. Packets leave in the order in which they came: delayed, some lost, no faster than the rate."""

    delay_s: float
    loss: float
    rate: float  # bit/s
    queue_s: float  # what would wait longer for the line is dropped
    chance: random.Random
    lost: int = 0
    _free_at: float = 0.0
    _on_the_way: deque[tuple[float, bytes]] = field(default_factory=deque)

    def take(self, packet: bytes, now: float) -> None:
        begins = max(now, self._free_at)
        if begins - now > self.queue_s or self.chance.random() < self.loss:
            self.lost += 1
            return
        self._free_at = begins + len(packet) * 8 / self.rate
        self._on_the_way.append((self._free_at + self.delay_s, packet))

    @property
    def next_at(self) -> float:
        return self._on_the_way[0][0] if self._on_the_way else float("inf")

    def arrived(self, now: float) -> list[bytes]:
        found = []
        while self.next_at <= now:
            found.append(self._on_the_way.popleft()[1])
        return found


def enter(pid: int) -> None:
    """This thread goes into the network of that process. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if libc.setns(network, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the network of {pid}")
    finally:
        os.close(network)


def _tun(name: str, address: str, mtu: int) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    subprocess.run(["ip", "address", "add", address, "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "mtu", str(mtu), "up"], check=True)
    return device


def _carry(ends: tuple[int, int], lines: tuple[Line, Line], tap: IO[bytes]) -> None:
    """Packets read at end n go over line n to the other end."""
    poll = select.epoll()
    for end in ends:
        poll.register(end, select.EPOLLIN)
    while True:
        next_at = min(line.next_at for line in lines)
        ready = dict(poll.poll(max(0.0, min(1.0, next_at - time.time()))))
        for n, line in enumerate(lines):
            if ends[n] in ready:
                line.take(os.read(ends[n], LONGEST), time.time())
        now = time.time()
        for n, line in enumerate(lines):
            for packet in line.arrived(now):
                _put(ends[1 - n], packet)
                tap.write(RECORD.pack(int(now), int(now % 1 * 1e6), len(packet), len(packet)) + packet)


def _put(end: int, packet: bytes) -> None:
    try:
        os.write(end, packet)
    except OSError as error:
        if error.errno != 5:  # EIO: the other end's link is down, as when a router restarts: lost
            raise


def main() -> None:
    words = argparse.ArgumentParser()
    for name in ("name", "here", "there", "tap"):
        words.add_argument(f"--{name}", required=True)
    words.add_argument("--of", type=int, required=True)
    for name in ("delay", "loss", "rate", "queue", "mtu", "seed"):
        words.add_argument(f"--{name}", type=float, required=True)
    given = words.parse_args()
    first = _tun(given.name, given.here, int(given.mtu))
    enter(given.of)
    ends = first, _tun(given.name, given.there, int(given.mtu))
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # a busy machine shall not add to the delay
    lines = tuple(
        Line(given.delay, given.loss, given.rate, given.queue, random.Random(int(given.seed) + n)) for n in (0, 1)
    )
    with Path(given.tap).open("wb", buffering=0) as tap:
        tap.write(PCAP.pack(0xA1B2C3D4, 2, 4, 0, 0, LONGEST, RAW_IP))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        _carry(ends, (lines[0], lines[1]), tap)


if __name__ == "__main__":
    main()
