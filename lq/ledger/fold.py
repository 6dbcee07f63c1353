"""The folds of the ledger: from the events of one contact to what reports, the call list and LQ-SDK show (R3, R4).

Pure, and the same whatever the order or number of times in which the events come: they are told apart by
(subject, seq) and sorted by seq. Times are integer ms of the epoch; durations end in `_s`. Each metric is defined once,
here, with its formula; SQL only counts what these functions have written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from lq.ledger.events import Event
from lq.ledger.views import AgentInterval, Cdr, Contact, Leg, Recording, Segment, seconds

# Rises with each change of what these functions make of old events, and with each new table that is made of them: the
# worker then makes the past anew (refold.py).
FOLDS: Final = 1

# An open segment -> the state that people see
STATE_OF: Final[Mapping[str, str]] = {
    "ivr": "ivr",
    "queue": "queued",
    "ring": "ringing",
    "talk": "talking",
    "hold": "held",
    "consult": "consulting",
    "conference": "conferencing",
    "echo": "echo",
}
# An event -> the stretch of a conversation that begins with it; each ends the one before.
STRETCHES: Final[Mapping[str, str]] = {
    "contact_resumed": "talk",
    "contact_held": "hold",
    "contact_consulting": "consult",
    "contact_conferring": "conference",
}
CONVERSATION: Final = ("talk", "hold", "consult", "conference")


# -- a contact ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Life:
    """What the fold of one contact has gathered; mutable, and never leaves this module."""

    view: Contact
    segments: dict[tuple[int, str], Segment] = field(default_factory=dict)
    legs: dict[str, Leg] = field(default_factory=dict)

    def open(self, event: Event, kind: str) -> None:
        n, data = int(event.data["n"]), event.data
        queue, agent = data.get("queue") or None, data.get("agent") or None
        if event.type in STRETCHES:  # the same conversation goes on
            queue, agent = self.view.queue, agent or self.view.agent
        self.segments[n, kind] = Segment(n, kind, event.at, queue, agent)

    def close(self, kind: str, at: int, reason: str | None, agent: str | None = None) -> None:
        """Ends the open segments of a kind (all, or those with one agent)."""
        for key, segment in self.segments.items():
            if segment.kind == kind and segment.ended_at is None and agent in (None, segment.agent):
                self.segments[key] = replace(segment, ended_at=max(at, segment.started_at), reason=reason)

    def end_conversation(self, at: int, reason: str) -> None:
        for kind in CONVERSATION:
            self.close(kind, at, reason)

    @property
    def converses(self) -> bool:
        return any(one.kind in CONVERSATION and one.ended_at is None for one in self.segments.values())


def contact(events: Iterable[Event], wrap_ups: Sequence[AgentInterval] = ()) -> Contact | None:
    """The contact that its events (its own and those of its recordings) tell of; None until it has started.

    `wrap_ups` are the stretches in which agents tidied up after it, also while it went on elsewhere.
    """
    unique = {(event.subject, event.seq): event for event in events}
    ordered = sorted(unique.values(), key=lambda event: event.seq)
    start = next((event for event in ordered if event.type == "contact_started"), None)
    if start is None:
        return None
    life = _Life(_started(start))
    for event in ordered:
        if event.subject == start.subject:
            _apply(life, event)
    view = life.view
    if view.ended_at is not None:
        _close_all(life, view.ended_at)
    segments = sorted(life.segments.values(), key=lambda segment: (segment.n, segment.kind))
    return replace(
        view,
        state="ended" if view.ended_at is not None else _state(segments),
        segments=(*segments, *_wrap_up_segments(segments, wrap_ups)),
        legs=tuple(life.legs[name] for name in sorted(life.legs)),
        recordings=recordings(ordered),
    )


def _started(event: Event) -> Contact:
    data = event.data
    return Contact(
        id=event.subject,
        direction=data["direction"],
        number=data["number"],
        number_raw=data["number_raw"],
        number_published=data["number_published"],
        called=data["called"],
        called_raw=data["called_raw"],
        called_published=data["called_published"],
        started_at=event.at,
        trunk=data.get("trunk") or None,
        phone=data.get("phone") or None,
        purpose=data.get("purpose") or None,
    )


def _apply(life: _Life, event: Event) -> None:
    data, at = event.data, event.at
    match event.type:
        case "contact_ivr_entered":
            life.end_conversation(at, "transferred")
            life.open(event, "ivr")
        case "contact_ivr_left":
            life.close("ivr", at, data["reason"])
        case "contact_notice_played":
            life.view = replace(life.view, notice_played_at=at if data["complete"] else life.view.notice_played_at)
        case "contact_queued":
            life.end_conversation(at, "queue")
            life.open(event, "queue")
            queued_at = life.view.queued_at if life.view.queued_at is not None else at
            life.view = replace(life.view, queue=data["queue"], queued_at=queued_at)
        case "contact_dequeued":
            life.close("queue", at, data["reason"])
        case "contact_offered":
            life.end_conversation(at, "transferred")
            life.open(event, "ring")
        case "contact_offer_ended":
            life.close("ring", at, data["outcome"], data["agent"])
        case "contact_called" if data["verb"] == "invite":
            life.open(event, "ring")
        case "contact_dialed" if not life.converses:  # else somebody is called into it
            if (data["n"], "ring") not in life.segments:  # the next trunk is the same ringing
                life.open(event, "ring")
            if life.view.direction == "out":  # one that came in and is sent out again came by its own
                life.view = replace(life.view, trunk=data["trunk"])
        case "contact_answered":
            _answered(life, event)
        case type if kind := STRETCHES.get(type):
            life.end_conversation(at, "resumed" if kind == "talk" else kind)
            life.open(event, kind)
        case "contact_transferred" if data["to"].startswith(("queue:", "ivr:", "conference:")):
            life.end_conversation(at, "transferred")  # to somebody else it goes on until he answers, or does not
        case "contact_echo":
            life.end_conversation(at, "transferred")
            life.open(event, "echo")
        case "contact_conference_reached":
            life.end_conversation(at, "transferred")
            life.open(event, "ivr")
        case "contact_conference_joined":
            life.close("ivr", at, "conference")
            life.close("ring", at, "answered")  # whom the room has called
            life.open(event, "conference")
            answered_at = life.view.answered_at if life.view.answered_at is not None else at
            life.view = replace(life.view, answered_at=answered_at)
        case "contact_ended":
            life.view = replace(
                life.view,
                ended_at=at,
                result=data["result"],
                ended_by=data["ended_by"],
                cause=int(data["cause"] or 0),
                sip=data.get("sip"),
            )
        case "leg_started":
            life.legs[data["leg"]] = Leg(data["leg"], data["party"], data["address"])
        case "leg_answered" if data["leg"] in life.legs:
            life.legs[data["leg"]] = replace(life.legs[data["leg"]], state="answered", codec=data["codec"] or None)
        case "leg_ended" if data["leg"] in life.legs:
            life.legs[data["leg"]] = replace(life.legs[data["leg"]], state="ended")


def _answered(life: _Life, event: Event) -> None:
    """An agent talks with the customer: the wait and the ringing are over, whatever is still to be written of them."""
    life.close("queue", event.at, "answered")
    life.close("ring", event.at, "answered")
    life.end_conversation(event.at, "transferred")
    life.open(event, "talk")
    answered_at = life.view.answered_at if life.view.answered_at is not None else event.at
    life.view = replace(life.view, agent=event.data["agent"] or life.view.agent, answered_at=answered_at)


def _close_all(life: _Life, at: int) -> None:
    by = life.view.ended_by
    life.close("queue", at, "abandoned" if by == "caller" else "failed")
    life.close("ring", at, "caller_gone" if by == "caller" else "failed")
    for kind in ("ivr", *CONVERSATION, "echo"):
        life.close(kind, at, "hang_up")
    for name, leg in life.legs.items():
        life.legs[name] = replace(leg, state="ended")


def _state(segments: Sequence[Segment]) -> str:
    """Of a contact that goes on: the innermost open segment, which is the last one opened."""
    opened = [segment for segment in segments if segment.ended_at is None]
    return STATE_OF[opened[-1].kind] if opened else "started"


def _wrap_up_segments(segments: Sequence[Segment], wrap_ups: Sequence[AgentInterval]) -> list[Segment]:
    last = max((segment.n for segment in segments), default=0)
    ordered = sorted(wrap_ups, key=lambda wrap_up: (wrap_up.started_at, wrap_up.agent))
    return [
        Segment(n, "wrap_up", w.started_at, agent=w.agent, ended_at=w.ended_at, reason=w.code)
        for n, w in enumerate(ordered, last + 1)
    ]


def cdr(view: Contact) -> Cdr | None:
    """The call detail record of a contact; None while it goes on.

    wait_s: from the first queue to the first answer, or to the end if nobody answered; 0 if it never queued.
    ring_s: all offers to agents, answered or not. talk_s: the customer talks with somebody, be it a conference.
    hold_s: he hears music, on hold or while an agent consults. wrap_up_s: agents tidying up, all of them.
    Handling time = talk_s + hold_s + wrap_up_s. agent: who had the customer last.
    """
    if view.ended_at is None or view.result is None:
        return None
    kept = [recording for recording in view.recordings if recording.state != "failed"] or list(view.recordings)
    return Cdr(
        contact_id=view.id,
        direction=view.direction,
        number=view.number,
        number_raw=view.number_raw,
        number_published=view.number_published,
        called=view.called,
        called_raw=view.called_raw,
        called_published=view.called_published,
        trunk=view.trunk,
        queue=view.queue,
        agent=view.agent,
        started_at=view.started_at,
        queued_at=view.queued_at,
        answered_at=view.answered_at,
        ended_at=view.ended_at,
        wait_s=_wait_s(view, view.ended_at),
        ring_s=_total_s(_of_kind(view, "ring")),
        talk_s=_total_s(_of_kind(view, "talk", "conference")),
        hold_s=_total_s(_of_kind(view, "hold", "consult")),
        wrap_up_s=_total_s(_of_kind(view, "wrap_up")),
        result=view.result,
        ended_by=view.ended_by or "system",
        cause=view.cause or 0,
        sip=view.sip,
        recording_id=kept[0].id if kept else None,
        purpose=view.purpose,
    )


def _wait_s(view: Contact, ended_at: int) -> float:
    if view.queued_at is None:
        return 0.0
    answers = [s.started_at for s in _of_kind(view, "talk") if s.started_at >= view.queued_at]
    return seconds(view.queued_at, min(answers, default=ended_at))


def _of_kind(view: Contact, *kinds: str) -> list[Segment]:
    return [segment for segment in view.segments if segment.kind in kinds]


def _total_s(segments: Iterable[Segment]) -> float:
    return round(sum(segment.duration_s or 0.0 for segment in segments), 3)


# -- recordings (R11) --------------------------------------------------------------------------------------------------


def recordings(events: Iterable[Event]) -> tuple[Recording, ...]:
    """The recordings that the events tell of, by id. The state is the last one reached; a failure is only the last
    word while nothing was stored."""
    found: dict[str, Recording] = {}
    ordered = sorted(events, key=lambda event: event.seq)
    for event in ordered:
        if event.type.startswith("recording_"):
            known = found.get(event.subject, Recording(event.subject, event.data["contact"]))
            found[event.subject] = _recorded(known, event)
    for name, reason in _stops(ordered).items():
        if name in found and found[name].state != "failed":
            found[name] = replace(found[name], reason=reason)
    return tuple(found[name] for name in sorted(found))


def _stops(ordered: Iterable[Event]) -> dict[str, str | None]:
    """Recordings that were stopped once, and why; None: they went on, or nobody has said it."""
    found: dict[str, str | None] = {}
    for event in ordered:
        if event.type == "contact_recording_stopped" and "recording" in event.data:
            found[event.data["recording"]] = event.data.get("reason")
        elif event.type == "contact_recording_started":
            found[event.data["recording"]] = None
    return found


def _recorded(known: Recording, event: Event) -> Recording:
    data, state = event.data, event.type.removeprefix("recording_")
    match state:
        case "planned":
            return replace(known, kind=data["kind"], agent=data.get("agent") or None, planned_at=event.at)
        case "active":
            return replace(known, state=state, leg=data["leg"], spool=data["spool"])
        case "stored":
            return replace(
                known,
                state=state,
                path=data["path"],
                format=data["format"],
                channels=data["channels"],
                duration_ms=data["duration_ms"],
                started_at=data["started_at"],
                bytes=data["bytes"],
                sha256=data["sha256"],
                gaps=tuple(data["gaps"]),
            )
        case "failed" if known.state in ("stored", "verified"):
            return known
        case "deleted":
            return replace(known, state=state, path=None)
        case "failed":
            return replace(known, state=state, reason=data["reason"])
        case _:
            return replace(known, state=state)


# -- agents ------------------------------------------------------------------------------------------------------------


def agent_intervals(events: Iterable[Event]) -> tuple[AgentInterval, ...]:
    """The day of one agent, from his agent_state_changed events: each instant signed in lies in exactly one of them."""
    unique = {event.seq: event for event in events if event.type == "agent_state_changed"}
    ordered = [unique[seq] for seq in sorted(unique)]
    found: list[AgentInterval] = []
    for event, following in zip(ordered, [*ordered[1:], None], strict=True):
        start = int(event.data["since"])
        end = None if following is None else max(start, int(following.data["since"]))
        noted = end == start and following is not None and following.data["state"] == event.data["state"]
        if event.data["state"] == "signed_out" or noted:  # noted: nothing moved, the next event only knows more
            continue
        found.append(_interval(event, start, end))
    return tuple(found)


def _interval(event: Event, start: int, end: int | None) -> AgentInterval:
    data = event.data
    return AgentInterval(
        agent=data["agent"],
        seq=event.seq,
        state=data["state"],
        started_at=start,
        ended_at=end,
        reason=data.get("reason") or None,
        phone=data.get("phone") or None,
        contact=data.get("contact") or None,
        code=data.get("code") or None,
    )
