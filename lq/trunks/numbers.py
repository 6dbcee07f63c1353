"""Telephone numbers as Chinese trunks deliver them, read once at the edge and then known in three forms (pain P30).

`raw` is what arrived, `e164` is what is stored and compared (+86…; a short number such as 95588 or 110 has no E.164
form and stands for itself), `published` is what people know and dial back. Sources: ITU-T E.164; the numbering plan
(MIIT, 电信网编号计划): area codes 10 and 2x with eight-digit subscribers, [3-9]xx with seven or eight; mobiles 1[3-9]
with eleven digits; 400 and 800 with ten; short numbers 1xx…, 95xxx, 96xxx.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from lq.config.documents import NumberRule

Kind = Literal["mobile", "fixed", "toll_free", "short", "international", "extension", "anonymous", "unknown"]

ANONYMOUS: Final = frozenset({"", "anonymous", "unknown", "unavailable", "restricted", "private", "withheld"})
# Codes that callers put before the number to choose a long-distance carrier; they are no part of it.
IP_PREFIXES: Final = ("17901", "17909", "17911", "17950", "17951", "17969", "17910", "12593", "11808")
EMERGENCY: Final = frozenset({"110", "119", "120", "122"})

_MOBILE = re.compile(r"1[3-9]\d{9}")
_BIG_CITY = re.compile(r"(10|2\d)([2-8]\d{7})")
_CITY = re.compile(r"([3-9]\d\d)([2-8]\d{6,7})")
_TOLL_FREE = re.compile(r"[48]00\d{7}")
_SHORT = re.compile(r"1\d{2}|1[0-2]\d{2,3}|1[0-2]\d{4,6}|9[56]\d{3,6}|106\d{5,15}")


@dataclass(frozen=True, slots=True)
class Number:
    raw: str
    e164: str  # "" when nobody can be reached by it (anonymous, unreadable)
    published: str
    kind: Kind

    @property
    def anonymous(self) -> bool:
        return self.kind == "anonymous"


def caller(raw: str, rule: NumberRule) -> Number:
    """The calling party's number as this trunk delivers it; what cannot be read keeps its raw form. Never fails."""
    digits = _digits(raw)
    if digits is None:
        return Number(raw, "", "", "anonymous")
    if rule.strip and digits.startswith(rule.strip) and _national(digits.removeprefix(rule.strip), rule):
        digits = digits.removeprefix(rule.strip)
    return _read(raw, digits, rule)


def called(raw: str, rule: NumberRule) -> Number:
    """The called party's number: an access number in any of the forms that the trunk's rule allows.

    `rule.landing` maps each landing number (as the carrier knows it) to the published number. A trunk that delivers
    only the last n digits is matched by those; where two landing numbers share them it stays unread, never guessed.
    """
    digits = _digits(raw) or ""
    whole = _read(raw, digits, rule)
    by_form = {form: target for landing, target in rule.landing.items() for form in _forms(landing, rule)}
    for form in (digits, whole.e164):
        if form in by_form:
            return _published(raw, by_form[form], rule)
    if rule.called_digits and len(digits) == rule.called_digits:
        ends = {target for landing, target in rule.landing.items() if landing.endswith(digits)}
        if len(ends) == 1:
            return _published(raw, ends.pop(), rule)
        return Number(raw, "", digits, "unknown")
    return whole


def dialled(raw: str, rule: NumberRule, prefix: str = "") -> Number:
    """A number that a phone or a user dials: extension digits stay what they are, everything else is read as usual.

    `prefix` may stand before it to get outside. A number that can be read whole is read whole: 95588 is a bank.
    """
    digits = _digits(raw) or ""
    if re.fullmatch(r"[2-8]\d{3}", digits):
        return Number(raw, digits, digits, "extension")
    whole = _read(raw, digits, rule)
    if whole.kind == "unknown" and prefix and digits.startswith(prefix):
        rest = _read(raw, digits.removeprefix(prefix), rule)
        return whole if rest.kind == "unknown" else rest
    return whole


