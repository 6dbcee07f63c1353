"""Recordings whose time is over: each is deleted once and told, whatever dies on the way; in doubt it is kept."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Away

from lq.live import keys
from recorder import retention, store
from recorder.retention import FIRST_S, SETTINGS, Retention
from recorder.store import DAY_S
from tests.unit.recorder.conftest import Told

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
DAYS = 30


class Settings:
    """A Redis that knows one document, or is away."""

    def __init__(self, answer: bytes | str | Exception | None) -> None:
        self._answer = answer

    async def hget(self, key: str, field: str) -> bytes | str | None:
        assert (key, field) == (keys.config("settings"), "center")
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def keeper(place: Path, told: Told, answer: Any = None) -> Retention:
    return Retention([place], place.parent / "store", told, cast(Redis, Settings(answer)))


def stored(place: Path, age_days: float, recording: str, written: float | None = None) -> Path:
    """The WAV of a recording of so long ago."""
    at = NOW - age_days * DAY_S
    file = place.parent / "store" / f"{datetime.fromtimestamp(at, UTC):%Y/%m/%d}" / f"{recording}.wav"
    file.parent.mkdir(parents=True, exist_ok=True)
    sidecar = file.with_suffix(".json")
    file.write_bytes(b"RIFF")
    sidecar.write_text(json.dumps({"recording": recording, "contact": f"of-{recording}"}))
    for each in (file, sidecar):
        os.utime(each, (at if written is None else written,) * 2)
    return file


def kept(place: Path) -> list[str]:
    return sorted(file.name for file in (place.parent / "store").glob("2*/*/*/*"))


def letters(place: Path) -> list[tuple[Any, ...]]:
    found = [json.loads(file.read_bytes()) for file in sorted((place.parent / "store" / ".outbox").iterdir())]
    return [(each["type"], each["subject"], each["seq"], each["data"]) for letter in found for each in letter]


def test_what_is_older_is_deleted_and_told_and_what_is_not_stays(place: Path, told: Told) -> None:
    old, last = stored(place, 400, "a-r1"), stored(place, DAYS + 1.6, "b-r1")
    young = [stored(place, age, name) for age, name in ((DAYS, "c-r1"), (DAYS + 0.4, "d-r1"), (0, "e-r1"))]
    keeper(place, told).sweep(NOW, DAYS)
    assert kept(place) == sorted([*(f.name for f in young), *(f.with_suffix(".json").name for f in young)])
    assert letters(place) == [
        ("recording_deleted", name, 7, {"contact": f"of-{name}", "kept_days": DAYS}) for name in ("a-r1", "b-r1")
    ]
    assert not old.parents[2].exists() and not last.parent.exists() and young[0].parent.exists()


def test_a_few_hundred_at_a_time_the_oldest_first(place: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    for n in range(5):
        stored(place, 100 - n, f"r{n}-r1")
    keeping = keeper(place, told)
    keeping.sweep(NOW, DAYS)
    assert kept(place) == ["r3-r1.json", "r3-r1.wav", "r4-r1.json", "r4-r1.wav"]
    for _ in range(2):
        keeping.sweep(NOW, DAYS)
    assert kept(place) == [] and len({subject for _, subject, *_ in letters(place)}) == 5


def test_what_was_written_lately_is_kept_whatever_day_it_lies_under(place: Path, told: Told) -> None:
    """Its machine began with a clock of the year 2000."""
    stored(place, 9000, "a-r1", written=NOW - DAY_S)
    keeper(place, told).sweep(NOW, DAYS)
    assert kept(place) == ["a-r1.json", "a-r1.wav"] and letters(place) == []


@pytest.mark.parametrize("left", [(".json",), (".wav",)])
def test_a_death_on_the_way_tells_it_again(place: Path, told: Told, left: tuple[str, ...]) -> None:
    file = stored(place, 100, "a-r1")
    for kind in {".wav", ".json"} - {*left}:
        file.with_suffix(kind).unlink()
    keeper(place, told).sweep(NOW, DAYS)
    assert kept(place) == []
    ((_, subject, _, data),) = letters(place)
    assert subject == "a-r1" and data["contact"] == ("of-a-r1" if ".json" in left else "a")


def test_without_a_letter_the_sidecar_stays(place: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(place, 100, "a-r1")

    def full(file: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", full)
        keeper(place, told).sweep(NOW, DAYS)
    assert kept(place) == ["a-r1.json"]
    keeper(place, told).sweep(NOW, DAYS)
    assert kept(place) == [] and len(letters(place)) == 1


def test_what_is_no_recording_is_left_alone(place: Path, told: Told) -> None:
    file = stored(place, 100, "a-r1")
    notes, odd = file.parent / "notes.txt", place.parent / "store" / "2026" / "99" / "99"
    odd.mkdir(parents=True)
    for each in (notes, odd / "b-r1.wav"):
        each.write_text("")
        os.utime(each, (0, 0))
    keeper(place, told).sweep(NOW, DAYS)
    assert kept(place) == ["b-r1.wav", "notes.txt"]


def laid_aside(place: Path) -> None:
    place.mkdir(parents=True)
    for name in ("a.pcap", "a.pcap.reason"):
        (place / name).write_text("")
        os.utime(place / name, (0, 0))


def test_what_was_set_aside_goes_when_it_has_lain_as_long(place: Path, told: Told) -> None:
    """Also where an older release has set it aside."""
    for aside in (each / name for each in (place, place.parent / "store") for name in ("aside", "lost+found")):
        laid_aside(aside)
    keeping, now = keeper(place, told), time.time()
    keeping.sweep(now + (DAYS - 1) * DAY_S, DAYS)
    assert len(list(place.parent.rglob("a.pcap*"))) == 8
    keeping.sweep(now + (DAYS + 1) * DAY_S, DAYS)
    assert list(place.parent.rglob("a.pcap*")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_what_e2fsck_has_found_is_not_ours(place: Path, told: Told) -> None:
    """The store is a disk of its own."""
    found = place.parent / "store" / "lost+found"
    laid_aside(found)
    os.chown(found, 65534, 65534)
    keeper(place, told).sweep(time.time() + (DAYS + 1) * DAY_S, DAYS)
    assert len(list(found.iterdir())) == 2


@pytest.mark.parametrize(
    ("answer", "days"),
    [
        (b'{"keep_recordings_days": 90}', 90), (b'{"id": "center"}', 0), (None, 0), (b"[]", 0), (b"{", 0),
        (b'{"keep_recordings_days": null}', 0), (Away("gone"), 0),
    ],
)  # fmt: skip
async def test_who_does_not_know_for_how_long_deletes_nothing(
    place: Path, told: Told, answer: bytes | Exception | None, days: int
) -> None:
    assert keys.config("settings") == SETTINGS
    keeping, swept = keeper(place, told, answer), []
    keeping._not_before = 0.0
    keeping.sweep = lambda now, days: swept.append(days)  # type: ignore[method-assign]
    await keeping.round()
    assert swept == ([days] if days else [])


def test_a_clock_that_was_set_is_not_believed_for_a_day(place: Path, told: Told) -> None:
    keeping = keeper(place, told)
    now, ticks = time.time(), time.monotonic()
    assert not keeping.steady(now, ticks)  # it has just begun
    assert keeping.steady(now + FIRST_S + 1, ticks + FIRST_S + 1)
    ticks += FIRST_S + 2
    far = now + 10_000 * DAY_S
    assert not keeping.steady(far, ticks) and not keeping.steady(far + DAY_S - 60, ticks + DAY_S - 60)
    assert not keeping.steady(now + DAY_S, ticks + DAY_S - 50)  # and back: another day
    assert not keeping.steady(now + DAY_S + 40, ticks + DAY_S - 10)
    assert keeping.steady(now + 2 * DAY_S + 1, ticks + 2 * DAY_S - 49)
