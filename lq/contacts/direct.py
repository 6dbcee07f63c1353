"""A colleague is called directly, by extension or operator number: no trunk, no queue; the caller's place is leg 1.

The agent who is signed in there is taken before his phone rings (R1), so that nobody else is given him meanwhile; one
who is with a contact is busy. A phone at which nobody is signed in just rings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lq.acd.agent import BOUND
from lq.contacts import conversation, ending, engaging, forwarding, inputs, mobile
from lq.contacts import effects as do
from lq.contacts.contact import Leg, Offer
from lq.contacts.turn import LEASE_MARGIN_MS, Turn
from lq.trunks.causes import BUSY, NO_ANSWER, NORMAL

RING_MS: Final = 60_000
ENGAGE_MS: Final = 1_500  # so long Redis may take to say whether he is free; then his phone rings all the same
LEASE_MS: Final = RING_MS + LEASE_MARGIN_MS


def call(turn: Turn, target: str) -> None:
    """`phone:8002` or `agent:1002`."""
    kind, _, id = target.partition(":")
    turn.set(state="calling")
    if kind == "phone" and forwarding.diverted(turn, id):
        return
    turn.segment("ring")
    _ring_for(turn, id)
    turn.deadline("engage", turn.now + ENGAGE_MS)
    n = max(turn.contact.legs) + 1
    turn.add_leg(Leg(n, "agent", "out", id, "inviting", agent=id if kind == "agent" else ""))
    _engage(turn, turn.leg(n), own=False)


def _ring_for(turn: Turn, phone: str) -> None:
    turn.deadline("ring", turn.now + forwarding.ring_ms(turn.book.phones.get(phone), RING_MS))


def _engage(turn: Turn, leg: Leg, *, own: bool) -> None:
    lease_ms = 0 if own else LEASE_MS
    turn.do(do.Engage(leg.n, leg.agent, "" if leg.agent else leg.address, own, lease_ms))


def engaged(turn: Turn, given: inputs.Engaged) -> None:
    """The one who calls; or the one who is called: his phone is rung now, unless it rings already."""
    leg = turn.leg(given.leg)
    if leg.n == 1:
        engaging.engaged(turn, given)
        return
    if not leg.alive:
        engaging.let_go(turn, given)
        return
    if leg.address != given.phone:
        if forwarding.agent_diverted(turn, given):
            return
        _ring_for(turn, given.phone)
    turn.set_leg(leg.n, agent=given.agent, address=given.phone)
    turn.set(offer=Offer(given.agent, given.phone, given.reservation, leg.n))
    turn.emit(
        "contact_offered",
        n=turn.n, agent=given.agent, phone=given.phone, reservation=given.reservation, leg=turn.contact.leg_id(leg.n),
    )  # fmt: skip
    if "engage" in turn.contact.deadlines:
        _ring(turn, leg.n, given.media)
    elif leg.rang:
        turn.agent_op("ringing", given.agent, given.reservation, ttl_ms=lease_ms(turn, LEASE_MS))


def lease_ms(turn: Turn, least_ms: int) -> int:
    """He is ours as long as his phone may ring: its owner may have it ring longer than others before it sends on."""
    return max(least_ms, turn.contact.deadlines.get("ring", 0) - turn.now + LEASE_MARGIN_MS)


def refused(turn: Turn, given: inputs.EngageRefused) -> None:
    leg = turn.leg(given.leg)
    if leg.n == 1 or not leg.alive or "engage" not in turn.contact.deadlines:
        return
    if given.state in BOUND:
        ending.leg_ended(turn, leg.n, "us", BUSY)
        if not forwarding.not_taken(turn, given.phone or leg.address, "busy"):
            ending.finish(turn, "busy", "system", BUSY)
    elif given.state in ("signed_out", "settling"):
        _ring_anyway(turn, leg)
    else:
        _engage(turn, leg, own=True)  # no calls of a queue for him now, but his phone is free


def due(turn: Turn, leg: Leg) -> None:
    """Nobody says whether he is free."""
    if leg.media is None:
        _ring_anyway(turn, leg)


def _ring_anyway(turn: Turn, leg: Leg) -> None:
    known = turn.book.phones.get(leg.address)
    if known is None:  # an operator who is not signed in has no phone
        ending.leg_ended(turn, leg.n, "us", NO_ANSWER)
        ending.finish(turn, "no_answer", "system", NO_ANSWER)
    else:
        _ring(turn, leg.n, "srtp" if known.srtp else "rtp")


def _ring(turn: Turn, n: int, kind: str) -> None:
    turn.deadline("engage", None)
    if turn.leg(1).state != "answered":
        turn.do(do.Ring(1))
    mobile.prepare(turn, n, kind)


def rings(turn: Turn) -> None:
    """Whoever was called rings: he who is on the line already hears it from us."""
    leg = turn.leg(1)
    if leg.state == "answered" and leg.play is None:
        turn.play(1, (conversation.RING_TONE,), repeat=0)


def answer_caller(turn: Turn) -> None:
    """He hears it ring so far; now somebody is there."""
    caller = turn.contact.customer
    if caller.state != "answered":
        turn.do(do.Answer(1, turn.contact.after))
        turn.set_leg(1, state="answered")
        if caller.codec:  # else his ACK brings it
            turn.leg_answered(1)


def again(turn: Turn) -> None:
    """Whoever called him is gone, node or rtpengine: he is called once more."""
    leg = called(turn)
    if leg is None:
        return
    if "engage" in turn.contact.deadlines:
        _engage(turn, leg, own=False)  # the same leg gets the same agent
        return
    kind = str((leg.media or {}).get("kind", "rtp"))
    ending.cancel_leg(turn, leg.n, NORMAL)
    if leg.media is not None:
        turn.do(do.DeleteMedia(leg.n))
    next_leg(turn, leg, kind)


def next_leg(turn: Turn, leg: Leg, kind: str) -> None:
    """The same phone once more, as what it speaks."""
    n = max(turn.contact.legs) + 1
    turn.add_leg(Leg(n, "agent", "out", leg.address, "inviting", agent=leg.agent))
    if turn.contact.offer is not None:
        turn.set(offer=replace(turn.contact.offer, leg=n))
    mobile.prepare(turn, n, kind)


def called(turn: Turn) -> Leg | None:
    """The leg that is being called, if one is."""
    legs = (leg for n, leg in turn.contact.legs.items() if n not in turn.contact.calls and leg.direction == "out")
    return next((leg for leg in legs if leg.state in ("inviting", "ringing")), None)
