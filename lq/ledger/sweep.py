"""The sweeper (R11): recordings that were planned and never came to rest, told as failed so that nobody waits for them,
and contacts that nobody has any more, told as ended.

It may be wrong while a recorder is away for long, or a node from Redis: what is stored later, or the end that the
contact tells itself, counts, whatever was told before (fold.py).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import asyncpg
from redis.asyncio import Redis

from lq.ledger.events import RECORDING_SEQ, Event, lost_end
from lq.ledger.projection import ms
from lq.live import keys

AFTER_S: Final = 3600  # the end of the contact
WITHOUT_END_S: Final = 86_400  # after the plan, of a contact whose end nobody wrote
MOST: Final = 500  # at a time
OPEN_S: Final = 3600  # of contacts that are younger Redis need not be asked: somebody may be about to say them again
MOST_OPEN: Final = 5_000  # asked for at once

_UNFINISHED: Final = """
select recording.id, recording.contact_id, recording.state
from recording left join contact on contact.id = recording.contact_id
where recording.state in ('planned', 'active', 'closing')
  and least(contact.ended_at + make_interval(secs => $1), recording.planned_at + make_interval(secs => $2)) < now()
order by recording.id limit $3"""
_OPEN: Final = """
select id, coalesce((select max(at) from event where subject = contact.id), started_at) as at from contact
where ended_at is null and started_at < now() - make_interval(secs => $1) order by started_at limit $2"""


async def unfinished(connection: asyncpg.Connection, now: int) -> list[Event]:
    """An event for each of them; it may be told again until the journal has stored it."""
    rows = await connection.fetch(_UNFINISHED, AFTER_S, WITHOUT_END_S, MOST)
    return [_failed(row["id"], row["contact_id"], row["state"], now) for row in rows]


async def missing(connection: asyncpg.Connection, redis: Redis) -> dict[str, int]:
    """Contacts that go on in the books and that no node has any more (a power cut takes Redis's last second, and not
    PostgreSQL's): id -> when was the last that is known of each, ms. One of them may just be ending, or be said again
    to a Redis that has forgotten: it counts when the next sweep finds it too, with all between them read."""
    rows = await connection.fetch(_OPEN, OPEN_S, MOST_OPEN)
    if not rows:
        return {}
    alive = await redis.smismember(keys.CONTACTS, [row["id"] for row in rows])
    return {row["id"]: ms(row["at"]) for row, lives in zip(rows, alive, strict=True) if not lives}


def ends(lost: dict[str, int], before: Collection[str], now: int) -> list[Event]:
    """Of those that were missing before too: when they were heard of last, or they would have talked for hours."""
    return [lost_end(id, at, now) for id, at in lost.items() if id in before][:MOST]


def _failed(recording: str, contact: str, state: str, now: int) -> Event:
    reason = f"not stored long after its contact has ended; it was {state}"
    data = {"contact": contact, "reason": reason}
    return Event("recording_failed", now, recording, RECORDING_SEQ["recording_failed"], data)
