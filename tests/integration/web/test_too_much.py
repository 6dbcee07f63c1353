"""What takes PostgreSQL too long, or is not made at all, is told in words and never as a fault of ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.ledger.services import eventually

from .calls import now_ms, past_call
from .conftest import Place
from .test_customers import enter, unique

pytestmark = pytest.mark.slow

SHEET = "lcall_web.common.sheet"
SLOW = """
create or replace function lcall_holds(text, text[]) returns boolean language plpgsql as
$$ begin perform pg_sleep(60); return true; end $$
"""


@contextlib.asynccontextmanager
async def slow_searches(place: Place) -> AsyncIterator[None]:
    """Of customers: what is looked at row by row takes a minute."""
    async with place.rows() as rows:
        before = await rows.fetchval("select pg_get_functiondef('lcall_holds(text, text[])'::regprocedure)")
        await rows.execute(SLOW)
        try:
            yield
        finally:
            await rows.execute(before)


@contextlib.asynccontextmanager
async def locked(place: Place, table: str) -> AsyncIterator[None]:
    """For everybody else."""
    async with place.rows() as rows, rows.transaction():
        await rows.execute(f"lock table {table} in access exclusive mode")
        yield


async def test_a_search_for_who_is_the_same_takes_too_long(place: Place) -> None:
    admin, name = await place.user("admin"), unique("太久的")
    id = await enter(admin, name)
    async with slow_searches(place):
        page, file = await asyncio.gather(
            admin.http.get(f"/customers/{id}/merge", params={"q": name}),
            admin.http.get("/customers/export", params={"q": name}),
        )
    assert page.status_code == 422
    _, _, candidates = page.text.partition('id="candidates"')
    assert "查询范围太大，请多写几个字或增加条件。" in candidates and "没有找到" not in candidates
    assert file.status_code == 422 and "查询范围太大" in file.text and "50000" not in file.text
    assert (await admin.get(f"/customers/{id}/merge", params={"q": name})).status_code == 200


async def test_the_calls_of_a_file_take_too_long(place: Place) -> None:
    admin = await place.user("admin")
    async with locked(place, "cdr"):
        answer = await admin.get("/calls/export.xlsx")
    assert answer.status_code == 422 and "查询范围太大" in answer.text
    assert (await admin.get("/calls/export.xlsx")).status_code == 200


async def test_a_file_of_calls_that_is_not_made(place: Place) -> None:
    """Its process dies."""
    await place.store(past_call(f"unmade-{uuid.uuid4().hex[:12]}", now_ms(), "13900009901").events)
    admin = await place.user("admin")
    async with locked(place, "cdr"):
        asked = asyncio.create_task(admin.get("/calls/export.xlsx"))
        makers = await eventually(lambda: children(place.web.process.pid, SHEET), "it is being made")
        assert isinstance(makers, list)
        for maker in makers:
            os.kill(maker, signal.SIGKILL)
    answer = await asked
    assert answer.status_code == 503 and "文件没有做成。" in answer.text
    assert (await admin.get("/calls/export.xlsx")).status_code == 200


def children(parent: int, program: str) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(one) for one in found if program in Path(f"/proc/{one}/cmdline").read_text()]
