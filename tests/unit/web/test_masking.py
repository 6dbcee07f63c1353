from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcall_web.calls.detail import Happening, _without_number, _without_numbers
from lcall_web.common.masking import HIDDEN, masked, without_numbers_within


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("13800138000", "138****8000"),
        ("+8613800138000", "138****8000"),
        ("01088001000", "010****1000"),
        ("0755-8800 1000", "075****1000"),
        ("88001000", "****1000"),
        ("+14155550100", "+141****0100"),
        ("95588", "95588"),
        ("110", "110"),
        ("8001", "8001"),
        ("", ""),
        ("anonymous", "****"),
        ("sip:13800138000@example.com", "****"),
        ("<script>13800138000</script>", "****"),
        ("١٣٨٠٠١٣٨٠٠٠", "****"),
    ],
)
def test_what_shows_of_a_number(number: str, shown: str) -> None:
    assert masked(number) == shown


@given(st.from_regex(r"\A\+?[0-9]{7,20}\Z"))
def test_at_least_three_digits_of_a_long_number_are_hidden(number: str) -> None:
    shown = masked(number)
    digits = number.lstrip("+").removeprefix("86") if number.startswith("+86") else number.lstrip("+")
    if len(digits) > 6:
        assert HIDDEN in shown
        assert len(digits) - len(shown.lstrip("+").replace(HIDDEN, "")) >= 3


@given(st.text())
def test_any_text_is_masked_and_masking_twice_tells_no_more(number: str) -> None:
    assert len(masked(masked(number))) <= max(len(masked(number)), len(HIDDEN))


@pytest.mark.parametrize(
    ("address", "party", "shown"),
    [
        ("13800138000", "customer", "138****8000"),
        ("13800138000", "agent", "138****8000"),  # a phone sends its calls there
        ("+8613800138000", "", "138****8000"),
        ("8002", "agent", "8002"),
        ("queue:sales", "", "queue:sales"),
        ("front-desk", "agent", "front-desk"),
        ("anonymous", "customer", HIDDEN),
    ],
)
def test_whose_address_is_a_number_outside(address: str, party: str, shown: str) -> None:
    assert _without_number(address, party) == shown


def test_the_mobile_that_rang_for_an_agent_is_his_own() -> None:
    for phone, shown in (("+8613800138000", "138****8000"), ("8001", "8001")):
        event = Happening("contact_offered", datetime(2026, 11, 28, tzinfo=UTC), {"agent": "1001", "phone": phone})
        assert dict(_without_numbers(event)) == {"agent": "1001", "phone": shown}


def test_within_a_value_its_texts_are_masked_and_nothing_else() -> None:
    value = {
        "n": 13712345678,
        "all": ["+8613712345678", None, 1.5, True],
        "deep": {"13712345678": "打 01088001000 找他"},
    }
    assert without_numbers_within(value) == {
        "n": 13712345678,
        "all": ["137****5678", None, 1.5, True],
        "deep": {"137****5678": "打 010****1000 找他"},
    }
