"""The identities of the ledger (DESIGN R4) over lives and days that were made up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lq.ledger import fold
from lq.ledger.events import Event
from lq.ledger.metrics import SHORT_ABANDON_S, AgentTime, QueueCounts, agent_time, queue_counts
from lq.ledger.views import Contact, Segment
from tests.unit.ledger.lives import START, conversations, days, lives

# What a contact is in after such an event, told as simply as can be: the witness for the fold.
AFTER = {
    "contact_started": "", "contact_ivr_entered": "ivr", "contact_ivr_left": "", "contact_queued": "queue",
    "contact_dequeued": "", "contact_answered": "talk", "contact_held": "hold", "contact_resumed": "talk",
    "contact_consulting": "consult", "contact_conferring": "conference", "contact_echo": "echo", "contact_ended": "",
}  # fmt: skip


def view(events: Sequence[Event]) -> Contact:
    found = fold.contact(events)
    assert found is not None
    return found


def in_turn(contact: Contact) -> list[Segment]:
    """The segments that follow each other: all but ringing, which lies within the queue."""
    return [segment for segment in contact.segments if segment.kind not in ("ring", "wrap_up")]


@given(lives())
def test_segments_follow_each_other_within_the_contacts_life(events: Sequence[Event]) -> None:
    found = view(events)
    for one, following in pairwise(in_turn(found)):
        assert one.started_at <= following.started_at
        if one.kind != "queue" or following.kind != "queue":  # a wait that nobody ended is still one
            assert one.ended_at is None or one.ended_at <= following.started_at
    for segment in found.segments:
        assert found.started_at <= segment.started_at
        assert found.ended_at is None or (segment.ended_at is not None and segment.ended_at <= found.ended_at)


@given(lives())
def test_the_sums_of_segments_and_what_lies_between_are_the_contacts_duration(events: Sequence[Event]) -> None:
    """Each ms of an ended contact counts once: in the segment that a witness of one line saw, or between two."""
    found = view(events)
    if found.ended_at is None or _waits_on(events):
        return
    witnessed: dict[str, int] = defaultdict(int)
    now, since = "", found.started_at
    for event in events:
        if event.type in AFTER or sent_to_a_queue(event):
            witnessed[now] += event.at - since
            now, since = AFTER.get(event.type, ""), event.at
    told: dict[str, int] = defaultdict(int)
    for segment in in_turn(found):
        told[segment.kind] += (segment.ended_at or 0) - segment.started_at
    between = witnessed.pop("", 0)
    assert dict(told) == {kind: ms for kind, ms in witnessed.items() if kind in told}
    assert sum(told.values()) + between == found.ended_at - found.started_at
    record = fold.cdr(found)
    assert record is not None
    assert record.talk_s == (told["talk"] + told["conference"]) / 1000
    assert record.hold_s == (told["hold"] + told["consult"]) / 1000


@given(st.one_of(conversations(), lives()))
def test_each_ms_of_a_conversation_is_of_the_agent_whom_its_event_names_and_the_last_one_had_the_customer(
    events: Sequence[Event],
) -> None:
    """What an event of before does not say has not changed; "": nobody of ours has him."""
    found = view(events)
    conversation = {type for type, kind in AFTER.items() if kind in fold.CONVERSATION}
    last, witnessed = None, []
    for event in events:
        if event.type in conversation:
            last = event.data.get("agent", last) or last
            witnessed.append((event.data["n"], event.data.get("agent", last) or None))
    assert found.agent == last
    assert [(one.n, one.agent) for one in found.segments if one.kind in fold.CONVERSATION] == witnessed


def sent_to_a_queue(event: Event) -> bool:
    """Sent to an agent or a number, the customer is in the same conversation until somebody answers."""
    return event.type == "contact_transferred" and event.data["to"].startswith("queue:")


def _waits_on(events: Sequence[Event]) -> bool:
    """Whether something was begun while a wait went on, which the call core does not do (a break in the story)."""
    open_queue = False
    for event in events:
        if open_queue and event.type in ("contact_queued", "contact_ivr_entered"):
            return True
        open_queue = event.type == "contact_queued" or (open_queue and AFTER.get(event.type) is None)
    return False


@given(st.lists(lives(), max_size=5), st.sampled_from([0.0, 5.0, 20.0]))
def test_offered_is_answered_abandoned_overflowed_and_waiting(all_lives: list[Sequence[Event]], level: float) -> None:
    """Per queue; and overflows are told apart by their reasons."""
    segments = [s for events in all_lives for s in view(events).segments if s.kind == "queue"]
    by_queue: dict[str, list[Segment]] = defaultdict(list)
    for segment in segments:
        by_queue[segment.queue or ""].append(segment)
    for found in by_queue.values():
        counts = queue_counts(found, level)
        assert counts.offered == len(found)
        assert sum(counts.overflowed_by.values()) == counts.overflowed
        assert counts.in_time <= counts.answered and counts.short_abandoned <= counts.abandoned
        assert counts.service_level is None or 0 <= counts.service_level <= 1
        total = sum(segment.duration_s or 0 for segment in found)
        assert counts.answered_wait_s + counts.abandoned_wait_s <= total + 0.001
    assert sum(queue_counts(found, level).offered for found in by_queue.values()) == len(segments)


@given(days(), st.integers(0, 8_000_000))
def test_every_instant_of_a_signed_in_agent_is_in_exactly_one_state(events: Sequence[Event], after: int) -> None:
    instant = START + after
    now = [event for event in events if event.data["since"] <= instant]
    state = now[-1].data["state"] if now else "signed_out"
    inside = [i for i in fold.agent_intervals(events) if i.started_at <= instant < (i.ended_at or instant + 1)]
    assert [interval.state for interval in inside] == ([] if state == "signed_out" else [state])


@given(days())
def test_an_agents_states_add_up_to_the_time_he_was_signed_in(events: Sequence[Event]) -> None:
    intervals = [interval for interval in fold.agent_intervals(events) if interval.ended_at is not None]
    told = sum((interval.ended_at or 0) - interval.started_at for interval in intervals)
    signed_in = 0
    for one, following in pairwise(events):
        signed_in += following.data["since"] - one.data["since"] if one.data["state"] != "signed_out" else 0
    assert told == signed_in


@given(days(), st.lists(st.integers(0, 9_000_000), min_size=1, max_size=4).map(sorted))
def test_periods_add_up_whatever_their_borders(events: Sequence[Event], borders: list[int]) -> None:
    intervals = fold.agent_intervals(events)
    cuts = [START, *(START + border for border in borders), START + 10_000_000]
    whole = agent_time(intervals, cuts[0], cuts[-1])
    parts = [agent_time(intervals, start, end) for start, end in pairwise(cuts)]
    assert round(sum(part.signed_in_s for part in parts), 3) == whole.signed_in_s
    assert whole.signed_in_s <= (cuts[-1] - cuts[0]) / 1000
    assert whole.occupancy is None or 0 <= whole.occupancy <= 1


def test_occupancy_by_hand() -> None:
    time = AgentTime({"ready": 30.0, "ringing": 5.0, "talking": 50.0, "wrap_up": 15.0, "paused": 100.0})
    assert (time.occupancy, time.signed_in_s) == (0.7, 200.0)  # a pause is neither
    assert AgentTime({"paused": 1.0}).occupancy is None


def wait(seconds: float, reason: str | None) -> Segment:
    ended = None if reason is None else START + round(seconds * 1000)
    return Segment(1, "queue", START, "sales", None, ended, reason)


def test_the_formulas_by_hand() -> None:
    waits = [wait(3, "answered"), wait(20, "answered"), wait(20.001, "answered"), wait(SHORT_ABANDON_S, "abandoned")]
    waits += [wait(5.001, "hang_up"), wait(60, "no_agent"), wait(61, "overflow"), wait(0, None)]
    counts = queue_counts(waits, 20)
    assert counts == QueueCounts(
        answered=3, abandoned=2, overflowed=2, waiting=1, in_time=2, short_abandoned=1, answered_wait_s=43.001,
        abandoned_wait_s=10.001, longest_wait_s=61.0, overflowed_by={"no_agent": 1, "overflow": 1},
    )  # fmt: skip
    assert counts.service_level == round(2 / (3 + 2 - 1 + 2), 4)  # a short abandon is nobody's fault
    assert counts.answer_rate == round(3 / 7, 4) and counts.average_wait_s == round(43.001 / 3, 3)
    assert QueueCounts(abandoned=1, short_abandoned=1).service_level is None
