"""A contact begins: whose number, which number, what answers there; then the caller's media and our 200."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lq.config import calendars
from lq.config.book import Book
from lq.config.documents import SERVICE, AccessNumber
from lq.contacts import (
    codes,
    conferring,
    direct,
    ending,
    engaging,
    inputs,
    menu,
    outgoing,
    queueing,
    recorded,
    recording,
)
from lq.contacts import effects as do
from lq.contacts.contact import Contact, Leg
from lq.contacts.turn import Turn
from lq.trunks import numbers
from lq.trunks.causes import BUSY, NO_COMMON_CODEC, REJECTED, TEMPORARY_FAILURE, UNALLOCATED, status_of

OUT: Final = "out"
NOTICES: Final = 2  # so often the notice is tried: a mixer that was away is back by the second time


def begin(given: inputs.Incoming, now: int, book: Book) -> Turn:
    """The first turn of a contact."""
    kind, _, id = given.source.partition(":")
    rule = book.trunks[id].numbers if kind == "trunk" and id in book.trunks else book.home
    if kind == "trunk":
        number, called = numbers.caller(given.caller, rule), numbers.called(given.called, rule)
    else:
        number = numbers.Number(given.caller, id, id, "extension")
        called = numbers.dialled(given.called, rule, book.settings.outside_prefix)
    access = book.numbers.get(called.published)
    target = (
        _answers(access, now, book) if access and kind == "trunk" else _inside(access, kind, called.published, book)
    )
    if target == OUT:
        number = called  # the other party's
    word = _word(kind, id, access, book)
    contact = Contact(
        id=given.contact,
        state="arriving",
        direction="in" if kind == "trunk" else "out" if target == OUT else "internal",
        started_at=now,
        number=number,
        called=called,
        source=given.source,
        target=target,
        recording_policy=word.recording,
        notice_policy=word.notice,
        config_version=book.version,
        purpose=SERVICE.id if target == OUT else "",  # what a phone dials
    )
    turn = Turn(contact, now, book)
    turn.emit(
        "contact_started",
        direction=contact.direction,
        number_raw=number.raw, number=number.e164, number_published=number.published,
        called_raw=called.raw, called=called.e164, called_published=called.published,
        node=given.node, **{kind: id}, **({"anonymous": True} if number.anonymous else {}),
        **({"purpose": contact.purpose} if contact.purpose else {}),
    )  # fmt: skip
    if target == OUT:
        turn.add_leg(Leg(1, "agent", "in", id, "arriving"))
        outgoing.ask_gate(turn, given.sdp)
        return turn
    if kind == "trunk":
        turn.do(do.SeizeChannel(1, id))  # the network has taken it: counted, never refused
        _look_up(turn)
    outside = kind != "phone"
    turn.add_leg(Leg(1, "customer", "in", number.published or "anonymous", "arriving", outside=outside))
    if kind == "phone" and not target.startswith("code:"):  # a feature code is about his state, and changes it
        engaging.calls(turn, 1, phone=id)
    if not target:
        ending.finish(turn, "refused", "system", UNALLOCATED)
    elif given.sdp:
        turn.do(do.PrepareIncoming(1, given.sdp))
    else:
        turn.do(do.PrepareOutgoing(1))  # a third party connects the two (RFC 3725): our 200 makes the offer
    return turn


def _answers(access: AccessNumber, now: int, book: Book) -> str:
    """Who calls from outside comes in the number's hours; whoever is in the house, at any time."""
    return calendars.answers(access, book.calendars.get(access.calendar), calendars.local(now, book.settings.time_zone))


def _inside(access: AccessNumber | None, kind: str, dialled: str, book: Book) -> str:
    return access.target if access else direct_target(kind, dialled, book)


def _word(kind: str, id: str, access: AccessNumber | None, book: Book) -> recorded.Rule:
    """The first word on whether it is recorded: the number's; inside the house the phone's that calls."""
    if access is not None:
        return recorded.Rule(access.recording, access.notice if kind == "trunk" else "")
    phone = book.phones.get(id) if kind == "phone" else None
    return recorded.Rule(phone.recording if phone else "")


def _look_up(turn: Turn) -> None:
    """Whether the caller is on a list. If the live state does not say so in time, he is served as anybody."""
    lists = tuple(id for id, one in sorted(turn.book.lists.items()) if one.enabled and one.kind != "dnc")
    if lists and turn.contact.number.e164:
        turn.do(do.LookUp(1, turn.contact.number.e164, lists))


def looked_up(turn: Turn, given: inputs.LookedUp) -> None:
    """A caller on a black list is refused before anything is prepared for him, a VIP comes before others."""
    if turn.contact.target == OUT:
        outgoing.gate_answered(turn, given)
        return
    lists = [turn.book.lists[id] for id in given.listed if id in turn.book.lists]
    black = next((one for one in lists if one.kind == "black"), None)
    if black is not None and all(one.kind != "white" for one in lists):
        turn.emit("contact_refused", rule="black_list", list=black.id)
        ending.finish(turn, "refused", "system", BUSY if black.answer == "busy" else REJECTED)
        return
    turn.set(priority=max((one.priority for one in lists if one.kind == "vip"), default=0))


