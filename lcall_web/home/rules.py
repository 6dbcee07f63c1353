"""Notices and sticky notes: what a form of one holds, to whom somebody may write, how a text is shown. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from lcall_web.common.i18n import mark

EVERYBODY: Final = "all"
QUEUES: Final = "queues"
TEAM: Final = "team"
AUDIENCES: Final[Mapping[str, str]] = {
    EVERYBODY: mark("全员"),
    TEAM: mark("一个班组"),
    QUEUES: mark("技能组的坐席"),
}
NAMES: Final[Mapping[str, str]] = {  # of the fields, in the order in which they are shown
    "title": mark("标题"),
    "body": mark("正文"),
    "audience": mark("发给谁"),
    "from": mark("开始时间"),
    "until": mark("结束时间"),
    "pinned": mark("置顶"),
    "confirm": mark("须确认"),
}
TITLE_LONGEST: Final = 100
BODY_LONGEST: Final = 4000
NOTE_LONGEST: Final = 2000
COLOURS: Final[Mapping[str, str]] = {
    "yellow": mark("黄色"),
    "green": mark("绿色"),
    "blue": mark("蓝色"),
    "pink": mark("粉色"),
    "grey": mark("灰色"),
}

EMPTY: Final = mark("请填写这一项。")
TITLE_LONG: Final = mark("标题最多 100 字。")
BODY_LONG: Final = mark("正文最多 4000 字。")
NOBODY: Final = mark("请选择发给谁。")
NO_QUEUE: Final = mark("请至少选择一个技能组。")
NO_TEAM: Final = mark("请选择班组。")
TIME: Final = mark("请填写完整的日期和时间。")
ORDER: Final = mark("结束时间要晚于开始时间。")
OVER: Final = mark("结束时间已经过了。")
NOTE_LONG: Final = mark("便签最多 2000 字，多出的没有保存。")
NO_COLOUR: Final = mark("没有这种颜色。")

BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LINK: Final = re.compile(r"https?://[^\s<>\"'，。；：、！？（）《》【】“”]+", re.IGNORECASE)
AFTER_LINK: Final = ".,;:!?)]}"  # belongs to the sentence around it
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)


# -- texts -------------------------------------------------------------------------------------------------------------


def clean(text: str, lines: bool = False) -> str:
    """Without control characters, and without those that turn the direction of what follows them."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        letter
        for letter in text
        if (unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp") or (lines and letter in "\n\t"))
        and letter not in BIDI
    )


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    link: bool = False  # it is an address of the web, http or https


def pieces(text: str) -> list[Piece]:
    """A text in its order, addresses apart. Anything but a whole address with a host stays text."""
    found: list[Piece] = []
    at = 0
    for match in LINK.finditer(text):
        address = match[0].rstrip(AFTER_LINK)
        if not _leads(address):
            continue
        if match.start() > at:
            found.append(Piece(text[at : match.start()]))
        found.append(Piece(address, link=True))
        at = match.start() + len(address)
    if text[at:]:
        found.append(Piece(text[at:]))
    return found


def _leads(address: str) -> bool:
    try:
        return bool(urlsplit(address).hostname)
    except ValueError:
        return False


def beginning(text: str, letters: int, lines: int) -> tuple[list[Piece], bool]:
    """The first so many of them, and whether there is more. An address is shown whole or not at all."""
    end = len(text)
    for n, each in enumerate(re.finditer("\n", text), 1):
        if n == lines:
            end = each.start()
            break
    room = min(letters, end)
    shown: list[Piece] = []
    for piece in pieces(text):
        if len(piece.text) <= room:
            shown.append(piece)
        elif not piece.link and room > 0:
            shown.append(Piece(piece.text[:room]))
        room -= len(piece.text)
        if room <= 0:
            break
    return shown, sum(len(piece.text) for piece in shown) < len(text.rstrip())


# -- times -------------------------------------------------------------------------------------------------------------


def moment(text: str, zone: str) -> datetime | None:
    """2026-11-28T09:30 of the center's clock, as a browser writes it; None for what is no time."""
    if not MOMENT.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=ZoneInfo(zone)) if 2000 <= found.year < 2100 else None


def written(at: datetime | None, zone: str) -> str:
    """As the field of a form takes it, to the minute."""
    return "" if at is None else f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def midnight(now: datetime, zone: str) -> datetime:
    """When the center's day began."""
    there = ZoneInfo(zone)
    return datetime.combine(now.astimezone(there).date(), time(), there)


# -- to whom -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scope:
    """To whom somebody may write, and whose notices are his to change (Viewer.reach, for notices)."""

    everything: bool = False
    team: int | None = None
    queues: frozenset[str] = frozenset()

    @property
    def audiences(self) -> tuple[str, ...]:
        """Those that he may choose from."""
        may = {EVERYBODY: self.everything, TEAM: self.everything or self.team is not None}
        may[QUEUES] = self.everything or bool(self.queues)
        return tuple(name for name in AUDIENCES if may[name])

    def holds(self, audience: str, queues: Collection[str], team: int | None) -> bool:
        if self.everything:
            return True
        if audience == TEAM:
            return team is not None and team == self.team
        return audience == QUEUES and bool(queues) and self.queues.issuperset(queues)


