"""A stage for call control: customer, agents, a leader and an outside mobile, each with a tone of his own.

    await stage.opens("in")                                    # the customer calls, the agent answers, they talk
    await stage.does("transfer", to="colleague", mode="consult")
    await stage.answers("colleague")
    await stage.hears({"customer": {MUSIC}, "agent": {"colleague"}, "colleague": {"agent"}})
    await stage.closes(recorded=[("customer", "agent"), ("customer", MUSIC)], talked=[{"customer", "agent"}, …])

Parties are named by their roles. A test has a stage of its own: agents, phones, a queue, numbers that nobody else uses.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import pytest

from lq.config.documents import AccessNumber, Agent, Conference, Flow, Queue
from lq.config.validation import to_json
from lq.ledger.events import Event
from lq.sdk import Cdr
from lq.sdk.client import _checked
from ops import ladder, trace
from ops.story import Story
from tests.center import Center
from tests.conftest import DIRECTORY
from tests.scenarios import ladders
from tests.scenarios.conftest import EXCHANGE, Scene, is_read, phone_of
from tests.simulator import matrix, speech
from tests.simulator.audio import Samples
from tests.simulator.call import Call
from tests.simulator.gateway import Answer, Gateway, Ring
from tests.simulator.matrix import Names, Voices
from tests.simulator.softphone import Softphone

STAGES: Final = range(8)
CUSTOMER, AGENT, COLLEAGUE, THIRD, LEADER, MOBILE = "customer", "agent", "colleague", "third", "leader", "mobile"
TONES: Final = {CUSTOMER: 440, AGENT: 640, COLLEAGUE: 890, THIRD: 1090, LEADER: 1370, MOBILE: 1670}
NUMBERS: Final = {AGENT: 1, COLLEAGUE: 2, THIRD: 3, LEADER: 9}
OUTSIDE: Final = "13955550000"  # whom an agent calls
MOBILE_NUMBER: Final = "13955550001"
KEY_S: Final = 0.3  # a key that is sent by command and the pause after it take less
AFTERWARDS: Final = ("ready", "paused", "signed_out", "phone_offline", "busy_other")  # of a call and its wrap-up
DONE_BEFORE: Final = ("ended", "no_monitor")  # says who is asked once more
FREE_AGAIN: Final = ("wrap_up", *AFTERWARDS)
NUMBERS_OF: Final = {  # prefix of the access number → what answers there, and the word on recording
    "400800710": ("queue:stage{}", "none"),
    "400800720": ("queue:stage{}", "talk"),
    "400800730": ("ivr:stage{}", "on_demand"),
    "400800740": ("ivr:stage{}", "whole"),
    "400800750": ("conference:recorded{}", "talk"),
}
FLOW_ASKS: Final = "menu_main"  # what the flow says first
RECORDS, REFUSES, HAS_AGENT = "1", "2", "3"  # its keys; each leads to the queue, no key to the end
LATE_S: Final = 1.5  # a recording begins and ends so much beside the books at most


def agent_id(stage: int, role: str) -> str:
    return f"15{stage}{NUMBERS[role]}"


def mobile_of(stage: int) -> str:
    """The number at which the stage's agent may sign in instead of a phone."""
    return f"13955551{stage}00"


def documents() -> Iterable[tuple[str, str, Any]]:
    """Kind, id and body of all that the stages need of the configuration."""
    for n in STAGES:
        queue = f"stage{n}"
        yield (
            "queues",
            queue,
            to_json(Queue(queue, f"舞台{n}", wrap_up_s=1, ring_s=5, position_every_s=0, max_no_answer=9)),
        )
        yield "flows", queue, to_json(_flow(queue))
        yield "conferences", queue, to_json(Conference(queue, f"会议{n}", calls="national"))
        room = f"recorded{n}"
        yield "conferences", room, to_json(Conference(room, f"录音会议{n}", recording="talk", tones=False))
        for prefix, (target, policy) in NUMBERS_OF.items():
            number: Any = AccessNumber(f"{prefix}{n}", target.format(n), recording=policy, notice="by_agent")  # type: ignore[arg-type]
            yield "numbers", number.id, to_json(number)
        for role in NUMBERS:
            id = agent_id(n, role)
            phone = phone_of(id)
            yield "phones", phone, {"id": phone, "password": f"demo-{phone}", "calls": "national"}
            yield (
                "agents",
                id,
                to_json(
                    Agent(
                        id,
                        f"舞台{id}",
                        (queue,) if role == AGENT else (),
                        "leader" if role == LEADER else "agent",
                        mobile=f"+86{mobile_of(n)}" if role == AGENT else "",
                        mobile_calls="national",
                    )
                ),
            )


