"""Whoever dies, and whenever: every recording is stored once, whole, and told (R5, R11)."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

import recorder.__main__ as program
from lq.media.leg import MediaLeg
from recorder import spool
from tests.integration.media.conftest import Studio, sdp
from tests.integration.media.endpoint import Endpoint
from tests.integration.recorder import process
from tests.integration.recorder.conftest import Books, planned, recorded, spool_files, until, url
from tests.simulator import audio

CUSTOMER = 440
QUIET = b"\xd5"


@pytest.fixture
async def recorder(own_studio: Studio) -> AsyncIterator[Callable[..., Awaitable[asyncio.subprocess.Process]]]:
    """`await recorder()`: one beside the test's own rtpengine."""
    started: list[asyncio.subprocess.Process] = []
    home = own_studio.center.home

    async def start(**options: str) -> asyncio.subprocess.Process:
        redis = url(own_studio.center, "recorder")
        started.append(await process.recorder(home.spool, home.recordings, redis, **options))
        return started[-1]

    yield start
    for each in started:
        await process.ended(each)


async def recording_of(studio: Studio, customer: Endpoint) -> MediaLeg:
    name = studio.name()
    leg, _ = await studio.engine.incoming(name, sdp(customer))
    planned(studio.center.home.spool, f"{name}-r1", leg)
    await studio.engine.record(leg, f"{name}-r1", name)
    customer.talk(leg.local_port, audio.tone(CUSTOMER, 1.0))
    return leg


def pieces_in_place(heard: bytes, said: bytes) -> int:
    """How many samples were heard; each must stand where it was said (heard begins with the first of said)."""
    found = 0
    for match in re.finditer(rb"(?:(?!\xd5{100})[\s\S])+", heard):
        piece = match[0].strip(QUIET)
        if len(piece) > 320:
            at = match.start() + match[0].index(piece[:320])
            assert said[at : at + len(piece)] == piece
            found += len(piece)
    return found


# -- rtpengine ---------------------------------------------------------------------------------------------------------


@pytest.mark.kills
@pytest.mark.slow
async def test_a_recording_goes_on_after_rtpengine_was_killed_twice(
    own_studio: Studio, own_books: Books, recorder: Callable[..., Awaitable[asyncio.subprocess.Process]]
) -> None:
    """Three parts become one recording; what nobody wrote down is a gap, in its place and told."""
    studio, center = own_studio, own_studio.center
    await recorder()
    customer = await studio.party()
    leg = await recording_of(studio, customer)
    await customer.has_sent(100)
    for _ in range(2):
        killed = center.kill("rtpengine")
        await center.back("rtpengine", killed)
        await customer.has_sent(100)
    assert len(list((center.home.spool / "rescued").glob("*.pcap"))) == 2
    least = len(customer.said)
    await studio.engine.delete(leg.id)
    most = len(customer.said)
    await own_books.verified(f"{leg.id}-r1")
    await until(lambda: spool_files(center.home.spool) == [], f"{spool_files(center.home.spool)}")

    result = recorded(center.home.recordings, f"{leg.id}-r1")
    assert pieces_in_place(result.left, customer.said) > 250 * 160
    gaps = result.gaps(0)
    assert len(gaps) == 2
    for start, duration in gaps:
        assert set(result.left[round(start * 8000) : round((start + duration) * 8000)]) == {0xD5}
    assert least - 5 * 160 <= len(result.left) <= most + 160


@pytest.mark.kills
async def test_what_came_while_rtpengine_was_frozen_stands_where_it_was_said(
    own_studio: Studio, own_books: Books, recorder: Callable[..., Awaitable[asyncio.subprocess.Process]]
) -> None:
    """Two seconds wait in its sockets and are captured at once: nothing is a hole, and nothing after it is late."""
    studio, center = own_studio, own_studio.center
    await recorder()
    customer = await studio.party()
    leg = await recording_of(studio, customer)
    await customer.has_sent(100)
    center.freeze("rtpengine")
    await customer.has_sent(100)
    center.thaw("rtpengine")
    await customer.has_sent(100)
    least = len(customer.said)
    await studio.engine.delete(leg.id)
    await own_books.verified(f"{leg.id}-r1")

    result = recorded(center.home.recordings, f"{leg.id}-r1")
    assert result.gaps(0) == []
    assert pieces_in_place(result.left, customer.said) > least - 5 * 160


