"""The live board over its stream: what happens in the center is on the page, for those who may see it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator

import pytest

from lq.live.redis import Live
from tests.integration.ledger import services
from tests.integration.ledger.services import eventually

from .calls import LiveCall, past_call
from .conftest import Place, made, serving
from .stream import Stream, following


async def sign_in(place: Place, live: Live, agent: str) -> None:
    await live.phone(f"8{agent[1:]}", True, 3_600_000)
    async with place.client() as lq:
        await lq.sign_in(agent, f"8{agent[1:]}")


async def sign_out(place: Place, agent: str) -> None:
    async with place.client() as lq:
        await lq.sign_out(agent)


def state(stream: Stream, agent: str) -> str:
    return str(stream.agents.get(agent, {}).get("state"))


async def test_an_agents_day_moves_his_card(place: Place, live: Live) -> None:
    leader = await place.user("1901")
    async with following(leader.http) as stream, place.client() as lq:
        await stream.until(lambda s: len(s.agents) == 102 and len(s.queues) == 2, "the snapshot")
        assert state(stream, "1021") == "signed_out" and stream.problems == []
        before = stream.totals["signed_in"]
        await sign_in(place, live, "1021")
        await stream.until(lambda s: state(s, "1021") == "ready", "ready")
        card = stream.agents["1021"]
        assert (card["label"], card["phone"], card["queues"]) == ("空闲", "8021", ["sales"]) and card["since"] > 0
        assert stream.totals["signed_in"] == before + 1
        await stream.until(lambda s: s.queues["sales"]["ready"] >= 1, "the queue counts him")
        await lq.pause("1021", "meal")
        await stream.until(lambda s: state(s, "1021") == "paused", "paused")
        assert (stream.agents["1021"]["label"], stream.agents["1021"]["note"]) == ("示忙", "用餐")
        await lq.sign_out("1021")
        await stream.until(lambda s: state(s, "1021") == "signed_out", "signed out")
        assert stream.wholes == 1, "nothing was sent twice: only what changed"


async def test_a_call_from_the_menu_to_its_end(place: Place, live: Live) -> None:
    admin = await place.user("admin", **{"accept-language": "en"})
    await sign_in(place, live, "1022")
    async with following(admin.http) as stream:
        await stream.until(lambda s: state(s, "1022") == "ready", "an agent")
        call = await LiveCall(live, "board-call-1", "13800138001").start()
        await stream.until(lambda s: "board-call-1" in s.calls, "the call")
        shown = stream.calls["board-call-1"]
        assert (shown["number"], shown["label"], shown["called"]) == ("13800138001", "Menu", "4008001001")
        await call.queue()
        assert call.agent == "1022"
        await stream.until(lambda s: state(s, "1022") == "ringing", "ringing")
        await stream.until(lambda s: s.calls["board-call-1"]["state"] == "ringing", "the call rings")
        assert stream.calls["board-call-1"]["queue"] == "Sales"
        await call.answer()
        await stream.until(lambda s: s.calls["board-call-1"]["state"] == "talking", "talking")
        await stream.until(lambda s: state(s, "1022") == "talking", "the agent talks")
        assert stream.calls["board-call-1"]["agent"] == stream.agents["1022"]["name"]
        await stream.until(lambda s: s.agents["1022"]["note"] == "13800138001", "his card says with whom")
        await stream.until(lambda s: s.queues["sales"]["talking"] == 1, "the queue's figures follow")
        await call.end()
        await stream.until(lambda s: "board-call-1" not in s.calls, "the call is over")
        await stream.until(lambda s: state(s, "1022") == "ready", "the agent is free")
    await sign_out(place, "1022")


async def test_who_waits_and_since_when(place: Place, live: Live) -> None:
    leader = await place.user("1901")
    async with following(leader.http) as stream:
        call = await LiveCall(live, "board-wait-1", "13800138002").start()
        await call.queue("support")
        await stream.until(lambda s: s.queues.get("support", {}).get("waiting") == 1, "one waits")
        await stream.until(lambda s: s.queues["support"]["oldest"] is not None, "since when")
        assert abs(stream.queues["support"]["oldest"] - call.life.at) < 3000, "the clock on the page starts there"
        assert stream.calls["board-wait-1"]["state"] == "queued" and stream.totals["waiting"] == 1
        await call.end("abandoned")
        await stream.until(lambda s: s.queues["support"]["waiting"] == 0 and not s.totals["waiting"], "he gave up")
        await stream.until(lambda s: s.queues["support"]["oldest"] is None, "nobody waits")


async def test_todays_figures_follow_history(place: Place, live: Live) -> None:
    leader = await place.user("1901")
    async with following(leader.http) as stream, place.client() as lq:
        await stream.until(lambda s: s.totals.get("answered") is not None, "today")
        (before,) = [queue.answered for queue in await lq.queues() if queue.id == "sales"]  # the board's may be old
        assert before is not None
        async with place.rows() as rows:
            now = await rows.fetchval("select (extract(epoch from now()) * 1000)::bigint")
        await place.store(past_call("board-past-1", now - 1000, "13800138003").events)
        moves = await LiveCall(live, "board-move-1").start()  # something moves: the figures are read again
        await moves.queue("support")
        await moves.end("abandoned")
        await stream.until(
            lambda s: s.queues["sales"]["answered"] == before + 1, "one more", 75
        )  # at least each minute
        assert stream.queues["sales"]["level"] is not None and stream.totals["level"] is not None


async def test_an_agent_sees_his_own_calls_and_nobody_elses_numbers(place: Place, live: Live) -> None:
    await sign_in(place, live, "1023")
    his = await place.user("1023")
    other = await place.user("1024")
    async with following(his.http) as mine, following(other.http) as theirs:
        call = await LiveCall(live, "board-own-1", "13911112222").start()
        await call.queue()
        assert call.agent == "1023"
        await call.answer()
        await mine.until(lambda s: s.calls.get("board-own-1", {}).get("state") == "talking", "his call")
        assert mine.calls["board-own-1"]["number"] == "139****2222"
        await mine.until(lambda s: s.agents["1023"]["note"] == "139****2222", "on his card too")
        await theirs.until(lambda s: state(s, "1023") == "talking", "a colleague sees that he talks")
        assert "board-own-1" not in theirs.calls and theirs.agents["1023"]["note"] != "139****2222"
        await call.end()
        await mine.until(lambda s: "board-own-1" not in s.calls, "over")
        await theirs.until(lambda s: state(s, "1023") == "ready", "free")
        assert "13911112222" not in mine.text + theirs.text and "2222" not in theirs.words
    await sign_out(place, "1023")


async def test_the_stream_ends_with_the_session(place: Place) -> None:
    visitor = await place.user("1025")
    async with following(visitor.http) as stream:
        await stream.until(lambda s: s.wholes == 1, "the snapshot")
        await visitor.post("/logout")
        with pytest.raises(AssertionError, match="the stream has ended"):
            await stream.until(lambda s: False, "never")
    assert (await visitor.http.get("/live")).status_code == 401


async def test_hostile_texts_are_sent_as_texts(place: Place, live: Live) -> None:
    name = "'; drop table cdr; --<script>alert(1)</script>\n\nevent: problems"
    leader = await place.user("1901")
    async with following(leader.http) as stream:
        call = await LiveCall(live, "board-hostile-1", name).start()
        await stream.until(lambda s: "board-hostile-1" in s.calls, "the call")
        assert stream.calls["board-hostile-1"]["number"] == "****" and stream.problems == []
        await call.end("abandoned")
    admin = await place.user("admin")
    async with following(admin.http) as stream:
        call = await LiveCall(live, "board-hostile-2", name).start()
        await stream.until(lambda s: "board-hostile-2" in s.calls, "the call")
        assert stream.calls["board-hostile-2"]["number"] == name and stream.problems == []
        await call.end("abandoned")


@pytest.mark.kills
@pytest.mark.slow
async def test_the_board_is_right_again_whatever_was_missed(
    postgres_server: services.Postgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The api is killed, and things happen before it is back; then it hangs, and goes on."""
    home = tmp_path_factory.mktemp("web-board")
    with services.redis() as redis:
        dsn = made(postgres_server, "web_board", template, redis.url)
        with serving(dsn, redis.url, home) as place:
            live = Live(redis.url)
            await live.start()
            leader = await place.user("1901")
            gone = await LiveCall(live, "missed-1").start()
            async with following(leader.http) as stream:
                await stream.until(lambda s: "missed-1" in s.calls, "a call")
                place.api.kill()
                await stream.until(lambda s: any("LQ-SDK" in p for p in s.problems), "the page says what is away")
                await gone.end("abandoned")
                await LiveCall(live, "missed-2").start()
                await live.phone("8001", True, 3_600_000)
                await live.agent("1001", "sign_in", phone="8001")
                with services.program("lq.api", place.api.environ, home / "api2.log") as again:
                    await stream.until(lambda s: not s.problems and s.wholes == 2, "a new snapshot", 20)
                    assert set(stream.calls) == {"missed-2"} and state(stream, "1001") == "ready"
                    again.freeze()
                    await stream.until(lambda s: any("LQ-SDK" in p for p in s.problems), "it hangs", 20)
                    await LiveCall(live, "missed-3").start()
                    again.thaw()
                    await stream.until(lambda s: not s.problems and "missed-3" in s.calls, "it goes on", 30)
            await place.close_visitors()
            await live.close()


