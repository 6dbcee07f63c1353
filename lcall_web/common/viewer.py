"""Who looks at a page, and what he may do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lcall_web.common.i18n import mark

ALL_CALLS: Final = "all_calls"  # every call and its recording; else only those that he talked in
NUMBERS: Final = "numbers"  # telephone numbers whole; else masked, in everything that leaves the web
REVEAL: Final = "reveal"  # one number at a time, which is written down
DESK: Final = "desk"  # the soft phone: he takes and makes calls
CUSTOMERS: Final = "customers"  # looks at customers and changes them
TEAM: Final = "team"  # the leader's page: agents' states and calls are his to change
EXPORT: Final = "export"  # takes lists and recordings away as files
SETTINGS: Final = "settings"  # agents, phones, queues, numbers …
ACCOUNTS: Final = "accounts"  # who may use the web, with which rights; and what they did

PERMISSIONS: Final[Mapping[str, frozenset[str]]] = {
    "agent": frozenset({DESK, CUSTOMERS}),
    "leader": frozenset({DESK, CUSTOMERS, ALL_CALLS, REVEAL, TEAM}),
    "admin": frozenset({DESK, CUSTOMERS, ALL_CALLS, REVEAL, NUMBERS, TEAM, EXPORT, SETTINGS, ACCOUNTS}),
}
ROLES: Final[Mapping[str, str]] = {"agent": mark("坐席"), "leader": mark("班长"), "admin": mark("管理员")}


@dataclass(frozen=True, slots=True)
class Viewer:
    id: str  # 工号, operator number
    name: str
    role: str
    session: bytes  # sha256 of the cookie's token
    csrf: str
    agent: bool = False  # there is an agent of this number: he may have a soft phone

    @property
    def desk(self) -> bool:
        return self.agent and self.may(DESK)

    def may(self, permission: str) -> bool:
        return permission in PERMISSIONS[self.role]
