"""`lcall backup` and `lcall restore`: all of a center that cannot be made anew, but its recordings, which are files.

A backup is a directory: the database as an archive of pg_dump, and of LCALL_HOME the passwords, the authority that
phones and browsers trust, and prompts of one's own. Who is signed in, and calls that are up, are not in it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ops import home, state
from ops.home import Home, HomeError
from ops.instance import check_ports, instance
from ops.runner import NotStarted, Runner
from ops.screen import Screen
from ops.services import DATABASE, Instance, environment, selected, services
from ops.up import LEAVES_WITHIN_S

DUMP: Final = "database.dump"
FILES: Final = ("secrets.json", "sdk.token")
DIRECTORIES: Final = ("tls", "prompts")
GENTLY: Final = ("nice", "-n", "19")  # it packs gigabytes beside calls
RESTORING: Final = ("--no-owner", "--exit-on-error", "--single-transaction", f"--dbname={DATABASE}")


def backup(center: Instance, directory: Path) -> Path:
    """Of a center that runs, into a new directory there: whole, or none. Raises HomeError, OSError."""
    os.umask(0o077)
    made = directory.absolute() / f"lcall-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    new = made.with_name(f"{made.name}.new")
    new.mkdir(parents=True)
    try:
        pg_dump = str(center.postgres_bin / "pg_dump")
        _run(center, *GENTLY, pg_dump, "--format=custom", f"--file={new / DUMP}")
        _copy(center.home.path, new)
        new.rename(made)
    except BaseException:
        shutil.rmtree(new)
        raise
    return made


def restore(place: Home, made: Path, *, trial: bool = False) -> None:
    """Into an LCALL_HOME where there is no center yet; what fails leaves none there. Raises HomeError, OSError.

    One that is cut off (kill -9, a reboot) leaves `place.restoring`: no center starts there, the next one clears up.
    `trial`: a center that tells nobody outside what happens (lq/worker/restored.py).
    """
    os.umask(0o077)
    if not (made / DUMP).exists():
        raise HomeError(f"{made} 不是备份 is no backup: it has no {DUMP}")
    home.make(place)
    lock = home.lock(place, patience_s=0 if state.runs(state.read(place)) else LEAVES_WITHIN_S)
    if place.restoring.exists():
        _clear(place)
    elif place.published or (place.postgres / "data").exists() or (place.path / "secrets.json").exists():
        raise HomeError(f"已有呼叫中心 there is a center in {place.path} already: a backup goes into an empty one")
    place.restoring.touch()
    home.sync_directory(place.path)
    try:
        _copy(made, place.path)
        asyncio.run(_fill(instance(place), made / DUMP, lock, trial=trial))
        os.sync()  # first what it vouches for
    except BaseException:
        _clear(place)
        place.restoring.unlink()
        raise
    place.restoring.unlink()
    home.sync_directory(place.path)


def _clear(place: Home) -> None:
    if (place.postgres / "data").exists():
        shutil.rmtree(place.postgres / "data")
    (place.path / "secrets.json").unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    for name in FILES:
        shutil.copy2(source / name, target / name)
    for name in DIRECTORIES:
        shutil.copytree(source / name, target / name, dirs_exist_ok=True)


async def _fill(center: Instance, dump: Path, lock: int, *, trial: bool) -> None:
    """The database is made as at any first start, and brought up to date: its first start shall be a quick one."""
    table = selected(services(center), "postgres")
    check_ports(table)
    database = Runner(center, table, Screen(sys.stderr), lock=lock)
    migrate = next(service for service in services(center) if service.name == "migrate")
    restored = (sys.executable, "-m", "lq.worker.restored", *(["--trial"] if trial else []))
    try:
        await database.start()
        await asyncio.to_thread(_run, center, str(center.postgres_bin / "pg_restore"), *RESTORING, str(dump))
        await asyncio.to_thread(_run, center, *migrate.argv, **migrate.environment)
        await asyncio.to_thread(_run, center, *restored, **migrate.environment)
    except NotStarted as error:
        raise HomeError(str(error)) from error
    finally:
        await database.stop()


def _run(center: Instance, *words: str, **own: str) -> None:
    """PostgreSQL's own programs know by their environment where the database is; words would be seen in `ps`."""
    where = {
        "PGHOST": str(center.home.postgres),  # its socket: no other center can answer there
        "PGPORT": str(center.ports.postgres),
        "PGUSER": "lcall",
        "PGPASSWORD": center.secrets.postgres,
        "PGDATABASE": DATABASE,
        "PGCONNECT_TIMEOUT": "10",
    }
    done = subprocess.run(words, env=environment(center, where | own), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HomeError(_reason(done.stderr.splitlines()) or f"{words[0]}: status {done.returncode}")


def _reason(lines: Sequence[str]) -> str:
    return "\n".join(lines[:3])
