"""People talk: their phones' media, hold from a phone; hold, mute and keys by command."""

from __future__ import annotations

import re

from lq.contacts import conferring, conversation, ending, inputs, keys, leaving, replacing, transfer
from lq.contacts import effects as do
from lq.contacts.turn import Turn
from lq.trunks.causes import NO_COMMON_CODEC


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    """The answering phone's media stands: now they hear each other."""
    leg = turn.leg(given.leg)
    if not leg.alive:
        ending.late_media(turn, given)
        return
    if leg.instead_of and leg.state == "arriving":
        replacing.media_ready(turn, given)
        return
    # of early media too: it may speak another codec when its answer is set up, and is joined once more
    turn.set_leg(leg.n, media=given.media, codec=given.codec, pending_sdp="", peer="", early=False)
    if leg.early:
        turn.set_leg(leg.n, pending_sdp=leg.pending_sdp)
    else:
        turn.leg_answered(leg.n)
    conversation.changed(turn, leg.n)


def media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    """A change that failed leaves the call as it is. A phone that answered with media that we cannot join is let go;
    with it the contact ends, if there were only these two and nobody had the customer before. What was for a leg that
    is given up fails nobody."""
    leg, talks = turn.leg(given.leg), turn.contact.state == "talking"
    if not leg.alive:
        return
    if leg.early:
        turn.set_leg(leg.n, early=False)  # its answer has the last word
    elif leg.codec:
        refuse_offer(turn, leg.n, 488)
    elif leg.instead_of and leg.state == "arriving":
        replacing.media_failed(turn, leg)
    elif not (talks and leg.state == "answered" and leaving.not_joined(turn, leg)):
        ending.finish(turn, "failed", "system", NO_COMMON_CODEC)


def offered(turn: Turn, given: inputs.Reoffered) -> None:
    """A phone changes its media (hold, new address, refresh)."""
    if not given.sdp:
        turn.do(do.AnswerOffer(given.leg, ""))
    elif turn.leg(given.leg).media is None:
        refuse_offer(turn, given.leg, 491)
    else:
        turn.do(do.TakeOffer(given.leg, given.sdp))


def refuse_offer(turn: Turn, n: int, sip: int) -> None:
    turn.do(do.RefuseOffer(n, sip))
    turn.emit("leg_reoffered", leg=turn.contact.leg_id(n), accepted=False, sip=sip)


def reoffered(turn: Turn, given: inputs.MediaReoffered) -> None:
    turn.do(do.AnswerOffer(given.leg, given.sdp))
    turn.emit("leg_reoffered", leg=turn.contact.leg_id(given.leg), accepted=True, held=given.held)
    was = turn.leg(given.leg).held
    turn.set_leg(given.leg, media=given.media, held=given.held, keys_by="")
    if turn.contact.state == "talking" and given.held != was:
        if was and turn.leg(given.leg).told_to_hold:  # by its key he takes back what he has ordered at his screen
            turn.set_leg(given.leg, told_to_hold=False)
            transfer.back(turn, given.leg)
            return
        conversation.changed(turn, given.leg)
    elif turn.contact.state == "conference":
        conferring.arrange(turn)


def confirmed(turn: Turn, given: inputs.Confirmed) -> None:
    """The ACK answers an offer of ours: a caller who had made none (RFC 3725), or a phone that asked what we offer."""
    known = bool(turn.leg(given.leg).codec)
    if given.owed and given.sdp:
        turn.do(do.TakeOffer(given.leg, given.sdp) if known else do.TakeAnswer(given.leg, given.sdp))
    elif given.owed and not known:
        ending.finish(turn, "failed", "system", NO_COMMON_CODEC)  # a later one that is missing changes nothing


def said_anew(turn: Turn, given: inputs.OfferAnswered) -> None:
    """Asked whether it is still there (RFC 4028), the phone answered something new: it has moved."""
    leg = turn.leg(given.leg)
    if given.sdp and leg.codec and leg.alive:
        turn.do(do.TakeOffer(given.leg, given.sdp))


def refused(turn: Turn, given: inputs.Reoffered) -> None:
    """The call is being ended."""
    turn.do(do.RefuseOffer(given.leg, 481))


def too_late(turn: Turn, given: inputs.MediaReoffered | inputs.Confirmed | inputs.OfferAnswered) -> None:
    """The media is on its way out."""


# -- by command --------------------------------------------------------------------------------------------------------
def hold(turn: Turn, given: inputs.Command) -> None:
    """The other one hears music; of more than two, this agent leaves them to themselves for a while."""
    leg = transfer.own_leg(turn, str(given.body.get("agent", "")))
    if leg is None or leg.place != "talk":
        transfer.answer(turn, given, transfer.NOT_IN_IT)
        return
    talking = conversation.others(turn.contact, leg.n)
    if len(talking) == 1:
        conversation.place(turn, talking[0].n, "waits")
    elif talking:
        conversation.place(turn, leg.n, "")
    if talking:
        conversation.hold_phone(turn, leg.n)
    conversation.changed(turn, leg.n)
    transfer.answer(turn, given, None)


def resume(turn: Turn, given: inputs.Command) -> None:
    leg = transfer.own_leg(turn, str(given.body.get("agent", "")))
    if leg is None or leg.place not in ("talk", ""):
        transfer.answer(turn, given, transfer.NOT_IN_IT)
    else:
        conversation.resume_phone(turn, leg.n)
        transfer.back(turn, leg.n)
        transfer.answer(turn, given, None)


def mute(turn: Turn, given: inputs.Command) -> None:
    _mute(turn, given, True)


def unmute(turn: Turn, given: inputs.Command) -> None:
    _mute(turn, given, False)


def _mute(turn: Turn, given: inputs.Command, muted: bool) -> None:
    leg = transfer.own_leg(turn, str(given.body.get("agent", "")))
    if leg is None:
        transfer.answer(turn, given, transfer.NOT_IN_IT)
        return
    if leg.muted != muted:
        turn.set_leg(leg.n, muted=muted)
        turn.emit("leg_muted", leg=turn.contact.leg_id(leg.n), muted=muted)
        conversation.changed(turn, leg.n)
    transfer.answer(turn, given, None)


def send_dtmf(turn: Turn, given: inputs.Command) -> None:
    """The others' phones hear these keys."""
    leg, digits = transfer.own_leg(turn, str(given.body.get("agent", ""))), str(given.body.get("digits", "")).upper()
    if leg is None:
        transfer.answer(turn, given, transfer.NOT_IN_IT)
    elif not re.fullmatch(r"[0-9*#A-D]{1,64}", digits, re.ASCII):
        transfer.answer(turn, given, (422, "digits", "1 to 64 of 0-9 * # A-D"))
    else:
        for other in conversation.others(turn.contact, leg.n):
            keys.send(turn, other.n, digits)
        transfer.answer(turn, given, None)
