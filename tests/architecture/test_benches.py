"""`make bench` runs every module of tests/bench that begins with a letter: each can be started, and says how."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCHES = sorted(file.stem for file in (Path(__file__).parents[1] / "bench").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_can_be_started_and_explains_itself(name: str) -> None:
    bench = importlib.import_module(f"tests.bench.{name}")
    assert callable(bench.main)
    assert f"python -m tests.bench.{name}" in (bench.__doc__ or "")
