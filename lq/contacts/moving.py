"""A leg's rtpengine is gone: its media is made anew on another, and its phone follows by a re-INVITE (P45).

MediaLost → Move → MediaMoved → Reoffer → OfferAnswered → TakeAnswer → MediaReady: then everything that the leg heard is
pointed again. A phone that cannot follow now is asked again; only its SIP ends the call. Phones that ring were offered
ports of the dead one: they are called anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lq.contacts import adoption, calling, conversation, direct, inputs, outgoing, placing, talking
from lq.contacts import effects as do
from lq.contacts import recording as record
from lq.contacts.contact import Leg
from lq.contacts.turn import Turn

AGAIN_MS: Final = 3_000
TRIES: Final = (
    10  # one after another; then it is asked now and then, as long as it lives: its rtpengine may be away for long
)
LATER_MS: Final = 10_000

_DUE: Final = "move:"


def lost(turn: Turn, given: inputs.MediaLost) -> None:
    leg = turn.leg(given.leg)
    if not leg.alive or leg.media is None or leg.moves or turn.contact.state in ("ending", "over"):
        return
    turn.emit("leg_media_lost", leg=turn.contact.leg_id(leg.n), reason=given.why, engine=given.engine)
    if leg.state == "answered":
        _move(turn, leg)
    elif leg.direction == "out":
        _call_anew(turn, leg)


def silent(turn: Turn, given: inputs.PhoneSilent) -> None:
    """A muted phone may be silent; one whose dialog is gone as well has left."""
    leg = turn.leg(given.leg)
    if leg.state != "answered" or leg.moves or leg.held:
        return
    if not leg.silent:
        turn.set_leg(leg.n, silent=True)
        turn.emit("leg_media_lost", leg=turn.contact.leg_id(leg.n), reason="silent", engine=given.engine)
    turn.do(do.Probe(leg.n))


def heard(turn: Turn, given: inputs.PhoneHeard) -> None:
    if turn.leg(given.leg).silent:
        turn.set_leg(given.leg, silent=False)
        turn.emit("leg_media_restored", leg=turn.contact.leg_id(given.leg), engine=given.engine)


def due(turn: Turn, given: inputs.Due) -> bool:
    """Whether this deadline was ours; then the phone is asked again."""
    n = given.name.removeprefix(_DUE)
    if n == given.name:
        return False
    leg = turn.contact.legs.get(int(n))
    if leg is not None and leg.alive and leg.moves:
        _move(turn, leg)
    return True


def _move(turn: Turn, leg: Leg) -> None:
    turn.set_leg(leg.n, moves=min(leg.moves + 1, TRIES))
    turn.do(do.Move(leg.n))


def _call_anew(turn: Turn, leg: Leg) -> None:
    if leg.n in turn.contact.calls:  # into a contact that lives already: a consultation, a transfer, a pick-up …
        calling.anew(turn, leg.n)
        if turn.contact.state == "talking":
            conversation.arrange(turn)  # whoever heard what its network said
        return
    match turn.contact.state:
        case "offering":
            adoption.stop_ringing(turn)
            adoption.ask_again(turn)
        case "calling":
            direct.again(turn)
        case "placing":
            placing.again(turn)
        case "dialing":
            outgoing.again(turn)


def _moved(turn: Turn, given: inputs.MediaMoved) -> None:
    turn.set_leg(given.leg, media=given.media)
    turn.deadline(f"{_DUE}{given.leg}", None)  # it came before that: an rtpengine was back
    turn.do(do.Reoffer(given.leg, given.sdp))


def _answered(turn: Turn, given: inputs.OfferAnswered) -> None:
    turn.do(do.TakeAnswer(given.leg, given.sdp))


def _not_now(turn: Turn, given: inputs.OfferRefused | inputs.MediaFailed) -> None:
    again_ms = AGAIN_MS if turn.leg(given.leg).moves < TRIES else LATER_MS
    turn.deadline(f"{_DUE}{given.leg}", turn.now + again_ms)


def _failed(turn: Turn, given: inputs.MediaFailed) -> None:
    """Or what the phone had asked for before its engine was lost cannot be had (a fax): it is told so."""
    if given.why == "no_codec":
        talking.refuse_offer(turn, given.leg, 488)
    _not_now(turn, given)


def _restored(turn: Turn, given: inputs.MediaReady) -> None:
    turn.set_leg(given.leg, moves=0, media=given.media, codec=given.codec, early=False)
    engine = {"engine": given.media["engine"]} if given.media.get("engine") else {}
    turn.emit("leg_media_restored", leg=turn.contact.leg_id(given.leg), **engine)
    peer = adoption.peer_of(turn.leg(given.leg))
    if not peer or not turn.leg(peer).moves:
        adoption.point(turn, turn.leg(min(given.leg, peer or given.leg)))
    record.moved(turn, given.leg)


def _offered(turn: Turn, given: inputs.Reoffered) -> None:
    """Its media is between two engines: the phone asks again (RFC 3261 §14.2)."""
    talking.refuse_offer(turn, given.leg, 491)


STEPS: Final[Mapping[type, Callable[[Turn, Any], None]]] = {
    inputs.MediaMoved: _moved,
    inputs.OfferAnswered: _answered,
    inputs.OfferRefused: _not_now,
    inputs.MediaFailed: _failed,
    inputs.MediaReady: _restored,
    inputs.Reoffered: _offered,
}
