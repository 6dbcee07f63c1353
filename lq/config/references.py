"""Who names whom among the configuration documents. Pure."""

from __future__ import annotations

from typing import Final

from lq.config.validation import TARGETS, FieldError, Kinds, forwards
from lq.ivr import flow as ivr

Named = tuple[str, str, str]  # field, kind, id
LEVELS: Final = 3  # of wrap-up codes


def _queues_of_agents(kinds: Kinds) -> list[Named]:
    return [
        (f"agents/{agent}/queues", "queues", queue)
        for agent, body in kinds.get("agents", {}).items()
        for queue in body.get("queues", ())
    ]


def _targets_of_numbers(kinds: Kinds) -> list[Named]:
    found: list[Named] = []
    for number, body in kinds.get("numbers", {}).items():
        for field in ("target", "closed"):
            target, _, id = str(body.get(field, "")).partition(":")
            if target in TARGETS:
                found.append((f"numbers/{number}/{field}", TARGETS[target], id))
    return found


def _lists_of_names(kinds: Kinds) -> list[Named]:
    """Fields that are lists of ids, each called as the kind that it names."""
    return [
        (f"{kind}/{id}/{field}", field, name)
        for kind, field in (
            *(("routes", "trunks"), ("routes", "agents"), ("routes", "queues")),
            *(("lists", "purposes"), ("wrap_up_codes", "queues")),
        )
        for id, body in kinds.get(kind, {}).items()
        for name in body.get(field, ())
    ]


def _orders_of_queues(kinds: Kinds) -> list[Named]:
    return [
        (f"queues/{queue}/agent_order", "agents", agent)
        for queue, body in kinds.get("queues", {}).items()
        for agent in body.get("agent_order", ())
    ]


def _agents_of_phones(kinds: Kinds) -> list[Named]:
    phones = kinds.get("phones", {}).items()
    return [(f"phones/{id}/agent", "agents", body["agent"]) for id, body in phones if body.get("agent")]


def _calendars(kinds: Kinds) -> list[Named]:
    return [
        (f"{kind}/{id}/calendar", "calendars", body["calendar"])
        for kind in ("numbers", "routes", "purposes")
        for id, body in kinds.get(kind, {}).items()
        if body.get("calendar")
    ]


def _named_by_tokens(kinds: Kinds) -> list[Named]:
    return [
        (f"tokens/{token}/{kind}", kind, id)
        for token, body in kinds.get("tokens", {}).items()
        for kind in ("agents", "queues")
        for id in body.get(kind, ())
    ]


def _targets_of_forwards(kinds: Kinds) -> list[Named]:
    return [
        (f"phones/{phone}/forward.{why}", f"{kind}s", id)
        for phone, body in kinds.get("phones", {}).items()
        for why, to in forwards(body.get("forward", {}))
        for kind, colon, id in (to.partition(":"),)
        if colon
    ]


def _targets_of_flows(kinds: Kinds) -> list[Named]:
    return [
        (f"flows/{flow}/nodes.{name}.{key}", f"{key}s", str(node[key]))
        for flow, body in kinds.get("flows", {}).items()
        for name, node in body.get("nodes", {}).items()
        for key in ivr.TARGETS
        if isinstance(node.get(key), str)
    ]


def _parents_of_codes(kinds: Kinds) -> list[Named]:
    codes = kinds.get("wrap_up_codes", {}).items()
    return [(f"wrap_up_codes/{id}/parent", "wrap_up_codes", body["parent"]) for id, body in codes if body.get("parent")]


def _named(kinds: Kinds) -> list[Named]:
    return [
        *_queues_of_agents(kinds),
        *_orders_of_queues(kinds),
        *_targets_of_numbers(kinds),
        *_targets_of_flows(kinds),
        *_named_by_tokens(kinds),
        *_targets_of_forwards(kinds),
        *_agents_of_phones(kinds),
        *_lists_of_names(kinds),
        *_calendars(kinds),
        *_parents_of_codes(kinds),
    ]


def references(kinds: Kinds) -> list[FieldError]:
    """Names in documents that name nothing, codes below too many others: the field is `<kind>/<id>/<field>`."""
    lost = [
        FieldError(field, "reference", f"{kind}/{id} does not exist")
        for field, kind, id in _named(kinds)
        if id not in kinds.get(kind, {})
    ]
    return lost or _too_deep(kinds)


def users(kinds: Kinds, kind: str, id: str) -> list[tuple[str, str, str]]:
    """Which documents name this one: their kind, id and field."""
    found = [tuple(field.split("/", 2)) for field, named, name in _named(kinds) if (named, name) == (kind, id)]
    return [(user, name, field) for user, name, field in found]


def _too_deep(kinds: Kinds) -> list[FieldError]:
    codes = kinds.get("wrap_up_codes", {})
    errors = []
    for id in codes:
        above, level = codes[id].get("parent", ""), 1
        while above and level <= LEVELS:
            above, level = codes[above].get("parent", ""), level + 1
        if level > LEVELS:
            message = f"codes stand on at most {LEVELS} levels, and not below themselves"
            errors.append(FieldError(f"wrap_up_codes/{id}/parent", "value", message))
    return errors