def _flow(queue: str) -> Flow:
    """A menu whose first two keys order the recording, before they lead where the third leads."""
    to_queue = {"kind": "queue", "queue": queue}
    record = {"kind": "record", "next": "queue"}
    keys = {RECORDS: "records", REFUSES: "refuses", HAS_AGENT: "queue"}
    nodes: dict[str, dict[str, Any]] = {
        "menu": {"kind": "menu", "prompt": FLOW_ASKS, "keys": keys, "timeout_s": 1, "tries": 1, "otherwise": "end"},
        "records": record | {"action": "start"},
        "refuses": record | {"action": "stop", "reason": "customer_refused"},
        "queue": to_queue,
        "end": {"kind": "hang_up"},
    }
    return Flow(queue, "menu", nodes)


@dataclass
class Stage:
    scene: Scene
    n: int
    exchange: AsyncExitStack  # ours while we are the telephone network that the center calls
    cast: dict[str, Call] = field(default_factory=dict)  # each party's call, the latest
    phones: dict[str, Softphone] = field(default_factory=dict)
    contact: str = ""
    network: Gateway | None = None
    _voices: Voices | None = None

    # -- who is there ---------------------------------------------------------------------------------------------

    def id(self, role: str) -> str:
        """The agent's number of a role; any other word as it is."""
        return agent_id(self.n, role) if role in NUMBERS else MOBILE_NUMBER if role == MOBILE else role

    @property
    def number(self) -> str:
        return f"400800710{self.n}"

    @property
    def recorded_number(self) -> str:
        """His talks are recorded; the agent has to say so."""
        return f"400800720{self.n}"

    @property
    def flow_number(self) -> str:
        """A flow answers there, and nothing is recorded unless somebody orders it."""
        return f"400800730{self.n}"

    @property
    def recorded_flow_number(self) -> str:
        """As the other one, and all is recorded unless somebody orders otherwise."""
        return f"400800740{self.n}"

    @property
    def room(self) -> str:
        """Each party of this conference is recorded."""
        return f"recorded{self.n}"

    @property
    def room_number(self) -> str:
        return f"400800750{self.n}"

    @property
    def queue(self) -> str:
        return f"stage{self.n}"

    def prompt(self, item: str) -> Samples:
        return self.scene.place.prompt(f"zh/{item}")

    async def comes(self, *roles: str, rule: Answer | Ring | None = None, **phone: bool) -> None:
        """Signed in and ready, each at a phone that rings until he answers, or does as the rule says."""
        for role in roles:
            self.phones[role] = await self.scene.softphone(self.id(role), rule, **phone)
            if (await self.scene.lq.agent(self.id(role))).state == "wrap_up":  # of the test before
                await self.scene.state(self.id(role), *AFTERWARDS)
            await self.scene.sign_in(self.id(role))

    async def is_ready_again(self, role: str) -> None:
        """His wrap-up, of a second, is over."""
        await self.scene.state(self.id(role), "ready")

    def joins(self, role: str, call: Call) -> Call:
        """This call is that party's: he says his tone."""
        self.cast[role] = call
        call.say(TONES[role])
        return call

    async def answers(self, role: str, within_s: float = 10.0) -> Call:
        """What rings at his phone; what has rung to its end is passed over."""
        async with asyncio.timeout(within_s):
            while "ended" in (call := await self.phones[role].rings(within_s)).times:
                pass
        call.answer()
        return self.joins(role, call)

    async def outside(self) -> Gateway:
        """The telephone network, which only one test at a time can be."""
        if self.network is None:
            place, media = self.scene.place, self.scene.media
            lock = self.exchange.enter_context((place.home / EXCHANGE).open("w"))
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            self.network = await self.exchange.enter_async_context(place.gateway("gw1", media=media, listening=True))
        return self.network

    # -- how it begins ----------------------------------------------------------------------------------------------

    async def opens(self, direction: str, *, recorded: bool = False) -> None:
        """Customer and agent talk: he has called in, or (`out`) was called. Who was called is recorded in any case: the
        demo world's route says so; `recorded` waits until it has begun."""
        if AGENT not in self.phones:
            await self.comes(AGENT)
        if direction == "in":
            await self.calls_in(recorded=recorded)
            await self.answers(AGENT, 20)
        else:
            network = await self.outside()
            own = await self.phones[AGENT].dial("9" + OUTSIDE)
            started = await self.scene.events.first("contact_started", phone=phone_of(self.id(AGENT)))
            self.contact = started.subject
            self.joins(CUSTOMER, await network.called(OUTSIDE))
            self.joins(AGENT, await own.answered())
        if recorded:
            await self.scene.events.first("recording_active", contact=self.contact)
        await self.hears({CUSTOMER: {AGENT}, AGENT: {CUSTOMER}})

    async def calls_in(self, number: str = "", *, recorded: bool = False) -> Call:
        """The customer waits in the queue; at another `number`, for whatever answers there."""
        number = number or (self.recorded_number if recorded else self.number)
        call = self.joins(CUSTOMER, await self.scene.dial(number))
        await call.answered()
        self.contact = await self.scene.contact(call)
        return call

    # -- what is done ------------------------------------------------------------------------------------------------

    async def does(self, verb: str, by: str = AGENT, **body: str | bool) -> dict[str, Any]:
        """A command of LQ-SDK: `POST /v1/contacts/{id}/<verb>`, "monitor/end" its DELETE. The contact after it.

        Raises lq.sdk.ApiError.
        """
        lq, path = self.scene.lq, f"/v1/contacts/{self.contact}/{verb}"
        if verb.endswith("/end"):
            return await lq._delete(path.removesuffix("/end"), {"agent": self.id(by)})
        given = {key: self.id(value) if isinstance(value, str) else value for key, value in body.items()}
        return await lq._post(path, {"agent": self.id(by), **given})

    async def insists(self, verb: str, by: str = AGENT, within_s: float = 20.0, **body: str) -> None:
        """As `does`, under one Idempotency-Key until a node answers it; `by` "": nobody says who he is.

        What a repeat finds done by the first one, whose answer was lost, is done. Raises lq.sdk.ApiError.
        """
        lq, method, path = self.scene.lq, "POST", f"/v1/contacts/{self.contact}/{verb}"
        given = {key: self.id(value) for key, value in ({"agent": by} | body).items() if value}
        sent: dict[str, Any] = {"json": given, "headers": {"Idempotency-Key": str(uuid.uuid4())}}
        if verb.endswith("/end"):
            method, path, sent = "DELETE", path.removesuffix("/end"), {"params": given}
        answer = await lq._send(method, path, **sent)
        repeated = False
        async with asyncio.timeout(within_s):
            while answer.status_code == 503 or (repeated and "in_progress" in answer.text):
                await asyncio.sleep(0.1)
                answer, repeated = await lq._send(method, path, **sent), True
        if not (repeated and answer.status_code == 409 and answer.json()["error"]["code"] in DONE_BEFORE):
            _checked(answer)

    async def told(self, role: str, code: int, within_s: float = 8.0) -> None:
        """Waits until this party's phone has heard so of its REFER."""
        call = self.cast[role]
        async with asyncio.timeout(within_s):
            while code not in call.told:  # noqa: ASYNC110 - the phone tells nobody
                await asyncio.sleep(0.05)

    async def tells(self, type: str, within_s: float = 5.0, **data: Any) -> Event:
        """Waits for this event of the contact."""
        return await self.scene.events.first(type, within_s, subject=self.contact, **data)

    async def tells_all(self, type: str, times: int, within_s: float = 5.0) -> list[Event]:
        """Waits until there are so many events of this type; all of them, in their order."""

        def told() -> list[Event] | None:
            found = self.scene.events.of(self.contact, type)
            return found if len(found) >= times else None

        return await self.scene.events.until(told, within_s)

    async def is_queued(self, times: int = 1) -> None:
        """Waits until the contact has come to the stage's queue for so many times."""
        queued = await self.tells_all("contact_queued", times)
        assert [event.data["queue"] for event in queued] == [self.queue] * times

    # -- what is heard -----------------------------------------------------------------------------------------------

    @property
    def voices(self) -> Voices:
        if self._voices is None:
            self._voices = Voices(TONES, self.scene.place.prompt("music/hold"))
        return self._voices

    async def hears(self, wanted: Mapping[str, Names], within_s: float = 6.0) -> None:
        """Waits until it is exactly so on every leg (the silent named too), and so for one more second."""
        up = {role for role, call in self.cast.items() if call.is_up}
        if up != set(wanted):
            raise AssertionError(f"in a call are {sorted(up)}, not {sorted(wanted)}\n{await self.shown()}")
        ears = {role: self.cast[role].stream for role in wanted}
        try:
            await matrix.hear(ears, {role: frozenset(names) for role, names in wanted.items()}, self.voices, within_s)
        except matrix.NotSo as not_so:
            raise AssertionError(f"{not_so}\n{await self.shown()}") from None

    async def hears_keys(self, role: str, digits: str, within_s: float = 6.0, *, twice: bool = False) -> None:
        """As RFC 4733 events, each once; `twice`: one of them may have come two times."""
        stream = self.cast[role].stream
        may_be = {digits, *(digits[:n] + digits[n - 1 :] for n in range(1, len(digits) + 1) if twice)}
        try:
            async with asyncio.timeout(within_s):
                while (heard := "".join(key.key for key in stream.keys)) not in may_be:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.05)
                await asyncio.sleep(KEY_S)  # one more would be heard by now
        except TimeoutError:
            pass  # what came is shown
        heard = "".join(key.key for key in stream.keys)
        assert heard in may_be, f"heard was {heard}, not {digits}\n{await self.shown()}"

    async def all_hear_each_other(self, *roles: str, within_s: float = 6.0) -> None:
        await self.hears({role: set(roles) - {role} for role in roles}, within_s)

    async def shown(self) -> str:
        """The contact as LQ-SDK has it, and its ladder."""
        if not self.contact:
            return "no contact yet"
        events = tuple(sorted(self.scene.events.of(self.contact), key=lambda event: (event.at, event.seq)))
        story = Story(self.contact, trace.messages(self.scene.place.home / "trace", self.contact), events)
        return f"{await self.scene.lq.contact(self.contact)}\n{ladder.page(story, colours=False)}"

    # -- how it ends -------------------------------------------------------------------------------------------------

    async def hangs_up(self, role: str) -> None:
        await self.cast[role].hang_up()

    async def ends(self, role: str, within_s: float = 5.0) -> None:
        """Waits until this party's call is ended by the center."""
        await self.cast[role].ended(within_s)

    async def closes(
        self,
        *,
        recorded: Sequence[tuple[str | Names, str | Names]] = (),
        talked: Sequence[Names] = (),
        by: str = CUSTOMER,
    ) -> Cdr:
        """Who is still there hangs up; then nobody is in a call, no agent is held, the books are as they must be.

        `recorded`: what stands left (the customer) and right (what he heard), section by section. `talked`: who with
        whom, one conversation after another, as the events tell; then the wire is asked, too (ladders.py).
        """
        if self.cast[by].is_up:
            await self.hangs_up(by)
        for call in self.cast.values():
            try:
                await call.ended(5)
            except TimeoutError:
                raise AssertionError(f"{call} goes on\n{await self.shown()}") from None
        await self.tells("contact_ended")
        for role in self.phones:
            await self.scene.state(self.id(role), *FREE_AGAIN)
        cdr = await self.scene.cdr(self.contact)
        if recorded:
            await self.is_recorded(cdr, recorded)
        if talked:
            await self.agrees(self.contact, talked)
        return cdr

    async def is_recorded(self, cdr: Cdr, wanted: Sequence[tuple[str | Names, str | Names]]) -> None:
        """So, section by section."""
        heard = [section for section in await self.recorded(cdr) if section != (frozenset(), frozenset())]
        sections = [tuple(_names(part) for part in section) for section in wanted]
        assert heard == sections, f"recorded is {_said(heard)}\nnot {_said(sections)}\n{await self.shown()}"

    async def recorded(self, cdr: Cdr) -> list[tuple[frozenset[str], ...]]:
        """What stands in the contact's one recording, which the books name and which is as long as it went on."""
        recording, file = await self.scene.recording(cdr.contact_id)
        assert cdr.recording_id == recording.id, await self.shown()
        found = matrix.sections(await speech.read_wav(file), self.voices)
        lasted_s = self._recorded_s(cdr.contact_id)
        assert recording.duration_s == pytest.approx(lasted_s, abs=LATE_S), f"{_said(found)}\n{await self.shown()}"
        return found

    def _recorded_s(self, contact: str) -> float:
        """From its beginning to its end, holes included, as the events tell."""
        events = self.scene.events
        [planned] = [e for e in events.seen if e.type == "recording_planned" and e.data["contact"] == contact]
        orders = ("stopped", "started", "paused", "resumed")
        told = events.of(contact, *(f"contact_recording_{order}" for order in orders))
        [ended] = events.of(contact, "contact_ended")
        over = told[-1] if told and told[-1].type.endswith(("stopped", "paused")) else ended
        return (over.at - planned.at) / 1000

    async def agrees(self, contact: str, talked: Sequence[Names]) -> None:
        """The events of the contact tell that these talked, and the wire the same of each leg."""
        events, directory = self.scene.events.of(contact), self.scene.place.home / "trace"
        try:
            await ladders.agree(directory, contact, events, self._addresses, talked)
        except AssertionError as differs:
            raise AssertionError(f"{differs}\n{await self.shown()}") from None

    @property
    def _addresses(self) -> dict[str, str]:
        """As they stand in events and messages → whose they are."""
        found = {MOBILE_NUMBER: MOBILE, f"9{MOBILE_NUMBER}": MOBILE}
        for role in NUMBERS:
            found |= dict.fromkeys((self.id(role), phone_of(self.id(role))), role)
        if customer := self.cast.get(CUSTOMER):
            found[customer.caller if customer.direction == "in" else customer.called] = CUSTOMER
        return found


def _names(part: str | Names) -> frozenset[str]:
    return frozenset({part} if isinstance(part, str) and part else part)


def _said(sections: Iterable[Sequence[Names]]) -> str:
    return " · ".join(f"{matrix.said(left)} | {matrix.said(right)}" for left, right in sections)


def free_stage() -> tuple[int, IO[str]]:
    """One that no other worker uses, and its lock. There are more than workers."""
    for n in STAGES:
        lock = (Path(os.environ[DIRECTORY]) / f"stage{n}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return n, lock
    raise RuntimeError("more workers than stages")


@pytest.fixture
async def stage(scene: Scene, center: Center) -> AsyncIterator[Stage]:
    directory = Path(os.environ[DIRECTORY])
    with (directory / "stages.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if not (directory / "stages.done").exists():
            for kind, id, body in documents():
                await scene.lq.put_document(kind, id, body)
            await is_read(center, (await scene.lq.health()).config_version or 0)
            (directory / "stages.done").touch()
    n, own = free_stage()
    with own:
        async with AsyncExitStack() as exchange:
            yield Stage(scene, n, exchange)
