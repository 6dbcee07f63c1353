"""Telephone numbers as people write them, and where one is from. Pure, but for the tables that it reads once.

Sources: ITU-T E.164; the Chinese numbering plan (MIIT, 电信网编号计划); `phone` for mobiles by their first seven digits
(of 2023) and for area codes, which stand in the same table; `phonenumbers` for the carriers of younger mobiles and for
abroad. Its geocoder is not used: it knows no more of China and costs every process 100 MB.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import phone as mobiles  # type: ignore[import-untyped]
import phonenumbers
from babel import Locale
from phonenumbers import carrier

from lcall_web.common.i18n import mark
from lcall_web.common.masking import FIXED, HOME, TOLL_FREE
from lcall_web.common.masking import published as published

MOBILE: Final = re.compile(r"1[3-9]\d{9}")
SHORT: Final = re.compile(r"\d{3,6}|1[0-2]\d{4,6}|9[56]\d{3,6}|106\d{5,15}")
PUNCTUATION: Final = re.compile(r"[\s().\-·—–/]")
COMPLETE: Final = 10  # digits from which a number may have a prefix in front of it

KINDS: Final = {
    "mobile": mark("手机"),
    "fixed": mark("固定电话"),
    "toll_free": mark("全国服务号码"),
    "short": mark("短号"),
    "international": mark("境外号码"),
    "unknown": mark("无法识别的号码"),
    "anonymous": mark("未显示号码"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a number is from. What is not known is empty."""

    kind: str  # of KINDS
    province: str = ""
    city: str = ""
    carrier: str = ""
    country: str = ""  # ISO 3166, of a number abroad

    def place(self, language: str) -> str:
        """Province and city once, or the country in the reader's language."""
        if self.country:
            return str(Locale(language).territories.get(self.country, self.country))
        return self.province if self.province == self.city else f"{self.province} {self.city}".strip()


def digits(written: str) -> str:
    """The digits of a number in any form, a + before them if there was one; "" if it holds anything else."""
    kept = PUNCTUATION.sub("", unicodedata.normalize("NFKC", written).strip().removeprefix("tel:"))
    return kept if re.fullmatch(r"\+?[0-9]+", kept, re.ASCII) else ""


def read(written: str) -> str:
    """E.164, or a short number as it is; "" if it can be neither. The same forms as the call core stores."""
    kept = digits(written)
    for prefix in ("+86", "0086", "86", "0", ""):
        home = kept.removeprefix(prefix)
        if kept.startswith(prefix) and (MOBILE.fullmatch(home) or FIXED.fullmatch(home) or TOLL_FREE.fullmatch(home)):
            return HOME + home
    if kept.startswith(("+", "00")):
        return _abroad(kept.removeprefix("+").removeprefix("00"))
    return kept if SHORT.fullmatch(kept) else ""


def _abroad(rest: str) -> str:
    try:
        found = phonenumbers.parse(f"+{rest}")
    except phonenumbers.NumberParseException:
        return ""
    if found.country_code == 86 or not phonenumbers.is_possible_number(found):
        return ""
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def origin(number: str) -> Origin:
    """Of E.164 or a short number; what cannot be read is told as such, never guessed."""
    if not number:
        return Origin("anonymous")
    stored = read(number)
    home = stored.removeprefix(HOME)
    if not stored:
        return Origin("unknown")
    if stored == home:
        return _foreign(stored) if stored.startswith("+") else Origin("short")
    if MOBILE.fullmatch(home):
        return _mobile(home)
    if TOLL_FREE.fullmatch(home):
        return Origin("toll_free")
    province, city = _areas().get(_area(home), ("", ""))
    return Origin("fixed", province, city)


def _mobile(home: str) -> Origin:
    found: dict[str, Any] | None = _mobiles().find(home)
    if found is None:  # younger than the table
        name = carrier.name_for_number(phonenumbers.parse(HOME + home), "zh")
        return Origin("mobile", carrier=name)
    name = str(found["phone_type"] or "")
    return Origin("mobile", found["province"], found["city"], name if len(name) > 2 or not name else f"中国{name}")


def _foreign(number: str) -> Origin:
    region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    return Origin("international", country=region if region and region.isalpha() else "")


def _area(home: str) -> str:
    return home[:2] if home.startswith(("10", "2")) else home[:3]


@cache
def _mobiles() -> Any:
    return mobiles.Phone()


@cache
def _areas() -> dict[str, tuple[str, str]]:
    """Area code without its 0 → province and city: "province|city|post code|area code", each ended by a zero byte."""
    table = _mobiles()
    rows = table.buf[table.head_fmt_length : table.first_phone_record_offset].decode("utf-8").split("\0")
    found = [row.split("|") for row in rows if row.count("|") == 3]
    return {code.removeprefix("0"): (province, city) for province, city, _, code in reversed(found)}


# -- searching ---------------------------------------------------------------------------------------------------------


def parts(written: str) -> tuple[str, ...]:
    """What E.164 must hold for a number of which this is a part, for LIKE."""
    kept = digits(written).removeprefix("+")
    forms = {kept}
    for prefix in ("0086", "00", "86", "0"):
        if kept.startswith(prefix) and len(kept) - len(prefix) >= COMPLETE:
            forms.add(kept.removeprefix(prefix))
    if kept.startswith("0") and len(kept) > 3:  # 010-8800…: the beginning of a fixed line
        forms.add(f"86{kept[1:]}")
    return tuple(sorted(f"%{form}%" for form in forms))
