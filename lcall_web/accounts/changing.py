"""Changes of accounts and roles: one after another, and never so that nobody is left to manage them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from lcall_web.accounts.store import SQL, Place
from lcall_web.common import audit
from lcall_web.common.database import Database
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import Viewer

STALE: Final = mark("这项内容刚被别人修改过，请核对后再保存。")
LAST: Final = mark("这样就没有人能管理账号了，至少要留下一位。")


class Refused(Exception):
    """`field`: beside which the reason stands; "" for the whole form."""

    def __init__(self, reason: str, field: str = "", status: int = 422) -> None:
        super().__init__(reason)
        self.reason, self.field, self.status = reason, field, status


@asynccontextmanager
async def changing(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """Raises Refused, and nothing is done, if nobody could manage accounts after it."""
    async with database.transaction() as connection:
        await connection.execute(SQL["one_at_a_time"])
        yield connection
        if not await connection.fetchval(SQL["administrators"]):
            raise Refused(LAST)


async def note(
    connection: asyncpg.Connection, viewer: Viewer, action: str, object: str, place: Place, **detail: Any
) -> None:
    await audit.note(connection, viewer.id, action, object, place.address, **detail)
