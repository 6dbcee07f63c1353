"""What lies about in spool and store: each kind is found, told, and mended or set aside with a reason."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from lq import disk
from lq.disk import Space
from lq.watch.alarms import RULES
from recorder import spool, store
from recorder.letters import TROUBLE
from recorder.recorder import Recorder
from recorder.spool import Take
from recorder.store import Stored
from recorder.voices import Voices
from recorder.watch import Watch
from tests.unit.recorder.conftest import Told
from tests.unit.recorder.test_recording import HEX, LEFT, RIGHT, make_plan, pcap, rtp_bytes

HOUR, DAY = 3600.0, 86_400.0


def swept(place: Path, told: Told, later: float = 0.0) -> list[tuple[str, Any]]:
    Watch([place], place.parent / "store", told).sweep(time.time() + later)
    return told.alarms


def aside(place: Path) -> list[str]:
    return sorted(file.name for file in (place / "aside").glob("*"))


def test_a_pcap_of_which_nobody_knows(place: Path, told: Told) -> None:
    name = f"c9.1-{HEX}"
    lonely, part = place / "pcaps" / f"{name}.pcap", place / "rescued" / f"c8.1-{HEX}.1.pcap"
    for file in (lonely, part):
        file.write_bytes(pcap([]))
    assert swept(place, told) == [] and aside(place) == []  # it may just have begun
    (place / "tmp" / f"rtpengine-meta-{name}.tmp").write_text("")
    assert swept(place, told, 2 * HOUR) == [("recorder_debris", part.name)]
    (place / "tmp" / f"rtpengine-meta-{name}.tmp").unlink()
    assert swept(place, told, 2 * HOUR) == [("recorder_debris", part.name), ("recorder_debris", lonely.name)]
    assert aside(place) == sorted([lonely.name, f"{lonely.name}.reason", part.name, f"{part.name}.reason"])
    assert "nobody planned" in (place / "aside" / f"{lonely.name}.reason").read_text()


def test_what_is_planned_or_closed_is_no_debris(place: Path, told: Told) -> None:
    make_plan(place)
    (place / "rescued" / f"c1.1-{HEX}.1.pcap").write_bytes(pcap([]))
    (place / "pcaps" / f"c2.1-{HEX}.pcap").write_bytes(pcap([]))
    (place / "metadata" / f"rtpengine-meta-c2.1-{HEX}.txt").write_text("")
    assert swept(place, told, 100 * DAY) == []


def test_notes_of_rtpengine_without_a_pcap(place: Path, told: Told) -> None:
    note = place / "tmp" / f"rtpengine-meta-c7.1-{HEX}.tmp"
    note.write_text("")
    assert swept(place, told, HOUR) == []
    assert swept(place, told, 2 * DAY) == [("recorder_debris", note.name)] and note.name in aside(place)


def test_half_written_files_of_a_crash_are_removed(place: Path, told: Told) -> None:
    day = place.parent / "store" / time.strftime("%Y/%m/%d", time.gmtime())
    day.mkdir(parents=True)
    parts = [place / "planned" / "c1-r1.part", day / ".c1-r1.wav.part", place.parent / "store/.outbox/.c1-r1.json.part"]
    for part in parts:
        part.write_bytes(b"half")
    swept(place, told)
    assert all(part.exists() for part in parts)
    for part in parts:
        os.utime(part, (time.time() - 2 * HOUR,) * 2)
    swept(place, told)
    assert not any(part.exists() for part in parts)


def kept(store_dir: Path, recording: str = "c1-r1") -> Stored:
    take = Take(recording, "c1", (), (), time.time(), time.time())
    stored = store.keep(store_dir, take, Voices(time.time(), np.full((800, 2), 0xD5, np.uint8), ()))
    for file in (store_dir / stored.path, (store_dir / stored.path).with_suffix(".json")):
        os.utime(file, (time.time() - 2 * HOUR,) * 2)
    return stored


def test_a_recording_that_is_not_what_was_stored(place: Path, told: Told) -> None:
    store_dir = place.parent / "store"
    good, spoiled, gone, broken = (kept(store_dir, f"c{n}-r1") for n in range(4))
    (store_dir / spoiled.path).write_bytes(b"spoiled")
    (store_dir / gone.path).unlink()
    sidecar = (store_dir / broken.path).with_suffix(".json")
    sidecar.write_text("{")
    os.utime(sidecar, (time.time() - HOUR,) * 2)
    watch = Watch([place], store_dir, told)
    for _ in range(3):  # it is told once
        watch.sweep(time.time())
    files = [str(Path(each.path).with_suffix(".json")) for each in (spoiled, gone, broken)]
    assert told.alarms == [("recorder_damaged", file) for file in files]
    assert (store_dir / spoiled.path).exists() and (store_dir / good.path).exists()


def test_a_wav_without_a_sidecar_is_set_aside(place: Path, told: Told) -> None:
    store_dir = place.parent / "store"
    stored = kept(store_dir)
    (store_dir / stored.path).with_suffix(".json").unlink()
    assert swept(place, told) == [("recorder_debris", "c1-r1.wav")]
    assert sorted(file.name for file in (store_dir / "aside").iterdir()) == ["c1-r1.wav", "c1-r1.wav.reason"]


def test_an_unreadable_letter_is_written_anew(place: Path, told: Told) -> None:
    store_dir = place.parent / "store"
    stored = kept(store_dir)
    (store_dir / ".outbox" / "c1-r1.unreadable").write_text("{")
    (store_dir / ".outbox" / "c5-r1.unreadable").write_text("{")  # of which nothing is known
    assert swept(place, told) == [("recorder_debris", "c1-r1.unreadable")]
    assert sorted(file.name for file in (store_dir / ".outbox").iterdir()) == ["c1-r1.json", "c5-r1.unreadable"]
    events = json.loads((store_dir / ".outbox" / "c1-r1.json").read_text())
    assert [event["type"] for event in events] == ["recording_stored", "recording_verified"]
    assert events[0]["data"]["sha256"] == stored.sha256


# -- a round of the recorder ------------------------------------------------------------------------------------------


def closed(place: Path, call: str, at: float, recording: str = "c1-r1", hex: str = HEX, left: int = LEFT) -> Path:
    packets = [(at + n * 0.02, left, rtp_bytes(n, bytes([n + 1]) * 160)) for n in range(50)]
    (place / "pcaps" / f"{call}-{hex}.pcap").write_bytes(pcap(packets))
    metadata = place / "metadata" / f"rtpengine-meta-{call}-{hex}.txt"
    start = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    told = f"recording={recording}|contact=c1|left={left}|right={RIGHT}"
    metadata.write_text(f"/x/{call}-{hex}.pcap\n\ncall start time: {start}\n{told}\n")
    return metadata


def planned(place: Path, call: str, **more: object) -> None:
    plan = {"recording": "c1-r1", "contact": "c1", "left": LEFT, "right": RIGHT, "call": call} | more
    (place / "planned" / "c1-r1.json").write_text(json.dumps(plan))


def recording(spools: list[Path], told: Told) -> list[Stored]:
    """After a round: what is stored."""
    store_dir = spools[0].parent / "store"
    asyncio.run(Recorder(spools, store_dir, told).round())
    return [store.read(file.read_bytes()) for file in sorted(store_dir.glob("2*/*/*/*.json"))]


def second_spool(place: Path) -> Path:
    for name in ("metadata", "pcaps", "rescued", "planned"):
        (place.parent / "spool2" / name).mkdir(parents=True)
    return place.parent / "spool2"


def test_a_recording_that_went_on_at_another_rtpengine_is_one(place: Path, told: Told) -> None:
    """Its engine died; another, with other ports, carried the call on ten seconds later."""
    other, now = second_spool(place), time.time() - 100
    planned(place, "c1.1", since=1000)
    closed(place, "c1.1", now)
    planned(other, "c1.1", since=2000, left=40000)
    assert recording([place, other], told) == []  # it goes on there
    closed(other, "c1.1", now + 10, left=40000)
    assert recording([place, other], told) == []  # lq has not said that it is over
    planned(other, "c1.1", since=2000, left=40000, over=True)
    (stored,) = recording([other, place], told)
    assert stored.duration_ms == 11_000
    assert [(gap["start_s"], gap["duration_s"]) for gap in stored.gaps if not gap["channel"]] == [(1.0, 9.0)]
    assert not [file for file in (*place.rglob("*.*"), *other.rglob("*.*")) if file.is_file()]


def test_an_engine_that_never_came_back_leaves_its_part_all_the_same(place: Path, told: Told) -> None:
    other, now = second_spool(place), time.time() - 100
    planned(place, "c1.1", since=1000)
    closed(place, "c1.1", now).unlink()  # no metadata will ever come
    planned(other, "c1.1", since=2000, over=True)
    closed(other, "c1.1", now + 10)
    (stored,) = recording([place, other], told)
    assert stored.duration_ms == 11_000


def test_a_pause_of_which_nobody_tells_the_end_ends_after_a_day(place: Path, told: Told) -> None:
    planned(place, "c1.1", pauses=[[1000, None]])
    metadata = closed(place, "c1.1", time.time() - 100)
    assert recording([place], told) == []
    for file in (metadata, place / "planned" / "c1-r1.json"):
        os.utime(file, (time.time() - 2 * DAY,) * 2)
    assert len(recording([place], told)) == 1


def test_what_comes_after_a_recording_was_stored_is_not_thrown_away(place: Path, told: Told) -> None:
    now = time.time() - 100
    closed(place, "c1.1", now)
    (first,) = recording([place], told)
    closed(place, "c1.1", now + 30, hex=HEX[::-1])
    assert recording([place], told) == [first]
    assert told.alarms == [("recorder_debris", f"c1.1-{HEX[::-1]}.pcap")]
    assert f"c1.1-{HEX[::-1]}.pcap" in aside(place)


@pytest.mark.parametrize("after_s", [0.95, 1.0, 1.5, 2.5])
@pytest.mark.parametrize("has_plan", [True, False])
def test_nor_is_it_when_the_pause_between_was_short(place: Path, told: Told, has_plan: bool, after_s: float) -> None:
    """The disk was slow: no plan told of the pause, and the recorder looked just then."""
    now = time.time() - 100
    if has_plan:
        planned(place, "c1.1")
    closed(place, "c1.1", now)
    (first,) = recording([place], told)
    late = place / "pcaps" / f"c1.1-{HEX[::-1]}.pcap"
    closed(place, "c1.1", now + after_s, hex=HEX[::-1])
    data = late.read_bytes()
    assert recording([place], told) == [first]
    assert told.alarms == [("recorder_debris", late.name)]
    assert (place / spool.ASIDE / late.name).read_bytes() == data and not late.exists()


@pytest.mark.parametrize("has_plan", [True, False])
def test_a_pause_whose_plan_was_not_written_waits_for_what_is_recorded_behind_it(
    place: Path, told: Told, has_plan: bool
) -> None:
    now = time.time() - 100
    if has_plan:
        planned(place, "c1.1")
    closed(place, "c1.1", now)
    second = closed(place, "c1.1", now + 1.5, hex=HEX[::-1])
    text = second.read_text()
    second.unlink()
    assert recording([place], told) == [] and len(list((place / "pcaps").iterdir())) == 2
    second.write_text(text)
    (stored,) = recording([place], told)
    assert stored.duration_ms == 2500 and told.alarms == []
    assert [(gap["start_s"], gap["duration_s"]) for gap in stored.gaps if not gap["channel"]] == [(1.0, 0.5)]
    assert not [file for file in place.rglob("*.*") if file.is_file()]


def test_what_an_rtpengine_that_is_gone_left_open_holds_nothing_up(place: Path, told: Told) -> None:
    """The call went on at another, whose disk was too slow for a plan."""
    other, now = second_spool(place), time.time() - 100
    planned(place, "c1.1")
    closed(place, "c1.1", now).unlink()
    closed(other, "c1.1", now + 10)
    (stored,) = recording([place, other], told)
    assert stored.duration_ms == 11_000


@pytest.mark.parametrize("has_plan", [True, False])
def test_metadata_that_cannot_be_read_take_no_other_part_along(place: Path, told: Told, has_plan: bool) -> None:
    now = time.time() - 100
    if has_plan:
        planned(place, "c1.1")
    closed(place, "c1.1", now)
    spoiled = closed(place, "c1.1", now + 2, hex=HEX[::-1])
    spoiled.write_text("nothing")
    (stored,) = recording([place], told)
    assert stored.duration_ms == (3000 if has_plan else 1000)
    assert told.alarms == [("recorder_debris", spoiled.name)]
    assert (f"c1.1-{HEX[::-1]}.pcap" in aside(place)) is not has_plan


@pytest.mark.parametrize("rebooted", [False, True])
def test_who_died_before_the_spool_was_cleared_finds_nothing_late(place: Path, told: Told, rebooted: bool) -> None:
    now = time.time() - 100
    planned(place, "c1.1")
    metadata = closed(place, "c1.1", now)
    saved = {file: file.read_bytes() for file in place.rglob("*.*") if file.is_file()}
    (first,) = recording([place], told)
    for file, data in saved.items():
        file.write_bytes(data)
    if rebooted:
        (place / "pcaps" / f"c1.1-{HEX}.pcap").rename(place / "rescued" / f"c1.1-{HEX}.1.pcap")
        metadata.write_text(metadata.read_text())
    assert recording([place], told) == [first] and told.alarms == []
    assert not [file for file in place.rglob("*.*") if file.is_file()]


def test_what_is_written_while_it_is_stored_is_not_thrown_away(
    place: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An rtpengine that was given up for dead, and was not."""
    closed(place, "c1.1", time.time() - 100)
    file = place / "pcaps" / f"c1.1-{HEX}.pcap"
    keep = store.keep

    def slowly(*arguments: Any) -> Stored:
        with file.open("ab") as more:
            more.write(pcap([(time.time(), LEFT, rtp_bytes(99, b"\x55" * 160))])[24:])
        return keep(*arguments)

    monkeypatch.setattr(store, "keep", slowly)
    (stored,) = recording([place], told)
    assert stored.duration_ms == 1000 and told.alarms == [("recorder_debris", file.name)]
    assert file.name in aside(place) and not file.exists()


