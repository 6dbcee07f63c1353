"""The scene of a call: gateway, phones, agents and a clerk who reads the books, around the session's center.

Tests run side by side on one center. Each takes a *line* of its own: a queue with an access number, and agents who
serve nothing else (`line(3)` is queue line3, number 4008007003, agents 1014 and 1015 at phones 8014 and 8015).
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from lq.config.documents import AccessNumber, Agent, Flow, Queue, RecordingPolicy
from lq.config.validation import to_json
from lq.ledger.events import TYPES, Event, wrong_keys
from lq.sdk import Cdr, Client
from lq.sdk.values import Recording
from tests.center import CALL_PATH, Center
from tests.conftest import DIRECTORY, OwnCenter
from tests.simulator.baresip import Baresip
from tests.simulator.call import Call
from tests.simulator.events import Events
from tests.simulator.gateway import Answer, Gateway, Ring
from tests.simulator.place import Place
from tests.simulator.rtp import Media
from tests.simulator.softphone import Softphone

LINES: Final = (*range(1, 26), *range(31, 36))
RECORDED: Final = (1, 2, 5, 20)  # the others answer without the five seconds of notice
NODES: Final = ("lq1", "lq2")
EXCHANGE: Final = "exchange.lock"  # in the center's home


@dataclass(frozen=True, slots=True)
class Line:
    n: int

    @property
    def queue(self) -> str:
        return f"line{self.n}"

    @property
    def number(self) -> str:
        return f"40080070{self.n:02}"

    @property
    def agents(self) -> tuple[str, str]:
        return str(1008 + 2 * self.n), str(1009 + 2 * self.n)


def line(n: int) -> Line:
    return Line(n)


MENU: Final = Line(20)  # 4008007020 answers with a menu that is like the demo world's `main` but short
MENU_FLOW: Final = Flow(
    id="scenarios",
    start="notice",
    nodes={
        "notice": {"kind": "notice", "prompt": "notice_recorded", "next": "menu"},
        "menu": {
            "kind": "menu", "prompt": "menu_main", "timeout_s": 1, "tries": 2,
            "wrong_key": "wrong_key", "no_key": "no_key", "otherwise": "goodbye",
            "keys": {"0": "agent", **{str(n): f"line{n}" for n in range(1, 7)}},
        },
        **{f"line{n}": {"kind": "queue", "queue": f"line{n}"} for n in range(1, 7)},
        "agent": {"kind": "agent", "agent": MENU.agents[0]},
        "goodbye": {"kind": "notice", "prompt": "goodbye", "next": "end"},
        "end": {"kind": "hang_up"},
    },
)  # fmt: skip


@pytest.fixture(scope="session")
def place(center: Center) -> Place:
    """The center with the lines in its configuration; the first test to come writes them."""
    found = Place.of(center)
    directory = Path(os.environ[DIRECTORY])
    with (directory / "scenarios.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "scenarios.done").exists():
            asyncio.run(_configure(found, center))
            (directory / "scenarios.done").touch()
    return found


async def _configure(place: Place, center: Center) -> None:
    async with place.client() as lq:
        for each in map(Line, LINES):
            queue = Queue(each.queue, f"线路{each.n}", wrap_up_s=2, ring_s=4, position_every_s=0, max_no_answer=2)
            await _put(lq, "queues", each.queue, queue)
        await _put(lq, "flows", MENU_FLOW.id, MENU_FLOW)
        for each in map(Line, LINES):
            target = f"ivr:{MENU_FLOW.id}" if each == MENU else f"queue:{each.queue}"
            recording: RecordingPolicy = "whole" if each.n in RECORDED else "none"
            await _put(lq, "numbers", each.number, AccessNumber(each.number, target, recording=recording))
            for agent in each.agents:
                await _put(lq, "agents", agent, Agent(agent, f"坐席{agent}", (each.queue,)))
        await is_read(center, (await lq.health()).config_version)


async def is_read(center: Center, version: int) -> None:
    """Waits until every node works with this version of the configuration, or a later one."""
    async with asyncio.timeout(10):
        for node in NODES:
            while _read_version(center, node) < version:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.05)


async def _put(lq: Client, kind: str, id: str, document: Any) -> None:
    await lq.put_document(kind, id, to_json(document))


def _read_version(center: Center, node: str) -> int:
    """The configuration that a node works with, as it says in its log."""
    said = [json.loads(text) for text in center.log(node).splitlines() if '"configuration read"' in text]
    return said[-1]["version"] if said else 0


@dataclass(slots=True)
class Scene:
    place: Place
    lq: Client
    events: Events
    gateway: Gateway
    media: Media
    directory: Path
    stack: AsyncExitStack
    callers: dict[str, str] = field(default_factory=dict)  # Call-ID → number as published

    async def second_gateway(self) -> Gateway:
        return await self.stack.enter_async_context(self.place.gateway("gw2", media=self.media))

    async def phone(self, ext: str, *, answer_after_s: float | None = None, **more: Any) -> Baresip:
        """Registered, and known to be so."""
        new = self.place.phone(ext, self.directory, answer_after_s=answer_after_s, **more)
        await self.stack.enter_async_context(new)
        await self.events.first("phone_changed", subject=f"phone:{ext}", registered=True)
        return new

    async def softphone(self, agent: str, rule: Answer | Ring | None = None, **more: bool) -> Softphone:
        """The agent's phone as one of our own; without a rule it rings until it is told to answer."""
        ext = phone_of(agent)
        new = await self.stack.enter_async_context(self.place.softphone(ext, self.media, rule, **more))
        await self.events.first("phone_changed", subject=f"phone:{ext}", registered=True)
        return new

    async def agent(self, agent: str, *, answer_after_s: float | None = None) -> Baresip:
        """Signed in and ready at his phone, which he answers after so many seconds of ringing (None: when told)."""
        ext = phone_of(agent)
        new = await self.phone(ext, answer_after_s=answer_after_s)
        await self.sign_in(agent)
        return new

    async def sign_in(self, agent: str) -> None:
        state = (await self.lq.sign_in(agent, phone_of(agent))).state
        self.stack.push_async_callback(self.lq.sign_out, agent)
        assert state in ("ready", "reserved", "phone_offline"), state

    async def dial(self, called: str, caller: str = "", **more: Any) -> Call:
        """Somebody whose number nobody else has dials in over gw1."""
        return await self.gateway.dial(caller or new_number(), called, **more)

    async def contact(self, call: Call) -> str:
        return await self.events.contact_of(call.caller)

    async def state(self, agent: str, *states: str, within_s: float = 10.0) -> Event:
        """Waits until the agent is in one of these states, as his last event tells."""

        def there() -> Event | None:
            told = self.events.of(f"agent:{agent}", "agent_state_changed")
            return told[-1] if told and told[-1].data["state"] in states else None

        return await self.events.until(there, within_s)

    async def cdr(self, contact: str, within_s: float = 10.0) -> Cdr:
        """Written by the journal soon after the end, which our stream has told by then."""
        await self.events.first("contact_ended", within_s, subject=contact)
        number = self.events.of(contact, "contact_started")[0].data["number_published"]
        async with asyncio.timeout(within_s):
            while True:
                page = await self.lq.cdrs(**({"number": number} if number else {}))
                for cdr in page.items:
                    if cdr.contact_id == contact:
                        return cdr
                await asyncio.sleep(0.05)

    async def recording(self, contact: str) -> tuple[Recording, Path]:
        """Stored and in the books; its file."""
        stored = await self.events.first("recording_stored", contact=contact)
        async with asyncio.timeout(10):
            while True:
                found = await self.lq.recording(stored.subject)
                if found.state in ("stored", "verified"):
                    break
                await asyncio.sleep(0.05)
        return found, self.place.home / "recordings" / stored.data["path"]

    def story(self, contact: str) -> list[str]:
        """The types of the contact's events, in their order."""
        return [event.type for event in self.events.of(contact)]


