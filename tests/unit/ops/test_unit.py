"""The unit for systemd: what it starts is here, and it gives the center the time and the room that it takes."""

from __future__ import annotations

import os
import re
import shlex

import pytest

from ops import unit as module
from ops.home import CHECKOUT
from ops.runner import STOP_WITHIN_S
from ops.unit import unit


def entries(text: str) -> list[tuple[str, str]]:
    """Each `name=value`, in order: names come again."""
    lines = [line for line in text.splitlines() if line and line[0] not in "#["]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def variables(text: str) -> dict[str, str]:
    words = [shlex.split(value)[0] for name, value in entries(text) if name == "Environment"]
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def test_what_it_starts_is_here_and_may_be_started() -> None:
    text = unit({"LCALL_HOME": "/srv/lcall"})
    known = dict(entries(text))
    assert "@" not in text.partition("\n")[2]
    started = [shlex.split(value)[0] for name, value in entries(text) if name.startswith("Exec")]
    assert started == [str(CHECKOUT / "lcall")] and all(os.access(file, os.X_OK) for file in started)
    assert known["Documentation"] == f"file://{CHECKOUT}/docs/operations.md"
    assert (CHECKOUT / "docs/operations.md").exists()
    assert known["Restart"] == "always" and known["StartLimitIntervalSec"] == "0"
    assert int(known["TimeoutStopSec"]) > STOP_WITHIN_S


def test_it_is_the_center_of_who_asks() -> None:
    asked = {"LCALL_HOME": "/srv/客 100%", "LCALL_ADDRESS": "192.0.2.7", "LCALL_PORT_BASE": "", "PATH": "/x"}
    given = variables(unit(asked))
    assert given == {"LCALL_HOME": "/srv/客 100%%", "LCALL_ADDRESS": "192.0.2.7", "LCALL_DEMO": "none"}
    assert variables(unit(asked | {"LCALL_DEMO": "open"}))["LCALL_DEMO"] == "open"


def test_the_mixer_gets_the_priority_that_it_asks_for() -> None:
    """sched(7): who is not root may, up to RLIMIT_RTPRIO; memory is locked only where there is no limit."""
    asked = re.search(r"sched_priority = (\d+)", (CHECKOUT / "lq/media/mixer/mixer.c").read_text())
    known = dict(entries(unit({"LCALL_HOME": "/srv/lcall"})))
    assert asked and int(known["LimitRTPRIO"]) >= int(asked[1])
    assert known["LimitMEMLOCK"] == "infinity"


@pytest.mark.parametrize(
    ("environ", "user", "said"),
    [
        ({"LCALL_ADDRESS": "192.0.2.7"}, 1000, []),
        ({}, 1000, ["LCALL_ADDRESS is not set"]),
        ({"LCALL_ADDRESS": "192.0.2.7"}, 0, ["would run as root"]),
        ({}, 0, ["LCALL_ADDRESS is not set", "would run as root"]),
    ],
)
def test_what_whoever_asks_should_know(environ: dict[str, str], user: int, said: list[str]) -> None:
    found = module.warnings(environ, user)
    assert len(found) == len(said) and all(words in warning for words, warning in zip(said, found, strict=True))


def test_words_that_a_unit_would_read_in_another_way() -> None:
    assert module._literally('a "b" \\ 5%') == 'a \\"b\\" \\\\ 5%%'


@pytest.mark.parametrize("name", ["KAMAILIO_NAMES", "LQ_HEP", "LQ_TRACE_MB", "LCALL_REDIS_MB", "LCALL_RTPENGINES"])
def test_what_the_center_is_told_by_its_environment(name: str) -> None:
    assert variables(unit({name: "1"}))[name] == "1"
