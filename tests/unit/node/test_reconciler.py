"""When something counts as left behind: found by two sweeps, not young, not anybody's who lives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from lq import reconciler
from lq.contacts import inputs
from lq.contacts.contact import Contact, with_leg
from lq.contacts.owner import Owner
from lq.live.redis import Live
from lq.live.values import ContactState, Lease, Mended
from lq.reconciler import YOUNG_MS, Reconciler, _born
from tests.unit.contacts.test_advance import MEDIA, Life

US, OTHER = "lq1-aaaaaaaa", "lq2-bbbbbbbb"
NOW = 1_764_000_000_000
OLD, YOUNG = (f"{at:012x}"[:8] + "-" + f"{at:012x}"[8:] + "-7000-8000-000000000001" for at in (NOW - 60_000, NOW - 1))
ENGINE = "127.0.0.1:2223"


@dataclass
class FakeLive:
    alive: tuple[str, ...] = (US, OTHER)
    lapsed: tuple[str, ...] = ()
    known: list[str] = field(default_factory=list)
    mine: list[str] = field(default_factory=list)
    documents: dict[str, list[str]] = field(default_factory=dict)  # kind -> ids: no more than these is asked for
    taken: dict[str, dict[int, str]] = field(default_factory=dict)  # trunk -> which leg holds which channel

    async def contacts(self) -> list[str]:
        return self.known

    async def owned(self, incarnation: str) -> list[str]:
        return self.mine

    async def leases(self, role: str, *, lapsed: bool = False) -> list[Lease]:
        ids = self.lapsed if lapsed else self.alive
        return [Lease("lq", id, id, f"{id}:5071", 0, False, 0) for id in ids]

    async def configured(self, kind: str) -> list[str]:
        return self.documents.get(kind, [])

    async def channels(self, trunk: str) -> dict[int, str]:
        return self.taken.get(trunk, {})

    async def contact(self, id: str) -> ContactState:
        return ContactState(id, US, 3, "snapshot")


@dataclass
class FakeDebris:
    gone: set[str] = field(default_factory=set)  # contacts whose owner is none that lives
    free: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # agents signed in whom the configuration does not know
    strange: set[str] = field(default_factory=set)  # phones said to be used by agents who are elsewhere
    places: list[tuple[str, str]] = field(default_factory=list)  # of contacts that do not wait there
    in_order: set[str] = field(default_factory=set)  # what Redis finds so when it looks once more
    mended: list[tuple[str, str]] = field(default_factory=list)

    async def owners(self, contacts: list[str]) -> dict[str, str | None]:
        return {id: "lq9-dead" if id in self.gone else OTHER for id in contacts}

    async def unbound(self) -> list[str]:
        return self.free

    async def nobodies(self) -> list[str]:
        return self.unknown

    async def strangers(self, phones: list[str]) -> list[str]:
        return [ext for ext in phones if ext in self.strange]

    async def nobodys_places(self, lanes: list[str]) -> list[tuple[str, str]]:
        return [place for place in self.places if place[0] in lanes]

    async def mend(self, node: str, what: str, about: str, older_ms: int) -> Mended | None:
        if about in self.in_order:
            return None
        self.mended.append((what, about))
        return Mended(2, "snapshot") if what == "contact" else Mended()


@dataclass
class FakeOwner:
    contacts: dict[str, Contact] = field(default_factory=dict)
    with_dialog: set[int] = field(default_factory=set)
    heard: list[Any] = field(default_factory=list)

    def holds(self, contact: str) -> bool:
        return contact in self.contacts

    def held(self, contact: str) -> Contact | None:
        return self.contacts.get(contact)

    def all_held(self) -> dict[str, Contact]:
        return self.contacts

    def dialogs(self, contact: str) -> set[int]:
        return self.with_dialog

    async def take_over(self, contact: str, epoch: int, snapshot: str) -> None:
        self.heard.append((contact, epoch, snapshot))

    def deliver(self, contact: str, given: inputs.Input) -> None:
        self.heard.append((contact, given))


class Scene:
    def __init__(self) -> None:
        self.live, self.owner, self.debris = FakeLive(), FakeOwner(), FakeDebris()
        self.calls: list[tuple[str, str]] = []
        self.deleted: list[tuple[str, str]] = []
        self.there: dict[str, str] = {}  # address -> which incarnation answers
        self.room = Reconciler(
            US,
            live=cast(Live, self.live),
            owner=cast(Owner, self.owner),
            calls=self.list_calls,
            delete_call=self.delete,
            passed=self.at_once,
            whole_for=lambda: 60.0,
            now=lambda: NOW,
            incarnation_at=self.incarnation_at,
        )
        self.room._debris = cast(Any, self.debris)

    async def list_calls(self) -> list[tuple[str, str]]:
        return self.calls

    async def delete(self, engine: str, call: str) -> None:
        self.deleted.append((engine, call))

    async def incarnation_at(self, address: str) -> str:
        return self.there.get(address, "")

    async def at_once(self) -> None:
        pass

    async def sweeps(self, count: int = 2) -> list[tuple[str, str]]:
        for _ in range(count):
            await self.room.sweep()
        return self.debris.mended


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_two_sweeps_must_find_it(scene: Scene) -> None:
    scene.debris.free = ["1001"]
    assert await scene.sweeps(1) == []
    scene.debris.free = []
    assert await scene.sweeps(1) == []
    scene.debris.free = ["1001"]
    assert await scene.sweeps(1) == []
    assert await scene.sweeps(1) == [("agent", "1001")]


async def test_many_who_are_in_order_after_all_hide_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis finds them in order each time it looks, and they are suspects again."""
    monkeypatch.setattr(reconciler, "AT_ONCE", 3)
    scene.debris.free = [f"100{n}" for n in range(4)]
    scene.debris.in_order = set(scene.debris.free)
    scene.live.known = scene.live.mine = [OLD]
    assert await scene.sweeps(2) == []
    assert await scene.sweeps(1) == [("lost", OLD)]
    scene.debris.in_order = set()
    await scene.sweeps(2)
    assert {about for what, about in scene.debris.mended if what == "agent"} == set(scene.debris.free)


