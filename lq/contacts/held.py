"""A contact as its owner holds it: its inbox and task, and what Redis has not heard of it yet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from lq.config.book import Book
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact
from lq.ledger.events import Event
from lq.live.values import AgentOp, Called, ChannelHold, ChannelOp, EngageOp, GateOp, Membership

ENDED: Final[Mapping[str, Any]] = {"status": 409, "error": {"code": "ended", "message": "the contact has ended"}}


@dataclass(slots=True)
class Held:
    """A contact in our hands."""

    contact: Contact
    epoch: int
    book: Book
    claim: str
    inbox: asyncio.Queue[inputs.Input] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None
    alarm: asyncio.TimerHandle | None = None
    events: list[Event] = field(default_factory=list)  # not committed yet: Redis was away
    agent_ops: list[AgentOp] = field(default_factory=list)
    channel_ops: list[ChannelOp] = field(default_factory=list)
    engages: list[EngageOp] = field(default_factory=list)
    gate_ops: list[GateOp] = field(default_factory=list)
    conference: Membership | None = None  # to be counted in
    called: Called | None = None  # to be noted
    dequeue: bool = False
    forgotten: tuple[str, ...] = ()  # agents who talk here, and Redis has let them go
    written: bool = False  # the first commit is through
    commands: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # not answered yet: their messages
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # its first turn with us is done
    heir: str = ""  # the node that shall have it
    at_once: bool = False  # … whatever is in the air
    spooled: int = 0  # so many of `events` are in the local file
    channels: dict[int, ChannelHold] = field(default_factory=dict)  # by leg, as Redis gave them
    one_commit: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_clean(self) -> bool:
        """Redis has all of it."""
        asked = self.engages or self.gate_ops or self.conference or self.called
        return self.written and not (self.events or self.agent_ops or self.channel_ops or asked or self.dequeue)

    @property
    def is_restless(self) -> bool:
        """Something must be said to Redis once more, soon."""
        return bool(self.forgotten) or not self.is_clean

    @property
    def answers(self) -> dict[str, dict[str, Any]]:
        """What its commands were answered, for repeats."""
        done = {id: {"status": 200} for id in self.contact.done}
        return done | {
            one.id: {"status": one.status, "error": {"code": one.error, "message": one.message}}
            for one in self.contact.refused
        }

    def last_word(self, command: str) -> do.Reply:
        """To one that the contact is too much over to hear; a repeat hears what the first was told."""
        answer = self.answers.get(command, ENDED)
        error = answer.get("error", {})
        return do.Reply(command, answer["status"], error.get("code", ""), error.get("message", ""))

    def collect(self, effects: Sequence[do.Effect]) -> None:
        """What the effects of a turn change in Redis: for its commit."""
        for effect in effects:
            match effect:
                case do.Emit(event):
                    self.events.append(event)
                case do.AgentOp(agent, fence, op, outcome, ttl_ms, wrap_up_ms):
                    queue = self.contact.queue if op == "release" else None
                    self.agent_ops.append(
                        AgentOp(agent, fence, op, outcome, ttl_ms or None, wrap_up_ms=wrap_up_ms, queue=queue)
                    )
                case do.SeizeChannel(leg, trunk):
                    direction = self.contact.legs[leg].direction
                    self.channel_ops.append(ChannelOp(trunk, "seize", leg, direction))
                case do.ReleaseChannel(leg, trunk):
                    self.channel_ops.append(ChannelOp(trunk, "release", leg))
                case do.Engage(leg, agent, phone, own, lease_ms):
                    self.engages.append(EngageOp(leg, agent, phone, own, lease_ms))
                case do.LookUp(leg, number, lists, phone):
                    self.gate_ops.append(GateOp("look", leg, number, lists, phone))
                case do.CountCall(leg, number, purpose, day, limit):
                    self.gate_ops.append(GateOp("count", leg, number, purpose=purpose, day=day, limit=limit))
                case do.CountGuess(leg, whose, wrong, nth, most):
                    self.gate_ops.append(GateOp("guess", leg, whose, limit=most, wrong=wrong, nth=nth))
                case do.JoinConference(conference, host, most):
                    self.conference = Membership(conference, host, most)
                case do.NoteCalled(conference, to, at, outcome):
                    self.called = Called(conference, to, at, outcome)
                case do.Dequeue():
                    self.dequeue = True
        self._let_channels_go()
        if self.contact.state in ("ending", "over"):
            self.gate_ops.clear()  # nobody waits for the answer, and what was refused is not counted

    def _let_channels_go(self) -> None:
        """A channel ends with its leg, however that ended, though the contact may go on for long."""
        said, legs = {op.leg for op in self.channel_ops}, self.contact.legs
        for n, channel in self.channels.items():
            if n not in said and (n not in legs or legs[n].state == "ended"):
                self.channel_ops.append(ChannelOp(channel.trunk, "release", n))

    def snapshot(self, dialogs: Mapping[str, Any]) -> str:
        """As another node carries it on; `dialogs` of its legs."""
        document = self.contact.to_json() | {"epoch": self.epoch, "dialogs": dialogs}
        document["channels"] = list(self.channels.values())
        try:
            return msgspec.json.encode(document).decode()
        except (
            UnicodeEncodeError
        ):  # a header with letters that are no UTF-8, such as a name in GBK: byte for byte in \udcXX
            return json.dumps(msgspec.to_builtins(document))
