"""What webhooks are told: the right events, in the receiver's words, signed so that only we can have sent it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lq.config.documents import Webhook
from lq.ledger.events import RESULTS, Event
from lq.sdk.webhooks import genuine
from lq.worker.payloads import CAUSES, payload, signature, wants
from lq.worker.webhooks import AT_ONCE, REST_S, Attempt, Receiver, again_after
from tests.unit.ledger.lives import answered_call

SECRET = "0123456789abcdef"
LCALL = Webhook("crm", "http://crm/", SECRET, ("contact_ended", "recordings"))
ZAMMAD = Webhook("z", "http://z/", SECRET, template="zammad")
CONTACT = {"direction": "in", "number": "+8613800138000", "called_published": "4008001000", "phone": None}
CONTACT |= {"queue": None, "agent": "1001"}


def event(type: str, **data: Any) -> Event:
    return Event(type, 1_764_000_000_123, "c1", 7, data, "1764000000123-0")


def test_events_are_wanted_by_type_or_by_topic() -> None:
    assert {e.type for e in answered_call() if wants(LCALL, e)} == {
        *("contact_ended", "recording_planned", "recording_active", "recording_closing"),
    }
    assert [e.type for e in answered_call() if wants(ZAMMAD, e)] == [
        *("contact_started", "contact_answered", "contact_ended"),
    ]
    assert not wants(Webhook("x", "http://x/", SECRET, ("contacts",), enabled=False), event("contact_ended"))


def test_our_own_form_is_the_event_as_lq_sdk_shows_it() -> None:
    told = json.loads(payload(LCALL, event("contact_keys", n=1, node="a", pii_digits="4111"), None, {}) or "")
    assert told == {
        **{"id": "1764000000123-0", "v": 1, "type": "contact_keys", "at": "2025-11-24T16:00:00.123Z"},
        **{"subject": "c1", "seq": 7, "data": {"n": 1, "node": "a"}},
    }


def zammad(e: Event, **contact: Any) -> dict[str, Any]:
    return dict(json.loads(payload(ZAMMAD, e, {**CONTACT, **contact}, {"1001": "王芳"}) or "null"))


def test_zammad_hears_its_three_events_in_its_own_words() -> None:
    common = {"from": "8613800138000", "to": "4008001000", "direction": "in", "callId": "c1"}
    started = event("contact_started", direction="in")
    assert zammad(started, agent=None) == {"event": "newCall", **common}
    assert zammad(started, agent=None, queue="sales")["queue"] == "sales"
    assert zammad(started, agent=None, number="")["from"] == "anonymous"
    assert zammad(event("contact_answered", agent="1001")) == {
        **{"event": "answer", **common, "user": ["王芳"], "answeringNumber": "1001"},
    }
    assert zammad(event("contact_ended", result="answered")) == {
        **{"event": "hangup", **common, "user": ["王芳"], "cause": "normalClearing"},
    }
    out = zammad(started, direction="out", phone="8001")
    assert (out["from"], out["to"], out["direction"], out["user"]) == ("8001", "8613800138000", "out", ["王芳"])
    assert payload(ZAMMAD, started, {**CONTACT, "direction": "internal"}, {}) is None
    assert payload(ZAMMAD, started, None, {}) is None
    assert set(CAUSES) == set(RESULTS)


def test_a_signature_holds_for_its_body_its_secret_and_a_while() -> None:
    body = '{"a": "王"}'.encode()
    signed = signature(SECRET, 1000, body)
    assert genuine(SECRET, signed, body, 1000.5)
    assert genuine(SECRET, signed, body, 1300)
    for secret, given, sent, now in (
        ("fedcba9876543210", signed, body, 1000),
        (SECRET, signed, body + b" ", 1000),
        (SECRET, signed, body, 1301),
        (SECRET, signed.replace("t=1000", "t=1001"), body, 1000),
        (SECRET, "", body, 1000),
        (SECRET, "t=,v1=", body, 1000),
        (SECRET, "t=1000", body, 1000),
        (SECRET, "t=１０００,v1=x", body, 1000),
        (SECRET, f"t={'9' * 400},v1=é", body, 1000),
    ):
        assert not genuine(secret, given, sent, now)
    # RFC 2104 with SHA-256, as anybody computes it: printf '1000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
    assert signature(SECRET, 1000, b"{}") == f"t=1000,v1={KNOWN}"


KNOWN = "bd3e8b6d13803a2406a848a68bc7a2e80b251fb9d894858564c77ce80a4aa634"


@pytest.mark.parametrize(("status", "alive"), [(200, True), (204, True), (400, True), (429, False), (500, False)])
def test_a_receiver_that_fails_rests_longer_each_time(status: int, alive: bool) -> None:
    receiver = Receiver(LCALL, None)  # type: ignore[arg-type]
    attempt = Attempt(datetime.now(UTC), 1, status, None)
    assert receiver.room(0.0) == AT_ONCE
    receiver.heard(attempt, 0.0)
    assert receiver.room(0.0) == (AT_ONCE if alive else 0)
    if alive:
        return
    assert receiver.room(1.0) == 1, "one, to see whether it is back"
    for n in range(20):
        receiver.heard(attempt, 1000.0 * n)
    assert receiver.rests_until == 19_000 + REST_S
    receiver.heard(Attempt(datetime.now(UTC), 1, 200, None), 30_000.0)
    assert receiver.room(30_000.0) == AT_ONCE


def test_a_delivery_comes_again_later_each_time() -> None:
    assert [again_after(n) for n in (1, 2, 3, 30)] == [timedelta(seconds=s) for s in (5, 10, 20, 3600)]
