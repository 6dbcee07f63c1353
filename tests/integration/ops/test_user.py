"""Whoever starts it: an ordinary user needs no root, and nobody's center writes beside the code."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from pathlib import Path
from typing import Final

import pytest

from ops.home import CHECKOUT
from tests.center import Center
from tests.conftest import OwnCenter
from tests.integration.ops.house import lcall, mounted, nothing_left, of, unmounted, up

NOBODY: Final = 65534
AS_NOBODY: Final = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
# The same files, in a mount namespace where they cannot be written.
READ_ONLY: Final = (
    *("unshare", "--mount", "sh", "-c"),
    'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd / && exec "$@"',
    str(CHECKOUT),
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def nobody() -> None:
    """An ordinary user who can read this checkout, as he must to run it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if subprocess.run([*AS_NOBODY, "test", "-r", str(CHECKOUT / "lcall")]).returncode != 0:
        pytest.skip(f"{CHECKOUT} is closed to others")


def for_nobody(center: Center) -> Center:
    center.path.mkdir(parents=True)
    os.chown(center.path, NOBODY, NOBODY)
    center.prefix = AS_NOBODY
    center.environ |= {"HOME": str(center.path), "USER": "nobody"}
    return center


@pytest.mark.slow
def test_an_ordinary_user(own_center: OwnCenter, nobody: None) -> None:
    center = for_nobody(own_center.reserved())
    center.start(together_with=os.getpid())
    assert lcall(center, "status").returncode == 0
    assert {agent["id"] for agent in json.loads(lcall(center, "agents", "--json").stdout)} > {"1001"}
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in of(center.path)}
    assert owners == {NOBODY}
    assert stat.S_IMODE(center.path.stat().st_mode) == 0o700
    center.stop()
    nothing_left(center.path)


def test_his_place_by_default(own_center: OwnCenter, nobody: None) -> None:
    """~/.local/share/lcall; what another may not see is said, not shown."""
    center = for_nobody(own_center.reserved(LCALL_ONLY="redis"))
    answer = subprocess.run(
        [*AS_NOBODY, str(CHECKOUT / "lcall"), "status"],
        env={"PATH": os.environ["PATH"], "HOME": str(center.path)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert answer.returncode == 1
    assert f"no center is running in {center.path}/.local/share/lcall" in answer.stderr


@pytest.mark.slow
def test_another_users_center(own_center: OwnCenter, nobody: None) -> None:
    center = own_center(LCALL_ONLY="redis")
    for words in (("status",), ("stop",), ("logs",), ("agents",)):
        answer = subprocess.run(
            [*AS_NOBODY, str(CHECKOUT / "lcall"), *words],
            env=center.environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert answer.returncode == 1 and "Traceback" not in answer.stderr, words
        assert answer.stderr.startswith("lcall: "), words
    answer = up(center.path, center.port_base, *AS_NOBODY)
    assert answer.returncode == 1 and "cannot start" in answer.stdout and "Traceback" not in answer.stderr
    assert lcall(center, "status").returncode == 0


def test_a_place_that_is_not_his(own_center: OwnCenter, nobody: None) -> None:
    center = own_center.reserved()
    center.path.mkdir(parents=True)
    answer = up(center.path / "x", center.port_base, *AS_NOBODY)
    assert answer.returncode == 1 and "Permission denied" in answer.stdout and "cannot start" in answer.stdout


def test_what_root_has_left_there(own_center: OwnCenter, nobody: None) -> None:
    """A trial by root, then docs/operations.md word for word: only the top was given away."""
    center = for_nobody(own_center.reserved())
    center.home.run.mkdir()
    answer = up(center.path, center.port_base, *AS_NOBODY)
    assert answer.returncode == 1 and "cannot start" in answer.stdout
    assert f"{center.home.run} 属于 root belongs to root, and nobody starts the center" in answer.stdout


@pytest.mark.slow
def test_recordings_on_a_disk_of_their_own(own_center: OwnCenter, nobody: None) -> None:
    """It belongs to root when it is mounted, and has a directory that stays root's."""
    center = for_nobody(own_center.reserved(LCALL_ONLY="redis,recorder"))
    recordings = center.home.recordings
    mounted(recordings, "1m", "mode=755")
    try:
        (recordings / "lost+found").mkdir(mode=0o700)
        answer = up(center.path, center.port_base, *AS_NOBODY)
        assert answer.returncode == 1 and f"`chown nobody: {recordings}`" in answer.stdout
        os.chown(recordings, NOBODY, NOBODY)
        center.start(together_with=os.getpid())
        assert stat.S_IMODE(recordings.stat().st_mode) == 0o700
        assert lcall(center, "status").returncode == 0
    finally:
        center.stop()
        unmounted(recordings)


@pytest.mark.slow
def test_a_database_that_a_power_cut_has_ended(own_center: OwnCenter, nobody: None) -> None:
    """Its pid is that of another process of the same user: PostgreSQL would take that for itself."""
    center = for_nobody(own_center.reserved(LCALL_ONLY="postgres"))
    center.start(together_with=os.getpid())
    center.kill_runner(signal.SIGTERM)
    with subprocess.Popen([*AS_NOBODY, "sleep", "600"]) as other:
        for file in (center.home.postgres / "data/postmaster.pid", center.home.postgres / lock_of(center)):
            file.write_text(f"{other.pid}\n{center.home.postgres / 'data'}\n1\n{center.ports.postgres}\n")
            os.chown(file, NOBODY, NOBODY)
            os.utime(file, (1, 1))
        center.start(together_with=os.getpid())
        other.kill()
    assert center.status("postgres").state == "ready"


def lock_of(center: Center) -> str:
    return f".s.PGSQL.{center.ports.postgres}.lock"


@needs_root
@pytest.mark.slow
def test_a_checkout_that_cannot_be_written(own_center: OwnCenter) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    center = own_center.reserved()
    center.prefix = READ_ONLY
    center.start(together_with=os.getpid())
    assert lcall(center, "status").returncode == 0


@needs_root
def test_postgres_must_reach_its_directory(own_center: OwnCenter) -> None:
    """It runs as another user when we are root."""
    center = own_center.reserved()
    closed = center.path / "closed"
    closed.mkdir(parents=True, mode=0o700)
    answer = up(closed / "home", center.port_base)
    assert answer.returncode == 1
    assert f"{closed} is closed to the user postgres" in answer.stdout
