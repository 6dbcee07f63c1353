"""Who is in: sessions in PostgreSQL under the sha256 of a 256-bit token that only the cookie holds."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from typing import Final

import asyncpg
import structlog

from lcall_web.common.database import Database, DatabaseAway, TooMuch, queries
from lcall_web.common.viewer import ROLES, Viewer, granted, reach

log = structlog.get_logger()

SQL: Final = queries(__file__)
REMEMBERED: Final = 4000
REMEMBERED_S: Final = 3600.0
TOKEN_LENGTH: Final = 43  # of 32 bytes in base64url


class Sessions:
    """Whoever was in when PostgreSQL went away stays in for an hour, so that he can go on watching his calls."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: OrderedDict[bytes, tuple[float, Viewer]] = OrderedDict()
        self._noted = True  # whoever was seen last

    async def find(self, token: str) -> Viewer | None:
        """Raises DatabaseAway for one who has not been seen here lately."""
        if len(token) != TOKEN_LENGTH:
            return None
        return await self.known(_hashed(token))

    async def known(self, session: bytes) -> Viewer | None:
        """The viewer of a session that goes on; None once it has ended."""
        try:
            row = await self._database.row(SQL["session"], session)
        except DatabaseAway:
            at, viewer = self._remembered.get(session, (0.0, None))
            if viewer is None or time.monotonic() - at > REMEMBERED_S:
                raise
            return viewer
        if row is None:
            self._remembered.pop(session, None)
            return None
        viewer = _viewer(session, row)
        self._remember(viewer)
        if row["stale"]:
            await self._note(session)
        return viewer

    async def _note(self, session: bytes) -> None:
        """Who cannot be noted as seen is in all the same: a PostgreSQL may read and not write for a while."""
        try:
            await self._database.fetch(SQL["seen"], session)
        except (DatabaseAway, TooMuch) as error:
            if self._noted:
                log.warning("sessions cannot be noted as seen", error=str(error))
            self._noted = False
        else:
            self._noted = True

    def _remember(self, viewer: Viewer) -> None:
        self._remembered[viewer.session] = (time.monotonic(), viewer)
        self._remembered.move_to_end(viewer.session)
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    async def end(self, session: bytes) -> None:
        await self._database.fetch(SQL["end"], session)
        self._remembered.pop(session, None)


def _viewer(session: bytes, row: asyncpg.Record) -> Viewer:
    return Viewer(
        id=row["operator"],
        name=row["name"],
        role=row["role"],
        role_name=ROLES.get(row["role"], row["role_name"]),
        session=session,
        csrf=row["csrf"],
        permissions=granted(row["role"], row["permissions"]),
        reach=reach(row["operator"], row["scope"], row["people"], row["queues"]),
        agent=row["agent"],
    )


async def begin(connection: asyncpg.Connection, operator: str, address: str, browser: str) -> str:
    """A new session in the caller's transaction; returns the token for the cookie, which is stored nowhere."""
    token = secrets.token_urlsafe(32)
    await connection.execute(SQL["forget_expired"])
    await connection.execute(SQL["begin"], _hashed(token), operator, secrets.token_urlsafe(32), address, browser)
    return token


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
