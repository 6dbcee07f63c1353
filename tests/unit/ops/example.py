"""A center that is never started: the table as it would be."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ops.home import REDIS_USERS, Home, Secrets
from ops.ports import ports
from ops.services import Instance

PLACE: Final = Path("/srv/lcall")


def example(port_base: str = "", place: Path = PLACE) -> Instance:
    secrets = Secrets("postgres-secret", {user: f"{user}-secret" for user in REDIS_USERS})
    return Instance(Home(place), port_base, "", ports({"LCALL_PORT_BASE": port_base}), secrets, "", Path("/opt/pg/bin"))
