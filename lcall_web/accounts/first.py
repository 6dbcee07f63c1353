"""`python -m lcall_web.accounts.first [number]`: an administrator who can come in; his password is told once.

The first account of a new center, and the way back for one whose last administrator has lost his password or telephone.
Whoever may start the center's processes may do this; it is written down as done by a program.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from lcall_web.accounts import passwords, rules
from lcall_web.accounts.store import SQL
from lcall_web.common import audit
from lcall_web.common.database import Database, DatabaseAway
from lcall_web.common.i18n import translated
from lq import process

DEFAULT: Final = "admin"


async def let_in(database: Database, id: str) -> str:
    """Makes him an administrator, active, with a new password and without a second factor; returns the password."""
    password = passwords.generated()
    hashed = rules.HASHER.hash(password)
    async with database.transaction() as connection:
        await connection.execute(SQL["one_at_a_time"])
        await connection.execute(SQL["let_in"], id, hashed)
        await connection.execute(SQL["totp_off"], id)
        await connection.execute(SQL["end_sessions"], id)
        await connection.execute(SQL["forgive_account"], id)
        await audit.note(connection, "", "administrator_let_in", f"operator:{id}", "")
    return password


async def main(id: str) -> None:
    if fault := rules.id_fault(id):
        sys.exit(f"{id}: {fault} {translated('en', fault)}")
    database = Database(process.variable("LCALL_POSTGRES_DSN"))
    try:
        await database.open()
        password = await let_in(database, id)
    except DatabaseAway as away:
        sys.exit(f"数据库没有响应 PostgreSQL does not answer: {away}")
    finally:
        await database.close()
    sys.stdout.write(f"{id} {password}\n")


if __name__ == "__main__":
    process.log_to_stderr("admin")
    asyncio.run(main(*sys.argv[1:2] or [DEFAULT]))
