"""What an agent shall say (话术): a queue's text, in which {客户} and its like stand for what a call is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
    """The text in its order. What is in braces and no variable stays as it is written."""
    at = 0
    for found in WRITTEN.finditer(script):
        name = ENGLISH.get(found[1].lower(), found[1])
        if name not in VARIABLES:
            continue
        if found.start() > at:
            yield Piece(script[at : found.start()])
        value = values.get(name, "")
        yield Piece(value or VARIABLES[name], VARIABLES[name], bool(value))
        at = found.end()
    if script[at:]:
        yield Piece(script[at:])


def unknown(script: str) -> list[str]:
    """What stands in braces and is no variable."""
    return [name for name in WRITTEN.findall(script) if ENGLISH.get(name.lower(), name) not in VARIABLES]
