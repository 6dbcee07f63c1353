"""One's own account: the password, the second factor, the places where one is in."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from lcall_web.accounts import codes, rules, store
from lcall_web.accounts.store import SQL, Place
from lcall_web.common import audit
from lcall_web.common.database import Database, literal
from lcall_web.common.viewer import ROLES, Viewer


@dataclass(frozen=True, slots=True)
class Session:
    id: int
    operator: str
    name: str
    created_at: datetime
    seen_at: datetime
    address: str
    browser: str
    mine: bool  # the one that asks


@dataclass(frozen=True, slots=True)
class Own:
    role: str  # marked, of one that is built in
    team: str
    totp: bool
    offered: str  # the secret that waits for its first code
    recovery_codes: int
    sessions: tuple[Session, ...]


async def own(database: Database, viewer: Viewer) -> Own:
    async with database.transaction() as connection:
        row = await connection.fetchrow(SQL["me"], viewer.id)
        found = await sessions(connection, viewer, viewer.id)
    assert row is not None, "his session would have ended with him"
    return Own(
        role=ROLES.get(row["role"], row["role_name"]),
        team=row["team"] or "",
        totp=row["totp_secret"] is not None,
        offered=row["totp_offered"] or "",
        recovery_codes=row["recovery_codes"],
        sessions=found,
    )


async def sessions(
    connection: asyncpg.Connection, viewer: Viewer, operator: str | None, wanted: str = ""
) -> tuple[Session, ...]:
    """`wanted`: a number, a part of a name, an address."""
    rows = await connection.fetch(SQL["sessions"], operator, viewer.session, wanted, literal(wanted))
    return tuple(
        Session(
            id=row["id"],
            operator=row["operator"],
            name=row["name"],
            created_at=row["created_at"],
            seen_at=row["seen_at"],
            address=row["address"],
            browser=rules.browser(row["browser"]),
            mine=row["mine"],
        )
        for row in rows
    )


async def change_password(
    database: Database, viewer: Viewer, password: str, again: str, place: Place
) -> tuple[str, list[bytes]]:
    """What is wrong with the new one; else the other sessions, which have ended with the old one."""
    row = await database.row(SQL["me"], viewer.id)
    assert row is not None
    if fault := await store.new_fault(row["password_hash"], password, again, viewer.id, viewer.name):
        return fault, []
    hashed = await asyncio.to_thread(rules.HASHER.hash, password)
    async with database.transaction() as connection:
        await connection.execute(SQL["set_password"], viewer.id, hashed, False)
        ended = await connection.fetch(SQL["end_others"], viewer.id, viewer.session)
        await _note(connection, viewer, "password_changed", place)
    return "", [row["token_sha256"] for row in ended]


async def offer_totp(database: Database, viewer: Viewer) -> None:
    """A new secret; it counts once a code has shown that his app has it."""
    await database.fetch(SQL["offer_totp"], viewer.id, codes.secret())


async def forget_offer(database: Database, viewer: Viewer) -> None:
    await database.fetch(SQL["offer_totp"], viewer.id, None)


async def confirm_totp(database: Database, viewer: Viewer, written: str, place: Place) -> list[str]:
    """The recovery codes, told once; none if the code is wrong."""
    row = await database.row(SQL["me"], viewer.id)
    offered = row["totp_offered"] if row else None
    step = codes.step_of(offered, written, time.time()) if offered else None
    if step is None:
        return []
    async with database.transaction() as connection:
        if await connection.fetchval(SQL["confirm_totp"], viewer.id, offered, step) is None:
            return []
        made = await _new_codes(connection, viewer)
        await _note(connection, viewer, "totp_on", place)
    return made


async def new_codes(database: Database, viewer: Viewer, place: Place) -> list[str]:
    """In place of the old ones."""
    async with database.transaction() as connection:
        made = await _new_codes(connection, viewer)
        await _note(connection, viewer, "recovery_codes_made", place)
    return made


async def _new_codes(connection: asyncpg.Connection, viewer: Viewer) -> list[str]:
    made = codes.recovery_codes()
    await connection.execute(SQL["drop_codes"], viewer.id)
    await connection.execute(SQL["keep_codes"], viewer.id, [codes.hashed(code) for code in made])
    return made


async def totp_off(database: Database, viewer: Viewer, place: Place) -> None:
    async with database.transaction() as connection:
        await connection.execute(SQL["totp_off"], viewer.id)
        await _note(connection, viewer, "totp_off", place)


async def end_session(database: Database, viewer: Viewer, id: int, place: Place) -> list[bytes]:
    """One of his own; none if it is not."""
    async with database.transaction() as connection:
        ended = await connection.fetch(SQL["end_session"], id, viewer.id)
        if ended:
            await _note(connection, viewer, "session_ended", place)
    return [row["token_sha256"] for row in ended]


async def end_others(database: Database, viewer: Viewer, place: Place) -> list[bytes]:
    async with database.transaction() as connection:
        ended = await connection.fetch(SQL["end_others"], viewer.id, viewer.session)
        await _note(connection, viewer, "sessions_ended", place)
    return [row["token_sha256"] for row in ended]


async def _note(connection: asyncpg.Connection, viewer: Viewer, action: str, place: Place) -> None:
    await audit.note(connection, viewer.id, action, f"operator:{viewer.id}", place.address)
