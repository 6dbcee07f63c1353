"""What the demo world is not opened to."""

from __future__ import annotations

import pytest

from lq.config.opening import known_passwords


@pytest.mark.parametrize(
    ("address", "demo", "refused"),
    [
        ("127.0.0.1", "", False),
        ("127.0.0.9", "none", False),
        ("10.0.0.1", "", True),
        ("10.0.0.1", "yes", True),
        ("10.0.0.1", "none", True),
        ("10.0.0.1", "open", False),
    ],
)
def test_known_passwords(address: str, demo: str, refused: bool) -> None:
    for begun in (False, True):
        assert bool(known_passwords(address, demo, begun=begun)) == refused


def test_what_helps_depends_on_what_is_there() -> None:
    assert known_passwords("10.0.0.1", "", begun=False).endswith("for a center of your own, LCALL_DEMO=none")
    assert known_passwords("10.0.0.1", "none", begun=True).endswith(
        "take another LCALL_HOME: this one began with the demo world"
    )
