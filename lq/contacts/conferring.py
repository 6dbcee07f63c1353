"""A conference room (会议): each party is a contact of its own, and all of them are in one room of the mixer. Pure.

Whoever dials in says a PIN, unless it has none or an agent has sent him. Then he is counted in: who is in a conference
stands in Redis as long as his contact lives, whichever node has it, and the others are told (`Parties`). Who is the
only one hears music, others a short tone when somebody comes or leaves. When the last host leaves, a conference that
ends with its host is over for everybody. Whom the room itself calls in begins in inviting.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from lq.config.documents import Conference as Document
from lq.contacts import conversation, ending, guessing, inbound, inputs, recorded, recording
from lq.contacts import effects as do
from lq.contacts.contact import Conference, Leg
from lq.contacts.turn import Turn
from lq.trunks.causes import BUSY, NORMAL, REJECTED

KEY_MS: Final = 8_000  # from the prompt's end or the last key on: then what was typed is the PIN
TRIES: Final = 3
LONGEST_PIN: Final = 16
MUSIC: Final = "music/hold"
PIN: Final = "pin"
COMES: Final = "tones/joined"
LEAVES: Final = "tones/left"
NOT_IN_IT: Final = (409, "not_in_conference", "this contact is in no conference")


def enter(turn: Turn, id: str) -> None:
    turn.set(state="conference", conference=Conference(id))
    turn.segment("ivr", "transferred")
    turn.emit("contact_conference_reached", n=turn.n, conference=id)
    document = turn.book.conferences[id]
    sent = turn.contact.answered_at  # by an agent, who answers for him
    if sent or not (document.pin or document.host_pin):
        _admit(turn, host=False)
    else:
        turn.play(turn.contact.customer.n, (turn.prompt("enter_password"),))


def _here(turn: Turn) -> tuple[Conference, Document]:
    """His place in it, and its rules; of one that was deleted meanwhile, the usual ones."""
    where = turn.contact.conference
    assert where is not None  # only steps of a contact in a conference come here
    return where, turn.book.conferences.get(where.id) or Document(where.id, where.id)


def _set(turn: Turn, **changes: Any) -> None:
    where, _ = _here(turn)
    turn.set(conference=replace(where, **changes))


# -- the PIN -----------------------------------------------------------------------------------------------------------
def hears_keys(turn: Turn) -> bool:
    return _here(turn)[0].phase == "pin"


def key(turn: Turn, pressed: str) -> None:
    where, _ = _here(turn)
    leg = turn.contact.customer
    if where.entered:
        return
    if leg.play is not None:
        turn.set_leg(leg.n, play=None, peer=conversation.ALONE)
        turn.do(do.Park(leg.n))
    if pressed == "#":
        _check(turn)
        return
    _set(turn, typed=(where.typed + pressed)[:LONGEST_PIN])
    turn.deadline(PIN, turn.now + KEY_MS)


def due(turn: Turn, given: inputs.Due) -> None:
    if given.name != PIN or not hears_keys(turn):
        return
    if _here(turn)[0].entered:
        guessed(turn, inputs.Guessed(turn.contact.customer.n, True))
    else:
        _check(turn)


def _check(turn: Turn) -> None:
    where, document = _here(turn)
    host = bool(document.host_pin) and where.typed == document.host_pin
    _set(turn, typed="", entered="host" if host else "party" if where.typed == document.pin else "wrong")
    _count(turn)


def _count(turn: Turn) -> None:
    where, _ = _here(turn)
    turn.deadline(PIN, turn.now + guessing.WAIT_MS)
    whose, wrong = f"conference:{where.id}", where.entered == "wrong"
    guessing.count(turn, turn.contact.customer.n, whose, where.tries, wrong=wrong)


def guessed(turn: Turn, given: inputs.Guessed) -> None:
    """Whether the PIN counts."""
    where, _ = _here(turn)
    if not where.entered:
        return
    turn.deadline(PIN, None)
    _set(turn, entered="")
    if not given.within:
        _refuse(turn, "locked", "goodbye", f"end:refused:{REJECTED}")
    elif where.entered != "wrong":
        _admit(turn, host=where.entered == "host")
    elif where.tries + 1 >= TRIES:
        _refuse(turn, "pin", "goodbye", f"end:refused:{REJECTED}")
    else:
        _set(turn, tries=where.tries + 1)
        turn.play(turn.contact.customer.n, (turn.prompt("password_wrong"),))


def _refuse(turn: Turn, reason: str, prompt: str, after: str) -> None:
    turn.emit("contact_conference_refused", conference=_here(turn)[0].id, reason=reason)
    turn.set(conference=None)
    inbound.announce(turn, (turn.prompt(prompt),), after)


# -- in it -------------------------------------------------------------------------------------------------------------
def _admit(turn: Turn, *, host: bool) -> None:
    _set(turn, host=host)
    admit(turn)


def admit(turn: Turn) -> None:
    """He may come in, as what he is."""
    _set(turn, typed="", phase="joining")
    _join(turn)


def _join(turn: Turn) -> None:
    where, document = _here(turn)
    turn.do(do.JoinConference(where.id, where.host, document.max_parties if where.phase == "joining" else 0))


def full(turn: Turn, given: inputs.ConferenceFull) -> None:
    _refuse(turn, "full", "number_busy", f"end:busy:{BUSY}")


def parties(turn: Turn, given: inputs.Parties) -> None:
    where, document = _here(turn)
    if where.phase in ("called", "pin", "leaving") or given.change < where.change:
        return
    hosted = where.hosted or given.hosts > 0
    _set(turn, parties=given.parties, hosts=given.hosts, hosted=hosted, change=given.change)
    if where.phase == "joining":
        _greet(turn)
    elif document.end_with_host and where.hosted and not given.hosts:
        _set(turn, phase="leaving")
        turn.play(turn.contact.customer.n, (turn.prompt("goodbye"),))
    else:
        arrange(turn)
        if document.tones:
            _tone(turn, given.parties - where.parties)


def _tone(turn: Turn, more: int) -> None:
    """Who is in it hears that somebody has come, or left; the only one hears music then, and why."""
    where, leg = _here(turn)[0], turn.contact.customer
    if more and where.phase == "in" and leg.peer.startswith("room:"):
        turn.do(do.Tone(leg.n, COMES if more > 0 else LEAVES))


def _greet(turn: Turn) -> None:
    """He is counted in, and hears so, before anybody hears him."""
    where, _ = _here(turn)
    leg, contact = turn.contact.customer, turn.contact
    _set(turn, phase="greeting")
    turn.set(answered_at=contact.answered_at or turn.now)
    turn.segment("conference", "answered" if contact.source.startswith("conference:") else "conference")
    host = {"host": True} if where.host else {}
    turn.emit("contact_conference_joined", n=turn.n, conference=where.id, leg=contact.leg_id(leg.n), **host)
    rule = recorded.of(contact, turn.book)
    required = rule.recording != "none" and rule.notice == "required" and not contact.notice_at
    notice = ("notice_recorded",) if required else ()
    if notice:
        turn.set(notice_at=turn.now)
    said = notice
    if where.greet:  # whom the room has called learns first what it is about
        called = contact.source.startswith("conference:")
        said = ("conference_invited", *notice) if called else (*notice, "conference_joined")
    if said:
        turn.play(leg.n, tuple(turn.prompt(name) for name in said))
    else:
        _come_in(turn)


def _come_in(turn: Turn) -> None:
    _set(turn, phase="in")
    recording.settle(turn)
    arrange(turn)


def played(turn: Turn, given: inputs.Played) -> None:
    leg, (where, _) = turn.contact.customer, _here(turn)
    if given.leg != leg.n or leg.play is None or leg.play.id != given.play:
        return
    started_at = leg.play.started_at
    turn.set_leg(leg.n, play=None)
    match where.phase:
        case "pin":
            turn.deadline(PIN, turn.now + KEY_MS)
        case "greeting":
            recording.notice_played(turn, given, started_at)
            _come_in(turn)
        case "leaving":
            ending.finish(turn, "answered", "system", NORMAL)


def arrange(turn: Turn) -> None:
    """He hears the others, or, the only one, music; who holds by his phone is not heard: it may play music itself."""
    where, _ = _here(turn)
    leg = turn.contact.customer
    if where.phase != "in":
        return
    if where.parties < 2:
        items = (turn.prompt("conference_alone"), MUSIC)
        if leg.play is None or leg.play.items != items:
            turn.play(leg.n, items, repeat=0)
        return
    peer = _room(where, leg)
    if leg.peer != peer:
        turn.set_leg(leg.n, peer=peer, play=None)
        turn.do(conversation.confer(leg.n, peer) or do.Park(leg.n))


def _room(where: Conference, leg: Leg) -> str:
    return f"room:conference-{where.id}:{int(not leg.muted and not leg.held)}:"


def again(turn: Turn) -> None:
    """Another node's contact: what it was told last may have been lost with that node."""
    where, _ = _here(turn)
    if where.entered:
        _count(turn)
    elif where.phase not in ("called", "pin"):
        _join(turn)


