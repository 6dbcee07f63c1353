"""A conference room calls people in (会议外呼): each with a contact of his own, as if he had dialled in. Pure.

A number outside passes the gate as every call out does; how far a room may call says its `calls`. Whoever asked hears
at once whether the call is on its way, or what is against it; what becomes of it say the ledger and the room's list.
Who answers needs no PIN. He hears that he is invited, or is in it at once.
"""

from __future__ import annotations

from typing import Final

from lq.config.book import Book
from lq.config.documents import SERVICE
from lq.contacts import calling, conferring, ending, gate, inputs, placing, talking, transfer
from lq.contacts import effects as do
from lq.contacts.contact import Asking, Call, Conference, Contact
from lq.contacts.turn import Turn
from lq.trunks import numbers, routes
from lq.trunks.causes import BUSY, NO_ANSWER, NO_COMMON_CODEC, NORMAL, REJECTED, TEMPORARY_FAILURE
from lq.trunks.routes import Plan, Refusal, Rule

_OUT: Final = "out:"  # calling.OUTSIDE
_RESULT: Final = {  # what he said -> result, who ended it, Q.850
    "busy": ("busy", "caller", BUSY),
    "refused": ("refused", "caller", REJECTED),
    "no_answer": ("no_answer", "system", NO_ANSWER),
    "unreachable": ("failed", "system", TEMPORARY_FAILURE),
    "taken_back": ("abandoned", "system", NORMAL),
}


def begin(given: inputs.Invited, now: int, book: Book) -> Turn | placing.Refused:
    """The first turn of his contact, or why there is none."""
    room, to = book.conferences.get(given.conference), transfer.target_in(book, given.to)
    if room is None:
        return placing.Refused(404, "not_found", f"there is no conference {given.conference}")
    if not to.startswith(("agent:", "phone:", _OUT)):
        return placing.Refused(422, "invalid", "there is no such agent, phone or number", "to")
    number = numbers.dialled(given.to.rpartition(":")[2], book.home, book.settings.outside_prefix)
    purpose = (given.purpose or SERVICE.id) if to.startswith(_OUT) else ""
    if purpose and (rule := _against(Asking(1, number, "", purpose, conference=room.id), now, book)):
        return placing.refusal(rule)
    here = f"conference:{room.id}"
    contact = Contact(
        id=given.contact,
        state="conference",
        direction="out" if purpose else "internal",
        started_at=now,
        number=number,
        called=number,
        source=here,
        target=here,
        recording_policy="",  # the room has the word; of a number outside its route, too, once it is dialled
        config_version=book.version,
        purpose=purpose,
        command=given.command,
        conference=Conference(room.id, "called", given.host, given.greet),
    )
    turn = Turn(contact, now, book)
    turn.emit(
        "contact_started",
        direction=contact.direction,
        number_raw=number.raw, number=number.e164, number_published=number.published,
        called_raw=number.raw, called=number.e164, called_published=number.published,
        node=given.node, conference=room.id, **({"purpose": purpose} if purpose else {}),
    )  # fmt: skip
    turn.segment("ring")
    _note(turn)
    calling.start(turn, Call("invite", to))
    return turn


def _against(asking: Asking, now: int, book: Book) -> Refusal | None:
    """What needs no question. Nobody may ring at an emergency number without knowing."""
    if routes.is_emergency(asking.number):
        return Refusal("permission")
    decided = gate.decide(asking, now, book)
    return decided if isinstance(decided, Refusal) else None


def _note(turn: Turn, outcome: str = "") -> None:
    """For the conference's list."""
    contact, room = turn.contact, turn.contact.source.removeprefix("conference:")
    turn.do(do.NoteCalled(room, contact.number.published, contact.started_at, outcome))


# -- how the call goes (calling.py) ------------------------------------------------------------------------------------
def passed(turn: Turn, plan: Plan) -> None:
    """The gate lets it out."""
    if _is_called(turn):  # else somebody is called into a contact of others
        turn.set(recording_policy=plan.recording, notice_policy=plan.notice)
        turn.begun(201)


def _is_called(turn: Turn) -> bool:
    where = turn.contact.conference
    return where is not None and where.phase == "called"


def answered(turn: Turn) -> None:
    _note(turn, "answered")


def failed(turn: Turn, outcome: str, sip: int, rule: Rule | None) -> None:
    """He does not come; `rule`: the gate's."""
    said = placing.refusal(Refusal(rule)) if rule else placing.Refused(409, outcome, f"not to be had: {outcome}")
    turn.begun(said.status, said.code, said.message)
    _note(turn, rule or outcome)
    ending.finish(turn, *_RESULT[outcome], sip)


def media_ready(turn: Turn, given: inputs.MediaReady) -> None:
    """Whom the room has called is on the line: he is counted in as anybody."""
    leg = turn.leg(given.leg)
    if not leg.alive:
        ending.late_media(turn, given)
        return
    turn.set_leg(leg.n, media=given.media, codec=given.codec, pending_sdp="")
    turn.leg_answered(leg.n)
    comes_in(turn)


def comes_in(turn: Turn) -> None:
    if _is_called(turn):
        conferring.admit(turn)


def media_failed(turn: Turn, given: inputs.MediaFailed) -> None:
    leg = turn.leg(given.leg)
    if leg.codec or not leg.alive:
        talking.media_failed(turn, given)  # a change that failed: he stays as he was
    else:
        ending.finish(turn, "failed", "system", NO_COMMON_CODEC)
