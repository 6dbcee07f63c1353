"""Recordings of a contact (R11): planned before the media is asked for, and never a reason for a call to fail.

Whether it is recorded follows from the policy (recorded.py), until people, programs or a flow order otherwise: `settle`
looks at both after each step that may change it. A contact has one recording, of the customer's leg. Stopped, paused
and gone on with it stays one, with holes. Whoever orders is answered when it has come true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from lq.contacts import effects as do
from lq.contacts import inputs, recorded
from lq.contacts.contact import Contact, Leg, Recording, RecordingState
from lq.contacts.turn import COMMANDS_KEPT, Turn
from lq.ivr.flow import RECORD_REASON

# A change that is under way: what it becomes, and what it was before (of snapshots of N-1, which do not say).
UNDERWAY: Final[Mapping[str, tuple[RecordingState, str]]] = {
    "planned": ("active", "failed"),
    "pausing": ("paused", "active"),
    "resuming": ("active", "paused"),
    "stopping": ("stopped", "active"),
    "starting": ("active", "stopped"),
}
_WANTED: Final = {"pausing": "pause", "resuming": "resume", "stopping": "stop", "starting": "start"}
_TOLD: Final = {
    "pausing": "contact_recording_paused",
    "resuming": "contact_recording_resumed",
    "starting": "contact_recording_started",
}


KEY: Final = "key"
BY_VOICE: Final = "voice"


# -- by the policy ---------------------------------------------------------------------------------------------------
def settle(turn: Turn) -> None:
    """The contact has come to another place (answered, a queue, an agent, a trunk): record it, or no more."""
    rule = recorded.of(turn.contact, turn.book)
    turn.set(recording_rule=rule.recording, notice_rule=rule.notice)
    known, leg, due = turn.contact.recording, customers_leg(turn.contact), _is_due(turn.contact)
    if known is None:
        if due and leg is not None:
            _begin(turn, leg)
    elif due and known.state == "failed":  # the media, or the disk, may have come back
        if leg is not None:
            _begin(turn, leg)
    elif due and known.state in ("stopping", "stopped"):
        _change(turn, known, "starting")
    elif not due and known.state == "paused":  # until somebody resumes it, where that may be
        if rule.recording == "none":
            _is_stopped(turn, replace(known, state="stopped", by=""))
    elif not due and known.state not in ("stopping", "stopped", "closing", "failed"):
        _change(turn, known, "stopping")
    _by_voice(turn)


def _by_voice(turn: Turn) -> None:
    """Who records by voice records less than whoever began it. What has been left out once is, to the end."""
    known = turn.contact.recording
    if known is not None and known.kind != BY_VOICE and turn.contact.recording_rule == BY_VOICE and _runs(known):
        turn.set(recording=replace(known, kind=BY_VOICE))
        leave_out_silence(turn)


def leave_out_silence(turn: Turn) -> None:
    """Said where the recording's plan is: when it begins, and again where it goes on after a death or elsewhere."""
    known = turn.contact.recording
    if known is not None and known.kind == BY_VOICE and _runs(known):
        turn.do(do.LeaveOutSilence(known.leg, known.id, turn.book.settings.recording_silence_s))


def notice_played(turn: Turn, given: inputs.Played, began: int) -> None:
    """What `began` then has ended: the notice, perhaps. Who has not heard it whole is not recorded until he has; his
    call goes on."""
    if turn.contact.notice_at != began:
        return
    turn.emit("contact_notice_played", prompt="notice_recorded", complete=given.complete)
    if not given.complete:
        turn.set(notice_at=0, notices_missed=turn.contact.notices_missed + 1)
    if turn.contact.notices_missed:
        settle(turn)


def _runs(known: Recording) -> bool:
    return known.state not in ("closing", "failed")


def customers_leg(contact: Contact) -> Leg | None:
    """The leg that is recorded: left is what its party says, right what it hears. Inside the house: of who calls."""
    return next((leg for leg in contact.legs.values() if leg.party == "customer" and leg.state == "answered"), None)


