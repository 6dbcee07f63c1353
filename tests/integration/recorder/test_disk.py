"""Full and slow disks: calls go on, somebody is told, what was written is kept, and all is caught up (R5, R11, P40)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lq import disk
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.ledger.events import Event
from lq.media.rtpengine import RtpEngine
from ops.home import CHECKOUT
from ops.instance import instance
from ops.services import rtpengine
from recorder import wav
from tests.conftest import OwnCenter
from tests.integration.media.conftest import Studio, opened, sdp
from tests.integration.recorder import process
from tests.integration.recorder.conftest import Books, client, planned, recorded, spool_files, until, url
from tests.integration.recorder.test_pause import Desk, recording_desk
from tests.simulator import audio

CUSTOMER, AGENT = 440, 540
pytestmark = [pytest.mark.kills, pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own")]


def on_tmpfs(place: Path, size: str) -> tuple[str, ...]:
    """Words before a program's own: it sees a small file system there, in a mount namespace of its own."""
    script = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    return ("unshare", "-m", "sh", "-c", script, str(place))


def seen_by(pid: int, place: Path) -> Path:
    return Path(f"/proc/{pid}/root") / place.relative_to("/")


def fill(place: Path, leave: int = 0) -> Path:
    """Nothing more fits there but so many bytes."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(4096))
        except OSError:
            out.truncate(max(0, out.tell() - leave))
    return filler


async def alarms(books: Books, type: str) -> list[Event]:
    entries = await books.redis.xrange("{lcall}:events")
    events = [Event.from_fields(id.decode(), {k.decode(): v.decode() for k, v in e.items()}) for id, e in entries]
    return [event for event in events if event.type == type]


async def told(books: Books, type: str, place: str) -> None:
    async with asyncio.timeout(15):
        while place not in {event.data["place"] for event in await alarms(books, type)}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@contextmanager
def ending(process: asyncio.subprocess.Process) -> Iterator[None]:
    try:
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)


@pytest.fixture
async def small_spool(own_center: OwnCenter) -> AsyncIterator[tuple[Studio, Books, asyncio.subprocess.Process]]:
    """A studio whose rtpengine writes to a file system of 400 kB."""
    center = own_center(LCALL_ONLY="redis,redis-rtpengine,mixer")
    home = center.home
    for name in ("planned", "pcaps", "metadata", "tmp", "rescued"):
        (home.spool / name).mkdir(exist_ok=True)
    words = rtpengine(instance(home, {"LCALL_PORT_BASE": str(center.port_base)}), center.ports.rtpengine(1))
    engine = await asyncio.create_subprocess_exec(
        *on_tmpfs(home.spool, "400k"), *words, stderr=asyncio.subprocess.DEVNULL
    )
    with ending(engine):
        probe = RtpEngine(ng=("127.0.0.1", center.ports.ng), ng_tcp=("127.0.0.1", center.ports.ng_tcp))
        await probe.start(lambda *key: None)
        async with asyncio.timeout(10):
            await _answers(probe)
        await probe.close()
        studio = await opened(center)
        redis = client(center)
        yield studio, Books(redis), engine
        await redis.aclose()
        await studio.close()
    await engine.wait()


async def _answers(engine: RtpEngine) -> None:
    while True:
        try:
            await engine.ping()
            return
        except Exception:  # noqa: BLE001 (it is being started)
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_full_spool_stops_no_call_and_what_was_written_is_kept(
    small_spool: tuple[Studio, Books, asyncio.subprocess.Process],
) -> None:
    studio, books, engine = small_spool
    home = studio.center.home
    spool = seen_by(engine.pid, home.spool)
    inside = ("nsenter", "-m", "-t", str(engine.pid), f"--wd={CHECKOUT}")
    running = await process.recorder(home.spool, home.recordings, url(studio.center, "recorder"), inside=inside)
    with ending(running):
        desk = await recording_desk(studio, spool)
        watch = asyncio.create_task(desk.desk.watch_spools())
        customer, agent, a = desk.phone, await studio.party(), desk.leg
        b = await studio.called(agent)
        agent.say(audio.tone(AGENT, 1.0))
        a, b = await studio.engine.connect(a, b)
        desk.desk._benches[desk.contact.id].legs[1] = a
        await agent.hears(CUSTOMER)
        await customer.has_sent(100)
        filler = fill(spool)
        await told(books, "recorder_disk_full", "spool")
        heard = len(agent.packets)
        await customer.has_sent(150)
        assert audio.gaps(agent.heard(heard), longer_than=0.1) == []  # the call does not know
        assert audio.tones(agent.heard(heard)) == {CUSTOMER}
        c, _ = await studio.engine.incoming(studio.name(), sdp(await studio.party()))  # and another can come
        filler.unlink()
        await told(books, "recorder_disk_free", "spool")
        assert await desk.heard(inputs.RecordingResumed)  # rtpengine writes into another file
        await customer.has_sent(150)
        await desk.hang_up()
        for leg in (b, c):
            await studio.engine.delete(leg.id)
        await books.verified(desk.recording)
        await until(lambda: not [f for f in spool_files(spool) if desk.contact.id in f], "an empty spool")
        assert await process.ended(running) == 0
        watch.cancel()
        desk.desk.forget(desk.contact.id)
    result = recorded(home.recordings, desk.recording)
    left, right = audio.decode(result.left), audio.decode(result.right)
    assert audio.tones(left[1600:9600]) == {CUSTOMER} and audio.tones(left[-9600:-800]) == {CUSTOMER}
    assert audio.tones(right[-9600:-800]) == {AGENT}
    assert len(left) > 7.5 * 8000 and any(duration > 1 for _, duration in result.gaps(0))  # the hole is told
    sounding = len(left) / 8000 - sum(duration for _, duration in result.gaps(0))
    assert sounding > 4.5  # two seconds before, three after


@pytest.mark.slow
async def test_a_call_that_ends_while_the_spool_is_full_is_stored_as_far_as_it_was_written(
    small_spool: tuple[Studio, Books, asyncio.subprocess.Process],
) -> None:
    """What rtpengine says of it at its end finds no room: its plan says whose it is."""
    studio, books, engine = small_spool
    home = studio.center.home
    spool = seen_by(engine.pid, home.spool)
    inside = ("nsenter", "-m", "-t", str(engine.pid), f"--wd={CHECKOUT}")
    running = await process.recorder(home.spool, home.recordings, url(studio.center, "recorder"), inside=inside)
    with ending(running):
        desk = await recording_desk(studio, spool)
        await desk.phone.has_sent(150)
        filler = fill(spool)
        await told(books, "recorder_disk_full", "spool")
        await desk.hang_up()
        await books.verified(desk.recording)
        await until(lambda: not [f for f in spool_files(spool) if desk.contact.id in f], f"{spool_files(spool)}")
        filler.unlink()
        assert await process.ended(running) == 0
        desk.desk.forget(desk.contact.id)
    heard = audio.decode(recorded(home.recordings, desk.recording).left)
    assert len(heard) > 2 * 8000 and audio.tones(heard[1600:9600]) == {CUSTOMER}


async def started(desk: Desk) -> inputs.RecordingStarted:
    """What is told first of a start, whatever else is told."""
    async with asyncio.timeout(15):
        while not isinstance(given := await desk.told.get(), inputs.RecordingStarted):
            continue
    return given


@pytest.mark.slow
async def test_no_recording_begins_on_what_is_kept_free_for_the_call_path(
    small_spool: tuple[Studio, Books, asyncio.subprocess.Process],
) -> None:
    studio, books, engine = small_spool
    home = studio.center.home
    spool = seen_by(engine.pid, home.spool)
    inside = ("nsenter", "-m", "-t", str(engine.pid), f"--wd={CHECKOUT}")
    running = await process.recorder(home.spool, home.recordings, url(studio.center, "recorder"), inside=inside)
    with ending(running):
        desk = await recording_desk(studio, spool)
        watch = asyncio.create_task(desk.desk.watch_spools())
        await desk.phone.has_sent(50)
        filler = fill(spool, leave=16_000)
        await told(books, "recorder_disk_full", "spool")
        await until(lambda: desk.desk._recordings._spools.short(spool), "lq has seen it")
        refused = f"{desk.contact.id}-r2"
        desk.desk.perform(desk.contact, [do.LeaveOutSilence(1, refused, 3.0), do.StartRecording(1, refused)])
        assert (await started(desk)).failed == disk.KEPT_FREE
        assert not (spool / "planned" / f"{refused}.json").exists()
        filler.unlink()
        await told(books, "recorder_disk_free", "spool")
        await until(lambda: not desk.desk._recordings._spools.short(spool), "lq has seen that too")
        desk.desk.perform(desk.contact, [do.StartRecording(1, desk.recording)])
        assert (await started(desk)).failed == ""
        await desk.hang_up()
        await books.verified(desk.recording)
        assert await process.ended(running) == 0
        watch.cancel()
        desk.desk.forget(desk.contact.id)


@pytest.fixture
async def spooled(own_studio: Studio) -> Callable[[], asyncio.Future[str]]:
    """`await spooled()`: a closed recording of two seconds in the center's spool; its id."""

    async def make() -> str:
        customer = await own_studio.party()
        name = own_studio.name()
        leg, _ = await own_studio.engine.incoming(name, sdp(customer))
        planned(own_studio.center.home.spool, f"{name}-r1", leg)
        await own_studio.engine.record(leg, f"{name}-r1", name)
        customer.talk(leg.local_port, audio.tone(CUSTOMER, 1.0))
        await customer.has_sent(100)
        await own_studio.engine.delete(leg.id)
        return f"{name}-r1"

    return lambda: asyncio.ensure_future(make())


