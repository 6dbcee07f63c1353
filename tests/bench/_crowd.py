"""Calls that only talk: a program in C sends and takes the voices of customers and agents (mixer_legs.c). For benches.

python -m tests.bench._crowd CALLS PROGRAM     of the center in the environment; says "talking", and ends at SIGTERM
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from lq.config.documents import AccessNumber, Agent, Queue
from lq.config.validation import to_json
from tests.bench import mixer_legs
from tests.simulator.events import Events
from tests.simulator.gateway import Answer, Gateway
from tests.simulator.place import GATEWAYS, Place
from tests.simulator.rtp import Media, Stream
from tests.simulator.sip import Peer
from tests.unit.sip.end import free_port

QUEUE, NUMBER = "crowd", "4008008888"
FIRST_AGENT: Final = 1001
AT_ONCE: Final = 10
SPANS: Final = 4


class Party(Stream):
    """Where its voice goes; the program sends it."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port, self.event_type, self.to = host, port, 101, ("", 0)

    def send_to(self, peer: Peer | None) -> None:
        self.to = peer or self.to

    def be_quiet(self) -> None:
        pass


class Crowd(Media):
    """Who talks from one port at addresses of their own."""

    def __init__(self) -> None:
        self.port, self.parties = free_port()[1], list[Party]()

    def stream(self, host: str) -> Stream:
        own, _ = mixer_legs.addresses(len(self.parties) + 1, self.port)[-1]
        self.parties.append(Party(own, self.port))
        return self.parties[-1]

    def remove(self, stream: Stream) -> None:
        pass

    def close(self) -> None:
        pass

    def talk(self, program: str, directory: Path) -> subprocess.Popen[bytes]:
        """They do, until the program is ended."""
        ports = directory / str(self.port)
        ports.write_text("".join(f"{party.to[1]}\n" for party in self.parties))
        words = [program, "peer", str(len(self.parties)), str(self.port), "0", "100000", str(ports)]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL)


def documents(calls: int) -> Sequence[tuple[str, str, Mapping[str, Any]]]:
    """Kind, id and body."""
    agents = [Agent(str(FIRST_AGENT + n), f"{n}", (QUEUE,)) for n in range(calls)]
    return [
        ("queues", QUEUE, to_json(Queue(QUEUE, QUEUE, position_every_s=0))),
        ("numbers", NUMBER, to_json(AccessNumber(NUMBER, f"queue:{QUEUE}", recording="none"))),
        *(("agents", agent.id, to_json(agent)) for agent in agents),
    ]


async def some(place: Place, stack: AsyncExitStack, agents: Sequence[int]) -> Crowd:
    """So many calls, talking as soon as their voices are sent."""
    crowd, lq = Crowd(), await stack.enter_async_context(place.client())
    events = await stack.enter_async_context(Events(lq))
    gateway = Gateway(GATEWAYS["gw1"], edge=place.edge, spans=SPANS, media=crowd)
    await gateway.start()
    for n in agents:
        ext = str(n + 7000)
        phone = place.softphone(ext, crowd, Answer())
        await phone.__aenter__()  # nobody of them ever leaves
        await events.first("phone_changed", 20, subject=f"phone:{ext}", registered=True)
        await lq.sign_in(str(n), ext)
        call = await gateway.dial(f"1390000{n:04}", NUMBER)
        rings = await phone.rings(20)
        await asyncio.gather(call.answered(20), rings.answered(20))
        await asyncio.wait_for(rings._until("confirmed", 20), 20)
    return crowd


async def main(calls: int, program: str) -> None:
    place, over, talking = Place.of_environment(), asyncio.Event(), []
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    with tempfile.TemporaryDirectory() as directory:
        async with AsyncExitStack() as stack:
            for first in range(0, calls, AT_ONCE):
                agents = range(FIRST_AGENT + first, FIRST_AGENT + min(first + AT_ONCE, calls))
                talking.append((await some(place, stack, agents)).talk(program, Path(directory)))
        print("talking", flush=True)
        await over.wait()
        for each in talking:
            each.terminate()
    os._exit(0)  # the calls end with their center


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
