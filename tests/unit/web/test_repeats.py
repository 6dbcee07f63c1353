"""An order that is said again is not checked again."""

from __future__ import annotations

from lcall_web.desk.repeats import KEPT_S, Repeats


def test_an_order_that_was_let_through_is_known_for_a_while() -> None:
    now = [0.0]
    repeats = Repeats(lambda: now[0])
    assert "a" not in repeats
    repeats.add("a")
    now[0] = KEPT_S - 1
    repeats.add("b")
    repeats.add("a")  # said again: known from the first time on
    assert "a" in repeats and "b" in repeats
    now[0] = KEPT_S + 1
    assert "a" not in repeats and "b" in repeats
    now[0] = 3 * KEPT_S
    assert "b" not in repeats
    repeats.add("a")
    assert "a" in repeats
