"""What a node says to a Redis that may have forgotten, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from lq.config.book import Book
from lq.contacts.owner import Owner
from lq.live.errors import LiveUnavailable
from lq.live.memory import Memory
from lq.live.redis import Live
from lq.live.spool import Spool
from lq.live.values import ContactState, Renewal
from lq.remembering import Remembering

US, OTHER = "lq1-aaaaaaaa", "lq2-bbbbbbbb"


@dataclass
class FakeLive:
    """`mine`: what Redis says is ours, each under its epoch. As Redis does, `asserted` ends what was not said."""

    owner: FakeOwner
    mine: dict[str, int] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)  # to another since we asked what is ours
    away: bool = False
    ended: list[str] | None = None

    async def remembered(self, *said: Any) -> None: ...

    async def append(self, events: Any) -> None: ...

    async def last_event(self) -> str:
        return "0-0"

    async def recent(self, since: int) -> set[Any]:
        return set()

    async def owned(self, incarnation: str) -> list[str]:
        return sorted(self.mine)

    async def contact(self, id: str) -> ContactState | None:
        if self.away:
            raise LiveUnavailable("late")
        owner = OTHER if id in self.moved else US
        return ContactState(id, owner, self.mine[id], f"snapshot of {id}") if id in self.mine else None

    async def asserted(self, id: str, era: int, *, took: Any) -> None:
        self.ended = [contact for contact in sorted(self.mine) if contact not in self.owner.said]


@dataclass
class FakeOwner:
    contacts: list[str] = field(default_factory=list)
    had: dict[str, int] = field(default_factory=dict)  # under which epoch
    said: list[str] = field(default_factory=list)
    book: Book = field(default_factory=Book)
    load: int = 0

    def holds(self, contact: str) -> bool:
        return contact in self.contacts

    def has_had(self, contact: str, epoch: int) -> bool:
        return self.had.get(contact, 0) >= epoch

    async def take_over(self, contact: str, epoch: int, snapshot: str) -> None:
        assert snapshot == f"snapshot of {contact}" and not self.holds(contact)
        self.contacts.append(contact)

    async def say_again(self) -> None:
        self.said = list(self.contacts)

    async def say_over(self) -> None:
        assert self.said == self.contacts, "after what is alive"


class Scene:
    def __init__(self, spool: Spool) -> None:
        self.owner = FakeOwner()
        self.live = FakeLive(self.owner)
        self.room = Remembering(
            US, live=cast(Live, self.live), owner=cast(Owner, self.owner), memory=Memory(), spool=spool, took=set
        )

    async def said(self, era: int) -> bool:
        """Whether all was, with the renewal that told of the era and the next."""
        assert not self.room.renewed(Renewal(0, 1, era))
        assert self.room._saying is not None
        await asyncio.wait({self.room._saying})
        return self.room._era == era


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    spool = Spool(tmp_path / "lq1.jsonl")
    yield Scene(spool)
    spool.close()


async def test_what_is_being_adopted_or_handed_over_when_an_era_begins_is_not_ended(scene: Scene) -> None:
    """Of a page of two hundred the first twenty are held; of one handed over the message is not read yet."""
    scene.owner.contacts, scene.live.mine = ["c1"], {"c1": 2, "c2": 2, "c3": 5}
    assert await scene.said(era=2)
    assert scene.owner.said == ["c1", "c2", "c3"] and scene.live.ended == []


async def test_what_was_over_in_a_moment_that_redis_has_lost_does_not_come_to_life_again(scene: Scene) -> None:
    scene.live.mine, scene.owner.had = {"c1": 2, "c2": 3}, {"c1": 2, "c2": 1}
    assert await scene.said(era=2)
    assert scene.owner.said == ["c2"], "which had left us, and has come back"
    assert scene.live.ended == ["c1"]


async def test_what_has_gone_to_another_meanwhile_is_left_alone(scene: Scene) -> None:
    scene.live.mine, scene.live.moved = {"c1": 2}, {"c1"}
    assert await scene.said(era=2)
    assert scene.owner.contacts == []


async def test_nothing_is_asserted_while_something_cannot_be_taken(scene: Scene) -> None:
    scene.live.mine, scene.live.away = {"c1": 2}, True
    assert not await scene.said(era=2)
    assert scene.live.ended is None
    scene.live.away = False
    assert await scene.said(era=2)
    assert scene.owner.said == ["c1"] and scene.live.ended == []
