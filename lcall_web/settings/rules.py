"""Between a document and its form: what is shown, what was written, what two people wrote at once. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from lcall_web.common import script
from lcall_web.common.i18n import mark
from lcall_web.common.masking import masked
from lcall_web.common.written import printable
from lcall_web.settings.fields import WEEK, Field, Kind
from lcall_web.settings.kinds import TARGETS

Values = Mapping[str, Sequence[str]]  # of a form: each field's texts

ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}")
LONGEST: Final = 500
LINES: Final = 5000
LONG: Final = ("lines", "days", "pairs", "script")

NEEDED: Final = mark("请填写。")
WHOLE: Final = mark("请填写整数。")
TOO_LONG: Final = mark("内容太长。")
UNREADABLE: Final = mark("含有不能使用的字符。")
PAIR: Final = mark("请按“甲 = 乙”每行写一条。")
NO_VARIABLE: Final = mark("有不认识的变量；可用的变量写在下面。")
BAD_ID: Final = mark("只能用字母、数字和 _ . -，最长 64 位。")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a field; `text` is marked, `values` go into it."""

    text: str
    values: Mapping[str, str] | None = None


# -- a document as its form ------------------------------------------------------------------------------------------


def at(body: Mapping[str, Any], path: str, default: Any) -> Any:
    found: Any = body
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return default
        found = found[name]
    return found


def shown(field: Field, body: Mapping[str, Any]) -> list[str]:
    """The texts of one field, as its inputs have them."""
    value = at(body, field.name, "" if field.sparse else field.default)
    match field.kind:
        case "secret":
            return [""]
        case "flag":
            return ["1"] if value else [""]
        case "many":
            return [str(one) for one in value]
        case "words":
            return [", ".join(value)]
        case "lines" | "days":
            return ["\n".join(value)]
        case "pairs":
            return ["\n".join(f"{key} = {one}" for key, one in value.items())]
        case "hours":
            return [" ".join(value.get(day, ())) for day in WEEK]
        case _:
            return [str(value)]


def values_of(kind: Kind, body: Mapping[str, Any]) -> dict[str, list[str]]:
    return {field.name: shown(field, body) for field in kind.fields}


def hidden_from(field: Field, body: Mapping[str, Any], numbers: bool) -> str:
    """What stands instead of a private number for one who may not see numbers; "": it may be shown."""
    value = str(at(body, field.name, ""))
    private = field.private or (field.kind == "forward" and ":" not in value)
    return "" if numbers or not private or masked(value) == value else masked(value)


# -- what was written ------------------------------------------------------------------------------------------------


def read(
    kind: Kind, given: Values, before: Mapping[str, Any], keep: Iterable[str] = (), variables: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, Fault]]:
    """The document as it was written, and what cannot be read. What the form did not have, and `keep`, stay.

    `variables`: what a script may name beside the variables that there always are.
    """
    body, faults, kept = _copy(before), {}, set(keep)
    for field in kind.fields:
        if field.name not in given or field.name in kept:
            continue
        try:
            value = _read(field, given[field.name], variables)
        except ValueError as error:
            faults[field.name] = Fault(str(error))
            continue
        if field.required and not value:
            faults[field.name] = Fault(NEEDED)
        _put(body, field, value)
    return body, faults


def _copy(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(value) if isinstance(value, Mapping) else value for name, value in body.items()}


def _put(body: dict[str, Any], field: Field, value: Any) -> None:
    *above, last = field.name.split(".")
    for name in above:
        body = body.setdefault(name, {})
    if (field.sparse or field.kind == "secret") and value == "":
        body.pop(last, None)
    else:
        body[last] = value


def _read(field: Field, texts: Sequence[str], variables: Collection[str] = ()) -> Any:
    """Raises ValueError with a marked text."""
    if any(len(text) > LONGEST * (LINES if field.kind in LONG else 1) for text in texts):
        raise ValueError(TOO_LONG)
    first = texts[0].strip() if texts else ""
    match field.kind:
        case "flag":
            return "1" in texts
        case "number":
            return _number(first)
        case "many":
            return list(dict.fromkeys(_printable(text) for text in texts if text))
        case "words":
            return [_printable(word) for word in split(first)]
        case "lines":
            return [_printable(line) for line in _lines(first)]
        case "days":
            return ranges(_lines(first))
        case "pairs":
            return _pairs(_lines(first))
        case "hours":
            return {day: spans for day, text in zip(WEEK, texts, strict=False) if (spans := hours(text))}
        case "script":
            return _script(first, variables)
        case _:
            return _printable(first)


def _script(text: str, variables: Collection[str]) -> str:
    lines = [_printable(line.rstrip().replace("\t", " ")) for line in text.splitlines()]
    if script.unknown(text, variables):
        raise ValueError(NO_VARIABLE)
    return "\n".join(lines)


def split(text: str) -> list[str]:
    """Words with blanks, commas or semicolons of either language between them."""
    return [word for word in re.split(r"[\s,，、;；]+", text) if word]


def _printable(text: str) -> str:
    if not printable(text):
        raise ValueError(UNREADABLE)
    return text


