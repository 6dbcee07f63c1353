from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lq.ledger import fold
from lq.ledger.events import Event, lost_end, wrong_keys
from lq.ledger.metrics import QueueCounts, queue_counts
from lq.ledger.views import OUTCOMES, AgentInterval, Recording, Segment

from .lives import START, Life, agent_event, answered_call, lives


def view(events: Sequence[Event]) -> fold.Contact:
    found = fold.contact(events)
    assert found is not None
    return found


def test_the_lives_of_these_tests_use_the_keys_that_the_ledger_knows() -> None:
    for event in answered_call():
        assert wrong_keys(event) == set(), event


def test_the_cdr_of_an_answered_call() -> None:
    record = fold.cdr(view(answered_call()))
    assert record is not None
    assert (record.wait_s, record.ring_s, record.talk_s, record.hold_s, record.wrap_up_s) == (3.0, 2.0, 30.0, 4.0, 0.0)
    assert (record.queued_at, record.answered_at) == (START + 5000, START + 8000)
    assert (record.result, record.ended_by, record.cause, record.agent) == ("answered", "caller", 16, "1001")
    assert (record.queue, record.trunk, record.recording_id) == ("sales", "gw1", "c1-r1")


def test_the_segments_of_an_answered_call_follow_each_other() -> None:
    segments = view(answered_call()).segments
    told = [(s.n, s.kind, s.duration_s, s.reason) for s in segments]
    assert told == [
        (1, "ivr", 5.0, "queue"),
        (2, "queue", 3.0, "answered"),
        (3, "ring", 2.0, "answered"),
        (4, "talk", 20.0, "hold"),
        (5, "hold", 4.0, "resumed"),
        (6, "talk", 10.0, "hang_up"),
    ]


def test_a_contact_that_was_lost_ends_when_it_was_heard_of_last() -> None:
    life = Life().start().queue().wait(4000).offer().wait(2000).answer()
    lost = lost_end("c1", life.at, life.at + 7_200_000)
    assert wrong_keys(lost) == set()
    record = fold.cdr(view([*life.events, lost]))
    assert record is not None and (record.result, record.ended_by, record.cause) == ("failed", "system", 41)
    assert (record.ended_at, record.talk_s, record.wait_s) == (life.at, 0.0, 6.0)


def test_the_end_that_a_contact_tells_itself_counts_also_when_it_was_taken_for_lost() -> None:
    """Its node was away from Redis for long; the end that others have told is written already."""
    life = Life().start().queue().wait(4000).offer().wait(2000).answer()
    lost = lost_end("c1", life.at, life.at + 7_200_000)
    life.wait(9000).end("answered")
    for events in ([*life.events, lost], [lost, *life.events]):
        record = fold.cdr(view(events))
        assert record is not None and (record.result, record.ended_by) == ("answered", "caller")
        assert (record.ended_at, record.talk_s) == (life.at, 9.0)


def test_the_notice_counts_as_played_only_when_it_was_heard_to_its_end() -> None:
    life = Life().start().say("contact_notice_played", prompt="notice_recorded", complete=False)
    assert view(life.events).notice_played_at is None
    assert view(answered_call()).notice_played_at == START + 4000


def test_a_contact_is_not_there_before_it_started() -> None:
    assert fold.contact(answered_call()[1:]) is None
    assert fold.contact([]) is None


def test_the_state_of_a_contact_that_goes_on_is_its_innermost_open_segment() -> None:
    life = Life().start()
    assert view(life.events).state == "started"
    assert view(life.begin("contact_ivr_entered", flow="main", version=1).events).state == "ivr"
    assert view(life.say("contact_ivr_left", n=1, reason="queue").queue().events).state == "queued"
    assert view(life.offer().events).state == "ringing"
    assert view(life.say("contact_offer_ended", n=3, agent="1001", outcome="busy").events).state == "queued"
    assert view(life.offer().answer().events).state == "talking"
    assert view(life.begin("contact_held", by="agent").events).state == "held"
    assert view(life.end("answered").events).state == "ended"


def test_a_caller_who_gives_up_is_abandoned_and_every_offer_rings_into_ring_s() -> None:
    life = Life().start().queue().wait(1000).offer().wait(7000)
    life.say("contact_offer_ended", n=2, agent="1001", outcome="no_answer").wait(2000).offer("1002").wait(500)
    record = fold.cdr(view(life.end("abandoned").events))
    assert record is not None
    assert (record.wait_s, record.ring_s, record.talk_s, record.agent) == (10.5, 7.5, 0.0, None)
    queue, *rings = view(life.events).segments
    assert queue.outcome == "abandoned"
    assert [ring.reason for ring in rings] == ["no_answer", "caller_gone"]


