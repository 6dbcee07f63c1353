"""The folds of the ledger: from the events of one contact to what reports, the call list and LQ-SDK show (R3, R4).

Pure, and the same whatever the order or number of times in which the events come: they are told apart by
(subject, seq) and sorted by seq. Times are integer ms of the epoch; durations end in `_s`. Each metric is defined once,
here, with its formula; SQL only counts what these functions have written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from lq.ledger.events import Event
from lq.ledger.views import AgentInterval, Cdr, Contact, Leg, Recording, Segment, seconds

# Rises with each change of what these functions make of old events, and with each new table that is made of them: the
# worker then makes the past anew (refold.py).
FOLDS: Final = 2

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
        if event.type in STRETCHES:  # the same conversation goes on; agent "": nobody of ours has the customer
            queue, agent = self.view.queue, agent if "agent" in data else self.view.agent
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
        step = _STEPS.get(event.type)
        if step is not None and event.subject == start.subject:
            step(life, event)
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


def _first(known: int | None, at: int) -> int:
    """When it happened for the first time."""
    return at if known is None else known


def _ivr_entered(life: _Life, event: Event) -> None:
    life.end_conversation(event.at, "transferred")
    life.open(event, "ivr")


def _ivr_left(life: _Life, event: Event) -> None:
    life.close("ivr", event.at, event.data["reason"])


def _notice_played(life: _Life, event: Event) -> None:
    if event.data["complete"]:
        life.view = replace(life.view, notice_played_at=event.at)


def _queued(life: _Life, event: Event) -> None:
    life.end_conversation(event.at, "queue")
    life.open(event, "queue")
    life.view = replace(life.view, queue=event.data["queue"], queued_at=_first(life.view.queued_at, event.at))


def _dequeued(life: _Life, event: Event) -> None:
    life.close("queue", event.at, event.data["reason"])


def _offered(life: _Life, event: Event) -> None:
    life.end_conversation(event.at, "transferred")
    life.open(event, "ring")


def _offer_ended(life: _Life, event: Event) -> None:
    life.close("ring", event.at, event.data["outcome"], event.data["agent"])


def _called(life: _Life, event: Event) -> None:
    if event.data["verb"] == "invite":
        life.open(event, "ring")


def _dialed(life: _Life, event: Event) -> None:
    if life.converses:  # somebody is called into it
        return
    if (event.data["n"], "ring") not in life.segments:  # the next trunk is the same ringing
        life.open(event, "ring")
    if life.view.direction == "out":  # one that came in and is sent out again came by its own
        life.view = replace(life.view, trunk=event.data["trunk"])


def _answered(life: _Life, event: Event) -> None:
    """An agent talks with the customer: the wait and the ringing are over, whatever is still to be written of them."""
    life.close("queue", event.at, "answered")
    life.close("ring", event.at, "answered")
    life.end_conversation(event.at, "transferred")
    life.open(event, "talk")
    agent, answered_at = event.data["agent"] or life.view.agent, _first(life.view.answered_at, event.at)
    life.view = replace(life.view, agent=agent, answered_at=answered_at)


def _stretch(life: _Life, event: Event) -> None:
    """Who has the customer may be another than before: he who had him has left."""
    kind = STRETCHES[event.type]
    life.end_conversation(event.at, "resumed" if kind == "talk" else kind)
    life.open(event, kind)
    life.view = replace(life.view, agent=event.data.get("agent") or life.view.agent)


def _transferred(life: _Life, event: Event) -> None:
    if event.data["to"].startswith(("queue:", "ivr:", "conference:")):
        life.end_conversation(event.at, "transferred")  # to somebody else it goes on until he answers, or does not


def _echo(life: _Life, event: Event) -> None:
    life.end_conversation(event.at, "transferred")
    life.open(event, "echo")


def _conference_joined(life: _Life, event: Event) -> None:
    life.close("ivr", event.at, "conference")
    life.close("ring", event.at, "answered")  # whom the room has called
    life.open(event, "conference")
    life.view = replace(life.view, answered_at=_first(life.view.answered_at, event.at))


def _ended(life: _Life, event: Event) -> None:
    if life.view.ended_at is not None:
        return  # it was taken for lost (events.lost_end), and has told its end itself
    data, cause = event.data, int(event.data["cause"] or 0)
    known = {"result": data["result"], "ended_by": data["ended_by"], "cause": cause, "sip": data.get("sip")}
    life.view = replace(life.view, ended_at=event.at, **known)


def _leg_started(life: _Life, event: Event) -> None:
    data = event.data
    life.legs[data["leg"]] = Leg(data["leg"], data["party"], data["address"])


def _leg_answered(life: _Life, event: Event) -> None:
    if leg := life.legs.get(event.data["leg"]):
        life.legs[leg.id] = replace(leg, state="answered", codec=event.data["codec"] or None)


def _leg_ended(life: _Life, event: Event) -> None:
    if leg := life.legs.get(event.data["leg"]):
        life.legs[leg.id] = replace(leg, state="ended")


_STEPS: Final[Mapping[str, Callable[[_Life, Event], None]]] = {  # whatever else happens changes nothing of the view
    "contact_ivr_entered": _ivr_entered,
    "contact_ivr_left": _ivr_left,
    "contact_notice_played": _notice_played,
    "contact_queued": _queued,
    "contact_dequeued": _dequeued,
    "contact_offered": _offered,
    "contact_offer_ended": _offer_ended,
    "contact_called": _called,
    "contact_dialed": _dialed,
    "contact_answered": _answered,
    **dict.fromkeys(STRETCHES, _stretch),
    "contact_transferred": _transferred,
    "contact_echo": _echo,
    "contact_conference_reached": _ivr_entered,
    "contact_conference_joined": _conference_joined,
    "contact_ended": _ended,
    "leg_started": _leg_started,
    "leg_answered": _leg_answered,
    "leg_ended": _leg_ended,
}


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
