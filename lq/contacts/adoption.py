"""Another node's contact is ours now: whatever that node may have left half done is said and pointed once more (R8).

Every effect here is harmless when it had been done before. What a phone is asked again it answers with 481 or ignores;
media commands are idempotent; the ACD gives the same request the same answer.
"""

from __future__ import annotations

from dataclasses import replace

from lq.contacts import effects as do
from lq.contacts import ending, inputs, menu, offer, queueing
from lq.contacts.contact import Leg
from lq.contacts.turn import NORMAL, TEMPORARY_FAILURE, Turn


def adopted(turn: Turn, given: inputs.Adopted) -> None:
    contact = turn.contact
    if contact.state == "ending":
        _end_again(turn)
        return
    if contact.state == "arriving":
        ending.finish(turn, "failed", "system", TEMPORARY_FAILURE)  # his offer went with the node
        return
    for leg in contact.legs.values():
        if leg.state == "answered":
            turn.do(do.RefuseOffer(leg.n, 491))  # a re-INVITE that was being answered: the phone asks again
            _point(turn, leg)
    if contact.recording is not None and contact.recording.state == "planned":
        turn.do(do.StartRecording(contact.recording.leg, contact.recording.id))
    match contact.state:
        case "ivr":
            _menu_again(turn)
        case "queueing":
            _ask_again(turn)
        case "offering":
            _stop_ringing(turn)
            _ask_again(turn)
        case "calling":
            _stop_ringing(turn)
            offer.call_phone(turn, contact.target.removeprefix("phone:"), contact.after)


def _point(turn: Turn, leg: Leg) -> None:
    """Media intent was stored before it was commanded."""
    if leg.pending_sdp:
        turn.do(do.TakeAnswer(leg.n, leg.pending_sdp))
    elif leg.play is not None:
        turn.do(do.StartPlay(leg.n, leg.play.id, leg.play.items, leg.play.repeat, leg.play.started_at))
    elif leg.peer == "echo":
        turn.do(do.Echo(leg.n))
    elif leg.peer.startswith("leg:") and leg.n < int(leg.peer.removeprefix("leg:")):
        turn.do(do.Connect(leg.n, int(leg.peer.removeprefix("leg:"))))


def _menu_again(turn: Turn) -> None:
    """A flow that was published anew meanwhile may lack the place where the caller stood: then from its start."""
    place = turn.contact.menu
    flow = turn.book.flows.get(place.flow) if place else None
    if place is not None and (flow is None or place.position.node not in flow.nodes):
        menu.lost(turn)


def _ask_again(turn: Turn) -> None:
    line = turn.contact.line
    if line is not None:  # the answer to the last question went to the dead node
        turn.set(line=replace(line, pending=False, again=False))
        queueing.ask(turn)


def _stop_ringing(turn: Turn) -> None:
    """The phone's answer would go to the dead node: it is cancelled, the agent goes back to his place."""
    leg = offer.called_leg(turn)
    if leg is None:
        return
    ending.cancel_leg(turn, leg.n, NORMAL)
    turn.do(do.DeleteMedia(leg.n))
    if turn.contact.offer is not None:
        offer.not_taken(turn, leg.n, "caller_gone", 0, NORMAL)


def _end_again(turn: Turn) -> None:
    for leg in turn.contact.legs.values():
        if leg.state == "cancelling":
            turn.do(do.Cancel(leg.n, f"Q.850;cause={turn.contact.cause}"))
        else:
            turn.do(do.Bye(leg.n, turn.contact.cause))
        ending.drop_media(turn, leg.n)
    ending.settle(turn)
