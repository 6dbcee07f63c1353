"""LQ-SDK's client and the api that it asks: nothing is sent that its values do not have."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from typing import Any, Final

import httpx
import pytest

from lq import sdk
from lq.api.schemas import SCHEMAS
from lq.sdk import Client, values

VALUES: Final = {name: kind for name, kind in vars(values).items() if inspect.isclass(kind) and is_dataclass(kind)}


def has(schema: dict[str, Any]) -> set[str]:
    return set(schema.get("properties", ()))


@pytest.mark.parametrize("name", sorted(VALUES.keys() & SCHEMAS.keys()))
def test_a_value_has_all_that_is_told_of_it(name: str) -> None:
    assert has(SCHEMAS[name]) <= {field.name for field in fields(VALUES[name])}


def test_every_value_can_be_named() -> None:
    assert VALUES.keys() <= set(sdk.__all__)


async def test_one_token_and_a_recording_as_it_is_spoken() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.raw_path.decode()}")
        return httpx.Response(200, json={"id": "t/1", "name": "crm", "scopes": ["read"]})

    async with Client("http://api", "secret") as lq:
        await lq._http.aclose()
        lq._http = httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(answer))
        assert (await lq.token("t/1")).name == "crm"
        async with lq.recording_audio("c-r1", live=True) as found:
            assert found.status == 200
        async with lq.recording_audio("c-r1", "bytes=0-1"):
            pass
    assert asked == [
        "GET /v1/tokens/t%2F1",
        "GET /v1/recordings/c-r1/audio?live=1",
        "GET /v1/recordings/c-r1/audio",
    ]