def test_a_late_part_without_a_packet_is_nothing_to_keep(place: Path, told: Told) -> None:
    closed(place, "c1.1", time.time() - 100)
    (first,) = recording([place], told)
    closed(place, "c1.1", time.time() - 90, hex=HEX[::-1])
    (place / "pcaps" / f"c1.1-{HEX[::-1]}.pcap").write_bytes(pcap([]))
    assert recording([place], told) == [first] and told.alarms == [] and aside(place) == []


def test_what_was_stored_by_an_earlier_release_hides_no_late_part(place: Path, told: Told) -> None:
    """Its sidecar does not say what it was made of."""
    now = time.time() - 100
    closed(place, "c1.1", now)
    (first,) = recording([place], told)
    sidecar = (place.parent / "store" / first.path).with_suffix(".json")
    sidecar.write_text(
        json.dumps({key: value for key, value in json.loads(sidecar.read_text()).items() if key != "parts"})
    )
    closed(place, "c1.1", now + 1, hex=HEX[::-1])
    assert recording([place], told) == [first]
    assert told.alarms == [("recorder_debris", f"c1.1-{HEX[::-1]}.pcap")]


def test_metadata_without_a_pcap_are_an_empty_recording_and_told(place: Path, told: Told) -> None:
    metadata = closed(place, "c1.1", time.time())
    (place / "pcaps" / f"c1.1-{HEX}.pcap").unlink()
    (stored,) = recording([place], told)
    assert stored.duration_ms == 0 and told.alarms == [("recorder_debris", metadata.name)]


