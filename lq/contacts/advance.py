"""The rule of a contact: `advance(contact, input, now, book) -> (contact, effects)`. Pure; the table says which step.

TABLE[state][input] is the step; ALWAYS holds what every state answers alike. What stands in neither is ignored on
purpose: it comes too late or means nothing there. tests/unit/contacts visits every state × every input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lq.config.book import Book
from lq.contacts import (
    adoption,
    at_the_phone,
    calling,
    codes,
    command,
    conferring,
    direct,
    ending,
    engaging,
    inbound,
    inputs,
    inviting,
    keys,
    leaving,
    menu,
    mobile,
    moving,
    offer,
    outgoing,
    picking,
    placing,
    queueing,
    recording,
    replacing,
    returning,
    taking,
    talking,
    transfer,
)
from lq.contacts import effects as do
from lq.contacts.contact import Contact, State
from lq.contacts.effects import Effect
from lq.contacts.turn import Turn
from lq.trunks.causes import NORMAL, TEMPORARY_FAILURE

Step = Callable[[Turn, Any], None]


def _hung_up(turn: Turn, given: inputs.Ended) -> None:
    """A party left. Where nobody talks, who called ends the contact."""
    leg = turn.leg(given.leg)
    if turn.contact.state == "talking" and leg.alive:
        leaving.hung_up(turn, given)
    elif leg.alive and leg.n in (1, turn.contact.customer.n):
        ending.caller_gone(turn, given)
    else:
        ending.late_end(turn, given)
        _is_let_go(turn, leg.n)


def _is_let_go(turn: Turn, n: int) -> None:
    """Without him the contact goes on, and holds neither him nor his media; one in which nobody is left is over."""
    contact = turn.contact
    if contact.state in ("ending", "over"):
        return
    ending.release(turn, n)
    ending.drop_media(turn, n)
    if not any(leg.alive for leg in contact.legs.values()):  # the reconciler has found it
        ending.finish(turn, "answered" if contact.answered_at else "failed", "system", TEMPORARY_FAILURE)


def _away(turn: Turn, given: inputs.PhoneAway) -> None:
    """A phone of ours leaves its dialog; where it could not come back to, it has hung up."""
    leg = turn.leg(given.leg)
    if turn.phone_at(leg) is None or leg.state != "answered":
        return
    if returning.may(turn.contact, leg):
        returning.away(turn, given)
    else:
        turn.do(do.Bye(leg.n, NORMAL))
        _hung_up(turn, inputs.Ended(leg.n))


def _cancelled(turn: Turn, given: inputs.Cancelled) -> None:
    """Who called takes his call back; one that was to take another leg's place leaves it where it is."""
    if given.leg in (1, turn.contact.customer.n):
        ending.caller_gone(turn, given)
    else:
        ending.late_end(turn, given)
        ending.drop_media(turn, given.leg)


def _accepted(turn: Turn, given: inputs.Accepted) -> None:
    wanted = turn.contact.state in ("offering", "calling") and turn.leg(given.leg).alive
    (offer.accepted if wanted else ending.late_answer)(turn, given)


def _rejected(turn: Turn, given: inputs.Rejected) -> None:
    called = direct.called(turn) if turn.contact.state in ("offering", "calling") else None
    wanted = called is not None and called.n == given.leg  # else one that is given up: another may ring by now
    (offer.rejected if wanted else ending.late_end)(turn, given)