async def test_a_call_of_no_contact_is_deleted_unless_it_is_young_or_not_ours(scene: Scene) -> None:
    scene.calls = [(ENGINE, f"{OLD}.1"), (ENGINE, f"{YOUNG}.1"), (ENGINE, "edge-3848276298220188511@x")]
    assert await scene.sweeps() == [("call", f"{ENGINE} {OLD}.1")]
    assert scene.deleted == [(ENGINE, f"{OLD}.1")]


async def test_redis_looks_once_more_before_a_call_is_deleted(scene: Scene) -> None:
    scene.calls, scene.debris.in_order = [(ENGINE, f"{OLD}.1")], {f"{ENGINE} {OLD}.1"}
    assert await scene.sweeps() == scene.deleted == []


@pytest.mark.parametrize("there", [OTHER, "lq2-cccccccc"])
async def test_no_call_is_deleted_while_a_node_talks_on_without_redis(scene: Scene, there: str) -> None:
    """It may have begun that call; Redis has forgotten the lease meanwhile, and it may have started anew."""
    scene.calls = [(ENGINE, f"{OLD}.1")]
    await scene.sweeps(1)
    scene.live.alive, scene.live.lapsed, scene.there = (US,), (OTHER,), {f"{OTHER}:5071": there}
    assert await scene.sweeps() == scene.deleted == []
    scene.live.lapsed = ()
    assert await scene.sweeps() == scene.deleted == []
    scene.debris.free = ["1001"]
    assert await scene.sweeps() == [("agent", "1001")], "all else is mended"
    scene.there = {}
    await scene.sweeps(1)
    assert scene.deleted == [(ENGINE, f"{OLD}.1")]


