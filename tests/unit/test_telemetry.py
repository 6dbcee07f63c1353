"""What of the last hour is counted, and served."""

from __future__ import annotations

from prometheus_client import REGISTRY

from lq.telemetry import HOUR_S, LastHour


def test_what_is_older_than_an_hour_counts_no_more() -> None:
    now = 5.0
    broken = LastHour("test_broken", "cups", "what", lambda: now)
    assert broken.count("cup") == 0
    broken.add("cup")
    broken.add("plate")
    now += HOUR_S / 2
    broken.add("cup")
    assert [broken.count(what) for what in ("cup", "plate", "glass")] == [2, 1, 0]
    now += HOUR_S / 2
    assert REGISTRY.get_sample_value("lcall_test_broken_last_hour", {"what": "cup"}) == 1
    assert REGISTRY.get_sample_value("lcall_test_broken_last_hour", {"what": "plate"}) == 0


def test_a_figure_without_a_label_is_there_before_anything_has_happened() -> None:
    lost = LastHour("test_lost", "keys")
    assert REGISTRY.get_sample_value("lcall_test_lost_last_hour") == 0
    lost.add()
    assert REGISTRY.get_sample_value("lcall_test_lost_last_hour") == 1
