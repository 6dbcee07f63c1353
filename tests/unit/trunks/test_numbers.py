"""Numbers in the forms that real trunks in China deliver them."""

from __future__ import annotations

import pytest

from lq.config.documents import NumberRule
from lq.trunks.numbers import called, caller, dialled

LANDING = {f"0108800{n}": f"400800{n}" for n in ("1000", "1001", "1002", "1009")}
BEIJING = NumberRule(area_code="10", landing=LANDING)
BAOTOU = NumberRule(area_code="472")  # seven-digit subscribers
SHENZHEN = NumberRule(area_code="755")  # three-digit area, eight-digit subscribers
NINE = NumberRule(area_code="10", strip="9")
LAST4 = NumberRule(area_code="10", called_digits=4, caller_digits=8, landing=LANDING)
LAST7 = NumberRule(area_code="10", called_digits=7, landing=LANDING)

CALLERS = [
    # rule, as received, E.164, published, kind
    (BEIJING, "13800138000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "013800138000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "8613800138000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "+8613800138000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "008613800138000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "+86 138-0013-8000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "tel:+8613800138000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "tel:+8613800138000;cpc=ordinary", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "17812345678", "+8617812345678", "17812345678", "mobile"),
    (BEIJING, "19912345678", "+8619912345678", "19912345678", "mobile"),
    (BEIJING, "1795113800138000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "1790913800138000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "12593013800138000", "+8613800138000", "13800138000", "mobile"),
    (BEIJING, "01088001000", "+861088001000", "01088001000", "fixed"),
    (BEIJING, "1088001000", "+861088001000", "01088001000", "fixed"),
    (BEIJING, "88001000", "+861088001000", "01088001000", "fixed"),
    (BEIJING, "861088001000", "+861088001000", "01088001000", "fixed"),
    (BEIJING, "86010 88001000", "+861088001000", "01088001000", "fixed"),
    (BEIJING, "+861088001000", "+861088001000", "01088001000", "fixed"),
    (BEIJING, "00861088001000", "+861088001000", "01088001000", "fixed"),
    (BEIJING, "(010) 8800-1000", "+861088001000", "01088001000", "fixed"),
    (BEIJING, "86123456", "+861086123456", "01086123456", "fixed"),  # a subscriber that begins with 86
    (BEIJING, "1790902188001000", "+862188001000", "02188001000", "fixed"),
    (BEIJING, "02188001000", "+862188001000", "02188001000", "fixed"),
    (BEIJING, "2188001000", "+862188001000", "02188001000", "fixed"),
    (BEIJING, "075588001000", "+8675588001000", "075588001000", "fixed"),
    (BEIJING, "75588001000", "+8675588001000", "075588001000", "fixed"),
    (BEIJING, "04722112345", "+864722112345", "04722112345", "fixed"),
    (BEIJING, "4722112345", "+864722112345", "04722112345", "fixed"),
    (BAOTOU, "2112345", "+864722112345", "04722112345", "fixed"),
    (SHENZHEN, "26880000", "+8675526880000", "075526880000", "fixed"),
    (SHENZHEN, "88001000", "+8675588001000", "075588001000", "fixed"),
    (NINE, "913800138000", "+8613800138000", "13800138000", "mobile"),
    (NINE, "9013800138000", "+8613800138000", "13800138000", "mobile"),
    (NINE, "95588", "95588", "95588", "short"),  # a short number that only looks like 9 + something
    (BEIJING, "4008001000", "+864008001000", "4008001000", "toll_free"),
    (BEIJING, "8008101234", "+868008101234", "8008101234", "toll_free"),
    (BEIJING, "+864008001000", "+864008001000", "4008001000", "toll_free"),
    (BEIJING, "95588", "95588", "95588", "short"),
    (BEIJING, "95013888", "95013888", "95013888", "short"),
    (BEIJING, "96102", "96102", "96102", "short"),
    (BEIJING, "01096102", "01096102", "01096102", "short"),
    (BEIJING, "10086", "10086", "10086", "short"),
    (BEIJING, "12345", "12345", "12345", "short"),
    (BEIJING, "12306", "12306", "12306", "short"),
    (BEIJING, "110", "110", "110", "short"),
    (BEIJING, "119", "119", "119", "short"),
    (BEIJING, "106575000", "106575000", "106575000", "short"),
    (BEIJING, "0012125551234", "+12125551234", "+12125551234", "international"),
    (BEIJING, "+12125551234", "+12125551234", "+12125551234", "international"),
    (BEIJING, "0085223456789", "+85223456789", "+85223456789", "international"),
    (BEIJING, "+85223456789", "+85223456789", "+85223456789", "international"),
    (BEIJING, "00442071838750", "+442071838750", "+442071838750", "international"),
    (BEIJING, "", "", "", "anonymous"),
    (BEIJING, "anonymous", "", "", "anonymous"),
    (BEIJING, "Restricted", "", "", "anonymous"),
    (BEIJING, "unknown", "", "", "anonymous"),
    (BEIJING, "0", "", "0", "unknown"),
    (BEIJING, "0000000", "", "0000000", "unknown"),
    (BEIJING, "99999999999999999999", "", "99999999999999999999", "unknown"),
    (BEIJING, "'; <script>", "", "'; <script>", "unknown"),
]

CALLED = [
    (BEIJING, "01088001000", "4008001000"),
    (BEIJING, "1088001000", "4008001000"),
    (BEIJING, "88001000", "4008001000"),
    (BEIJING, "861088001000", "4008001000"),
    (BEIJING, "+861088001000", "4008001000"),
    (BEIJING, "008601088001000", "4008001000"),
    (BEIJING, "4008001001", "4008001001"),
    (BEIJING, "+864008001001", "4008001001"),
    (BEIJING, "864008001009", "4008001009"),
    (LAST4, "1002", "4008001002"),
    (LAST4, "1009", "4008001009"),
    (LAST7, "8001001", "4008001001"),
    (BEIJING, "95588", "95588"),
]


@pytest.mark.parametrize(("rule", "raw", "e164", "published", "kind"), CALLERS)
def test_caller(rule: NumberRule, raw: str, e164: str, published: str, kind: str) -> None:
    number = caller(raw, rule)
    assert (number.raw, number.e164, number.published, number.kind) == (raw, e164, published, kind)


@pytest.mark.parametrize(("rule", "raw", "published"), CALLED)
def test_called(rule: NumberRule, raw: str, published: str) -> None:
    number = called(raw, rule)
    assert (number.raw, number.published) == (raw, published)


def test_the_table_is_as_long_as_promised() -> None:
    assert len({(rule.area_code, rule.strip, raw) for rule, raw, *_ in CALLERS}) >= 60


def test_two_landing_numbers_with_the_same_last_digits_are_never_guessed() -> None:
    rule = NumberRule(
        area_code="10", called_digits=4, landing={"01088001000": "4008001000", "01066001000": "4006001000"}
    )
    assert called("1000", rule).e164 == ""


def test_last_digits_that_no_landing_number_has() -> None:
    assert called("1234", LAST4).kind == "unknown"


def test_every_e164_is_valid_for_the_reference_library() -> None:
    import phonenumbers

    for _, raw, e164, _, kind in CALLERS:
        if kind in ("mobile", "fixed", "toll_free", "international"):
            assert phonenumbers.is_possible_number(phonenumbers.parse(e164)), raw


@pytest.mark.parametrize(
    ("raw", "kind"), [("8001", "extension"), ("1001", "short"), ("110", "short"), ("13800138000", "mobile")]
)
def test_dialled(raw: str, kind: str) -> None:
    assert dialled(raw, BEIJING).kind == kind
