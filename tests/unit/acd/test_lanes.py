from __future__ import annotations

import pytest

from lq.acd.lanes import (
    from_header,
    lanes_for_agent,
    lanes_of_agent,
    lanes_of_contact,
    queue_of,
    to_header,
    waiting_score,
)
from lq.acd.strategies import ALIASES, MAX_KEY, STRATEGIES, WORD, canonical, key
from lq.config.documents import Agent, Queue

NOW = 1_764_000_000_000


def test_an_agent_serves_his_queues_and_those_who_want_him() -> None:
    queues = {"sales": Queue("sales", "销售"), "vip": Queue("vip", "贵宾", strategy="fewest_calls")}
    agent = Agent("1001", "王", queues=("sales", "vip", "closed"))
    assert lanes_of_agent(agent, queues) == {"sales": 0, "vip": "calls", "agent:1001": 0}


def test_whom_a_queues_order_does_not_name_stands_behind_those_whom_it_names() -> None:
    queues = {"sales": Queue("sales", "销售", strategy="linear", agent_order=("1003", "1001"))}
    lanes = [lanes_of_agent(Agent(id, id, ("sales",)), queues)["sales"] for id in ("1003", "1001", "1002", "1004")]
    assert lanes == ["place:0", "place:1", "place:2", "place:2"]


def test_priority_is_worth_waiting_and_the_queue_has_its_own() -> None:
    assert waiting_score(NOW, 2, 60_000) == NOW - 120_000
    queue = Queue("vip", "贵宾", priority=1, ageing_ms=30_000)
    assert lanes_of_contact(queue, NOW, priority=2) == {"vip": NOW - 90_000}
    assert lanes_for_agent("1001", NOW) == {"agent:1001": NOW}


def test_order_of_two_contacts_never_changes() -> None:
    early, late_but_urgent = waiting_score(NOW, 0, 60_000), waiting_score(NOW + 59_999, 1, 60_000)
    assert late_but_urgent < early < waiting_score(NOW + 60_001, 1, 60_000)


@pytest.mark.parametrize(
    ("lane", "queue"), [("sales", "sales"), ("sales/3", "sales"), ("sales+english>2", "sales"), ("agent:1001", None)]
)
def test_queue_of(lane: str, queue: str | None) -> None:
    assert queue_of(lane) == queue


def test_header_is_read_back() -> None:
    lanes = {"sales": NOW - 60_000, "agent:1001": -5}
    assert from_header(to_header(lanes)) == lanes


@pytest.mark.parametrize("value", ["", ";", "sales", "=5", "sales=x", "sales=1;bad"])
def test_malformed_header(value: str) -> None:
    with pytest.raises(ValueError):
        from_header(value)


def test_known_names_mean_our_strategies() -> None:
    assert canonical("leastrecent") == canonical("最长空闲") == "longest_idle"
    assert set(ALIASES.values()) <= set(STRATEGIES)
    assert not set(ALIASES) & set(STRATEGIES)
    with pytest.raises(ValueError, match="unknown strategy 'astrology'"):
        canonical("astrology")


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("longest_idle", 0),
        ("fewest_calls", "calls"),
        ("least_talk", "talk"),
        ("in_order", "place:4"),
        ("random", "random"),
    ],
)
def test_keys(strategy: str, expected: int | str) -> None:
    assert key(strategy, 4) == expected
    assert isinstance(expected, int) or WORD.fullmatch(expected)


def test_a_key_never_leaves_its_range() -> None:
    assert key("in_order", 10**6) == f"place:{MAX_KEY}"
    # what the library makes of it must stay exact in a double until 2045
    assert MAX_KEY * 10**12 + (2_366_841_600_000 - 1_577_836_800_000) < 2**53
