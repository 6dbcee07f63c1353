"""Whose work a person sees, and what his role allows."""

from __future__ import annotations

import pytest

from lcall_web.common.viewer import ADMIN, PERMISSIONS, granted, reach

MINE = reach("1001", "own", None, None)
TEAM = reach("1901", "team", ("1001", "1002"), ("sales",))
ALL = reach("admin", "all", None, None)


@pytest.mark.parametrize(
    ("agents", "queues", "seen_by"),
    [
        (("1001",), (), "mine team all"),
        (("1001", "1007"), ("support",), "mine team all"),
        (("1002", None), (None, ""), "team all"),
        (("1007",), ("sales",), "team all"),  # a call of the team's queue, whoever took it
        (("1007",), ("support",), "all"),
        ((None,), ("support",), "all"),
        ((None, ""), (None,), "team all"),  # it reached nobody: every leader's
        (("1901",), ("support",), "team all"),  # he sees what he did himself
    ],
)
def test_a_call_is_seen_by_those_whose_business_it_is(agents: tuple, queues: tuple, seen_by: str) -> None:
    found = [name for name, each in (("mine", MINE), ("team", TEAM), ("all", ALL)) if each.holds_call(agents, queues)]
    assert " ".join(found) == seen_by


def test_agents_are_seen_as_far_as_their_calls() -> None:
    assert [MINE.holds_agent("1001"), MINE.holds_agent("1002")] == [True, False]
    assert [TEAM.holds_agent("1002"), TEAM.holds_agent("1901"), TEAM.holds_agent("1007")] == [True, True, False]
    assert ALL.holds_agent("1007")
    assert [MINE.others, TEAM.others, ALL.others] == [False, True, True]


def test_a_leader_without_a_team_sees_his_own_only() -> None:
    alone = reach("1901", "team", None, None)
    assert alone == reach("1901", "own", ("1001",), ("sales",)) and not alone.holds_call((None,), (None,))


def test_a_team_without_queues_is_still_a_team() -> None:
    assert reach("1901", "team", (), ()).others


def test_unknown_permissions_mean_nothing_and_the_administrator_has_them_all() -> None:
    assert granted("agent", ("desk", "of_tomorrow")) == {"desk"}
    assert granted(ADMIN, ()) == set(PERMISSIONS)
