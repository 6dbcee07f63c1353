"""PostgreSQL or the api killed or hung: every page answers in bounded time, says what is the matter, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator

import httpx
import pytest

from lq.live.redis import Live
from ops.migrate import migrate
from tests.integration.ledger import services
from tests.integration.ledger.services import eventually

from .calls import LiveCall, now_ms, past_call
from .conftest import Place, Visitor, in_a_loop_of_its_own, made, serving
from .stream import following

BOUND_S = 8.0  # several bounded waits may come one after another

pytestmark = pytest.mark.kills


@pytest.fixture
def own_place(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, services.Postgres]]:
    """With a PostgreSQL of its own, made like the shared one."""
    with services.postgres() as postgres, services.redis() as redis:
        in_a_loop_of_its_own(lambda: postgres.run("create database template_of_ours"))
        in_a_loop_of_its_own(lambda: migrate(postgres.dsn("template_of_ours")))
        dsn = made(postgres, "web_absence", "template_of_ours", redis.url)
        with serving(dsn, redis.url, tmp_path_factory.mktemp("web-absence")) as place:
            yield place, postgres
            with contextlib.suppress(ProcessLookupError):
                postgres.thaw()


async def bounded(visitor: Visitor, path: str) -> httpx.Response:
    async with asyncio.timeout(BOUND_S):
        return await visitor.get(path)


async def healthy(visitor: Visitor, what: str, well: bool) -> None:
    async def is_so() -> bool:
        try:
            async with asyncio.timeout(1):
                answer = await visitor.http.get("/healthz")
        except TimeoutError:
            return False
        assert answer.status_code == 200
        return (what not in answer.json()["failing"]) is well

    await eventually(is_so, f"{what} {'answers' if well else 'is away'}", 20)


@pytest.mark.slow
async def test_postgresql_hangs_and_goes_on(own_place: tuple[Place, services.Postgres]) -> None:
    place, postgres = own_place
    life = past_call("kept-1", now_ms(), "13800138000", "1001")
    await place.store(life.events)
    live = Live(place.redis_url)
    await live.start()
    leader, stranger = await place.user("1901"), place.visitor()
    await stranger.get("/login")
    call = await LiveCall(live, "during-1", "13911113333").start()
    async with following(leader.http) as stream:
        await stream.until(lambda s: "during-1" in s.calls, "the call")
        postgres.freeze()
        # The board goes on for whoever was in; the rest says what is away.
        await call.queue("support")
        await stream.until(lambda s: s.calls["during-1"]["state"] == "queued", "the board moves on")
        await stream.until(lambda s: any("数据库" in p for p in s.problems), "it says what hangs")
        await healthy(stranger, "database", False)
        board = await bounded(leader, "/board")
        assert board.status_code == 200 and "数据库没有响应" in board.text
        listing = await bounded(leader, "/calls/")
        assert (listing.status_code, listing.headers["retry-after"]) == (503, "5")
        assert "暂时不可用" in listing.text and 'http-equiv="refresh"' in listing.text
        live_call = await bounded(leader, "/calls/during-1")
        assert live_call.status_code == 200 and "排队中" in live_call.text and "数据库没有响应" in live_call.text
        assert (await bounded(leader, "/calls/kept-1")).status_code == 503
        assert (await bounded(leader, "/recordings/kept-1-r1")).status_code == 503
        assert (await bounded(leader, "/follow-ups/")).status_code == 503
        async with asyncio.timeout(BOUND_S):
            undone = await leader.post("/follow-ups/1/done", {"version": "1"})
        assert undone.status_code == 503 and "没有保存" in undone.json()["error"]
        home = await bounded(leader, "/home")
        assert home.status_code == 503 and "数据库没有响应" in home.text
        async with asyncio.timeout(BOUND_S):
            refused = await stranger.post("/login", {"id": "1001", "password": "demo-1001"})
            hidden = await leader.post("/calls/during-1/number")
        assert refused.status_code == hidden.status_code == 503, "what cannot be written down is not done"
        assert "13911113333" not in hidden.text
        async with asyncio.timeout(BOUND_S):
            form = {"referer": f"{place.url}/calls/kept-1", "accept": "text/html"}
            failed = await leader.post("/notices/1/end", headers=form)
        assert failed.status_code == 503 and failed.headers["hx-push-url"] == "false"
        assert "请稍后再试一次" in failed.text and 'href="/calls/kept-1"' in failed.text, (
            "it leads back, and does no more"
        )
        assert 'http-equiv="refresh"' not in failed.text
        assert (await bounded(stranger, "/login")).status_code == 200
        postgres.thaw()
        await stream.until(lambda s: not s.problems, "it comes back by itself", 30)
    await healthy(stranger, "database", True)
    assert "kept-1" in (await bounded(leader, "/calls/")).text
    assert (await bounded(leader, "/follow-ups/")).status_code == 200
    assert (await stranger.post("/login", {"id": "1001", "password": "demo-1001"})).status_code == 303
    await place.close_visitors()
    await live.close()


@pytest.mark.slow
async def test_many_requests_at_a_hung_postgresql_do_not_pile_up(
    own_place: tuple[Place, services.Postgres],
) -> None:
    place, postgres = own_place
    leader = await place.user("1901")
    postgres.freeze()
    async with asyncio.timeout(BOUND_S):
        answers = await asyncio.gather(*(leader.http.get("/calls/") for _ in range(60)))
    assert {answer.status_code for answer in answers} == {503}
    await healthy(leader, "database", False)
    postgres.thaw()
    await healthy(leader, "database", True)
    assert (await bounded(leader, "/calls/")).status_code == 200
    await place.close_visitors()


async def test_the_api_dies_and_the_history_stays_readable(own_place: tuple[Place, services.Postgres]) -> None:
    place, _ = own_place
    await place.store(past_call("read-1", now_ms(), "13800138000", "1001").events)
    admin = await place.user("admin")
    place.api.kill()
    await healthy(admin, "api", False)
    board = await bounded(admin, "/board")
    assert board.status_code == 200 and "LQ-SDK" in board.text and "没有响应" in board.text
    assert "read-1" in (await bounded(admin, "/calls/")).text
    detail = await bounded(admin, "/calls/read-1")
    assert detail.status_code == 200 and "13800138000" in detail.text
    part = await admin.http.get("/recordings/read-1-r1", headers={"hx-request": "true"})
    assert part.status_code == 503 and "LQ-SDK" in part.text and "<html" not in part.text
    with services.program("lq.api", place.api.environ, place.home / "api2.log"):
        await healthy(admin, "api", True)
        await healthy(admin, "events", True)
        assert (await admin.http.get("/recordings/read-1-r1")).status_code == 200
    await place.close_visitors()


async def test_postgresql_reads_and_does_not_write(own_place: tuple[Place, services.Postgres]) -> None:
    """A primary that became a standby, or was locked: who is in reads on, and works at his phone."""
    place, postgres = own_place
    live = Live(place.redis_url)
    await live.start()
    await live.phone("8001", True, 3_600_000)
    agent, stranger = await place.user("1001"), place.visitor()

    async def asked(verb: str, **form: str) -> int:
        async with asyncio.timeout(BOUND_S):
            answer = await agent.post(f"/desk/agent/{verb}", form, headers={"Idempotency-Key": str(uuid.uuid4())})
        return answer.status_code

    async def turned(writes: bool) -> None:
        """For the connections that are made from now on, and there are no others."""
        only = "off" if writes else "on"
        await postgres.run(f"alter database web_absence set default_transaction_read_only = {only}")
        await postgres.run("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'web_absence'")

        async def reads() -> bool:
            return (await bounded(agent, "/calls/")).status_code == 200

        await eventually(reads, "it reads", 20)

    assert await asked("sign-in", phone="8001") == 200
    async with place.rows() as rows:  # so that he is noted as seen
        await rows.execute("update web_session set seen_at = now() - interval '2 minutes'")
        await stranger.get("/login")
    await turned(writes=False)
    for path in ("/board", "/calls/", "/home", "/desk/today"):
        assert (await bounded(agent, path)).status_code == 200, path
    async with following(agent.http) as stream:
        await stream.until(lambda s: s.agents and not s.problems, "the board")
    assert [await asked("pause", reason="meal"), await asked("ready")] == [200, 200]
    async with asyncio.timeout(BOUND_S):
        note = {"key": str(uuid.uuid4()), "body": "明天回电", "colour": "yellow"}
        written = [await agent.post("/notes/", note), await agent.post("/logout")]
        written.append(await stranger.post("/login", {"id": "1002", "password": "demo-1002"}))
    assert [answer.status_code for answer in written] == [503] * 3
    assert all("数据库没有响应" in answer.text for answer in written[1:])
    assert (await bounded(agent, "/calls/")).status_code == 200, "who could write nothing keeps nobody from reading"
    assert place.web.text().count("sessions cannot be noted as seen") == 1
    await turned(writes=True)
    assert (await stranger.post("/login", {"id": "1002", "password": "demo-1002"})).status_code == 303
    assert (await agent.post("/notes/", note)).status_code == 200
    await place.close_visitors()
    await live.close()


@pytest.mark.slow
async def test_the_web_starts_with_everything_away_and_finds_it(own_place: tuple[Place, services.Postgres]) -> None:
    place, postgres = own_place
    place.web.kill()
    place.api.kill()
    postgres.freeze()
    with services.program("lcall_web", place.web.environ, place.home / "web2.log") as web:
        visitor = place.visitor()

        async def serves() -> bool:
            assert web.process.poll() is None, web.text()
            try:
                return (await visitor.http.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(serves, "the web", 20)
        page = await bounded(visitor, "/login")
        assert page.status_code == 200 and "数据库没有响应" in page.text
        assert (await bounded(visitor, "/board")).status_code == 302
        postgres.thaw()
        with services.program("lq.api", place.api.environ, place.home / "api2.log"):
            for what in ("database", "api", "events"):
                await healthy(visitor, what, True)
            assert (await visitor.log_in("1901")).status_code == 303
            async with following(visitor.http) as stream:
                await stream.until(lambda s: len(s.agents) == 102 and not s.problems, "the board")
    await place.close_visitors()