def _is_due(contact: Contact) -> bool:
    rule = contact.recording_rule
    if rule == "none" or contact.recording_order == "off":
        return False
    if contact.recording_order == "on":
        return True
    if contact.notice_rule == "required" and contact.notices_missed and not contact.notice_at:
        return False  # he does not know
    return rule == "whole" or (rule in ("talk", BY_VOICE) and _converses(contact))


def _converses(contact: Contact) -> bool:
    return contact.state == "talking" or (contact.conference is not None and contact.conference.phase == "in")


# -- by order --------------------------------------------------------------------------------------------------------
def command(turn: Turn, given: inputs.Command) -> None:
    """`record` {action: start | stop | pause | resume, agent?, reason?}. Whether he may, the api has decided."""
    act, reason = _ACTIONS.get(str(given.body.get("action"))), given.body.get("reason", "")
    if act is None:
        _refuse(turn, given, "bad_action", "action: start, stop, pause or resume", 400)
    elif not isinstance(reason, str) or not RECORD_REASON.fullmatch(reason):
        _refuse(turn, given, "bad_reason", "reason: a word of a-z and _, at most 40 characters", 400)
    elif turn.contact.state in ("ending", "over"):
        _refuse(turn, given, "ended", "the contact has ended")
    else:
        act(turn, given)


def in_flow(turn: Turn, action: str, reason: str) -> None:
    """A flow orders it; what cannot be is left as it is."""
    command(turn, inputs.Command("", "record", {"action": action, "reason": reason}))


def by_key(turn: Turn, agent: str, actions: tuple[str, ...]) -> None:
    """An agent orders it by keys of his phone; of two that undo each other the one that is possible now."""
    known = turn.contact.recording
    state = known.state if known else "failed"
    off, held = state in ("stopping", "stopped", "closing", "failed"), state in ("pausing", "paused")
    possible = ("start" if off else "stop", "resume" if held else "pause")
    action = next((one for one in actions if one in possible), actions[0])
    command(turn, inputs.Command("", "record", {"action": action, "agent": agent, "by": KEY}))


def start(turn: Turn, given: inputs.Command) -> None:
    known, leg = turn.contact.recording, customers_leg(turn.contact)
    rule = recorded.of(turn.contact, turn.book)
    if rule.recording == "none":
        _refuse(turn, given, "never_recorded", "the policy of this line or agent is never to record")
    elif leg is None or (known is not None and (known.state == "closing" or known.leg != leg.n)):
        _refuse(turn, given, "no_customer", "there is no customer whose recording could begin")
    elif known is not None and known.state in ("pausing", "paused"):
        _refuse(turn, given, "paused", "the recording is paused: resume it")
    else:
        turn.set(recording_rule=rule.recording, recording_order="on", recording_reason="")
        _run(turn, known, leg, given)


def _run(turn: Turn, known: Recording | None, leg: Leg, given: inputs.Command) -> None:
    if known is None or known.state == "failed":
        _begin(turn, leg, given)
    elif known.state == "planned":
        turn.do(do.StartRecording(leg.n, known.id, given.id))
    elif known.state == "active":
        _so_it_is(turn, given.id)
    else:
        _change(turn, known, "resuming" if known.state == "resuming" else "starting", given)


def stop(turn: Turn, given: inputs.Command) -> None:
    """Nothing is recorded before somebody starts it again, also if nothing was as yet: he refuses in the menu."""
    known, reason = turn.contact.recording, str(given.body.get("reason", ""))
    new = (turn.contact.recording_order, turn.contact.recording_reason) != ("off", reason)
    turn.set(recording_order="off", recording_reason=reason)
    if known is None:
        if new:
            turn.emit("contact_recording_stopped", n=turn.n, **_said(_by(given), reason))
        _so_it_is(turn, given.id)
    elif known.state in ("closing", "failed"):
        _so_it_is(turn, given.id)
    elif known.state in ("paused", "stopped"):
        if new:
            _is_stopped(turn, replace(known, state="stopped", by=_by(given)))
        _so_it_is(turn, given.id)
    else:
        _change(turn, known, "stopping", given)


