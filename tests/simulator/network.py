"""A phone at the end of a bad line: behind a router with NAT, 80 ms away each way, 1 % lost, MTU 1400, 512 kbit/s.

with ShapedNetwork(directory) as network:            # root only; NoNetwork says what is missing
    …a center at network.center; programs begun with network.at_phone in front run at network.phone

center 10.77.0.1 ── line (wire.py) ── 10.77.0.2 router 192.168.77.1 ── 192.168.77.2 phone

Several at once need an `n` each (77 above).

Networks are held by processes of ours and by nothing else: they are gone when we are, whatever we die of.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ops.home import CHECKOUT
from tests.simulator import wire

ON_DIED: Final = ("setpriv", "--pdeathsig", "KILL", "--")
RULES: Final = (
    "iptables -t nat -A POSTROUTING -o {line} -j MASQUERADE --random",
    # a connection that it does not remember is none
    "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP",
)
SETTINGS: Final = {
    "net/ipv4/ip_forward": 1,
    "net/netfilter/nf_conntrack_tcp_loose": 0,  # else it takes up connections that it has forgotten
    "net/netfilter/nf_conntrack_udp_timeout": 30,  # what many a router gives a mapping
    "net/netfilter/nf_conntrack_udp_timeout_stream": 30,
}


class NoNetwork(Exception):
    """This machine, or this user, cannot have one."""


@dataclass(slots=True)
class ShapedNetwork:
    directory: Path
    n: int = 77
    delay_s: float = 0.08
    loss: float = 0.01
    rate: float = 512_000
    queue_s: float = 0.3
    mtu: int = 1400
    seed: int = 1
    _held: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def center(self) -> str:
        return f"10.{self.n}.0.1"

    @property
    def router(self) -> str:
        return f"10.{self.n}.0.2"

    @property
    def gate(self) -> str:
        return f"192.168.{self.n}.1"

    @property
    def phone(self) -> str:
        return f"192.168.{self.n}.2"

    @property
    def line(self) -> str:
        """The name of the device at both ends of the line."""
        return f"lcline{self.n}"

    @property
    def tap(self) -> Path:
        """All that came over the line, in either direction: a pcap of IP packets, outside the NAT."""
        return self.directory / "line.pcap"

    @property
    def at_phone(self) -> tuple[str, ...]:
        """Words before a command that is to run at the phone."""
        return self._at(self._held[1])

    @property
    def at_router(self) -> tuple[str, ...]:
        return self._at(self._held[0])

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise NoNetwork("networks are made by root only")
        if not Path("/dev/net/tun").exists():
            raise NoNetwork("there is no /dev/net/tun")
        try:
            self._build()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _build(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        for _ in ("router", "phone"):
            self._held.append(
                self._started("unshare", "--net", *ON_DIED, "sh", "-c", "echo ready; exec sleep infinity")
            )
        router, phone = self._held
        self._held.append(self._wire(router.pid))
        inside = f"ip link add house mtu {self.mtu} type veth peer name house mtu {self.mtu} netns {phone.pid}"
        self._run(self.at_router, inside)
        for at, address in ((self.at_router, self.gate), (self.at_phone, self.phone)):
            self._run(at, f"ip address add {address}/24 dev house")
            self._run(at, "ip link set house up")
            self._run(at, "ip link set lo up")
        self._run(self.at_phone, f"ip route add default via {self.gate}")
        for rule in RULES:
            self._run(self.at_router, rule.format(line=self.line))
        for name, value in SETTINGS.items():
            self.set(name, value)

    def _wire(self, router: int) -> subprocess.Popen[str]:
        settings = {
            "name": self.line, "here": f"{self.center}/24", "there": f"{self.router}/24", "of": router, "tap": self.tap,
            "delay": self.delay_s, "loss": self.loss, "rate": self.rate, "queue": self.queue_s, "mtu": self.mtu,
            "seed": self.seed,
        }  # fmt: skip
        words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        return self._started(sys.executable, "-m", "tests.simulator.wire", *words)

    def _started(self, *words: str) -> subprocess.Popen[str]:
        new = subprocess.Popen(
            [*ON_DIED, *words], cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        assert new.stdout is not None
        if new.stdout.readline() != "ready\n":
            new.kill()
            raise NoNetwork(f"{' '.join(words[:4])} … has ended: {new.wait()}")
        return new

    def _end(self) -> None:
        for process in reversed(self._held):
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._held.clear()

    @staticmethod
    def _at(process: subprocess.Popen[str]) -> tuple[str, ...]:
        return ("nsenter", f"--net=/proc/{process.pid}/ns/net", "--")

    @staticmethod
    def _run(at: Sequence[str], command: str) -> str:
        done = subprocess.run([*at, *command.split()], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoNetwork(f"{command}: {done.stderr.strip()}")
        return done.stdout

    # -- what happens to routers ---------------------------------------------------------------------------------------

    def set(self, name: str, value: int) -> None:
        """A setting of the router below /proc/sys."""
        self._run(self.at_router, f"sysctl -qw {name.replace('/', '.')}={value}")

    def cut(self) -> None:
        """The router's line is down, and it forgets all mappings, as when it restarts or dials in again."""
        self._run(self.at_router, f"ip link set {self.line} down")

    def mend(self) -> None:
        self._run(self.at_router, f"ip link set {self.line} up")

    def forget(self) -> None:
        """New mappings from now on, as if the old ones had been too old."""
        self.cut()
        self.mend()

    def connect(self, to: tuple[str, int]) -> socket.socket:
        """A TCP connection from the phone; its own control is at 127.0.0.1. Raises OSError."""
        return self._inside(lambda: socket.create_connection(to, 5))

    def udp(self) -> socket.socket:
        """A UDP socket at the phone."""

        def make() -> socket.socket:
            new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            new.bind((self.phone, 0))
            return new

        return self._inside(make)

    def _inside(self, make: Callable[[], socket.socket]) -> socket.socket:
        """Made by a thread that is in the phone's network and ends there: a socket stays where it was made."""
        made: list[socket.socket] = []
        fault: list[OSError] = []

        def run() -> None:
            try:
                wire.enter(self._held[1].pid)
                made.append(make())
            except OSError as error:
                fault.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if fault:
            raise fault[0]
        return made[0]
