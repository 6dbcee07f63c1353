"""The rule of a contact: `advance(contact, input, now, book) -> (contact, effects)`. Pure; the table says which step.

TABLE[state][input] is the step; ALWAYS holds what every state answers alike. What stands in neither is ignored on
purpose: it comes too late or means nothing there. tests/unit/contacts visits every state × every input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lq.config.book import Book
from lq.contacts import adoption, command, ending, inbound, inputs, menu, offer, queueing, recording, talking
from lq.contacts.contact import Contact, State
from lq.contacts.effects import Effect
from lq.contacts.turn import Turn

Step = Callable[[Turn, Any], None]


def _hung_up(turn: Turn, given: inputs.Ended) -> None:
    """A party left. The caller's end is the contact's; a called party's only when they talked."""
    if given.leg == 1:
        ending.caller_gone(turn, given)
    elif turn.contact.state == "talking" and turn.leg(given.leg).alive:
        ending.agent_gone(turn, given)
    else:
        ending.late_end(turn, given)


def _accepted(turn: Turn, given: inputs.Accepted) -> None:
    wanted = turn.contact.state in ("offering", "calling") and turn.leg(given.leg).alive
    (offer.accepted if wanted else ending.late_answer)(turn, given)


def _rejected(turn: Turn, given: inputs.Rejected) -> None:
    wanted = turn.contact.state in ("offering", "calling") and turn.leg(given.leg).alive
    (offer.rejected if wanted else ending.late_end)(turn, given)


ALWAYS: Final[Mapping[type, Step]] = {
    inputs.Ended: _hung_up,
    inputs.Cancelled: ending.caller_gone,
    inputs.Accepted: _accepted,
    inputs.Rejected: _rejected,
    inputs.Reoffered: talking.offered,
    inputs.MediaReoffered: talking.reoffered,
    inputs.MediaReady: ending.late_media,
    inputs.MediaFailed: talking.media_failed,
    inputs.MediaDeleted: ending.media_deleted,
    inputs.RecordingStarted: recording.started,
    inputs.Command: command.carry_out,
    inputs.Adopted: adoption.adopted,
}
TABLE: Final[Mapping[State, Mapping[type, Step]]] = {
    "arriving": {inputs.MediaReady: inbound.media_ready, inputs.MediaFailed: inbound.media_failed},
    "announcing": {inputs.Played: inbound.announced},
    "ivr": {inputs.Played: menu.played, inputs.Digit: menu.key, inputs.Due: menu.no_key},
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
    "calling": {
        inputs.MediaReady: offer.media_ready,
        inputs.MediaFailed: offer.media_failed,
        inputs.Progress: offer.progress,
        inputs.Due: offer.due,
    },
    "talking": {inputs.MediaReady: talking.media_ready},
    "echo": {},
    "ending": {
        inputs.Reoffered: talking.refused,
        inputs.MediaReoffered: talking.too_late,
        inputs.Due: ending.cleared,
    },
    "over": {},
}


def begin(given: inputs.Incoming, now: int, book: Book) -> tuple[Contact, list[Effect]]:
    """A new contact from the INVITE that starts it."""
    turn = inbound.begin(given, now, book)
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
    step = TABLE[contact.state].get(type(given)) or ALWAYS.get(type(given))
    if step is not None:
        step(turn, given)
    return turn.contact, turn.effects
