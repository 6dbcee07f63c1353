"""The ledger's tables in PostgreSQL: events in, and the folds of what they touch written anew.

Every function runs in the caller's transaction, so events, folds and checkpoint are there together or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from lq.ledger import fold, intervals
from lq.ledger.events import Event
from lq.ledger.shown import rfc3339, rfc3339_or_none
from lq.ledger.views import AgentInterval, Cdr, Contact, Recording, Segment

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

INSERT_EVENTS: Final = """
insert into event (subject, seq, type, v, at, contact, data, stream_ms, stream_n)
select * from unnest($1::text[], $2::bigint[], $3::text[], $4::smallint[], $5::timestamptz[], $6::text[],
                     $7::jsonb[], $8::bigint[], $9::bigint[])
on conflict (subject, seq) do nothing"""

# Which of these are not what stands there. A recorder that is started again may tell the same state of a recording with
# another time or reason; anybody else repeats an event as it was.
DISPLACED: Final = """
select given.n from unnest($1::text[], $2::bigint[], $3::text[], $4::jsonb[]) with ordinality
    as given (subject, seq, type, data, n) join event on event.subject = given.subject and event.seq = given.seq
where event.type <> given.type or event.type not like 'recording%' and event.data <> given.data order by given.n"""

# All that is known of these contacts: their own events and those that name them.
EVENTS_OF_CONTACTS: Final = """
select subject, seq, type, at, data, subject as of_contact from event where subject = any($1::text[])
union all
select subject, seq, type, at, data, contact from event where contact = any($1::text[]) and type like 'recording%'"""

# From the event before the earliest new one: that is whose interval the new one ends.
EVENTS_OF_AGENT: Final = """
select subject, seq, type, at, data from event
where subject = $1 and seq >= coalesce((select max(seq) from event where subject = $1 and seq < $2), $2)
order by seq"""

FORGET_INTERVALS: Final = "delete from agent_interval where agent = $1 and seq >= $2"
INSERT_INTERVAL: Final = """
insert into agent_interval (agent, seq, state, started_at, ended_at, reason, phone, contact, code)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""

WRAP_UPS: Final = """
select agent, seq, state, started_at, ended_at, reason, phone, contact, code from agent_interval
where contact = any($1::text[]) and state = 'wrap_up'"""


def _upsert(table: str, key: str, columns: Sequence[str]) -> str:
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column != key)
    return f"insert into {table} ({', '.join(columns)}) values ({places}) on conflict ({key}) do update set {changes}"


