from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ops.migrate import migrate

from . import services


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[services.Postgres]:
    with services.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres_server: services.Postgres) -> str:
    """Made in a thread with a loop of its own: it outlives the loops of the tests."""

    async def make() -> None:
        await postgres_server.run("create database lcall_template")
        await migrate(postgres_server.dsn("lcall_template"))

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make()).result()
    return "lcall_template"


@pytest.fixture
async def dsn(postgres_server: services.Postgres, template: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    name = f"t{uuid.uuid4().hex}"
    await postgres_server.run(f"create database {name} template {template}")
    yield postgres_server.dsn(name)
    await postgres_server.run(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[services.Redis]:
    with services.redis() as server:
        yield server
