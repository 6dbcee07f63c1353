from __future__ import annotations

import re

import pytest

from lq.media import prompts

# What the pieces say, for the eye: 1 万 is `wan`, 两 is `liang`, 1 before 10…19 is 一十….
MANDARIN = [
    (0, "0"), (2, "2"), (9, "9"), (10, "10"), (11, "11"), (20, "20"), (22, "22"), (99, "99"),
    (100, "100"), (101, "100 0 1"), (105, "100 0 5"), (110, "100 1 10"), (115, "100 1 15"), (120, "100 20"),
    (200, "200"), (202, "200 0 2"), (999, "900 99"),
    (1000, "1000"), (1001, "1000 0 1"), (1010, "1000 0 1 10"), (1015, "1000 0 1 15"), (1020, "1000 0 20"),
    (1100, "1000 100"), (1101, "1000 100 0 1"), (2222, "2000 200 22"), (9999, "9000 900 99"),
    (10_000, "1 wan"), (10_001, "1 wan 0 1"), (10_500, "1 wan 0 500"), (12_000, "1 wan 2000"),
    (20_002, "liang wan 0 2"), (105_000, "10 wan 5000"), (99_999_999, "9000 900 99 wan 9000 900 99"),
]  # fmt: skip
ENGLISH = [
    (0, "0"), (13, "13"), (100, "100"), (105, "100 5"), (999, "900 99"), (1000, "1 thousand"),
    (1001, "1 thousand 1"), (2345, "2 thousand 300 45"), (12_000, "12 thousand"), (110_000, "100 10 thousand"),
    (1_000_001, "1 million 1"), (99_999_999, "99 million 900 99 thousand 900 99"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "n", "said"), [("zh", *row) for row in MANDARIN] + [("en", *row) for row in ENGLISH]
)
def test_numbers_are_read_as_people_read_them(language: str, n: int, said: str) -> None:
    assert prompts.number(n, language) == tuple(f"{language}/numbers/{piece}" for piece in said.split())


@pytest.mark.parametrize("n", [-1, prompts.LARGEST + 1])
def test_a_number_beyond_the_pieces_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=str(prompts.LARGEST)):
        prompts.number(n, "zh")


def test_two_people_are_liang_and_twelve_are_not() -> None:
    assert prompts.count(2, "zh") == ("zh/numbers/liang",)
    assert prompts.count(12, "zh") == ("zh/numbers/12",)
    assert prompts.count(102, "zh") == ("zh/numbers/100", "zh/numbers/0", "zh/numbers/2")
    assert prompts.count(2, "en") == ("en/numbers/2",)


def test_a_place_in_the_queue_tells_how_many_are_ahead() -> None:
    assert prompts.position(0, "zh") == ("zh/queue_wait",), "not known yet"
    assert prompts.position(1, "zh") == ("zh/position_next",)
    assert prompts.position(2, "en") == ("en/position_one",)
    assert prompts.position(3, "zh") == ("zh/position_before", "zh/numbers/liang", "zh/position_after")
    assert prompts.position(13, "en") == ("en/position_before", "en/numbers/12", "en/position_after")


def test_digits_one_by_one() -> None:
    assert prompts.digits("400-800 1", "zh") == tuple(f"zh/digits/{d}" for d in "4008001")
    assert prompts.digits("+86*#", "en") == (
        "en/digits/plus",
        "en/digits/8",
        "en/digits/6",
        "en/digits/star",
        "en/digits/hash",
    )
    for wrong in ("", " - ", "12a", "１２", "٣"):
        with pytest.raises(ValueError, match="digits"):
            prompts.digits(wrong, "zh")


def test_a_prompt_is_an_item_by_name_or_a_text_to_be_spoken() -> None:
    assert prompts.prompt("menu_main", "zh") == "zh/menu_main"
    said = prompts.prompt("say: 今天休息。 ", "zh")
    assert re.fullmatch(r"tts/zh-[0-9a-f]{40}", said)
    assert prompts.ITEM.fullmatch(said), "the mixer takes it as a name"
    assert said == prompts.prompt("say:今天休息。", "zh") == prompts.spoken("今天休息。", "zh")
    assert said != prompts.prompt("say:今天休息", "zh")
    assert prompts.prompt("say:hello", "en") != prompts.prompt("say:hello", "zh")
