"""What stands on disk before a service starts."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ops import preparation
from ops.preparation import forget_the_dead, oldest_process

PORT = 15432


@pytest.fixture
def locks(tmp_path: Path) -> list[Path]:
    (tmp_path / "data").mkdir()
    files = [tmp_path / "data" / "postmaster.pid", tmp_path / f".s.PGSQL.{PORT}.lock"]
    for file in files:
        file.write_text(f"{os.getpid()}\n")
    return files


def test_locks_of_a_postgresql_before_the_power_cut_go(locks: list[Path], tmp_path: Path) -> None:
    for file in locks:
        os.utime(file, (1000, 1000))
    forget_the_dead(tmp_path, PORT, 1000.5)
    assert [file.exists() for file in locks] == [False, False]
    forget_the_dead(tmp_path, PORT, 1000.5)


def test_those_of_one_that_may_run_stay(locks: list[Path], tmp_path: Path) -> None:
    forget_the_dead(tmp_path, PORT, oldest_process())
    assert [file.exists() for file in locks] == [True, True]


def proc(place: Path, *, first: str | None) -> Path:
    (place / "1").mkdir(parents=True)
    (place / "stat").write_text("cpu  1 2 3\nbtime 1790000000\nprocesses 7\n")
    if first is not None:
        (place / "1/stat").write_text(first)
    return place


def test_no_process_is_older_than_the_machine_or_its_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < oldest_process() < time.time()
    ticks = os.sysconf("SC_CLK_TCK")
    line = "1 (a (strange) name) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {} 9 9\n"
    monkeypatch.setattr(preparation, "PROC", proc(tmp_path / "machine", first=line.format(0)))
    assert oldest_process() == 1_790_000_000
    monkeypatch.setattr(preparation, "PROC", proc(tmp_path / "container", first=line.format(90 * ticks)))
    assert oldest_process() == 1_790_000_090
    monkeypatch.setattr(preparation, "PROC", proc(tmp_path / "hidepid", first=None))
    assert oldest_process() == 1_790_000_000
