"""Who may come in: the attempt is counted, the password compared, the session begun and written down."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

from lcall_web.accounts import rules
from lcall_web.common import audit, sessions
from lcall_web.common.database import Database, queries
from lcall_web.common.viewer import Viewer

SQL: Final = queries(__file__)

Refusal = Literal["wrong", "too_often"]


async def log_in(database: Database, id: str, password: str, address: str, browser: str) -> tuple[str, Refusal | None]:
    """The token of a new session, or why there is none."""
    id = rules.readable(id)
    subjects = f"account:{id}", f"address:{address}"
    await database.fetch(SQL["attempt"], *subjects)
    attempts = await database.row(SQL["attempts"], *subjects, rules.WINDOW_MIN)
    assert attempts is not None
    if rules.too_often(attempts["account"], attempts["address"]):
        return "", "too_often"
    row = await database.row(SQL["operator"], id)
    stored = None if row is None else str(row["password_hash"])
    if not await asyncio.to_thread(rules.matches, stored, password) or stored is None:
        return "", "wrong"
    better = await asyncio.to_thread(rules.HASHER.hash, password) if rules.needs_rehash(stored) else None
    async with database.transaction() as connection:
        if better is not None:
            await connection.execute(SQL["rehash"], id, better)
        await connection.execute(SQL["forgive"], *subjects)
        token = await sessions.begin(connection, id, address, browser)
        await audit.note(connection, id, "login", f"operator:{id}", address)
    return token, None


async def log_out(database: Database, known: sessions.Sessions, viewer: Viewer, address: str) -> None:
    async with database.transaction() as connection:
        await audit.note(connection, viewer.id, "logout", f"operator:{viewer.id}", address)
    await known.end(viewer.session)
