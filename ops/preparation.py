"""What stands on disk before a service starts: the database cluster, configuration files, a clean spool."""

from __future__ import annotations

import getpass
import os
import shutil
from collections.abc import Awaitable
from pathlib import Path
from typing import Final, Protocol

from ops.home import HomeError, write_private
from ops.redis_files import redis_acl, redis_conf, redis_rtpengine_conf
from ops.services import DATABASE, Instance

HBA: Final = f"""\
local all postgres peer map=owner
local {DATABASE} lcall scram-sha-256
host {DATABASE} lcall 127.0.0.1/32 scram-sha-256
"""
NOTHING: Final = Path(os.devnull)
INSTALLED: Final = Path("/usr/lib/postgresql")  # by version, on Debian
PROC: Final = Path("/proc")


class Step(Protocol):
    def __call__(self, *words: str, heard: Path) -> Awaitable[int]:
        """Runs a command to its end, with `heard` as its stdin; returns its status."""


def postgres_bin(data: Path, installed: Path = INSTALLED) -> Path:
    """Of the PostgreSQL that made this cluster, installed or not; else of the newest. HomeError if there is none."""
    version = data / "PG_VERSION"
    if version.exists():
        return installed / version.read_text().strip() / "bin"
    found = sorted(installed.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise HomeError("PostgreSQL is not installed: run `make install`")
    return found[-1].parent


async def prepare(service: str, instance: Instance, step: Step) -> None:
    """Done before each start of the service, the commands of it by `step`; raises HomeError, OSError."""
    home = instance.home
    match service:
        case "postgres":
            if not (instance.postgres_bin / "postgres").exists():
                version = instance.postgres_bin.parent.name
                raise HomeError(f"this database is of PostgreSQL {version}: apt-get install postgresql-{version}")
            await make_cluster(instance, step)
            forget_the_dead(home.postgres, instance.ports.postgres, oldest_process())
        case "redis":
            write_private(home.redis / "users.acl", redis_acl(instance.secrets))
            write_private(home.redis / "redis.conf", redis_conf(home.redis, instance.ports.redis, instance.redis_mb))
        case "redis-rtpengine":
            text = redis_rtpengine_conf(home.redis_rtpengine, instance.ports.redis_rtpengine)
            write_private(home.redis_rtpengine / "redis.conf", text)
        case "mixer":
            (home.run / "mixer.sock").unlink(missing_ok=True)
    for engine in instance.ports.all_rtpengines:
        if service == engine.name:
            rescue_pcaps(home.spool_of(engine.n))


def rescue_pcaps(spool: Path) -> None:
    """rtpengine restores its recordings after a restart and truncates their files: those written so far move away."""
    rescued = spool / "rescued"
    spool.mkdir(mode=0o700, exist_ok=True)
    rescued.mkdir(exist_ok=True)
    for pcap in sorted((spool / "pcaps").glob("*.pcap")):
        n = 1
        while (place := rescued / f"{pcap.stem}.{n}.pcap").exists():
            n += 1
        pcap.rename(place)


def oldest_process() -> float:
    """Since when there are processes here: since the machine or its container began. Seconds of the epoch (proc(5))."""
    lines = (PROC / "stat").read_text().splitlines()
    boot = float(next(line.split()[1] for line in lines if line.startswith("btime ")))
    try:
        first = int((PROC / "1/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return boot  # hidepid: another user's is not shown
    return boot + first / os.sysconf("SC_CLK_TCK")


def forget_the_dead(postgres: Path, port: int, oldest: float) -> None:
    """Lock files of a PostgreSQL that a power cut has ended: somebody else may have its pid, and it would not start
    (CreateLockFile in miscinit.c). Those of younger ones are left to PostgreSQL, which asks more than the pid."""
    for file in (postgres / "data" / "postmaster.pid", postgres / f".s.PGSQL.{port}.lock"):
        if file.exists() and file.stat().st_mtime < oldest:
            file.unlink()


async def make_cluster(instance: Instance, step: Step) -> None:
    """A private cluster with the role and the database `lcall`, once.

    The role comes in by password (scram); the superuser has none and is its owner at this machine (peer).
    """
    data, new = instance.home.postgres / "data", instance.home.postgres / "data.new"
    if data.exists():
        return
    if new.exists():  # an earlier attempt that was cut short
        shutil.rmtree(new)
    bin = instance.postgres_bin
    options = ("-U", "postgres", "--auth=reject", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
    await _done(step(str(bin / "initdb"), "-D", str(new), *options, heard=NOTHING))
    (new / "pg_hba.conf").write_text(HBA)
    (new / "pg_ident.conf").write_text(f"owner {instance.database_user or getpass.getuser()} postgres\n")
    # Single-user mode: no server needs to run, and no password be known, to make the role and its database.
    statements = instance.home.run / "cluster.sql"
    write_private(
        statements,
        f"create role lcall login password '{instance.secrets.postgres}'\ncreate database {DATABASE} owner lcall\n",
    )
    try:
        single = ("--single", "-D", str(new), "-c", "exit_on_error=on", "postgres")
        await _done(step(str(bin / "postgres"), *single, heard=statements))
    finally:
        statements.unlink()
    new.rename(data)


async def _done(step: Awaitable[int]) -> None:
    if status := await step:
        raise HomeError(f"the database cluster was not made (status {status})")
