"""What people did that others may ask about later: who, when, what, from where."""

from __future__ import annotations

import json
from typing import Any, Final

import asyncpg

from lcall_web.common.database import queries

SQL: Final = queries(__file__)


async def note(
    connection: asyncpg.Connection, operator: str, action: str, object: str, address: str, /, **detail: Any
) -> None:
    """In the caller's transaction: what cannot be written down is not done."""
    await connection.execute(SQL["audit"], operator, action, object, address, json.dumps(detail, ensure_ascii=False))
