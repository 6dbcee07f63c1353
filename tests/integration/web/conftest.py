from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from playwright.async_api import Browser, async_playwright

from lq.config import publish, seed
from lq.ledger.events import Event
from lq.ledger.projection import project
from lq.live.redis import Live
from lq.sdk import Client
from tests.chromium import CHROMIUM
from tests.integration.ledger import services
from tests.integration.ledger.conftest import postgres_server, redis_server, template

__all__ = ["postgres_server", "redis_server", "template"]

TOKEN = "test-token"
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        await started.close()


class Visitor:
    """A browser's part: cookies, and the token of the last page in every form."""

    def __init__(self, url: str, **headers: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, trust_env=False, headers=headers, timeout=15)
        self.csrf = ""

    async def get(self, path: str, **arguments: Any) -> httpx.Response:
        answer = await self.http.get(path, **arguments)
        if found := CSRF.search(answer.text if "text/html" in answer.headers.get("content-type", "") else ""):
            self.csrf = found[1]
        return answer

    async def post(self, path: str, data: Mapping[str, str] | None = None, **arguments: Any) -> httpx.Response:
        return await self.http.post(path, data={"csrf": self.csrf, **(data or {})}, **arguments)

    async def log_in(self, id: str, password: str = "") -> httpx.Response:
        await self.get("/login")
        answer = await self.post("/login", {"id": id, "password": password or f"demo-{id}"})
        if answer.status_code == 303:
            await self.get("/board")
        return answer


@dataclass
class Place:
    """A real web on a real api, PostgreSQL and Redis, with the demo world in them."""

    url: str
    home: Path
    dsn: str
    api_url: str
    redis_url: str
    api: services.Program
    web: services.Program
    _visitors: list[Visitor] = field(default_factory=list)

    def visitor(self, **headers: str) -> Visitor:
        self._visitors.append(Visitor(self.url, **headers))
        return self._visitors[-1]

    async def user(self, id: str, **headers: str) -> Visitor:
        """One who is in."""
        found = self.visitor(**headers)
        assert (await found.log_in(id)).status_code == 303
        return found

    def client(self) -> Client:
        return Client(self.api_url, TOKEN)

    @contextlib.asynccontextmanager
    async def rows(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()

    async def store(self, events: Sequence[Event]) -> None:
        """Writes events into history as the journal would."""
        numbered = [Event(e.type, e.at, e.subject, e.seq, e.data, f"{e.at}-{n}") for n, e in enumerate(events)]
        async with self.rows() as rows, rows.transaction():
            await project(rows, numbered)

    async def close_visitors(self) -> None:
        while self._visitors:
            await self._visitors.pop().http.aclose()


def in_a_loop_of_its_own(work: Callable[[], Awaitable[Any]]) -> Any:
    """For what outlives the loops of the tests."""

    async def run() -> Any:
        return await work()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


@contextlib.contextmanager
def serving(dsn: str, redis_url: str, home: Path) -> Iterator[Place]:
    (home / "sdk.token").write_text(f"{TOKEN}\n")
    (home / "recordings").mkdir(exist_ok=True)
    api_port = services.free_port()
    api_url = f"http://127.0.0.1:{api_port}"
    common = {
        "LCALL_HOME": str(home),
        "LCALL_POSTGRES_DSN": dsn,
        "LCALL_REDIS_URL": redis_url,
        "LCALL_SDK_TOKEN_FILE": str(home / "sdk.token"),
        "LCALL_RECORDINGS": str(home / "recordings"),
        "LCALL_API": api_url,
        "LCALL_API_LISTEN": f"127.0.0.1:{api_port}",
    }
    with services.program("lq.api", common, home / "api.log") as api:
        _answers(api, f"{api_url}/v1/health")
        web_port = services.free_port()
        environ = {**common, "LCALL_WEB_LISTEN": f"127.0.0.1:{web_port}"}
        with services.program("lcall_web", environ, home / "web.log") as web:
            url = f"http://127.0.0.1:{web_port}"
            _answers(web, f"{url}/healthz")
            yield Place(url, home, dsn, api_url, redis_url, api, web)
            broken = [line for line in web.text().splitlines() if '"level": "error"' in line or "Traceback" in line]
            assert not broken, "the web's log tells of a fault of ours"


def _answers(running: services.Program, url: str) -> None:
    def does() -> bool:
        try:
            return httpx.get(url, trust_env=False).status_code in (200, 503)
        except httpx.TransportError:
            return False

    services.until(does, running.process, url)


def made(server: services.Postgres, name: str, template: str, redis_url: str) -> str:
    """A database and a Redis with the demo world; returns the DSN."""

    async def make() -> None:
        await server.run(f"create database {name} template {template}")
        rows = await asyncpg.connect(server.dsn(name))
        live = Live(redis_url)
        await live.start()
        await seed.seed(rows)
        await publish.publish(rows, live)
        await live.close()
        await rows.close()

    in_a_loop_of_its_own(make)
    return server.dsn(name)


@pytest.fixture(scope="session")
def shared(
    postgres_server: services.Postgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """For all tests that leave it as it is; they keep apart by the names of their calls and agents."""
    with services.redis() as redis:
        dsn = made(postgres_server, "web_shared", template, redis.url)
        with serving(dsn, redis.url, tmp_path_factory.mktemp("web")) as found:
            yield found
        in_a_loop_of_its_own(lambda: postgres_server.run("drop database web_shared with (force)"))


@pytest.fixture
async def place(shared: Place) -> AsyncIterator[Place]:
    yield shared
    await shared.close_visitors()
    async with shared.rows() as rows:  # nobody is in, and no address closed, when the next one begins
        await rows.execute("delete from web_session")
        await rows.execute("delete from login_attempt")


@pytest.fixture
async def live(place: Place) -> AsyncIterator[Live]:
    found = Live(place.redis_url)
    await found.start()
    yield found
    await found.close()
