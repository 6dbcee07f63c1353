"""Whose call it is, by what the network says of him; and whom it is for."""

from __future__ import annotations

import pytest

from lq.config.book import Book
from lq.incoming import caller_of, is_misused, user_of

FROM = '"Li" <sip:01088000000@127.0.1.1>;tag=1'
ASSERTED = "<sip:13800138000@127.0.1.1>"


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ({}, "01088000000"),
        ({"p-asserted-identity": [ASSERTED]}, "13800138000"),
        ({"p-asserted-identity": ["<tel:+8613800138000>"]}, "+8613800138000"),
        ({"p-asserted-identity": [ASSERTED], "privacy": ["none"]}, "13800138000"),
        ({"p-asserted-identity": [ASSERTED], "privacy": ["id"]}, "anonymous"),
        ({"p-asserted-identity": [ASSERTED], "privacy": ["header; ID"]}, "anonymous"),
        ({"privacy": ["user;id;critical"]}, "anonymous"),
    ],
)
def test_caller(headers: dict[str, list[str]], caller: str) -> None:
    assert caller_of(headers, FROM) == caller


@pytest.mark.parametrize(
    ("value", "user"),
    [
        ("sip:110@lcall", "110"),
        ("sip:*12%23@lcall", "*12#"),  # as a phone must write it
        ("sip:%2B8613800138000@lcall", "+8613800138000"),
        ("sip:1%002@lcall", "1%002"),  # nothing that no page and no table can hold
        ("sip:110;phone-context=+86@lcall", "110"),
        ("SIPS:110:secret@lcall:5061;transport=tls", "110"),
        ("sip:110;sip:0013105551234@lcall", "110"),
        ("sip:110;sip:0013105551234:x@lcall", "110"),
        ("sip:110:0013105551234@lcall", "110"),
        ("tel:110;phone-context=+86", "110"),
        ("tel:+8613800138000", "+8613800138000"),
        ("sip:lcall;tel:0013105551234", ""),
        ("sip:lcall:5060", ""),
        ("mailto:sip:8001@lcall", ""),
        ("", ""),
        ("<sip:\udcb1\udcb1@127.0.1.1>", "\ufffd\ufffd"),  # GBK: what goes on from here is text
        ("<sip:01088000000@127.0.1.1>;tag=1", "01088000000"),
        ("sip:01088000000@127.0.1.1;tag=1", "01088000000"),
        ('"sip:8001@lcall" <sip:01088000000@127.0.1.1>', "01088000000"),
        ('"a \\" <sip:8001@lcall> b" <sip:01088000000@127.0.1.1>', "01088000000"),
        ('Li "sip:8001@lcall <x>" Wei <tel:+861088000000;ext=8001>;x="<sip:8001@lcall>"', "+861088000000"),
        ('sip:01088000000@127.0.1.1;x="<sip:8001@lcall>"', "01088000000"),
    ],
)
def test_user(value: str, user: str) -> None:
    """The first URI's, as the edge reads it: no text beside it is a number."""
    assert user_of(value) == user


@pytest.mark.parametrize(
    ("uri", "misused"),
    [
        ("sip:110@lcall", False),
        ("sip:122;phone-context=+86@lcall", False),
        ("sip:110;sip:0013105551234@lcall", False),  # it is 110 here as well
        ("sip:0013105551234@lcall", True),
        ("sip:8002@lcall", True),
        ("sip:@lcall", True),
    ],
)
def test_what_passes_as_an_emergency_is_one(uri: str, misused: bool) -> None:
    marked = {"x-lq-emergency": ["1"]}
    assert is_misused(marked, user_of(uri), Book()) is misused
    assert not is_misused({}, user_of(uri), Book()), "the edge has asked who calls as it always does"


def test_who_is_vouched_for_without_a_number_is_who_he_says() -> None:
    of = {"p-asserted-identity": ["<sip:10.1.1.1>", "<tel:+8613800138000>"]}
    assert caller_of(of, "<sip:021@gw>") == "+8613800138000"
    assert caller_of({"p-asserted-identity": ["<sip:10.1.1.1>"]}, "<sip:02161112222@gw>") == "02161112222"
