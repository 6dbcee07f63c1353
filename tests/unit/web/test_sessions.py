"""Who is in stays in, whatever PostgreSQL does about it."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from lcall_web.common.database import DatabaseAway, TooMuch
from lcall_web.common.sessions import SQL, Sessions

SESSION = bytes(32)


class Database:
    """Of one who was last noted as seen long ago; `fails`: when something is written."""

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.written = 0

    async def row(self, query: str, session: bytes) -> dict[str, Any]:
        about = {"operator": "1001", "name": "王芳", "role": "agent", "role_name": "", "csrf": "", "permissions": ()}
        return {**about, "scope": "own", "people": None, "queues": None, "agent": True, "stale": True}

    async def fetch(self, query: str, session: bytes) -> None:
        assert query == SQL["seen"]
        if self.fails is not None:
            raise self.fails
        self.written += 1


@pytest.mark.parametrize("error", [DatabaseAway("read-only"), TooMuch("locked")])
async def test_who_cannot_be_noted_as_seen_is_in_and_it_is_logged_once(error: Exception) -> None:
    database = Database()
    sessions = Sessions(database)  # type: ignore[arg-type]
    with capture_logs() as logs:
        for fails in (error, error, None, error):
            database.fails = fails
            found = await sessions.known(SESSION)
            assert found is not None and found.id == "1001"
    assert [line["log_level"] for line in logs] == ["warning", "warning"], "once each time that it begins"
    assert database.written == 1
