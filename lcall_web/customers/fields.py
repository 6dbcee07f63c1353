"""Fields that the center adds to its customers (自定义字段): what is written in them, and how it is shown. Pure.

What is stored of a customer stands under the field's id, all as texts: a number as 12.50, a date as 2026-11-28, yes or
no, of a choice its id. Names may change, fields and choices may be retired: what is stored stays what it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from lcall_web.common.i18n import mark, translated
from lcall_web.common.written import day
from lcall_web.customers import rules
from lcall_web.customers.rules import EMPTY, TOO_LONG, UNKNOWN, Draft, Form, Search

KINDS: Final = {
    "text": mark("文本"),
    "lines": mark("多行文本"),
    "number": mark("数字"),
    "date": mark("日期"),
    "flag": mark("是/否"),
    "choice": mark("单选"),
}
YES, NO = "yes", "no"
FLAGS: Final = {YES: mark("是"), NO: mark("否")}
FLAG_WORDS: Final = {  # of sheets
    **dict.fromkeys(("是", "yes", "y", "true", "1", "√"), YES),
    **dict.fromkeys(("否", "no", "n", "false", "0", "×"), NO),
}
LONGEST: Final = {"text": 100, "lines": 2000, "number": 40, "date": 40, "flag": 10, "choice": 60}
NUMBER: Final = re.compile(r"[+-]?(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,6})?", re.ASCII)
YEARS: Final = range(1800, 3000)
SHOWN: Final = "fields"  # of a form: the ids of the fields that it had; what is left empty in it is not sent

NO_NUMBER: Final = mark("请填写数字，例如 1280.5。")
NO_DAY: Final = mark("请填写日期，例如 2026-11-28。")
RETIRED: Final = mark("%(name)s（已停用）")


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    name: str
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    id: int
    kind: str
    name: str
    name_en: str = ""
    whose: str = "both"  # or of persons, companies alone
    required: bool = False
    listed: bool = False
    choices: tuple[Choice, ...] = ()
    retired: bool = False
    version: int = 1

    @property
    def key(self) -> str:
        """Under which it is stored."""
        return str(self.id)

    @property
    def input(self) -> str:
        """Its name in forms and sheets."""
        return f"own-{self.id}"

    def holds(self, kind: str) -> bool:
        return self.whose in ("both", kind)

    def title(self, language: str) -> str:
        return (self.name_en if language == "en" else "") or self.name

    def options(self, language: str) -> dict[str, str]:
        """All that may stand in it, of one that offers what may; retired choices too, for some still have them."""
        if self.kind == "flag":
            return {value: translated(language, text) for value, text in FLAGS.items()}
        return {
            choice.id: translated(language, RETIRED, name=choice.name) if choice.retired else choice.name
            for choice in self.choices
        }

    def offered(self, value: str, language: str) -> dict[str, str]:
        """What a form has to choose from, where `value` stands: a retired choice to who has it already."""
        gone = {choice.id for choice in self.choices if choice.retired and choice.id != value}
        return {each: text for each, text in self.options(language).items() if each not in gone}

    def shown(self, value: str, language: str) -> str:
        return self.options(language).get(value, value) if self.kind in ("flag", "choice") else value

    def read(self, text: str, had: str) -> str:
        """As it is stored; raises ValueError with a marked text. `had`: what stands there, a retired choice perhaps."""
        if len(text) > LONGEST[self.kind]:
            raise ValueError(TOO_LONG)
        match self.kind:
            case "number":
                return _number(text)
            case "date":
                return _day(text)
            case "flag" if text not in FLAGS:
                raise ValueError(UNKNOWN)
            case "choice" if text != had and text not in {each.id for each in self.choices if not each.retired}:
                raise ValueError(UNKNOWN)
        return text

    def written(self, cell: str) -> str:
        """A cell of a sheet, where choices stand with their names, as a form has it."""
        if not cell or self.kind not in ("flag", "choice"):
            return cell
        if self.kind == "flag":
            return FLAG_WORDS.get(cell.lower(), cell)
        named = {each.name.lower(): each.id for each in self.choices if not each.retired}
        return named.get(cell.lower(), f"?{cell}")  # never by an id: nobody who fills a sheet knows them


def _number(text: str) -> str:
    kept = re.sub(r"\s", "", unicodedata.normalize("NFKC", text))
    if not NUMBER.fullmatch(kept):
        raise ValueError(NO_NUMBER)
    return f"{Decimal(kept.replace(',', '')):f}"


def _day(text: str) -> str:
    try:
        found = day(text.removesuffix("T00:00:00"))  # a cell that is a date with its time
    except ValueError as error:
        raise ValueError(NO_DAY) from error
    if found.year not in YEARS:
        raise ValueError(NO_DAY)
    return found.isoformat()


def active(known: Iterable[Field]) -> list[Field]:
    return [field for field in known if not field.retired]


def offering(known: Iterable[Field]) -> list[Field]:
    """Those by which a list can be narrowed."""
    return [field for field in active(known) if field.kind in ("flag", "choice")]


# -- one customer ------------------------------------------------------------------------------------------------------


def read(
    known: Sequence[Field], draft: Draft, form: Form, given: Mapping[str, str], had: Mapping[str, str]
) -> tuple[Draft, Form]:
    """Completes what `rules.read` has found. What was stored (`had`) stays where the form had no such field."""
    asked = set(given.get(SHOWN, "").split())
    own = {**had}
    texts: dict[str, str] = {}
    errors: dict[str, str] = {}
    for field in known:
        if not field.holds(draft.kind):
            own.pop(field.key, None)  # as the company of one who is no person any more
        if field.retired:
            continue
        stored = had.get(field.key, "")
        sent = field.key in asked or field.input in given
        texts[field.input] = text = (
            rules.clean(given.get(field.input, ""), lines=field.kind == "lines") if sent else stored
        )
        if not field.holds(draft.kind):
            continue
        value, error = _value(field, text, stored)
        own.pop(field.key, None)
        if value:
            own[field.key] = value
        if error:
            errors[field.input] = error
    return replace(draft, own=own), replace(form, given={**form.given, **texts}, errors={**form.errors, **errors})


def _value(field: Field, text: str, had: str) -> tuple[str, str]:
    """As it is stored, and what is wrong with it."""
    if not text:
        return "", EMPTY if field.required else ""
    try:
        return field.read(text, had), ""
    except ValueError as error:
        return "", str(error)


def written(known: Sequence[Field], body: Mapping[str, str]) -> dict[str, str]:
    """A row of a sheet as a form has it."""
    found = {field.input: field for field in active(known)}
    return {name: found[name].written(text) for name, text in body.items() if name in found}


def of_form(draft: Draft) -> dict[str, str]:
    return {f"own-{key}": value for key, value in draft.own.items()}


def cells(known: Iterable[Field], own: Mapping[str, str], language: str) -> dict[str, str]:
    """As a row of a sheet has it: retired choices by their bare names, which is what they were given as."""
    found = {}
    for field in active(known):
        value = own.get(field.key, "")
        named = next((each.name for each in field.choices if each.id == value), "")
        found[field.input] = named or field.shown(value, language)
    return found


def variables(known: Iterable[Field], own: Mapping[str, str], language: str) -> dict[str, str]:
    """What a script's {name of a field} stands for."""
    found: dict[str, str] = {}
    for field in active(known):
        value = field.shown(own.get(field.key, ""), language)
        found |= {name: value for name in (field.name_en.lower(), field.name) if name}
    return found


