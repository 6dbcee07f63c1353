"""What Redis holds and answers, as values. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from lq.config.documents import Agent
from lq.live.values import AgentState, ContactState, Lease, Reserved, Waiting

D = TypeVar("D")


def document(kind: type[D], body: Mapping[str, Any]) -> D:
    """A published document of a flat kind; unknown fields are ignored, for versions N and N−1 run together."""
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in body.items() if name in known})


def decision(answer: Mapping[str, Any]) -> Reserved | Waiting:
    """The answer to an ask."""
    return Reserved(**answer["reserved"]) if "reserved" in answer else Waiting(**answer["waiting"])


def agent_view(view: Mapping[str, Any], configured: Agent | None) -> AgentState:
    """The library's own picture of an agent."""
    return AgentState(**{**view, "queues": configured.queues if configured else ()})


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
    return Lease(**json.loads(text), expires=int(expires))


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
