"""Makes the folds of the past anew from the events, beside the running journal: after a release that changed a fold or
added one (`fold.FOLDS`) the worker does it by itself; `python -m lq.ledger.refold` (`lcall refold`) at any time.

A batch is one transaction, with the note of how far it has come: whoever dies on the way, the next goes on from there.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg
import structlog

from lq import process
from lq.ledger import projection
from lq.ledger.fold import FOLDS

log = structlog.get_logger()

BATCH: Final = 200  # subjects that are looked at, of which contacts are some
LOOK_EVERY_S: Final = 10.0  # whether somebody wants it
TOLD_EVERY_S: Final = 30.0

AGENTS, CONTACTS = "agent:", "contact:"  # what `done_to` begins with: the subject of an agent, or of anything behind it

BEHIND: Final = "select making, done_to from fold_version where version < $1 for update"
ANEW: Final = "update fold_version set version = 0, making = 0"
MOVE: Final = "update fold_version set making = $1, done_to = $2"
DONE: Final = "update fold_version set version = $1, making = $1, done_to = ''"
# The journal moves its row in each of its transactions: who holds it folds alone.
ALONE: Final = "select from journal_checkpoint for update"
AGENT: Final = "select subject from event where subject > $1 and subject < 'agent;' order by subject limit 1"
# From subject to subject by the index: a queue has millions of events, and none of them is looked at.
NEXT: Final = """
with recursive walk (subject) as (
    (select subject from event where subject > $1 order by subject limit 1)
    union all
    select (select subject from event where event.subject > walk.subject order by subject limit 1) from walk
    where walk.subject is not null)
select subject, position(':' in subject) = 0 and exists (
    select from event where event.subject = walk.subject and type = 'contact_started') as contact
from walk where subject is not null limit $2"""

# The events of this one cannot be folded, or their fold not be written.
POISON: Final = (
    *(ValueError, TypeError, KeyError, AttributeError, OverflowError),
    *(asyncpg.DataError, asyncpg.IntegrityConstraintViolationError),
)
Fold = Callable[[asyncpg.Connection, Sequence[str]], Awaitable[None]]


async def step(connection: asyncpg.Connection) -> int | None:
    """One batch: how many agents or contacts; None: there is nothing left to do."""
    async with connection.transaction():
        row = await connection.fetchrow(BEHIND, FOLDS)
        if row is None:
            return None
        done_to = (row["done_to"] if row["making"] == FOLDS else "") or AGENTS
        if done_to.startswith(AGENTS):  # before the contacts, whose folds hold what agents did after them
            agent = await connection.fetchval(AGENT, done_to)
            if agent is not None:
                await _fold(connection, projection.refold_agents, [agent])
                await connection.execute(MOVE, FOLDS, agent)
                return 1
            done_to = CONTACTS
        seen = await connection.fetch(NEXT, done_to.removeprefix(CONTACTS), BATCH)
        if not seen:
            await connection.execute(DONE, FOLDS)
            return None
        contacts = [each["subject"] for each in seen if each["contact"]]
        if contacts:
            await _fold(connection, projection.refold, contacts)
        await connection.execute(MOVE, FOLDS, CONTACTS + seen[-1]["subject"])
        return len(contacts)


async def _fold(connection: asyncpg.Connection, fold: Fold, subjects: Sequence[str]) -> None:
    """One that cannot be folded stays as it was, and holds nobody up."""
    await connection.execute(ALONE)
    try:
        async with connection.transaction():
            await fold(connection, subjects)
    except POISON as error:
        if len(subjects) == 1:
            log.error("this cannot be folded anew", subject=subjects[0], error=repr(error), alarm=True)
            return
        half = len(subjects) // 2
        await _fold(connection, fold, subjects[:half])
        await _fold(connection, fold, subjects[half:])


class Refolding:
    """The worker's part: whenever the folds are not of this release, or somebody wants them anew."""

    def __init__(self) -> None:
        self._count = 0
        self._told_at = 0.0

    async def work(self, connection: asyncpg.Connection) -> None:
        began = time.monotonic()
        made = await step(connection)
        if made is None:
            if self._told_at:
                log.info("the folds of the past are made anew", version=FOLDS, folded=self._count)
            self._count, self._told_at = 0, 0.0
            await asyncio.sleep(LOOK_EVERY_S)
            return
        self._count += made
        if not self._told_at or began >= self._told_at + TOLD_EVERY_S:
            log.info("the folds of the past are being made anew", version=FOLDS, folded=self._count)
            self._told_at = began
        await asyncio.sleep(time.monotonic() - began)  # half of the time is everybody else's


async def everything(connection: asyncpg.Connection) -> int:
    """From the beginning; how many agents and contacts were folded. The worker may be at it too: they share it."""
    await connection.execute(ANEW)
    count = 0
    while (made := await step(connection)) is not None:
        count += made
    return count


async def main() -> None:
    process.log_to_stderr("refold")
    connection = await asyncpg.connect(process.variable("LCALL_POSTGRES_DSN"))
    sys.stdout.write(f"{await everything(connection)} folded anew\n")
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
