"""A contact in a world without clock or network: phones that answer, ring and hang up, media that stands or fails, a
node that dies. Every step is one input; after each, `faults` holds what must never be.

The contact under test is real (advance.py); phones, rtpengine, mixer, ACD and owner are played, simply (played/).
What the desk owes is in `pending` and comes when it is delivered, one by one: people act in between.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Self

from lq.contacts import advance as rule
from lq.contacts import inputs
from tests.unit.contacts.played.book import BOOK, OUTSIDE
from tests.unit.contacts.played.desk import Desk
from tests.unit.contacts.played.records import IN_THE_AIR

STEP_MS: Final = 20


@dataclass
class World(Desk):
    """`phones`: what each leg's phone thinks. `ears`: what its media has been told to give it."""

    def __post_init__(self) -> None:
        if self.wanted:
            wish = inputs.Wanted("c1", "k0", "1001", self.phone_of("1001"), self.wanted, "lq1-1")
            begun = rule.place(wish, self.now, BOOK)
            assert isinstance(begun, tuple), begun
            self.contact, effects = begun
            self._perform(effects)
            return
        if self.invited:
            wanted = inputs.Invited("c1", "k0", "board", self.invited, "lq1-1", **self.as_what)
            begun = rule.place(wanted, self.now, BOOK)
            assert isinstance(begun, tuple), begun
            self.contact, effects = begun
            self._perform(effects)
            return
        caller = OUTSIDE if self.source.startswith("trunk") else self.source.removeprefix("phone:")
        first = inputs.Incoming("c1", self.source, caller, self.called, "offer", "lq1-1")
        self.phones[1] = "calling"
        self.contact, effects = rule.begin(first, self.now, BOOK)
        self._perform(effects)

    # -- steps: each says whether it was possible ---------------------------------------------------------------------

    def take(self, given: inputs.Input) -> bool:
        self.now += STEP_MS
        self.steps.append(f"{given!r}{' and then the node dies' if self.doomed else ''}")
        before, lost = self.contact, self.doomed
        self.contact, effects = rule.advance(self.contact, given, self.now, BOOK)
        self._perform(effects, lost=lost, again=isinstance(given, inputs.Adopted))
        self._look(before)
        self._look_at_hang_up(before, given)
        self._look_at_late(before, given)
        self._look_who_is_cut_off(before, given)
        if lost:
            self.doomed = False
            self.dies()
        return True

    def deliver(self) -> bool:
        """The next thing that the desk owes."""
        if not self.pending:
            return False
        given = self.pending.popleft()
        if isinstance(given, inputs.Cancelled):
            return self._taken_back(given)
        return self.take(given)

    def _taken_back(self, given: inputs.Cancelled) -> bool:
        """The adopter's user agent finds out that the caller has gone. Of one who was refused it tells nothing."""
        n = given.leg
        if self.phones.get(n) != "left":
            return self.deliver()
        self.phones[n] = "over"
        leg = self.contact.legs.get(n)
        return self.take(inputs.Ended(n, "bye", 16) if leg is not None and leg.state == "answered" else given)

    def calm(self) -> Self:
        """Everything that the desk owes has come."""
        for _ in range(200):
            if not self.deliver():
                self._look_at_calm()
                self._read_again()
                return self
        self.faults.append("it never comes to rest")
        return self

    def rings(self, who: str) -> bool:
        n = self.leg_of(who)
        if self.phones.get(n) != "invited":
            return False
        self.phones[n] = "ringing"
        return self.take(inputs.Progress(n, 180))

    def rings_late(self) -> bool:
        """Our CANCEL and its 180 have crossed, and both answers come after everything else that is owed."""
        late = [one for one in self.pending if isinstance(one, inputs.Rejected) and one.code == 487]
        for one in late:
            self.pending.remove(one)
            self.pending += (inputs.Progress(one.leg, 180), one)
        return bool(late)

    def speaks(self, who: str) -> bool:
        """His network does, before he answers (early media)."""
        n = self.leg_of(who)
        if self.phones.get(n) not in IN_THE_AIR:
            return False
        self.phones[n] = "ringing"
        self.speaking.add(n)
        return self.take(inputs.Progress(n, 183, "early"))

    def answers(self, who: str) -> bool:
        n = self.leg_of(who)
        if self.phones.get(n) not in IN_THE_AIR:
            return False
        self.phones[n] = "up"
        return self.take(inputs.Accepted(n, "answer"))

    def picks_up(self, ext: str, named: str = "") -> bool:
        """This phone dials the code for it, or names the leg of this agent, which rings."""
        if self.over or "calling" in [self.phones.get(n) for n, one in self.contact.legs.items() if one.address == ext]:
            return False
        return self.take(inputs.PickedUp("s", "offer", ext, self.leg_of(named) if named else 0))

    def leaves(self, who: str) -> bool:
        """His page is loaded anew, and says so; `returns`: it is there again, and calls in the place of its leg."""
        n = self.leg_of(who)
        return self.phones.get(n) == "up" and self.take(inputs.PhoneAway(n))

    def returns(self, who: str) -> bool:
        n = self.leg_of(who)
        if self.phones.get(n) != "up" or self.contact.legs[n].state != "answered":
            return False
        return self.take(inputs.PickedUp("s", "offer", self.contact.legs[n].address, n))

    def refuses(self, who: str, code: int = 486) -> bool:
        n = self.leg_of(who)
        if self.phones.get(n) not in IN_THE_AIR:
            return False
        self.phones[n] = "over"
        return self.take(inputs.Rejected(n, code))

    def hangs_up(self, who: str) -> bool:
        """In whatever state his phone is."""
        return self.hangs_up_leg(self.leg_of(who))

    def hangs_up_leg(self, n: int) -> bool:
        if any(isinstance(one, inputs.Accepted) and one.leg == n for one in self.pending):
            return False  # its 200 comes first
        match self.phones.get(n):
            case "up":
                self.phones[n] = "over"
                return self.take(inputs.Ended(n, "bye", 16))
            case "calling":
                self.phones[n] = "over"
                return self.take(inputs.Cancelled(n))
            case "invited" | "ringing":
                self.phones[n] = "over"
                return self.take(inputs.Rejected(n, 486))
        return False

    def hangs_up_unheard(self) -> bool:
        """A caller who is not answered yet does, and the node dies before that is written down: its adopter asks for
        his INVITE, and it does not come."""
        n = next((n for n, phone in self.phones.items() if phone == "calling"), 0)
        if not n or self.over:
            return False
        self.phones[n] = "left"
        self.dies()
        self.pending.append(inputs.Cancelled(n))
        return True

    def holds(self, who: str) -> bool:
        """By his phone, and `resumes` likewise."""
        return self._asks(who, "hold")

    def resumes(self, who: str) -> bool:
        return self._asks(who, "resume")

    def faxes(self, who: str) -> bool:
        """His phone asks for what we do not speak (T.38)."""
        return self._asks(who, "fax")

    def _asks(self, who: str, sdp: str) -> bool:
        n = self.leg_of(who)
        if self.phones.get(n) != "up":
            return False
        self.asks.add(n)
        return self.take(inputs.Reoffered(n, sdp))

    def engine_dies(self) -> bool:
        """The rtpengine of everybody who has media."""
        lost = [n for n, leg in self.contact.legs.items() if leg.alive and leg.media is not None and not leg.moves]
        for n in lost:
            self.take(inputs.MediaLost(n, "engine", "a"))
        return bool(lost)

    def spoils(self) -> bool:
        """What rtpengine owes next, it cannot do."""
        ready = next((one for one in self.pending if isinstance(one, inputs.MediaReady)), None)
        if ready is None:
            return False
        self.pending.remove(ready)
        return self.take(inputs.MediaFailed(ready.leg, "unavailable"))

    def presses(self, who: str, key: str) -> bool:
        n = self.leg_of(who)
        return self.phones.get(n) == "up" and self.take(inputs.Digit(n, key))

    def refers(self, who: str, to: str, replaces: str = "") -> bool:
        n = self.leg_of(who)
        if self.phones.get(n) != "up":
            return False
        id = f"r{len(self.referrers) + 1}"
        self.referrers[id], self.referred_by[id] = [], n
        other = self.leg_of(replaces) if replaces else 0
        return self.take(inputs.Referred(n, to, id, self.contact.id if other else "", other))

    def command(self, verb: str, id: str = "", **body: Any) -> bool:
        if self.over:
            return False
        id = id or f"k{len(self.commands) + 1}"
        self.commands.append(id)
        self.last = (id, verb, body)
        if verb == "record":
            self.waiting.add(id)
        return self.take(inputs.Command(id, verb, body))

    def says_it_twice(self) -> bool:
        """The last command comes once more under its id: its answer was lost."""
        id, verb, body = self.last
        return bool(id) and self.command(verb, id, **body)

    def clicks_twice(self) -> bool:
        """The last command comes once more, as another one."""
        id, verb, body = self.last
        return bool(id) and self.command(verb, **body)

    def due(self, name: str = "") -> bool:
        """The next deadline (or this one) has come."""
        deadlines = self.contact.deadlines
        if not deadlines or (name and name not in deadlines):
            return False
        name = name or min(deadlines, key=lambda one: deadlines[one])
        if name == "cleared" and self.pending:
            return False  # that is long after everything else
        self.now = max(self.now, deadlines[name])
        return self.take(inputs.Due(name))

    def dies(self) -> bool:
        """The node is killed: what media and ACD owed it is lost; what phones say they say again."""
        if self.over:
            return False
        said = inputs.Accepted | inputs.Rejected | inputs.Confirmed | inputs.Cancelled
        for lost in self.pending:
            if isinstance(lost, inputs.PhoneTold):
                self.replies[lost.command] = 503  # who asked waits in vain
        self.pending = deque(one for one in self.pending if isinstance(one, said))
        self.asks.clear()  # they ask again
        lost = self.waiting - set(self.replies)  # who asked hears nothing, and would ask again
        self.commands = [id for id in self.commands if id not in lost]
        self.contact = self._read_again()
        return self.take(inputs.Adopted("lq2-1"))

    def is_doomed(self) -> bool:
        """It will be killed at its next step, between the commit and what follows: the books are written, but nothing
        is said and nothing pointed. (Answers to INVITEs are in the snapshot: the adopter's user agent says them; who
        sent a REFER hears 408 after three minutes.)"""
        self.doomed = True
        return True
