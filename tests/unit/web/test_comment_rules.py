from __future__ import annotations

import pytest

from lcall_web.recordings import rules
from lcall_web.recordings.rules import Written


@pytest.mark.parametrize(("at", "seconds"), [("0", 0), ("65", 65), ("1:05", 65), ("0:01:05", 65), ("1:30", 90)])
def test_a_comment_has_a_moment(at: str, seconds: float) -> None:
    assert rules.read({"at": at, "text": " 语气很好 "}, 90) == (Written(seconds, "语气很好"), {})


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({}, {"at": rules.MOMENT, "text": rules.EMPTY}),
        ({"at": "1:31", "text": "x"}, {"at": rules.BEYOND}),
        ({"at": "-1", "text": "x"}, {"at": rules.MOMENT}),
        ({"at": "1:2:3:4", "text": "x"}, {"at": rules.MOMENT}),
        ({"at": "٣", "text": "x"}, {"at": rules.MOMENT}),
        ({"at": "1e1", "text": "x"}, {"at": rules.MOMENT}),
        ({"at": "0", "text": "  "}, {"text": rules.EMPTY}),
        ({"at": "0", "text": "x" * 501}, {"text": rules.TOO_LONG}),
        ({"at": "0", "text": "a\x00b"}, {"text": rules.TOO_LONG}),
    ],
)
def test_what_is_wrong_is_said_of_its_field(given: dict[str, str], errors: dict[str, str]) -> None:
    assert rules.read(given, 90) == (None, errors)
