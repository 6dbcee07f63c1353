"""The live board of this process: one connection to the events of LQ-SDK, and every open page told what has changed.

A snapshot, then the events after it; both again after every break, so that the board is right whatever was missed. A
page that reads slowly misses nothing either: what has changed for it is a set of names, never a queue, and it is sent
what they are by then.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from lcall_web.board import rules
from lcall_web.board.rules import Call, Calling, Event
from lcall_web.common.failures import Busy
from lcall_web.common.watch import Watch
from lq.sdk import Agent, ApiError, Client, Queue

log = structlog.get_logger()

TOPICS: Final = ("agents", "queues", "contacts", "recordings")
# what of the configuration is looked at
DOCUMENTS: Final = ("queues", "phones", "flows", "pause_reasons", "wrap_up_codes")
READERS: Final = 2000  # pages of one process of the web: what a core carries (docs/benchmarks.md)
EACH: Final = 20  # of one person, however often he has logged in
BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0)
FIGURES_AT_MOST_S: Final = 1.0  # how often the figures of the queues are read again while calls move
FIGURES_SETTLE_S: Final = 3.0  # history, from which today's come, follows the live state by a moment
FIGURES_AT_LEAST_S: Final = 60.0  # midnight passes without an event

# ("agents" | "queues" | "calls" | "legs" | "waiting" | "problems", id). legs: of that call, and its recording;
# waiting: who waits in that queue. What a room tells of its own has names of its own.
Name = tuple[str, str]
SHOWN: Final = frozenset({"agents", "queues", "calls"})  # on the board
TOTALS: Final = ("totals", "")
Eyes = tuple[str | int, ...]  # all that decides how a thing is shown to somebody


class Part(Protocol):
    """What a room adds to one open page's stream."""

    def concerns(self, changed: Set[Name]) -> bool:
        """Whether the page may show something of it."""

    def waits_for(self, changed: Set[Name]) -> bool:
        """Whether somebody waits for it at that page: it is told at once, however much else there is to tell."""

    async def news(self, whole: bool, changed: Set[Name]) -> tuple[str, dict[str, Any]] | None:
        """The event and its body, if there is something new for this page."""


@dataclass
class Board:
    """What is known now. The values in it are frozen."""

    agents: dict[str, Agent] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    queues_read_at: int = 0  # ms; what oldest_wait_s counts to
    documents: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)  # kind -> id -> body
    waiting: dict[str, dict[str, Call]] = field(default_factory=dict)  # queue -> those of its calls that wait
    moved: dict[str, int] = field(default_factory=dict)  # call -> how many events of it have come
    calling: dict[str, Calling] = field(default_factory=dict)  # call -> whom somebody called into it last
    drawn: dict[Name, dict[Eyes, str]] = field(default_factory=dict)  # as it was told since it changed last

    def once(self, name: Name, eyes: Eyes, draw: Callable[[], Mapping[str, Any]]) -> str:
        """A thing as JSON, drawn once for all who have the same eyes."""
        known = self.drawn.setdefault(name, {})
        if eyes not in known:
            known[eyes] = json.dumps(draw(), ensure_ascii=False)
        return known[eyes]

    def forget(self, changed: Set[Name]) -> None:
        for name in changed:
            self.drawn.pop(name, None)
        if any(kind in SHOWN for kind, _ in changed):
            self.drawn.pop(TOTALS, None)

    def name(self, kind: str, id: str, language: str) -> str:
        """Of a document, as this language has it; "" if it has none."""
        body = self.documents.get(kind, {}).get(id, {})
        return str((body.get("name_en") if language == "en" else "") or body.get("name") or "")

    def put(self, id: str, call: Call | None) -> None:
        """The call is this now; None: it is over."""
        before = self.calls.pop(id, None)
        if before is not None:
            self.waiting.get(before.queue, {}).pop(id, None)
        if call is None:
            self.moved.pop(id, None)
            self.calling.pop(id, None)
            return
        self.calls[id] = call
        if call.state == "queued":
            self.waiting.setdefault(call.queue, {})[id] = call


