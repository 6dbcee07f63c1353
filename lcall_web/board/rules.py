"""What an event changes on the live board, and the totals over it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from lq.sdk import Agent, Contact, Queue


class Event(Protocol):
    """What is needed of an event of LQ-SDK."""

    @property
    def type(self) -> str: ...
    @property
    def at(self) -> int: ...
    @property
    def subject(self) -> str: ...
    @property
    def data(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class Leader:
    """Who listens, whispers or has barged in; CALLING while his phone rings for it."""

    leg: str
    agent: str
    mode: str


@dataclass(frozen=True, slots=True)
class Call:
    """A contact that goes on. Times are ms of the epoch."""

    id: str
    direction: str
    state: str
    number: str
    called: str
    started_at: int
    since: int  # of the present state; waiting again after a ring does not begin anew
    queue: str = ""
    agent: str = ""
    queued_at: int = 0
    leaders: tuple[Leader, ...] = ()
    help: str = ""  # the agent who wants a leader to come
    help_at: int = 0


@dataclass(frozen=True, slots=True)
class Calling:
    """Somebody who was called into a call: `to` as LQ-SDK has it (agent:1002, out:138…); outcome: also the gate's rule
    that has refused it, "": not known yet."""

    leg: str
    to: str
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    waiting: int
    oldest_s: float | None
    talking: int
    ready: int
    signed_in: int
    answered: int | None
    abandoned: int | None
    service_level: float | None


# An event -> the state that the call is in from then on
STATES: Final[Mapping[str, str]] = {
    "contact_ivr_entered": "ivr",
    "contact_offered": "ringing",
    "contact_ringing": "ringing",
    "contact_dialed": "ringing",
    "contact_answered": "talking",
    "contact_held": "held",
    "contact_resumed": "talking",
    "contact_consulting": "consulting",
    "contact_conferring": "conferencing",
    "contact_echo": "echo",
    "contact_conference_reached": "ivr",
    "contact_conference_joined": "conferencing",
}

CALLING: Final = "calling"
HEARING: Final = ("listen", "whisper", "barge")  # as what a leader is in a call; having taken over, he is its agent
TALKING: Final = ("talking", "held", "consulting", "conferencing")


def call_of(contact: Contact) -> Call:
    """A contact of the snapshot."""
    started_at = _ms(contact.started_at)
    opened = [segment for segment in contact.segments if segment.ended_at is None]
    queued = [segment for segment in contact.segments if segment.kind == "queue"]
    queued_at = _ms(queued[0].started_at) if queued else 0
    since = _ms(opened[-1].started_at) if opened else started_at
    return Call(
        id=contact.id,
        direction=contact.direction,
        state=contact.state,
        number=contact.number or contact.number_published,
        called=contact.called,
        started_at=started_at,
        since=queued_at if contact.state == "queued" else since,
        queue=contact.queue or "",
        agent=contact.agent or "",
        queued_at=queued_at,
        leaders=tuple(
            Leader(leg.id, leg.agent, leg.mode if leg.state == "answered" else CALLING)
            for leg in contact.legs
            if leg.mode and leg.agent and leg.state != "ended"
        ),
        help=contact.help or "",
        help_at=since if contact.help else 0,
    )


def call_after(call: Call | None, event: Event) -> Call | None:
    """The call once this has happened; None: it is over, or has not been heard of."""
    data = event.data
    if event.type == "contact_started":
        number = str(data["number"] or data["number_published"])
        called = str(data["called_published"] or data["called"])
        return Call(event.subject, str(data["direction"]), "started", number, called, event.at, event.at)
    if call is None or event.type == "contact_ended":
        return None
    if event.type == "contact_offer_ended":
        if call.state != "ringing":  # it was answered, and that has been told already
            return call
        state, since = ("queued", call.queued_at) if call.queue else ("started", event.at)
        return replace(call, state=state, since=since, agent="")
    if event.type == "contact_queued":
        return replace(call, state="queued", since=event.at, queue=str(data["queue"]), agent="", queued_at=event.at)
    if event.type in ABOUT_LEADERS:
        return with_leaders(call, event)
    if event.type not in STATES or (event.type == "contact_dialed" and call.state in TALKING):  # called into it
        return call
    state = STATES[event.type]
    since = call.since if state == call.state else event.at
    return replace(call, state=state, since=since, agent=str(data.get("agent") or call.agent))


ABOUT_LEADERS: Final = (
    *("contact_called", "contact_call_ended", "contact_monitored"),
    *("contact_help_wanted", "contact_help_ended", "leg_ended"),
)


def with_leaders(call: Call, event: Event) -> Call:
    """Who comes and goes as a leader, and whether one is wanted."""
    data = event.data
    leg, mode = str(data.get("leg", "")), str(data.get("mode", ""))
    others = tuple(leader for leader in call.leaders if leader.leg != leg)
    match event.type:
        case "contact_help_wanted":
            return replace(call, help=str(data["agent"]), help_at=event.at)
        case "contact_help_ended":
            return replace(call, help="", help_at=0)
        case "contact_called" if data["verb"] == "monitor":
            return replace(call, leaders=(*others, Leader(leg, str(data["to"]).removeprefix("agent:"), CALLING)))
        case "contact_monitored" if mode in HEARING:
            return replace(call, leaders=(*others, Leader(leg, str(data["agent"]), mode)))
        case "contact_monitored" | "leg_ended":
            return replace(call, leaders=others)
        case "contact_call_ended" if data["outcome"] != "answered":
            return replace(call, leaders=others)
    return call


def calling_after(calling: Calling | None, event: Event) -> Calling | None:
    """Who was called into the call last, and what became of it."""
    data = event.data
    if event.type == "contact_called" and data["verb"] != "monitor":
        return Calling(str(data["leg"]), str(data["to"]))
    if event.type == "contact_call_ended" and calling is not None and data["leg"] == calling.leg:
        return replace(calling, outcome=str(data.get("rule") or data["outcome"]))
    return calling


def agent_after(agent: Agent, event: Event) -> Agent:
    """The agent once his state has changed."""
    data = event.data

    def text(key: str) -> str | None:
        return str(data[key]) if data.get(key) else None

    since = text("since")
    return replace(
        agent,
        state=str(data["state"]),
        since=datetime.fromisoformat(since) if since else None,
        reason=text("reason"),
        next=text("next"),
        phone=text("phone"),
        contact=text("contact"),
        code=text("code"),
    )


def queue_after(queue: Queue, event: Event) -> Queue:
    """At once what the event says; the rest of the figures is read again a moment later."""
    waiting, ready = (int(str(event.data[key])) for key in ("waiting", "ready"))
    return replace(queue, waiting=waiting, ready=ready, oldest_wait_s=queue.oldest_wait_s if waiting else None)


def totals(agents: Iterable[Agent], queues: Iterable[Queue], calls: Iterable[Call]) -> Totals:
    """Over all queues. service_level: of today's waits, as lq/ledger/metrics.py has it for one queue."""
    signed_in = [agent for agent in agents if agent.state != "signed_out"]
    queues = list(queues)
    known = [queue for queue in queues if queue.answered is not None]
    counted = sum(queue.counted or 0 for queue in known)
    return Totals(
        waiting=sum(queue.waiting for queue in queues),
        oldest_s=max((queue.oldest_wait_s for queue in queues if queue.oldest_wait_s is not None), default=None),
        talking=sum(call.state in TALKING for call in calls),
        ready=sum(agent.state == "ready" for agent in signed_in),
        signed_in=len(signed_in),
        answered=sum(queue.answered or 0 for queue in known) if known else None,
        abandoned=sum(queue.abandoned or 0 for queue in known) if known else None,
        service_level=sum(queue.in_time or 0 for queue in known) / counted if counted else None,
    )


def _ms(at: datetime | None) -> int:
    return 0 if at is None else round(at.timestamp() * 1000)
