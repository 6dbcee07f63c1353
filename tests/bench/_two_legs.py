"""A B2BUA of a few lines on our user agent: what the one leg does, the other is told. For benchmarks.

python -m tests.bench._two_legs LISTEN_PORT NEXT_HOP_PORT
"""

from __future__ import annotations

import asyncio
import random
import sys
from functools import partial

from lq import process
from lq.sip import events as ev
from lq.sip.agent import UserAgent
from lq.sip.shell import Shell

HERE = "127.0.0.1"


class TwoLegs:
    def __init__(self, listen: ev.Address, next_hop: ev.Address) -> None:
        self.agent = UserAgent(
            via="{}:{}".format(*listen),
            contact="<sip:lq@{}:{}>".format(*listen),
            next_hop=next_hop,
            rng=random.SystemRandom(),
        )
        self.shell = Shell(self.agent, listen)
        self.other: dict[str, str] = {}

    def happened(self, event: ev.Event) -> None:
        now = self.shell.now()
        match event:
            case ev.Incoming():
                local = event.from_.partition(";tag=")[0]
                leg = self.agent.invite(event.uri, local=local, remote=event.to, sdp=event.sdp, now=now)
                self.other |= {leg: event.session, event.session: leg}
            case ev.Progress() if event.code > 100:
                self.agent.provisional(self.other[event.session], event.code, event.sdp, now=now)
            case ev.Accepted():
                self.agent.accept(self.other[event.session], event.sdp, now=now)
                self.agent.ack(event.session, now=now)
            case ev.Rejected():
                self.end(event.session, partial(self.agent.reject, code=event.code, now=now))
            case ev.Cancelled():
                self.end(event.session, partial(self.agent.cancel, reason_header=event.reason_header, now=now))
            case ev.Ended():
                headers = {"Reason": event.reason_header} if event.reason_header else None
                self.end(event.session, partial(self.agent.bye, headers=headers, now=now))

    def end(self, session: str, tell: partial[bool]) -> None:
        """The other leg, as the one that has ended."""
        other = self.other.pop(session, "")
        if self.other.pop(other, ""):
            tell(other)


async def main() -> None:
    own, next_hop = int(sys.argv[1]), int(sys.argv[2])
    legs = TwoLegs((HERE, own), (HERE, next_hop))
    process.collect_less()  # as a node does
    await legs.shell.start(legs.happened)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
