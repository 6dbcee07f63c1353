"""A party leaves a contact in which people talk: who remains goes on, or the contact ends (remaining.py says which).

An agent who hangs up while he consults has handed the customer on. One whose phone is lost (its power, its network, its
page) did not want to go: his customer goes back to the head of the queue that he came from.
"""

from __future__ import annotations

from typing import Final

from lq.contacts import conversation, ending, having, inputs, queueing, remaining, transfer
from lq.contacts import effects as do
from lq.contacts.contact import Leg, with_leg
from lq.contacts.turn import Turn
from lq.trunks.causes import NORMAL

LOST: Final = ("timeout", "gone", "ack_missing")  # of inputs.Ended.why: nobody has hung up


def hung_up(turn: Turn, given: inputs.Ended) -> None:
    cause = given.cause or NORMAL
    ending.leg_ended(turn, given.leg, "peer", cause)
    leg = turn.leg(given.leg)
    if not (given.why in LOST and _back_to_queue(turn, leg)):
        gone(turn, leg, cause)


def lost(turn: Turn, leg: Leg) -> None:
    """Nothing comes from its phone any more: we end its dialog."""
    turn.do(do.Bye(leg.n, NORMAL))
    ending.leg_ended(turn, leg.n, "us", NORMAL)
    if not _back_to_queue(turn, leg):
        gone(turn, leg)


def _back_to_queue(turn: Turn, leg: Leg) -> bool:
    """Whether it was the only agent of somebody who came by a queue. Leaders came to him, and leave; nobody has to come
    or to join any more. Whoever is asked, or was sent the customer, has him once he answers."""
    contact, customer = turn.contact, turn.contact.customer
    leaders_only = all(one.mode for one in having.there(contact) if one.n != customer.n)
    alone = leg.party == "agent" and not leg.mode and leaders_only and not remaining.is_called_for(contact)
    if not alone or not customer.alive or customer.party != "customer" or contact.queue not in turn.book.queues:
        return False
    transfer.dismiss(turn, leg.n)
    transfer.only(turn, customer.n)
    turn.end_segments("lost")
    queueing.enter_queue(turn, contact.queue, since=contact.started_at)
    return True


def shown_out(turn: Turn, leg: Leg) -> None:
    """As if he had hung up: his dialog is ended by us."""
    turn.do(do.Bye(leg.n, NORMAL))
    ending.leg_ended(turn, leg.n, "us", NORMAL)
    gone(turn, leg)


def not_joined(turn: Turn, leg: Leg) -> bool:
    """Whether those who remain go on without this leg, which has answered with media that cannot be joined."""
    if not remaining.goes_on(with_leg(turn.contact, leg.n, state="ended"), leg):
        return transfer.not_joined(turn, leg)
    shown_out(turn, leg)
    return True


def gone(turn: Turn, leg: Leg, cause: int = NORMAL) -> None:
    """`leg` as it was placed; its dialog is over."""
    if not remaining.goes_on(turn.contact, leg):
        ending.finish(turn, "answered", ending.BY[leg.party], cause)
        return
    asked = next((n for n, call in turn.contact.calls.items() if call.verb == "consult" and call.by == leg.n), 0)
    aside = conversation.others(turn.contact, leg.n) if leg.place == "aside" else []
    transfer.dismiss(turn, leg.n)
    if aside:
        _alone_aside(turn, leg, aside[0])
        return
    if asked:
        _sent_on(turn, leg, asked)
    remaining.settle(turn, leg.n)


def _alone_aside(turn: Turn, leg: Leg, other: Leg) -> None:
    """One of the two who talked aside has left: the other one has the customer."""
    if not other.consulted:
        transfer.back(turn, other.n)
        return
    who = {"from_agent": leg.agent} if leg.agent else {}
    turn.emit("contact_transferred", n=turn.n, to=other.agent or other.address, mode="consult", **who)
    transfer.takes(turn, other.n)


def _sent_on(turn: Turn, leg: Leg, n: int) -> None:
    """He does not wait for whom he has called: the customer does."""
    who = {"from_agent": leg.agent} if leg.agent else {}
    turn.emit("contact_transferred", n=turn.n, to=turn.contact.calls[n].to, mode="blind", **who)
    transfer.send_on(turn, leg.n, n)
