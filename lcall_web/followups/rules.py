"""What a follow-up says, when it is due, and how a list of them is told. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Final, Protocol, TypeVar
from zoneinfo import ZoneInfo

from lcall_web.common.i18n import CATALOGUES, mark
from lcall_web.common.viewer import Viewer
from lcall_web.common.written import clean

KINDS: Final = ("call_back", "follow_up", "appointment")
WHEN: Final[Mapping[str, str]] = {  # what a button puts it off to
    "hour": mark("1 小时后"),
    "tomorrow": mark("明天 9:00"),
    "monday": mark("下周一 9:00"),
}
GROUPS: Final[Mapping[str, str]] = {"overdue": mark("已逾期"), "today": mark("今天"), "later": mark("以后")}
FIELDS: Final = ("kind", "what", "when", "due", "owner")
MINE: Final = ""
ALL: Final = "all"

LONGEST: Final = 200
BEGIN: Final = time(9)  # of a working day
FARTHEST: Final = timedelta(days=5 * 366)
LATELY: Final = timedelta(days=7)
SNOOZE: Final = timedelta(minutes=10)
JUST_NOW: Final = timedelta(minutes=1)

EMPTY: Final = mark("请写下要做的事。")
TOO_LONG: Final = mark("内容太长，最多 200 字。")
UNKNOWN: Final = mark("没有这个选项。")
NO_TIME: Final = mark("请选择时间。")
NOT_A_TIME: Final = mark("时间无法识别，请填写日期和时刻。")
PAST: Final = mark("这个时间已经过去。")
FAR: Final = mark("时间太远，最多 5 年以后。")
NOBODY: Final = mark("不能交给这个人。")

WRITTEN: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?", re.ASCII)
CONTACT: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


def kinds(language: str) -> dict[str, str]:
    """What each kind is called."""
    catalogue = CATALOGUES[language]
    names = (catalogue.gettext("回电"), catalogue.pgettext("kind", "跟进"), catalogue.gettext("预约"))
    return dict(zip(KINDS, names, strict=True))


# -- when --------------------------------------------------------------------------------------------------------------


def moment(when: str, now: datetime, zone: str) -> datetime:
    """What this button means now, to the minute. `zone`: of the center."""
    if when == "hour":
        later = now.astimezone(UTC) + timedelta(hours=1)
        return later.replace(second=0, microsecond=0) + timedelta(minutes=bool(later.second or later.microsecond))
    today = now.astimezone(ZoneInfo(zone)).date()
    days = 1 if when == "tomorrow" else 7 - today.weekday()
    return datetime.combine(today + timedelta(days=days), BEGIN, ZoneInfo(zone)).astimezone(UTC)


def written(text: str, zone: str) -> datetime | None:
    """A moment as a field of a form holds it (HTML, local date and time), to the minute; None if it is none."""
    try:
        found = datetime.fromisoformat(text) if WRITTEN.fullmatch(text) else None
    except ValueError:
        return None
    if found is None or not 2000 <= found.year <= 2999:
        return None
    return found.replace(second=0, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def as_written(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def midnight(now: datetime, zone: str) -> datetime:
    """The end of the day."""
    day = now.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def told(at: datetime, now: datetime, zone: str) -> str:
    """The time of day; of another day with its date, of another year with that too."""
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    if local.date() == today:
        return f"{local:%H:%M}"
    return f"{local:%m-%d %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"


class Timed(Protocol):
    @property
    def due_at(self) -> datetime: ...


T = TypeVar("T", bound=Timed)


def grouped(lines: Iterable[T], now: datetime, zone: str) -> dict[str, list[T]]:
    """By GROUPS, each in the order in which it came."""
    tomorrow = midnight(now, zone)
    found: dict[str, list[T]] = {name: [] for name in GROUPS}
    for line in lines:
        name = "overdue" if line.due_at <= now else "today" if line.due_at < tomorrow else "later"
        found[name].append(line)
    return found


# -- what --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draft:
    """As somebody wants it."""

    kind: str
    body: str
    owner: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Form:
    given: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


def blank(owner: str) -> Form:
    return Form({"kind": KINDS[0], "what": "", "when": "tomorrow", "due": "", "owner": owner})


def filled(draft: Draft, zone: str) -> Form:
    given = {"kind": draft.kind, "what": draft.body, "when": "", "owner": draft.owner}
    return Form({**given, "due": as_written(draft.due_at, zone)})


def read(
    given: Mapping[str, str], now: datetime, zone: str, owners: Collection[str], before: Draft | None = None
) -> tuple[Draft | None, Form]:
    """None with what is wrong in the form. `owners`: whose it may be; `before`: as it was, its time may have passed."""
    values = {name: clean(given.get(name, "")) for name in FIELDS}
    errors: dict[str, str] = {}
    if values["kind"] not in KINDS:
        errors["kind"] = UNKNOWN
    if not values["what"] or len(values["what"]) > LONGEST:
        errors["what"] = TOO_LONG if values["what"] else EMPTY
    if values["owner"] not in owners:
        errors["owner"] = NOBODY
    at, wrong = _due(values, now, zone, before)
    if wrong:
        errors["due"] = wrong
    form = Form(values, errors)
    if at is None or errors:
        return None, form
    return Draft(values["kind"], values["what"], values["owner"], at), form


def _due(values: Mapping[str, str], now: datetime, zone: str, before: Draft | None) -> tuple[datetime | None, str]:
    """The moment, and what is wrong with it. One that is written goes before a button."""
    if not values["due"]:
        known = values["when"] in WHEN
        return (moment(values["when"], now, zone), "") if known else (None, NO_TIME)
    at = written(values["due"], zone)
    if at is None:
        return None, NOT_A_TIME
    if before is not None and at == before.due_at:
        return at, ""
    return at, PAST if at < now - JUST_NOW else FAR if at > now + FARTHEST else ""


def changes(before: Draft, after: Draft) -> dict[str, list[str]]:
    """Field → what it was and what it is."""
    names = ("kind", "body", "owner", "due_at")
    both = {name: [str(getattr(before, name)), str(getattr(after, name))] for name in names}
    return {name: values for name, values in both.items() if values[0] != values[1]}


def theirs(now: Draft, mine: Draft, zone: str) -> dict[str, str]:
    """Field of the form → what somebody else has stored in it meanwhile, where it is not what is written there."""
    stored, here = ({**filled(draft, zone).given} for draft in (now, mine))
    return {
        name: text.replace("T", " ") if name == "due" else text for name, text in stored.items() if text != here[name]
    }


# -- whose -------------------------------------------------------------------------------------------------------------


def his(viewer: Viewer, owner: str) -> bool:
    """Whether it is this viewer's to see among the others, and to change: his own, and of those whose work he sees."""
    return owner == viewer.id or viewer.reach.holds_agent(owner)


def people(asked: str, viewer: Viewer) -> frozenset[str] | None:
    """Whose follow-ups a list shows; None: everybody's. Raises LookupError for one who is not his to see."""
    if asked == ALL:
        return viewer.reach.agents
    if asked != MINE and not his(viewer, asked):
        raise LookupError(asked)
    return frozenset({asked or viewer.id})


def contact_of(text: str) -> str | None:
    """The id of a call, as a page of ours has sent it."""
    return text if CONTACT.fullmatch(text) else None
