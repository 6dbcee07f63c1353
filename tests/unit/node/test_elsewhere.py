"""What reaches the wrong node: who is asked, what is answered, and how long anybody waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from lq import elsewhere
from lq.config import documents as doc
from lq.config.book import Book
from lq.contacts import inputs
from lq.contacts.owner import Owner
from lq.contacts.tags import tag_of
from lq.elsewhere import Elsewhere
from lq.live.errors import LiveUnavailable
from lq.live.redis import Live
from lq.live.values import ContactState, Lease, PhoneState
from lq.sip import events as sip
from lq.sip.agent import UserAgent
from lq.sip.core import Datagram

US, OTHER, DEAD = "lq1-aaaaaaaa", "lq2-bbbbbbbb", "lq3-cccccccc"
CONTACT = "01935c2e-7a10-7000-8000-000000000001"
TAG = tag_of(CONTACT, 1, 7)
BOOK = Book(agents={id: doc.Agent(id, id, queues) for id, queues in (("1001", ("a",)), ("1002", ("a",)), ("1003", ()))})


@dataclass
class FakeLive:
    owner_of: str | None = OTHER
    away: bool = False
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)
    ringing: list[tuple[str, str]] = field(default_factory=list)
    signed_in: str | None = "1002"
    state: str = "offering"
    asked: list[Any] = field(default_factory=list)

    async def phone_state(self, ext: str) -> PhoneState:
        return PhoneState(ext, 0, {"8002": self.signed_in, "8001": "1001"}.get(ext))

    async def to_pick_up(self, agents: list[str], queues: list[str]) -> list[tuple[str, str]]:
        if self.away:
            raise LiveUnavailable("away")
        self.asked.append((agents, queues))
        return self.ringing

    async def owner(self, contact: str) -> str | None:
        if self.away:
            raise LiveUnavailable("away")
        return self.owner_of

    async def leases(self, role: str) -> list[Lease]:
        return [Lease("lq", id, id, f"10.0.0.{n}:5060", 0, False, 0) for n, id in enumerate((US, OTHER), start=1)]

    async def send(self, incarnation: str, message: dict[str, Any]) -> None:
        self.sent.append((incarnation, message))

    async def reply(self, reply_to: str, reply: dict[str, Any]) -> None:
        self.replies.append({"to": reply_to, **reply})

    async def contact(self, id: str) -> ContactState | None:
        snapshot = json.dumps({"state": self.state, "offer": {"agent": "1001"}}) if self.ringing else "snapshot"
        return ContactState(id, self.owner_of or "", 4, snapshot)


@dataclass
class FakeOwner:
    held: set[str] = field(default_factory=set)
    heirs: dict[str, str] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    moved: Any = None
    delivered: list[Any] = field(default_factory=list)
    book: Book = BOOK

    def deliver(self, contact: str, given: Any) -> bool:
        if contact in self.held:
            self.delivered.append(given)
        return contact in self.held

    def holds(self, contact: str) -> bool:
        return contact in self.held

    def heir(self, contact: str) -> str:
        return self.heirs.get(contact, "")

    async def take_over(self, contact: str, epoch: int, snapshot: str) -> None:
        self.heard.append((contact, epoch, snapshot))
        self.come(contact)

    def come(self, contact: str) -> None:
        self.held.add(contact)
        self.moved(contact)

    def message(self, message: Any) -> bool:
        self.heard.append(message)
        return True

    def flush(self) -> None:
        pass


@dataclass
class FakeAgent:
    owner: FakeOwner
    answers: list[tuple[str, int, dict[str, str]]] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    refuses: int = 0  # to have the call replaced that it holds

    def replaced(self, wanted: sip.Replaces) -> tuple[int, sip.Replaces]:
        return self.refuses, replace(wanted, session="held")

    def redeliver(self, stray: sip.Stray, *, now: float) -> bool:
        if CONTACT not in self.owner.held:
            return False
        self.delivered.append(stray.method)
        return True

    def refuse(self, stray: sip.Stray, code: int, headers: dict[str, str], *, now: float) -> None:
        self.answers.append((stray.method, code, dict(headers)))

    def reject(self, session: str, code: int, headers: dict[str, str], *, now: float) -> None:
        self.answers.append((session, code, dict(headers)))


class Scene:
    def __init__(self) -> None:
        self.live, self.owner = FakeLive(), FakeOwner()
        self.agent = FakeAgent(self.owner)
        self.wire: list[Datagram] = []
        self.silent: set[str] = set()  # nodes that are dead, and whose lease has not run out yet
        self.room = Elsewhere(
            US,
            live=cast(Live, self.live),
            owner=cast(Owner, self.owner),
            agent=cast(UserAgent, self.agent),
            send=self.send,
            answers=self.answers,
        )

    async def answers(self, lease: Lease) -> bool:
        return lease.incarnation not in self.silent

    def send(self, datagrams: Sequence[Datagram]) -> None:
        self.wire += datagrams

    def stray(self, method: str = "BYE", tag: str = TAG) -> None:
        self.room.stray(sip.Stray(method, "call", tag, "sip:lq@lq.internal", None, b"as it is"))

    async def settled(self) -> None:
        while self.room._tasks:
            await asyncio.gather(*self.room._tasks)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(elsewhere, "LOOK_S", 0.001)
    monkeypatch.setattr(elsewhere, "WAIT_S", 0.01)
    return Scene()


AT_OTHER = {"Contact": f"<sip:lq@lq.internal;i={OTHER}>"}


async def test_a_request_goes_to_the_owner_and_an_ack_as_it_is(scene: Scene) -> None:
    scene.stray("BYE")
    for method in ("ACK", ""):  # and a response to an INVITE of the dead
        scene.stray(method)
    await scene.settled()
    assert scene.agent.answers == [("BYE", 302, AT_OTHER)]
    assert scene.wire == [Datagram(None, b"as it is", ("10.0.0.2", 5060))] * 2


@pytest.mark.parametrize(("owner", "code"), [(None, 481), (DEAD, 503), (US, 503)])
async def test_who_has_it_not_and_will_not_get_it_says_so(scene: Scene, owner: str | None, code: int) -> None:
    """503 after a lease and an adoption's time: the phone keeps its call."""
    scene.live.owner_of = owner
    scene.stray()
    scene.stray("ACK")
    await scene.settled()
    assert [(method, given) for method, given, _ in scene.agent.answers] == [("BYE", code)]
    assert not scene.room._news  # nobody waits any more: nothing is kept
    assert scene.wire == []