# -- a notice ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice as somebody wants it. `until_at` None: until somebody ends it."""

    title: str
    body: str
    audience: str
    queues: tuple[str, ...]
    team: int | None
    pinned: bool
    confirm: bool
    from_at: datetime
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class Form:
    """As it was written, and what is wrong with it."""

    given: Mapping[str, str]
    queues: frozenset[str] = frozenset()
    errors: Mapping[str, str] = field(default_factory=dict)


def form_of(draft: Draft, zone: str) -> Form:
    given = {
        **{"title": draft.title, "body": draft.body, "audience": draft.audience, "team": str(draft.team or "")},
        **{"from": written(draft.from_at, zone), "until": written(draft.until_at, zone)},
        **{"pinned": "1" if draft.pinned else "", "confirm": "1" if draft.confirm else ""},
    }
    return Form(given, frozenset(draft.queues))


def read(
    given: Mapping[str, str], queues: Collection[str], scope: Scope, teams: Collection[int], zone: str,
    now: datetime, before: Draft | None = None,
) -> tuple[Draft | None, Form]:  # fmt: skip
    """The notice, None if something is wrong. `queues`: chosen ones that there are; `teams`: those that there are;
    `before`: as it stands: a time that nobody touched stays what it was to the second."""
    title = clean(given.get("title", "")).strip()
    body = clean(given.get("body", ""), lines=True).strip()
    errors: dict[str, str] = {}
    if not title or len(title) > TITLE_LONGEST:
        errors["title"] = TITLE_LONG if title else EMPTY
    if len(body) > BODY_LONGEST:
        errors["body"] = BODY_LONG
    audience, chosen, team = _audience(given, queues, scope, teams, errors)
    from_at, until_at = _times(given, zone, now, before, errors)
    values = {name: given.get(name, "") for name in ("audience", "team", "from", "until", "pinned", "confirm")}
    form = Form({**values, "title": title, "body": body}, frozenset(queues), errors)
    if errors:
        return None, form
    flags = bool(given.get("pinned")), bool(given.get("confirm"))
    return Draft(title, body, audience, chosen, team, *flags, from_at, until_at), form


def _audience(
    given: Mapping[str, str], queues: Collection[str], scope: Scope, teams: Collection[int], errors: dict[str, str]
) -> tuple[str, tuple[str, ...], int | None]:
    audience = given.get("audience", "")
    if audience not in scope.audiences:
        errors["audience"] = NOBODY
    written_team = given.get("team", "")
    known = {str(each): each for each in teams if scope.holds(TEAM, (), each)}
    team = known.get(written_team) if audience == TEAM else None
    may = tuple(sorted(each for each in queues if scope.holds(QUEUES, (each,), None))) if audience == QUEUES else ()
    if audience == TEAM and team is None:
        errors.setdefault("audience", NO_TEAM)
    if audience == QUEUES and not may:
        errors.setdefault("audience", NO_QUEUE)
    return audience, may, team


def _times(
    given: Mapping[str, str], zone: str, now: datetime, before: Draft | None, errors: dict[str, str]
) -> tuple[datetime, datetime | None]:
    def at(name: str, stood: datetime | None) -> datetime | None:
        text = given.get(name, "").strip()
        if not text:
            return None
        if before is not None and text == written(stood, zone):
            return stood
        found = moment(text, zone)
        if found is None:
            errors[name] = TIME
        return found

    stood_from, stood_until = (before.from_at, before.until_at) if before else (None, None)
    from_at = at("from", stood_from) or (min(stood_from, now) if stood_from else now)
    until_at = at("until", stood_until)
    if until_at is not None and until_at != stood_until and until_at <= now:
        errors.setdefault("until", OVER)
    elif until_at is not None and until_at <= from_at and (until_at, from_at) != (stood_until, stood_from):
        errors.setdefault("until", ORDER)
    return from_at, until_at


def shown_mark(told: Iterable[tuple[int, int, bool]]) -> str:
    """Of what a page shows of notices, (id, version, unread) each: another one if anything in it has changed."""
    text = ",".join(f"{id}.{version}.{int(unread)}" for id, version, unread in told)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# -- what pages send ---------------------------------------------------------------------------------------------------


def key_of(text: str) -> uuid.UUID | None:
    """Of a form; None for what no page of ours has sent."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def number_of(text: str) -> int:
    """A version or an edition; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def read_note(given: Mapping[str, str]) -> tuple[str, str, str]:
    """Text and colour of a sticky note, and what is wrong with it. It is stored while it is written: blanks stay."""
    body, colour = clean(given.get("body", ""), lines=True), given.get("colour", "")
    error = NOTE_LONG if len(body) > NOTE_LONGEST else NO_COLOUR if colour not in COLOURS else ""
    return body, colour, error


def ordered(names: Sequence[str], known: Mapping[str, tuple[str, str]], english: bool) -> list[str]:
    """Queues by their names."""
    return [known[each][english] if each in known else each for each in names]
