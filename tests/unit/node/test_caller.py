"""Whose call it is, by what the network says of him."""

from __future__ import annotations

import pytest

from lq.node import caller_of

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
