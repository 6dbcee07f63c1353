"""requirements.lock pins all that is installed, and holds all that pyproject.toml asks for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

CHECKOUT: Final = Path(__file__).parents[2]
LINES: Final = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8").splitlines()
PINS: Final = [Requirement(line) for line in LINES if line and not line.lstrip().startswith("#")]


def normal(name: str) -> str:
    """One name for all its spellings (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_pin_is_exact_and_names_no_place() -> None:
    assert not [str(pin) for pin in PINS if pin.url or not re.fullmatch(r"==[\w.+!]+", str(pin.specifier))]
    assert len({normal(pin.name) for pin in PINS}) == len(PINS)


def test_what_is_asked_for_is_pinned() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {normal(pin.name): str(pin.specifier).removeprefix("==") for pin in PINS}
    for text in (*project["dependencies"], *project["optional-dependencies"]["dev"]):
        wanted = Requirement(text)
        version = pinned.get(normal(wanted.name))
        assert version is not None and wanted.specifier.contains(version, prereleases=True), text


def test_the_closure_is_whole() -> None:
    """It is installed with --no-deps: whatever one of them needs must be there in a fitting version."""
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
