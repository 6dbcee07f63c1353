"""What was with a customer before: his calls, and what was noted of him; the latest first, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import asyncpg

from lcall_web.common import codes
from lcall_web.common.database import queries
from lcall_web.common.viewer import LISTEN, Viewer
from lcall_web.customers import rules

SQL: Final = queries(__file__)
CALLS: Final = 20
NOTES: Final = 50


@dataclass(frozen=True, slots=True)
class Note:
    body: str
    at: datetime
    author: str
    contact: str


@dataclass(frozen=True, slots=True)
class PastCall:
    id: str
    direction: str
    agent: str
    queue: str
    started_at: datetime
    talk_s: float
    result: str
    recording: str
    codes: tuple[str, ...]  # of the wrap-ups, by their names
    his: bool  # the viewer may open it


async def notes(
    connection: asyncpg.Connection, customer: int | None, contact: str | None, after: tuple[datetime, int] | None = None
) -> tuple[tuple[Note, ...], str]:
    """A page, and where the next one is; "": there is none."""
    rows = await connection.fetch(SQL["notes"], customer, contact, NOTES + 1, *(after or (None, None)))
    found = tuple(Note(row["body"], row["at"], row["author"], row["contact"] or "") for row in rows[:NOTES])
    if len(rows) <= NOTES or customer is None:
        return found, ""
    return found, _next(customer, "notes", rules.cursor(rows[NOTES - 1]["at"], rows[NOTES - 1]["id"]))


async def history(
    connection: asyncpg.Connection,
    viewer: Viewer,
    found: Sequence[str],
    customer: int,
    language: str,
    after: tuple[datetime, str] | None = None,
) -> tuple[tuple[PastCall, ...], str]:
    """Calls with the numbers that he has now, and those that were about him from any other."""
    rows = await connection.fetch(SQL["history"], list(found), customer, CALLS + 1, *(after or (None, None)))
    coded = any(row["codes"] for row in rows)
    named = await codes.paths(connection.fetch, language) if coded else {}
    calls = tuple(
        PastCall(
            id=row["contact_id"],
            direction=row["direction"],
            agent=row["agent_name"] or row["agent"] or "",
            queue=(row["queue_name_en"] if language == "en" else "") or row["queue_name"] or row["queue"] or "",
            started_at=row["started_at"],
            talk_s=row["talk_s"],
            result=row["result"],
            recording=(row["recording_state"] or "") if viewer.may(LISTEN) else "",
            codes=tuple(named.get(code, code) for code in row["codes"]),
            his=viewer.reach.holds_call((row["agent"], *row["agents"]), (row["queue"], *row["queues"])),
        )
        for row in rows[:CALLS]
    )
    last = rows[CALLS - 1] if len(rows) > CALLS else None
    return calls, _next(customer, "calls", rules.cursor(last["started_at"], last["contact_id"])) if last else ""


def _next(customer: int, what: str, cursor: str) -> str:
    return f"/customers/{customer}/{what}?" + urlencode({"cursor": cursor})
