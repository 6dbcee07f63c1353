"""The OpenAPI document against the real api: whatever is sent, nothing breaks, and the answers are as it says."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any, Final

import asyncpg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from lq.api.routes import ROUTES
from lq.live.redis import Live
from tests.unit.ledger.lives import answered_call

from .conftest import TOKEN, Api
from .owner import NODE, owning, waiting_contact
from .test_api import recorded, store

EACH: Final = 15  # requests an operation
THERE: Final = {
    **{"agent": "1001", "queue": "sales", "contact": "c9", "recording": "c1-r1"},
    **{"kind": "queues", "id": "sales", "webhook": "crm", "token": "0123abcd"},
    **{"conference": "demo", "list": "fuzzed", "number": "13800138000"},
}
CHECKS: Final = [not_a_server_error, status_code_conformance, response_schema_conformance]


def fuzz(url: str) -> dict[str, Counter[int]]:
    """How often each operation has answered with which status."""
    schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    return {operation.label: fuzz_one(operation) for operation in operations}


def fuzz_one(operation: Any) -> Counter[int]:
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), known=st.booleans())
    def send(case: Any, known: bool) -> None:
        if known:  # something that is there, for else most of it would be a 404
            case.path_parameters = {name: THERE[name] for name in case.path_parameters or {}}
        answer = case.call(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    send()
    return statuses


async def no_recording_runs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A recorder that is asked to let somebody listen."""
    await reader.readline()
    writer.write(json.dumps({"ok": False, "error": "unknown"}).encode() + b"\n")
    writer.close()


@pytest.mark.slow
async def test_whatever_is_sent_nothing_breaks(api: Api, live: Live, rows: asyncpg.Connection) -> None:
    await live.phone("8001", True, 600_000)
    await waiting_contact(live, "c9")
    await live.renew("lq", NODE, address="127.0.0.1:15071", lease_ms=900_000)
    await store(rows, answered_call("c1"))
    await recorded(api, rows)
    (api.home / "run").mkdir(exist_ok=True)
    recorder = await asyncio.start_unix_server(no_recording_runs, api.home / "run/recorder.sock")
    async with recorder, owning(live), api.client() as lq:
        hook = {"url": "http://127.0.0.1:9/", "secret": "0123456789abcdef", "events": ["contacts"], "enabled": False}
        await lq.put_document("webhooks", "crm", hook)
        await lq.put_document("lists", "fuzzed", {"kind": "black"})
        async with asyncio.timeout(300):
            answered = await asyncio.to_thread(fuzz, api.url)
    assert sum(statuses.total() for statuses in answered.values()) > 8 * len(ROUTES)
    heard = [label for label, statuses in answered.items() if any(status < 300 for status in statuses)]
    assert len(heard) > len(answered) / 2, "most must have come to something, not only to refusals"
    assert "a request failed" not in api.running.text()
