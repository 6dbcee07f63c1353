"""The black list from the card of a caller: put on with a reason, for some days or for good, and taken off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sanic.exceptions import NotFound

from lcall_web.common import audit
from lcall_web.common.context import Context
from lcall_web.common.database import Database
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import Viewer
from lcall_web.customers import numbers, rules
from lcall_web.customers.store import SQL
from lq.sdk import ApiError, Contact, ListEntry

LONGEST: Final = 200
DAYS: Final[Mapping[str, str]] = {"": mark("永久"), "7": mark("7 天"), "30": mark("30 天"), "365": mark("一年")}
NO_REASON: Final = mark("请写明原因。")


@dataclass(frozen=True, slots=True)
class BlackList:
    id: str
    name: str
    holds: bool  # the caller's number


@dataclass(frozen=True, slots=True)
class Wish:
    list: str
    reason: str = ""
    days: str = ""
    off: bool = False


def read(given: Mapping[str, str]) -> tuple[Wish, str]:
    """What is wanted, and what is wrong with it; marked."""
    reason, days = rules.clean(given.get("reason", "")), given.get("days", "")
    wish = Wish(given.get("list", ""), reason, days if days in DAYS else "", given.get("do") == "off")
    if wish.off:
        return wish, ""
    return wish, NO_REASON if not reason else rules.TOO_LONG if len(reason) > LONGEST else ""


async def lists(database: Database, contact: Contact) -> tuple[BlackList, ...]:
    """Those on which this caller can be put; none where his number is not known, or is one of the house."""
    number = numbers.read(contact.number)
    if not number or contact.direction == "internal":
        return ()
    rows = await database.fetch(SQL["black_lists"], number)
    return tuple(BlackList(row["id"], row["name"], row["holds"]) for row in rows)


async def carry_out(here: Context, viewer: Viewer, contact: Contact, wish: Wish, address: str) -> None:
    """Written down first. Raises NotFound, ApiError."""
    if wish.list not in {one.id for one in await lists(here.database, contact)}:
        raise NotFound(f"black list {wish.list}")
    number = numbers.read(contact.number)
    about = {"list": wish.list, **({} if wish.off else {"reason": wish.reason, "days": wish.days})}
    async with here.database.transaction() as connection:
        action = "caller_unlisted" if wish.off else "caller_listed"
        await audit.note(connection, viewer.id, action, f"contact:{contact.id}", address, **about)
    if wish.off:
        await _take_off(here, viewer, wish.list, number)
        return
    expires = datetime.now(UTC) + timedelta(days=int(wish.days)) if wish.days else None
    await here.lq.put_list_entries(wish.list, [ListEntry(number, wish.reason, expires)], operator=viewer.id)


async def _take_off(here: Context, viewer: Viewer, list: str, number: str) -> None:
    try:
        await here.lq.delete_list_entry(list, number, operator=viewer.id)
    except ApiError as error:
        if error.status != 404:  # a second click: it is off already
            raise
