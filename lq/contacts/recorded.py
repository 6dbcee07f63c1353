"""Whether a contact is recorded, and who tells the customer: what follows from all that have a word in it. Pure.

A word have the access number or the route, the queue, and the agent who talks; inside the house the phone and the agent
who call. Of those the one decides who records least: what was recorded against somebody's will cannot be taken back.
Of the notice it is the strictest. Where nobody has a word the center's settings say what holds in this direction, and
else nothing is recorded unless somebody orders it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lq.config.book import Book
from lq.contacts.contact import Contact

LEAST_FIRST: Final = (
    "none",  # never, whoever orders it
    "on_demand",  # only when somebody orders it
    "voice",  # as talk, and silences in which nobody is heard are left out of it
    "talk",  # while the customer and an agent are in conversation, hold included
    "whole",  # from our answer on
)
STRICTEST_FIRST: Final = (
    "required",  # played to its end before anybody is connected
    "by_agent",  # the agent says it
    "none",
)
USUAL_NOTICE: Final[Mapping[str, str]] = {"in": "required", "out": "by_agent", "internal": "none"}


@dataclass(frozen=True, slots=True)
class Rule:
    recording: str = ""  # "": no word
    notice: str = ""


def decide(said: Iterable[Rule], usual: Rule) -> Rule:
    """What holds; `usual`: where none of them has a word. A word that is not known (N+1 wrote it) is none."""
    words = tuple(said)
    return Rule(
        _first(LEAST_FIRST, [word.recording for word in words], usual.recording or "on_demand"),
        _first(STRICTEST_FIRST, [word.notice for word in words], usual.notice or "none"),
    )


def _first(order: tuple[str, ...], words: Iterable[str], usual: str) -> str:
    return min((word for word in words if word in order), key=order.index, default=usual)


def of(contact: Contact, book: Book, queue: str = "") -> Rule:
    """What holds of this contact now; `queue`: the one that it is about to enter."""
    base = Rule(contact.recording_policy, contact.notice_policy)
    usual = Rule(book.settings.recording.get(contact.direction, ""), USUAL_NOTICE[contact.direction])
    return decide(
        (base, *_of_conference(contact, book), *_of_queue(contact, book, queue), *_of_agent(contact, book)), usual
    )


def _of_conference(contact: Contact, book: Book) -> Iterable[Rule]:
    known = book.conferences.get(contact.conference.id) if contact.conference else None
    return () if known is None else (Rule(known.recording, known.notice),)


def _of_queue(contact: Contact, book: Book, queue: str) -> Iterable[Rule]:
    aimed = contact.target.removeprefix("queue:") if contact.target.startswith("queue:") else ""
    known = book.queues.get(queue or contact.queue or aimed)
    return () if known is None else (Rule(known.recording, known.notice),)


def _of_agent(contact: Contact, book: Book) -> Iterable[Rule]:
    """Who called, inside the house; else who talks with the customer."""
    caller = contact.legs[1].agent
    agent = caller if contact.direction == "internal" else contact.agent or caller
    known = book.agents.get(agent) if contact.state == "talking" else None
    return () if known is None else (Rule(known.recording),)
