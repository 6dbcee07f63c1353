"""What shows of a telephone number to somebody who may not see it whole: in the web, and on the command line. Pure."""

from __future__ import annotations

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