async def test_a_tag_that_is_not_ours_is_nobodys(scene: Scene) -> None:
    scene.stray(tag="abc")
    assert scene.agent.answers == [("BYE", 481, {})]


async def test_it_waits_for_the_adoption_that_comes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_S", 60)
    monkeypatch.setattr(elsewhere, "WAIT_S", 60)
    scene.live.owner_of = US
    scene.stray("INVITE")
    scene.room.message({"type": "command", "id": "c", "contact": CONTACT, "reply_to": "r"})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    scene.owner.come(CONTACT)
    await scene.settled()
    assert scene.agent.delivered == ["INVITE"] and scene.agent.answers == []
    assert [message["id"] for message in scene.owner.heard] == ["c"]


async def test_with_redis_away_what_we_gave_away_ourselves_is_known(scene: Scene) -> None:
    scene.live.away = True
    scene.stray("INFO")
    await scene.settled()
    scene.owner.heirs[CONTACT] = OTHER
    scene.stray("BYE")
    await scene.settled()
    assert scene.agent.answers == [("INFO", 503, {"Retry-After": "1"}), ("BYE", 302, AT_OTHER)]


async def test_requests_beyond_the_bound_are_refused_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "AT_MOST", 1)
    scene.stray("INFO")
    scene.stray("BYE")
    assert scene.agent.answers == [("BYE", 503, {"Retry-After": "1"})]
    await scene.settled()


async def test_a_message_is_passed_on_four_times_at_most_and_answered_where_nobody_is(scene: Scene) -> None:
    command = {"type": "command", "id": "c", "contact": CONTACT, "reply_to": "r"}
    scene.room.message({"type": "reserved", "contact": CONTACT})
    scene.room.message({**command, "hops": 3})
    await scene.settled()
    assert scene.live.sent == [
        (OTHER, {"type": "reserved", "contact": CONTACT, "hops": 1}),
        (OTHER, {**command, "hops": 4}),
    ]
    scene.live.sent.clear()
    scene.room.message({**command, "hops": 4})
    scene.live.owner_of = None
    scene.room.message(command)
    await scene.settled()
    assert scene.live.sent == []
    assert [reply["status"] for reply in scene.live.replies] == [404, 404]


