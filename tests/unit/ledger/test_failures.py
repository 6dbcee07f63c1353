"""Recordings that were lost are a figure: each once, and those that came late all the same are none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lq import telemetry
from lq.ledger import journal
from lq.ledger.events import Event
from lq.watch.alarms import RULES


def told(type: str, recording: str) -> Event:
    return Event(type, 1, recording, 1, {"contact": "c1"})


def test_a_lost_recording_counts_once_for_an_hour_unless_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    monkeypatch.setattr(journal, "_FAILED", {})
    monkeypatch.setattr(journal, "time", SimpleNamespace(monotonic=lambda: now))
    journal.note_failures([told("recording_failed", "c1-r1"), told("recording_failed", "c2-r1")])
    journal.note_failures([told("recording_failed", "c1-r1"), told("recording_planned", "c3-r1")])
    assert journal.failed_last_hour() == 2
    journal.note_failures([told("recording_stored", "c2-r1")])
    assert journal.failed_last_hour() == 1
    now += telemetry.HOUR_S + 1
    assert journal.failed_last_hour() == 0
    journal.note_failures([])
    assert journal._FAILED == {}


def test_it_is_a_critical_alarm() -> None:
    assert [r.severity for r in RULES if r.metric == "lcall_recordings_failed_last_hour"] == ["critical"]
