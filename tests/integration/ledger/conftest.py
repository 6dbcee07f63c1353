from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from ops.migrate import migrate

from . import services


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[services.Postgres]:
    with services.postgres() as server:
        yield server


@pytest.fixture(scope="session")
async def template(postgres_server: services.Postgres) -> str:
    await postgres_server.run("create database lcall_template")
    await migrate(postgres_server.dsn("lcall_template"))
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
