"""`python -m lq.ledger.refold`: writes all folds anew from the events, contact by contact, beside the running journal.

For a release that changes a fold, or adds a table of them. Each batch is a transaction of its own; it may be stopped
and begun again at any time.
"""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg
import structlog

from lq import process
from lq.ledger.journal import NAME
from lq.ledger.projection import refold

log = structlog.get_logger()

BATCH: Final = 200
NEXT: Final = "select distinct subject from event where type = 'contact_started' and subject > $1 order by 1 limit $2"
# The journal moves this row in each of its transactions: who holds it folds alone.
ALONE: Final = "select 1 from journal_checkpoint where name = $1 for update"


async def everything(connection: asyncpg.Connection) -> int:
    """How many contacts were folded."""
    after, count = "", 0
    while rows := await connection.fetch(NEXT, after, BATCH):
        contacts = [row["subject"] for row in rows]
        async with connection.transaction():
            await connection.execute(ALONE, NAME)
            await refold(connection, contacts)
        after, count = contacts[-1], count + len(contacts)
    return count


async def main() -> None:
    process.log_to_stderr("refold")
    connection = await asyncpg.connect(process.variable("LCALL_POSTGRES_DSN"))
    log.info("all contacts were folded anew", contacts=await everything(connection))
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
