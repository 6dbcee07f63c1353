from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from lcall_web.team import rules
from lq.sdk import ApiError, ApiUnavailable

ZONE = "Asia/Shanghai"


@pytest.mark.parametrize(
    ("error", "text", "status"),
    [
        (ApiError(409, "not_talking", "…"), rules.REFUSALS["not_talking"], 409),
        (ApiError(409, "help_taken", "…"), rules.REFUSALS["help_taken"], 409),
        (ApiError(409, "one_that_is_new", "…"), rules.FAILED, 409),
        (ApiError(503, "live_unavailable", "…"), rules.TOO_FAST, 503),
        (ApiUnavailable("…"), rules.AWAY, 503),
        (ApiError(500, "unknown", "…"), rules.FAILED, 500),
    ],
)
def test_a_refusal_is_said_in_words(error: ApiError, text: str, status: int) -> None:
    refused = rules.refusal(error)
    assert (refused.text, refused.status) == (text, status)


def test_a_key_is_its_operators_own() -> None:
    assert rules.checked_key("1901", "0f8fad5b-d9cb") == "1901-0f8fad5b-d9cb"
    assert rules.checked_key("1901", "x") == rules.checked_key("1901", "\r\nHost: evil" * 3) == ""


@pytest.mark.parametrize("given", ["", "no_answer", "'; <script>"])
def test_a_leader_gives_a_reason(given: str) -> None:
    with pytest.raises(rules.Refused):
        rules.checked_reason(given, ("meal", "break"))
    assert rules.checked_reason("meal", ("meal", "break")) == "meal"


def test_a_wall_shows_what_its_address_says() -> None:
    given = {"queues": "sales, support,sales", "show": "curve,agents", "theme": "light", "warn": "15", "late": "45"}
    assert rules.wall(given) == rules.Wall(("sales", "support"), ("curve", "agents"), "light", 15, 45, 80, 60)
    assert rules.wall({"goal": "50"}).low == 50, "never above the goal"
    assert rules.wall({"warn": "90"}).late_s == 90


@pytest.mark.parametrize("text", ["", "-1", "x", "1e9", "٣", "9" * 20, "'; <script>"])
def test_what_is_wrong_in_an_address_is_as_if_it_were_not_there(text: str) -> None:
    wall = rules.wall({"show": text, "theme": text, "warn": text, "goal": text})
    assert wall == rules.wall({})


def test_quarters_are_added_up_by_the_hour_of_the_center() -> None:
    def at(hour: int, minute: int, day: int = 26) -> datetime:
        return datetime(2026, 11, day, hour, minute, tzinfo=UTC)

    quarters = [(at(16, 0), 3, 2, 1), (at(16, 45), 1, 1, 0), (at(17, 0), 5, 5, 0), (at(15, 45), 9, 9, 9)]
    found = rules.hours(quarters, date(2026, 11, 27), ZONE, at(18, 30))
    assert found == [rules.Hour(0, 4, 3, 1), rules.Hour(1, 5, 5, 0), rules.Hour(2, 0, 0, 0)]
    assert rules.today(at(18, 30), ZONE) == at(16, 0)


def test_the_hour_that_the_clocks_repeat_holds_both() -> None:
    day = date(2026, 10, 25)  # Europe/Berlin: 3:00 becomes 2:00
    quarters = [(datetime(2026, 10, 25, hour, 30, tzinfo=UTC), 1, 1, 0) for hour in (0, 1)]
    found = rules.hours(quarters, day, "Europe/Berlin", datetime(2026, 10, 25, 22, 30, tzinfo=UTC))
    assert found[2].offered == 2 and len(found) == 24
