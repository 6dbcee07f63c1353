"""A spool, and letters that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from recorder.letters import Letters


class Told(Letters):
    """Letters that are kept."""

    def __init__(self, outbox: Path) -> None:
        outbox.mkdir(parents=True)
        super().__init__(outbox, cast(Redis, None), "h1")

    @property
    def alarms(self) -> list[tuple[str, Any]]:
        return [(event.type, event.data.get("file", event.data.get("place"))) for event in self._alarms]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "store" / ".outbox")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("metadata", "pcaps", "rescued", "planned", "tmp"):
        (tmp_path / "spool" / name).mkdir(parents=True)
    return tmp_path / "spool"
