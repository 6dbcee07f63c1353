"""Customers as rows of a sheet: what a file says, and what is written into one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from lcall_web.common import workbook
from lcall_web.common.i18n import mark, translated
from lcall_web.customers import fields, numbers, rules
from lcall_web.customers.fields import Field

ROWS: Final = 20_000
LINES: Final = ROWS + 40  # that are looked at, with the head and what is blank
WIDEST: Final = 256  # columns that are looked at
COLUMNS: Final = {  # in the order of the file that is written
    "name": rules.NAMES["name"],
    "kind": rules.NAMES["kind"],
    "phones": mark("号码"),
    "company": rules.NAMES["company"],
    "position": rules.NAMES["position"],
    "level": rules.NAMES["level"],
    "tags": rules.NAMES["tags"],
    "email": rules.NAMES["email"],
    "address": rules.NAMES["address"],
    "remark": rules.NAMES["remark"],
    "owner": mark("负责坐席工号"),
}
OTHER_NAMES: Final = {
    "姓名": "name",
    "客户名称": "name",
    "电话": "phones",
    "手机": "phones",
    "公司": "company",
    "邮箱": "email",
}
PHONES: Final = (  # of columns with numbers, which a sheet may have several of; a field of the center's goes before
    *(
        "号码",
        "电话",
        "电话号码",
        "手机",
        "手机号",
        "手机号码",
        "移动电话",
        "座机",
        "座机号",
        "座机号码",
        "固话",
        "固定电话",
    ),
    *("联系电话", "联系手机", "联系号码", "联系方式", "办公电话", "单位电话", "公司电话", "家庭电话", "备用电话"),
    *("其他电话", "phone", "phones", "phonenumber", "telephone", "telephonenumber", "tel", "mobile", "mobilenumber"),
    *("mobilephone", "cell", "cellphone", "landline"),
)
UNREAD: Final = 50  # of such columns so many are told
APART: Final = re.compile(r"[;；,，、\n]+")  # numbers in a cell
CHOICES: Final = {"kind": rules.KINDS, "level": rules.LEVELS}

NO_SHEET: Final = mark("这不是 Excel 工作簿（.xlsx），请另存为 .xlsx 后再试。")
NO_NAMES: Final = mark("第一行里没有“名称”一列。请下载模板，按其中的列填写。")
NO_ROWS: Final = mark("表中没有客户。")
TOO_MANY: Final = mark("一次最多导入 20000 行，请分成几个文件。")
BUSY: Final = mark("正在读取别人的文件，请稍后再试。")


class Unreadable(Exception):
    """`args[0]`: a marked text that says why."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """`errors`: column → marked text."""

    n: int  # as Excel counts
    body: Mapping[str, str]
    errors: Mapping[str, str]
    kind: str = "person"


@dataclass(frozen=True, slots=True)
class Sheet:
    rows: Sequence[SheetRow]
    unread: tuple[str, ...]  # columns that nobody here knows


def columns(known: Sequence[Field], language: str) -> dict[str, str]:
    """What each is called: those of every customer, then the fields that the center has added."""
    own = {field.input: field.title(language) for field in fields.active(known)}
    return {name: translated(language, text) for name, text in COLUMNS.items()} | own


def heads() -> frozenset[str]:
    """What fields may not be called, in small letters, for a column would have that name already."""
    texts = (*COLUMNS.values(), *(translated("en", text) for text in COLUMNS.values()), *OTHER_NAMES)
    return frozenset(text.lower() for text in texts)


def parse(data: bytes, owners: Sequence[str], known: Sequence[Field] = ()) -> Sheet:
    """The first sheet, below the row with the names of its columns. Raises Unreadable."""
    rows = _cells(data)
    head = next((n for n, row in enumerate(rows[:20]) if "name" in _head(row, known).values()), None)
    if head is None:
        raise Unreadable(NO_NAMES)
    places = _head(rows[head], known)
    found = []
    for n, row in enumerate(rows[head + 1 :], head + 2):
        body = _body(row, places)
        if any(body.values()):
            draft, errors = read(body, owners, known)
            found.append(SheetRow(n, body, errors, draft.kind))
    if not found:
        raise Unreadable(NO_ROWS)
    if len(found) > ROWS:
        raise Unreadable(TOO_MANY)
    unread = [name for at, cell in enumerate(rows[head]) if at not in places and (name := rules.clean(_text(cell)))]
    return Sheet(found, tuple(name[:60] for name in unread[:UNREAD]))


def _cells(data: bytes) -> list[list[Any]]:
    try:
        found = workbook.rows(data, LINES + 1, WIDEST)
    except workbook.Unreadable as error:
        raise Unreadable(NO_SHEET) from error
    except workbook.TooLarge as error:
        raise Unreadable(TOO_MANY) from error
    except workbook.Busy as error:
        raise Unreadable(BUSY) from error
    if len(found) > LINES:  # customers perhaps, who would be left out without a word
        raise Unreadable(TOO_MANY)
    return found


def _head(row: Sequence[Any], known: Sequence[Field]) -> dict[int, str]:
    """Place → column, by its name in either language. Numbers may stand in several."""
    own = {name.lower(): field.input for field in fields.active(known) for name in (field.name, field.name_en) if name}
    names = own | {text: name for name, text in COLUMNS.items()} | OTHER_NAMES
    names |= {translated("en", text).lower(): name for name, text in COLUMNS.items()}
    found: dict[int, str] = {}
    for at, cell in enumerate(row):
        name = _column(str(cell), names)
        if name and (name == "phones" or name not in found.values()):
            found[at] = name
    return found


def _column(cell: str, names: Mapping[str, str]) -> str:
    """手机2 and 电话（必填） are numbers, too."""
    written = cell.strip().strip("*＊ ")
    bare = re.sub(r"[（(【\[].*|[\s:：*＊]|\d+$", "", written.lower())
    return names.get(written.lower()) or names.get(written) or ("phones" if bare in PHONES else "")


def _body(row: Sequence[Any], places: Mapping[int, str]) -> dict[str, str]:
    """A row by its columns; the numbers of all that have some, each once."""
    cells = [(name, _text(row[at])) for at, name in places.items() if at < len(row)]
    several = [text for name, text in cells if name == "phones" and text]
    body = dict(cells)
    if len(several) > 1:
        once: dict[str, str] = {}
        for part in (part.strip() for text in several for part in APART.split(text)):
            once.setdefault(numbers.read(part) or part, part)
        body["phones"] = "; ".join(part for part in once.values() if part)
    elif several:
        body["phones"] = several[0]
    return body


def _text(cell: Any) -> str:
    """A number that Excel took for a quantity is a number again."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell).strip()[:5000]