# -- by command --------------------------------------------------------------------------------------------------------
def mute(turn: Turn, given: inputs.Command) -> None:
    _mute(turn, given, True)


def unmute(turn: Turn, given: inputs.Command) -> None:
    _mute(turn, given, False)


def _mute(turn: Turn, given: inputs.Command, muted: bool) -> None:
    leg = turn.contact.customer
    if turn.contact.state != "conference":
        turn.do(do.Reply(given.id, *NOT_IN_IT))
        return
    if leg.muted != muted:
        turn.set_leg(leg.n, muted=muted)
        turn.emit("leg_muted", leg=turn.contact.leg_id(leg.n), muted=muted)
        arrange(turn)
    turn.do(do.Reply(given.id, 200))


def make_host(turn: Turn, given: inputs.Command) -> None:
    """He is a host from now on ({host: true}), or none any more; the room does not end by that."""
    wanted = given.body.get("host") is True
    if turn.contact.state != "conference":
        turn.do(do.Reply(given.id, *NOT_IN_IT))
        return
    where, document = _here(turn)
    if where.phase == "pin":
        turn.do(do.Reply(given.id, *NOT_IN_IT))
    elif where.host and not wanted and document.end_with_host and where.hosts < 2:
        turn.do(do.Reply(given.id, 409, "last_host", "the conference would end: make somebody else a host first"))
    else:
        if where.host != wanted:
            _set(turn, host=wanted)
            turn.emit("contact_conference_host", conference=where.id, host=wanted)
            again(turn)
        turn.do(do.Reply(given.id, 200))