@dataclass(eq=False)
class Reader:
    """An open page: what has changed since it was last told. `whole`: everything."""

    session: bytes
    who: str = ""
    board: bool = False  # it shows the board
    parts: Sequence[Part] = ()
    whole: bool = True
    over: bool = False
    changed: set[Name] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    hurried: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, changed: Set[Name], whole: bool) -> None:
        """Nobody is woken for what his page does not show: most of what happens is one agent's or one queue's."""
        if not (whole or self._concerns(changed)):
            return
        self.whole |= whole
        self.changed |= changed
        self.woken.set()
        if any(part.waits_for(changed) for part in self.parts):
            self.hurried.set()

    def _concerns(self, changed: Set[Name]) -> bool:
        about = {kind for kind, _ in changed}
        return (
            "problems" in about
            or (self.board and not about.isdisjoint(SHOWN))
            or any(part.concerns(changed) for part in self.parts)
        )

    def take(self) -> tuple[bool, set[Name]]:
        whole, changed = self.whole, self.changed
        self.whole, self.changed = False, set()
        self.woken.clear()
        self.hurried.clear()
        return whole, changed

    async def gather(self, seconds: float) -> None:
        """Lets what changes within so long come together, unless somebody waits for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.hurried.wait()


class Feed:
    def __init__(self, lq: Client, watch: Watch) -> None:
        self._lq = lq
        self._watch = watch
        self._readers: set[Reader] = set()
        self._moved = asyncio.Event()
        self._broken = asyncio.Event()
        self.board = Board()
        watch.on_change = lambda: self.tell(("problems", ""))
        watch.on_configuration = self._broken.set  # names and members may be others: a new snapshot

    # -- readers -------------------------------------------------------------------------------------------------------

    def join(self, session: bytes, who: str, board: bool = False, parts: Sequence[Part] = ()) -> Reader:
        """Raises Busy."""
        if len(self._readers) >= READERS or sum(reader.who == who for reader in self._readers) >= EACH:
            raise Busy
        reader = Reader(session, who, board, parts)
        reader.woken.set()
        self._readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        self._readers.discard(reader)

    def forget(self, session: bytes) -> None:
        """The pages of a session that has ended hear nothing more."""
        for reader in self._readers:
            if reader.session == session:
                self._end(reader)

    def end(self) -> None:
        for reader in self._readers:
            self._end(reader)

    def _end(self, reader: Reader) -> None:
        reader.over = True
        reader.woken.set()

    def tell(self, *names: Name, whole: bool = False) -> None:
        """What has changed, to every open page that shows something of it."""
        changed = frozenset(names)
        self.board.forget(changed)
        for reader in self._readers:
            reader.hear(changed, whole)

    # -- following the api ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            try:
                await self._follow()
                failures = 0
            except (ApiError, ValueError) as error:
                if failures == 0:
                    log.warning("the events cannot be followed", error=str(error))
                self._watch.tell("events", False)
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1

    async def _follow(self) -> None:
        """A snapshot and what comes after it, until the connection breaks."""
        self._broken.clear()  # what changes while the snapshot is read makes another one
        after = await self._lq.last_event_id()
        self.board = await self._snapshot()
        self.tell(whole=True)
        tasks = [asyncio.create_task(each) for each in (self._events(after), self._figures(), self._broken.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for ended in done:
            ended.result()

    async def _snapshot(self) -> Board:
        agents, queues, calls = await asyncio.gather(self._lq.agents(), self._lq.queues(), self._calls())
        found = await asyncio.gather(*(self._lq.documents(kind) for kind in DOCUMENTS))
        board = Board(
            agents={agent.id: agent for agent in agents},
            queues={queue.id: queue for queue in queues},
            queues_read_at=_now(),
            documents={
                kind: {document.id: document.body for document in documents}
                for kind, documents in zip(DOCUMENTS, found, strict=True)
            },
        )
        for id, call in calls.items():
            board.put(id, call)
        return board

    async def _calls(self) -> dict[str, Call]:
        found: dict[str, Call] = {}
        cursor: str | None = None
        while True:
            page = await self._lq.contacts("active", limit=500, cursor=cursor)
            found |= {contact.id: rules.call_of(contact) for contact in page.items}
            cursor = page.next
            if cursor is None:
                return found

    async def _events(self, after: str) -> None:
        async with aclosing(self._lq.events(TOPICS, after, on_connection=self._connected)) as events:
            async for event in events:
                self._apply(event)

    def _connected(self, connected: bool) -> None:
        if connected or not self._broken.is_set():  # else we have ended it ourselves, to begin anew
            self._watch.tell("events", connected)
        if not connected:
            self._broken.set()

    def _apply(self, event: Event) -> None:
        kind, _, id = event.subject.partition(":")
        board = self.board
        if event.type == "agent_state_changed":
            self._known(id in board.agents)
            if agent := board.agents.get(id):
                board.agents[id] = rules.agent_after(agent, event)
            self.tell(("agents", id))
        elif event.type == "queue_changed":
            self._known(id in board.queues)
            if queue := board.queues.get(id):
                board.queues[id] = rules.queue_after(queue, event)
            self.tell(("queues", id))
        elif event.type.startswith("contact_") or event.type == "leg_ended":
            self._apply_to_call(kind, event)
        elif event.type.startswith(("leg_", "recording_")):
            self._moves(kind.rpartition("-r")[0] if event.type.startswith("recording_") else kind)
            return
        else:
            return
        self._moved.set()

    def _moves(self, id: str) -> None:
        """Something of the call has changed that the board does not show."""
        if id in self.board.calls:
            self.board.moved[id] = self.board.moved.get(id, 0) + 1
            self.tell(("legs", id))

    def _apply_to_call(self, id: str, event: Event) -> None:
        before = self.board.calls.get(id)
        call = rules.call_after(before, event)
        self.board.put(id, call)
        if call is not None:
            self.board.moved[id] = self.board.moved.get(id, 0) + 1
            if calling := rules.calling_after(self.board.calling.get(id), event):
                self.board.calling[id] = calling
        # A card shows its agent's call as well.
        about = {each.agent for each in (before, call) if each is not None and each.agent}
        lines = {each.queue for each in (before, call) if each is not None and each.queue and before != call}
        self.tell(("calls", id), *(("agents", agent) for agent in about), *(("waiting", queue) for queue in lines))

    def _known(self, known: bool) -> None:
        """Somebody was added to the configuration: a new snapshot has him."""
        if not known:
            self._broken.set()

    async def _figures(self) -> None:
        """Reads the queues again after what moved them, never more often than once a second."""
        settled = True  # they were read with the snapshot
        while True:
            settled = not await self._moves_within(FIGURES_AT_LEAST_S if settled else FIGURES_SETTLE_S)
            self._moved.clear()
            queues = await self._lq.queues()
            self.board.queues = {queue.id: queue for queue in queues}
            self.board.queues_read_at = _now()
            self.tell(*(("queues", queue.id) for queue in queues))
            await asyncio.sleep(FIGURES_AT_MOST_S)

    async def _moves_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._moved.wait()
        except TimeoutError:
            return False


def _now() -> int:
    return time.time_ns() // 1_000_000