def test_a_spoiled_wav_is_made_again_while_the_spool_has_it(place: Path, told: Told) -> None:
    closed(place, "c1.1", time.time() - 100)
    saved = {file: file.read_bytes() for file in place.rglob("*.*") if file.is_file()}
    (first,) = recording([place], told)
    for file, data in saved.items():
        file.write_bytes(data)
    (place.parent / "store" / first.path).write_bytes(b"spoiled")
    assert recording([place], told) == [first] and store.verified(place.parent / "store", first)
    for file, data in saved.items():
        file.write_bytes(data)
    (place.parent / "store" / first.path).with_suffix(".json").write_text("{")
    assert recording([place], told) == [first]


def test_what_moves_away_while_it_is_looked_at_is_tried_again(place: Path, told: Told) -> None:
    """rtpengine is being started: its pcaps move to rescued/ between the look and the reading."""
    closed(place, "c1.1", time.time() - 100)
    moved = place / "pcaps" / f"c1.1-{HEX}.pcap"
    looks = [spool.look(place)]
    moved.rename(place / "rescued" / f"c1.1-{HEX}.1.pcap")
    recorder = Recorder([place], place.parent / "store", told)
    recorder._look = lambda: looks  # type: ignore[method-assign]
    asyncio.run(recorder.round())
    assert list((place / "metadata").iterdir()) and not list(place.parent.glob("store/2*"))
    (stored,) = recording([place], told)
    assert stored.duration_ms == 1000


