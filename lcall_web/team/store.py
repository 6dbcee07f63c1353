"""A leader's team: whom he may order about and whose calls are his to hear, decided here; and what they did today."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lcall_web.common import audit
from lcall_web.common.context import Context
from lcall_web.common.database import DatabaseAway, queries
from lcall_web.common.i18n import translated
from lcall_web.common.viewer import Viewer
from lcall_web.common.words import PAUSE_REASONS
from lcall_web.team import rules
from lcall_web.team.rules import Hour, Refused
from lq.sdk import Agent, ApiError, Contact

SQL: Final = queries(__file__)
FRESH_S: Final = 5.0  # how old the day's figures may be: many pages ask for the same


@dataclass(frozen=True, slots=True)
class Order:
    """What a leader wants, from where, and the key by which a repeat is known."""

    viewer: Viewer
    address: str
    key: str


async def _leader(here: Context, viewer: Viewer) -> Agent | None:
    """The leader as one who has a phone; None: he is only an operator."""
    try:
        return await here.lq.agent(viewer.id)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def _his(here: Context, viewer: Viewer, agent: str) -> Agent:
    """The agent, if this leader may order him about."""
    if not viewer.reach.holds_agent(agent):
        raise Refused(rules.NOT_HIS, 403)
    return await here.lq.agent(agent)


def _need_phone(leader: Agent | None) -> None:
    if leader is None or leader.state == "signed_out":
        raise Refused(rules.NO_PHONE)


def _need_call(agent: Agent, contact: str) -> None:
    """He is in the call that the page showed."""
    if not agent.contact:
        raise Refused(rules.NO_CALL)
    if agent.contact != contact:
        raise Refused(rules.OTHER_CALL)


async def monitor(here: Context, order: Order, agent: str, contact: str, mode: str, *, help: bool = False) -> Contact:
    """The leader's phone is called into the agent's call, or he changes what he is in it. The ledger tells of it."""
    if mode not in rules.MODES:
        raise Refused(rules.UNKNOWN, 422)
    leader, found = await asyncio.gather(_leader(here, order.viewer), _his(here, order.viewer, agent))
    _need_phone(leader)
    if agent == order.viewer.id:
        raise Refused(rules.HIMSELF)
    _need_call(found, contact)
    return await here.lq.keyed(order.key).monitor(contact, order.viewer.id, mode, help=help)  # type: ignore[arg-type]  # one of MODES


async def leave(here: Context, order: Order, contact: str) -> Contact:
    return await here.lq.end_monitor(contact, order.viewer.id)


async def release(here: Context, order: Order, agent: str, contact: str, *, back: bool) -> Contact:
    """Ends the agent's call; `back`: the customer goes to the head of his queue. Written down first."""
    _need_call(await _his(here, order.viewer, agent), contact)
    await _write_down(here, order, "call_released", f"contact:{contact}", agent=agent, back=back)
    return await here.lq.keyed(order.key).release(contact, order.viewer.id, "queue" if back else None)


async def force(here: Context, order: Order, agent: str, verb: str, reason: str) -> Agent:
    """Makes the agent ready, paused or signed out. Written down first."""
    await _his(here, order.viewer, agent)
    if verb not in rules.FORCED:
        raise Refused(rules.UNKNOWN, 422)
    why = rules.checked_reason(reason, await reasons(here)) if verb == "pause" else ""
    await _write_down(here, order, "agent_forced", f"agent:{agent}", to=verb, reason=why)
    lq = here.lq.keyed(order.key)
    if verb == "ready":
        return await lq.ready(agent)
    return await lq.pause(agent, why) if verb == "pause" else await lq.sign_out(agent)


async def pick_up(here: Context, order: Order, contact: str) -> Contact:
    """What waits in one of his queues, or rings at one of his people, rings at his own phone."""
    leader, found = await asyncio.gather(_leader(here, order.viewer), here.lq.contact(contact))
    _need_phone(leader)
    if not order.viewer.reach.holds_call((found.agent,), (found.queue,)):
        raise Refused(rules.NOT_HIS_CALL, 403)
    return await here.lq.keyed(order.key).pick_up(contact, order.viewer.id)


async def _write_down(here: Context, order: Order, action: str, object: str, **detail: Any) -> None:
    try:
        async with here.database.transaction() as connection:
            await audit.note(connection, order.viewer.id, action, object, order.address, **detail)
    except DatabaseAway as away:
        raise Refused(rules.NO_LOG, 503) from away


async def reasons(here: Context) -> dict[str, tuple[str, str]]:
    """Why somebody may be paused, in both languages: as configured; where nothing is, what the house offers."""
    try:
        rows = await here.database.fetch(SQL["reasons"])
    except DatabaseAway:
        rows = []
    known = {row["id"]: (row["name"], row["name_en"] or row["name"]) for row in rows}
    return known or {id: (text, translated("en", text)) for id, text in PAUSE_REASONS.items() if id != "no_answer"}


# -- the day's figures -------------------------------------------------------------------------------------------------


class Remembered:
    """What was read lately, by what was asked: read once for all who ask within a few seconds."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[float, asyncio.Task[Any]]] = {}

    async def of(self, asked: object, read: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        now = time.monotonic()
        self._known = {key: kept for key, kept in self._known.items() if now - kept[0] < FRESH_S}
        if asked not in self._known:
            self._known[asked] = (now, asyncio.create_task(read()))
        return await asyncio.shield(self._known[asked][1])


async def work(here: Context) -> dict[str, tuple[int, float]]:
    """Agent -> calls and seconds of talk, today."""
    since = rules.today(datetime.now(UTC), here.watch.center.time_zone)
    rows = await here.database.fetch(SQL["work"], since)
    return {row["agent"]: (row["calls"], row["talk_s"]) for row in rows}


async def curve(here: Context, queues: tuple[str, ...]) -> list[Hour]:
    """Today's calls by the hour."""
    now, zone = datetime.now(UTC), here.watch.center.time_zone
    day = rules.today(now, zone)
    rows = await here.database.fetch(SQL["quarters"], day, rules.following(day), list(queues) or None)
    quarters = [(row["started_at"], row["offered"], row["answered"], row["abandoned"]) for row in rows]
    return rules.hours(quarters, day.date(), zone, now)
