from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given

from lcall_web.board import rules
from lcall_web.board.rules import Call
from lq.contacts import view
from lq.ledger import fold
from lq.ledger.events import Event
from lq.ledger.projection import contact_json
from lq.sdk import Agent, Contact, Queue
from lq.sdk.values import decode
from tests.unit.ledger.lives import START, Life, answered_call, lives


def told(events: Sequence[Event], first: Call | None = None) -> Call | None:
    call = first
    for event in events:
        if event.type.startswith("contact_"):
            call = rules.call_after(call, event)
    return call


@given(lives())
def test_the_board_says_what_the_ledger_says(events: Sequence[Event]) -> None:
    """Whatever happened, and wherever the story breaks off: the same state, queue and agent."""
    known = fold.contact(events)
    assert known is not None
    call = told(events)
    if known.ended_at is not None:
        assert call is None
        return
    assert call is not None
    opened = [segment.kind for segment in known.segments if segment.ended_at is None]
    if not opened or opened == ["ring"]:
        return  # between two segments: the board keeps the last state, the ledger has none
    assert call.state == known.state
    assert call.queue == (known.queue or "")


@given(lives())
def test_a_snapshot_and_the_events_after_it_agree_with_the_whole_story(events: Sequence[Event]) -> None:
    """Events that the snapshot contains already may come once more (R5)."""
    whole = told(events)
    for cut in range(len(events)):
        known = fold.contact(events[: cut + 1])
        assert known is not None
        snapshot = rules.call_of(decode(Contact, contact_json(known))) if known.ended_at is None else None
        for again in (cut + 1, 0):
            found = told(events[again:], snapshot)
            if whole is None or found is None:
                assert found is None and (whole is None or again)
            else:
                assert (found.state, found.queue) == (whole.state, whole.queue) or again


def test_since_when() -> None:
    life = Life("c1").start().wait(1000).queue()
    queued = life.at
    call = told(life.events)
    assert call is not None and (call.state, call.since, call.started_at) == ("queued", queued, START)
    life.wait(2000).offer()
    call = told(life.events)
    assert call is not None and (call.state, call.agent, call.since) == ("ringing", "1001", queued + 2000)
    life.wait(9000).say("contact_offer_ended", n=2, agent="1001", outcome="no_answer")
    call = told(life.events)
    assert call is not None and (call.state, call.agent, call.since) == ("queued", "", queued), "he waits since then"
    life.wait(500).offer("1002").wait(500).answer("1002")
    call = told(life.events)
    assert call is not None and (call.state, call.agent, call.since) == ("talking", "1002", life.at)


def test_a_late_end_of_an_offer_does_not_undo_the_answer() -> None:
    life = Life("c1").start().queue().offer().begin("contact_answered", queue="sales", agent="1001", leg="c1.2")
    life.say("contact_offer_ended", n=2, agent="1001", outcome="answered")
    call = told(life.events)
    assert call is not None and call.state == "talking"


def test_what_was_never_heard_of_stays_unknown() -> None:
    assert told(answered_call()[5:]) is None


def test_the_states_of_the_live_contact_are_known() -> None:
    """LQ-SDK names the state of a living contact in lq/contacts/view.py."""
    states = {view._state({"state": state, "legs": []}) for state in ("arriving", "announcing", "queueing", "calling")}
    assert states <= {"started", "queued", *rules.STATES.values()}


def test_an_agent_after_his_event() -> None:
    agent = Agent("1001", "王芳", "ready", queues=("sales",), reason="old", contact="c0")
    data = {"agent": "1001", "state": "talking", "previous": "ringing", "since": "2026-11-24T08:00:00.250Z"}
    event = Event("agent_state_changed", START, "agent:1001", 7, json.loads(json.dumps({**data, "contact": "c1"})))
    after = rules.agent_after(agent, event)
    since = datetime(2026, 11, 24, 8, 0, 0, 250_000, UTC)
    assert after == Agent("1001", "王芳", "talking", since=since, queues=("sales",), contact="c1")


def test_totals() -> None:
    agents = [Agent("1", "a", "ready"), Agent("2", "b", "talking"), Agent("3", "c", "signed_out")]
    queues = [
        Queue("s", "S", 2, 1, 1, 12.5, None, {"20": 1.0}, 10, 90, 0, 10, 10),  # all who gave up had misdialled
        Queue("t", "T", 1, 0, 0, 40.0, None, {"30": 0.0}, 10, 0, 0, 0, 10),
        Queue("u", "U", 0, 0, 0, None, None, {"20": None}, 0, 0, 0, 0, 0),
    ]
    calls = [Call("c", "in", state, "", "", 0, 0) for state in ("talking", "held", "queued")]
    found = rules.totals(agents, queues, calls)
    assert (found.waiting, found.oldest_s, found.talking, found.ready, found.signed_in) == (3, 40.0, 2, 1, 2)
    assert (found.answered, found.abandoned, found.service_level) == (20, 90, 0.5)
    away = rules.totals(agents, [Queue("s", "S", 0, 0, 0)], [])
    assert (away.answered, away.abandoned, away.service_level, away.oldest_s) == (None, None, None, None)


def test_leaders_come_change_and_go() -> None:
    def happens(call: Call | None, type: str, **data: object) -> Call:
        found = rules.call_after(call, Event(type, START + 5, "c", 9, data))
        assert found is not None
        return found

    call = happens(None, "contact_started", direction="in", number="1", called_published="2", called="")
    call = happens(call, "contact_help_wanted", n=1, agent="1001")
    assert (call.help, call.help_at) == ("1001", START + 5)
    call = happens(call, "contact_called", n=1, leg="c.3", verb="monitor", to="agent:1901")
    assert call.leaders == (rules.Leader("c.3", "1901", rules.CALLING),)
    other = happens(call, "contact_called", n=1, leg="c.4", verb="monitor", to="agent:1902")
    gone = happens(other, "contact_call_ended", leg="c.4", outcome="no_answer")
    assert gone.leaders == call.leaders, "who did not answer has not come"
    call = happens(call, "contact_call_ended", leg="c.3", outcome="answered")
    call = happens(call, "contact_help_ended", agent="1001", by="1901")
    for mode in rules.HEARING:
        call = happens(call, "contact_monitored", agent="1901", mode=mode, leg="c.3")
        assert call.leaders == (rules.Leader("c.3", "1901", mode),) and not call.help
    for type, data in (
        ("contact_monitored", {"agent": "1901", "mode": "take-over"}),
        ("contact_monitored", {"agent": "1901", "mode": "end"}),
        ("leg_ended", {"by": "peer", "cause": 16}),
    ):
        assert happens(call, type, leg="c.3", **data).leaders == ()
    assert happens(call, "leg_ended", leg="c.2", by="us", cause=16) == call


def test_why_somebody_could_not_be_called_into_a_call() -> None:
    """The gate's rule, where it was the gate; else what became of him."""

    def happens(calling: rules.Calling | None, type: str, **data: object) -> rules.Calling | None:
        return rules.calling_after(calling, Event(type, START, "c", 9, data))

    called = happens(None, "contact_called", n=1, leg="c.3", verb="consult", to="out:13900139000")
    assert called == rules.Calling("c.3", "out:13900139000")
    refused = happens(called, "contact_call_ended", leg="c.3", outcome="refused", rule="dnc")
    assert refused is not None and refused.outcome == "dnc"
    declined = happens(called, "contact_call_ended", leg="c.3", outcome="refused", sip=603)
    assert declined is not None and declined.outcome == "refused"
    assert happens(called, "contact_call_ended", leg="c.4", outcome="busy") == called
