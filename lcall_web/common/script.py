"""What an agent shall say (话术): a queue's text, in which {客户} and its like stand for what a call is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lcall_web.common.i18n import mark

# As it is written, in either language → as it is told
VARIABLES: Final[Mapping[str, str]] = {
    "客户": mark("客户"),
    "企业": mark("企业"),
    "坐席": mark("坐席"),
    "工号": mark("工号"),
    "技能组": mark("技能组"),
    "接入号": mark("接入号"),
}
ENGLISH: Final[Mapping[str, str]] = {
    **{"customer": "客户", "company": "企业", "agent": "坐席", "number": "工号", "queue": "技能组", "line": "接入号"},
}
WRITTEN: Final = re.compile(r"\{([^{}\s]{1,20})\}")


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    variable: str = ""  # which one it stands for; marked
    known: bool = True  # else the text is the variable's name


def pieces(script: str, values: Mapping[str, str]) -> Iterator[Piece]:
    """The text in its order. `values` may hold more than our variables; what is in neither stays as it is written."""
    at = 0
    for found in WRITTEN.finditer(script):
        name = _name(found[1], values)
        if name not in VARIABLES and name not in values:
            continue
        if found.start() > at:
            yield Piece(script[at : found.start()])
        value, told = values.get(name, ""), VARIABLES.get(name, name)
        yield Piece(value or told, told, bool(value))
        at = found.end()
    if script[at:]:
        yield Piece(script[at:])


def _name(written: str, more: Collection[str]) -> str:
    """Of a variable: ours in either language, else as it is written or in small letters."""
    name = ENGLISH.get(written.lower(), written)
    return name if name in VARIABLES or name in more else name.lower()


def unknown(script: str, more: Collection[str] = ()) -> list[str]:
    """What stands in braces and is no variable: neither one of ours nor one of `more`."""
    known = {*VARIABLES, *more}
    return [name for name in WRITTEN.findall(script) if _name(name, more) not in known]
