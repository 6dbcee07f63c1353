"""The api's rules that need no server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from lq.api import app, openapi
from lq.api.admission import BURST, CLIENTS, RATE, Meter
from lq.api.errors import Refusal
from lq.api.feed import place
from lq.api.queue_counts import Today
from lq.api.queues import queue_json
from lq.api.recordings import byte_range, recording_json
from lq.api.routes import ROUTES
from lq.config.documents import SCOPES
from lq.ledger.events import STREAM, TYPES
from lq.ledger.metrics import QueueCounts, expected_wait_s
from lq.live import keys
from lq.live.values import QueueState


def test_a_client_may_make_a_burst_and_then_so_many_a_second() -> None:
    meter = Meter()
    assert all(meter.allows("a", 0.0) for _ in range(int(BURST)))
    assert not meter.allows("a", 0.0)
    assert meter.allows("b", 0.0), "another client is another matter"
    assert sum(meter.allows("a", 1.0) for _ in range(int(BURST))) == int(RATE)
    for n in range(3 * CLIENTS):
        meter.allows(str(n), 2.0)
    assert len(meter.buckets) <= CLIENTS


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=-", None),
        ("bytes=5-3", None),
        ("bytes=0-1,5-6", None),
        ("seconds=0-1", None),
        ("bytes=9999999999999999999999-", None),
    ],
)
def test_a_byte_range_is_read_as_rfc_9110_says(asked: str, part: tuple[int, int] | None) -> None:
    assert byte_range(asked, 100) == part


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_is_refused(asked: str) -> None:
    with pytest.raises(Refusal) as refused:
        byte_range(asked, 100)
    assert refused.value.status == 416


@pytest.mark.parametrize("id", ["", "x", "1-x", "-1-0", "9" * 30, "1-" + "9" * 30])
def test_what_is_no_event_id_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|no event id"):
        place(id)
    assert place("12-3") > place("12-1") > place("9-9")


def test_without_history_a_queue_says_nothing_about_today() -> None:
    state = QueueState("sales", "销售", waiting=2, ready=0, talking=1, signed_in=4, oldest_since=1000)
    shown = queue_json(state, 20, Today(), now_ms=3500)
    assert (shown["waiting"], shown["oldest_wait_s"]) == (2, 2.5)
    assert shown["service_level"] == {"20": None}
    assert (shown["answered"], shown["abandoned"], shown["overflowed"], shown["ewt_s"]) == (None,) * 4
    assert (shown["in_time"], shown["counted"]) == (None, None)
    shown = queue_json(state, 20, Today(True, handling_s={"sales": 60.0}), now_ms=3500)
    assert (shown["answered"], shown["ewt_s"]) == (0, 45.0)
    counts = {"sales": QueueCounts(answered=10, abandoned=90, short_abandoned=90, overflowed=2, in_time=9)}
    shown = queue_json(state, 20, Today(True, counts), now_ms=3500)
    assert (shown["in_time"], shown["counted"], shown["service_level"]) == (9, 12, {"20": 0.75})


def test_expected_wait() -> None:
    assert expected_wait_s(0, 1, 1, None) == 0
    assert expected_wait_s(3, 0, 2, 100) == 200
    assert expected_wait_s(3, 0, 0, 100) is None
    assert expected_wait_s(3, 0, 2, None) is None


def test_every_path_is_described_once_and_with_the_errors_that_all_share() -> None:
    document = openapi.document(ROUTES)
    described = {(method, path) for path, operations in document["paths"].items() for method in operations}
    assert described == {(route.method.lower(), openapi.path_of(route.path)) for route in ROUTES}
    assert len(described) == len(ROUTES)
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"400", "429", "503"} <= set(operation["responses"])
            assert ("401" in operation["responses"]) == bool(operation["security"])


def test_who_writes_or_deletes_a_document_may_say_which_he_has_read() -> None:
    operations = openapi.document(ROUTES)["paths"]["/v1/config/{kind}/{id}"]
    for method in ("put", "delete"):
        assert "If-Match" in [parameter["name"] for parameter in operations[method]["parameters"]]
        assert "409" in operations[method]["responses"]


def test_whoever_may_only_read_changes_nothing() -> None:
    assert all(route.scope in SCOPES for route in ROUTES)
    assert {route.path for route in ROUTES if route.method != "GET" and route.scope in ("read", "events")} == set()


def test_the_paths_are_those_that_people_rely_on() -> None:
    paths = {f"{route.method} {openapi.path_of(route.path)}" for route in ROUTES}
    for verb in ("sign-in", "sign-out", "ready", "pause", "wrap-up"):
        assert f"POST /v1/agents/{{agent}}/{verb}" in paths
    for verb in (
        *("answer", "reject", "hang-up", "hold", "resume", "mute", "unmute", "send-dtmf", "pick-up", "release"),
        *("transfer", "transfer/complete", "transfer/cancel", "transfer/conference", "monitor", "recording"),
    ):
        assert f"POST /v1/contacts/{{contact}}/{verb}" in paths
    assert "DELETE /v1/contacts/{contact}/monitor" in paths
    for path in ("health", "agents", "queues", "contacts", "cdrs", "recordings/{recording}/audio", "events"):
        assert f"GET /v1/{path}" in paths


def test_a_recording_that_is_only_planned_has_no_length() -> None:
    shown = recording_json({"id": "c1-r1", "contact_id": "c1", "state": "planned"})
    assert shown["duration_s"] is None and shown["gaps"] == [] and shown["started_at"] is None


def test_the_ledger_and_the_live_state_mean_the_same_stream() -> None:
    assert keys.EVENTS == STREAM == "{lcall}:events"
    assert keys.EVENTS.startswith(f"{keys.TAG}:"), "one slot of a cluster holds a whole center"
    assert all(
        type.split("_")[0]
        in (
            "contact",
            "leg",
            "agent",
            "queue",
            "phone",
            "trunk",
            "channel",
            "recording",
            "recorder",
            "node",
            "engine",
            "alarm",
        )
        for type in TYPES
    )


def test_a_failure_of_ours_is_logged_without_the_number_that_was_asked_for() -> None:
    path = "/v1/lists/<list:str>/entries/<number:str>"
    request = SimpleNamespace(method="DELETE", path="/v1/lists/dnc/entries/13800138000", uri_template=path)
    with capture_logs() as logged:
        answer = app._broken(request, ValueError("x"))  # type: ignore[arg-type]
    assert answer.status == 500 and [line["path"] for line in logged] == [path] and "1380013" not in str(logged)
