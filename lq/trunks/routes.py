"""Which trunks a call to the outside takes, showing whom. Pure. Whether it may be made: lq/contacts/gate.py."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lq.config.calendars import open_at
from lq.config.documents import Calendar, NoticePolicy, NumberRule, Permission, RecordingPolicy, Route, Trunk
from lq.trunks.numbers import EMERGENCY, Number, outward

# What a refusal names, in the order in which they are asked.
Rule = Literal[
    "unreadable", "permission", "purpose", "dnc", "hours", "no_route", "no_caller_id", "daily_limit",
    "not_known",  # the live state does not answer: lists and limits cannot be looked at
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    trunk: str
    digits: str  # as this trunk wants them
    caller_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    ways: tuple[Way, ...]  # in the order in which they are tried, at least one
    recording: RecordingPolicy = "none"
    notice: NoticePolicy = "by_agent"
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    rule: Rule


def is_emergency(number: Number) -> bool:
    return number.kind == "short" and number.published in EMERGENCY


def reach(number: Number, home: NumberRule) -> Permission | None:
    """How far away a number is; None for one that cannot be read. Mobiles are national: they roam."""
    match number.kind:
        case "international":
            return "international"
        case "mobile":
            return "national"
        case "short" | "toll_free":
            return "local"
        case "fixed":
            near = home.area_code and number.e164.startswith(f"+{home.country_code}{home.area_code}")
            return "local" if near else "national"
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a route is looked for, and when."""

    agent: str = ""
    queues: tuple[str, ...] = ()  # whose agent he is
    shown: tuple[str, ...] = ()  # caller ids that he and his queues want shown, the first that may be wins
    moment: datetime | None = None  # local


@dataclass(frozen=True, slots=True)
class Network:
    """How the outside can be reached."""

    trunks: Mapping[str, Trunk] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)


def plan(number: Number, caller: Caller, network: Network, turn: str = "") -> Plan | Refusal:
    """The trunks by which this caller reaches this number; `turn` (any text) spreads calls over trunks in turn."""
    route = _route(number, caller, network)
    if route is None:
        return Refusal("no_route")
    usable = _usable(_in_turn(route, turn), network)
    wanted = (*caller.shown, route.caller_id)
    ways = tuple(_way(number, trunk, wanted) for trunk in usable if trunk.caller_ids)
    if not ways:
        return Refusal("no_caller_id" if usable else "no_route")
    return Plan(ways, route.recording, route.notice)


def emergency(number: Number, caller: Caller, network: Network) -> Plan | Refusal:
    """By the routes first, then by every trunk that calls out."""
    route = _route(number, caller, network)
    ids = dict.fromkeys([*(route.trunks if route else ()), *sorted(network.trunks)])
    wanted = (*caller.shown, route.caller_id if route else "")
    ways = tuple(_way(number, trunk, wanted) for trunk in _usable(ids, network))
    return Plan(ways, "none", "none", emergency=True) if ways else Refusal("no_route")


def _route(number: Number, caller: Caller, network: Network) -> Route | None:
    fits = [
        (-_named(route, caller), -longest, not route.calendar, route.id)
        for route in network.routes.values()
        if _named(route, caller) >= 0
        and (longest := _longest_prefix(number, route.prefixes)) >= 0
        and _is_open(route, caller, network.calendars)
    ]
    return network.routes[min(fits)[-1]] if fits else None


def _named(route: Route, caller: Caller) -> int:
    """How closely the route names him: 2 himself, 1 a queue of his, 0 it is everybody's, -1 it is others'."""
    if caller.agent and caller.agent in route.agents:
        return 2
    if any(queue in route.queues for queue in caller.queues):
        return 1
    return -1 if route.agents or route.queues else 0


def _longest_prefix(number: Number, prefixes: Iterable[str]) -> int:
    """The length of the longest that the number begins with; -1: none does."""
    return max((len(prefix) for prefix in tuple(prefixes) or ("",) if number.e164.startswith(prefix)), default=-1)


def _is_open(route: Route, caller: Caller, calendars: Mapping[str, Calendar]) -> bool:
    """A calendar that is missing never is."""
    if not route.calendar:
        return True
    found = calendars.get(route.calendar)
    return found is not None and caller.moment is not None and open_at(found, caller.moment)


def _in_turn(route: Route, turn: str) -> tuple[str, ...]:
    first = zlib.crc32(turn.encode()) % len(route.trunks) if route.use == "in_turn" else 0
    return (*route.trunks[first:], *route.trunks[:first])


def _usable(ids: Iterable[str], network: Network) -> list[Trunk]:
    """Those of them that call out, in this order."""
    known = (network.trunks[id] for id in ids if id in network.trunks)
    return [trunk for trunk in known if trunk.enabled and trunk.direction in ("out", "both")]


def _way(number: Number, trunk: Trunk, wanted: Iterable[str]) -> Way:
    """Nobody is shown a number that this trunk may not show."""
    shown = next((id for id in wanted if id in trunk.caller_ids), next(iter(trunk.caller_ids), ""))
    return Way(trunk.id, outward(number, trunk.numbers), shown)
