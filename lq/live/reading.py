"""What Redis holds and answers, as values. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from lq.config.documents import Agent
from lq.ledger.events import Event
from lq.live.values import (
    AgentResult,
    AgentState,
    ChannelResult,
    Committed,
    ContactState,
    EngageResult,
    GateResult,
    Gathering,
    HoldResult,
    Lease,
    Reserved,
    Waiting,
)

D = TypeVar("D")


def document(kind: type[D], body: Mapping[str, Any]) -> D:
    """A flat value of this kind; unknown fields are ignored, for versions N and N−1 run together."""
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in body.items() if name in known})


def decision(answer: Mapping[str, Any]) -> Reserved | Waiting:
    """The answer to an ask."""
    return document(Reserved, answer["reserved"]) if "reserved" in answer else document(Waiting, answer["waiting"])


def committed(answer: Mapping[str, Any]) -> Committed:
    """The answer to a commit; the library's empty list is null or an object."""
    return Committed(
        tuple(document(AgentResult, result) for result in answer.get("agents") or ()),
        tuple(document(ChannelResult, result) for result in answer.get("channels") or ()),
        tuple(document(HoldResult, result) for result in answer.get("holds") or ()),
        tuple(document(EngageResult, result) for result in answer.get("engaged") or ()),
        tuple(_gate_result(result) for result in answer.get("gate") or ()),
        document(Gathering, answer["conference"]) if answer.get("conference") else None,
    )


def _gate_result(result: Mapping[str, Any]) -> GateResult:
    return document(GateResult, {**result, "listed": list(result.get("listed") or ())})


def agent_view(view: Mapping[str, Any], configured: Agent | None) -> AgentState:
    """The library's own picture of an agent."""
    return document(AgentState, {**view, "queues": configured.queues if configured else ()})


def agent_hash(id: str, h: Mapping[str, str], configured: Agent) -> AgentState:
    return AgentState(
        id=id,
        name=configured.name,
        state=h.get("state") or "signed_out",
        since=int(h.get("since") or 0),
        reason=h.get("reason") or None,
        next=h.get("next") or None,
        phone=h.get("phone") or None,
        contact=h.get("contact") or None,
        reservation=int(h["fence"]) if h.get("fence") else None,
        code=h.get("code") or None,
        queues=configured.queues,
    )


def last_word(id: str, h: Mapping[str, str], seq: int) -> Event:
    """The event that told an agent's present state."""
    data: dict[str, Any] = {"agent": id, "state": h["state"], "previous": h["state"], "since": int(h["since"])}
    data |= {name: h[name] for name in ("reason", "next", "phone", "contact", "code") if h.get(name)}
    return Event("agent_state_changed", int(h["since"]), f"agent:{id}", seq, data)


def contact_hash(id: str, h: Mapping[str, str]) -> ContactState:
    return ContactState(
        id=id,
        owner=h["owner"],
        epoch=int(h["epoch"]),
        snapshot=h.get("doc", ""),
        agent=h.get("agent"),
        fence=int(h["fence"]) if "fence" in h else None,
        lanes={lane: int(score) for lane, score in json.loads(h.get("lanes", "{}")).items()},
        since=int(h["since"]) if "since" in h else None,
    )


def lease(text: str, expires: float) -> Lease:
    return document(Lease, {**json.loads(text), "expires": int(expires)})


def event(id: str, fields: Mapping[str, str]) -> Event | None:
    """None: it is no event, or of a newer version."""
    try:
        return Event.from_fields(id, fields)
    except (ValueError, TypeError):
        return None


def event_key(fields: Mapping[str, str]) -> tuple[str, int] | None:
    """(subject, seq) of a stream entry of any version; None: it is no event."""
    seq = fields.get("seq", "")
    return (fields["subject"], int(seq)) if seq.isdecimal() and "subject" in fields else None


def message(fields: Mapping[str, str]) -> dict[str, Any]:
    """One of an inbox; {} for what is none, so that whoever reads on comes past it."""
    try:
        found = json.loads(fields["m"])
    except (KeyError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def stream_entries(answer: Any) -> list[tuple[str, dict[str, str]]]:
    """The entries of the one stream that was read (RESP2: list of pairs, RESP3: mapping)."""
    if not answer:
        return []
    streams = answer.values() if isinstance(answer, Mapping) else [entries for _, entries in answer]
    return [(id, dict(pairs)) for batch in streams for id, pairs in _flat(batch) if pairs]


def _flat(batch: Any) -> list[tuple[str, Any]]:
    # RESP3 wraps the entries of a stream once more
    if batch and isinstance(batch[0], list):
        return [entry for part in batch for entry in part]
    return list(batch)