def pause(turn: Turn, given: inputs.Command) -> None:
    """Nothing that is said from the answer on may reach a disk (PCI DSS 3.2.1: a card's code is never stored)."""
    known = turn.contact.recording
    if known is None or known.state in ("stopping", "stopped", "closing", "failed"):
        _refuse(turn, given, "not_recording", "nothing is being recorded")
    elif known.state == "paused":
        _so_it_is(turn, given.id)
    else:
        _change(turn, known, "pausing", given)


def resume(turn: Turn, given: inputs.Command) -> None:
    known = turn.contact.recording
    if known is None or known.state in ("stopping", "stopped", "closing", "failed"):
        _refuse(turn, given, "not_recording", "no recording is paused")
    elif known.state == "active":
        _so_it_is(turn, given.id)
    elif known.state in ("pausing", "paused", "resuming"):
        _change(turn, known, "resuming", given)
    else:  # its start is under way
        _run(turn, known, turn.leg(known.leg), given)


_ACTIONS: Final[Mapping[str, Callable[[Turn, inputs.Command], None]]] = {
    "start": start,
    "stop": stop,
    "pause": pause,
    "resume": resume,
}


def _refuse(turn: Turn, given: inputs.Command, error: str, message: str, status: int = 409) -> None:
    if given.id:
        turn.do(do.Reply(given.id, status, error, message))
    elif given.body.get("by") == KEY:  # nobody waits for an answer: the desk hears it
        action = str(given.body["action"])
        turn.emit("contact_recording_refused", n=turn.n, action=action, reason=error, **_said(_by(given)))


def _so_it_is(turn: Turn, command: str) -> None:
    """Carried out: a repeat of this command, later, changes nothing any more."""
    if command:
        turn.set(done=(*(id for id in turn.contact.done if id != command), command)[-COMMANDS_KEPT:])
        turn.do(do.Reply(command, 200))


def _by(given: inputs.Command) -> str:
    return str(given.body.get("agent") or "")


# -- what is done, and how it went -----------------------------------------------------------------------------------
def _begin(turn: Turn, leg: Leg, given: inputs.Command | None = None) -> None:
    contact, by = turn.contact, _by(given) if given else ""
    rule = contact.recording_rule
    kind = rule if rule == BY_VOICE or (rule == "whole" and given is None) else "talk"
    turn.set(recording=Recording(f"{contact.id}-r1", kind, leg.n, "planned", by))
    turn.emit("recording_planned", kind=kind, agent=contact.agent, **_said(by))
    turn.do(do.StartRecording(leg.n, f"{contact.id}-r1", given.id if given else ""))
    leave_out_silence(turn)


def _change(turn: Turn, known: Recording, to: RecordingState, given: inputs.Command | None = None) -> None:
    """The media does these in their order: the last one wins, whatever is still under way."""
    changed = replace(known, state=to, was=_true(known), by=_by(given) if given else "", changes=known.changes + 1)
    turn.set(recording=changed)
    effect = do.PauseRecording if to in ("pausing", "stopping") else do.ResumeRecording
    turn.do(effect(known.leg, known.id, given.id if given else "", changed.changes))


def _true(known: Recording) -> str:
    """What is so as long as nothing that is under way is done."""
    if known.state == "planned" or known.state not in UNDERWAY:
        return known.state
    return known.was or UNDERWAY[known.state][1]


def started(turn: Turn, given: inputs.RecordingStarted) -> None:
    known = turn.contact.recording
    if known is not None and "planned" in (known.state, known.was):
        if given.failed:
            turn.emit("recording_failed", reason=given.failed)
        else:
            turn.emit("recording_active", leg=turn.contact.leg_id(given.leg), spool="local")
        now: RecordingState = "failed" if given.failed else "active"
        underway = known.state != "planned"  # somebody has changed his mind meanwhile
        turn.set(recording=replace(known, was=now) if underway else replace(known, state=now))
        _tell_who_pressed(turn, known, given, "start")
    _answer(turn, given.command, given.failed)


def paused(turn: Turn, given: inputs.RecordingPaused) -> None:
    _done(turn, given, written=False)


def resumed(turn: Turn, given: inputs.RecordingResumed) -> None:
    _done(turn, given, written=True)


