"""What stands on disk before a service starts: the database cluster, configuration files, a clean spool."""

from __future__ import annotations

import asyncio
import getpass
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ops.home import Home, HomeError, write_private
from ops.services import DATABASE, Instance, redis_acl, redis_conf, redis_rtpengine_conf

HBA: Final = f"""\
local all postgres peer map=owner
local {DATABASE} lcall scram-sha-256
host {DATABASE} lcall 127.0.0.1/32 scram-sha-256
"""
ENGLISH: Final[Mapping[str, str]] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def postgres_bin() -> Path:
    """Where Debian puts the newest PostgreSQL; raises HomeError if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise HomeError("PostgreSQL is not installed: run `make install`")
    return found[-1].parent


async def prepare(service: str, instance: Instance) -> None:
    """Done before each start of the service; raises HomeError."""
    home = instance.home
    match service:
        case "postgres":
            await make_cluster(instance)
        case "redis":
            write_private(home.redis / "users.acl", redis_acl(instance.secrets))
            write_private(home.redis / "redis.conf", redis_conf(home.redis, instance.ports.redis))
        case "redis-rtpengine":
            text = redis_rtpengine_conf(home.redis_rtpengine, instance.ports.redis_rtpengine)
            write_private(home.redis_rtpengine / "redis.conf", text)
        case "rtpengine":
            rescue_pcaps(home)
        case "mixer":
            (home.run / "mixer.sock").unlink(missing_ok=True)


def rescue_pcaps(home: Home) -> None:
    """rtpengine restores its recordings after a restart and truncates their files: those written so far move away."""
    rescued = home.spool / "rescued"
    rescued.mkdir(exist_ok=True)
    for pcap in sorted((home.spool / "pcaps").glob("*.pcap")):
        n = 1
        while (place := rescued / f"{pcap.stem}.{n}.pcap").exists():
            n += 1
        pcap.rename(place)


async def make_cluster(instance: Instance) -> None:
    """A private cluster with the role and the database `lcall`, once.

    The role comes in by password (scram); the superuser has none and is its owner at this machine (peer).
    """
    data, new = instance.home.postgres / "data", instance.home.postgres / "data.new"
    if data.exists():
        return
    if new.exists():  # an earlier attempt that was cut short
        shutil.rmtree(new)
    initdb = ("initdb", "-D", str(new), "-U", "postgres", "--auth=reject", "--encoding=UTF8", "--locale=C.UTF-8")
    await _as_database_user(instance, (*initdb, "--no-sync"), said="")
    (new / "pg_hba.conf").write_text(HBA)
    (new / "pg_ident.conf").write_text(f"owner {instance.database_user or getpass.getuser()} postgres\n")
    # Single-user mode: no server needs to run, and no password be known, to make the role and its database.
    statements = (
        f"create role lcall login password '{instance.secrets.postgres}'",
        f"create database {DATABASE} owner lcall",
    )
    said = "".join(f"{statement}\n" for statement in statements)
    await _as_database_user(instance, ("postgres", "--single", "-D", str(new), "postgres"), said=said)
    new.rename(data)


async def _as_database_user(instance: Instance, words: tuple[str, ...], *, said: str) -> None:
    program, *rest = words
    user = instance.database_user or None
    process = await asyncio.create_subprocess_exec(
        str(instance.postgres_bin / program),
        *rest,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=instance.home.postgres,
        env=ENGLISH,
        user=user,
        group=user,
        extra_groups=[] if user else None,
    )
    try:
        output, _ = await process.communicate(said.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    # Single-user mode exits 0 after a failed statement.
    if process.returncode != 0 or b"ERROR:" in output or b"FATAL:" in output:
        text = output.decode(errors="replace").strip()
        raise HomeError(f"{program} failed while the database cluster was made:\n{text}")
