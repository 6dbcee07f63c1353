"""B channels: every state with every event, counters, the 61st call."""

from __future__ import annotations

import pytest

from tests.simulator.causes import NO_CHANNEL, OUT_OF_ORDER
from tests.simulator.channels import (
    EVENTS,
    STATES,
    TABLE,
    TIMESLOTS,
    Channel,
    Event,
    ImpossibleEvent,
    NoChannel,
    Spans,
    State,
)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_each_state_with_each_event(state: State, event: Event) -> None:
    channel = Channel(1, 1, state)
    following = TABLE[state].get(event)
    if following is None:
        with pytest.raises(ImpossibleEvent, match=f"1/1 is {state}: {event}"):
            channel.happened(event)
        assert (channel.state, channel.seized, channel.released) == (state, 0, 0)
    else:
        channel.happened(event)
        assert channel.state == following
        assert (channel.seized, channel.released) == (event == "seize", event == "release")


def test_every_state_can_be_reached_and_left() -> None:
    assert set(TABLE) == set(STATES)
    for state in STATES:
        assert any(state in following.values() for other, following in TABLE.items() if other != state), state
        assert set(TABLE[state].values()) - {state}, state


def test_a_channel_is_taken_only_when_idle_and_given_back_once() -> None:
    """R1 of the exchange: nobody else may have a channel between its seizure and its release."""
    for state in STATES:
        assert ("seize" in TABLE[state]) == (state == "idle")
        assert ("release" in TABLE[state]) == (state not in ("idle", "blocked"))


def test_the_61st_call_finds_no_channel() -> None:
    spans = Spans(2)
    taken = [spans.seize() for _ in range(60)]
    assert {(channel.span, channel.timeslot) for channel in taken} == {(s, t) for s in (1, 2) for t in TIMESLOTS}
    with pytest.raises(NoChannel) as refusal:
        spans.seize()
    assert (refusal.value.cause, spans.refused, spans.busy) == (NO_CHANNEL, {NO_CHANNEL: 1}, 60)
    taken[17].happened("release")
    assert spans.seize() is taken[17]
    assert (spans.seized, spans.released) == (61, 1)


def test_a_span_out_of_order_loses_its_calls_and_takes_no_more_until_it_is_repaired() -> None:
    spans = Spans(2)
    first = spans.seize()
    first.happened("answer")
    assert spans.fail(1) == [first]
    assert spans.seize().span == 2
    first.happened("release")
    assert first.state == "blocked"
    spans.fail(2)
    with pytest.raises(NoChannel) as refusal:
        spans.seize()
    assert refusal.value.cause == OUT_OF_ORDER
    spans.repair(1)
    assert spans.seize() is first