def phone_of(agent: str) -> str:
    return str(int(agent) + 7000)


def new_number() -> str:
    return f"139{random.randrange(10**8):08}"


@pytest.fixture
def one_by_one() -> Iterator[None]:
    """For files whose tests share lines and phones: one at a time, whichever worker has it."""
    with (Path(os.environ[DIRECTORY]) / "lines.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def exchange(place: Place) -> Iterator[None]:
    """The center calls its gateways at one port each: one test at a time is the telephone network."""
    with (place.home / EXCHANGE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
async def scene(place: Place, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        lq = await stack.enter_async_context(place.client())
        events = await stack.enter_async_context(Events(lq))
        media = Media()
        stack.push_async_callback(asyncio.to_thread, media.close)
        gateway = await stack.enter_async_context(place.gateway(media=media))
        yield Scene(place, lq, events, gateway, media, tmp_path, stack)
        _judge(events.seen)
        assert gateway.wire.faults == []  # everything that the center sent was SIP that another parser reads
        assert gateway.spans.seized == gateway.spans.released + gateway.spans.busy


SendOn = Callable[..., Awaitable[None]]


@pytest.fixture
async def sends_on(scene: Scene, center: Center) -> AsyncIterator[SendOn]:
    """`await sends_on("8081", busy="8085")`, until the test is over."""
    before = {}

    async def set_(ext: str, **forward: str | int) -> None:
        body = dict((await scene.lq.document("phones", ext)).body)
        before.setdefault(ext, body)
        await scene.lq.put_document("phones", ext, body | {"forward": forward})
        await is_read(center, (await scene.lq.health()).config_version)

    yield set_
    for ext, body in before.items():
        await scene.lq.put_document("phones", ext, body)


def _judge(events: list[Event]) -> None:
    """Whatever happened to whomever meanwhile: the ledger knows such events, and no agent was in two states or none."""
    assert [event for event in events if event.type not in TYPES or wrong_keys(event)] == []
    days: dict[str, list[Event]] = {}
    for event in events:
        if event.type == "agent_state_changed":
            days.setdefault(event.subject, []).append(event)
    for day in days.values():
        for one, following in pairwise(sorted(day, key=lambda event: event.seq)):
            assert following.data["previous"] == one.data["state"], (one, following)


@pytest.fixture(scope="session")
def killed_center() -> Iterator[Center]:
    """One for all the files that one worker has (house.py): who is killed comes back."""
    directory = Path(tempfile.mkdtemp(prefix="house-", dir=os.environ[DIRECTORY]))
    directory.chmod(0o755)
    center = OwnCenter(directory)(LCALL_ONLY=CALL_PATH)
    yield center
    center.stop()
