"""Who looks at a page, what he may do, and whose work he sees. Pure.

A new permission: its name here with its words, and in a file of sql/ the roles that begin with it
(`update role set permissions = permissions || '{name}' where id in (…)`). The administrator has all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lcall_web.common.i18n import mark

DESK: Final = "desk"  # the soft phone: he takes and makes calls
CUSTOMERS: Final = "customers"  # looks at customers and changes them
LISTEN: Final = "listen"  # hears the recordings of the calls that he sees
NUMBERS: Final = "numbers"  # telephone numbers whole; else masked, in everything that leaves the web
BLACKLIST: Final = "blacklist"  # from the card of a caller; other lists are settings
REVEAL: Final = "reveal"  # one number at a time, which is written down
TEAM: Final = "team"  # the leader's page: agents' states and calls are his to change
NOTICES: Final = "notices"  # writes to whom he sees, and who has read it
EXPORT: Final = "export"  # takes lists and recordings away as files
SETTINGS: Final = "settings"  # agents, phones, queues, numbers …
ACCOUNTS: Final = "accounts"  # who may use the web, with which rights; and what they did

# What each allows, as people say it.
PERMISSIONS: Final[Mapping[str, str]] = {
    DESK: mark("接打电话（软电话、来电弹屏）"),
    CUSTOMERS: mark("查看和修改客户资料"),
    BLACKLIST: mark("把来电的号码加入、移出黑名单（记入审计）"),
    LISTEN: mark("播放录音"),
    REVEAL: mark("逐个查看完整号码（记入审计）"),
    NUMBERS: mark("所有号码完整显示"),
    TEAM: mark("班长席：监听、强插、强拆、改变坐席状态"),
    NOTICES: mark("发布公告：数据范围内的人（记入审计）"),
    EXPORT: mark("导出列表、下载录音（记入审计）"),
    SETTINGS: mark("系统设置：坐席、话机、技能组、号码等"),
    ACCOUNTS: mark("账号、角色、审计日志"),
}

# Whose calls, recordings, agents somebody sees (数据范围)
OWN: Final = "own"
IN_TEAM: Final = "team"
ALL: Final = "all"
SCOPES: Final[Mapping[str, str]] = {OWN: mark("仅本人"), IN_TEAM: mark("本班组"), ALL: mark("全部")}

ADMIN: Final = "admin"
ROLES: Final[Mapping[str, str]] = {  # built in; those of one's own have the names that they were given
    "agent": mark("坐席"),
    "leader": mark("班长"),
    "manager": mark("经理"),
    "inspector": mark("质检员"),
    ADMIN: mark("管理员"),
}


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose work he sees: the one rule; queries take `agents` and `queues` as their arguments."""

    agents: frozenset[str] | None  # himself, and with the scope of a team its people; None: everybody
    queues: frozenset[str] | None = None  # the team's; None: he has no team, or sees everything

    @property
    def everything(self) -> bool:
        return self.agents is None

    @property
    def others(self) -> bool:
        """Whether he sees anything but his own work."""
        return self.agents is None or self.queues is not None

    def holds_agent(self, agent: str) -> bool:
        return self.agents is None or agent in self.agents

    def holds_call(self, agents: Iterable[str | None], queues: Iterable[str | None]) -> bool:
        """`agents` talked in the call, it waited in `queues`. What reached nobody is every leader's."""
        if self.agents is None:
            return True
        people, lines = {agent for agent in agents if agent}, {queue for queue in queues if queue}
        if self.queues is None:
            return bool(people & self.agents)
        return bool(people & self.agents or lines & self.queues) or not (people or lines)


@dataclass(frozen=True, slots=True)
class Viewer:
    id: str  # 工号, operator number
    name: str
    role: str
    role_name: str  # marked, of a role that is built in
    session: bytes  # sha256 of the cookie's token
    csrf: str
    permissions: frozenset[str]
    reach: Reach
    agent: bool = False  # there is an agent of this number: he may have a soft phone

    @property
    def desk(self) -> bool:
        return self.agent and self.may(DESK)

    def may(self, permission: str) -> bool:
        return permission in self.permissions


def granted(role: str, permissions: Iterable[str]) -> frozenset[str]:
    """What a role allows: names that an older or newer LCall knows mean nothing here."""
    return frozenset(PERMISSIONS) if role == ADMIN else frozenset(PERMISSIONS) & frozenset(permissions)


def reach(id: str, scope: str, team: Iterable[str] | None, queues: Iterable[str] | None) -> Reach:
    """`team`: the people of his team, `queues` its queues; None for one who is in none and sees his own only."""
    if scope == ALL:
        return Reach(None)
    if scope == IN_TEAM and queues is not None:
        return Reach(frozenset({id, *(team or ())}), frozenset(queues))
    return Reach(frozenset({id}))