def test_wrap_up_belongs_to_the_contact_also_after_its_end() -> None:
    wrap_up = AgentInterval("1001", 9, "wrap_up", START + 42_000, START + 49_500, contact="c1", code="sold")
    found = fold.contact(answered_call(), [wrap_up])
    assert found is not None
    assert found.segments[-1] == Segment(7, "wrap_up", START + 42_000, None, "1001", START + 49_500, "sold")
    record = fold.cdr(found)
    assert record is not None and record.wrap_up_s == 7.5


def test_the_first_recording_that_did_not_fail_stands_in_the_cdr() -> None:
    life = Life().start().record("recording_planned", kind="whole").record("recording_failed", reason="no port")
    failed = fold.cdr(view(life.end("ivr").events))
    assert failed is not None and failed.recording_id == "c1-r1"
    stored = {"path": "2026/11/24/c1-r1.wav", "format": "alaw", "channels": 2, "duration_ms": 1500, "gaps": []}
    stored |= {"started_at": START, "bytes": 24000, "sha256": "ab"}
    events = [*answered_call(), Life().record("recording_stored", **stored).events[0]]
    assert fold.recordings(events)[0].state == "stored"
    late_failure = Life().record("recording_failed", reason="sweeper").events
    assert fold.recordings([*events, *late_failure])[0].state == "stored"


def test_a_recording_whose_time_was_over_keeps_all_but_its_path() -> None:
    stored = {"path": "2026/11/24/c1-r1.wav", "format": "alaw", "channels": 2, "duration_ms": 1500, "gaps": []}
    stored |= {"started_at": START, "bytes": 24000, "sha256": "ab"}
    life = Life().record("recording_stored", **stored).record("recording_verified", sha256="ab")
    events = [*answered_call(), *life.record("recording_deleted", kept_days=30).events]
    (found,) = fold.recordings(events)
    assert (found.state, found.path, found.duration_ms, found.sha256) == ("deleted", None, 1500, "ab")
    record = fold.cdr(view(events))
    assert record is not None and record.recording_id == "c1-r1"


def test_recordings_alone_are_known_before_their_contact() -> None:
    events = Life().record("recording_planned", kind="talk", agent="1001").events
    assert fold.recordings(events) == (Recording("c1-r1", "c1", kind="talk", agent="1001", planned_at=START),)