@pytest.mark.parametrize("text", ["", "/x/c1.1.pcap\n\nrecording=c1-r1|con"])
def test_a_call_that_ended_while_the_disk_was_full_is_stored_whole(place: Path, told: Told, text: str) -> None:
    """What rtpengine says of it at the end found no room; what was planned did."""
    metadata = closed(place, "c1.1", time.time() - 100)
    metadata.write_text(text)
    planned(place, "c1.1", since=(time.time() - 100) * 1000)
    (stored,) = recording([place], told)
    assert stored.duration_ms == 1000 and told.alarms == []
    assert not [file for file in place.rglob("*") if file.is_file()]


def test_whose_voice_it_is_the_newest_plan_tells(place: Path, told: Told) -> None:
    second, at = second_spool(place), time.time() - 100
    planned(place, "c1.1", since=at * 1000, **{"from": "192.0.2.7:4000"})
    planned(second, "c1.1", since=at * 1000 + 1, over=True, **{"from": "192.0.2.7:5000"})
    take = spool.read(closed(place, "c1.1", at), [spool.look(place), spool.look(second)], time.time())
    assert take is not None and take.heard_from == "192.0.2.7:5000"


def test_a_part_that_ended_on_a_full_disk_goes_with_the_others(place: Path, told: Told) -> None:
    at = time.time() - 100
    first, second = closed(place, "c1.1", at), closed(place, "c1.1", at + 5, hex=HEX[::-1])
    planned(place, "c1.1", since=at * 1000, pauses=[[(at + 1) * 1000, (at + 5) * 1000]], over=True)
    spoiled = max(first, second)
    spoiled.write_text("")
    (stored,) = recording([place], told)
    assert stored.duration_ms == 6000 and told.alarms == [("recorder_debris", spoiled.name)]
    assert aside(place) == [spoiled.name, f"{spoiled.name}.reason"]