@pytest.mark.kills
async def test_a_recording_of_a_call_that_rtpengine_lost_is_kept_all_the_same(
    own_studio: Studio, own_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a power cut: rtpengine and its Redis come back empty, and no metadata will ever come."""
    studio, center = own_studio, own_studio.center
    customer = await studio.party()
    leg = await recording_of(studio, customer)
    await customer.has_sent(100)
    (pcap,) = (center.home.spool / "pcaps").glob("*.pcap")
    size = pcap.stat().st_size
    await until(lambda: pcap.stat().st_size > size, "rtpengine writes in blocks")
    redis_killed, killed = center.kill("redis-rtpengine"), center.kill("rtpengine")
    await center.back("redis-rtpengine", redis_killed)
    await center.back("rtpengine", killed)
    redis = Redis.from_url(url(center, "recorder"))
    monkeypatch.setattr(spool, "LOST_S", 0.0)
    leave = asyncio.Event()
    running = asyncio.create_task(program.run([center.home.spool], center.home.recordings, redis, leave))
    await own_books.verified(f"{leg.id}-r1")
    leave.set()
    await running
    await redis.aclose()
    result = recorded(center.home.recordings, f"{leg.id}-r1")
    assert customer.said.startswith(result.left) and len(result.left) > 80 * 160
    assert [file for file in spool_files(center.home.spool) if not file.startswith("tmp/")] == []


# -- the recorder ------------------------------------------------------------------------------------------------------


@dataclass
class Spooled:
    """A recording of two parts as rtpengine left it, to be copied under other names."""

    spool: Path
    recording: str
    said: bytes

    def copy(self, to: Path, recording: str) -> Path:
        shutil.copytree(self.spool, to)
        for file in (*to.glob("metadata/*.txt"), *to.glob("planned/*.json")):
            file.write_text(file.read_text().replace(self.recording, recording))
        for plan in to.glob("planned/*.json"):
            plan.rename(plan.with_name(f"{recording}.json"))
        return to


@pytest.fixture
async def spooled(own_studio: Studio, tmp_path: Path) -> Spooled:
    center = own_studio.center
    customer = await own_studio.party()
    leg = await recording_of(own_studio, customer)
    await customer.has_sent(60)
    killed = center.kill("rtpengine")
    await center.back("rtpengine", killed)
    await customer.has_sent(60)
    await own_studio.engine.delete(leg.id)
    await until(lambda: list(center.home.spool.glob("metadata/*.txt")), "the metadata")
    await customer.close()
    return Spooled(center.home.spool, f"{leg.id}-r1", customer.said)


@pytest.mark.slow
@pytest.mark.kills
async def test_killed_before_each_of_its_steps_the_recorder_ends_with_one_whole_recording(
    own_studio: Studio, own_books: Books, spooled: Spooled, tmp_path: Path
) -> None:
    redis = url(own_studio.center, "recorder")
    whole: bytes | None = None
    for n in range(100):
        place = tmp_path / f"{n}"
        place.mkdir()
        name = f"death-{n}-r1"
        files = spooled.copy(place / "spool", name)
        dying = await process.recorder(files, place / "recordings", redis, dies_at=n)
        async with asyncio.timeout(20):
            while dying.returncode is None and not await _done(own_books, files, name):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        died = await process.ended(dying) == -signal.SIGKILL
        if died:
            (place / "run" / "recorder.ready").unlink(missing_ok=True)
            again = await process.recorder(files, place / "recordings", redis)
            await until((place / "run" / "recorder.ready").exists, "the recorder")
            await own_books.verified(name)
            await until(lambda files=files: spool_files(files) == [], f"step {n}: {spool_files(files)}")
            assert await process.ended(again) == 0
        events = await own_books.of(name)
        assert {(event.type, event.seq) for event in events} == {("recording_stored", 4), ("recording_verified", 5)}
        assert len({event.data["sha256"] for event in events}) == 1  # a repeat tells the same
        left = [path.name for path in (place / "recordings").rglob("*") if path.is_file()]
        assert sorted(left) == sorted([f"{name}.wav", f"{name}.json"]), f"step {n}"
        result = recorded(place / "recordings", name)
        whole = whole or result.left
        assert result.left == whole and pieces_in_place(whole, spooled.said) > 90 * 160
        if not died:
            assert n > 15  # all its steps were walked through
            return
    raise AssertionError("it never comes to an end")


async def _done(books: Books, files: Path, name: str) -> bool:
    told = {event.type for event in await books.of(name)}
    return "recording_verified" in told and spool_files(files) == []


@pytest.mark.kills
@pytest.mark.slow
async def test_a_full_disk_delays_a_recording_and_loses_nothing(
    own_studio: Studio, own_books: Books, spooled: Spooled, tmp_path: Path
) -> None:
    """A file may not grow beyond 4 kB; then it may."""
    files = spooled.copy(tmp_path / "spool", "full-r1")
    before = spool_files(files)
    redis = url(own_studio.center, "recorder")
    running = await process.recorder(files, tmp_path / "recordings", redis, limit="--fsize=4096:unlimited")
    log = tmp_path / "recorder.log"
    await until(lambda: "recording not stored" in log.read_text(), "the alarm")
    assert [path for path in (tmp_path / "recordings").rglob("*.*") if path.is_file()] == []
    assert spool_files(files) == before and await own_books.of("full-r1") == []
    subprocess.run(["prlimit", f"--pid={running.pid}", "--fsize=unlimited"], check=True)
    await own_books.verified("full-r1")
    assert await process.ended(running) == 0
    assert pieces_in_place(recorded(tmp_path / "recordings", "full-r1").left, spooled.said) > 90 * 160


@pytest.mark.kills
async def test_with_redis_away_recordings_are_stored_and_told_of_later_once(
    own_studio: Studio, own_books: Books, spooled: Spooled, tmp_path: Path
) -> None:
    center = own_studio.center
    for n, absence in enumerate(("hung", "dead")):
        place = tmp_path / absence
        place.mkdir()
        name = f"absent-{n}-r1"
        files = spooled.copy(place / "spool", name)
        killed = 0
        if absence == "hung":
            center.freeze("redis")
        else:
            killed = center.kill("redis")
        running = await process.recorder(files, place / "recordings", url(center, "recorder"))
        await until(lambda files=files: spool_files(files) == [], "stored without Redis")
        letters = list((place / "recordings" / ".outbox").glob("*.json"))
        if absence == "hung":
            assert [letter.name for letter in letters] == [f"{name}.json"]
            center.thaw("redis")
        else:
            await center.back("redis", killed)
        events = await own_books.verified(name)
        assert [event.seq for event in events] == [4, 5]
        await until(lambda place=place: not list((place / "recordings/.outbox").iterdir()), "an empty outbox")
        assert await process.ended(running) == 0
        assert [event.seq for event in await own_books.of(name)] == [4, 5]


@pytest.mark.kills
async def test_what_nobody_can_read_is_set_aside_and_the_next_goes_on(
    own_studio: Studio, own_books: Books, spooled: Spooled, tmp_path: Path
) -> None:
    files = spooled.copy(tmp_path / "spool", "good-r1")
    (files / "metadata" / "a-foreign-0123456789abcdef.txt").write_text("nothing of ours")
    (files / "rescued" / "broken.pcap").write_bytes(b"no pcap")
    (part,) = (path for path in files.glob("rescued/*.1.pcap"))
    part.with_name(part.name.replace(".1.pcap", ".2.pcap")).write_bytes(b"\0" * 10)  # cut off before its header
    outbox = tmp_path / "recordings" / ".outbox"
    outbox.mkdir(parents=True)
    (outbox / "a.json").write_text("{")
    running = await process.recorder(files, tmp_path / "recordings", url(own_studio.center, "recorder"))
    await own_books.verified("good-r1")
    foreign = "aside/a-foreign-0123456789abcdef.txt"
    left = [foreign, f"{foreign}.reason", "rescued/broken.pcap"]
    await until(lambda: spool_files(files) == left, "what is set aside")
    assert await process.ended(running) == 0
    assert [path.name for path in outbox.iterdir()] == ["a.unreadable"]
    assert pieces_in_place(recorded(tmp_path / "recordings", "good-r1").left, spooled.said) > 90 * 160
