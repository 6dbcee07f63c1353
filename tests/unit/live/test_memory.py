"""What a node remembers of the live state, and what it keeps in a file for a Redis that is away."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lq.config.documents import Agent, Queue
from lq.ledger.events import Event
from lq.live import spool as spools
from lq.live.memory import RECENT_MS, Memory
from lq.live.spool import Spool

AGENTS = {"1001": Agent("1001", "坐席1", ("sales",))}
QUEUES = {"sales": Queue("sales", "销售")}


def said(seq: int, state: str, at: int = 1_000, agent: str = "1001", **data: object) -> Event:
    body = {"agent": agent, "state": state, "previous": "ready", "since": at, **data}
    return Event("agent_state_changed", at, f"agent:{agent}", seq, body)


def test_the_last_word_counts_whatever_order_it_comes_in() -> None:
    memory = Memory()
    for event in (said(2, "paused", reason="meal", phone="8001"), said(1, "ready"), said(2, "paused")):
        memory.see(event)
    memory.see(said(9, "ready", agent="9999"))
    [word] = memory.recalled(AGENTS, QUEUES)
    assert (word.agent, word.name, word.state, word.reason, word.phone) == ("1001", "坐席1", "paused", "meal", "8001")
    assert (word.seq, word.lanes) == (2, {"sales": 0, "agent:1001": 0})


def test_only_the_last_seconds_are_said_again_each_once() -> None:
    memory = Memory()
    old = Event("queue_changed", 1_000, "queue:sales", 1, {})
    recent = [Event("queue_changed", 1_001 + RECENT_MS, "queue:sales", n, {}) for n in (2, 3)]
    for event in (old, *recent, recent[0]):
        memory.see(event)
    assert memory.missing({("queue:sales", 3)}) == [recent[0]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "unsent" / "lq1.jsonl"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    spool = Spool(path)
    yield spool
    spool.close()


EVENTS = [Event("contact_keys", 5, "c1", n, {"n": 1, "node": "main", "pii_digits": "4"}) for n in range(3)]


def test_events_outlive_the_process(spool: Spool, path: Path) -> None:
    spool.put(EVENTS[:1])
    spool.put(EVENTS[1:])
    spool.flush()
    assert Spool(path).left() == EVENTS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    spool.clear()
    spool.flush()
    assert not path.exists() and Spool(path).left() == []


def test_a_line_cut_off_by_a_power_failure_is_left_out(spool: Spool, path: Path) -> None:
    spool.put(EVENTS)
    spool.flush()
    path.write_bytes(path.read_bytes()[:-20])
    assert Spool(path).left() == EVENTS[:-1]


def test_a_full_disk_is_said_once_and_costs_nothing_else(
    spool: Spool, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(spools, "LARGEST", 10)
    spool.put(EVENTS)
    spool.flush()
    for event in EVENTS:
        spool.put([event])
    spool.flush()
    assert capsys.readouterr().out.count("in memory only") == 1
    assert Spool(path).left() == EVENTS, "what was written stays"
    spool.clear()
    spool.flush()
    monkeypatch.undo()
    spool.put(EVENTS[:1])
    spool.flush()
    assert Spool(path).left() == EVENTS[:1]
