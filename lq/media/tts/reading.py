"""Texts as they are read out: numbers, telephone numbers, times and keys in words. Pure.

A voice guesses at digits, each in its own way; so none is left to it in Mandarin, and in English only plain numbers.
"""

from __future__ import annotations

import re
from typing import Final

from lq.media.prompts import LARGEST, number

_HAN: Final = "零一二三四五六七八九"
_SPELLED: Final = str.maketrans("0123456789", "零幺二三四五六七八九", " -+")
_FRACTION: Final = str.maketrans("0123456789", _HAN)
_FULL_WIDTH: Final = str.maketrans("０１２３４５６７８９", "0123456789")
_ENGLISH: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_TOKEN: Final = re.compile(
    r"(?<!\d)(?P<hour>[01]?\d|2[0-4])[:：](?P<minute>[0-5]\d)(?!\d)"
    r"|(?<!\d)(?P<year>\d{4})(?=年)"
    r"|(?<=按)(?P<key>\d)(?!\d)"
    r"|(?P<percent>\d+(?:\.\d+)?)[%％]"
    r"|(?P<amount>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+)(?!\d)"
    r"|(?P<row>\+?\d(?:[ -]?\d)*)"
    r"|(?P<sign>[*＊#＃])(?:号?键)?",
    re.ASCII,
)
# What stands right before a number that is spelled out, digit by digit.
_NUMBER_OF: Final = re.compile(
    r"(?:工号|分机|电话|号码|热线|致电|拨打|拨|尾号|验证码|密码|编号|单号)[是为：:]?\s*$|[A-Za-z]-?$"
)
_ACRONYM: Final = re.compile(r"(?<![A-Za-z])[A-Z]{2,5}(?![A-Za-z])")
_MEASURE: Final = "个位名次人天分秒点元块件家条张岁月日号楼层万亿"
_RANGE: Final = re.compile(r"(?<=[点分])\s*[-~～—]+\s*(?=[一二两三四五六七八九十零])")


def read_out(text: str, language: str) -> str:
    """The text with its numbers in words, ready for a voice."""
    text = text.translate(_FULL_WIDTH)
    if language == "en":
        return _TOKEN.sub(_english, text).strip()
    text = _ACRONYM.sub(lambda match: " ".join(match[0]), text)
    return _RANGE.sub("到", _TOKEN.sub(_mandarin, text)).strip()


def han(n: int) -> str:
    """A number in Han characters, as it is spoken."""
    return "".join(_han_piece(item.rpartition("/")[2]) for item in number(n, "zh"))


def _han_piece(piece: str) -> str:
    if not piece.isdigit():
        return {"wan": "万", "liang": "两"}[piece]
    n = int(piece)
    if n >= 100:
        unit, character = (1000, "千") if n >= 1000 else (100, "百")
        return ("两" if n // unit == 2 else _HAN[n // unit]) + character
    tens, ones = divmod(n, 10)
    return (_HAN[tens] if tens > 1 else "") + ("十" if tens else "") + (_HAN[ones] if ones or not tens else "")


def _mandarin(match: re.Match[str]) -> str:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    following = match.string[match.end() : match.end() + 1]
    match kind:
        case "minute":
            return _time(int(match["hour"]), int(value))
        case "year" | "key":
            return value.translate(_FRACTION)
        case "percent":
            return f"百分之{_amount(value)}"
        case "amount":
            return _amount(value)
        case "sign":
            return "星号键" if value in "*＊" else "井号键"
    if _is_spelled(match, value) and not (following and following in _MEASURE and value.isdigit()):
        return value.translate(_SPELLED)
    if value == "2" and following and following in "个位名次天点元块件家条张岁":
        return "两"
    return _amount(value)


def _is_spelled(match: re.Match[str], value: str) -> bool:
    """Grouped, long, with a leading zero, or after a word such as 工号: a number that names something."""
    named = _NUMBER_OF.search(match.string, 0, match.start()) is not None
    return named or not value.isdigit() or len(value) > 4 or (value[0] == "0" and len(value) > 1)


def _amount(value: str) -> str:
    """A number with a fraction if it has one; what is too big for a number is spelled out."""
    whole, _, fraction = value.replace(",", "").partition(".")
    if int(whole) > LARGEST:
        return whole.translate(_SPELLED)
    return han(int(whole)) + (f"点{fraction.translate(_FRACTION)}" if fraction else "")


def _time(hour: int, minute: int) -> str:
    minutes = f"{'零' if minute < 10 else ''}{han(minute)}分" if minute else ""
    return f"{'两' if hour == 2 else han(hour)}点{minutes}"


def _english(match: re.Match[str]) -> str:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    if kind == "sign":
        return "star" if value in "*＊" else "hash"
    if kind == "row" and _is_spelled(match, value):
        after_letter = match.string[: match.start()][-1:].isalpha()
        return " " * after_letter + " ".join(_ENGLISH[int(digit)] for digit in value if digit.isdigit())
    return match[0]