async def test_what_is_nobodys_is_the_first_living_nodes_business(scene: Scene) -> None:
    scene.live.alive = ("lq0-00000000", US)
    scene.calls, scene.debris.free = [(ENGINE, f"{OLD}.1")], ["1001"]
    assert await scene.sweeps() == []


async def test_who_is_signed_in_and_no_agent_is_mended(scene: Scene) -> None:
    scene.debris.unknown = ["9999"]
    assert await scene.sweeps() == [("agent", "9999")]


async def test_what_is_configured_is_looked_at_by_its_name_alone(scene: Scene) -> None:
    """Thousands of documents were read every ten seconds, and nothing but their ids was wanted."""
    scene.live.documents = {"phones": ["8001", "8002"], "trunks": ["gw1"], "queues": ["sales"], "agents": ["1001"]}
    scene.live.taken = {"gw1": {7: f"{OLD}.2"}}
    scene.debris.strange = {"8002"}
    scene.debris.places = [("agent:1001", OLD), ("sales", OLD)]
    found = await scene.sweeps()
    assert found == [
        ("channel", f"gw1 {OLD}.2"),
        ("phone", "8002"),
        ("place", f"agent:1001 {OLD}"),
        ("place", f"sales {OLD}"),
    ]


async def test_a_contact_of_nobody_becomes_ours(scene: Scene) -> None:
    scene.live.known, scene.debris.gone = [OLD], {OLD}
    assert await scene.sweeps() == [("contact", OLD)]
    assert scene.owner.heard == [(OLD, 2, "snapshot")]


async def test_a_contact_that_is_ours_and_that_we_never_heard_of_is_taken(scene: Scene) -> None:
    scene.live.known = scene.live.mine = [OLD]
    assert await scene.sweeps() == [("lost", OLD)]
    assert scene.owner.heard == [(OLD, 3, "snapshot")]


def talking() -> Contact:
    life = Life().talking()
    return replace(life.contact, id=OLD)


async def test_a_call_in_order_is_left_alone(scene: Scene) -> None:
    scene.owner.contacts, scene.owner.with_dialog = {OLD: talking()}, {1, 2}
    scene.live.known = [OLD]
    scene.calls = [(ENGINE, f"{OLD}.1"), (ENGINE, f"{OLD}.2")]
    assert await scene.sweeps(4) == []


async def test_a_leg_that_talks_without_a_dialog_has_ended(scene: Scene) -> None:
    scene.owner.contacts, scene.owner.with_dialog = {OLD: talking()}, {1}
    scene.live.known = [OLD]
    assert await scene.sweeps() == [("dialog", f"{OLD}.2")]
    assert scene.owner.heard == [(OLD, inputs.Ended(2, "gone"))]


async def test_a_contact_whose_legs_have_all_ended_is_closed(scene: Scene) -> None:
    contact = talking()
    for n in (1, 2):
        contact = with_leg(contact, n, state="ended", media=None)
    scene.owner.contacts, scene.live.known = {OLD: contact}, [OLD]
    assert await scene.sweeps() == [("dialog", f"{OLD}.1")]
    assert scene.owner.heard == [(OLD, inputs.Ended(1, "gone"))]


async def test_media_of_a_leg_that_has_ended_or_moved_is_deleted(scene: Scene) -> None:
    contact = with_leg(talking(), 2, state="ended", media=None)
    contact = with_leg(contact, 1, media={**MEDIA, "engine": ENGINE})
    scene.owner.contacts, scene.owner.with_dialog, scene.live.known = {OLD: contact}, {1}, [OLD]
    scene.calls = [(ENGINE, f"{OLD}.1"), (ENGINE, f"{OLD}.2"), ("127.0.0.1:9999", f"{OLD}.1")]
    await scene.sweeps()
    assert scene.deleted == [(ENGINE, f"{OLD}.2"), ("127.0.0.1:9999", f"{OLD}.1")]


def test_a_contact_tells_its_age() -> None:
    assert (_born(OLD), NOW - _born(YOUNG) < YOUNG_MS) == (NOW - 60_000, True)
