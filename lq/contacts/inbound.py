"""A contact begins: whose number, which number, what answers there; then the caller's media and our 200."""

from __future__ import annotations

from lq.config.book import Book
from lq.config.documents import NumberRule
from lq.contacts import effects as do
from lq.contacts import ending, inputs, menu, offer, queueing, recording
from lq.contacts.contact import Contact, Leg
from lq.contacts.turn import (
    NO_COMMON_CODEC,
    SIP_OF_CAUSE,
    TEMPORARY_FAILURE,
    UNALLOCATED,
    Turn,
)
from lq.trunks import numbers


def begin(given: inputs.Incoming, now: int, book: Book) -> Turn:
    """The first turn of a contact."""
    kind, _, id = given.source.partition(":")
    rule = book.trunks[id].numbers if kind == "trunk" and id in book.trunks else _home(book)
    if kind == "trunk":
        number, called = numbers.caller(given.caller, rule), numbers.called(given.called, rule)
    else:
        number, called = numbers.Number(given.caller, id, id, "extension"), numbers.dialled(given.called, rule)
    access = book.numbers.get(called.published)
    target = access.target if access else _direct_target(kind, called.published, book)
    contact = Contact(
        id=given.contact,
        state="arriving",
        direction="in" if kind == "trunk" else "internal",
        started_at=now,
        number=number,
        called=called,
        source=given.source,
        target=target,
        recording_policy=access.recording if access else "none",
        config_version=book.version,
    )
    turn = Turn(contact, now, book)
    turn.emit(
        "contact_started",
        direction=contact.direction,
        number_raw=number.raw, number=number.e164, number_published=number.published,
        called_raw=called.raw, called=called.e164, called_published=called.published,
        node=given.node, **{kind: id}, **({"anonymous": True} if number.anonymous else {}),
    )  # fmt: skip
    turn.add_leg(Leg(1, "customer", "in", number.published or "anonymous", "arriving"))
    if not target:
        ending.finish(turn, "refused", "system", UNALLOCATED)
    else:
        turn.do(do.PrepareIncoming(1, given.sdp))
    return turn


def _home(book: Book) -> NumberRule:
    """Phones dial as the first trunk's home area does."""
    return next((trunk.numbers for trunk in book.trunks.values()), NumberRule())


def _direct_target(kind: str, dialled: str, book: Book) -> str:
    """What a phone reaches without any access number; nothing for callers from outside."""
    if kind != "phone":
        return ""
    if dialled in book.agents:
        return f"agent:{dialled}"
    if dialled in book.phones:
        return f"phone:{dialled}"
    return ""


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    """Our 200: from here on the caller pays and hears us. A phone that calls a phone hears it ring first."""
    turn.set_leg(1, media=given.media, codec=given.codec)
    if turn.contact.target.startswith("phone:"):
        turn.do(do.Ring(1))
        offer.call_phone(turn, turn.contact.target.removeprefix("phone:"), given.sdp)
        return
    turn.do(do.Answer(1, given.sdp))
    turn.set_leg(1, state="answered")
    turn.emit("leg_answered", leg=turn.contact.leg_id(1), codec=given.codec)
    if turn.contact.recording_policy == "whole":
        recording.start(turn, "whole", 1)
    go_to(turn, turn.contact.target)


def media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    cause = NO_COMMON_CODEC if given.why == "no_codec" else TEMPORARY_FAILURE
    ending.finish(turn, "refused" if given.why == "no_codec" else "failed", "system", cause, SIP_OF_CAUSE[cause])


def go_to(turn: Turn, target: str) -> None:
    """The caller is answered and goes to what he reached: ivr:…, queue:…, agent:… or echo."""
    kind, _, id = target.partition(":")
    if kind == "ivr" and id in turn.book.flows:
        menu.enter(turn, id)
    elif kind in ("queue", "agent"):
        _to_people(turn, target)
    elif kind == "echo":
        announce(turn, (turn.prompt("echo_start"),), "echo!")
        turn.segment("echo")
        turn.emit("contact_echo", n=turn.n)
    elif target == "echo!":
        turn.set(state="echo")
        turn.set_leg(1, play=None, peer="echo")
        turn.do(do.Echo(1))
    elif kind == "end":
        result, _, cause = id.partition(":")
        ending.finish(turn, result, "system", int(cause))
    else:
        announce(turn, (turn.prompt("technical_error"),), f"end:failed:{TEMPORARY_FAILURE}")


def _to_people(turn: Turn, target: str) -> None:
    """Nobody is connected to an agent on a recorded line without having heard that it is recorded."""
    if turn.contact.recording_policy != "none" and not turn.contact.notice_at and turn.contact.direction != "internal":
        turn.set(notice_at=turn.now)
        announce(turn, (turn.prompt("notice_recorded"),), target)
        return
    kind, _, id = target.partition(":")
    if kind == "queue":
        queueing.enter_queue(turn, id)
    else:
        queueing.enter_agent_line(turn, id)


def announce(turn: Turn, items: tuple[str, ...], after: str) -> None:
    """The caller hears this to its end, then goes on to `after`."""
    turn.set(state="announcing", after=after)
    turn.play(1, items)


def announced(turn: Turn, given: inputs.Played) -> None:
    play = turn.contact.customer.play
    if given.leg != 1 or play is None or play.id != given.play:
        return
    if turn.contact.notice_at == play.started_at:
        turn.emit("contact_notice_played", prompt="notice_recorded", complete=given.complete)
    turn.set_leg(1, play=None)
    go_to(turn, turn.contact.after)
