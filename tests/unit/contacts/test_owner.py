"""The shell of contacts with a Redis, a SIP stack and media that only note what they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from lq.config import documents as doc
from lq.contacts import inputs
from lq.contacts.contact import Call
from lq.contacts.held import Held
from lq.contacts.media_desk import MediaDesk
from lq.contacts.owner import Owner
from lq.contacts.sip_desk import SipDesk
from lq.ledger.events import Event, wrong_keys
from lq.live.clock import RedisClock
from lq.live.errors import LiveUnavailable, Superseded
from lq.live.memory import Memory
from lq.live.redis import Live
from lq.live.spool import Spool
from lq.live.values import AgentResult, Committed
from lq.pulse import Pulse
from tests.unit.contacts.test_advance import BOOK, Life

US, OTHER = "lq1-aaaaaaaa", "lq2-bbbbbbbb"


@dataclass
class FakeLive:
    epoch: int = 1  # below it is superseded
    deaf: bool = False  # takes contacts, and no messages
    is_silent: bool = False  # … nor anything: who tries is told so at once
    tried: int = 0
    commits: list[int] = field(default_factory=list)  # their epochs
    closed: list[str] = field(default_factory=list)
    sent: int = 0
    kept: dict[str, Any] = field(default_factory=dict)
    replies: dict[str, Any] = field(default_factory=dict)
    lose_answers: int = 0
    events: list[Event] = field(default_factory=list)
    known: list[str] = field(default_factory=list)  # contacts that go on

    async def contacts(self) -> list[str]:
        return self.known

    async def commit(self, contact: str, *, epoch: int, **rest: Any) -> Committed:
        await asyncio.sleep(0)
        self.tried += 1
        if self.is_silent:
            raise LiveUnavailable("silent")
        if self.lose_answers:
            self.lose_answers -= 1
            raise LiveUnavailable("did it, and nobody heard so")
        if epoch < self.epoch:
            raise Superseded(OTHER, self.epoch)
        self.commits.append(epoch)
        self.events += rest.get("events", ())
        if rest["snapshot"] is None:
            self.closed.append(contact)
        return Committed(tuple(AgentResult(op.agent, False, "ready") for op in rest.get("agents", ())))

    async def reply(self, reply_to: str, reply: dict[str, Any]) -> None:
        self.replies[reply_to] = reply

    async def keep_answers(self, contact: str, answers: dict[str, Any]) -> None:
        assert contact not in self.closed, "before, or nobody would know where to ask"
        assert not self.is_silent, "it is not asked"
        self.kept[contact] = answers

    async def hand_over(self, contact: str, **rest: Any) -> int:
        return 2

    async def send(self, incarnation: str, message: dict[str, Any]) -> None:
        self.sent += 1
        if self.deaf:
            raise LiveUnavailable("away")


@dataclass
class FakeDesk:
    """SIP and media at once: everything that is asked of either, by name."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    unreadable: bool = False
    quiet: bool = True

    def adopt(self, contact: str, dialogs: Any) -> None:
        if self.unreadable:
            raise ValueError("no dialog")

    def dialogs(self, contact: str) -> dict[str, Any]:
        return {}

    let_go = dialogs

    def perform(self, contact: Any, effects: Any) -> list[Any]:
        return []

    def is_quiet(self, contact: str) -> bool:
        return self.quiet

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.asked.append((name, arguments))

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


class House:
    def __init__(self, place: Path) -> None:
        self.live, self.sip, self.media = FakeLive(), FakeDesk(), FakeDesk()
        self.spool, self.clock = Spool(place), Life().now + 1_000
        self.owner = Owner(
            incarnation=US,
            live=cast(Live, self.live),
            sip=cast(SipDesk, self.sip),
            media=cast(MediaDesk, self.media),
            pulse=Pulse(10),
            memory=Memory(),
            spool=self.spool,
            now=lambda: self.clock,
        )

    async def settled(self) -> None:
        """Whatever can be done without anything new has been done."""
        for _ in range(50):
            await asyncio.sleep(0)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "spool")
    yield house
    house.spool.close()