def test_what_cannot_be_set_aside_stays_and_the_next_goes_on(
    place: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of the spool is full: before, the recorder ended, and did so again when it was started."""
    closed(place, "c1.1", time.time() - 100)
    foreign = place / "metadata" / "rtpengine-meta-a.txt"
    foreign.write_text("nothing of ours")

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool, "aside", full)
    (stored,) = recording([place], told)
    assert stored.duration_ms == 1000 and foreign.exists() and told.alarms == []


def test_a_recording_whose_leg_is_made_anew_waits_for_what_comes(place: Path, told: Told) -> None:
    """rtpengine has closed a part because its call was deleted, not because it was over."""
    at = time.time() - 100
    closed(place, "c1.1", at)
    planned(place, "c1.1", since=at * 1000, moves=True)
    assert recording([place], told) == []
    running = spool.running([place], "c1-r1")
    assert running is not None and running.pcap is None
    closed(place, "c1.1", at + 5, hex=HEX[::-1], left=LEFT + 100)
    earlier = [{"left": LEFT, "right": RIGHT, "codecs": {}}]
    planned(place, "c1.1", since=at * 1000, moves=True, left=LEFT + 100, earlier=earlier, over=True)
    (stored,) = recording([place], told)
    assert stored.duration_ms == 6000 and told.alarms == []


def test_a_store_gives_way_before_its_disk_is_full(place: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recording would fit: what is left is the call path's."""
    closed(place, "c1.1", time.time() - 100)
    left = Space(disk.RESERVE_BYTES + 1000, 400 << 30)
    monkeypatch.setattr("lq.disk.space", lambda place: left)
    assert recording([place], told) == [] and len(list(place.rglob("*.pcap"))) == 1
    assert not list(place.parent.glob("store/2*/*/*/*"))
    left = Space(disk.RESERVE_BYTES + 20_000, 400 << 30)
    (stored,) = recording([place], told)
    assert stored.duration_ms == 1000 and told.alarms == [("recorder_disk_full", "store")]


def test_a_disk_with_nothing_but_the_reserve_is_an_alarm(
    place: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch([place], place.parent / "store", told)
    for free in (2 << 30, (1 << 30) - 1, (1 << 30) + 1, 2 << 30):
        monkeypatch.setattr("lq.disk.space", lambda place, free=free: Space(free, 400 << 30))
        watch._space()
    full, free_again = "recorder_disk_full", "recorder_disk_free"
    assert told.alarms == [(full, "spool"), (full, "store"), (free_again, "spool"), (free_again, "store")]


def figure(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> dict[Path, int]:
    """Free bytes of the disk at each place, of 100 MB, of which 5 are kept free and 6 end an alarm."""
    free: dict[Path, int] = {}

    def space(place: Path) -> Space:
        return Space(next(free[each] for each in (place, *place.parents) if each in free), 100_000_000)

    monkeypatch.setattr(disk, "space", space)
    TROUBLE.clear()  # what the tests before have left
    return free


def spaces(watched: Watch) -> dict[str, float | None]:
    watched._space()
    names = ("spool_full", "spool2_full", "store_full", "store_failing")
    return {name: value for name in names if (value := figure("lcall_recorder_trouble", trouble=name))}


def test_a_spool_that_has_room_again_says_nothing_of_the_other(place: Path, told: Told, room: dict[Path, int]) -> None:
    second, store_dir = place.parent / "other", place.parent / "store"
    watched = Watch([place, second], store_dir, told)
    room |= {place: 1_000_000, second: 1_000_000, store_dir: 50_000_000}
    assert spaces(watched) == {"spool_full": 1, "spool2_full": 1}
    room[place] = 50_000_000
    assert spaces(watched) == {"spool2_full": 1}
    room[second] = 50_000_000
    assert spaces(watched) == {}
    full, free = "recorder_disk_full", "recorder_disk_free"
    assert told.alarms == [(full, "spool"), (full, "spool2"), (free, "spool"), (free, "spool2")]


def test_a_recording_that_found_its_room_does_not_empty_the_disk(
    place: Path, told: Told, room: dict[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    store_dir = place.parent / "store"
    watched, recorder = Watch([place], store_dir, told), Recorder([place], store_dir, told)
    room |= {place: 50_000_000, store_dir: 50_000_000}
    metadata = closed(place, "c1.1", time.time() - 100)
    with monkeypatch.context() as full:
        full.setattr(store, "keep", no_room)
        asyncio.run(recorder.round())
    assert spaces(watched) == {"store_failing": 1}
    room[store_dir] = 1_000_000
    assert spaces(watched) == {"store_full": 1, "store_failing": 1}
    room[store_dir] = 5_500_000
    recorder._not_before.clear()
    asyncio.run(recorder.round())
    assert not metadata.exists() and spaces(watched) == {"store_full": 1}
    room[store_dir] = 50_000_000
    assert spaces(watched) == {}


def no_room(*arguments: Any) -> Stored:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_was_found_is_a_figure_of_the_last_hour(place: Path, told: Told) -> None:
    lonely = place / "pcaps" / f"c9.1-{HEX}.pcap"
    lonely.write_bytes(pcap([]))
    before = figure("lcall_recorder_found_last_hour", what="debris") or 0
    assert len(swept(place, told, 2 * HOUR)) == 1
    assert figure("lcall_recorder_found_last_hour", what="debris") == before + 1
    assert any(rule.metric == "lcall_recorder_found_last_hour" and rule.label == "what" for rule in RULES)


def test_what_waits_and_what_is_wrong_can_be_measured(place: Path, told: Told) -> None:
    store_dir = place.parent / "store"
    recorder = Recorder([place], store_dir, told)
    metadata = closed(place, "c1.1", time.time() - 100)
    os.utime(metadata, (time.time() - 50,) * 2)
    blocked = store_dir / time.strftime("%Y", time.gmtime())
    blocked.write_text("no directory")
    asyncio.run(recorder.round())
    assert 49 < recorder._age() < 60 and figure("lcall_spool_waiting") == 1
    assert figure("lcall_recorder_trouble", trouble="store_away") == 1
    blocked.unlink()
    recorder._not_before.clear()
    asyncio.run(recorder.round())
    asyncio.run(recorder.round())
    assert recorder._age() == 0 and figure("lcall_spool_waiting") == 0
    assert figure("lcall_recorder_trouble", trouble="store_away") == 0
    assert [type for type, _ in told.alarms] == ["recorder_store_away", "recorder_store_back"]
    planned(place, "c2.1", recording="c2-r1", pauses=[[1, None]])
    (place / "planned/c1-r1.json").rename(place / "planned/c2-r1.json")
    os.utime(closed(place, "c2.1", time.time() - 100, "c2-r1"), (time.time() - 50,) * 2)
    asyncio.run(recorder.round())
    asyncio.run(recorder.round())
    assert recorder._age() == 0  # it is paused: nobody is late
