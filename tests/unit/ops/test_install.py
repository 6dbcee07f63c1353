"""ops/install.sh: while it installs packages no service of theirs starts, and whatever it dies of that ends."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from ops.home import CHECKOUT

SCRIPT: Final = (CHECKOUT / "ops/install.sh").read_text(encoding="utf-8")
# from where the places are named to where packages are installed
FUNCTIONS: Final = SCRIPT.partition("\npolicy=")[2].partition("\nnot_at_boot()")[0].partition("\n")[2]
PUT: Final = """
put_instead "$policy" "#!/bin/sh
$mark
exit 101"
put_instead "$cluster" "$mark
create_main_cluster = false"
"""


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "policy-rc.d", tmp_path / "etc" / "createcluster.conf"


def run(places: tuple[Path, Path], words: str) -> int:
    policy, cluster = places
    names = "\n".join(line for line in FUNCTIONS.splitlines() if not line.startswith("cluster="))
    script = f'set -eu\npolicy="{policy}"\ncluster="{cluster}"\n{names}\n{words}'
    return subprocess.run(["sh", "-c", script], check=False).returncode


def test_what_it_puts_there_is_what_this_test_does() -> None:
    assert all(line in SCRIPT for line in PUT.strip().splitlines())
    assert "restore_ours" in SCRIPT.partition("flock 9\n")[2].partition("\n")[0]


@pytest.mark.parametrize("before", [None, "its owner's\n"])
def test_what_was_there_is_there_again(places: tuple[Path, Path], before: str | None) -> None:
    if before:
        for place in places:
            place.parent.mkdir(exist_ok=True)
            place.write_text(before)
    assert run(places, PUT) == 0
    assert all(place.read_text() != before for place in places)
    assert run(places, "restore") == 0
    assert [place.read_text() if place.exists() else None for place in places] == [before, before]
    assert not [file for place in places for file in place.parent.glob("*.before-lcall")]


@pytest.mark.parametrize("before", [None, "its owner's\n"])
@pytest.mark.parametrize("then", ["restore_ours", f"{PUT}\nrestore"])
def test_a_lock_out_that_a_killed_install_has_left(places: tuple[Path, Path], before: str | None, then: str) -> None:
    """The next run of root ends it, whether packages are missing or not, and takes it for nobody's."""
    if before:
        for place in places:
            place.parent.mkdir(exist_ok=True)
            place.write_text(before)
    assert run(places, PUT + '\nours "$policy"; ours "$cluster"; kill -KILL $$') == -9
    assert run(places, then) == 0
    assert [place.read_text() if place.exists() else None for place in places] == [before, before]
    assert not [file for place in places for file in place.parent.glob("*.before-lcall")]


def test_what_others_have_put_there_is_not_touched(places: tuple[Path, Path]) -> None:
    """Images for containers bring a policy-rc.d of this very text, but for the mark."""
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_text("#!/bin/sh\nexit 101\n")
    assert run(places, 'ours "$policy"') == 1
    assert run(places, "restore_ours") == 0
    assert [place.read_text() for place in places] == ["#!/bin/sh\nexit 101\n"] * 2
