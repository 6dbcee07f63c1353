"""Real recordings: rtpengine, mixer, Redis and a recorder, started as a center starts them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from lq.ledger.events import STREAM, Event
from lq.media.leg import MediaLeg
from ops.instance import instance
from ops.services import redis_url
from recorder import store, wav
from recorder.store import Stored
from tests.center import Center, reserve
from tests.conftest import DIRECTORY, OwnCenter
from tests.integration.media.conftest import Studio, opened

STORES: Final = "redis,redis-rtpengine,rtpengine,mixer"
T = TypeVar("T")


async def until(check: Callable[[], T], what: str, within: float = 20.0) -> T:
    """Waits until this is true. What other programs do with files tells nobody, so it is asked again."""
    try:
        async with asyncio.timeout(within):
            while not (value := check()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            return value
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None


def url(center: Center, user: str) -> str:
    return redis_url(instance(center.home, {"LCALL_PORT_BASE": str(center.port_base)}), user)


def client(center: Center) -> Redis:
    """It comes through a restart of Redis."""
    return Redis.from_url(url(center, "ops"), retry=Retry(ConstantBackoff(0.1), 50))


@dataclass
class Books:
    """The event stream, as the journal sees it."""

    redis: Redis

    async def of(self, recording: str) -> list[Event]:
        entries: list[Any] = await self.redis.xrange(STREAM)
        events = [Event.from_fields(id.decode(), {k.decode(): v.decode() for k, v in e.items()}) for id, e in entries]
        return [event for event in events if event.subject == recording]

    async def verified(self, recording: str) -> list[Event]:
        """Waits until the recording was said to be stored and verified; its events."""
        async with asyncio.timeout(20):
            while True:
                found = await self.of(recording)
                if {"recording_stored", "recording_verified"} <= {event.type for event in found}:
                    return found
                await asyncio.sleep(0.05)


@dataclass
class Recorded:
    """A recording in the store, read as any listener would."""

    stored: Stored
    left: bytes
    right: bytes

    def gaps(self, channel: int) -> list[tuple[float, float]]:
        return [(gap["start_s"], gap["duration_s"]) for gap in self.stored.gaps if gap["channel"] == channel]


def recorded(recordings: Path, recording: str) -> Recorded:
    (sidecar,) = recordings.glob(f"*/*/*/{recording}.json")
    stored = store.read(sidecar.read_bytes())
    samples = wav.decode((recordings / stored.path).read_bytes()).samples
    return Recorded(stored, samples[:, 0].tobytes(), samples[:, 1].tobytes())


def spool_files(spool: Path) -> list[str]:
    return sorted(str(path.relative_to(spool)) for path in spool.rglob("*") if path.is_file())


def planned(spool: Path, recording: str, leg: MediaLeg) -> None:
    """What lq leaves there before it starts a recording."""
    (spool / "planned").mkdir(exist_ok=True)
    told = {"recording": recording, "contact": "c", "left": leg.local_port, "right": leg.x_port, "call": leg.id}
    (spool / "planned" / f"{recording}.json").write_text(json.dumps(told))


@pytest.fixture(scope="module")
def recording_center() -> Iterator[Center]:
    directory = Path(tempfile.mkdtemp(prefix="rec-", dir=os.environ[DIRECTORY]))
    directory.chmod(0o755)
    center = reserve(directory / "center", {"LCALL_ONLY": f"{STORES},recorder,api"})
    center.start(together_with=os.getpid())
    yield center
    center.stop()
    shutil.rmtree(directory)


@pytest.fixture
async def studio(recording_center: Center) -> AsyncIterator[Studio]:
    new = await opened(recording_center)
    yield new
    await new.close()


@pytest.fixture
async def books(recording_center: Center) -> AsyncIterator[Books]:
    redis = client(recording_center)
    yield Books(redis)
    await redis.aclose()


@pytest.fixture
async def own_studio(own_center: OwnCenter) -> AsyncIterator[Studio]:
    """With stores and media that the test may kill; a recorder is the test's own affair."""
    new = await opened(own_center(LCALL_ONLY=STORES))
    yield new
    await new.close()


@pytest.fixture
async def own_books(own_studio: Studio) -> AsyncIterator[Books]:
    redis = client(own_studio.center)
    yield Books(redis)
    await redis.aclose()
