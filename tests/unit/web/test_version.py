"""Of which version the web is: any file that makes a page changes it, a template alone too, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from lcall_web.common.version import version


@pytest.fixture
def web(tmp_path: Path) -> Path:
    for name in (
        "app.py",
        "team/templates/wall.html",
        "static/wall.js",
        "static/lcall.css",
        "team/en.po",
        "queries.sql",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


def test_every_file_of_a_page_counts(web: Path) -> None:
    seen = {version(web)}
    for file in [found for found in web.rglob("*") if found.is_file()]:
        file.write_text("other")
        seen.add(version(web))
    file.rename(file.with_stem("renamed"))
    seen.add(version(web))
    assert len(seen) == 8


def test_what_makes_no_page_does_not(web: Path) -> None:
    before = version(web)
    (web / "__pycache__").mkdir()
    (web / "__pycache__" / "app.cpython-311.pyc").write_bytes(b"compiled")
    (web / "notes.txt").write_text("of ours")
    assert version(web) == before == version(web)


def test_the_web_has_one() -> None:
    assert len(version()) == 16
