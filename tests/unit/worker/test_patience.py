from __future__ import annotations

import asyncio

import asyncpg
import pytest

from lq.worker import patience


class Connection:
    terminated = False

    def terminate(self) -> None:
        self.terminated = True


async def test_work_goes_on_when_postgresql_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Away at first; then the second round fails there; then one goes well on a new connection."""
    monkeypatch.setattr(patience, "BACK_OFF_S", (0.0,))
    opened: list[Connection] = []
    answers: list[Exception | None] = [OSError("away"), TimeoutError(), None, None]

    async def connect(dsn: str, **_: object) -> Connection:
        if away := answers.pop(0):
            raise away
        opened.append(Connection())
        return opened[-1]

    rounds: list[Connection] = []
    done = asyncio.Event()

    async def once(connection: Connection) -> None:
        rounds.append(connection)
        if len(rounds) == 2:
            raise asyncpg.InterfaceError("connection is closed")
        if len(rounds) == 3:
            done.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(asyncpg, "connect", connect)
    running = asyncio.create_task(patience.again_and_again("dsn", "test", once))
    await asyncio.wait_for(done.wait(), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    first, second = opened
    assert rounds == [first, first, second] and first.terminated and second.terminated


async def test_a_fault_of_ours_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(dsn: str, **_: object) -> Connection:
        return Connection()

    async def once(connection: Connection) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(asyncpg, "connect", connect)
    with pytest.raises(KeyError):
        await patience.again_and_again("dsn", "test", once)
