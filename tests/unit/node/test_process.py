"""A loop of a process that fails is told and begins again."""

from __future__ import annotations

import pytest

from lq import process
from lq.live import reading


async def test_a_loop_that_fails_begins_again_until_it_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "AGAIN_S", 0)
    rounds: list[int] = []

    async def loop() -> None:
        rounds.append(len(rounds))
        if len(rounds) < 3:
            raise KeyError("a message that cannot be read")

    await process.kept_up("inbox", loop)
    assert rounds == [0, 1, 2]


@pytest.mark.parametrize("fields", [{}, {"m": "{"}, {"m": "7"}])
def test_a_message_that_is_none_does_not_stand_in_the_way(fields: dict[str, str]) -> None:
    assert reading.message(fields) == {}