def direct_target(kind: str, dialled: str, book: Book) -> str:
    """What a phone reaches without any access number, all else being outside; nothing for callers from there."""
    if kind != "phone":
        return ""
    if dialled in book.agents:
        return f"agent:{dialled}"
    if dialled in book.phones:
        return f"phone:{dialled}"
    if dialled in book.conferences:
        return f"conference:{dialled}"
    return _feature(dialled, book.settings.codes) or OUT


def _feature(dialled: str, codes: Mapping[str, str]) -> str:
    """What a feature code reaches, "" for none; behind that of pick-up an agent or a phone may be dialled."""
    if feature := codes.get(dialled):
        return "echo" if feature == "echo" else f"code:{feature}"
    picks_up = next((code for code, feature in codes.items() if feature == "pick_up"), "")
    named = dialled.removeprefix(picks_up) if picks_up else dialled
    return f"code:pick_up:{named}" if named != dialled and named.isdecimal() else ""


def dialled(digits: str, book: Book) -> tuple[numbers.Number, str]:
    """The number that a phone dials, and what it reaches: an access number's target, agent:…, phone:…, else out."""
    number = numbers.dialled(digits, book.home, book.settings.outside_prefix)
    return number, _inside(book.numbers.get(number.published), "phone", number.published, book)


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    """Our 200: from here on the caller pays and hears us. A phone that calls a phone hears it ring first."""
    turn.set_leg(1, media=given.media, codec=given.codec)
    if turn.contact.target == OUT:
        outgoing.begin(turn, given.sdp)
        return
    if _is_colleague(turn):
        turn.set(after=given.sdp)
        direct.call(turn, turn.contact.target)
        return
    if given.sdp:
        turn.do(do.Answer(1, given.sdp))
        turn.set_leg(1, state="answered")
    if given.codec:  # else we made the offer, and his ACK brings the answer
        _answered(turn, given)


def _is_colleague(turn: Turn) -> bool:
    """Dialled from a phone by extension or operator number; an access number leads to the line before an agent."""
    contact = turn.contact
    direct_call = contact.source.startswith("phone:") and contact.called.published not in turn.book.numbers
    return contact.target.startswith("phone:") or (direct_call and contact.target.startswith("agent:"))


def _answered(turn: Turn, given: inputs.MediaReady) -> None:
    turn.leg_answered(1)
    recording.settle(turn)
    go_to(turn, turn.contact.target)


def answer_and_go(turn: Turn, target: str) -> None:
    """A phone that hears ringing so far is answered, and goes to what answers with a voice: a queue, an agent …

    One that has offered nothing goes there when its ACK has brought what it can (`media_ready`).
    """
    if turn.contact.customer.state == "answered":
        go_to(turn, target)
        return
    turn.do(do.Answer(1, turn.contact.after))
    turn.set_leg(1, state="answered")
    turn.set(state="arriving", after="")
    if turn.contact.customer.codec:
        turn.leg_answered(1)
        go_to(turn, target)


def media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    cause = NO_COMMON_CODEC if given.why == "no_codec" else TEMPORARY_FAILURE
    ending.finish(turn, "refused" if given.why == "no_codec" else "failed", "system", cause, status_of(cause))


def go_to(turn: Turn, target: str) -> None:
    """The caller is answered and goes to what he reached: ivr:…, queue:…, agent:…, conference:… or echo."""
    kind, _, id = target.partition(":")
    if kind == "ivr" and id in turn.book.flows:
        menu.enter(turn, id)
    elif kind in ("queue", "agent"):
        _to_people(turn, target)
    elif kind == "code":
        codes.begin(turn, id)
    elif kind == "conference" and id in turn.book.conferences:
        conferring.enter(turn, id)
    elif kind == "echo":
        announce(turn, (turn.prompt("echo_start"),), "echo!")
        turn.segment("echo")
        turn.emit("contact_echo", n=turn.n)
    elif target == "echo!":
        turn.set(state="echo")
        n = turn.contact.customer.n
        turn.set_leg(n, play=None, peer="echo")
        turn.do(do.Echo(n))
    elif kind == "end":
        result, _, cause = id.partition(":")
        ending.finish(turn, result, "system", int(cause))
    else:
        announce(turn, (turn.prompt("technical_error"),), f"end:failed:{TEMPORARY_FAILURE}")


def _to_people(turn: Turn, target: str) -> None:
    """Where it is required nobody is connected on a line that may be recorded without having heard so. Who could not
    hear it to its end, twice, goes on and is not recorded."""
    kind, _, id = target.partition(":")
    contact, rule = turn.contact, recorded.of(turn.contact, turn.book, id if kind == "queue" else "")
    unheard = not contact.notice_at and contact.notices_missed < NOTICES
    if rule.recording != "none" and rule.notice == "required" and unheard:
        turn.set(notice_at=turn.now)
        announce(turn, (turn.prompt("notice_recorded"),), target)
        return
    if kind == "queue":
        queueing.enter_queue(turn, id)
    else:
        queueing.enter_agent_line(turn, id)


def announce(turn: Turn, items: tuple[str, ...], after: str) -> None:
    """The caller hears this to its end, then goes on to `after`."""
    turn.set(state="announcing", after=after)
    turn.play(turn.contact.customer.n, items)


def announced(turn: Turn, given: inputs.Played) -> None:
    customer = turn.contact.customer
    play = customer.play
    if given.leg != customer.n or play is None or play.id != given.play:
        return
    turn.set_leg(customer.n, play=None)
    recording.notice_played(turn, given, play.started_at)
    go_to(turn, turn.contact.after)
