"""What a form of a customer holds, what a search for customers means, and how two of them become one. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from lcall_web.common.i18n import mark
from lcall_web.common.written import clean as clean
from lcall_web.common.written import key_of as key_of
from lcall_web.customers import numbers

KINDS: Final = {"person": mark("个人"), "company": mark("企业")}
LEVELS: Final = {"normal": mark("普通客户"), "important": mark("重点客户"), "vip": mark("VIP 客户")}
LABELS: Final = {"mobile": mark("手机"), "work": mark("单位"), "home": mark("家庭"), "other": mark("其他")}
NAMES: Final = {  # of the fields, in the order in which they are shown
    "name": mark("名称"),
    "kind": mark("类型"),
    "company": mark("所属企业"),
    "position": mark("职务"),
    "level": mark("等级"),
    "tags": mark("标签"),
    "email": mark("电子邮箱"),
    "address": mark("地址"),
    "remark": mark("备注"),
    "owner": mark("负责坐席"),
}
LONGEST: Final = {
    **{"name": 100, "company": 100, "position": 60, "email": 200, "address": 200, "remark": 2000, "owner": 64},
    **{"tags": 300, "kind": 20, "level": 20},
}
NOTE_LONGEST: Final = 4000
TAGS: Final = 20
TAG_LONGEST: Final = 20
PHONES: Final = 20
WORDS: Final = 6

EMPTY: Final = mark("请填写这一项。")
TOO_LONG: Final = mark("内容太长。")
UNKNOWN: Final = mark("没有这个选项。")
EMAIL: Final = mark("邮箱地址不完整，例如 name@example.com。")
NUMBER: Final = mark("号码无法识别：手机填 11 位，固定电话请带区号，境外号码以 + 开头。")
TWICE: Final = mark("这个号码填了两次。")
TOO_MANY_PHONES: Final = mark("号码太多，最多 20 个。")
TOO_MANY_TAGS: Final = mark("标签最多 20 个，每个不超过 20 字。")
NOBODY: Final = mark("没有这位坐席。")

ROW: Final = re.compile(r"number-(\d{1,9})", re.ASCII)


# -- one customer ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Phone:
    number: str  # E.164 or short
    label: str = "mobile"
    id: int | None = None  # of one that is stored


@dataclass(frozen=True, slots=True)
class Draft:
    """A customer as somebody wants him. `company` is a name; `phones` in their order."""

    kind: str
    name: str
    company: str = ""
    position: str = ""
    level: str = "normal"
    tags: tuple[str, ...] = ()
    email: str = ""
    address: str = ""
    remark: str = ""
    owner: str = ""
    phones: tuple[Phone, ...] = ()
    own: Mapping[str, str] = field(default_factory=dict)  # of the fields that the center has added: see fields.py

    def value(self, name: str) -> str:
        found = getattr(self, name)
        return found if isinstance(found, str) else "，".join(found)


@dataclass(frozen=True, slots=True)
class Row:
    """A line for a number in a form: as it was written."""

    n: str
    number: str
    label: str = "mobile"
    id: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    given: Mapping[str, str]
    rows: tuple[Row, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not self.errors and not any(row.error for row in self.rows)


def read(given: Mapping[str, str], stored: Mapping[int, str], whole: bool, owners: Sequence[str]) -> tuple[Draft, Form]:
    """`stored`: his numbers by their ids; who does not see numbers whole can keep or drop them, not change them."""
    values = {name: clean(given.get(name, ""), lines=name == "remark") for name in NAMES}
    values["kind"] = values["kind"] or "person"
    values["level"] = values["level"] or "normal"
    errors = {name: TOO_LONG for name, value in values.items() if len(value) > LONGEST[name]}
    if not values["name"]:
        errors["name"] = EMPTY
    for name, known in (("kind", KINDS), ("level", LEVELS)):
        if values[name] not in known:
            errors[name] = UNKNOWN
    if values["email"] and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", values["email"]):
        errors.setdefault("email", EMAIL)
    if values["owner"] and values["owner"] not in owners:
        errors["owner"] = NOBODY
    tags = tags_of(values["tags"])
    if len(tags) > TAGS or any(len(tag) > TAG_LONGEST for tag in tags):
        errors["tags"] = TOO_MANY_TAGS
    rows, phones = _phones(given, stored, whole, errors)
    person = values["kind"] == "person"
    plain: dict[str, Any] = {name: values[name] for name in NAMES if name not in ("tags", "company", "position")}
    draft = Draft(
        **plain,
        company=values["company"] if person else "",
        position=values["position"] if person else "",
        tags=tags,
        phones=phones,
    )
    return draft, Form(values, rows, errors)


def tags_of(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for tag in re.split(r"[,，;；、\s]+", text) if tag))


def _phones(
    given: Mapping[str, str], stored: Mapping[int, str], whole: bool, errors: dict[str, str]
) -> tuple[tuple[Row, ...], tuple[Phone, ...]]:
    rows: list[Row] = []
    phones: list[Phone] = []
    seen: set[str] = set()
    for n in [found[1] for name in given if (found := ROW.fullmatch(name))]:
        written, label = clean(given[f"number-{n}"]), given.get(f"label-{n}", "mobile")
        id = _whole_number(given.get(f"phone-{n}", ""))
        known = stored.get(id) if id is not None else None
        if not written and (known is None or whole):
            continue
        number = known if known is not None and not whole else numbers.read(written)
        error = ""
        if label not in LABELS:
            label, error = "other", UNKNOWN
        elif not number:
            error = NUMBER
        elif number in seen:
            error = TWICE
        rows.append(Row(n, written[:64], label, id if known is not None else None, error))
        if number:
            seen.add(number)
            phones.append(Phone(number, label, id if known is not None else None))
    if len(rows) > PHONES:
        errors["phones"] = TOO_MANY_PHONES
        rows = rows[: PHONES + 1]
    return tuple(rows), tuple(phones)


def _whole_number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def changes(before: Draft, after: Draft) -> dict[str, list[str]]:
    """Field → what it was and what it is; of numbers only which, for the audit names no number."""
    found = {name: [before.value(name), after.value(name)] for name in NAMES if before.value(name) != after.value(name)}
    had, has = ({phone.number for phone in one.phones} for one in (before, after))
    if had != has:
        found["phones"] = [f"-{len(had - has)}", f"+{len(has - had)}"]
    return found


def same(one: Draft, other: Draft) -> bool:
    def bare(draft: Draft) -> Draft:
        return replace(draft, phones=tuple(replace(phone, id=None) for phone in draft.phones))

    return bare(one) == bare(other)


# -- two who are one ---------------------------------------------------------------------------------------------------


def merged(keep: Draft, other: Draft, choices: Mapping[str, str]) -> Draft:
    """`keep` with what was chosen of `other` ("other"), what `keep` lacks, and all tags and numbers of both."""
    values: dict[str, Any] = {}
    for name in NAMES:
        if name == "tags":
            values[name] = tuple(dict.fromkeys((*keep.tags, *other.tags)))[:TAGS]
            continue
        mine, his = keep.value(name), other.value(name)
        values[name] = his if (choices.get(name) == "other" and his) or not mine else mine
    if values["kind"] == "company":
        values["company"] = values["position"] = ""
    known = {phone.number for phone in keep.phones}
    phones = (*keep.phones, *(replace(phone, id=None) for phone in other.phones if phone.number not in known))
    return Draft(**values, phones=phones)


def differing(keep: Draft, other: Draft) -> list[str]:
    """The fields in which somebody has to choose: both have something, and not the same."""
    return [
        name
        for name in NAMES
        if name != "tags" and keep.value(name) and other.value(name) and keep.value(name) != other.value(name)
    ]


# -- searching ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Search:
    """None: it does not matter. `digits` may stand in a text as words do, or be (of) a number: `parts` are for LIKE,
    `exact` and `last` for who sees numbers masked."""

    words: tuple[str, ...] | None = None
    digits: tuple[str, ...] | None = None
    parts: tuple[str, ...] | None = None
    exact: tuple[str, ...] | None = None
    last: str | None = None
    kind: str | None = None
    level: str | None = None
    tag: str | None = None
    owner: str | None = None
    own: tuple[str, str] | None = None  # a field that the center has added, and what stands in it
    texts: tuple[str, ...] = ()  # those of these fields that are searched for words
    hidden: bool = False  # one of them is retired, and its words are not to be found
    after: tuple[datetime, int] | None = None  # the last one of the page before


FILTERS: Final = ("q", "kind", "level", "tag", "owner", "own", "cursor")
OWN: Final = re.compile(r"(\d{1,9})=(\w{1,9})", re.ASCII)
SHORTEST: Final = 3  # digits from which they are part of a number
LAST: Final = 4  # digits that show of a masked number
MINE: Final = "me"


def search(given: Mapping[str, str], viewer: str, whole: bool) -> tuple[Search, Form]:
    wishes = {name: clean(given.get(name, "")) for name in FILTERS}
    errors: dict[str, str] = {}
    for name, known in (("kind", KINDS), ("level", LEVELS)):
        if wishes[name] and wishes[name] not in known:
            errors[name] = UNKNOWN
    for name, most in (("q", 100), ("tag", TAG_LONGEST), ("owner", 64)):
        if len(wishes[name]) > most:
            errors[name] = TOO_LONG
    own = OWN.fullmatch(wishes["own"])
    if wishes["own"] and not own:
        errors["own"] = UNKNOWN
    if errors:
        return Search(), Form(wishes, (), errors)
    looked_for = _terms(wishes["q"], whole)
    owner = viewer if wishes["owner"] == MINE else wishes["owner"]
    filters: dict[str, Any] = {name: wishes[name] or None for name in ("kind", "level", "tag")}
    filters["own"] = (own[1], own[2]) if own else None
    return Search(**looked_for, **filters, owner=owner or None, after=behind(wishes["cursor"])), Form(wishes)


def _terms(q: str, whole: bool) -> dict[str, Any]:
    """A number written with spaces is one number; else words, of which one may be a number. What looks like a number
    may as well be a part of a text: the number of a contract, of a house."""
    if _is_number(q):
        return _number(q, whole)
    words = q.split()[:WORDS]
    number = next((word for word in words if _is_number(word)), None)
    rest = tuple(word for word in words if word != number)
    return {**(_number(number, whole) if number else {}), "words": rest or None}


def _is_number(text: str) -> bool:
    return len(numbers.digits(text).removeprefix("+")) >= SHORTEST


def _number(text: str, whole: bool) -> dict[str, Any]:
    """Who sees numbers masked finds them by the complete number or its last four digits, not by what is hidden."""
    digits = tuple(word for word in text.split() if numbers.digits(word))[:WORDS]
    if whole:
        return {"digits": digits, "parts": numbers.parts(text)}
    kept, read = numbers.digits(text), numbers.read(text)
    return {"digits": digits, "exact": (read,) if read else (), "last": kept if len(kept) == LAST else ""}


def cursor(at: datetime, id: int | str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), id]).encode()).decode()


def behind(cursor: str) -> tuple[datetime, int] | None:
    """What is not one of ours begins at the first page."""
    at, id = _read(cursor)
    return (at, id) if at is not None and isinstance(id, int) and abs(id) < 2**62 else None


def behind_call(cursor: str) -> tuple[datetime, str] | None:
    at, id = _read(cursor)
    return (at, id) if at is not None and isinstance(id, str) and id.isprintable() else None


def _read(cursor: str) -> tuple[datetime | None, object]:
    try:
        at, id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        moment = datetime.fromisoformat(at)
    except (ValueError, TypeError, binascii.Error):
        return None, None
    return (moment, id) if moment.tzinfo else (None, None)
