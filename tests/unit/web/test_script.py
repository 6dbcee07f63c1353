"""A queue's script: what stands in braces is what this call is about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcall_web.common import script
from lcall_web.common.script import Piece
from lcall_web.settings import rules
from lcall_web.settings.kinds import KINDS

HERE = {"客户": "王<b>芳", "坐席": "李娜", "工号": "1001", "技能组": "销售", "企业": "", "接入号": ""}


def test_variables_of_either_language_are_what_the_call_is_about() -> None:
    found = list(script.pieces("您好{客户}，我是{agent}。\n{企业}的{nonsense}{", HERE))
    assert found == [
        *(Piece("您好"), Piece("王<b>芳", "客户"), Piece("，我是"), Piece("李娜", "坐席"), Piece("。\n")),
        *(Piece("企业", "企业", known=False), Piece("的{nonsense}{")),
    ]
    assert list(script.pieces("", HERE)) == []
    assert list(script.pieces("{{客户}}", HERE)) == [Piece("{"), Piece("王<b>芳", "客户"), Piece("}")]


@given(st.text(alphabet="{}客户 a\n"))
def test_nothing_of_a_script_is_lost(text: str) -> None:
    found = list(script.pieces(text, {}))
    assert "".join(f"{{{piece.text}}}" if piece.variable else piece.text for piece in found) == text


def test_every_variable_has_its_english_name_and_a_value() -> None:
    assert set(script.ENGLISH.values()) == set(script.VARIABLES)
    help = KINDS["queues"].field("script").help
    assert all(f"{{{name}}}" in help for name in script.VARIABLES)


@pytest.mark.parametrize(
    ("text", "expected", "fault"),
    [
        ("您好，{客户}。 \r\n\r\n我是{agent}", "您好，{客户}。\n\n我是{agent}", ""),
        ("{ 金额 } 元", "{ 金额 } 元", ""),
        ("应付{金额}", "", rules.NO_VARIABLE),
        ("a\x00b", "", rules.UNREADABLE),
    ],
)
def test_a_script_is_read_as_it_was_written(text: str, expected: str, fault: str) -> None:
    body, faults = rules.read(KINDS["queues"], {"script": [text]}, {})
    assert (body.get("script", ""), faults["script"].text if faults else "") == (expected, fault)
