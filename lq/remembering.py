"""What this node says again to a Redis that may have forgotten, and what it keeps for one that is away (DESIGN §5).

A new era (docs/contracts.md §2) is noticed with the renewal of the lease. Then the last word on every agent is said,
what is ours and not held yet is taken, every contact is committed with all that it holds, and as over what has ended
here, lost events of the last 30 s are appended, and at last `asserted`. What fails is begun again with the next
renewal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import structlog

from lq.contacts.owner import Owner
from lq.live.errors import LiveError
from lq.live.memory import RECENT_MS, Memory
from lq.live.redis import Live
from lq.live.spool import Spool
from lq.live.values import Renewal

log = structlog.get_logger()

RETRY_S = 0.5
LOOK_BACK_MS = 2 * RECENT_MS


class Remembering:
    """`took`: whose contacts this node has adopted."""

    def __init__(
        self,
        incarnation: str,
        *,
        live: Live,
        owner: Owner,
        memory: Memory,
        spool: Spool,
        took: Callable[[], Collection[str]],
    ) -> None:
        self._incarnation, self._live, self._owner, self._memory = incarnation, live, owner, memory
        self._spool, self._took = spool, took
        self._era = 0
        self._after = ""
        self._saying: asyncio.Task[None] | None = None
        self._left = spool.left()  # by the process before us

    # -- the stream ---------------------------------------------------------------------------------------------------
    async def follow(self) -> None:
        """Until cancelled: remembers what happens."""
        while True:
            try:
                if not self._after:
                    self._after = await self._live.last_event()
                    for word in await self._live.last_words():
                        self._memory.see(word)
                events, self._after = await self._live.news(self._after, block_ms=1_000)
                for event in events:
                    self._memory.see(event)
            except LiveError:
                await asyncio.sleep(RETRY_S)

    # -- a new era ----------------------------------------------------------------------------------------------------
    def renewed(self, renewal: Renewal) -> bool:
        """Whether all was said to this Redis; begins it if not."""
        if renewal.era == self._era:
            return True
        if self._saying is None or self._saying.done():
            self._saying = asyncio.create_task(self._say_again(renewal), name="say again")
        return False

    async def close(self) -> None:
        if self._saying is not None:
            self._saying.cancel()
            await asyncio.gather(self._saying, return_exceptions=True)

    async def _say_again(self, renewal: Renewal) -> None:
        began, first = time.monotonic(), self._era == 0
        try:
            book = self._owner.book
            await self._live.remembered(self._incarnation, renewal.era, self._memory.recalled(book.agents, book.queues))
            await self._take_unheard()
            await self._owner.say_again()
            await self._owner.say_over()
            since = await self._look_back(renewal.now)
            lost = self._memory.missing(await self._live.recent(since))
            await self._live.append(lost)
            if self._left:
                await self._live.append(self._left)
                log.warning("events that the process before could not write are written", events=len(self._left))
                self._left = []
                self._spool.clear()
            await self._live.asserted(self._incarnation, renewal.era, took=self._took())
        except LiveError as error:
            log.warning("not all could be said again", error=str(error))
            return
        except Exception:
            log.exception("what this node holds cannot be said again", alarm=True)
            return
        self._era = renewal.era
        if not first:
            self._after = f"{since}-0"  # a new stream may count from an earlier clock
            log.warning(
                "Redis may have forgotten: all is said again",
                era=renewal.era, contacts=self._owner.load, events=len(lost), s=round(time.monotonic() - began, 3),
            )  # fmt: skip

    async def _take_unheard(self) -> None:
        """What became ours in the era before and is not held yet, of a page that is being adopted or by a message that
        waits: whatever is not said again is over for Redis, and people talk in it. Not what was over in a moment that
        Redis has lost: that must not come to life again."""
        for contact in await self._live.owned(self._incarnation):
            if self._owner.holds(contact):
                continue
            found = await self._live.contact(contact)
            if found is None or found.owner != self._incarnation or self._owner.has_had(contact, found.epoch):
                continue
            log.warning("contact taken that is ours and was not held yet", contact=contact)
            await self._owner.take_over(contact, found.epoch, found.snapshot)

    async def _look_back(self, now: int) -> int:
        """ms: where in the stream the last minute begins. Its ids stay ahead of a clock that was set back."""
        newest = int((await self._live.last_event()).partition("-")[0])
        return max(0, max(now, newest) - LOOK_BACK_MS)
