"""Texts that a flow says: what may be published, and what a voice gets to read."""

from __future__ import annotations

import pytest

from lq.config.book import Book
from lq.config.documents import AccessNumber, Flow, text_of
from lq.config.validation import validate
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.ivr import flow as ivr
from lq.media.prompts import spoken
from lq.media.tts.reading import han, read_out


def flow(prompt: object, **menu: object) -> dict[str, object]:
    nodes = {
        "hello": {"kind": "play", "prompt": prompt, "next": "menu"},
        "menu": {"kind": "menu", "prompt": "menu_main", "keys": {"1": "hello"}, "otherwise": "end", **menu},
        "end": {"kind": "hang_up"},
    }
    return {"id": "f", "start": "hello", "nodes": nodes}


def said(body: dict[str, object]) -> list[tuple[str, str]]:
    return [(error.field, error.message) for error in validate("flows", body)]


@pytest.mark.parametrize("prompt", ["goodbye", "own/closed-2026", "say:今天休息。", "say: " + "长" * 500])
def test_a_name_or_a_text_is_published(prompt: str) -> None:
    assert said(flow(prompt)) == []


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("say:", "'prompt' has nothing to say"),
        ("say: 。！ ", "'prompt' has nothing to say"),
        ("say:" + "长" * 501, "'prompt' is too long to be said: 501 characters, at most 500"),
        ("今天休息", "'prompt' '今天休息' is no name of a prompt; a text to be spoken begins with say:"),
        ("../secret", "'prompt' '../secret' is no name of a prompt; a text to be spoken begins with say:"),
        ("", "'prompt' '' is no name of a prompt; a text to be spoken begins with say:"),
        (7, "'prompt' must be the name of a prompt, or say:<text>"),
        (None, "'prompt' must be the name of a prompt, or say:<text>"),
    ],
)
def test_a_bad_one_is_refused_with_its_node(prompt: object, message: str) -> None:
    assert said(flow(prompt)) == [("nodes.hello", message)]


def test_all_prompts_of_a_menu_are_looked_at_and_each_text_is_wanted_once() -> None:
    assert said(flow("goodbye", wrong_key="say:")) == [("nodes.menu", "'wrong_key' has nothing to say")]
    nodes = Flow(**flow("say:你好", wrong_key="say: 你好 ", no_key="say:再见")).nodes  # type: ignore[arg-type]
    assert ivr.texts(nodes) == ["你好", "再见"]
    assert (text_of("say: 你好 "), text_of("say:"), text_of("saying")) == ("你好", "", None)


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "零"), (2, "二"), (10, "十"), (12, "十二"), (20, "二十"), (100, "一百"), (105, "一百零五"),
        (110, "一百一十"), (200, "两百"), (1015, "一千零一十五"), (2222, "两千两百二十二"), (10_001, "一万零一"),
        (20_000, "两万"),
    ],
)  # fmt: skip
def test_numbers_in_han_characters(n: int, text: str) -> None:
    assert han(n) == text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("请按1，重听请按*号键，结束请按#。", "请按一，重听请按星号键，结束请按井号键。"),
        ("热线400-800-1000", "热线四零零八零零幺零零零"),
        ("手机13800138000", "手机幺三八零零幺三八零零零"),
        ("工号1001为您服务", "工号幺零零幺为您服务"),
        ("尾号 0021", "尾号 零零二幺"),
        ("订单A12-3456", "订单A幺二三四五六"),
        ("前面还有2位，等待12分钟", "前面还有两位，等待十二分钟"),
        ("一共12345元", "一共一万两千三百四十五元"),
        ("9:00-18:30", "九点到十八点三十分"),
        ("2:05", "两点零五分"),
        ("2026年10月1日", "二零二六年十月一日"),
        ("1,234.50元，优惠15%", "一千两百三十四点五零元，优惠百分之十五"),
        ("９折", "九折"),
        ("VIP客户", "V I P客户"),
        ("没有数字。", "没有数字。"),
    ],
)
def test_mandarin_is_left_no_digit(written: str, read: str) -> None:
    assert read_out(written, "zh") == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Press 1, or * to repeat.", "Press 1, or star to repeat."),
        ("Call 400-800-1000.", "Call four zero zero eight zero zero one zero zero zero."),
        ("Extension 8001 in 15 minutes", "Extension 8001 in 15 minutes"),
        ("Order A12", "Order A one two"),
    ],
)
def test_english_spells_telephone_numbers(written: str, read: str) -> None:
    assert read_out(written, "en") == read


def test_a_text_is_played_as_its_item_and_one_that_is_not_rendered_yet_holds_nobody_up() -> None:
    """The desk answers `complete=False` at once for an item that the mixer does not have."""
    book = Book(
        numbers={"4008001000": AccessNumber("4008001000", "ivr:f", recording="none")},
        flows={"f": Flow(**flow("say: 今天休息。 "))},  # type: ignore[arg-type]
    )
    contact, _ = rule.begin(inputs.Incoming("c1", "trunk:gw1", "13800138000", "4008001000", "offer", "lq1-1"), 0, book)
    contact, effects = rule.advance(contact, inputs.MediaReady(1, {"x_port": 1}, "PCMA", "answer"), 1, book)
    plays = [effect for effect in effects if isinstance(effect, do.StartPlay)]
    assert [play.items for play in plays] == [(spoken("今天休息。", "zh"),)]
    contact, effects = rule.advance(contact, inputs.Played(1, plays[0].play, complete=False), 2, book)
    assert [effect.items for effect in effects if isinstance(effect, do.StartPlay)] == [("zh/menu_main",)]
