"""Telephone numbers as they are shown to somebody who may not see them whole. Pure."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "****"
SHORT: Final = 6  # digits: 110, 95588, an extension; they are nobody's private number
WHOLE: Final = 10  # digits from which the first three may show as well


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
