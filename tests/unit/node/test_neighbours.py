"""What a dead node owned is taken over, however many contacts it were and whatever answer of Redis is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lq import neighbours
from lq.contacts.owner import Owner
from lq.live.errors import Alive, LiveUnavailable
from lq.live.redis import Live
from lq.live.values import Adopted, Lease
from lq.neighbours import Neighbours

US, DEAD = "lq1-aaaaaaaa", "lq2-bbbbbbbb"
PAGE = 3
LEASE = Lease("lq", DEAD, DEAD, "127.0.0.1:1", 0, False, 0)


@dataclass
class FakeLive:
    """`lost`: which calls of `adopt` do their work and are not answered."""

    theirs: list[str]
    ours: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    lapsed: list[Lease] = field(default_factory=lambda: [LEASE])
    alive: bool = False
    adopts: int = 0

    async def leases(self, role: str, *, lapsed: bool) -> list[Lease]:
        return self.lapsed

    async def owned(self, incarnation: str) -> list[str]:
        return self.ours

    async def adopt(self, node: str, dead: str) -> list[Adopted]:
        self.adopts += 1
        if self.alive:
            raise Alive
        page, self.theirs = self.theirs[:PAGE], self.theirs[PAGE:]
        self.ours += page
        if not self.theirs:
            self.lapsed = []  # nothing tells of it any more
        if self.adopts in self.lost:
            raise LiveUnavailable("late")
        return [Adopted(contact, 2, "{}") for contact in page]

    async def left_unheard(self, incarnation: str) -> AsyncIterator[dict[str, Any]]:
        while self.messages:
            yield {"type": self.messages.pop(0)}


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, live: FakeLive) -> None:
        self.live, self.held, self.told, self.heard = live, list[str](), list[str](), list[Any]()
        self.whole, self.there = 9.0, False
        self.looks, self.enough = 0, asyncio.Event()
        monkeypatch.setattr(neighbours, "LOOK_S", 0)
        self.room = Neighbours(
            US,
            live=cast(Live, live),
            owner=cast(Owner, self),
            tell=self.tell,
            take=self.take,
            message=self.heard.append,
            whole_for=lambda: self.whole,
            lease_s=2.0,
            answers=self.answers,
        )
        self.room.passed = self.passed

    def holds(self, contact: str) -> bool:
        return contact in self.held

    async def take_over(self, contact: str, epoch: int, snapshot: str) -> None:
        assert contact not in self.held, "taken twice"
        self.held.append(contact)

    async def take(self, contact: str) -> None:
        await self.take_over(contact, 2, "{}")

    async def tell(self, dead: str) -> None:
        self.told.append(dead)

    async def answers(self, lease: Lease) -> bool:
        return self.there

    async def passed(self) -> None:
        self.looks -= 1
        if self.looks <= 0:
            self.enough.set()

    async def look(self, times: int) -> None:
        self.looks = times
        self.enough.clear()
        watch = asyncio.create_task(self.room.watch())
        await self.enough.wait()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


IDS = [f"c{n}" for n in range(8)]


@pytest.mark.parametrize("lost", [set(), {1}, {2}, {3}, {4}, {1, 2, 3}])
async def test_no_contact_is_lost_with_an_answer(monkeypatch: pytest.MonkeyPatch, lost: set[int]) -> None:
    scene = Scene(monkeypatch, FakeLive(list(IDS), messages=["a", "b"], lost=lost))
    await scene.look(12)
    assert sorted(scene.held) == IDS
    assert DEAD in scene.told and scene.room.took == {DEAD}
    assert [message["type"] for message in scene.heard] == ["a", "b"]
    calls = scene.live.adopts
    await scene.look(3)
    assert scene.live.adopts == calls, "done is done"


async def test_what_is_ours_is_taken_while_the_link_is_not_yet_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, FakeLive(IDS[:2], lost={1}))
    await scene.look(2)
    scene.whole = 0.0
    await scene.look(2)
    assert sorted(scene.held) == IDS[:2]


async def test_who_answers_or_has_come_back_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, FakeLive(list(IDS), alive=True))
    await scene.look(2)
    scene.live.alive, scene.there = False, True
    await scene.look(2)
    assert scene.held == scene.told == []


async def test_who_had_nothing_is_nobodys_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or another has taken all of it, to whom the edge must not cease to send its requests."""
    scene = Scene(monkeypatch, FakeLive([]))
    await scene.look(3)
    assert scene.told == [] and scene.room.took == {DEAD}
