"""A contact's snapshot as LQ-SDK shows it (DESIGN §9, Contact)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def contact_json(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The public form of `Contact.to_json()`. Numbers are whole: masking is the business of whoever shows them."""
    recording = snapshot["recording"]
    offer = snapshot["offer"]
    return {
        "id": snapshot["id"],
        "direction": snapshot["direction"],
        "state": _state(snapshot),
        "number": snapshot["number"]["e164"] or snapshot["number"]["published"],
        "number_raw": snapshot["number"]["raw"],
        "number_published": snapshot["number"]["published"],
        "called": snapshot["called"]["published"],
        "queue": snapshot["queue"] or None,
        "agent": (offer["agent"] if offer else snapshot["agent"]) or None,
        "started_at": rfc3339(snapshot["started_at"]),
        "answered_at": rfc3339(snapshot["answered_at"]),
        "segments": [
            {
                "n": segment["n"],
                "kind": segment["kind"],
                "queue": segment["queue"] or None,
                "agent": segment["agent"] or None,
                "started_at": rfc3339(segment["started_at"]),
                "ended_at": rfc3339(segment["ended_at"]),
                "reason": segment["reason"] or None,
            }
            for segment in snapshot["segments"]
        ],
        "legs": [
            {
                "id": f"{snapshot['id']}.{leg['n']}",
                "party": leg["party"],
                "address": leg["address"],
                "state": leg["state"],
                "codec": leg["codec"] or None,
            }
            for leg in snapshot["legs"]
        ],
        "recordings": [{key: recording[key] for key in ("id", "kind", "state")}] if recording else [],
        "notice_played_at": rfc3339(snapshot["notice_at"]),
        "data": {},
    }


def _state(snapshot: Mapping[str, Any]) -> str:
    """What people call it: ringing, waiting, talking, held …"""
    if snapshot["state"] == "talking" and any(leg["held"] for leg in snapshot["legs"]):
        return "held"
    names = {
        "arriving": "started",
        "announcing": "ivr",
        "queueing": "queued",
        "offering": "ringing",
        "calling": "ringing",
    }
    return names.get(snapshot["state"], str(snapshot["state"])).replace("ending", "ended").replace("over", "ended")


def rfc3339(ms: int) -> str | None:
    """UTC with milliseconds; None for a time that has not come."""
    if not ms:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
