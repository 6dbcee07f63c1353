"""What a leader may order, why not, and what the big screen shows. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from lcall_web.common.i18n import mark
from lq.sdk import ApiError, ApiUnavailable

MODES: Final = ("listen", "whisper", "barge", "take-over")
FORCED: Final = ("ready", "pause", "sign-out")  # of an agent, by his leader: written down
KEY: Final = re.compile(r"[A-Za-z0-9-]{8,64}")


class Refused(Exception):
    """Why it is not done, in the words of the screen."""

    def __init__(self, text: str, status: int = 409) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


NOT_HIS: Final = mark("这位坐席不在您的班组里。")
NOT_HIS_CALL: Final = mark("这通电话不属于您的班组。")
NO_PHONE: Final = mark("请先用自己的话机签入，再监听、耳语或强插。")
HIMSELF: Final = mark("不能监听自己的通话。")
OTHER_CALL: Final = mark("画面已过时：他已不在这通电话里，请看最新状态再操作。")
NO_CALL: Final = mark("他现在没有通话。")
UNKNOWN: Final = mark("没有这个操作。")
NO_REASON: Final = mark("请选择示忙原因。")
NO_LOG: Final = mark("数据库没有响应，操作无法记录，所以没有执行。请稍后再试。")
AWAY: Final = mark("呼叫接口没有响应，不知道是否已执行。请看最新状态，必要时再试。")
TOO_FAST: Final = mark("系统正忙，没有执行。请稍后再试。")
FAILED: Final = mark("没有执行：现在的状态不允许这样做。")

REFUSALS: Final[Mapping[str, str]] = {  # error codes of LQ-SDK
    "not_talking": mark("现在不是通话中，不能监听。"),
    "busy": mark("正在呼叫另一方，请等他接听后再试。"),
    "in_contact": mark("您已经是这通电话的一方。"),
    "no_monitor": mark("您已不在这通电话里。"),
    "help_taken": mark("已有其他班长接受了求助。"),
    "not_waiting": mark("这通电话已不在排队，也不在振铃。"),
    "rings_here": mark("这通电话正在您自己的话机上振铃。"),
    "ended": mark("这通电话已经结束。"),
    "not_found": mark("这通电话或坐席已不存在。"),
    "in_progress": mark("正在执行，请稍候。"),
    "agent_disabled": mark("没有执行：这个坐席已经停用。"),
    "code_required": mark("没有执行：他还没有选择话后小结。可以请他签出。"),
    "conflict": FAILED,
}


def refusal(error: ApiError) -> Refused:
    """What LQ-SDK refuses, in words."""
    if isinstance(error, ApiUnavailable):
        return Refused(AWAY, 503)
    if error.code in REFUSALS:
        return Refused(REFUSALS[error.code], error.status)
    if error.status in (429, 503):
        return Refused(TOO_FAST, 503)
    return Refused(FAILED, error.status if 400 <= error.status < 500 else 500)


def checked_key(operator: str, given: str) -> str:
    """The page's key of a command, made his own; without one a repeat is a command of its own."""
    return f"{operator}-{given}" if KEY.fullmatch(given) else ""


def checked_reason(given: str, offered: Collection[str]) -> str:
    if given not in offered:
        raise Refused(NO_REASON, 422)
    return given


# -- the big screen ----------------------------------------------------------------------------------------------------

BLOCKS: Final = ("figures", "queues", "agents", "curve")
THEMES: Final = ("dark", "light")
MOST_QUEUES: Final = 12


@dataclass(frozen=True, slots=True)
class Wall:
    """What a wall shows, as its address says. Waits in seconds; `goal`, `low`: percent of the service level."""

    queues: tuple[str, ...]  # (): all
    blocks: tuple[str, ...]
    theme: str
    warn_s: int
    late_s: int
    goal: int
    low: int


def wall(given: Mapping[str, str]) -> Wall:
    """What is written wrong there is as if it were not: a screen on a wall has nobody to read a complaint."""

    def listed(name: str, most: int) -> tuple[str, ...]:
        parts = (part.strip() for part in given.get(name, "").split(","))
        return tuple(dict.fromkeys(part for part in parts if part and part.isprintable()))[:most]

    def number(name: str, default: int, most: int) -> int:
        text = given.get(name, "")
        return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 9 else default

    blocks = tuple(block for block in listed("show", len(BLOCKS)) if block in BLOCKS)
    theme = given.get("theme", "")
    warn_s = number("warn", 20, 3600)
    goal = number("goal", 80, 100)
    return Wall(
        queues=listed("queues", MOST_QUEUES),
        blocks=blocks or BLOCKS,
        theme=theme if theme in THEMES else THEMES[0],
        warn_s=warn_s,
        late_s=max(number("late", 60, 7200), warn_s),
        goal=goal,
        low=min(number("low", 60, 100), goal),
    )


@dataclass(frozen=True, slots=True)
class Hour:
    """What came into the queues within an hour of the day."""

    hour: int
    offered: int
    answered: int
    abandoned: int


def today(now: datetime, zone: str) -> datetime:
    """When the center's day began."""
    there = ZoneInfo(zone)
    return datetime.combine(now.astimezone(there).date(), time(), there)


def hours(quarters: Sequence[tuple[datetime, int, int, int]], day: date, zone: str, until: datetime) -> list[Hour]:
    """(start, offered, answered, abandoned) of quarters as hours of that day, empty ones too, up to the present one.

    An hour that the clocks repeat (end of summer time) holds both.
    """
    there = ZoneInfo(zone)
    last = until.astimezone(there)
    end = last.hour if last.date() == day else 23
    found = [[0, 0, 0] for _ in range(end + 1)]
    for start, *figures in quarters:
        local = start.astimezone(there)
        if local.date() == day and local.hour <= end:
            found[local.hour] = [sum(pair) for pair in zip(found[local.hour], figures, strict=True)]
    return [Hour(n, *each) for n, each in enumerate(found)]


def following(day: datetime) -> datetime:
    """The midnight after this one."""
    return day + timedelta(days=1)
