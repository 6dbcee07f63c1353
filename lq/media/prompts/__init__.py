"""Which items speak a thing: a prompt by its name, a number, a row of digits, a place in a queue. Pure.

An item is a path below a prompt directory without suffix (docs/contracts.md §6). The shipped items lie beside this
file as raw A-law with their texts in texts.json; what a flow's author wrote as `say:<text>` lies below `tts/`, rendered
by the worker. Numbers are joined from pieces: 0 to 99 each in one, the hundreds and thousands each in one.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from lq.config.documents import text_of

ITEM: Final = re.compile(r"[a-z0-9_]+(/[A-Za-z0-9_-]+)+")  # the name of one
MUSIC: Final = "music/hold"  # the shipped music, where no other is named or heard
LANGUAGES: Final = ("zh", "en")
LARGEST: Final = 99_999_999

_KEYS: Final = {"*": "star", "#": "hash", "+": "plus"}
_BETWEEN_DIGITS: Final = " -.()"  # how people group telephone numbers; not spoken


def prompt(name: str, language: str) -> str:
    """The item of a prompt as flows name it: a shipped or recorded one, or `say:<text>`."""
    text = text_of(name)
    return f"{language}/{name}" if text is None else spoken(text, language)


def spoken(text: str, language: str) -> str:
    """The item that holds a text which is not shipped; the same text has the same item."""
    return f"tts/{language}-{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()}"


def position(n: int, language: str) -> tuple[str, ...]:
    """The place in a queue, 1 being next: how many callers are ahead. Unknown (0): only asked for patience."""
    ahead = n - 1
    if ahead < 0:
        return (prompt("queue_wait", language),)
    if ahead == 0:
        return (prompt("position_next", language),)
    if ahead == 1:
        return (prompt("position_one", language),)
    return (prompt("position_before", language), *count(ahead, language), prompt("position_after", language))


def count(n: int, language: str) -> tuple[str, ...]:
    """How many: in Mandarin 2 before a measure word is 两 (两位), alone it is 二."""
    if n == 2 and language == "zh":
        return ("zh/numbers/liang",)
    return number(n, language)


def number(n: int, language: str) -> tuple[str, ...]:
    """A number as it is read out, 0 to 99,999,999."""
    if not 0 <= n <= LARGEST:
        raise ValueError(f"numbers from 0 to {LARGEST} can be spoken, not {n}")
    read = _mandarin if language == "zh" else _english
    return tuple(f"{language}/numbers/{piece}" for piece in read(n))


def _mandarin(n: int) -> list[str]:
    if n < 10_000:
        return _below_ten_thousand(n)
    ten_thousands, rest = divmod(n, 10_000)
    head = ["liang"] if ten_thousands == 2 else _below_ten_thousand(ten_thousands)
    return [*head, "wan", *_after(rest, 1000)]


def _below_ten_thousand(n: int) -> list[str]:
    if n < 100:
        return [str(n)]
    unit = 1000 if n >= 1000 else 100
    return [str(n - n % unit), *_after(n % unit, unit // 10)]


def _after(rest: int, unit: int) -> list[str]:
    """What follows a bigger unit: a place left out is one 零, and 10 to 19 begin with 一 (一百一十五, 一千零一十五)."""
    if rest == 0:
        return []
    pieces = ["1", str(rest)] if 10 <= rest < 20 else _below_ten_thousand(rest)
    return pieces if rest >= unit else ["0", *pieces]


def _english(n: int) -> list[str]:
    if n < 100:
        return [str(n)]
    for unit, name in ((1_000_000, "million"), (1000, "thousand")):
        if n >= unit:
            return [*_english(n // unit), name, *(_english(n % unit) if n % unit else [])]
    return [str(n - n % 100), *([str(n % 100)] if n % 100 else [])]


def digits(text: str, language: str) -> tuple[str, ...]:
    """A telephone or operator number digit by digit (in Mandarin 1 is 幺); spaces, hyphens and brackets are silent."""
    spoken_characters = [character for character in text if character not in _BETWEEN_DIGITS]
    wrong = [c for c in spoken_characters if c not in _KEYS and not (c.isascii() and c.isdigit())]
    if wrong or not spoken_characters:
        raise ValueError(f"digits, * # and + are expected, not {text!r}")
    return tuple(f"{language}/digits/{_KEYS.get(character, character)}" for character in spoken_characters)