def snapshot(**more: Any) -> str:
    return json.dumps(Life().talking().contact.to_json() | {"dialogs": {}, "channels": []} | more)


async def test_a_contact_that_cannot_be_read_is_not_held(house: House) -> None:
    house.sip.unreadable = True
    with pytest.raises(ValueError, match="no dialog"):
        house.owner.adopt("c1", 2, snapshot())
    assert not house.owner.holds("c1") and house.owner.load == 0


async def test_one_that_cannot_be_read_is_closed_so_that_its_agents_are_free(house: House) -> None:
    house.sip.unreadable = True
    assert await house.owner.take_over("c1", 2, snapshot()) is None
    assert await house.owner.take_over("c2", 2, "no snapshot") is None
    assert house.live.closed == ["c1", "c2"]
    assert [(event.type, event.subject) for event in house.live.events] == [
        ("contact_ended", "c1"),
        ("contact_ended", "c2"),
    ], "or it would go on in the books for ever"
    now = Life().now + 1_000
    assert {(event.at, event.seq) for event in house.live.events} == {(now, now)}
    assert [wrong_keys(event) for event in house.live.events] == [set(), set()]


async def test_one_that_has_ended_with_us_does_not_come_to_life_again(house: House) -> None:
    """Redis has lost that we had adopted it, and that it is over: it gives it to us once more, under the same epoch."""
    await house.owner.adopt("c1", 2, snapshot()).wait()
    house.owner.deliver("c1", inputs.Ended(1))
    for n in (1, 2):
        house.owner.deliver("c1", inputs.MediaDeleted(n))
    await house.settled()
    assert not house.owner.holds("c1") and house.live.closed == ["c1"]
    assert await house.owner.take_over("c1", 2, snapshot()) is None
    assert not house.owner.holds("c1") and house.live.closed == ["c1", "c1"]
    house.live.known = ["c1", "c2"]
    await house.owner.say_over()
    assert house.live.closed == ["c1", "c1", "c1"], "a node that slept through it believes to have it"
    again = await house.owner.take_over("c2", 2, snapshot())
    assert again is not None and house.owner.holds("c2")
    await house.owner.close()


async def test_what_an_older_hold_of_a_contact_comes_to_does_not_touch_the_newer(house: House) -> None:
    """Handed over by a request that Redis did and we heard nothing of, adopted back: the first hold is superseded."""
    await house.owner.adopt("c1", 2, snapshot()).wait()
    house.live.epoch = 3
    house.owner.deliver("c1", inputs.Notice())
    await house.owner.adopt("c1", 3, snapshot()).wait()
    await house.settled()
    assert house.owner.holds("c1")
    assert house.owner.deliver("c1", inputs.Notice())
    await house.settled()
    assert house.live.commits.count(3) >= 2
    await house.owner.close()


async def test_one_that_has_come_by_another_way_stays_as_it_is(house: House) -> None:
    """Of a page that is being adopted, all was taken at once, for an era began: what the page tells of it is old."""
    await house.owner.adopt("c1", 2, snapshot()).wait()
    held = house.owner._held["c1"]
    assert house.owner.adopt("c1", 2, snapshot()) is held.begun
    await house.settled()
    assert house.owner._held["c1"] is held and held.task is not None and not held.task.done()
    await house.owner.close()


async def test_what_was_ours_and_is_over_is_known(house: House) -> None:
    await house.owner.adopt("c1", 2, snapshot()).wait()
    assert [house.owner.has_had("c1", epoch) for epoch in (1, 2, 3)] == [True, True, False]
    house.live.epoch = 3
    house.owner.deliver("c1", inputs.Notice())
    await house.settled()
    assert not house.owner.holds("c1")
    assert [house.owner.has_had("c1", epoch) for epoch in (2, 3)] == [True, False], "it may come back to us"
    assert not house.owner.has_had("c2", 1)


