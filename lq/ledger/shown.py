"""An event of the ledger as it is shown outside: by LQ-SDK and in what webhooks are sent. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from lq.ledger.events import Event

TIMES: Final = ("since", "started_at")  # keys of `data` that are times: ms in the ledger, RFC 3339 outside


def event_json(event: Event) -> dict[str, Any]:
    data = {key: rfc3339(value) if key in TIMES and value else value for key, value in event.data.items()}
    return {
        **{"id": event.id, "v": event.v, "type": event.type, "at": rfc3339(event.at)},
        **{"subject": event.subject, "seq": event.seq, "data": data},
    }


def without_keys(event: Event) -> Event:
    """Without what the caller pressed: a card's digits may be among it."""
    if not any(key.startswith("pii_") for key in event.data):
        return event
    return replace(event, data={key: value for key, value in event.data.items() if not key.startswith("pii_")})


def rfc3339(at: int) -> str:
    """A ledger time: UTC with milliseconds."""
    return rfc3339_of(datetime.fromtimestamp(at / 1000, UTC))


def rfc3339_or_none(at: int | None) -> str | None:
    """None for a time that has not come (None, 0)."""
    return rfc3339(at) if at else None


def rfc3339_of(at: datetime) -> str:
    """The same of a moment in UTC, as PostgreSQL gives it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
