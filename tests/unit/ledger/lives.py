"""Lives of contacts as the call core writes them, for tests: real ones in miniature, and any that could be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from lq.ledger.events import RECORDING_SEQ, Event

START = 1_764_000_000_000


class Life:
    """Writes the events of one contact; `wait` lets time pass."""

    def __init__(self, id: str = "c1", at: int = START) -> None:
        self.id, self.at, self.seq, self.n = id, at, 0, 0
        self.events: list[Event] = []

    def wait(self, ms: int) -> Life:
        self.at += ms
        return self

    def say(self, type: str, **data: Any) -> Life:
        self.seq += 1
        self.events.append(Event(type, self.at, self.id, self.seq, data))
        return self

    def begin(self, type: str, **data: Any) -> Life:
        """An event that opens a segment."""
        self.n += 1
        return self.say(type, n=self.n, **data)

    def record(self, type: str, **data: Any) -> Life:
        event = Event(type, self.at, f"{self.id}-r1", RECORDING_SEQ[type], {"contact": self.id, **data})
        self.events.append(event)
        return self

    def start(self, number: str = "+8613800138000", called: str = "4008001000") -> Life:
        raw = number.removeprefix("+86")
        return self.say(
            "contact_started",
            **{"direction": "in", "number_raw": raw, "number": number, "number_published": raw},
            **{"called_raw": called, "called": f"+86{called}", "called_published": called},
            **{"trunk": "gw1", "node": "lq1"},
        ).say("leg_started", leg=f"{self.id}.1", party="customer", address=raw, direction="in")

    def queue(self, queue: str = "sales") -> Life:
        return self.begin("contact_queued", queue=queue, priority=0)

    def offer(self, agent: str = "1001") -> Life:
        leg = f"{self.id}.{self.n + 2}"
        self.say("leg_started", leg=leg, party="agent", address="8001", direction="out")
        offered = {"queue": "sales", "agent": agent, "phone": "8001", "reservation": 1, "leg": leg}
        return self.begin("contact_offered", **offered).say("contact_ringing", n=self.n, agent=agent)

    def answer(self, agent: str = "1001", queue: str = "sales") -> Life:
        self.say("contact_offer_ended", n=self.n, agent=agent, outcome="answered")
        if queue:
            self.say("contact_dequeued", n=self.n, queue=queue, reason="answered")
        return self.begin("contact_answered", queue=queue, agent=agent, leg=f"{self.id}.2")

    def end(self, result: str, by: str = "caller", cause: int = 16) -> Life:
        return self.say("contact_ended", result=result, ended_by=by, cause=cause)


def answered_call(id: str = "c1", at: int = START) -> list[Event]:
    """Menu 5 s, queue 3 s of which 2 s ring, talk 20 s, hold 4 s, talk 10 s; the caller hangs up."""
    life = Life(id, at).start().begin("contact_ivr_entered", flow="main", version=1)
    life.record("recording_planned", kind="whole").record("recording_active", leg=f"{id}.1", spool="local")
    life.wait(4000).say("contact_notice_played", prompt="notice_recorded", complete=True)
    life.wait(1000).say("contact_ivr_left", n=1, reason="queue").queue()
    life.wait(1000).offer().wait(2000).answer()
    life.wait(20_000).begin("contact_held", by="agent").wait(4000).begin("contact_resumed", by="agent")
    life.wait(10_000).record("recording_closing").end("answered")
    life.say("leg_ended", leg=f"{id}.1", by="peer", cause=16)
    return life.events


def agent_event(seq: int, state: str, previous: str, **data: Any) -> Event:
    told = {"agent": "1001", "state": state, "previous": previous, "since": seq, **data}
    return Event("agent_state_changed", seq, "agent:1001", seq, told)


def converse(draw: st.DrawFn, life: Life) -> None:
    """What people do with a customer who talks: hold, ask back, confer, send him on and get him back."""
    for _ in range(draw(st.integers(0, 4))):
        does = draw(st.sampled_from(["hold", "consult", "confer", "monitor", "blind"]))
        outside = draw(st.booleans())
        if does == "hold":
            life.begin("contact_held", by="agent", agent="1001").wait(draw(st.integers(0, 9000)))
        elif does == "monitor":
            life.say("contact_monitored", agent="1009", mode="listen", leg=f"{life.id}.9")
        else:
            if does == "blind":
                life.say("contact_transferred", n=life.n, from_agent="1001", to="agent:1002", mode="blind")
            to = "out:62345678" if outside else "agent:1002"
            life.say("contact_called", n=life.n, leg=f"{life.id}.8", verb=does, to=to, by="1001")
            if outside:
                life.say("contact_dialed", n=life.n, leg=f"{life.id}.8", trunk="gw2", caller_id="01088001000")
            opening = {"blind": "contact_held", "consult": "contact_consulting", "confer": "contact_conferring"}[does]
            life.begin(opening, by="agent", agent="1001").wait(draw(st.integers(0, 20_000)))
            outcome = draw(st.sampled_from(["answered", "no_answer"]))
            life.say("contact_call_ended", leg=f"{life.id}.8", outcome=outcome)
            if outcome == "answered" and does != "confer":
                life.begin("contact_answered", queue="sales", agent="" if outside else "1002", leg=f"{life.id}.8")
                life.wait(draw(st.integers(0, 20_000)))
                continue
            if outcome == "answered" and draw(st.booleans()):  # he who had the customer leaves the conference
                remains = "" if outside else "1002"
                life.begin("contact_resumed", by="agent", agent=remains).wait(draw(st.integers(0, 20_000)))
                continue
        if draw(st.booleans()):
            life.begin("contact_resumed", by="agent", agent="1001").wait(draw(st.integers(0, 9000)))


@st.composite
def conversations(draw: st.DrawFn) -> Sequence[Event]:
    """A contact that was answered and goes on."""
    life = Life().start().queue().offer().wait(2000).answer().wait(draw(st.integers(0, 9000)))
    converse(draw, life)
    return life.events


@st.composite
def lives(draw: st.DrawFn, id: str = "c1", at: int = START) -> Sequence[Event]:
    """Any contact: how often it queues, how each offer ends, whether it is over yet, where its story breaks off."""
    life = Life(id, at).start()
    if draw(st.booleans()):
        life.begin("contact_ivr_entered", flow="main", version=1).wait(draw(st.integers(0, 9000)))
        life.say("contact_ivr_left", n=life.n, reason="queue")
    for _ in range(draw(st.integers(0, 3))):
        queue = draw(st.sampled_from(["sales", "support"]))
        life.wait(draw(st.integers(0, 5000))).queue(queue)
        for outcome in draw(st.lists(st.sampled_from(["no_answer", "busy", "refused"]), max_size=2)):
            life.wait(draw(st.integers(0, 3000))).offer().wait(draw(st.integers(0, 20_000)))
            life.say("contact_offer_ended", n=life.n, agent="1001", outcome=outcome)
        life.wait(draw(st.integers(0, 60_000)))
        how = draw(st.sampled_from(["answered", "abandoned", "overflow", "no_agent", "hang_up", "failed", "still"]))
        if how == "answered":
            life.offer().wait(draw(st.integers(0, 9000))).answer(queue=queue).wait(draw(st.integers(0, 90_000)))
            converse(draw, life)
            if draw(st.booleans()):  # else a leader sends him back to the queue, or he is sent on to nobody
                life.say("contact_transferred", n=life.n, from_agent="1001", to="queue:support", mode="blind")
        elif how != "still":
            life.say("contact_dequeued", n=life.n, queue=queue, reason=how)
    if draw(st.booleans()):
        life.wait(draw(st.integers(0, 5000))).end(
            draw(st.sampled_from(["answered", "abandoned", "ivr", "no_agent", "failed"]))
        )
    return life.events[: draw(st.integers(1, len(life.events)))]


@st.composite
def days(draw: st.DrawFn) -> Sequence[Event]:
    """An agent's events: any states one after the other, with notes that move nothing (a code, what comes next)."""
    states = ["ready", "reserved", "ringing", "talking", "wrap_up", "paused", "phone_offline", "signed_out"]
    found: list[Event] = []
    at, previous = START, "signed_out"
    for _ in range(draw(st.integers(1, 12))):
        at += draw(st.integers(1, 600_000))
        state = draw(st.sampled_from([state for state in states if state != previous]))
        found.append(agent_event(at, state, previous, since=at))
        if state != "signed_out" and draw(st.booleans()):
            at += draw(st.integers(1, 1000))
            found.append(agent_event(at, state, state, since=found[-1].data["since"], next="paused"))
        previous = state
    return found
