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
from lq.watch.places import Places


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Places]:
    there = Places({}, "redis://127.0.0.1:1", "postgres://127.0.0.1:1/x", {"home": tmp_path, "store": tmp_path / "no"})
    yield there
    await there.close()


async def test_a_disk_that_is_not_there_has_no_room(watched: Places) -> None:
    found = (await watched.room())["lcall_disk_used_ratio"]
    used = {labels["place"]: value for labels, value in found}
    assert used["store"] == 1.0 and 0 < used["home"] < 1.0


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