async def test_what_is_handed_over_is_taken_once(scene: Scene) -> None:
    scene.live.owner_of = US
    for _ in range(2):
        scene.room.message({"type": "handed_over", "contact": CONTACT, "from": OTHER})
        await scene.settled()
    assert scene.owner.heard == [(CONTACT, 4, "snapshot")]
    scene.owner.held.clear()
    scene.live.owner_of = OTHER  # it has gone on meanwhile
    scene.room.message({"type": "handed_over", "contact": CONTACT, "from": OTHER})
    await scene.settled()
    assert len(scene.owner.heard) == 1


@pytest.mark.parametrize(("owner", "answer"), [(OTHER, (302, AT_OTHER)), (US, (481, {})), (None, (481, {}))])
async def test_a_call_that_takes_anothers_place_goes_to_its_owner(
    scene: Scene, owner: str | None, answer: tuple[int, dict[str, str]]
) -> None:
    scene.live.owner_of = owner
    replaces = sip.Replaces("call", TAG, "theirs", False)
    scene.room.replaces(sip.Incoming("s", "", "", "", "", "", {}, "", ("", 0), replaces=replaces), "")
    await scene.settled()
    assert scene.agent.answers == [("s", *answer)]


@pytest.mark.parametrize(("owner", "code"), [(DEAD, 0), (DEAD, 486), (OTHER, 0)])
async def test_a_call_that_takes_the_place_of_a_dead_nodes_waits_for_its_heir(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, owner: str, code: int
) -> None:
    """Which may be this node."""
    monkeypatch.setattr(elsewhere, "LOOK_S", 60)
    monkeypatch.setattr(elsewhere, "WAIT_S", 60)
    scene.live.owner_of, scene.agent.refuses, scene.silent = owner, code, {OTHER}
    scene.room.replaces(incoming(TAG), "leg of another")
    for _ in range(5):
        await asyncio.sleep(0)
    assert scene.agent.answers == [] and scene.owner.delivered == []
    scene.owner.come(CONTACT)
    await scene.settled()
    assert scene.owner.delivered == ([] if code else [inputs.Replacing(1, "s", "offer", "leg of another")])
    assert scene.agent.answers == ([("s", code, {})] if code else [])


def incoming(to_tag: str = "", session: str = "") -> sip.Incoming:
    replaces = sip.Replaces("call", to_tag, "theirs", False, session) if to_tag else None
    return sip.Incoming("s", "", "", "", "", "", {}, "offer", ("", 0), replaces=replaces)


def test_a_phone_that_names_a_leg_of_ours_picks_it_up(scene: Scene) -> None:
    scene.owner.held.add(CONTACT)
    scene.room.replaces(incoming(tag_of(CONTACT, 2, 7), "s2"), "phone:8002")
    assert scene.owner.delivered == [inputs.PickedUp("s", "offer", "8002", 2)]


@pytest.mark.parametrize(
    ("whose", "asked"),
    [("", (["1001", "1002"], ["a"])), ("1001", (["1001"], [])), ("8001", (["1001"], [])), ("8009", ([], []))],
)
async def test_the_code_finds_what_rings_in_the_group_or_at_one(scene: Scene, whose: str, asked: object) -> None:
    scene.live.ringing = [(CONTACT, "1001")]
    scene.live.owner_of = US
    scene.owner.held.add(CONTACT)
    scene.room.pick_up(incoming(), "8002", whose, lambda: pytest.fail("there is something"))
    await scene.settled()
    assert scene.live.asked == [asked]
    assert scene.owner.delivered == [inputs.PickedUp("s", "offer", "8002")]


@pytest.mark.parametrize(
    "how", ["nothing rings", "nobody is signed in", "it talks by now", "its owner is dead", "it left us", "away"]
)
async def test_what_the_code_does_not_find_is_told_by_a_contact_of_its_own(scene: Scene, how: str) -> None:
    scene.live.ringing = [] if how == "nothing rings" else [(CONTACT, "1001")]
    scene.live.signed_in = None if how == "nobody is signed in" else "1002"
    scene.live.state = "talking" if how == "it talks by now" else "offering"
    scene.live.owner_of = {"its owner is dead": DEAD, "it left us": US}.get(how, OTHER)
    scene.live.away = how == "away"
    told: list[str] = []
    scene.room.pick_up(incoming(), "8002", "", lambda: told.append("nothing"))
    await scene.settled()
    assert told == ["nothing"] and scene.agent.answers == [] and scene.owner.delivered == []


async def test_what_another_node_has_is_picked_up_there(scene: Scene) -> None:
    scene.live.ringing = [(CONTACT, "1001")]
    scene.room.pick_up(incoming(), "8002", "", lambda: pytest.fail("it is there"))
    await scene.settled()
    assert scene.agent.answers == [("s", 302, AT_OTHER)]
