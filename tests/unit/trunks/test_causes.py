"""SIP statuses and Q.850 causes, over all of both."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lq.trunks import causes

# RFC 3398 §7.2.4.1, as printed
STATUS_OF = """
1 404 2 404 3 404 17 486 18 408 19 480 20 480 21 403 22 410 23 410 26 404 27 502 28 484 29 501 31 480 34 503 38 503
41 503 42 503 47 503 55 403 57 403 58 503 65 488 70 488 79 501 87 403 88 503 102 504 111 500 127 500
"""
# RFC 3398 §8.2.6.1, as printed, without 488 and 606
CAUSE_OF = """
400 41 401 21 402 21 403 21 404 1 405 63 406 79 407 21 408 102 410 22 413 127 414 127 415 79 416 127 420 127 421 127
423 127 480 18 481 41 482 25 483 25 484 28 485 1 486 17 500 41 501 79 502 38 503 41 504 102 505 127 513 127 600 17
603 21 604 1
"""


def pairs(text: str) -> dict[int, int]:
    numbers = [int(word) for word in text.split()]
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


@pytest.mark.parametrize("cause", range(1, 128))
def test_every_cause_refuses_a_call(cause: int) -> None:
    ours = {16: 480, 41: 500, 44: 503}
    assert causes.status_of(cause) == ours.get(cause, pairs(STATUS_OF).get(cause, 500))


@pytest.mark.parametrize("status", range(400, 700))
def test_every_refusal_has_a_cause(status: int) -> None:
    ours = {488: 65, 606: 65}
    assert causes.cause_of(status) == pairs(CAUSE_OF).get(status, ours.get(status, 31))


@pytest.mark.parametrize("cause", range(1, 128))
def test_a_cause_survives_the_way_through_sip(cause: int) -> None:
    assert causes.cause_of(causes.status_of(cause), causes.cause_in(causes.reason(cause))) == cause


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("Q.850;cause=17", 17),
        ('q.850 ; cause = 34 ; text="No circuit"', 34),
        ('Q.850;text="busy; cause=1, really";cause=17', 17),
        ('SIP;cause=486;text="Q.850;cause=1",Q.850;cause=17', 17),
        ("SIP;cause=200, Q.850;cause=16", 16),
        ("SIP;cause=486", 0),
        ("Q.850;cause=0", 0),
        ("Q.850;cause=128", 0),
        ("Q.850;cause=1700", 0),
        ("Q.850", 0),
        ("XQ.850;cause=17", 0),
        ("", 0),
    ],
)
def test_reason_headers(reason: str, cause: int) -> None:
    assert causes.cause_in(reason) == cause


@given(st.text(max_size=200))
def test_no_reason_header_makes_trouble(reason: str) -> None:
    assert 0 <= causes.cause_in(reason) <= 127


def test_a_long_reason_is_read_at_once() -> None:
    began = time.process_time()
    assert causes.cause_in('Q.850;text="' + '\\"' * 30_000 + ";cause=16") == 16
    assert time.process_time() - began < 0.25


def test_a_phone_that_rang_was_not_answered() -> None:
    assert {causes.cause_of(status, rang=True) for status in (408, 480, 487)} == {causes.NO_ANSWER}
    assert causes.cause_of(480) == causes.NO_USER
    assert causes.cause_of(486, rang=True) == causes.BUSY
    assert causes.cause_of(480, 21, rang=True) == causes.REJECTED


def test_another_trunk_helps_against_congestion_not_against_a_busy_party() -> None:
    assert all(map(causes.is_of_the_trunk, (34, 38, 41, 42, 47, 58)))
    assert not any(map(causes.is_of_the_trunk, (1, 3, 16, 17, 18, 19, 21, 27, 28, 31, 65, 102, 127)))
    assert causes.is_of_the_trunk(causes.cause_of(503)) and causes.is_of_the_trunk(causes.cause_of(500))
