"""The one gate to the outside, before a channel is taken: `decide` says whether a call may be made, by which trunks.

Its rules are asked in one order, and a refusal names the first that holds: emergency numbers pass always; else the
number must be readable, the phone allowed to call so far, the purpose known, the number on no do-not-call list (unless
it is on a white list), the hour one for this purpose, a trunk there that may show a number, and the number not called
too often today. What only the live state knows is asked for when it is needed: lists and who sits at the phone, then
the day's count, which thereby holds only calls that would have gone out. While the live state is away nothing but
emergencies passes: a channel could not be taken either. `ask` and `answered` are the same on a contact's sheet.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from lq.config.book import Book
from lq.config.calendars import local, open_at
from lq.config.documents import PERMISSIONS, SERVICE, NumberList, Permission, Purpose
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Asking
from lq.contacts.turn import Turn
from lq.trunks import routes
from lq.trunks.numbers import Number
from lq.trunks.routes import Caller, Network, Plan, Refusal, Rule

WAIT_MS: Final = 5_000  # for the live state

Decision = Plan | Refusal | do.LookUp | do.CountCall


def decide(asking: Asking, now: int, book: Book, within: bool | None = None, turn: str = "") -> Decision:
    """What becomes of the call, or what must be known first; `within`: the day's limit, once asked for.

    `turn` (any text) spreads calls over trunks in turn.
    """
    number, moment = asking.number, local(now, book.settings.time_zone)
    network = Network(book.trunks, book.routes, book.calendars)
    if routes.is_emergency(number):
        return routes.emergency(number, _caller(asking, book, moment), network)
    purpose = book.purposes.get(asking.purpose, SERVICE if asking.purpose == SERVICE.id else None)
    if rule := _refused(asking, purpose, book):
        return Refusal(rule)
    assert purpose is not None  # else refused
    lists = _lists(purpose, book)
    if asking.listed is None:
        return do.LookUp(asking.leg, number.e164, tuple(lists), asking.phone)
    if _not_to_be_called(asking.listed, lists):
        return Refusal("dnc")
    if not _in_hours(purpose, book, moment):
        return Refusal("hours")
    plan = routes.plan(number, _caller(asking, book, moment), network, turn)
    if isinstance(plan, Refusal) or not purpose.per_number_a_day or within:
        return plan
    if within is None:
        return do.CountCall(asking.leg, number.e164, purpose.id, f"{moment:%Y-%m-%d}", purpose.per_number_a_day)
    return Refusal("daily_limit")


def _refused(asking: Asking, purpose: Purpose | None, book: Book) -> Rule | None:
    """By what needs no question."""
    far, may = routes.reach(asking.number, book.home), _may_call(asking, book)
    if far is None:
        return "unreadable"
    if may is None or PERMISSIONS.index(may) < PERMISSIONS.index(far):
        return "permission"
    return None if purpose else "purpose"


def _may_call(asking: Asking, book: Book) -> Permission | None:
    """How far, from that phone: nowhere if it is disabled. An agent's mobile as his document says, always to itself."""
    if asking.conference:
        room = book.conferences.get(asking.conference)
        return room.calls if room else None
    phone, agent = book.phones.get(asking.phone), book.agents.get(asking.agent)
    if phone is not None:
        return phone.calls if phone.enabled else None
    if agent is None or not agent.mobile or agent.mobile != asking.phone:
        return None
    return PERMISSIONS[-1] if asking.number.e164 == agent.mobile else agent.mobile_calls


def _lists(purpose: Purpose, book: Book) -> dict[str, NumberList]:
    return {
        id: one
        for id, one in sorted(book.lists.items())
        if one.enabled
        and (one.kind == "white" or (one.kind == "dnc" and purpose.id in (one.purposes or (purpose.id,))))
    }


def _not_to_be_called(listed: tuple[str, ...], lists: dict[str, NumberList]) -> bool:
    kinds = {lists[id].kind for id in listed if id in lists}
    return "dnc" in kinds and "white" not in kinds


def _in_hours(purpose: Purpose, book: Book, moment: datetime) -> bool:
    """A calendar that is missing is never open."""
    calendar = book.calendars.get(purpose.calendar)
    return not purpose.calendar or (calendar is not None and open_at(calendar, moment))


def _caller(asking: Asking, book: Book, moment: datetime) -> Caller:
    agent = book.agents.get(asking.agent)
    if agent is None:
        return Caller(moment=moment)
    queues = [book.queues[id].caller_id for id in agent.queues if id in book.queues]
    shown = tuple(id for id in (agent.caller_id, *queues) if id)
    return Caller(agent.id, agent.queues, shown, moment)


# -- on the sheet of a contact: a leg of it shall call out -------------------------------------------------------------
def ask(turn: Turn, leg: int, number: Number, phone: str, purpose: str, agent: str = "") -> Plan | Refusal | None:
    """The gate's answer, or None: it comes by `answered` (LookedUp, Counted) or `due` (the deadline `gate:<leg>`)."""
    return pass_through(turn, Asking(leg, number, phone, purpose, agent))


def answered(turn: Turn, given: inputs.LookedUp | inputs.Counted) -> Plan | Refusal | None:
    """What the live state has said; None: there is more to ask, or nobody asks any more."""
    asking = asked_for(turn, given.leg)
    if asking is None:
        return None
    if isinstance(given, inputs.Counted):
        return pass_through(turn, asking, given.within)
    return pass_through(turn, replace(asking, listed=given.listed, agent=asking.agent or given.agent))


def due(turn: Turn, given: inputs.Due) -> Refusal | None:
    """The live state has not answered."""
    leg = asked_by(turn, given)
    if not leg:
        return None
    forget(turn, leg)
    return Refusal("not_known")


def asked_by(turn: Turn, given: inputs.Due) -> int:
    """The leg that this deadline is about, if it waits at the gate; else 0."""
    return next((one.leg for one in turn.contact.asking if given.name == f"gate:{one.leg}"), 0)


def asked_for(turn: Turn, leg: int) -> Asking | None:
    return next((one for one in turn.contact.asking if one.leg == leg), None)


def pass_through(turn: Turn, asking: Asking, within: bool | None = None) -> Plan | Refusal | None:
    forget(turn, asking.leg)
    decided = decide(asking, turn.now, turn.book, within, turn.contact.id)
    if isinstance(decided, Plan | Refusal):
        return decided
    turn.set(asking=(*turn.contact.asking, asking))
    turn.deadline(f"gate:{asking.leg}", turn.now + WAIT_MS)
    turn.do(decided)
    return None


def forget(turn: Turn, leg: int) -> None:
    """Nobody waits for the answer any more."""
    turn.set(asking=tuple(one for one in turn.contact.asking if one.leg != leg))
    turn.deadline(f"gate:{leg}", None)
