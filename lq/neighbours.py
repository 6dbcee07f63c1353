"""The other lq nodes: who has died, and the adoption of what it owned (DESIGN §5).

A node is adopted only if its lease ran out by Redis TIME, our own link to Redis was whole for a lease, and it does not
answer OPTIONS: one that still hears SIP but lost Redis keeps its calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

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
T = TypeVar("T")


class Neighbours:
    """`whole_for` says for how many seconds our link to Redis has been whole; `tell` says to the edge that we are heir
    of an incarnation; `take` takes over a contact that Redis says is ours, unless it is held."""

    def __init__(
        self,
        incarnation: str,
        *,
        live: Live,
        owner: Owner,
        tell: Callable[[str], Awaitable[object]],
        take: Callable[[str], Awaitable[asyncio.Event | None]],
        message: Callable[[dict[str, object]], None],
        whole_for: Callable[[], float],
        lease_s: float,
        answers: Callable[[Lease], Awaitable[bool]] = answers,
    ) -> None:
        self._incarnation, self._live, self._owner, self._tell = incarnation, live, owner, tell
        self._message, self._whole_for, self._lease_s = message, whole_for, lease_s
        self._take, self._answers = take, answers
        self._begun: dict[str, Lease] = {}  # adoptions of which we do not know that they are done
        self.passed: Callable[[], Awaitable[None]] = _pass  # returns when this node may act (lq/pulse.py)
        self.took: set[str] = set()  # incarnations whose contacts we have adopted

    async def watch(self) -> None:
        while True:
            await self.passed()
            try:
                if self._begun:
                    await self._take_lost()
                if self._whole_for() >= self._lease_s:
                    await self._look()
            except LiveError as error:
                log.warning("neighbours not seen: live state away", error=str(error))
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        lapsed = {lease.incarnation: lease for lease in await self._live.leases("lq", lapsed=True)}
        for dead, lease in {**self._begun, **lapsed}.items():
            if dead != self._incarnation and not await self._answers(lease):
                await self._adopt(lease)
            else:
                self._begun.pop(dead, None)

    async def _adopt(self, lease: Lease) -> None:
        """Page by page, for an answer that does not come must not cost us those before it."""
        dead = lease.incarnation
        is_again = dead in self._begun
        self._begun[dead] = lease
        try:
            found = await self._live.adopt(self._incarnation, dead)
        except Alive:
            del self._begun[dead]
            return  # it has come back while we asked
        self.took.add(dead)
        if found or is_again:
            await self.passed()  # frozen meanwhile, others may have adopted us: the edge must not be led here
            await self._tell(dead)
        while found:
            log.warning("contacts adopted", dead=dead, contacts=len(found))
            for some in _at_once(found):
                await self._written([await self._owner.take_over(one.contact, one.epoch, one.snapshot) for one in some])
            found = await self._live.adopt(self._incarnation, dead)
        async for message in self._live.left_unheard(dead):  # what it was told and did not live to hear
            self._message(message)
        del self._begun[dead]

    async def _take_lost(self) -> None:
        """What is ours by Redis and nobody has: the answer that told us so was lost."""
        lost = [contact for contact in await self._live.owned(self._incarnation) if not self._owner.holds(contact)]
        for some in _at_once(lost):
            await self._written([await self._take(contact) for contact in some])

    async def _written(self, contacts: list[asyncio.Event | None]) -> None:
        """Returns when all of these have been written as ours: a machine that is busy takes them as fast as it can."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                for begun in contacts:
                    if begun is not None:
                        await begun.wait()
        except TimeoutError:
            log.warning("adopted contacts are slow to begin")


def _at_once(things: Sequence[T]) -> Iterator[Sequence[T]]:
    return (things[start : start + AT_ONCE] for start in range(0, len(things), AT_ONCE))


async def _pass() -> None:
    pass
