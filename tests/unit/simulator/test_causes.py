"""Q.850 causes in SIP, as RFC 3398 and RFC 3326 have it."""

from __future__ import annotations

import pytest

from tests.simulator import causes


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (1, 404),
        (17, 486),
        (18, 408),
        (19, 480),
        (21, 403),
        (27, 502),
        (28, 484),
        (34, 503),
        (41, 503),
        (65, 488),
        (99, 500),
    ],
)
def test_the_status_that_a_gateway_makes_of_a_cause(cause: int, status: int) -> None:
    assert causes.sip_status(cause) == status


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        ("Q.850;cause=17", 17),
        ('Q.850 ; cause = 34 ; text="No circuit"', 34),
        ('q.850;text="Busy";cause=17', 17),
        ("SIP;cause=200, Q.850;cause=16", 16),
        ("SIP;cause=487", 0),
        ("", 0),
    ],
)
def test_the_cause_in_a_reason_header(header: str, cause: int) -> None:
    assert causes.cause_in(header) == cause


def test_what_is_said_counts_before_what_is_guessed() -> None:
    assert causes.cause_of(503, "Q.850;cause=34") == 34
    assert causes.cause_of(503, "") == 41
    assert causes.cause_of(486, "SIP;cause=200") == 17
    assert causes.cause_of(499, "") == 31


def test_a_reason_that_is_written_can_be_read() -> None:
    assert all(causes.cause_in(causes.reason(cause)) == cause for cause in range(1, 128))
