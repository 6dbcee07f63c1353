"""A contact's snapshot as LQ-SDK shows it (DESIGN §9, Contact)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lq.ledger.fold import STATE_OF
from lq.ledger.shown import rfc3339_or_none


def contact_json(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The public form of `Contact.to_json()`. Numbers are whole: masking is the business of whoever shows them."""
    recording = snapshot["recording"]
    offer = snapshot["offer"]
    called = {call["leg"]: call["mode"] for call in snapshot.get("calls", ()) if call["verb"] == "monitor"}
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
        "purpose": snapshot.get("purpose") or None,
        "started_at": rfc3339_or_none(snapshot["started_at"]),
        "answered_at": rfc3339_or_none(snapshot["answered_at"]),
        "segments": [
            {
                "n": segment["n"],
                "kind": segment["kind"],
                "queue": segment["queue"] or None,
                "agent": segment["agent"] or None,
                "started_at": rfc3339_or_none(segment["started_at"]),
                "ended_at": rfc3339_or_none(segment["ended_at"]),
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
                "agent": leg.get("agent") or None,
                "mode": leg.get("mode") or called.get(leg["n"]),
                "place": leg.get("place") or None,
                "muted": bool(leg.get("muted")),
            }
            for leg in snapshot["legs"]
        ],
        "recordings": [_recording(recording, snapshot)] if recording else [],
        "recording_policy": snapshot.get("recording_rule", ""),
        "notice_policy": snapshot.get("notice_rule", ""),
        "notice_played_at": rfc3339_or_none(snapshot["notice_at"]),
        "help": snapshot.get("help") or None,
        "data": {},
    }


def _recording(recording: Mapping[str, Any], snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Pausing: it may still be recorded. Resuming: it may not yet."""
    names = {"pausing": "active", "stopping": "active", "resuming": "paused", "starting": "stopped"}
    state = names.get(recording["state"], recording["state"])
    reason = snapshot.get("recording_reason") or None
    return {"id": recording["id"], "kind": recording["kind"], "state": state, "reason": reason}


def _state(snapshot: Mapping[str, Any]) -> str:
    """What people call it: ringing, waiting, talking, held …"""
    if snapshot["state"] in ("talking", "conference"):
        going_on = [segment["kind"] for segment in snapshot["segments"] if not segment["ended_at"]]
        return STATE_OF.get(going_on[-1], "talking") if going_on else "talking"
    names = {
        "arriving": "started",
        "announcing": "ivr",
        "queueing": "queued",
        "offering": "ringing",
        "placing": "ringing",
        "calling": "ringing",
        "dialing": "ringing",
    }
    return names.get(snapshot["state"], str(snapshot["state"])).replace("ending", "ended").replace("over", "ended")
