"""What `lcall` makes of its words and its environment."""

from __future__ import annotations

import pytest

from ops.cli import _demonstrates


@pytest.mark.parametrize(
    ("no_demo", "environ", "expected"),
    [
        (False, {}, True),
        (True, {}, False),
        (False, {"DEMO": "0"}, False),
        (False, {"DEMO": "1"}, True),
        (False, {"LCALL_DEMO": "open"}, True),
        (False, {"LCALL_DEMO": "none"}, False),
    ],
)
def test_the_demonstration_call_is_made_where_there_is_a_demo_world(
    no_demo: bool, environ: dict[str, str], expected: bool
) -> None:
    assert _demonstrates(no_demo, environ) is expected
