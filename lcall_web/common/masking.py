"""Telephone numbers as they are shown: as people know them, and to somebody who may not see them whole. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

HOME: Final = "+86"
FIXED: Final = re.compile(r"(?:10|2\d)[2-8]\d{7}|[3-9]\d\d[2-8]\d{6,7}")  # the Chinese numbering plan (MIIT)
TOLL_FREE: Final = re.compile(r"[48]00\d{7}")

HIDDEN: Final = "****"
SHORT: Final = 6  # digits: 110, 95588, an extension; they are nobody's private number
WHOLE: Final = 10  # digits from which the first three may show as well


def published(number: str) -> str:
    """As people know and dial it: +8613800138000 → 13800138000, +861088001000 → 01088001000."""
    home = number.removeprefix(HOME)
    if home == number:
        return number
    return f"0{home}" if FIXED.fullmatch(home) and not TOLL_FREE.fullmatch(home) else home


def masked(number: str) -> str:
    """`+8613800138000` → `138****8000`; short numbers stay, and what is no number shows nothing of itself."""
    national = number.removeprefix("+86")
    sign, digits = ("+", national[1:]) if national.startswith("+") else ("", national)
    digits = "".join(letter for letter in digits if letter not in "-() ")
    if not number:
        return ""
    if not (digits.isascii() and digits.isdigit()):
        return HIDDEN
    if len(digits) <= SHORT:
        return sign + digits
    head = digits[:3] if len(digits) >= WHOLE else ""
    return f"{sign}{head}{HIDDEN}{digits[-4:]}"


NUMBER: Final = re.compile(r"(?<![\w.-])\+?\d{7,15}(?![\w-])")


def without_numbers(text: str) -> str:
    """A text in which whatever could be a telephone number is masked; ids of contacts and times stay."""
    return NUMBER.sub(lambda found: masked(found[0]), text)


def without_numbers_within(value: Any) -> Any:
    """The same in all texts of a JSON value. What is a number in JSON is none that is dialled: an id, a count."""
    if isinstance(value, str):
        return without_numbers(value)
    if isinstance(value, list):
        return [without_numbers_within(one) for one in value]
    if isinstance(value, dict):
        return {without_numbers(name): without_numbers_within(one) for name, one in value.items()}
    return value
