"""A phone that loses its call comes back to it: a browser's, whose page is loaded anew (F5, a crash of the tab).

On its way out the page says so (INFO): whoever its agent talks with hears music. Loaded again, it calls in the place of
its own leg (INVITE with Replaces, RFC 3891 §3), which is as it was but for the phone's dialog: conversation, agent, and
what he has begun. Nobody comes back in time: the phone is lost (leaving.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lq.contacts import conversation, ending, inputs, leaving
from lq.contacts import effects as do
from lq.contacts.contact import Contact, Leg
from lq.contacts.turn import Turn
from lq.trunks.causes import NORMAL

AWAY: Final = "application/lcall-away"  # content type of the INFO
AWAY_MS: Final = 20_000  # a page is there again within seconds

_DUE: Final = "away:"


def may(contact: Contact, leg: Leg) -> bool:
    """A recording belongs to its leg, and does not follow."""
    recorded = contact.recording is not None and contact.recording.leg == leg.n
    return contact.state == "talking" and leg.state == "answered" and leg.mobile is None and not recorded


def away(turn: Turn, given: inputs.PhoneAway) -> None:
    leg = turn.leg(given.leg)
    turn.emit("leg_media_lost", leg=turn.contact.leg_id(leg.n), reason="away")
    turn.set_leg(leg.n, held=True)
    turn.deadline(f"{_DUE}{leg.n}", turn.now + AWAY_MS)
    conversation.changed(turn, leg.n)


def due(turn: Turn, given: inputs.Due) -> bool:
    """Whether this deadline was ours."""
    n = given.name.removeprefix(_DUE)
    if n == given.name:
        return False
    leg = turn.contact.legs.get(int(n))
    if leg is None or leg.state != "answered":
        return True
    if turn.contact.state == "talking":
        leaving.lost(turn, leg)
    elif leg.n == turn.contact.customer.n:  # sent on meanwhile, to a queue say: nobody waits there for him
        turn.do(do.Bye(leg.n, NORMAL))
        ending.caller_gone(turn, inputs.Ended(leg.n))
    return True


def is_back(turn: Turn, given: inputs.PickedUp) -> bool:
    """Whether a phone names its own leg of a call that goes on."""
    leg = turn.contact.legs.get(given.instead_of)
    if leg is None or leg.outside or leg.address != given.phone:
        return False
    return bool(given.sdp) and may(turn.contact, leg)


def wanted(turn: Turn, given: inputs.PickedUp) -> None:
    """Its INVITE is in: its media is prepared, and then it has the place (replacing.py)."""
    former, n = turn.leg(given.instead_of), max(turn.contact.legs) + 1
    turn.add_leg(Leg(n, former.party, "in", former.address, "arriving", agent=former.agent, instead_of=former.n))
    turn.do(do.TakeSession(n, given.session))
    turn.do(do.PrepareIncoming(n, given.sdp))


def inherit(turn: Turn, n: int, former: Leg) -> None:
    """Leg n is he whom `former` was: what stands in its name stands in n's."""
    turn.set_leg(
        n, muted=former.muted, reservation=former.reservation, dials=former.dials, mode=former.mode, talks=former.talks
    )
    turn.set_leg(former.n, reservation=0, held=False)
    calls = turn.contact.calls
    turn.set(calls={key: replace(call, by=n) if call.by == former.n else call for key, call in calls.items()})
    turn.deadline(f"{_DUE}{former.n}", None)
    if former.told_to_hold:
        conversation.hold_phone(turn, n)
