"""LCALL_HOME: where it is, what is secret in it, who holds it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kamailio.memory import Known, Memory
from kamailio.policy import Nodes
from ops import home, state
from ops.home import Home, HomeError
from ops.ports import ports
from ops.preparation import postgres_bin, rescue_pcaps
from ops.state import Center, Status


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def place(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    for directory in made.directories():
        directory.mkdir(parents=True)
    return made


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.home({"LCALL_HOME": "/srv/x"}).path == Path("/srv/x")
    assert home.home({"LCALL_HOME": "x"}).path == Path.cwd() / "x"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert home.home({}).path == Path("/var/lib/lcall")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/users/li")
    assert home.home({"LCALL_HOME": ""}).path == Path("/users/li/.local/share/lcall")


@pytest.mark.parametrize(("letter", "most"), [("x", 80), ("é", 40)])
def test_a_socket_below_it_must_fit(letter: str, most: int) -> None:
    """UNIX socket addresses are counted in bytes."""
    longest = "/" + letter * (most - 1)
    assert str(home.home({"LCALL_HOME": longest}).path) == longest
    with pytest.raises(HomeError, match="80 bytes"):
        home.home({"LCALL_HOME": longest + letter})


def test_secrets_are_made_once_and_completed(place: Home) -> None:
    first = home.read_secrets(place)
    token = place.sdk_token.read_text()
    assert len({first.postgres, token, *first.redis.values()}) == len(home.REDIS_USERS) + 2
    assert home.read_secrets(place) == first and place.sdk_token.read_text() == token
    assert mode(place.path / "secrets.json") == mode(place.sdk_token) == 0o600
    known = json.loads((place.path / "secrets.json").read_text())
    del known["redis"]["recorder"]  # as an older release wrote it
    home.write_private(place.path / "secrets.json", json.dumps(known))
    completed = home.read_secrets(place)
    assert completed.postgres == first.postgres
    assert {**completed.redis, "recorder": ""} == {**first.redis, "recorder": ""}
    assert completed.redis["recorder"]


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    home.write_private(file, "new")
    assert (file.read_text(), mode(file)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_what_stands_there_already_is_not_written_again(tmp_path: Path) -> None:
    """A disk that is full does not keep a service from starting again."""
    file = tmp_path / "redis.conf"
    home.write_private(file, "dir /\n")
    file.chmod(0o644)
    before = file.stat().st_ino
    home.write_private(file, "dir /\n")
    assert (file.stat().st_ino, mode(file)) == (before, 0o600)


def test_what_is_as_it_should_be_is_left_alone(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is mounted below it may allow no change."""
    monkeypatch.setattr(home, "database_user", lambda: "")
    home.make(place)
    monkeypatch.setattr(Path, "chmod", None)
    home.make(place)


@pytest.mark.parametrize(
    ("text", "demo"),
    [
        ('{"known": {"settings": {"demo": true}, "phones": {}, "trunks": {}}, "nodes": {}}', True),
        ('{"known": {"settings": {"demo": false}, "phones": {}, "trunks": {}}, "nodes": {}}', False),
        ('{"known": {"settings": {}}}', False), ("", False), ("null", False), ('{"known": {"settings": []}}', False),
    ],
)  # fmt: skip
def test_whose_configuration_the_edge_last_knew(place: Home, text: str, demo: bool) -> None:
    assert not place.demo
    (place.kamailio / "known.json").write_text(text)
    assert place.demo == demo


def test_what_the_edge_keeps_is_what_is_read(place: Home) -> None:
    Memory(place.kamailio / "known.json").keep(Known({"demo": True}, {}, {}), Nodes())
    assert place.demo


@pytest.mark.parametrize("text", ["", "{}", "null", '{"runner": 1, "services": [{"pid": 1}]}', '{"services": []}'])
def test_a_state_that_cannot_be_read_is_none(place: Home, text: str) -> None:
    """Cut off by a power cut, or of another release."""
    place.state.write_text(text)
    assert state.read(place) is None


def test_the_postgresql_that_made_the_database_is_taken(tmp_path: Path) -> None:
    for version in ("9", "15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "postgres").touch()
    data = tmp_path / "data"
    data.mkdir()
    assert postgres_bin(data, tmp_path) == tmp_path / "17" / "bin"
    (data / "PG_VERSION").write_text("15\n")
    assert postgres_bin(data, tmp_path) == tmp_path / "15" / "bin"


def test_the_lock(place: Home) -> None:
    assert not home.locked(place)
    held = home.lock(place, patience_s=0)
    assert home.locked(place)
    with pytest.raises(HomeError, match="already running"):
        home.lock(place, patience_s=0)
    os.close(held)
    assert not home.locked(place)
    os.close(home.lock(place, patience_s=0))


def test_one_that_is_on_its_way_out_is_waited_for(place: Home) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=[held := home.lock(place, patience_s=0)],
    )
    os.close(held)
    assert home.locked(place)
    with holder:
        holder.kill()
        os.close(home.lock(place, patience_s=10))


def test_what_the_runner_tells_is_read_back(place: Home) -> None:
    assert state.read(place) is None and not state.runs(None)
    service = Status("lq1", 7, "127.0.0.1:1", "ready", "/log", 2)
    written = Center(os.getpid(), "8500", "127.0.0.1", True, "2026-01-01T00:00:00.000Z", (service,))
    state.write(place, written)
    assert state.read(place) == written
    assert written.of("lq1") == service
    with pytest.raises(KeyError):
        written.of("lq9")
    assert not state.runs(written), "this process is no runner"


@pytest.mark.parametrize("environ", [{}, {"LCALL_PORT_BASE": "8500", "LCALL_RTPENGINES": "3"}])
def test_who_knows_the_home_alone_finds_the_same_table_of_services(environ: dict[str, str]) -> None:
    running = ports(environ)
    told = Center(1, environ.get("LCALL_PORT_BASE", ""), running.outside, True, "", (), running.rtpengines)
    assert ports(told.variables) == running


def test_pcaps_of_a_dead_rtpengine_move_away(place: Home) -> None:
    """It would truncate them when it restores its calls; each death adds one, none is overwritten."""
    pcaps = place.spool / "pcaps"
    pcaps.mkdir()
    for n in (1, 2):
        (pcaps / "call.pcap").write_text(f"life {n}")
        rescue_pcaps(place.spool)
    rescued = place.spool / "rescued"
    assert [(rescued / f"call.{n}.pcap").read_text() for n in (1, 2)] == ["life 1", "life 2"]
    assert list(pcaps.iterdir()) == []