CONTACT_COLUMNS: Final = (
    *("id", "direction", "state", "number", "number_raw", "number_published", "called", "called_raw"),
    *("called_published", "trunk", "phone", "queue", "agent", "started_at", "ended_at", "notice_played_at", "body"),
)
UPSERT_CONTACT: Final = _upsert("contact", "id", CONTACT_COLUMNS)
UPSERT_CDR: Final = _upsert("cdr", "contact_id", [f.name for f in fields(Cdr)])
UPSERT_RECORDING: Final = _upsert("recording", "id", [f.name for f in fields(Recording)])
INSERT_SEGMENT: Final = """
insert into segment (contact_id, n, kind, queue, agent, started_at, ended_at, reason, outcome, duration_s)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""


def moment(ms: int) -> datetime:
    """A ledger time as PostgreSQL wants it, exact to the millisecond."""
    return EPOCH + timedelta(milliseconds=ms)


def ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def stored_event(row: asyncpg.Record) -> Event:
    """A row of `event` with its place in the stream."""
    return Event(
        **{"type": row["type"], "at": ms(row["at"]), "subject": row["subject"], "seq": row["seq"]},
        **{"data": json.loads(row["data"]), "id": f"{row['stream_ms']}-{row['stream_n']}", "v": row["v"]},
    )


async def project(connection: asyncpg.Connection, events: Sequence[Event]) -> list[Event]:
    """Stores the events that are new and folds anew whatever they touch; returns those whose place another one has."""
    displaced = await _insert(connection, events)
    touched = {name for event in events if (name := _contact_of(event)) is not None}
    touched |= await _agents(connection, events)
    if touched:
        await _contacts(connection, sorted(touched))
    return displaced


def _contact_of(event: Event) -> str | None:
    if event.type.startswith(("contact_", "leg_")):
        return event.subject
    if event.type.startswith("recording_"):
        return str(event.data["contact"])
    return None


async def _insert(connection: asyncpg.Connection, events: Sequence[Event]) -> list[Event]:
    rows = [_event_row(event) for event in events]
    columns = [list(column) for column in zip(*rows, strict=True)]
    inserted = await connection.execute(INSERT_EVENTS, *columns)
    if inserted == f"INSERT 0 {len(events)}":
        return []
    subjects, seqs, types, data = columns[0], columns[1], columns[2], columns[6]
    return [events[row["n"] - 1] for row in await connection.fetch(DISPLACED, subjects, seqs, types, data)]


def _event_row(event: Event) -> tuple[Any, ...]:
    stream_ms, stream_n = (int(part) for part in event.id.split("-"))
    about = event.data.get("contact") if ":" in event.subject or event.type.startswith("recording_") else None
    data = json.dumps(event.data, ensure_ascii=False)
    return (
        *(event.subject, event.seq, event.type, event.v, moment(event.at), about or None, data),
        *(stream_ms, stream_n),
    )


async def refold(connection: asyncpg.Connection, contacts: Sequence[str]) -> None:
    """Writes the folds of these contacts anew from their events, which are the truth (after a change of a fold)."""
    await _contacts(connection, contacts, again=True)


async def refold_agents(connection: asyncpg.Connection, subjects: Sequence[str]) -> None:
    await _intervals(connection, dict.fromkeys(subjects, 0))


# -- agents ------------------------------------------------------------------------------------------------------------


async def _agents(connection: asyncpg.Connection, events: Sequence[Event]) -> set[str]:
    """Writes the intervals that the events begin or end; returns the contacts whose wrap-up is among them."""
    earliest: dict[str, int] = {}
    for event in events:
        if event.type == "agent_state_changed":
            earliest[event.subject] = min(event.seq, earliest.get(event.subject, event.seq))
    found = await _intervals(connection, earliest)
    return {interval.contact for interval in found if interval.contact and interval.state == "wrap_up"}


async def _intervals(connection: asyncpg.Connection, earliest: Mapping[str, int]) -> list[AgentInterval]:
    """Of each agent from the event before that seq on."""
    found: list[AgentInterval] = []
    for subject, seq in sorted(earliest.items()):
        rows = await connection.fetch(EVENTS_OF_AGENT, subject, seq)
        found += fold.agent_intervals(map(_event, rows))
        await connection.execute(FORGET_INTERVALS, subject.removeprefix("agent:"), rows[0]["seq"])
    await connection.executemany(INSERT_INTERVAL, [_interval_row(interval) for interval in found])
    return found


def _interval_row(interval: AgentInterval) -> tuple[Any, ...]:
    return (
        *(interval.agent, interval.seq, interval.state, moment(interval.started_at)),
        *(_moment(interval.ended_at), interval.reason, interval.phone, interval.contact, interval.code),
    )


def _interval(row: asyncpg.Record) -> AgentInterval:
    times = {"started_at": ms(row["started_at"]), "ended_at": _ms(row["ended_at"])}
    return AgentInterval(**{**dict(row), **times})


# -- contacts ----------------------------------------------------------------------------------------------------------


async def _contacts(connection: asyncpg.Connection, ids: Sequence[str], *, again: bool = False) -> None:
    events: dict[str, list[Event]] = {id: [] for id in ids}
    for row in await connection.fetch(EVENTS_OF_CONTACTS, ids):
        events[row["of_contact"]].append(_event(row))
    wrap_ups: dict[str, list[AgentInterval]] = {id: [] for id in ids}
    for row in await connection.fetch(WRAP_UPS, ids):
        wrap_ups[row["contact"]].append(_interval(row))
    views = [view for id in ids if (view := fold.contact(events[id], wrap_ups[id])) is not None]
    recorded = [recording for id in ids for recording in fold.recordings(events[id])]
    await _write(connection, views, recorded, again=again)


async def _write(
    connection: asyncpg.Connection, views: Sequence[Contact], recorded: Sequence[Recording], *, again: bool
) -> None:
    await connection.executemany(UPSERT_CONTACT, [_contact_row(view) for view in views])
    ids = [view.id for view in views]
    quarters = await intervals.of_contacts(connection, ids)
    await connection.execute("delete from segment where contact_id = any($1)", ids)
    segments = [_segment_row(view.id, segment) for view in views for segment in view.segments]
    await connection.executemany(INSERT_SEGMENT, segments)
    quarters |= {intervals.quarter(s) for view in views for s in view.segments if s.kind == "queue"}
    await intervals.count(connection, quarters, again=again)
    records = [record for view in views if (record := fold.cdr(view)) is not None]
    await connection.executemany(UPSERT_CDR, [_cdr_row(record) for record in records])
    await connection.executemany(UPSERT_RECORDING, [_recording_row(recording) for recording in recorded])


def _contact_row(view: Contact) -> tuple[Any, ...]:
    values = {column: getattr(view, column, None) for column in CONTACT_COLUMNS}
    values["body"] = json.dumps(contact_json(view), ensure_ascii=False)
    return tuple(_moment(value) if name.endswith("_at") else value for name, value in values.items())


def _segment_row(contact: str, segment: Segment) -> tuple[Any, ...]:
    return (
        *(contact, segment.n, segment.kind, segment.queue, segment.agent, moment(segment.started_at)),
        *(_moment(segment.ended_at), segment.reason, segment.outcome, segment.duration_s),
    )


def _cdr_row(record: Cdr) -> tuple[Any, ...]:
    values = {f.name: getattr(record, f.name) for f in fields(Cdr)}
    return tuple(_moment(value) if name.endswith("_at") else value for name, value in values.items())


def _recording_row(recording: Recording) -> tuple[Any, ...]:
    values = {f.name: getattr(recording, f.name) for f in fields(Recording)}
    values["gaps"] = json.dumps(values["gaps"])
    return tuple(_moment(value) if name.endswith("_at") else value for name, value in values.items())


def contact_json(view: Contact) -> dict[str, Any]:
    """A contact as LQ-SDK shows it (DESIGN §9); what it has beyond that stands in `data`."""
    return {
        "id": view.id,
        "direction": view.direction,
        "state": view.state,
        "number": view.number or view.number_published,
        "number_raw": view.number_raw,
        "number_published": view.number_published,
        "called": view.called_published or view.called,
        "queue": view.queue,
        "agent": view.agent,
        "purpose": view.purpose,
        "started_at": rfc3339(view.started_at),
        "answered_at": rfc3339_or_none(view.answered_at),
        "segments": [
            {
                "n": segment.n,
                "kind": segment.kind,
                "queue": segment.queue,
                "agent": segment.agent,
                "started_at": rfc3339(segment.started_at),
                "ended_at": rfc3339_or_none(segment.ended_at),
                "reason": segment.reason,
            }
            for segment in view.segments
        ],
        "legs": [
            {"id": leg.id, "party": leg.party, "address": leg.address, "state": leg.state, "codec": leg.codec}
            for leg in view.legs
        ],
        "recordings": [
            {"id": one.id, "kind": one.kind, "state": one.state, "reason": one.reason} for one in view.recordings
        ],
        "notice_played_at": rfc3339_or_none(view.notice_played_at),
        "data": {"ended_at": rfc3339_or_none(view.ended_at), "result": view.result, "ended_by": view.ended_by},
    }


def _event(row: asyncpg.Record) -> Event:
    return Event(row["type"], ms(row["at"]), row["subject"], row["seq"], json.loads(row["data"]))


def _moment(at: int | None) -> datetime | None:
    return None if at is None else moment(at)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms(at)
