"""The main menu: what each room puts into it, and who sees that. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lcall_web.common.i18n import mark
from lcall_web.common.viewer import ACCOUNTS, CUSTOMERS, SETTINGS, TEAM, Viewer


@dataclass(frozen=True, slots=True)
class Entry:
    address: str
    name: str  # marked
    icon: str  # of static/vendor/icons.svg
    permission: str = ""  # "": everybody who is in
    count: str = ""  # what its figure counts, by which a script finds it
    counted: str = ""  # … in words; marked

    def holds(self, path: str) -> bool:
        """Whether this page is below it."""
        return path == self.address.rstrip("/") or path.startswith(self.address.rstrip("/") + "/")


MENU: Final = (
    Entry("/home", mark("首页"), "home"),
    Entry("/board", mark("实时看板"), "layout-dashboard"),
    Entry("/team", mark("班长席"), "users", TEAM),
    Entry("/calls/", mark("通话记录"), "history"),
    Entry("/customers/", mark("客户资料"), "address-book", CUSTOMERS),
    Entry("/follow-ups/", mark("跟进"), "clock", CUSTOMERS, "follow-ups", mark("已逾期和今天到期的")),
    Entry("/settings/", mark("设置"), "settings", SETTINGS),
    Entry("/accounts/", mark("账号"), "user", ACCOUNTS),
)


def of(viewer: Viewer | None) -> list[Entry]:
    return [entry for entry in MENU if not entry.permission or (viewer is not None and viewer.may(entry.permission))]