def _done(turn: Turn, given: inputs.RecordingPaused | inputs.RecordingResumed, *, written: bool) -> None:
    """It is as it was wanted, or it could not be had and is as before; whoever asked is told."""
    known = turn.contact.recording
    if known is not None and known.state in UNDERWAY and known.state != "planned":
        if given.change == known.changes:
            _settled(turn, known, failed=bool(given.failed))
            _tell_who_pressed(turn, known, given, _WANTED[known.state])
        elif not given.failed:  # an earlier one, whose opposite is under way
            quiet = "stopped" if known.state == "starting" else "paused"
            turn.set(recording=replace(known, was="active" if written else quiet))
    _answer(turn, given.command, given.failed)


def _tell_who_pressed(
    turn: Turn,
    known: Recording,
    given: inputs.RecordingStarted | inputs.RecordingPaused | inputs.RecordingResumed,
    action: str,
) -> None:
    """Who has ordered it by keys waits for no answer: his desk says that it could not be had."""
    if given.failed and not given.command and known.by:
        turn.emit("contact_recording_refused", n=turn.n, action=action, reason="media_away", **_said(known.by))


def _settled(turn: Turn, known: Recording, *, failed: bool) -> None:
    becomes = UNDERWAY[known.state][0]
    if failed:
        turn.set(recording=replace(known, state=cast(RecordingState, _true(known)), was=""))
    elif becomes == "stopped":
        _is_stopped(turn, replace(known, state=becomes, was=""))
    else:
        turn.set(recording=replace(known, state=becomes, was=""))
        by_policy = known.state == "starting" and not turn.contact.recording_order
        reason = "policy" if by_policy else ""
        turn.emit(_TOLD[known.state], n=turn.n, recording=known.id, **_said(known.by, reason))


def _is_stopped(turn: Turn, known: Recording) -> None:
    turn.set(recording=known)
    reason = turn.contact.recording_reason if turn.contact.recording_order == "off" else "policy"
    turn.emit("contact_recording_stopped", n=turn.n, recording=known.id, **_said(known.by, reason))


def _answer(turn: Turn, command: str, failed: str) -> None:
    if command and failed:
        turn.do(do.Reply(command, 503, "media_away", f"the recording is as it was: {failed}"))
    else:
        _so_it_is(turn, command)


def _said(by: str, reason: str = "") -> dict[str, Any]:
    return {key: value for key, value in (("by", by), ("reason", reason)) if value}


# -- another rtpengine, take-over, end ---------------------------------------------------------------------------------
def moved(turn: Turn, n: int) -> None:
    """Its leg is heard again, from another rtpengine or the same: it goes on there, or does not, as was ordered while
    the leg was not heard. What could not be begun is begun."""
    known = turn.contact.recording
    if known is None or known.leg != n or known.state == "closing":
        return
    if known.state == "failed":
        settle(turn)
        return
    decided = bool(turn.contact.recording_rule or turn.contact.recording_order)  # N-1 has begun some before it was
    written = known.state in ("planned", "active") and (_is_due(turn.contact) or not decided)
    turn.do(do.ContinueRecording(n, known.id, not written))
    if known.state in ("resuming", "starting"):  # once more, after that
        changed = replace(known, changes=known.changes + 1)
        turn.set(recording=changed)
        turn.do(do.ResumeRecording(n, known.id, change=changed.changes))
    elif known.state in ("planned", "active") and not written:
        _change(turn, known, "stopping")
    leave_out_silence(turn)


def again(turn: Turn) -> None:
    """Another node's contact: what that node may have left half done."""
    known = turn.contact.recording
    if known is None:
        return
    if "planned" in (known.state, known.was):
        turn.do(do.StartRecording(known.leg, known.id))
    match known.state:
        case "pausing" | "paused" | "stopping" | "stopped":
            turn.do(do.PauseRecording(known.leg, known.id, change=known.changes))
        case "resuming" | "starting":
            turn.do(do.ResumeRecording(known.leg, known.id, change=known.changes))
    leave_out_silence(turn)


def close(turn: Turn, leg: int = 0) -> None:
    """The media of this leg (0: of all) is about to be deleted, which closes its file."""
    known = turn.contact.recording
    if known is not None and leg in (0, known.leg) and known.state not in ("closing", "failed"):
        turn.set(recording=replace(known, state="closing"))
        turn.emit("recording_closing")