async def test_a_contact_that_was_handed_over_keeps_its_media_when_redis_goes_at_that_moment(house: House) -> None:
    await house.owner.adopt("c1", 2, snapshot()).wait()
    house.live.deaf = True
    pause = {"verb": "record", "body": {"action": "pause"}}
    command = {"id": "x1", "contact": "c1", "type": "command", "expires_at": 1 << 60, **pause}
    assert house.owner.message(command)  # answered when it has come true: it goes with the contact
    house.owner.hand_over("c1", OTHER, at_once=True)
    await house.settled()
    assert house.live.sent == 1 and not house.owner.holds("c1") and house.owner.heir("c1") == OTHER
    assert "abandon" not in house.media.names() and "abandon" not in house.sip.names()


async def test_a_contact_leaves_once_nothing_of_it_is_in_the_air_though_nothing_happens_to_it(house: House) -> None:
    await house.owner.adopt("c1", 2, snapshot()).wait()
    house.media.quiet = False
    house.owner.hand_over("c1", OTHER)
    await house.settled()
    assert house.owner.holds("c1")
    house.media.quiet = True  # the end of what media does is told to nobody
    async with asyncio.timeout(5):
        while house.owner.holds("c1"):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    assert house.owner.heir("c1") == OTHER


async def test_a_contact_that_cannot_be_said_again_keeps_no_other_from_it(house: House) -> None:
    await house.owner.adopt("c1", 2, snapshot()).wait()
    await house.owner.adopt("c2", 2, snapshot(id="c2", offer=None, agent="")).wait()
    house.owner._held["c1"].contact = replace(
        house.owner._held["c1"].contact,
        calls={9: Call("consult", "agent:1002", reservation=5)},  # there is no leg 9
    )
    before = len(house.live.commits)
    await house.owner.say_again()
    assert len(house.live.commits) == before + 1
    await house.owner.close()


@pytest.mark.parametrize("lost_answers", [2, 0])
async def test_an_operation_that_is_said_twice_ends_no_newer_offer(house: House, lost_answers: int) -> None:
    """The agent was let go, which nobody heard, and is reserved for the same caller again: under another fence."""
    house.live.lose_answers = lost_answers
    offered = json.dumps(Life().offered().contact.to_json() | {"dialogs": {}, "channels": []})
    house.owner.adopt("c1", 2, offered)  # which stops the ringing and lets him go
    await house.settled()
    contact = house.owner.held("c1")
    assert contact is not None and contact.line is not None and contact.offer is None
    house.owner.deliver("c1", inputs.Reserved(contact.line.request, "1001", "8001", 18, "sales"))
    await house.settled()
    contact = house.owner.held("c1")
    assert contact is not None and contact.offer is not None and contact.offer.reservation == 18
    house.owner.deliver(
        "c1", inputs.Progress(contact.offer.leg, 180)
    )  # "ringing" under 18 is refused: that one is lost
    await house.settled()
    contact = house.owner.held("c1")
    assert contact is not None and contact.offer is None
    await house.owner.close()


@pytest.mark.parametrize("apart_ms", [0, -5_000, 5_000])
async def test_a_command_counts_as_long_as_redis_has_said(house: House, apart_ms: int) -> None:
    """The node's host is five seconds ahead of Redis, or behind: each command would be dropped, or none ever."""
    await house.owner.adopt("c1", 2, snapshot()).wait()
    house.owner.redis_clock = RedisClock(lambda: house.clock)
    redis = house.clock + apart_ms
    house.owner.redis_clock.told(redis, 0.0)
    more = {"type": "command", "contact": "c1", "verb": "no such", "body": {}}
    with capture_logs() as logs:
        for id, expires_at in (("waits", redis + 2_000), ("gone", redis - 1)):
            assert house.owner.message({"id": id, "reply_to": id, "expires_at": expires_at, **more})
            await house.settled()
    assert [(id, told["status"]) for id, told in house.live.replies.items()] == [("waits", 400)]
    [dropped] = [one for one in logs if one["event"].startswith("command dropped")]
    assert (dropped["id"], dropped["contact"], dropped["verb"], dropped["late_ms"]) == ("gone", "c1", "no such", 1)
    await house.owner.close()


