"""`python -m lq.worker.restored [--trial]`: what a database that was just restored must not do to the world outside.

A receiver knows a repeat by the number of its delivery. The center that the backup is of has gone on giving numbers,
and so has each center that was restored from it: numbers begin anew at the milliseconds since 1970. Nobody gives a
thousand a second for long, so none from before this moment lies beyond it.

With `--trial` the center tells nobody: its webhooks are disabled, and what waited to be sent has failed. The center
that it is a copy of sends all that.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Final

import asyncpg

from lq import process
from lq.config import publish

BY: Final = "restore"
AHEAD: Final = """
select setval(sequence, greatest(nextval(sequence), floor(extract(epoch from clock_timestamp()) * 1000)::bigint))
from pg_get_serial_sequence('webhook_delivery', 'id') as sequence"""
GIVEN_UP: Final = """
update webhook_delivery set state = 'failed', done_at = now(), locked_until = null
where state in ('queued', 'running')"""


async def number_anew(connection: asyncpg.Connection) -> None:
    await connection.execute(AHEAD)


async def be_silent(connection: asyncpg.Connection) -> None:
    """Raises publish.Refused where the webhooks of the backup are none that this release takes: nothing is changed."""
    _, kinds = await publish.read(connection)
    silenced = [("webhooks", {**hook.body, "enabled": False}) for hook in kinds["webhooks"].values()]
    async with connection.transaction():
        if silenced:
            await publish.put(connection, silenced, by=BY)
        await connection.execute(GIVEN_UP)


async def main(*, trial: bool) -> None:
    connection = await asyncpg.connect(process.variable("LCALL_POSTGRES_DSN"), timeout=10)
    try:
        await number_anew(connection)
        if trial:
            await be_silent(connection)
    finally:
        await connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trial", action="store_true")
    try:
        asyncio.run(main(trial=parser.parse_args().trial))
    except (OSError, TimeoutError, asyncpg.PostgresError, publish.Refused) as error:
        sys.exit(f"the restored database cannot be changed: {error or type(error).__name__}")
