"""A party leaves a contact in which people talk: who remains goes on, or the contact ends.

With its last customer it ends, unless he was in a conference that agents had made: at least two of them remain. Who
came as a leader came for that customer, and does not keep the agent. An agent who holds in a conference has the
customer when the others leave. An agent whose phone is lost (its power, its network, its page) did not want to go: his
customer goes back to the head of the queue that he came from.
"""

from __future__ import annotations

from typing import Final

from lq.contacts import conversation, ending, inputs, queueing, transfer
from lq.contacts import effects as do
from lq.contacts.contact import Contact, Leg
from lq.contacts.turn import NORMAL, Turn

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
    """Whether it was the only agent of somebody who came by a queue. Leaders came to him, and leave."""
    contact, customer = turn.contact, turn.contact.customer
    rest = [one for one in contact.legs.values() if one.state == "answered" and one.n not in (leg.n, customer.n)]
    alone = leg.party == "agent" and not leg.mode and all(one.mode for one in rest) and not contact.calls
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


def gone(turn: Turn, leg: Leg, cause: int = NORMAL) -> None:
    """`leg` as it was placed; its dialog is over."""
    remaining = [one for one in conversation.others(turn.contact, leg.n) if one.alive]
    asks = [n for n, call in turn.contact.calls.items() if call.verb in ("consult", "blind") and call.by == leg.n]
    goes_on = leg.place in ("", "listens", "whispers") or (len(remaining) > 1 and not _was_the_last(leg, remaining))
    goes_on = goes_on or bool(asks) or (leg.place == "aside" and bool(remaining))
    on_hold = None if goes_on else _on_hold(turn.contact, remaining)
    if not goes_on and on_hold is None:
        ending.finish(turn, "answered", ending.BY[leg.party], cause)
        return
    conversation.place(turn, leg.n, "")
    ending.release(turn, leg.n)
    ending.drop_media(turn, leg.n)
    if leg.place == "aside" and remaining:
        _alone_aside(turn, leg, remaining[0])
    elif asks:
        _sent_on(turn, leg, asks[0])
    elif on_hold is not None:
        _holds(turn, on_hold)
    else:
        conversation.changed(turn, leg.n)


def _was_the_last(leg: Leg, remaining: list[Leg]) -> bool:
    """He was the last customer, and who remains does not confer."""
    customers = [one for one in (leg, *remaining) if one.party == "customer"]
    return customers == [leg] and sum(not one.mode for one in remaining) < 2


def _on_hold(contact: Contact, remaining: list[Leg]) -> Leg | None:
    """The customer alone remains: an agent who has left the conference for a while (hold). Not one whose phone only
    stays to hear how its REFER goes."""
    customer, leaving = contact.customer, [call.by for call in contact.calls.values()]
    found = [one for one in contact.legs.values() if one.state == "answered" and one.place == "" and not one.asked]
    found = [one for one in found if one.agent and not one.mode and one.n not in (customer.n, *leaving)]
    found = [one for one in found if f"{transfer.LEAVES}{one.n}" not in contact.deadlines]
    return found[0] if found and [one.n for one in remaining] == [customer.n] else None


def _holds(turn: Turn, leg: Leg) -> None:
    """He is the customer's agent now, and resumes when he likes."""
    conversation.place(turn, leg.n, "talk")
    conversation.place(turn, turn.contact.customer.n, "waits")
    turn.set(agent=leg.agent)
    conversation.changed(turn, leg.n)


def _alone_aside(turn: Turn, leg: Leg, other: Leg) -> None:
    """One of the two who talked aside has left: the other one has the customer."""
    if leg.agent != turn.contact.agent:
        transfer.back(turn, other.n)
        return
    who = {"from_agent": leg.agent} if leg.agent else {}
    turn.emit("contact_transferred", n=turn.n, to=other.agent or other.address, mode="consult", **who)
    transfer.takes(turn, other.n)


def _sent_on(turn: Turn, leg: Leg, n: int) -> None:
    """He does not wait for whom he has called: the customer does."""
    call = turn.contact.calls[n]
    if call.verb == "consult":
        who = {"from_agent": leg.agent} if leg.agent else {}
        turn.emit("contact_transferred", n=turn.n, to=call.to, mode="blind", **who)
        transfer.send_on(turn, leg.n, n)
    left = conversation.together(turn.contact, "talk")
    if len(left) == 1:  # the agent had taken him back, and leaves all the same
        conversation.place(turn, left[0].n, "waits")
    conversation.arrange(turn)
