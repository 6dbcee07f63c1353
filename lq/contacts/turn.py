"""One turn of a contact: an input comes in, a contact and effects come out. The steps write on this sheet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from lq.config.book import Book
from lq.config.documents import Phone, Queue
from lq.contacts import effects as do
from lq.contacts.contact import Call, Contact, Leg, Play, Refused, Segment, with_leg
from lq.ledger.events import RECORDING_SEQ, Event
from lq.media import prompts

# Of what has ended a snapshot holds the last only, for it is written at every step; the ledger holds all of it.
LEGS_KEPT: Final = 3
SEGMENTS_KEPT: Final = 12
COMMANDS_KEPT: Final = 32  # ids of those carried out, which a repeat finds
REFUSALS_KEPT: Final = 8  # … and of those that were not, with their answers
REPEATED: Final = ("ring", "talk", "hold")  # kinds of segments that come again and again
LEASE_MARGIN_MS: Final = 15_000  # beyond the ring time: a phone that answers 100 only, plus a take-over
ONE_AGENT: Final = Queue(id="", name="", wrap_up_s=10, max_wait_s=60, position_every_s=0)  # who waits for one agent


@dataclass(slots=True)
class Turn:
    contact: Contact
    now: int  # ms of the epoch
    book: Book
    effects: list[do.Effect] = field(default_factory=list)

    # -- the contact's next value ---------------------------------------------------------------------------------
    def set(self, **changes: Any) -> None:
        self.contact = replace(self.contact, **changes)

    def set_leg(self, n: int, **changes: Any) -> None:
        self.contact = with_leg(self.contact, n, **changes)

    def add_leg(self, leg: Leg) -> None:
        over = [n for n, one in self.contact.legs.items() if n != 1 and one.state == "ended" and one.media is None]
        kept = {n: one for n, one in self.contact.legs.items() if n not in over[:-LEGS_KEPT]}
        self.set(legs={**kept, leg.n: leg})
        self.emit(
            "leg_started",
            leg=self.contact.leg_id(leg.n), party=leg.party, address=leg.address or leg.agent, direction=leg.direction,
        )  # fmt: skip

    def leg(self, n: int) -> Leg:
        return self.contact.legs[n]

    def phone_at(self, leg: Leg) -> Phone | None:
        """The phone of ours that this leg is; None: it is none, whatever number who is there shows or has."""
        return None if leg.outside else self.book.phones.get(leg.address)

    def deadline(self, name: str, at: int | None) -> None:
        """Set, move or (None) clear one of the contact's absolute deadlines."""
        rest = {key: value for key, value in self.contact.deadlines.items() if key != name}
        self.set(deadlines=rest if at is None else {**rest, name: at})

    # -- what shall be done ---------------------------------------------------------------------------------------
    def do(self, effect: do.Effect) -> None:
        self.effects.append(effect)

    def emit(self, type: str, **data: Any) -> None:
        """An event of this contact; one about its recording goes under the recording's own id (R11)."""
        if type in RECORDING_SEQ and self.contact.recording:
            about = {"contact": self.contact.id, **data}
            self.do(do.Emit(Event(type, self.now, self.contact.recording.id, RECORDING_SEQ[type], about)))
            return
        seq = self.contact.seq + 1
        self.set(seq=seq)
        self.do(do.Emit(Event(type, self.now, self.contact.id, seq, data)))

    def begun(self, status: int, error: str = "", message: str = "") -> None:
        """Whoever had this contact begun by a command hears how that went, once."""
        if self.contact.command:
            self.do(do.Reply(self.contact.command, status, error, message))
            self.remember_answer(self.contact.command)
            self.set(command="")

    def leg_answered(self, n: int) -> None:
        """Its media stands: what it speaks, and through which rtpengine (none told: the only one)."""
        leg = self.leg(n)
        engine = (leg.media or {}).get("engine")
        self.emit("leg_answered", leg=self.contact.leg_id(n), codec=leg.codec, **({"engine": engine} if engine else {}))

    def play(self, n: int, items: tuple[str, ...], repeat: int = 1) -> None:
        """The leg hears this from now on, instead of whatever it heard."""
        number = self.contact.plays + 1
        play = Play(f"p{number}", items, repeat, self.now)
        self.set(plays=number)
        self.set_leg(n, play=play, peer="mixer")
        self.do(do.StartPlay(n, play.id, items, repeat))

    def connect(self, a: int, b: int) -> None:
        self.set_leg(a, play=None, peer=f"leg:{b}")
        self.set_leg(b, play=None, peer=f"leg:{a}")
        self.join(a, b)

    def join(self, a: int, b: int) -> None:
        """Where agents give orders by keys, keys are held back until it is clear what they mean."""
        self.do(do.Connect(a, b, apart=bool(self.book.settings.recording_keys)))

    # -- segments (R3) ----------------------------------------------------------------------------------------------
    def segment(self, kind: str, reason_of_last: str = "", *, queue: str = "", agent: str = "") -> int:
        """Whatever goes on ends, a new segment begins; its number."""
        self.end_segments(reason_of_last)
        return self.inner_segment(kind, queue=queue, agent=agent)

    def inner_segment(self, kind: str, *, queue: str = "", agent: str = "") -> int:
        """A segment within the one that goes on: phones ring while the caller keeps his place in the queue."""
        known = self.contact.segments
        n = known[-1].n + 1 if known else 1
        over = [one.n for one in known if one.ended_at and one.kind in REPEATED]
        forgotten = over[: max(0, len(known) + 1 - SEGMENTS_KEPT)]
        kept = (one for one in known if one.n not in forgotten)
        self.set(segments=(*kept, Segment(n, kind, self.now, queue, agent)))
        return n

    def end_segments(self, reason: str = "", kind: str = "") -> None:
        """Those that go on end: all, or those of a kind."""
        ended = (
            replace(s, ended_at=self.now, reason=reason) if not s.ended_at and kind in ("", s.kind) else s
            for s in self.contact.segments
        )
        self.set(segments=tuple(ended))

    # -- commands ---------------------------------------------------------------------------------------------------
    def answered_before(self, command: str) -> bool:
        """A repeat hears what was answered the first time; False: it is none."""
        refused = next((one for one in self.contact.refused if one.id == command), None)
        if refused is not None:
            self.do(do.Reply(command, refused.status, refused.error, refused.message))
        elif command in self.contact.done:
            self.do(do.Reply(command, 200))
        else:
            return False
        return True

    def remember_answer(self, command: str) -> None:
        """What this turn has answered."""
        said = next((one for one in self.effects if isinstance(one, do.Reply) and one.command == command), None)
        if said is not None and said.error:
            refused = Refused(command, said.status, said.error, said.message)
            self.set(refused=(*self.contact.refused, refused)[-REFUSALS_KEPT:])
        else:
            self.set(done=(*self.contact.done, command)[-COMMANDS_KEPT:])

    @property
    def n(self) -> int:
        """Number of the innermost segment that goes on, else of the last (0: none)."""
        going_on = (segment.n for segment in reversed(self.contact.segments) if not segment.ended_at)
        return next(going_on, self.contact.segments[-1].n if self.contact.segments else 0)

    # -- the agent whom we hold -----------------------------------------------------------------------------------
    def agent_op(self, op: str, agent: str, fence: int, outcome: str = "", **extra: int) -> None:
        self.do(do.AgentOp(agent, fence, op, outcome, **extra))

    @property
    def queue(self) -> Queue:
        """The rules of the line that the contact stands or stood in."""
        return self.book.queues.get(self.contact.queue, ONE_AGENT)

    def tell_referrer(self, call: Call, code: int) -> None:
        """Whoever asked for this call by REFER hears how it goes."""
        by = self.contact.legs.get(call.by)
        if call.refer and by is not None and by.alive:
            self.do(do.TellReferrer(call.by, call.refer, code))

    def queue_of(self, agent: str) -> Queue:
        """By whose rules he tidies up: of the queue that the contact stood in, else of his first."""
        known = self.book.agents.get(agent)
        ids = (self.contact.queue, *(known.queues if known else ()))
        return next((self.book.queues[id] for id in ids if id in self.book.queues), ONE_AGENT)

    def prompt(self, name: str) -> str:
        return prompts.prompt(name, self.book.settings.language)
