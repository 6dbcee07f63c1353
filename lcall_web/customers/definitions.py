"""The form in which a field of customers is defined: what is written in it, and what is wrong. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from lcall_web.common.i18n import mark
from lcall_web.customers.fields import KINDS, Choice, Field, active
from lcall_web.customers.rules import EMPTY, TOO_LONG, UNKNOWN, clean

NAMES: Final = {
    "name": mark("中文名称"),
    "name_en": mark("英文名称"),
    "kind": mark("类型"),
    "whose": mark("用于"),
    "required": mark("必填"),
    "listed": mark("在客户列表中显示"),
}
WHOSE: Final = {"both": mark("个人和企业"), "person": mark("仅个人"), "company": mark("仅企业")}
MOST: Final = 40  # that are shown
LISTED: Final = 4  # columns that a list has room for
CHOICES: Final = 100
LONGEST: Final = {"name": 20, "name_en": 40}
CHOICE_LONGEST: Final = 40
ROW: Final = re.compile(r"choice-(?:id-)?(\d{1,9})", re.ASCII)
UP, DOWN = "up", "down"

TAKEN: Final = mark("已经有这个名称了，请换一个。")
TOO_MANY: Final = mark("最多 40 个字段，请先停用不用的。")
TOO_MANY_LISTED: Final = mark("客户列表里最多显示 4 个自定义字段，请先取消另一个。")
NO_CHOICE: Final = mark("请至少填写一个选项。")
TOO_MANY_CHOICES: Final = mark("选项最多 100 个。")
TWICE: Final = mark("这个选项填了两次。")


@dataclass(frozen=True, slots=True)
class Row:
    """A line for a choice in a form, as it was written."""

    n: str
    name: str = ""
    id: str = ""  # of one that is stored: it can be renamed and retired, not removed
    retired: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    given: Mapping[str, str]
    rows: tuple[Row, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not self.errors and not any(row.error for row in self.rows)


def blank() -> Form:
    given = {**dict.fromkeys(NAMES, ""), "kind": "text", "whose": "both"}
    return Form(given, tuple(Row(str(n)) for n in range(3)))


def form_of(one: Field) -> Form:
    flags = {"required": "1" if one.required else "", "listed": "1" if one.listed else ""}
    given = {"name": one.name, "name_en": one.name_en, "kind": one.kind, "whose": one.whose, **flags}
    return Form(given, tuple(Row(choice.id, choice.name, choice.id, choice.retired) for choice in one.choices))


def read(
    given: Mapping[str, str], before: Field | None, known: Sequence[Field], taken: Collection[str]
) -> tuple[Field, Form]:
    """`before`: the field as it stands; None: a new one. `taken`: the names of other columns, in small letters."""
    values = {name: clean(given.get(name, "")) for name in NAMES}
    if before:
        values["kind"] = before.kind
    others = [one for one in active(known) if before is None or one.id != before.id]
    errors = _wrong_names(values, others, taken) | _wrong_words(values, before)
    listed = bool(values["listed"])
    if listed and sum(one.listed for one in others) >= LISTED:
        errors["listed"] = TOO_MANY_LISTED
    if before is None and len(others) >= MOST:
        errors["name"] = TOO_MANY
    rows, choices = _choices(given, before.choices if before else ())
    if values["kind"] != "choice":  # what was written for another kind stands there again when it is chosen
        rows, choices = tuple(replace(row, error="") for row in rows), ()
    else:
        errors |= _wrong_choices(choices)
    found = Field(
        id=before.id if before else 0,
        kind=values["kind"],
        name=values["name"],
        name_en=values["name_en"],
        whose=values["whose"],
        required=bool(values["required"]),
        listed=listed,
        choices=choices,
        version=before.version if before else 1,
    )
    return found, Form(values, rows, errors)


def _wrong_names(values: Mapping[str, str], others: Sequence[Field], taken: Collection[str]) -> dict[str, str]:
    """A column of a sheet is known by its name, so that no two may have the same."""
    errors = {name: TOO_LONG for name, most in LONGEST.items() if len(values[name]) > most}
    if not values["name"]:
        errors["name"] = EMPTY
    known = set(taken) | {name.lower() for one in others for name in (one.name, one.name_en) if name}
    for name in LONGEST:
        if values[name].lower() in known:
            errors.setdefault(name, TAKEN)
    return errors


def _wrong_words(values: Mapping[str, str], before: Field | None) -> dict[str, str]:
    whose = WHOSE if before is None else ("both", before.whose)  # only widened: what is stored stays where it is shown
    found = {"kind": UNKNOWN} if values["kind"] not in KINDS else {}
    return found | ({"whose": UNKNOWN} if values["whose"] not in whose else {})


def _wrong_choices(choices: Sequence[Choice]) -> dict[str, str]:
    if all(choice.retired for choice in choices):
        return {"choices": NO_CHOICE}
    return {"choices": TOO_MANY_CHOICES} if len(choices) > CHOICES else {}


def _choices(given: Mapping[str, str], stored: Sequence[Choice]) -> tuple[tuple[Row, ...], tuple[Choice, ...]]:
    """In the order of the form; those that are stored and not in it stay as they are, at the end."""
    before = {choice.id: choice for choice in stored}
    following = max((int(choice.id) for choice in stored), default=0) + 1
    rows: list[Row] = []
    choices: list[Choice] = []
    names: set[str] = set()
    for n in dict.fromkeys(found[1] for name in given if (found := ROW.fullmatch(name))):
        name, id = clean(given.get(f"choice-{n}", "")), given.get(f"choice-id-{n}", "")
        known = before.pop(id, None)
        if not name and known is None:
            continue
        error = ""
        if not name:
            error = EMPTY
        elif len(name) > CHOICE_LONGEST:
            error = TOO_LONG
        elif name.lower() in names:
            error = TWICE
        names.add(name.lower())
        retired = known is not None and bool(given.get(f"choice-off-{n}"))
        if known is None:
            id, following = str(following), following + 1
        rows.append(Row(n, name[: 2 * CHOICE_LONGEST], id if known else "", retired, error))
        choices.append(Choice(id, name, retired))
    for choice in before.values():
        rows.append(Row(str(10**8 + int(choice.id)), choice.name, choice.id, choice.retired))
        choices.append(choice)
    return tuple(rows), tuple(choices)


def same(one: Field, other: Field) -> bool:
    return replace(one, version=other.version) == other


def theirs(now: Field, mine: Field) -> dict[str, str]:
    """Name → what somebody else has stored meanwhile, where it is not what is written here; words are marked."""
    found = {name: getattr(now, name) for name in ("name", "name_en") if getattr(now, name) != getattr(mine, name)}
    if now.whose != mine.whose:
        found["whose"] = WHOSE[now.whose]
    for name in ("required", "listed"):
        if getattr(now, name) != getattr(mine, name):
            found[name] = mark("是") if getattr(now, name) else mark("否")
    if now.choices != mine.choices:
        found["choices"] = " / ".join(choice.name for choice in now.choices if not choice.retired)
    return found


def changes(before: Field, after: Field) -> dict[str, list[str]]:
    """For the audit: what it was and what it is."""

    def said(one: Field) -> dict[str, str]:
        choices = " / ".join(f"({choice.name})" if choice.retired else choice.name for choice in one.choices)
        flags = {name: "1" if getattr(one, name) else "0" for name in ("required", "listed")}
        return {"name": one.name, "name_en": one.name_en, "whose": one.whose, **flags, "choices": choices}

    was, now = said(before), said(after)
    return {name: [was[name], now[name]] for name in was if was[name] != now[name]}


def moved(known: Sequence[Field], id: int, way: str, at: int) -> list[int]:
    """The ids in their new order; none where it stands no more `at` that place (a second click), or at an end."""
    ids = [one.id for one in active(known)]
    to = at - 1 if way == UP else at + 1
    if way not in (UP, DOWN) or not 0 <= at < len(ids) or ids[at] != id or not 0 <= to < len(ids):
        return []
    ids[at], ids[to] = ids[to], ids[at]
    return ids


def back(one: Field, known: Sequence[Field], taken: Collection[str]) -> str:
    """What is against bringing this retired one back; marked, "" for nothing."""
    others = active(known)
    if len(others) >= MOST:
        return TOO_MANY
    if one.listed and sum(other.listed for other in others) >= LISTED:
        return TOO_MANY_LISTED
    return TAKEN if TAKEN in _wrong_names({"name": one.name, "name_en": one.name_en}, others, taken).values() else ""
