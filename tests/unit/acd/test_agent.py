"""The agents' table: every state with every operation."""

from __future__ import annotations

import pytest

from lq.acd import agent
from lq.acd.agent import AGENT_OPERATIONS, BOUND, CONTACT_OPERATIONS, OUTCOMES, OWN_OPERATIONS, STATES, TABLE, target

OPERATIONS = AGENT_OPERATIONS + CONTACT_OPERATIONS + OWN_OPERATIONS


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_in_every_state_is_decided(state: str, operation: str) -> None:
    to = target(state, operation)
    if to is None:
        return
    if to.startswith("then:"):
        assert state in BOUND, "only who is busy has a next"
        assert to[5:] in ("", "paused", "signed_out")
    elif to == agent.OUTCOME:
        assert state in BOUND
    else:
        assert to == agent.STAY or to in STATES


def test_table_names_no_unknown_state_or_operation() -> None:
    assert set(TABLE) == set(STATES)
    assert {operation for row in TABLE.values() for operation in row} <= set(OPERATIONS)


def test_only_a_ready_agent_can_be_reserved() -> None:
    assert [state for state in STATES if target(state, "reserve")] == ["ready"]


def test_every_bound_agent_can_be_released_and_keeps_ringing_when_told_again() -> None:
    assert all(target(state, "release") == agent.OUTCOME for state in BOUND)
    assert target("ringing", "ringing") == agent.STAY


def test_whoever_is_signed_in_can_leave_now_or_after_the_call() -> None:
    for state in STATES:
        expected = "stay" if state == "signed_out" else "then:signed_out" if state in BOUND else "signed_out"
        assert target(state, "sign_out") == expected


def test_every_state_can_be_left_but_not_by_accident() -> None:
    ways_out = {
        state: {to for to in TABLE[state].values() if (to in STATES and to != state) or to == agent.OUTCOME}
        for state in STATES
    }
    assert all(ways_out.values())


def test_outcomes_lead_to_states_that_end_by_themselves_or_by_the_agent() -> None:
    for outcome in OUTCOMES.values():
        assert outcome.state in ("ready", "wrap_up", "busy_other", "phone_offline")
        assert (outcome.back_ms > 0) is (outcome.state in ("busy_other", "phone_offline"))


def test_labels_are_in_both_languages_and_differ() -> None:
    labels = list(STATES.values())
    assert all(label.zh and label.en for label in labels)
    assert len({label.zh for label in labels}) == len(labels)


def test_the_picture_shows_the_way_of_a_call() -> None:
    picture = agent.mermaid()
    for line in (
        "ready --> reserved: reserve",
        "ringing --> talking: talking",
        "talking --> wrap_up: release answered",
    ):
        assert line in picture
