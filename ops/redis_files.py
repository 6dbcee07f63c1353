"""The configuration files of both Redis servers. Pure: what is written where, preparation.py knows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from ops.home import Secrets

REDIS_MB: Final = 1024
LEAST_MB: Final = 64
MOST_MB: Final = 1 << 20
# What the function library does inside FCALL is done with the caller's rights.
_LIVE: Final = "+@connection +@read +@write +@transaction +fcall +fcall_ro +time -@dangerous +info -function"
ACL: Final[Mapping[str, str]] = {
    "ops": "~* &* +@all",
    "kamailio": f"~{{lcall}}* {_LIVE} +function|list +function|load",
    "lq": f"~{{lcall}}* {_LIVE} +function|list +function|load",
    "api": f"~{{lcall}}* {_LIVE} +function|list +function|load",
    "journal": "~{lcall}:events %R~{lcall}:contacts +@connection +@transaction +@stream +info +smismember",
    "recorder": "~{lcall}:events %R~{lcall}:config:settings +@connection +@transaction +xadd +hget",
    "watch": "%R~{lcall}* ~{lcall}:events +@connection +@transaction +@read +info +time +xadd",
}


def redis_acl(secrets: Secrets) -> str:
    """users.acl of the center's Redis: a user for each process, none for a stranger (Redis ACL file format).

    The default user is off, so that nobody can be it, but keeps every right: Redis reads its own append-only file as
    that user, and would silently leave out what stands there between MULTI and EXEC (seen with 7.0.15).
    """
    lines = [f"user {name} on >{secrets.redis[name]} resetchannels {rights}" for name, rights in ACL.items()]
    return "\n".join(["user default off resetpass ~* &* +@all", *lines, ""])


def redis_mb(environ: Mapping[str, str] = os.environ) -> int:
    """LCALL_REDIS_MB: how much the live state and events that are not in PostgreSQL yet may take. Raises ValueError."""
    given = environ.get("LCALL_REDIS_MB", "") or str(REDIS_MB)
    if not (given.isascii() and given.isdecimal() and LEAST_MB <= int(given) <= MOST_MB):
        raise ValueError(f"LCALL_REDIS_MB={given}: expected {LEAST_MB}..{MOST_MB}")
    return int(given)


def redis_conf(directory: Path, port: int, mb: int) -> str:
    """The live state survives a restart of Redis but for its last second; it is never evicted."""
    return _conf(
        directory,
        port,
        ("appendonly yes", "appendfsync everysec", f"maxmemory {mb}mb", f'aclfile "{directory / "users.acl"}"'),
    )


def redis_rtpengine_conf(directory: Path, port: int) -> str:
    """What rtpengine restores itself from. It offers no ACL user, so the default one may do no harm to the machine."""
    return _conf(
        directory,
        port,
        (
            "appendonly no",
            "maxmemory 256mb",
            "user default on nopass ~* resetchannels &* +@all -@admin -@scripting -@dangerous +info +keys",
        ),
    )


def _conf(directory: Path, port: int, own: Iterable[str]) -> str:
    common = (
        "bind 127.0.0.1",
        f"port {port}",
        "daemonize no",
        f'dir "{directory}"',
        'logfile ""',
        'save ""',
        "maxmemory-policy noeviction",
    )
    return "\n".join([*common, *own, ""])