@given(lives(), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(events: Sequence[Event], rng: random.Random) -> None:
    shuffled = [*events, *rng.choices(events, k=len(events))]
    rng.shuffle(shuffled)
    assert fold.contact(shuffled) == fold.contact(events)


@given(lives())
def test_every_queueing_has_exactly_one_outcome(events: Sequence[Event]) -> None:
    """offered = answered + abandoned + overflowed + still waiting (R4)."""
    segments = [s for s in view(events).segments if s.kind == "queue"]
    counts = queue_counts(segments, 20)
    assert counts.offered == len(segments) == sum(event.type == "contact_queued" for event in events)
    assert all(segment.outcome in OUTCOMES for segment in segments)
    assert 0 <= counts.in_time <= counts.answered


@given(lives())
def test_an_ended_contact_has_nothing_open_and_no_negative_time(events: Sequence[Event]) -> None:
    found = view(events)
    record = fold.cdr(found)
    assert (record is None) == (found.ended_at is None)
    if record is None:
        return
    assert all(segment.ended_at is not None for segment in found.segments)
    total = seconds_of(found, record.ended_at)
    for part in (record.wait_s, record.ring_s, record.talk_s, record.hold_s):
        assert 0 <= part <= total + 0.001
    assert record.talk_s + record.hold_s <= total + 0.001


def seconds_of(found: fold.Contact, ended_at: int) -> float:
    return (ended_at - found.started_at) / 1000


def test_service_level_and_answer_rate_by_hand() -> None:
    counts = QueueCounts(answered=8, abandoned=1, overflowed=1, waiting=5, in_time=6)
    assert (counts.offered, counts.service_level, counts.answer_rate) == (15, 0.6, 0.8)
    assert QueueCounts(waiting=1).service_level is None


def test_an_agents_day_has_no_gap_and_no_overlap() -> None:
    events = [
        agent_event(1000, "ready", "signed_out", phone="8001"),
        agent_event(2000, "reserved", "ready", contact="c1"),
        agent_event(5000, "talking", "reserved", contact="c1"),
        agent_event(9000, "wrap_up", "talking", contact="c1"),
        agent_event(9500, "wrap_up", "wrap_up", contact="c1", code="sold", since=9000),
        agent_event(12000, "signed_out", "wrap_up"),
        agent_event(50000, "ready", "signed_out"),
    ]
    day = fold.agent_intervals(reversed([*events, *events]))
    assert [(i.state, i.started_at, i.ended_at) for i in day] == [
        ("ready", 1000, 2000),
        ("reserved", 2000, 5000),
        ("talking", 5000, 9000),
        ("wrap_up", 9000, 12000),
        ("ready", 50000, None),
    ]
    assert day[3].code == "sold"


def test_a_consultation_a_conference_and_who_has_the_customer_in_the_end() -> None:
    """Talk 10 s, consult 5 s, conference 7 s, consult 3 s while a number outside rings, which then has him for 4 s."""
    life = Life().start().queue().wait(1000).offer().wait(2000).answer().wait(10_000)
    life.say("contact_called", n=life.n, leg="c1.3", verb="consult", to="agent:1002", by="1001")
    life.begin("contact_consulting", by="agent", agent="1001", leg="c1.2").wait(5000)
    life.begin("contact_conferring", by="agent", agent="1001", leg="c1.3").wait(7000)
    life.say("contact_called", n=life.n, leg="c1.4", verb="consult", to="out:62345678", by="1001")
    life.say("contact_dialed", n=life.n, leg="c1.4", trunk="gw2", caller_id="01088001000")
    life.begin("contact_consulting", by="agent", agent="1001", leg="c1.2").wait(3000)
    assert view(life.events).state == "consulting"
    life.say("contact_transferred", n=life.n, from_agent="1001", to="62345678", mode="consult")
    life.begin("contact_answered", queue="sales", agent="", leg="c1.4").wait(4000)
    found = view(life.end("answered").events)
    assert [(s.kind, s.duration_s, s.reason, s.agent) for s in found.segments if s.kind not in ("queue", "ring")] == [
        ("talk", 10.0, "consult", "1001"),
        ("consult", 5.0, "conference", "1001"),
        ("conference", 7.0, "consult", "1001"),
        ("consult", 3.0, "transferred", "1001"),
        ("talk", 4.0, "hang_up", None),
    ]
    record = fold.cdr(found)
    assert record is not None
    assert (record.talk_s, record.hold_s, record.ring_s) == (21.0, 8.0, 2.0)
    assert (record.agent, record.trunk) == ("1001", "gw1")  # an agent had him last; he came by gw1


def test_a_blind_transfer_that_nobody_answers_waits_in_the_queue_again() -> None:
    life = Life().start().queue().offer().answer().wait(5000)
    life.say("contact_transferred", n=life.n, from_agent="1001", to="agent:1002", mode="blind")
    life.begin("contact_held", by="agent", agent="1001").wait(9000)
    life.say("contact_call_ended", leg="c1.3", outcome="no_answer").queue().wait(1000)
    found = view(life.events)
    assert [(s.kind, s.duration_s, s.reason) for s in found.segments[2:]] == [
        ("talk", 5.0, "hold"),
        ("hold", 9.0, "queue"),
        ("queue", None, None),
    ]
    assert found.state == "queued"


def test_whoever_is_left_with_the_customer_has_had_him_last_and_was_not_answered_anew() -> None:
    """A conference is left by 1001, 9 s later 1002 holds; then by 1002 too, to a number outside: nobody's time."""
    life = Life().start().queue().wait(1000).offer().wait(2000).answer().wait(10_000)
    life.begin("contact_conferring", by="agent", agent="1001", leg="c1.3").wait(7000)
    life.begin("contact_resumed", by="agent", agent="1002", leg="c1.2").wait(9000)
    life.begin("contact_held", by="agent", leg="c1.3").wait(2000)  # an event that names nobody, as there were
    assert view(life.events).agent == "1002" and view(life.events).segments[-1].agent == "1002"
    life.begin("contact_resumed", by="agent", agent="", leg="c1.3").wait(4000)
    found = view(life.end("answered").events)
    assert [(s.kind, s.duration_s, s.agent) for s in found.segments if s.kind not in ("queue", "ring")] == [
        ("talk", 10.0, "1001"),
        ("conference", 7.0, "1001"),
        ("talk", 9.0, "1002"),
        ("hold", 2.0, "1002"),
        ("talk", 4.0, None),
    ]
    record = fold.cdr(found)
    assert record is not None and record.agent == "1002"
    assert (record.answered_at, record.wait_s, record.talk_s, record.hold_s) == (START + 3000, 3.0, 30.0, 2.0)
