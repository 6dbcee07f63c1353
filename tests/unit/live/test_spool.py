"""The local file of events that Redis could not take."""

from __future__ import annotations

from pathlib import Path

import pytest

from lq.ledger.events import Event
from lq.live.spool import Spool


@pytest.mark.parametrize("hostile", ["138\u20280013", "138\x850013", "138\r\n0013", "138\x1c0013", "王芳"])
def test_what_a_caller_writes_into_his_number_comes_back_as_it_was(tmp_path: Path, hostile: str) -> None:
    event = Event("contact_started", 1, "c1", 1, {"number": hostile})
    spool = Spool(tmp_path / "lq1.jsonl")
    spool.put([event])
    spool.flush()
    assert spool.left() == [event]
    spool.close()
    assert (tmp_path / "lq1.jsonl").stat().st_mode & 0o777 == 0o600


def test_half_a_line_costs_itself_only(tmp_path: Path) -> None:
    """The disk was full in the middle of it."""
    place = tmp_path / "lq1.jsonl"
    place.write_text('\n{"v": "1", "type": "contact_st')
    event = Event("contact_started", 1, "c1", 1, {})
    spool = Spool(place)
    spool.put([event])
    spool.flush()
    assert spool.left() == [event]
    spool.close()
