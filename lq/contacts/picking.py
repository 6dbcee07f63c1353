"""Pick-up (抢接, 代答): an agent takes a contact that waits or rings at somebody else; whoever answers first has it.

By LQ-SDK his phone is called into it. By his phone he calls us: he has dialled the code, or his phone names the leg
that rings (INVITE with Replaces of an early dialog: RFC 3891 §3 lets only those be replaced that we have begun). Then
his call is a leg of this contact from the start, and is answered once he himself is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lq.contacts import at_the_phone, calling, conversation, direct, ending, engaging, inputs, returning, transfer
from lq.contacts import effects as do
from lq.contacts.contact import Call, Contact, Leg
from lq.contacts.turn import Turn
from lq.trunks.causes import BUSY, NO_COMMON_CODEC, NORMAL, REJECTED, TEMPORARY_FAILURE, status_of

WAITS_OR_RINGS: Final = ("queueing", "offering", "calling")
ANSWER_MS: Final = 4_000  # from his call to our 200; Redis and rtpengine need milliseconds
_CAUSE_OF_STATE: Final = {"signed_out": REJECTED, "settling": TEMPORARY_FAILURE}  # else he has a contact: busy


def command(turn: Turn, given: inputs.Command) -> None:
    """pick_up {agent}"""
    contact, agent = turn.contact, str(given.body.get("agent", ""))
    error: transfer.Error | None = None
    if contact.state not in WAITS_OR_RINGS:
        error = (409, "not_waiting", "this contact neither waits nor rings")
    elif contact.offer is not None and contact.offer.agent == agent:
        error = (409, "rings_here", "it rings at this agent's own phone")
    elif _is_wanted(contact):
        error = transfer.BUSY
    elif agent not in turn.book.agents:
        error = (404, "not_found", f"no agent {agent}")
    else:
        calling.start(turn, Call("pick_up", f"agent:{agent}"), agent)
    transfer.answer(turn, given, error)


def _is_wanted(contact: Contact) -> bool:
    """By somebody already."""
    return any(call.verb == "pick_up" for call in contact.calls.values())


def is_for(document: Mapping[str, Any], by: str, rings_at: str = "") -> bool:
    """Whether this agent may pick up the contact of this snapshot; `rings_at`: which must ring at that agent."""
    offer, calls, legs = document.get("offer") or {}, document.get("calls", ()), document.get("legs", ())
    at = str(offer.get("agent", ""))
    his_own = at == by or any(leg["n"] == 1 and leg.get("agent") == by for leg in legs)
    wanted = any(call["verb"] == "pick_up" for call in calls)
    return document.get("state") in WAITS_OR_RINGS and not (his_own or wanted) and rings_at in ("", at)


# -- from his phone ----------------------------------------------------------------------------------------------------
def by_phone(turn: Turn, given: inputs.PickedUp) -> None:
    """His INVITE is in: he is taken, and his media prepared."""
    contact = turn.contact
    if returning.is_back(turn, given):
        returning.wanted(turn, given)
        return
    if refusal := _refusal(turn, given.instead_of):
        turn.do(do.RefuseSession(given.session, refusal))
        return
    n, to = max(contact.legs) + 1, f"phone:{given.phone}"
    turn.emit("contact_called", n=turn.n, leg=contact.leg_id(n), verb="pick_up", to=to)
    turn.add_leg(Leg(n, "agent", "in", given.phone, "arriving", pending_sdp=given.sdp))
    turn.set(calls={**contact.calls, n: Call("pick_up", to)})
    turn.deadline(f"{calling.DUE}{n}", turn.now + ANSWER_MS)
    turn.do(do.TakeSession(n, given.session))
    turn.do(do.Engage(n, phone=given.phone, own=True, lease_ms=calling.LEASE_MS))


def _refusal(turn: Turn, instead_of: int) -> int:
    """The SIP status that says why not, 0: he may. `instead_of`: the leg that his phone names."""
    contact = turn.contact
    named, rings = contact.legs.get(instead_of), direct.called(turn)
    if instead_of and (named is None or not named.alive):
        return 481
    if instead_of and (rings is None or rings.n != instead_of):
        return 403  # nobody takes a call that goes on, or one that an agent makes
    if contact.state not in WAITS_OR_RINGS:
        return 480
    return 486 if _is_wanted(contact) else 0


def _engaged(turn: Turn, given: inputs.Engaged) -> None:
    turn.set_leg(given.leg, agent=given.agent)
    calling.hold(turn, given.leg, given.reservation)
    _prepare(turn, given.leg)


def _prepare(turn: Turn, n: int) -> None:
    sdp = turn.leg(n).pending_sdp
    turn.do(do.PrepareIncoming(n, sdp) if sdp else do.PrepareOutgoing(n))  # without an offer our 200 makes it


def _not_engaged(turn: Turn, given: inputs.EngageRefused) -> None:
    """A customer is for agents; what rings at a phone where nobody is signed in is for any phone of ours."""
    contact = turn.contact
    if given.state == "signed_out" and contact.state == "calling" and contact.offer is None:
        _prepare(turn, given.leg)
    else:
        refuse(turn, given.leg, _CAUSE_OF_STATE.get(given.state, BUSY), "busy")


def _media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    n = given.leg
    call = calling.forget(turn, n)
    turn.do(do.Answer(n, given.sdp))
    turn.set_leg(
        n, state="answered", media=given.media, codec=given.codec, pending_sdp="", reservation=call.reservation
    )
    if given.codec:  # else its ACK brings it
        turn.leg_answered(n)
    if call.reservation:
        turn.agent_op("talking", turn.leg(n).agent, call.reservation)
    turn.emit("contact_call_ended", leg=turn.contact.leg_id(n), outcome="answered")
    picked_up(turn, n)


def _media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    refuse(turn, given.leg, NO_COMMON_CODEC if given.why == "no_codec" else TEMPORARY_FAILURE, "unreachable")


def _cancelled(turn: Turn, given: inputs.Cancelled) -> None:
    ending.leg_ended(turn, given.leg, "peer", given.cause or NORMAL)
    ending.drop_media(turn, given.leg)
    calling.failed(turn, given.leg, "taken_back")


def refuse(turn: Turn, n: int, cause: int, outcome: str) -> None:
    """He does not get it; his call is not answered."""
    sip = status_of(cause)
    turn.do(do.Reject(n, sip, cause))
    ending.leg_ended(turn, n, "us", cause, sip)
    ending.drop_media(turn, n)
    calling.failed(turn, n, outcome, sip)


STEPS: Final[Mapping[type, Callable[[Turn, Any], None]]] = {  # of a call that has come in to pick up
    inputs.Engaged: _engaged,
    inputs.EngageRefused: _not_engaged,
    inputs.MediaReady: _media_ready,
    inputs.MediaFailed: _media_failed,
    inputs.Cancelled: _cancelled,
}


# -- he has it ---------------------------------------------------------------------------------------------------------
def picked_up(turn: Turn, n: int) -> None:
    """Leg n has answered, or is answered."""
    leg, contact = turn.leg(n), turn.contact
    if contact.state not in WAITS_OR_RINGS:
        transfer.dismiss(turn, n)
        return
    former = contact.offer
    who = {"from_agent": former.agent} if former else {}
    turn.emit("contact_picked_up", n=turn.n, agent=leg.agent, **who)
    if (rings := direct.called(turn) or _asked(turn)) is not None:
        ending.cancel_leg(turn, rings.n, NORMAL, at_the_phone.ELSEWHERE)
        ending.drop_media(turn, rings.n)
    ending.let_agent_go(turn)
    for name in ("ring", "engage"):
        turn.deadline(name, None)
    ending.left_line(turn, "answered")
    direct.answer_caller(turn)
    turn.set(state="talking", agent=leg.agent or contact.agent, answered_at=contact.answered_at or turn.now)
    engaging.talks(turn, 1)
    conversation.place(turn, turn.contact.customer.n, "talk")
    transfer.takes(turn, n)


def _asked(turn: Turn) -> Leg | None:
    """The mobile to which it is offered, that has been answered and where nobody has pressed 1 yet."""
    offered = turn.contact.offer
    leg = turn.contact.legs.get(offered.leg) if offered else None
    return leg if leg is not None and leg.asked else None
