"""What the demo world is not opened to."""

from __future__ import annotations

import pytest

from lq.config.seed import known_passwords


@pytest.mark.parametrize(
    ("settings", "address", "demo", "refused"),
    [
        ({"demo": True}, "127.0.0.1", "", False),
        ({"demo": True}, "127.0.0.9", "", False),
        ({"demo": True}, "10.0.0.1", "", True),
        ({"demo": True}, "10.0.0.1", "yes", True),
        ({"demo": True}, "10.0.0.1", "open", False),
        ({"demo": False}, "10.0.0.1", "", False),
        ({}, "192.168.1.10", "", False),
    ],
)
def test_known_passwords(settings: dict[str, object], address: str, demo: str, refused: bool) -> None:
    assert bool(known_passwords(settings, address, demo)) == refused