@pytest.mark.slow
@pytest.mark.parametrize(("size", "leave"), [("200k", 20_000), ("4m", 225_000)])  # nothing is left, or what is reserved
async def test_a_full_store_on_another_disk_delays_recordings_and_loses_none(
    own_studio: Studio, own_books: Books, spooled: Callable[[], asyncio.Future[str]], size: str, leave: int
) -> None:
    center, home = own_studio.center, own_studio.center.home
    running = await process.recorder(
        home.spool, home.recordings, url(center, "recorder"), inside=on_tmpfs(home.recordings, size)
    )
    with ending(running):
        store = seen_by(running.pid, home.recordings)
        await until((store / ".outbox").is_dir, "the recorder")
        filler = fill(store, leave=leave)
        names = [await spooled() for _ in range(3)]
        await told(own_books, "recorder_disk_full", "store")
        assert [await own_books.of(name) for name in names] == [[], [], []]
        assert list(store.rglob("*.wav")) == [] and list(store.rglob("*.part")) == []
        filler.unlink()
        await told(own_books, "recorder_disk_free", "store")
        for name in names:
            assert len(await own_books.verified(name)) == 2
        await until(lambda: spool_files(home.spool) == [], "an empty spool")
        for name in names:
            assert audio.tones(audio.decode(recorded(store, name).left)) == {CUSTOMER}
        assert len(list(store.rglob("*.wav"))) == 3
        assert await process.ended(running) == 0


