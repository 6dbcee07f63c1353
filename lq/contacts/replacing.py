"""A call takes the place of one of our legs (INVITE with Replaces, RFC 3891): so two calls of one phone are joined.

The phone talks in contact A and, on its other line, in contact B. By REFER with Replaces it wants the two others to
talk (RFC 5589 §7). A calls B's owner, wherever that is, in the place of the phone's leg there: both contacts live on,
each at its node, joined by a leg of each. Or the phone has lost its call, and comes back to it (returning.py).
"""

from __future__ import annotations

from lq.contacts import conversation, ending, inputs, returning, transfer
from lq.contacts import effects as do
from lq.contacts.contact import Leg
from lq.contacts.turn import Turn
from lq.trunks.causes import TEMPORARY_FAILURE, status_of


def wanted(turn: Turn, given: inputs.Replacing) -> None:
    """The INVITE is in: its media is prepared, and then it has the place."""
    former = turn.leg(given.leg)
    if turn.contact.state != "talking" or former.state != "answered" or not former.place:
        turn.do(do.RefuseSession(given.session, 481))
        return
    n = max(turn.contact.legs) + 1
    turn.add_leg(Leg(n, former.party, "in", given.source, "arriving", instead_of=former.n))
    turn.do(do.TakeSession(n, given.session))
    turn.do(do.PrepareIncoming(n, given.sdp))


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    leg = turn.leg(given.leg)
    turn.set_leg(leg.n, media=given.media, codec=given.codec)
    former = turn.leg(leg.instead_of)
    if former.state != "answered":  # it has hung up meanwhile
        _refuse(turn, leg, 481)
        return
    turn.do(do.Answer(leg.n, given.sdp))
    turn.set_leg(leg.n, state="answered")
    turn.leg_answered(leg.n)
    turn.emit("contact_joined", leg=turn.contact.leg_id(leg.n), source=leg.address)
    place = former.place
    turn.set_leg(leg.n, consulted=former.consulted)
    if leg.address == former.address:
        returning.inherit(turn, leg.n, former)
    transfer.dismiss(turn, former.n)
    conversation.place(turn, leg.n, place)
    conversation.changed(turn, leg.n)


def media_failed(turn: Turn, leg: Leg) -> None:
    """The leg that it wanted to replace stays."""
    _refuse(turn, leg, status_of(TEMPORARY_FAILURE))


def _refuse(turn: Turn, leg: Leg, sip: int) -> None:
    turn.do(do.Reject(leg.n, sip, TEMPORARY_FAILURE))
    ending.leg_ended(turn, leg.n, "us", TEMPORARY_FAILURE, sip)
    ending.drop_media(turn, leg.n)