def read(
    body: Mapping[str, str], owners: Sequence[str], known: Sequence[Field] = ()
) -> tuple[rules.Draft, dict[str, str]]:
    """A row as a customer, and what is wrong with it."""
    given = {name: text for name, text in body.items() if name != "phones"}
    for name, choices in CHOICES.items():
        words = {text: value for value, text in choices.items()}
        words |= {translated("en", text): value for value, text in choices.items()}
        given[name] = words.get(given.get(name, ""), given.get(name, ""))
    for n, written in enumerate(part for part in APART.split(body.get("phones", "")) if part.strip()):
        given |= {f"number-{n}": written, f"label-{n}": "mobile" if n == 0 else "other"}
    draft, form = rules.read(given, {}, True, owners)
    draft, form = fields.read(known, draft, form, fields.written(known, body), {})
    errors = dict(form.errors)
    if wrong := next((row.error for row in form.rows if row.error), ""):
        errors["phones"] = wrong
    return draft, errors


# -- writing -----------------------------------------------------------------------------------------------------------


def titles(language: str, known: Sequence[Field] = ()) -> list[str]:
    return [*columns(known, language).values()]


def cells(values: Mapping[str, str], language: str, known: Sequence[Field] = ()) -> list[str]:
    """A customer as a row; `parse` reads it again."""

    def cell(name: str) -> str:
        text = values.get(name, "")
        return translated(language, CHOICES[name].get(text, text)) if name in CHOICES else text

    return [cell(name) for name in (*COLUMNS, *(field.input for field in fields.active(known)))]
