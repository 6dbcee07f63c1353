"""Another node's contact is ours now: whatever that node may have left half done is said and pointed once more (R8).

Every effect here is harmless when it had been done before. What a phone is asked again it answers with 481 or ignores;
media commands are idempotent; the ACD gives the same request the same answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lq.contacts import (
    calling,
    codes,
    conferring,
    conversation,
    direct,
    ending,
    engaging,
    inputs,
    keys,
    menu,
    offer,
    outgoing,
    placing,
    queueing,
    recording,
    replacing,
)
from lq.contacts import effects as do
from lq.contacts.contact import Leg
from lq.contacts.turn import Turn
from lq.trunks import causes
from lq.trunks.causes import NORMAL, TEMPORARY_FAILURE

SEQ_STEP: Final = 1000


def adopted(turn: Turn, given: inputs.Adopted) -> None:
    # what the dead node committed last may have been lost with a Redis and known to the ledger: those places are taken
    turn.set(seq=turn.contact.seq + SEQ_STEP)
    turn.emit("contact_adopted", node=given.node)
    contact = turn.contact
    if contact.state == "ending":
        _end_again(turn)
        return
    if contact.state == "arriving":
        ending.finish(turn, "failed", "system", TEMPORARY_FAILURE)  # his offer went with the node
        return
    for leg in contact.legs.values():
        if leg.state == "answered":
            point(turn, leg)
            keys.again(turn, leg)
        elif leg.state == "arriving" and leg.instead_of:  # its media was that node's to prepare
            replacing.media_failed(turn, leg)
        elif not leg.alive:
            _let_go_again(turn, leg)
    recording.again(turn)
    calling.again(turn)
    engaging.again(turn)
    match contact.state:
        case "placing":
            placing.again(turn)
        case "ivr":
            _menu_again(turn)
        case "queueing":
            ask_again(turn)
        case "offering":
            stop_ringing(turn)
            ask_again(turn)
        case "calling":
            direct.again(turn)
        case "dialing":
            outgoing.again(turn)
        case "code":
            codes.again(turn)
        case "conference":
            conferring.again(turn)


def point(turn: Turn, leg: Leg) -> None:
    """Media intent was stored before it was commanded. Who moves to another rtpengine is pointed when he is there."""
    peer = peer_of(leg)
    if leg.moves:
        turn.do(do.Move(leg.n))
    elif leg.pending_sdp:
        turn.set_leg(leg.n, early=False)
        turn.do(do.TakeAnswer(leg.n, leg.pending_sdp))
    elif leg.play is not None:
        turn.do(do.StartPlay(leg.n, leg.play.id, leg.play.items, leg.play.repeat, leg.play.started_at))
    elif room := conversation.confer(leg.n, leg.peer):
        turn.do(room)
    elif leg.peer == "echo":
        turn.do(do.Echo(leg.n))
    elif leg.peer == conversation.ALONE:  # out of a room, perhaps
        turn.do(do.Park(leg.n))
    elif leg.n < peer and not turn.leg(peer).moves:
        turn.join(leg.n, peer)


def peer_of(leg: Leg) -> int:
    """The leg that it is joined with; 0: none."""
    return int(leg.peer.removeprefix("leg:")) if leg.peer.startswith("leg:") else 0


def _menu_again(turn: Turn) -> None:
    """A flow that was published anew meanwhile may lack the place where the caller stood: then from its start."""
    place = turn.contact.menu
    flow = turn.book.flows.get(place.flow) if place else None
    if place is not None and (flow is None or place.position.node not in flow.nodes):
        menu.lost(turn)


def ask_again(turn: Turn) -> None:
    line = turn.contact.line
    if line is not None:  # the answer to the last question went to the dead node
        turn.set(line=replace(line, pending=False, again=False))
        queueing.ask(turn)


def stop_ringing(turn: Turn) -> None:
    """The phone's answer would go to the dead node: it is cancelled, the agent goes back to his place."""
    leg = direct.called(turn)
    if leg is None:
        return
    ending.cancel_leg(turn, leg.n, NORMAL)
    turn.do(do.DeleteMedia(leg.n))
    if turn.contact.offer is not None:
        offer.not_taken(turn, leg.n, "caller_gone", 0, NORMAL)


def _end_again(turn: Turn) -> None:
    for leg in turn.contact.legs.values():
        _let_go_again(turn, leg)
    ending.settle(turn)


def _let_go_again(turn: Turn, leg: Leg) -> None:
    """Its CANCEL or BYE may not have left with the node; of one whose dialog is over, nothing leaves."""
    cause = turn.contact.cause or NORMAL
    turn.do(do.Cancel(leg.n, causes.reason(cause)) if leg.state == "cancelling" else do.Bye(leg.n, cause))
    ending.drop_media(turn, leg.n)
