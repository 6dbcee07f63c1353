"""Two parties talk: bridging, hold from a phone, and either one hanging up."""

from __future__ import annotations

from lq.contacts import effects as do
from lq.contacts import ending, inputs
from lq.contacts.contact import Leg
from lq.contacts.turn import NO_COMMON_CODEC, Turn


def other(turn: Turn, n: int) -> Leg | None:
    """Whom leg n talks with."""
    return next((leg for leg in turn.contact.legs.values() if leg.n != n and leg.state == "answered"), None)


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    """The answering phone's media stands: now they hear each other."""
    leg = turn.leg(given.leg)
    if not leg.alive:
        ending.late_media(turn, given)
        return
    turn.set_leg(leg.n, media=given.media, codec=given.codec, pending_sdp="")
    turn.emit("leg_answered", leg=turn.contact.leg_id(leg.n), codec=given.codec)
    turn.connect(1, leg.n)


def media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    """A change that failed leaves the call as it is; a phone that answered with media that we cannot join ends it."""
    if turn.leg(given.leg).codec:
        turn.do(do.RefuseOffer(given.leg, 488))
    else:
        ending.finish(turn, "failed", "system", NO_COMMON_CODEC)


def offered(turn: Turn, given: inputs.Reoffered) -> None:
    """A phone changes its media (hold, new address, refresh)."""
    if not given.sdp:
        turn.do(do.AnswerOffer(given.leg, ""))
    elif turn.leg(given.leg).media is None:
        turn.do(do.RefuseOffer(given.leg, 491))
    else:
        turn.do(do.TakeOffer(given.leg, given.sdp))


def reoffered(turn: Turn, given: inputs.MediaReoffered) -> None:
    turn.do(do.AnswerOffer(given.leg, given.sdp))
    leg, peer = turn.leg(given.leg), other(turn, given.leg)
    turn.set_leg(leg.n, media=given.media, held=given.held)
    if turn.contact.state != "talking" or peer is None or given.held == leg.held:
        return
    if given.held:
        turn.segment("hold", "hold", queue=turn.contact.queue, agent=turn.contact.agent)
        turn.emit("contact_held", n=turn.n, by=leg.party)
        turn.play(peer.n, (turn.queue.music,), repeat=0)
    elif not peer.held:
        turn.segment("talk", "resumed", queue=turn.contact.queue, agent=turn.contact.agent)
        turn.emit("contact_resumed", n=turn.n, by=leg.party)
        turn.connect(leg.n, peer.n)


def refused(turn: Turn, given: inputs.Reoffered) -> None:
    """The call is being ended."""
    turn.do(do.RefuseOffer(given.leg, 481))


def too_late(turn: Turn, given: inputs.MediaReoffered) -> None:
    """The media is on its way out."""
