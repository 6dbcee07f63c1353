"""What is past its time, with the recorder's own rights in Redis: deleted when the published settings say so."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from lq.live import keys
from recorder import __main__ as program
from recorder import retention
from tests.center import Center
from tests.integration.recorder.conftest import Books, until, url
from tests.unit.recorder.test_watch import kept

DAY_S = 86_400.0


def stored(recordings: Path, recording: str, days: float) -> Path:
    """A recording of so many days ago."""
    at = time.time() - days * DAY_S
    wav = recordings / kept(recordings, recording).path
    old = recordings / time.strftime("%Y/%m/%d", time.gmtime(at)) / wav.name
    old.parent.mkdir(parents=True, exist_ok=True)
    for file, place in ((wav, old), (wav.with_suffix(".json"), old.with_suffix(".json"))):
        os.utime(file.rename(place), (at, at))
    return old


async def test_what_is_past_its_time_is_deleted_and_told(
    recording_center: Center, books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings, leave = tmp_path / "recordings", asyncio.Event()
    old, young = stored(recordings, "old-r1", 40), stored(recordings, "young-r1", 20)
    monkeypatch.setattr(retention, "FIRST_S", 0.0)
    monkeypatch.setattr(program, "RETENTION_S", 0.1)
    redis = Redis.from_url(url(recording_center, "recorder"))
    work = asyncio.create_task(program.run([recording_center.home.spool], recordings, redis, leave))
    await until((recordings / ".outbox").is_dir, "the recorder")
    center = json.dumps({"id": "center", "keep_recordings_days": 30})
    await books.redis.hset(keys.config("settings"), "center", center)
    try:
        await until(lambda: not old.exists(), "it is deleted")
        async with asyncio.timeout(10):
            while not (told := await books.of("old-r1")):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await books.redis.hdel(keys.config("settings"), "center")
        leave.set()
        await work
        await redis.aclose()
    assert [(event.type, event.data) for event in told] == [("recording_deleted", {"contact": "c1", "kept_days": 30})]
    assert young.exists() and not old.with_suffix(".json").exists() and await books.of("young-r1") == []
