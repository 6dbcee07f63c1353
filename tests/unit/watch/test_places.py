"""A disk that is gone or hangs is an alarm, and not the end of the watch."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lq.watch import places
from lq.watch.edge import Edge
from lq.watch.places import Places


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Places]:
    disks = {"home": tmp_path, "store": tmp_path / "no"}
    edge = Edge(tmp_path / "rpc.sock", tmp_path / "watch.rpc")
    there = Places(
        {}, "redis://127.0.0.1:1", "postgres://127.0.0.1:1/x", disks, {}, edge, {"media": "redis://127.0.0.1:1"}
    )
    yield there
    await there.close()


async def test_a_disk_that_is_not_there_has_no_room(watched: Places) -> None:
    found = (await watched.room())["lcall_disk_used_ratio"]
    used = {labels["place"]: value for labels, value in found}
    assert used["store"] == 1.0 and 0 < used["home"] < 1.0


async def test_who_does_not_answer_has_no_figures(watched: Places) -> None:
    found = await watched.read()
    assert found["media"] is None and found["kamailio"] is None and found["disks"] is not None


def test_of_the_figures_those_are_read_that_there_are_rules_for() -> None:
    text = """# HELP lcall_trunk_down Multiprocess
# TYPE lcall_trunk_down gauge
lcall_trunk_down{trunk="gw\\"1"} 1.0
lcall_trunk_down_since 7.0
python_info{version="lcall_trunk_down "} 1.0
# TYPE lcall_history_away gauge
lcall_history_away 0.0
lcall_lease_age_seconds 1.5e-05
"""
    assert places.figures(text) == {
        "lcall_trunk_down": (({"trunk": 'gw"1'}, 1.0),),
        "lcall_history_away": (({}, 0.0),),
        "lcall_lease_age_seconds": (({}, 1.5e-05),),
    }
    assert places.figures("") == {}


@pytest.mark.parametrize(
    "broken", ["lcall_history_away x", 'lcall_trunk_down{trunk="1', "lcall_history_away ", "up 1\n<html>\nup 2"]
)
def test_what_cannot_be_read_is_an_error(broken: str) -> None:
    with pytest.raises(ValueError):
        places.figures(f"{broken}\n")


async def test_a_disk_that_hangs_is_asked_once_and_holds_nobody_up(
    watched: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go = list[Any](), threading.Event()

    def hangs(path: Path) -> Any:
        asked.append(path)
        go.wait(10)
        raise OSError("gone")

    monkeypatch.setattr(shutil, "disk_usage", hangs)
    monkeypatch.setattr(places, "PATIENCE_S", 0.02)
    for _ in range(5):
        found = (await watched.room())["lcall_disk_used_ratio"]
        assert [value for _, value in found] == [1.0, 1.0]
    assert len(asked) == 2
    go.set()
    await asyncio.gather(*watched._looking.values(), return_exceptions=True)
