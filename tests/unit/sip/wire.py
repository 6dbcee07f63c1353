"""Two user agents and the wire between them, in virtual time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import TypeVar

from lq.sip import events as ev
from lq.sip.agent import UserAgent
from lq.sip.digest import Credentials
from lq.sip.transaction import Transport
from tests.unit.sip.witness import read_by_another

E = TypeVar("E", bound=ev.Event)
DELAY = 0.001


class Wire:
    """Delivers datagrams after DELAY, loses each with probability `loss`; time moves only here."""

    def __init__(self, loss: float = 0.0, seed: int = 1, transport: Transport = "udp") -> None:
        self.now, self.loss = 0.0, loss
        self.rng = random.Random(seed)
        self.agents: dict[tuple[str, int], UserAgent] = {}
        self.seen: list[tuple[float, bytes]] = []
        self.log: dict[str, list[ev.Event]] = {}
        self.react: dict[str, Callable[[UserAgent, ev.Event], None]] = {}
        self._queue: list[tuple[float, int, tuple[str, int], tuple[str, int], bytes, Transport]] = []
        self._count = 0
        self.transport = transport
        self.accounts: dict[str, Credentials] = {}
        self.a = self.add("a", ("10.0.0.1", 5060), ("10.0.0.2", 5060))
        self.b = self.add("b", ("10.0.0.2", 5060), ("10.0.0.1", 5060))

    def add(self, name: str, address: tuple[str, int], peer: tuple[str, int]) -> UserAgent:
        agent = UserAgent(
            via="{}:{}".format(*address),
            contact=f"<sip:{name}@{address[0]}:{address[1]}>",
            next_hop=peer,
            rng=random.Random(name),
            transport=self.transport,
            accounts=self.accounts.get,
        )
        self.agents[address] = agent
        self.log[name] = []
        return agent

    def flush(self) -> None:
        for (address, agent), name in zip(self.agents.items(), self.log, strict=True):
            for datagram in agent.datagrams():
                read_by_another(datagram.data)
                self.seen.append((self.now, datagram.data))
                if self.rng.random() >= self.loss:
                    self.put(datagram.data, address, datagram.destination, datagram.transport)
            for event in agent.events():
                self.log[name].append(event)
                if name in self.react:
                    self.react[name](agent, event)

    def put(
        self, data: bytes, source: tuple[str, int], destination: tuple[str, int], transport: Transport = "udp"
    ) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + DELAY, self._count, source, destination, data, transport))

    def run(self, seconds: float = 0.1) -> None:
        """Let so much time pass."""
        end = self.now + seconds
        for _ in range(200_000):
            while any(a._datagrams or a._events for a in self.agents.values()):
                self.flush()
            times = [self._queue[0][0]] if self._queue else []
            times += [at for agent in self.agents.values() if (at := agent.deadline()) is not None]
            if not times or min(times) > end:
                break
            self.now = max(self.now, min(times))
            while self._queue and self._queue[0][0] <= self.now:
                _, _, source, destination, data, transport = heapq.heappop(self._queue)
                if destination in self.agents:
                    self.agents[destination].receive(data, source, self.now, transport)
            for agent in self.agents.values():
                agent.timeout(self.now)
        self.now = end

    def last(self, name: str, kind: type[E]) -> E:
        found = [event for event in self.log[name] if isinstance(event, kind)]
        assert found, f"no {kind.__name__} at {name}: {self.log[name]}"
        return found[-1]

    def count(self, name: str, kind: type[ev.Event]) -> int:
        return sum(isinstance(event, kind) for event in self.log[name])

    def lines(self) -> list[str]:
        """Start lines of everything sent."""
        return [data.split(b"\r\n", 1)[0].decode() for _, data in self.seen]

    # -- the usual call
    def ring(self) -> tuple[str, str]:
        """a calls b, b rings; the sessions."""
        ours = self.a.invite("sip:b@10.0.0.2", local="<sip:a@10.0.0.1>", sdp="v=0 offer", now=self.now)
        self.run()
        theirs = self.last("b", ev.Incoming).session
        self.b.provisional(theirs, 180, now=self.now)
        self.run()
        return ours, theirs

    def talk(self) -> tuple[str, str]:
        ours, theirs = self.ring()
        self.b.accept(theirs, "v=0 answer", now=self.now)
        self.run()
        self.a.ack(ours, now=self.now)
        self.run()
        return ours, theirs
