"""One turn of a contact: an input comes in, a contact and effects come out. The steps write on this sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lq.config.book import Book
from lq.config.documents import Queue
from lq.contacts import effects as do
from lq.contacts.contact import Contact, Leg, Offer, Play, Segment, with_leg
from lq.ledger.events import RECORDING_SEQ, Event
from lq.media import prompts

# ITU-T Q.850 causes that we give, and the SIP status that says each on an unanswered leg (RFC 3398 §8.2.6.1). A failure
# of one call is 500: 503 means "this node takes no calls", and the edge would try the next, which finds it claimed.
UNALLOCATED: Final = 1
NORMAL: Final = 16
BUSY: Final = 17
NO_ANSWER: Final = 19
REJECTED: Final = 21
NO_CIRCUIT: Final = 34
TEMPORARY_FAILURE: Final = 41
NO_COMMON_CODEC: Final = 65
SIP_OF_CAUSE: Final[Mapping[int, int]] = {
    UNALLOCATED: 404, NORMAL: 480, BUSY: 486, NO_ANSWER: 480, REJECTED: 403, NO_CIRCUIT: 503,
    TEMPORARY_FAILURE: 500, NO_COMMON_CODEC: 488,
}  # fmt: skip
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
        self.set(legs={**self.contact.legs, leg.n: leg})
        self.emit(
            "leg_started",
            leg=self.contact.leg_id(leg.n), party=leg.party, address=leg.address, direction=leg.direction,
        )  # fmt: skip

    def leg(self, n: int) -> Leg:
        return self.contact.legs[n]

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
        self.do(do.Connect(a, b))

    # -- segments (R3) ----------------------------------------------------------------------------------------------
    def segment(self, kind: str, reason_of_last: str = "", *, queue: str = "", agent: str = "") -> int:
        """Whatever goes on ends, a new segment begins; its number."""
        self.end_segments(reason_of_last)
        return self.inner_segment(kind, queue=queue, agent=agent)

    def inner_segment(self, kind: str, *, queue: str = "", agent: str = "") -> int:
        """A segment within the one that goes on: phones ring while the caller keeps his place in the queue."""
        n = len(self.contact.segments) + 1
        self.set(segments=(*self.contact.segments, Segment(n, kind, self.now, queue, agent)))
        return n

    def end_segments(self, reason: str = "", kind: str = "") -> None:
        """Those that go on end: all, or those of a kind."""
        ended = (
            replace(s, ended_at=self.now, reason=reason) if not s.ended_at and kind in ("", s.kind) else s
            for s in self.contact.segments
        )
        self.set(segments=tuple(ended))

    @property
    def n(self) -> int:
        """Number of the innermost segment that goes on, else of the last (0: none)."""
        going_on = (segment.n for segment in reversed(self.contact.segments) if not segment.ended_at)
        return next(going_on, len(self.contact.segments))

    # -- the agent whom we hold -----------------------------------------------------------------------------------
    def agent_op(self, op: str, offer: Offer, outcome: str = "", **extra: int) -> None:
        self.do(do.AgentOp(offer.agent, offer.reservation, op, outcome, **extra))

    @property
    def queue(self) -> Queue:
        """The rules of the line that the contact stands or stood in."""
        return self.book.queues.get(self.contact.queue, ONE_AGENT)

    def prompt(self, name: str) -> str:
        return prompts.prompt(name, self.book.settings.language)
