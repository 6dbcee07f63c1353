"""The other lq nodes: who has died, and the adoption of what it owned (DESIGN §5).

A node is adopted only if its lease ran out by Redis TIME, our own link to Redis was whole for a lease, and it does not
answer OPTIONS: one that still hears SIP but lost Redis keeps its calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from lq.contacts.owner import Owner
from lq.live.errors import Alive, LiveError
from lq.live.redis import Live
from lq.live.values import Lease
from lq.probe import answers

log = structlog.get_logger()

LOOK_S: Final = 0.25
AT_ONCE: Final = 20  # contacts adopted in one go: each re-points its media
PATIENCE_S: Final = 2.0


class Neighbours:
    """`whole_for` says for how many seconds our link to Redis has been whole; `tell` says to the edge that we are heir
    of an incarnation."""

    def __init__(
        self,
        incarnation: str,
        *,
        live: Live,
        owner: Owner,
        tell: Callable[[str], Awaitable[object]],
        message: Callable[[dict[str, object]], None],
        whole_for: Callable[[], float],
        lease_s: float,
        answers: Callable[[Lease], Awaitable[bool]] = answers,
    ) -> None:
        self._incarnation, self._live, self._owner, self._tell = incarnation, live, owner, tell
        self._message, self._whole_for, self._lease_s = message, whole_for, lease_s
        self._answers = answers
        self.passed: Callable[[], Awaitable[None]] = _at_once  # returns when this node may act (lq/pulse.py)
        self.took: set[str] = set()  # incarnations whose contacts we have adopted

    async def watch(self) -> None:
        while True:
            await self.passed()
            try:
                if self._whole_for() >= self._lease_s:
                    await self._look()
            except LiveError as error:
                log.warning("neighbours not seen: live state away", error=str(error))
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        for lease in await self._live.leases("lq", lapsed=True):
            if lease.incarnation != self._incarnation and not await self._answers(lease):
                await self._adopt(lease)

    async def _adopt(self, lease: Lease) -> None:
        dead = lease.incarnation
        try:
            found = await self._live.adopt(self._incarnation, dead)
        except Alive:
            return  # it has come back while we asked
        self.took.add(dead)
        if found:
            log.warning("contacts adopted", dead=dead, contacts=len(found))
            await self.passed()  # frozen meanwhile, others may have adopted us: the edge must not be led here
            await self._tell(dead)
        for start in range(0, len(found), AT_ONCE):
            taken = found[start : start + AT_ONCE]
            await self._begun([await self._owner.take_over(one.contact, one.epoch, one.snapshot) for one in taken])
        for _, message in await self._live.inbox(dead, block_ms=0):  # what it was told and did not live to hear
            self._message(message)

    async def _begun(self, contacts: list[asyncio.Event | None]) -> None:
        """Returns when all of these have been written as ours: a machine that is busy takes them as fast as it can."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                for begun in contacts:
                    if begun is not None:
                        await begun.wait()
        except TimeoutError:
            log.warning("adopted contacts are slow to begin")


async def _at_once() -> None:
    pass