@pytest.mark.slow
async def test_a_page_that_does_not_read_harms_nobody_and_is_dropped(
    postgres_server: services.Postgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is sent more than the sockets hold; the web lets go of it, and serves the others all the while."""
    with services.redis() as redis:
        dsn = made(postgres_server, "web_slow", template, redis.url)
        with serving(dsn, redis.url, tmp_path_factory.mktemp("web-slow")) as place:
            live = Live(redis.url)
            await live.start()
            visitor = await place.user("1901")
            async with _not_reading(place, visitor.http.cookies["lcall_session"]):
                agents = [str(n) for n in range(1001, 1101)]
                for agent in agents:
                    await live.phone(f"8{agent[1:]}", True, 3_600_000)
                    await live.agent(agent, "sign_in", phone=f"8{agent[1:]}")
                async with asyncio.timeout(300):
                    n = 0
                    while "was dropped" not in place.web.text():
                        n += 1
                        for agent in agents:
                            await live.agent(agent, "pause", reason=f"{n}" + "忙" * 4000)
                async with following(visitor.http) as stream:
                    await stream.until(lambda s: state(s, "1001") == "paused", "others are served")
            await place.close_visitors()
            await live.close()


@contextlib.asynccontextmanager
async def _not_reading(place: Place, token: str) -> AsyncIterator[None]:
    """A page whose browser has stopped taking what it is sent."""
    host, port = place.url.removeprefix("http://").split(":")
    with socket.socket() as browser:
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        browser.connect((host, int(port)))
        browser.sendall(f"GET /live?board=1 HTTP/1.1\r\nHost: x\r\nCookie: lcall_session={token}\r\n\r\n".encode())
        yield


@pytest.mark.slow
async def test_the_web_leaves_in_time_although_pages_are_open(
    postgres_server: services.Postgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with services.redis() as redis:
        dsn = made(postgres_server, "web_leaves", template, redis.url)
        with serving(dsn, redis.url, tmp_path_factory.mktemp("web-leaves")) as place:
            visitor = await place.user("1001")
            async with following(visitor.http) as stream:
                await stream.until(lambda s: s.wholes == 1, "the snapshot")
                place.web.process.send_signal(signal.SIGTERM)
                await eventually(lambda: place.web.process.poll() is not None, "it leaves", 10)
            assert place.web.process.returncode == 0
            assert "Traceback" not in place.web.text()
            await place.close_visitors()