def outward(number: Number, rule: NumberRule) -> str:
    """The digits that a trunk of this home area wants for a call to this number."""
    home = f"+{rule.country_code}{rule.area_code}"
    if number.kind == "fixed" and rule.area_code and number.e164.startswith(home):
        return number.e164.removeprefix(home)
    if number.kind == "international":
        return "00" + number.e164.removeprefix("+")
    return number.published


def _published(raw: str, target: str, rule: NumberRule) -> Number:
    read = _read(raw, target, rule)
    return Number(raw, read.e164, target, read.kind)


def _forms(landing: str, rule: NumberRule) -> set[str]:
    read = _read(landing, landing, rule)
    return {landing, read.e164, landing.removeprefix("0")}


def _digits(raw: str) -> str | None:
    """Digits with an optional leading +; None for a caller who shows no number."""
    text = raw.strip()
    text = text.removeprefix("tel:").split(";", 1)[0].split("@", 1)[0]
    if text.lower() in ANONYMOUS:
        return None
    kept = re.sub(r"[\s().\-]", "", text)
    return kept if re.fullmatch(r"\+?[0-9*#]+", kept) else ""


def _read(raw: str, digits: str, rule: NumberRule) -> Number:
    found = (
        _international(digits, rule)
        or _national(digits, rule)
        or _carrier_prefixed(digits, rule)
        or _local(digits, rule)
    )
    if found is None:
        return Number(raw, "", digits.removeprefix("+") or raw.strip(), "unknown")
    e164, published, kind = found
    return Number(raw, e164, published, kind)


_Found = tuple[str, str, Kind]


def _international(digits: str, rule: NumberRule) -> _Found | None:
    """+86…, 0086…, 86… are national; any other + or 00 is abroad (E.164: at most 15 digits)."""
    for prefix in (f"+{rule.country_code}", f"00{rule.country_code}", rule.country_code):
        if digits.startswith(prefix) and (home := _national(digits.removeprefix(prefix), rule)):
            # A bare 86 may also begin a subscriber's own number; the national reading of the whole comes first then.
            if prefix == rule.country_code and _local(digits, rule):
                return None
            return home
    abroad = re.fullmatch(r"(?:\+|00)([1-9]\d{6,14})", digits)
    if abroad and not abroad[1].startswith(rule.country_code):
        return f"+{abroad[1]}", f"+{abroad[1]}", "international"
    return None


def _national(digits: str, rule: NumberRule) -> _Found | None:
    code = rule.country_code
    trunk, number = digits.startswith("0"), digits.removeprefix("0")
    if _MOBILE.fullmatch(number):
        return f"+{code}{number}", number, "mobile"
    if _TOLL_FREE.fullmatch(number):
        return f"+{code}{number}", number, "toll_free"
    if _BIG_CITY.fullmatch(number) or _CITY.fullmatch(number):
        return f"+{code}{number}", f"0{number}", "fixed"
    if not trunk and _SHORT.fullmatch(number):
        return number, number, "short"
    area_short = re.fullmatch(r"(10|2\d|[3-9]\d\d)(9[56]\d{3}|1[12]\d{3})", number)  # 01096102: a city's short number
    if trunk and area_short:
        return digits, digits, "short"
    return None


def _carrier_prefixed(digits: str, rule: NumberRule) -> _Found | None:
    for prefix in IP_PREFIXES:
        if digits.startswith(prefix) and (found := _national(digits.removeprefix(prefix), rule)):
            return found
    return None


def _local(digits: str, rule: NumberRule) -> _Found | None:
    """Seven or eight digits without an area code belong to the trunk's home area."""
    if rule.area_code and re.fullmatch(r"[2-8]\d{6,7}", digits):
        number = rule.area_code + digits
        if _BIG_CITY.fullmatch(number) or _CITY.fullmatch(number):
            return f"+{rule.country_code}{number}", f"0{number}", "fixed"
    return None
