"""Telephone numbers as they are shown: as people know them, and to somebody who may not see them whole. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from lq.sdk.masking import HIDDEN as HIDDEN
from lq.sdk.masking import masked as masked

HOME: Final = "+86"
FIXED: Final = re.compile(r"(?:10|2\d)[2-8]\d{7}|[3-9]\d\d[2-8]\d{6,7}")  # the Chinese numbering plan (MIIT)
TOLL_FREE: Final = re.compile(r"[48]00\d{7}")


def published(number: str) -> str:
    """As people know and dial it: +8613800138000 → 13800138000, +861088001000 → 01088001000."""
    home = number.removeprefix(HOME)
    if home == number:
        return number
    return f"0{home}" if FIXED.fullmatch(home) and not TOLL_FREE.fullmatch(home) else home


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