ALWAYS: Final[Mapping[type, Step]] = {
    inputs.Ended: _hung_up,
    inputs.Cancelled: _cancelled,
    inputs.Accepted: _accepted,
    inputs.Rejected: _rejected,
    inputs.Reoffered: talking.offered,
    inputs.Confirmed: talking.confirmed,
    inputs.OfferAnswered: talking.said_anew,
    inputs.PhoneTold: at_the_phone.told,
    inputs.MediaReoffered: talking.reoffered,
    inputs.MediaReady: ending.late_media,
    inputs.MediaFailed: talking.media_failed,
    inputs.MediaLost: moving.lost,
    inputs.PhoneSilent: moving.silent,
    inputs.PhoneHeard: moving.heard,
    inputs.MediaDeleted: ending.media_deleted,
    inputs.RecordingStarted: recording.started,
    inputs.RecordingPaused: recording.paused,
    inputs.RecordingResumed: recording.resumed,
    inputs.Referred: transfer.referred,
    inputs.Replacing: replacing.wanted,
    inputs.PickedUp: picking.by_phone,
    inputs.PhoneAway: _away,
    inputs.Digit: keys.pressed,
    inputs.KeySent: keys.sent,
    inputs.Command: command.carry_out,
    inputs.Adopted: adoption.adopted,
    inputs.Engaged: engaging.engaged,
}
# Each looks whether a deadline is its own; what is nobody's is the state's.
DUE: Final = (moving.due, calling.due, taking.due, mobile.due, transfer.due, returning.due, keys.due)
TABLE: Final[Mapping[State, Mapping[type, Step]]] = {
    "arriving": {
        inputs.LookedUp: inbound.looked_up,
        inputs.Counted: outgoing.gate_answered,
        inputs.Due: outgoing.gate_due,
        inputs.MediaReady: inbound.media_ready,
        inputs.MediaFailed: inbound.media_failed,
    },
    "announcing": {inputs.Played: inbound.announced},
    "ivr": {inputs.Played: menu.played, inputs.Digit: keys.in_menu, inputs.Due: menu.no_key},
    "queueing": {
        inputs.Reserved: offer.reserved,
        inputs.Waiting: queueing.waiting,
        inputs.AskFailed: queueing.ask_failed,
        inputs.Notice: queueing.noticed,
        inputs.Due: queueing.due,
        inputs.Played: queueing.music,
    },
    "offering": {
        inputs.MediaReady: offer.media_ready,
        inputs.MediaFailed: offer.media_failed,
        inputs.Progress: offer.progress,
        inputs.Due: offer.due,
        inputs.Played: queueing.music,
        inputs.OfferLost: offer.offer_lost,
    },
    "placing": {
        inputs.Engaged: placing.engaged,
        inputs.EngageRefused: placing.refused,
        inputs.LookedUp: placing.gate_answered,
        inputs.Counted: placing.gate_answered,
        inputs.MediaReady: placing.media_ready,
        inputs.MediaFailed: placing.media_failed,
        inputs.Progress: placing.progress,
        inputs.Accepted: placing.accepted,
        inputs.Rejected: placing.rejected,
        inputs.Due: placing.due,
    },
    "calling": {
        inputs.Engaged: direct.engaged,
        inputs.EngageRefused: direct.refused,
        inputs.OfferLost: offer.offer_lost,
        inputs.MediaReady: offer.media_ready,
        inputs.MediaFailed: offer.media_failed,
        inputs.Progress: offer.progress,
        inputs.Due: offer.due,
        inputs.Played: queueing.music,
    },
    "dialing": {
        inputs.ChannelSeized: outgoing.seized,
        inputs.ChannelRefused: outgoing.channel_refused,
        inputs.MediaReady: outgoing.media_ready,
        inputs.MediaFailed: outgoing.media_failed,
        inputs.Progress: outgoing.progress,
        inputs.Accepted: outgoing.accepted,
        inputs.Rejected: outgoing.rejected,
        inputs.Due: outgoing.due,
        inputs.Played: queueing.music,
    },
    "talking": {inputs.MediaReady: talking.media_ready},
    "conference": {
        inputs.Guessed: conferring.guessed,
        inputs.Parties: conferring.parties,
        inputs.ConferenceFull: conferring.full,
        inputs.MediaReady: inviting.media_ready,
        inputs.MediaFailed: inviting.media_failed,
        inputs.Played: conferring.played,
        inputs.Digit: keys.in_conference,
        inputs.Due: conferring.due,
    },
    "echo": {},
    "code": {
        inputs.Played: codes.played,
        inputs.Digit: keys.in_code,
        inputs.Due: codes.due,
        inputs.Guessed: codes.guessed,
        inputs.AgentAsked: codes.done,
    },
    "ending": {
        inputs.Reoffered: talking.refused,
        inputs.MediaReoffered: talking.too_late,
        inputs.Confirmed: talking.too_late,
        inputs.OfferAnswered: talking.too_late,
        inputs.Due: ending.cleared,
    },
    "over": {},
}


def begin(given: inputs.Incoming, now: int, book: Book) -> tuple[Contact, list[Effect]]:
    """A new contact from the INVITE that starts it."""
    turn = inbound.begin(given, now, book)
    return turn.contact, turn.effects


def place(
    given: inputs.Wanted | inputs.Invited, now: int, book: Book
) -> tuple[Contact, list[Effect]] | placing.Refused:
    """A new contact for a call that an agent or a conference wants, or why there is none."""
    begin = inviting.begin if isinstance(given, inputs.Invited) else placing.begin
    turn = begin(given, now, book)  # type: ignore[arg-type] # it is the one that this input is for
    return turn if isinstance(turn, placing.Refused) else (turn.contact, turn.effects)


def give_up(contact: Contact, now: int, book: Book) -> tuple[Contact, list[Effect]]:
    """After a fault of ours: over at once, whatever its parties still have to say."""
    turn = Turn(contact, now, book)
    ending.finish(turn, "answered" if contact.answered_at else "failed", "system", TEMPORARY_FAILURE)
    for n in turn.contact.legs:
        ending.leg_ended(turn, n, "us", TEMPORARY_FAILURE)
    turn.set(state="over", deadlines={})
    return turn.contact, turn.effects


def advance(contact: Contact, given: inputs.Input, now: int, book: Book) -> tuple[Contact, list[Effect]]:
    """The contact after `given` at `now` (ms), and what shall be done about it, in order."""
    if contact.state == "over":
        return contact, []
    leg = getattr(given, "leg", None)
    if leg is not None and leg not in contact.legs:
        return contact, []
    turn = Turn(contact, now, book)
    if isinstance(given, inputs.Due):
        if given.name not in contact.deadlines:
            return contact, []  # met or cleared while the alarm was on its way
        turn.deadline(given.name, None)
        if any(mine(turn, given) for mine in DUE):
            return turn.contact, turn.effects
    step = TABLE[contact.state].get(type(given)) or ALWAYS.get(type(given))
    if leg is not None and leg in contact.calls:
        comes_in = contact.legs[leg].direction == "in"
        step = (picking if comes_in else calling).STEPS.get(type(given), step)
    if leg is not None:
        step = mobile.steps(contact, contact.legs[leg]).get(type(given), step)
    if leg is not None and contact.legs[leg].moves and contact.legs[leg].alive and contact.state != "ending":
        step = moving.STEPS.get(type(given), step)
    if step is not None:
        step(turn, given)
    return turn.contact, turn.effects