@pytest.mark.slow
async def test_a_store_that_cannot_be_reached_is_told_and_caught_up(
    own_studio: Studio, own_books: Books, spooled: Callable[[], asyncio.Future[str]]
) -> None:
    home = own_studio.center.home
    running = await process.recorder(home.spool, home.recordings, url(own_studio.center, "recorder"))
    with ending(running):
        await until((home.recordings / ".outbox").is_dir, "the recorder")
        home.recordings.rename(home.recordings.with_name("away"))
        home.recordings.write_text("no directory")
        name = await spooled()
        await told(own_books, "recorder_store_away", "store")
        home.recordings.unlink()
        home.recordings.with_name("away").rename(home.recordings)
        await own_books.verified(name)
        assert (
            len(await alarms(own_books, "recorder_store_away"))
            == len(await alarms(own_books, "recorder_store_back"))
            == 1
        )
        assert await process.ended(running) == 0


@pytest.mark.slow
async def test_a_store_that_hangs_holds_up_neither_calls_nor_listeners(
    own_studio: Studio, own_books: Books, spooled: Callable[[], asyncio.Future[str]]
) -> None:
    center, home = own_studio.center, own_studio.center.home
    go = center.path / "go"
    running = await process.recorder(home.spool, home.recordings, url(center, "recorder"), stuck=go)
    with ending(running):
        first = await spooled()
        await until(lambda: list(home.recordings.glob("2*")), "the store is being written to")
        customer = await own_studio.party()
        name = own_studio.name()
        leg, _ = await own_studio.engine.incoming(name, sdp(customer))
        planned(home.spool, f"{name}-r1", leg)
        await own_studio.engine.record(leg, f"{name}-r1", name)
        customer.talk(leg.local_port, audio.tone(CUSTOMER, 1.0))
        await customer.has_sent(50)
        assert CUSTOMER in await _heard_live(home.run / "recorder.sock", f"{name}-r1")
        await own_studio.engine.delete(leg.id)
        assert await own_books.of(first) == []
        go.touch()
        for recording in (first, f"{name}-r1"):
            assert len(await own_books.verified(recording)) == 2
        assert await process.ended(running) == 0


async def _heard_live(socket: Path, recording: str) -> set[int]:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    writer.write(json.dumps({"listen": recording}).encode() + b"\n")
    async with asyncio.timeout(10):
        await reader.readline()
        await reader.readexactly(wav.HEADER)
        data = await reader.readexactly(16_000)
    writer.close()
    return set(audio.tones(audio.decode(data[0::2])[-4000:]))
