"""Logging in, and who may change whose rights. Pure but for the time that a hash takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from lcall_web.common.i18n import mark
from lcall_web.common.viewer import ALL, PERMISSIONS, SCOPES, Viewer

# RFC 9106 §4 has the reasons; the figures are OWASP's for argon2id with little memory. 46 ms here.
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
NOBODY: Final = HASHER.hash("")
LONGEST: Final = 200

WINDOW_MIN: Final = 15
PER_ACCOUNT: Final = 10  # attempts in the window; a right password begins anew
PER_ADDRESS: Final = 50

Step = Literal["code", "password"]  # between a right password and a session


def matches(stored: str | None, password: str) -> bool:
    """Whether it is the password. Takes as long for an account that is unknown as for one that is."""
    cheap = stored is None or needs_rehash(stored)
    if cheap:
        _verify(NOBODY, password)
    return stored is not None and _verify(stored, password) and len(password) <= LONGEST


def needs_rehash(stored: str) -> bool:
    try:
        return HASHER.check_needs_rehash(stored)
    except InvalidHashError:
        return True


def _verify(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False


def too_often(account: int, address: int) -> bool:
    """Of the attempts within the window, this one among them."""
    return account > PER_ACCOUNT or address > PER_ADDRESS


def readable(id: str) -> str:
    """An operator number as it may be looked for; what cannot be one is nobody's."""
    id = id.strip()
    return id if id.isprintable() and len(id) <= 64 else ""


def local(path: str) -> str:
    """Where to go after logging in: a page of ours, never another site."""
    good = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if good and len(path) <= 2000 else "/board"


# -- browsers ----------------------------------------------------------------------------------------------------------

# Looked for in this order: the later ones name themselves as the earlier ones, too.
BROWSERS: Final = (
    *(("MicroMessenger/", "WeChat"), ("QQBrowser/", "QQ Browser"), ("Edg/", "Edge"), ("OPR/", "Opera")),
    *(("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl")),
)
SYSTEMS: Final = (
    *(("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad")),
    *(("Mac OS X", "macOS"), ("Linux", "Linux")),
)


def browser(agent: str) -> str:
    """`Chrome 140 · Windows`; what is no browser of these shows its first word."""
    name = next((f"{name}{_major(agent, mark)}" for mark, name in BROWSERS if mark in agent), agent.split("/")[0][:40])
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    return " · ".join(part for part in (name, system) if part)


def _major(agent: str, mark: str) -> str:
    found = re.match(r"\d+", agent.split(mark, 1)[1])
    return f" {found[0]}" if found else ""


# -- operators, roles, teams -------------------------------------------------------------------------------------------

ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
LONGEST_NAME: Final = 40

MISSING: Final = mark("请填写这一项。")
TOO_LONG: Final = mark("内容太长。")
UNREADABLE: Final = mark("内容里有不能显示的字符。")
BAD_ID: Final = mark("只能用字母、数字和 . _ -，以字母或数字开头，最多 32 个字符。")
UNKNOWN: Final = mark("没有这个选项。")
BEYOND: Final = mark("不能授予超出您自己权限的角色。")
UNCHANGEABLE: Final = mark("这个账号的权限比您的大，或者不在您的数据范围内：您不能修改它。")
OTHERS: Final = mark("这个工号是坐席，还没有账号：只有能看到全部的人才能为他建账号。")
TEAMS: Final = mark("谁在哪个班组、班组负责哪些技能组，只有能看到全部的人才能改。")


@dataclass(frozen=True, slots=True)
class Form:
    """What was written, as it was written, and what is wrong with it."""

    given: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Role:
    id: str
    name: str  # marked, of one that is built in
    built_in: bool
    scope: str
    permissions: frozenset[str]
    people: int = 0
    changed: str = ""  # which of its versions this is


def may_grant(viewer: Viewer, role: Role) -> bool:
    """Nobody gives more than he has, or changes the account of one who has more."""
    return role.permissions <= viewer.permissions and (viewer.reach.everything or role.scope != ALL)


def may_change(viewer: Viewer, role: Role, id: str) -> bool:
    """An account, of this role. Whose work he does not see he could see by a new password for it."""
    return may_grant(viewer, role) and viewer.reach.holds_agent(id)


def name_fault(name: str) -> str:
    if not name:
        return MISSING
    if len(name) > LONGEST_NAME:
        return TOO_LONG
    return "" if name.isprintable() else UNREADABLE


def id_fault(id: str) -> str:
    return MISSING if not id else "" if ID.fullmatch(id) else BAD_ID


def role_faults(given: Mapping[str, str], permissions: frozenset[str]) -> dict[str, str]:
    faults = {"name": name_fault(given["name"]), "scope": "" if given["scope"] in SCOPES else UNKNOWN}
    faults["permissions"] = "" if permissions <= set(PERMISSIONS) else UNKNOWN
    return {name: fault for name, fault in faults.items() if fault}
