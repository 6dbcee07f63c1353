"""Who may come in: the attempt is counted, the password compared, then the second factor, then the session begun and
written down."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg

from lcall_web.accounts import codes, passwords, rules
from lcall_web.accounts.rules import Step
from lcall_web.common import audit, sessions
from lcall_web.common.database import Database, queries
from lcall_web.common.viewer import Viewer

SQL: Final = queries(__file__)
TOKEN_LENGTH: Final = 43  # of 32 bytes in base64url

Refusal = Literal["wrong", "wrong_code", "too_often", "over"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody comes from."""

    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of it: the token of a session, or of the step that is still to be taken, or a refusal."""

    session: str = ""
    token: str = ""
    step: Step | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """One whose password was right."""

    operator: str
    name: str
    step: Step
    password_hash: str
    totp_secret: str | None


async def log_in(database: Database, id: str, password: str, place: Place) -> Entry:
    id = rules.readable(id)
    if await _too_often(database, id, place):
        return Entry(refusal="too_often")
    row = await database.row(SQL["operator"], id)
    stored = None if row is None else str(row["password_hash"])
    if not await asyncio.to_thread(rules.matches, stored, password) or stored is None or row is None:
        return Entry(refusal="wrong")
    better = await asyncio.to_thread(rules.HASHER.hash, password) if rules.needs_rehash(stored) else None
    async with database.transaction() as connection:
        if better is not None:
            await connection.execute(SQL["rehash"], id, better, stored)
        if row["totp"]:
            await connection.execute(SQL["forgive_address"], _address(place))
            return await _next(connection, id, "code")
        return await _enter(connection, id, place)


async def waiting(database: Database, token: str, step: Step) -> Waiting | None:
    """Who has this step before him."""
    if len(token) != TOKEN_LENGTH:
        return None
    row = await database.row(SQL["step"], _hashed(token))
    return Waiting(**dict(row)) if row is not None and row["step"] == step else None


async def second_factor(database: Database, token: str, written: str, place: Place) -> Entry:
    """A code of his app, or one of those that he put away for the day when he has lost it."""
    who = await waiting(database, token, "code")
    if who is None:
        return Entry(refusal="over")
    if await _too_often(database, who.operator, place):
        return Entry(refusal="too_often")
    async with database.transaction() as connection:
        recovery = await _used(connection, who, written)
        if recovery is None:
            return Entry(refusal="wrong_code")
        if await connection.fetchval(SQL["end_step"], _hashed(token)) is None:
            return Entry(refusal="over")
        if recovery:
            await audit.note(connection, who.operator, "recovery_code_used", f"operator:{who.operator}", place.address)
        return await _enter(connection, who.operator, place)


async def _used(connection: asyncpg.Connection, who: Waiting, written: str) -> bool | None:
    """Whether it was a recovery code; None: it was no code at all, or one that was used before."""
    step = codes.step_of(who.totp_secret, written, time.time()) if who.totp_secret else None
    if step is not None:
        return False if await connection.fetchval(SQL["use_totp"], who.operator, step) else None
    return True if await connection.fetchval(SQL["use_recovery"], who.operator, codes.hashed(written)) else None


async def first_password(database: Database, token: str, password: str, again: str, place: Place) -> Entry | str:
    """One of his own in place of one that somebody else knows; what is wrong with it, marked."""
    who = await waiting(database, token, "password")
    if who is None:
        return Entry(refusal="over")
    if fault := await new_fault(who.password_hash, password, again, who.operator, who.name):
        return fault
    hashed = await asyncio.to_thread(rules.HASHER.hash, password)
    async with database.transaction() as connection:
        if await connection.fetchval(SQL["end_step"], _hashed(token)) is None:
            return Entry(refusal="over")
        await connection.execute(SQL["set_password"], who.operator, hashed, False)
        await audit.note(connection, who.operator, "password_changed", f"operator:{who.operator}", place.address)
        return await _enter(connection, who.operator, place)


async def new_fault(stored: str, password: str, again: str, id: str, name: str) -> str:
    if fault := passwords.fault(password, id, name):
        return fault
    if password != again:
        return passwords.DIFFERENT
    return passwords.SAME if await asyncio.to_thread(rules.matches, stored, password) else ""


async def _enter(connection: asyncpg.Connection, id: str, place: Place) -> Entry:
    """Everything was right: a session, or first a password of his own."""
    row = await connection.fetchrow(SQL["operator"], id)
    if row is not None and row["must_change"]:
        return await _next(connection, id, "password")
    await connection.execute(SQL["forgive"], *_subjects(id, place))
    await connection.execute(SQL["logged_in"], id)
    session = await sessions.begin(connection, id, place.address, place.browser)
    await audit.note(connection, id, "login", f"operator:{id}", place.address)
    return Entry(session=session)


async def _next(connection: asyncpg.Connection, id: str, step: Step) -> Entry:
    token = secrets.token_urlsafe(32)
    await connection.execute(SQL["forget_steps"])
    await connection.execute(SQL["keep_step"], _hashed(token), id, step)
    return Entry(token=token, step=step)


async def _too_often(database: Database, id: str, place: Place) -> bool:
    """Counted before anything is compared, so that no number of simultaneous attempts gets past the limit."""
    subjects = _subjects(id, place)
    await database.fetch(SQL["attempt"], *subjects)
    attempts = await database.row(SQL["attempts"], *subjects, rules.WINDOW_MIN)
    assert attempts is not None
    return rules.too_often(attempts["account"], attempts["address"])


def _subjects(id: str, place: Place) -> tuple[str, str]:
    return f"account:{id}", _address(place)


def _address(place: Place) -> str:
    return f"address:{place.address}"


async def knows_password(database: Database, viewer: Viewer, password: str, place: Place) -> Refusal | None:
    """Asked again before what a borrowed screen must not do; counted as an attempt to log in is."""
    if await _too_often(database, viewer.id, place):
        return "too_often"
    row = await database.row(SQL["operator"], viewer.id)
    stored = None if row is None else str(row["password_hash"])
    if not await asyncio.to_thread(rules.matches, stored, password):
        return "wrong"
    await database.fetch(SQL["forgive"], *_subjects(viewer.id, place))
    return None


async def log_out(database: Database, known: sessions.Sessions, viewer: Viewer, address: str) -> None:
    async with database.transaction() as connection:
        await audit.note(connection, viewer.id, "logout", f"operator:{viewer.id}", address)
    await known.end(viewer.session)


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