def changes(known: Iterable[Field], before: Draft, after: Draft) -> dict[str, list[str]]:
    """For the audit: by id and name, what it was and what it is."""
    return {
        f"{field.input} {field.name}": [field.shown(one.own.get(field.key, ""), "zh") for one in (before, after)]
        for field in known
        if before.own.get(field.key) != after.own.get(field.key)
    }


def theirs(known: Iterable[Field], now: Draft, mine: Draft, language: str) -> dict[str, str]:
    """Input → what somebody else has stored meanwhile, where it is not what is written here."""
    return {
        field.input: field.shown(now.own.get(field.key, ""), language)
        for field in active(known)
        if now.own.get(field.key) != mine.own.get(field.key)
    }


# -- two who are one ---------------------------------------------------------------------------------------------------


def merged(known: Iterable[Field], keep: Draft, other: Draft, choices: Mapping[str, str]) -> Draft:
    """`rules.merged`, and of these fields by the same rule: what was chosen of `other`, and what `keep` lacks."""
    draft = rules.merged(keep, other, choices)
    own = {**other.own, **keep.own}
    for field in known:
        if choices.get(field.input) == "other" and field.key in other.own:
            own[field.key] = other.own[field.key]
        if not field.holds(draft.kind):
            own.pop(field.key, None)
    return replace(draft, own=own)


def differing(known: Iterable[Field], keep: Draft, other: Draft) -> list[str]:
    """As `rules.differing`, with these fields by their inputs."""
    own = [
        field.input
        for field in active(known)
        if field.key in keep.own and field.key in other.own and keep.own[field.key] != other.own[field.key]
    ]
    return [*rules.differing(keep, other), *own]


# -- searching ---------------------------------------------------------------------------------------------------------


def search(known: Sequence[Field], given: Mapping[str, str], viewer: str, whole: bool) -> tuple[Search, Form]:
    """`rules.search` that knows which of these fields are searched, and whether one is that nobody sees."""
    wanted, form = rules.search(given, viewer, whole)
    lines = [field for field in known if field.kind == "text"]
    texts = tuple(field.key for field in lines if not field.retired)
    return replace(wanted, texts=texts, hidden=len(texts) < len(lines)), form


def told(known: Iterable[Field], wish: str, language: str) -> str:
    """`12=3`, a filter, as people read it."""
    key, _, value = wish.partition("=")
    found = next((field for field in known if field.key == key), None)
    return f"{found.title(language)} = {found.shown(value, language)}" if found else wish
