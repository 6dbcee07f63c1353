"""The live board of this process: one connection to the events of LQ-SDK, and every open page told what has changed.

A snapshot, then the events after it; both again after every break, so that the board is right whatever was missed. A
page that reads slowly misses nothing either: what has changed for it is a set of names, never a queue, and it is sent
what they are by then.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import structlog

from lcall_web.board import rules
from lcall_web.board.rules import Call, Event
from lcall_web.common.failures import Busy
from lcall_web.common.watch import Watch
from lq.sdk import Agent, ApiError, Client, Queue

log = structlog.get_logger()

TOPICS: Final = ("agents", "queues", "contacts")
READERS: Final = 500
BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0)
FIGURES_AT_MOST_S: Final = 1.0  # how often the figures of the queues are read again while calls move
FIGURES_SETTLE_S: Final = 3.0  # history, from which today's come, follows the live state by a moment
FIGURES_AT_LEAST_S: Final = 60.0  # midnight passes without an event

Name = tuple[str, str]  # ("agents" | "queues" | "calls" | "problems", id)


@dataclass
class Board:
    """What is known now. The values in it are frozen."""

    agents: dict[str, Agent] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    queues_read_at: int = 0  # ms; what oldest_wait_s counts to
    english: dict[str, str] = field(default_factory=dict)  # names of queues


@dataclass(eq=False)
class Reader:
    """An open page: what has changed since it was last told. `whole`: everything."""

    session: bytes
    whole: bool = True
    over: bool = False
    changed: set[Name] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> tuple[bool, set[Name]]:
        whole, changed = self.whole, self.changed
        self.whole, self.changed = False, set()
        self.woken.clear()
        return whole, changed


class Feed:
    def __init__(self, lq: Client, watch: Watch) -> None:
        self._lq = lq
        self._watch = watch
        self._readers: set[Reader] = set()
        self._moved = asyncio.Event()
        self._broken = asyncio.Event()
        self.board = Board()
        watch.on_change = lambda: self._tell(("problems", ""))
        watch.on_configuration = self._broken.set  # names and members may be others: a new snapshot

    # -- readers -------------------------------------------------------------------------------------------------------

    def join(self, session: bytes) -> Reader:
        if len(self._readers) >= READERS:
            raise Busy
        reader = Reader(session)
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

    def _tell(self, *names: Name, whole: bool = False) -> None:
        for reader in self._readers:
            reader.whole |= whole
            reader.changed.update(names)
            reader.woken.set()

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
        after = await self._lq.last_event_id()
        self.board = await self._snapshot()
        self._tell(whole=True)
        self._broken.clear()
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
        agents, queues, documents, calls = await asyncio.gather(
            self._lq.agents(), self._lq.queues(), self._lq.documents("queues"), self._calls()
        )
        return Board(
            agents={agent.id: agent for agent in agents},
            queues={queue.id: queue for queue in queues},
            calls=calls,
            queues_read_at=_now(),
            english={document.id: str(document.body.get("name_en") or "") for document in documents},
        )

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
            self._tell(("agents", id))
        elif event.type == "queue_changed":
            self._known(id in board.queues)
            if queue := board.queues.get(id):
                board.queues[id] = rules.queue_after(queue, event)
            self._tell(("queues", id))
        elif event.type.startswith("contact_") or event.type == "leg_ended":
            self._apply_to_call(kind, event)
        else:
            return
        self._moved.set()

    def _apply_to_call(self, id: str, event: Event) -> None:
        before = self.board.calls.get(id)
        call = rules.call_after(before, event)
        if call is not None:
            self.board.calls[id] = call
        else:
            self.board.calls.pop(id, None)
        # A card shows its agent's call as well.
        about = {each.agent for each in (before, call) if each is not None and each.agent}
        self._tell(("calls", id), *(("agents", agent) for agent in about))

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
            self._tell(*(("queues", queue.id) for queue in queues))
            await asyncio.sleep(FIGURES_AT_MOST_S)

    async def _moves_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._moved.wait()
        except TimeoutError:
            return False


def _now() -> int:
    return time.time_ns() // 1_000_000
