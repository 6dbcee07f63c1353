"""`python -m ops.migrate`: applies sql/NNN_name.sql in order, each once, and refuses files that changed afterwards.

Several may start together: an advisory lock lets one do the work and the others find it done.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

SQL: Final = Path(__file__).resolve().parent.parent / "sql"
LOCK: Final = 0x4C43616C6C  # "LCall"
NAME: Final = re.compile(r"\d{3}_[a-z0-9_]+\.sql")

LEDGER: Final = """
create table if not exists migration (
    name text primary key, sha256 text not null, applied_at timestamptz not null default now()
)"""


class MigrationError(Exception):
    """One sentence for the person who runs it."""


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations(directory: Path = SQL) -> list[Migration]:
    """The files in their order; raises MigrationError on a name that has no place in it."""
    found = sorted(directory.glob("*.sql"))
    numbers: dict[str, str] = {}
    for file in found:
        if not NAME.fullmatch(file.name):
            raise MigrationError(f"{file.name} is not named NNN_name.sql")
        number = file.name[:3]
        if number in numbers:
            raise MigrationError(f"{numbers[number]} and {file.name} have the same number")
        numbers[number] = file.name
    return [Migration(file.name, file.read_text(encoding="utf-8")) for file in found]


def pending(files: list[Migration], applied: Mapping[str, str]) -> list[Migration]:
    """Which files are still to be applied; raises MigrationError if an applied one is gone or changed."""
    by_name = {file.name: file for file in files}
    for name, sha256 in applied.items():
        if name not in by_name:
            raise MigrationError(f"{name} was applied to this database but is not in sql/: is this an older release?")
        if by_name[name].sha256 != sha256:
            raise MigrationError(f"{name} was changed after it was applied; write a new file instead")
    return [file for file in files if file.name not in applied]


async def migrate(dsn: str, directory: Path = SQL) -> list[str]:
    """Brings the database up to date and returns the names of the files applied now."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute("select pg_advisory_lock($1)", LOCK)
        await connection.execute(LEDGER)
        rows = await connection.fetch("select name, sha256 from migration")
        todo = pending(migrations(directory), {row["name"]: row["sha256"] for row in rows})
        for file in todo:
            await _apply(connection, file)
        return [file.name for file in todo]
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, file: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(file.text)
            await connection.execute("insert into migration (name, sha256) values ($1, $2)", file.name, file.sha256)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{file.name}: {error}") from error


def main() -> None:
    dsn = os.environ.get("LCALL_POSTGRES_DSN")
    if not dsn:
        sys.exit("LCALL_POSTGRES_DSN is missing")
    try:
        applied = asyncio.run(migrate(dsn))
    except MigrationError as error:
        sys.exit(str(error))
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        sys.exit(f"cannot reach PostgreSQL: {error or type(error).__name__}")
    print(f"applied {', '.join(applied)}" if applied else "nothing to apply")


if __name__ == "__main__":
    main()