async def test_what_was_answered_outlives_the_contact(house: House) -> None:
    """Who asks again, for the answer was lost, hears the same, also when it was a refusal."""
    await house.owner.adopt("c1", 2, snapshot()).wait()
    for id, verb, body in (("hangs-up", "hang_up", {}), ("too-late", "hold", {"agent": "1001"})):
        more = {"type": "command", "contact": "c1", "verb": verb, "body": body, "expires_at": 1 << 60}
        house.owner.message({"id": id, "reply_to": id, **more})
        await house.settled()
    for n in house.owner._held["c1"].contact.legs:
        house.owner.deliver("c1", inputs.MediaDeleted(n))
    await house.settled()
    assert house.live.closed == ["c1"] and not house.owner.holds("c1")
    kept, told = house.live.kept["c1"], house.live.replies
    assert kept["hangs-up"] == {"status": 200} and told["hangs-up"]["status"] == 200
    assert kept["too-late"] == {key: told["too-late"][key] for key in ("status", "error")}
    assert kept["too-late"]["status"] == 409


async def test_what_is_over_and_not_written_costs_nothing_while_redis_is_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of an hour of ended calls, thousands, would each have a turn a second, and a line in the log."""
    monkeypatch.setattr("lq.contacts.owner.RETRY_S", 0.001)
    live, next_of, looks = house.live, house.owner._next, list[Held]()

    async def looked(held: Held) -> list[inputs.Input]:
        looks.append(held)
        return await next_of(held)

    monkeypatch.setattr(house.owner, "_next", looked)
    await house.owner.adopt("c1", 2, snapshot()).wait()
    live.is_silent = True
    more = {"type": "command", "contact": "c1", "verb": "hang_up", "body": {}, "expires_at": 1 << 60}
    with capture_logs() as logs:
        house.owner.message({"id": "hangs-up", "reply_to": "hangs-up", **more})
        await house.settled()
        for n in house.owner._held["c1"].contact.legs:
            house.owner.deliver("c1", inputs.MediaDeleted(n))
        await house.settled()
        assert house.owner.load == 0 and house.owner.holds("c1"), "it is over, and Redis has not heard of it"
        tried, enough = live.tried, len(looks) + 5
        async with asyncio.timeout(10):
            while len(looks) < enough:  # RETRY_S has passed again and again  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert live.tried == tried and live.kept == {}
        assert [one["event"] for one in logs].count("commit put off: live state away") == 1
        live.is_silent = False
        async with asyncio.timeout(10):
            while house.owner.holds("c1"):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    assert live.closed == ["c1"] and live.kept["c1"]["hangs-up"] == {"status": 200}


async def test_a_command_that_comes_when_the_contact_is_over_is_answered(house: House) -> None:
    """In the moment between its last turn and its end; a repeat of an earlier one hears that one's answer."""
    await house.owner.adopt("c1", 2, snapshot()).wait()
    more = {"type": "command", "contact": "c1", "body": {}, "expires_at": 1 << 60}
    house.owner.message({"id": "hangs-up", "verb": "hang_up", "reply_to": "first", **more})
    await house.settled()
    for n in house.owner._held["c1"].contact.legs:
        house.owner.deliver("c1", inputs.MediaDeleted(n))
    await asyncio.sleep(0)  # its last turn is being written
    for id in ("hangs-up", "late"):
        assert house.owner.message({"id": id, "verb": "hang_up", "reply_to": id, **more})
    await house.settled()
    assert not house.owner.holds("c1")
    told = house.live.replies
    assert [told[id]["status"] for id in ("first", "hangs-up", "late")] == [200, 200, 409]
    assert told["late"]["error"]["code"] == "ended" and told["late"]["contact"]["state"] == "ended"