def _number(text: str) -> int:
    if not text:
        raise ValueError(NEEDED)
    if not re.fullmatch(r"-?[0-9]{1,12}", text):
        raise ValueError(WHOLE)
    return int(text)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pairs(lines: Iterable[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        key, equals, value = (part.strip() for part in line.replace("＝", "=").partition("="))
        if not (key and equals and value):
            raise ValueError(PAIR)
        found[_printable(key)] = _printable(value)
    return found


# -- hours and days --------------------------------------------------------------------------------------------------


def hours(text: str) -> list[str]:
    """`9:00－12:00，13:30~18:00` as the document has it; what cannot be read stays for LQ-SDK to refuse."""
    plain = re.sub(r"\s*[-–—－~～至到]\s*", "-", text.replace("：", ":").strip())
    return [re.sub(r"\b(\d):", r"0\1:", part) for part in re.split(r"[\s,，、;；]+", plain) if part]


def ranges(lines: Iterable[str]) -> list[str]:
    """Days and ranges of days, whole and in order: days that follow each other are one range."""
    days: set[date] = set()
    unreadable = []
    for line in lines:
        try:
            days |= set(_days(line))
        except ValueError:
            unreadable.append(line)
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return [*unreadable, *(f"{first}" if first == last else f"{first}/{last}" for first, last in found)]


def _days(line: str) -> list[date]:
    first, _, last = line.partition("/")
    begin, end = date.fromisoformat(first.strip()), date.fromisoformat(last.strip() or first.strip())
    if not 0 <= (end - begin).days <= 366:
        raise ValueError(line)
    return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]


@dataclass(frozen=True, slots=True)
class Month:
    number: int
    blank: int  # days of the week before the first
    days: tuple[tuple[str, str, bool], ...]  # date, "" | holiday | workday, whether it is a Saturday or Sunday


def year(number: int, holidays: Sequence[str], workdays: Sequence[str]) -> list[Month]:
    """A year as it is drawn; a worked day wins over a holiday, as in the call core."""
    closed, worked = ({day for line in lines for day in _known_days(line)} for lines in (holidays, workdays))
    months = []
    for month in range(1, 13):
        first = date(number, month, 1)
        last = date(number + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        days = [first + timedelta(days=n) for n in range(last.day)]
        marked = tuple(
            (day.isoformat(), "workday" if day in worked else "holiday" if day in closed else "", day.weekday() > 4)
            for day in days
        )
        months.append(Month(month, first.weekday(), marked))
    return months


def _known_days(line: str) -> list[date]:
    try:
        return _days(line)
    except ValueError:
        return []


# -- two who change the same -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Merged:
    values: Mapping[str, list[str]]
    taken: tuple[str, ...]  # fields that the other one changed and this one did not
    both: tuple[str, ...]  # fields that both changed: what this one wrote stands, the other's is told


def merge(kind: Kind, base: Values, written: Values, present: Values, hidden: Collection[str] = ()) -> Merged:
    """`base`: the form as it was shown; `present`: as it would be shown now. `hidden`: fields whose values he may not
    see; nothing is compared with those, for that would tell whether a guess of his is right."""
    values: dict[str, list[str]] = {}
    taken, both = [], []
    for field in kind.fields:
        was, mine, theirs = (list(each.get(field.name, [])) for each in (base, written, present))
        ours = _plain(field, mine) != _plain(field, was)
        if field.name in hidden:
            if ours:  # it was not hidden before the other one wrote a number there
                both.append(field.name)
            continue
        others = field.kind != "secret" and _plain(field, theirs) != _plain(field, was)
        if others and not ours:
            taken.append(field.name)
        elif others and _plain(field, theirs) != _plain(field, mine):
            both.append(field.name)
        values[field.name] = theirs if others and not ours else mine
    return Merged(values, tuple(taken), tuple(both))


def _plain(field: Field, texts: Sequence[str]) -> Any:
    """What the texts mean, so that two ways to write the same are the same."""
    try:
        return _read(field, texts)
    except ValueError:
        return list(texts)


def same(kind: Kind, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two documents say the same, secrets aside."""
    return all(field.kind == "secret" or shown(field, one) == shown(field, other) for field in kind.fields)


# -- names -----------------------------------------------------------------------------------------------------------


def place(kind: Kind, path: str) -> str:
    """The field whose input a fault of LQ-SDK stands beside (`queues/sales/caller_ids.0` → caller_ids); "": none's."""
    path = path.rpartition("/")[2]
    names = [field.name for field in kind.fields]
    if path == "pin_hash":
        path = "pin"
    if path == "ha1":
        path = "password"
    while path and path not in names:
        path = path.rpartition(".")[0]
    return path


def target(text: str) -> tuple[str, str]:
    """`queue:sales` → what it names: the kind of document and its id; ("", "") for a number or a word of its own."""
    word, colon, id = text.partition(":")
    return (TARGETS[word], id) if colon and word in TARGETS else ("", "")


def matching(rows: Iterable[tuple[str, str]], sought: str) -> list[str]:
    """Ids of those (id, text) in whose text every word stands."""
    words = sought.casefold().split()
    return [id for id, text in rows if all(word in text.casefold() for word in words)]


def tree(parents: Mapping[str, str], order: Mapping[str, tuple[int, str]]) -> list[tuple[str, int]]:
    """Ids with their level (0 first), each below its parent; siblings in their order. Who has no parent that is there
    stands at the top."""
    below: dict[str, list[str]] = {}
    for id, parent in parents.items():
        below.setdefault(parent if parent in parents and parent != id else "", []).append(id)
    found: list[tuple[str, int]] = []
    waiting = [(id, 0) for id in sorted(below.get("", []), key=order.__getitem__, reverse=True)]
    while waiting:
        id, level = waiting.pop()
        found.append((id, level))
        waiting += [(child, level + 1) for child in sorted(below.get(id, []), key=order.__getitem__, reverse=True)]
    return found
