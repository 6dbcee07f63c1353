"""The sweeper (R11): recordings that were planned and never came to rest, told as failed so that nobody waits for them.

It may be wrong while the recorder is away for long: what is stored later counts, whatever was told before (fold.py).
"""

from __future__ import annotations

from typing import Final

import asyncpg

from lq.ledger.events import RECORDING_SEQ, Event

AFTER_S: Final = 3600  # the end of the contact
WITHOUT_END_S: Final = 86_400  # after the plan, of a contact whose end nobody wrote
MOST: Final = 500  # at a time

_UNFINISHED: Final = """
select recording.id, recording.contact_id, recording.state
from recording left join contact on contact.id = recording.contact_id
where recording.state in ('planned', 'active', 'closing')
  and least(contact.ended_at + make_interval(secs => $1), recording.planned_at + make_interval(secs => $2)) < now()
order by recording.id limit $3"""


async def unfinished(connection: asyncpg.Connection, now: int) -> list[Event]:
    """An event for each of them; it may be told again until the journal has stored it."""
    rows = await connection.fetch(_UNFINISHED, AFTER_S, WITHOUT_END_S, MOST)
    return [_failed(row["id"], row["contact_id"], row["state"], now) for row in rows]


def _failed(recording: str, contact: str, state: str, now: int) -> Event:
    reason = f"not stored long after its contact has ended; it was {state}"
    data = {"contact": contact, "reason": reason}
    return Event("recording_failed", now, recording, RECORDING_SEQ["recording_failed"], data)
