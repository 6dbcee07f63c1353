"""The caller in an IVR flow: what lq/ivr decides becomes prompts, clocks and the way on."""

from __future__ import annotations

from dataclasses import replace

from lq.config.calendars import local, open_at
from lq.contacts import ending, inbound, inputs, recording
from lq.contacts.contact import Menu
from lq.contacts.turn import Turn
from lq.ivr import flow as ivr
from lq.trunks.causes import NORMAL


def enter(turn: Turn, flow: str) -> None:
    document = turn.book.flows[flow]
    turn.set(state="ivr")
    recording.settle(turn)
    turn.segment("ivr")
    turn.emit("contact_ivr_entered", n=turn.n, flow=flow, version=document.version)
    position, action = ivr.enter(document)
    turn.set(menu=Menu(flow, document.version, position))
    _perform(turn, position, action)


def played(turn: Turn, given: inputs.Played) -> None:
    menu, play = turn.contact.menu, turn.contact.customer.play
    if menu is None or play is None or given.leg != turn.contact.customer.n or play.id != given.play:
        return
    turn.set_leg(given.leg, play=None)
    recording.notice_played(turn, given, play.started_at)
    _perform(turn, *ivr.played(turn.book.flows[menu.flow], menu.position))


def key(turn: Turn, given: inputs.Digit) -> None:
    menu = turn.contact.menu
    if menu is None or given.leg != turn.contact.customer.n:
        return
    turn.emit("contact_keys", n=turn.n, node=menu.position.node, pii_digits=given.key)
    step = ivr.pressed(turn.book.flows[menu.flow], menu.position, given.key)
    if step is None:
        turn.set(menu=replace(menu, position=ivr.typed_ahead(menu.position, given.key)))
    else:
        _perform(turn, *step)


def no_key(turn: Turn, given: inputs.Due) -> None:
    menu = turn.contact.menu
    if menu is not None and given.name == "key":
        _perform(turn, *ivr.timed_out(turn.book.flows[menu.flow], menu.position))


def lost(turn: Turn) -> None:
    """The flow no longer has the place where the caller stood: he hears it from its start, or that we have a fault."""
    menu = turn.contact.menu
    assert menu is not None  # asked only of a contact in a menu
    turn.deadline("key", None)
    _leave(turn, "flow_changed")
    inbound.go_to(turn, f"ivr:{menu.flow}")


def _perform(turn: Turn, position: ivr.Position, action: ivr.Action) -> None:
    menu = turn.contact.menu
    assert menu is not None  # only steps of a contact in a menu come here
    turn.set(menu=replace(menu, position=position))
    turn.deadline("key", None)
    match action:
        case ivr.Say(prompts, notice):
            if notice and "notice_recorded" in prompts:
                turn.set(notice_at=turn.now)
            turn.play(turn.contact.customer.n, tuple(turn.prompt(prompt) for prompt in prompts))
        case ivr.AwaitKey(seconds):
            turn.deadline("key", turn.now + int(seconds * 1000))
        case ivr.Record(what, reason):
            recording.in_flow(turn, what, reason)
            _perform(turn, *ivr.done(turn.book.flows[menu.flow], position))
        case ivr.Hours(calendar):
            _perform(turn, *ivr.looked(turn.book.flows[menu.flow], position, _is_open(turn, calendar)))
        case ivr.ToQueue(queue):
            _leave(turn, "queue")
            inbound.go_to(turn, f"queue:{queue}")
        case ivr.ToAgent(agent):
            _leave(turn, "agent")
            inbound.go_to(turn, f"agent:{agent}")
        case ivr.HangUp(reason):
            _leave(turn, reason)
            ending.finish(turn, "ivr", "system", NORMAL)


def _is_open(turn: Turn, calendar: str) -> bool:
    """One that is missing closes nothing: who calls is served."""
    known = turn.book.calendars.get(calendar)
    return known is None or open_at(known, local(turn.now, turn.book.settings.time_zone))


def _leave(turn: Turn, reason: str) -> None:
    turn.emit("contact_ivr_left", n=turn.n, reason=reason)
    turn.end_segments(reason)
    turn.set(menu=None)