async def test_a_contact_that_we_fail_at_is_ended_and_written_down(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever found it would take it up, and fail at it again, for ever: its agent would talk until then."""
    await house.owner.adopt("c1", 2, snapshot()).wait()
    await house.settled()
    begun = len(house.live.events)

    def fails(contact: Any, effects: Any) -> Any:
        raise ValueError("line break in the value of replaces")

    monkeypatch.setattr(house.sip, "perform", fails)
    house.live.lose_answers = 1  # Redis is away for a moment: it is written when it is back
    more = {"type": "command", "contact": "c1", "body": {"agent": "1001"}, "expires_at": 1 << 60}
    house.owner.message({"id": "k1", "verb": "hold", "reply_to": "k1", **more})
    async with asyncio.timeout(10):
        while house.owner.holds("c1"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert house.live.closed == ["c1"] and {"abandon"} <= set(house.sip.names()) & set(house.media.names())
    said = house.live.events[begun:]
    [ended] = [event for event in said if event.type == "contact_ended"]
    assert (ended.data["result"], ended.data["ended_by"]) == ("answered", "system")
    seqs = [event.seq for event in said if event.subject == "c1"]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert house.live.replies["k1"]["status"] == 409
    await house.owner.close()


async def test_who_is_asked_again_and_again_to_go_writes_nothing_meanwhile(house: House) -> None:
    """A node that drains asks ten times a second for those of whom something is in the air."""
    await house.owner.adopt("c1", 2, snapshot()).wait()
    house.media.quiet = False
    before = len(house.live.commits)
    for _ in range(5):
        house.owner.hand_over("c1", OTHER)
        await house.settled()
    assert len(house.live.commits) == before and house.owner.holds("c1")
    house.media.quiet = True
    house.owner.hand_over("c1", OTHER)
    await house.settled()
    assert not house.owner.holds("c1") and house.owner.heir("c1") == OTHER


async def test_a_call_that_our_own_fault_keeps_from_beginning_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any) -> Any:
        raise KeyError("a fault")

    monkeypatch.setattr("lq.contacts.advance.begin", fails)
    house.owner.begin(inputs.Incoming("c1", "trunk:gw1", "1", "2", "v=0", US), claim="a|b")
    assert house.sip.asked[-2:] == [("refuse", ("c1", 500)), ("forget", ("c1",))]
    assert not house.owner.holds("c1")


@pytest.mark.parametrize("by", [3_600_000, -3_600_000])
async def test_who_waits_keeps_his_place_and_his_time_when_the_clock_is_set(house: House, by: int) -> None:
    """An hour ahead all who wait would hear that all are busy; an hour back who comes would be served before them."""
    queued = json.dumps(Life().queued().contact.to_json() | {"dialogs": {}, "channels": []})
    await house.owner.adopt("c1", 2, queued).wait()
    await house.settled()
    before = house.owner.held("c1")
    assert before is not None and before.line is not None and "max_wait" in before.deadlines
    left = {name: at - house.clock for name, at in before.deadlines.items()}
    house.clock += by
    house.owner.clock_set(by)
    house.owner.deliver("c1", inputs.Notice())  # he asks again, as every ten seconds
    await house.settled()
    after, held = house.owner.held("c1"), house.owner._held["c1"]
    assert after is not None and after.state == "queueing" and after.line is not None
    assert after.deadlines["max_wait"] - house.clock == left["max_wait"]
    assert after.line.since == before.line.since + by
    assert after.line.lanes == {lane: score + by for lane, score in before.line.lanes.items()}
    assert held.alarm is not None and 0 < held.alarm.when() - asyncio.get_running_loop().time() <= max(left.values())
    await house.owner.close()


# -- what is published while a contact goes on -------------------------------------------------------------------------
HIS = "+8613700137000"
NEWER = replace(
    BOOK,
    version=2,
    agents={
        **BOOK.agents,
        "1002": replace(BOOK.agents["1002"], mobile=HIS),
        "1009": doc.Agent("1009", "新来的", ("vip",)),
        "1909": doc.Agent("1909", "新班长"),
    },
    phones={**BOOK.phones, "8009": doc.Phone("8009", "")},
    queues={"sales": replace(BOOK.queues["sales"], max_wait_s=7), "vip": doc.Queue("vip", "贵宾", max_wait_s=99)},
    flows={"survey": doc.Flow("survey", "end", {"end": {"kind": "notice", "prompt": "goodbye", "next": "end"}})},
)


async def goes_on(house: House, life: Life) -> None:
    """A contact that began before NEWER was published."""
    house.owner.book = BOOK
    await house.owner.adopt("c1", 2, json.dumps(life.contact.to_json() | {"dialogs": {}, "channels": []})).wait()
    house.owner.book = NEWER


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("transfer", {"agent": "1001", "to": "agent:1009", "mode": "consult"}),
        ("transfer", {"agent": "1001", "to": "8009", "mode": "blind"}),
        ("transfer", {"agent": "1001", "to": "queue:vip", "mode": "blind"}),
        ("transfer", {"agent": "1001", "to": "ivr:survey", "mode": "blind"}),
        ("transfer_conference", {"agent": "1001", "to": "agent:1009"}),
        ("monitor", {"agent": "1909", "mode": "listen"}),
        ("pick_up", {"agent": "1009"}),
    ],
)
async def test_a_command_may_name_who_came_after_the_call_began(house: House, verb: str, body: dict[str, str]) -> None:
    """The desk offers him: it was 404, for hours of a long call."""
    await goes_on(house, Life().queued() if verb == "pick_up" else Life().talking())
    more = {"type": "command", "contact": "c1", "expires_at": 1 << 60}
    house.owner.message({"id": "k1", "reply_to": "k1", "verb": verb, "body": body, **more})
    await house.settled()
    assert house.live.replies["k1"]["status"] == 200
    contact = house.owner.held("c1")
    assert contact is not None
    assert contact.calls or contact.queue == "vip" or (contact.menu and contact.menu.flow == "survey")
    await house.owner.close()


async def test_so_may_a_phone_that_refers_and_its_queue_goes_by_its_own_rules_then(house: House) -> None:
    """Not only in the turn that sent him there."""
    await goes_on(house, Life().talking())
    house.owner.book = replace(
        NEWER, numbers={**BOOK.numbers, "4008001099": doc.AccessNumber("4008001099", "queue:vip")}
    )
    house.owner.deliver("c1", inputs.Referred(2, "4008001099", "r1"))
    await house.settled()
    contact = house.owner.held("c1")
    assert contact is not None and contact.line is not None and contact.line.queue == "vip"
    assert contact.deadlines["max_wait"] == house.clock + 99_000
    house.owner.deliver("c1", inputs.Reserved(contact.line.request, "1009", "8009", 18, "vip"))
    await house.settled()
    contact = house.owner.held("c1")
    assert contact is not None and contact.deadlines["ring"] == house.clock + 20_000
    await house.owner.close()


async def test_what_it_has_begun_with_stays(house: House) -> None:
    """The menu in which he stands is gone from the new configuration, and the queue behind its key has other rules."""
    life = Life().answered()
    life.played()
    await goes_on(house, life)
    house.owner.deliver("c1", inputs.Digit(1, "1"))
    await house.settled()
    contact = house.owner.held("c1")
    assert contact is not None and (contact.state, contact.queue) == ("queueing", "sales")
    assert contact.deadlines["max_wait"] == house.clock + 600_000
    await house.owner.close()


async def test_an_agent_who_is_given_a_mobile_during_a_backlog_serves_who_waits(house: House) -> None:
    """The gate knew him as he was when each caller had come: his phone was "not permitted", every ten seconds again."""
    await goes_on(house, Life().queued())
    contact = house.owner.held("c1")
    assert contact is not None and contact.line is not None
    house.owner.deliver("c1", inputs.Reserved(contact.line.request, "1002", HIS, 18, "sales"))
    await house.settled()
    contact = house.owner.held("c1")
    assert contact is not None and contact.state == "offering" and contact.offer is not None
    mobile = contact.legs[contact.offer.leg].mobile
    assert mobile is not None and mobile.way.digits == HIS.removeprefix("+86")
    assert "contact_dial_refused" not in [event.type for event in house.live.events]
    await house.owner.close()
