"""One center as LCALL_HOME and LCALL_PORT_BASE describe it, read from disk."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping

from ops.home import Home, HomeError, database_user, read_secrets
from ops.owners import Listener, described, holder
from ops.ports import ports
from ops.preparation import postgres_bin
from ops.redis_files import redis_mb
from ops.services import Instance, Service


def instance(home: Home, environ: Mapping[str, str] = os.environ) -> Instance:
    """Raises HomeError; secrets that are missing are made."""
    try:
        table, memory = ports(environ), redis_mb(environ)
    except ValueError as error:
        raise HomeError(str(error)) from error
    if not _is_ours(table.outside):
        raise HomeError(f"LCALL_ADDRESS={table.outside} 不是本机的地址 is no address of this machine")
    return Instance(
        home,
        environ.get("LCALL_PORT_BASE", ""),
        environ.get("LCALL_DEMO", ""),
        table,
        read_secrets(home),
        database_user(),
        postgres_bin(home.postgres / "data"),
        memory,
    )


def _is_ours(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def check_ports(table: Iterable[Service]) -> None:
    """Raises HomeError when somebody else listens where a service would, and names him where that can be seen."""
    taken = [
        f"{port}/{kind} ({service.name}){_by(holder((kind, port)))}"
        for service in table
        for kind, port in service.listens
        if not _free((kind, port))
    ]
    if taken:
        raise HomeError(
            f"端口被占用 these ports are taken: {'; '.join(taken)}. "
            "Set LCALL_PORT_BASE to a number whose ports are free"
        )


def _by(pid: int | None) -> str:
    return f" by {described(pid)}" if pid else ""


def _free(listener: Listener) -> bool:
    kind, port = listener
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as probe:
        if kind == "tcp":  # connections of the last center in TIME_WAIT are no obstacle, a listener is
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
