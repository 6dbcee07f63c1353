"""A contact in a world without clock or network: phones that answer, ring and hang up, media that stands or fails, a
node that dies. Every step is one input; after each, `faults` holds what must never be.

The contact under test is real (advance.py); phones, rtpengine, mixer, ACD and owner are played here, simply.
What the desk owes is in `pending` and comes when it is delivered, one by one: people act in between.
"""

from __future__ import annotations

import copy
import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lq.config import documents as doc
from lq.config.book import Book
from lq.contacts import advance as rule
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact, Leg
from lq.contacts.holds import bound
from lq.ledger import fold
from lq.ledger.events import TYPES, Event, wrong_keys

START: Final = 1_700_000_000_000
STEP_MS: Final = 20
SNAPSHOT_BYTES: Final = 8192
MEDIA: Final = {"x_port": 1}
AGENTS: Final = ("1001", "1002", "1003", "1901", "1902")
MODELS: Final = {"1001": "yealink", "1002": "fanvil"}  # one takes orders, one answers some calls by itself
SENT_ON: Final = {"1003": doc.Forward(busy="8902")}  # his phone's calls
OUTSIDE: Final = "13800138000"
MOBILE: Final = "13900139000"  # another number outside
BOOK: Final = Book(
    version=1,
    agents={id: doc.Agent(id, id, ("sales",), mobile=f"+861370013{id}", mobile_calls="national") for id in AGENTS},
    phones={
        f"8{id[1:]}": doc.Phone(
            f"8{id[1:]}", "", model=MODELS.get(id, ""), calls="national", forward=SENT_ON.get(id, doc.Forward())
        )
        for id in AGENTS
    },
    queues={"sales": doc.Queue("sales", "销售", ring_s=20, max_wait_s=600, position_every_s=0)},
    trunks={
        id: doc.Trunk(id, "127.0.1.1", numbers=doc.NumberRule(area_code="10"), caller_ids=("01088001000",))
        for id in ("gw1", "gw2")
    },
    routes={"all": doc.Route("all", ("gw1", "gw2"), recording="talk")},
    conferences={
        "board": doc.Conference("board", "董事会", pin="1234", host_pin="4321", end_with_host=True, calls="national")
    },
    numbers={
        "4008001001": doc.AccessNumber("4008001001", "queue:sales", recording="none"),
        "4008001008": doc.AccessNumber("4008001008", "conference:board", recording="none"),
    },
)
IN_THE_AIR: Final = ("invited", "ringing")
CUSTOMER: Final = "customer"


@dataclass
class World:
    """`phones`: what each leg's phone thinks. `ears`: what its media has been told to give it."""

    called: str = "4008001001"
    source: str = "trunk:gw1"
    wanted: str = ""  # whom agent 1001 calls from his desk, then nobody calls in
    invited: str = ""  # whom the conference calls, likewise
    as_what: Mapping[str, Any] = field(default_factory=dict)  # … as a host, with no greeting, for what
    mobiles: tuple[str, ...] = ()  # agents who sit at their mobiles
    doomed: bool = False
    crossing: bool = False  # a phone that is cancelled has just answered
    refused: dict[str, str] = field(default_factory=dict)  # agents who are not to be had: their state …
    resting: frozenset[str] = frozenset()  # … but for a call of their own
    now: int = START
    phones: dict[int, str] = field(default_factory=dict)
    ears: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    speaking: set[int] = field(default_factory=set)  # whose networks do, while they ring
    keys: dict[int, str] = field(default_factory=dict)  # that each phone has heard
    pending: deque[inputs.Input] = field(default_factory=deque)
    ledger: list[Event] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    fences: dict[int, str] = field(default_factory=dict)  # given to the contact: fence → agent
    engaged: dict[int, int] = field(default_factory=dict)  # for which leg, under which fence
    reserved: list[int] = field(default_factory=list)  # by the ACD
    taken: set[int] = field(default_factory=set)  # that it has held
    released: Counter[int] = field(default_factory=Counter)
    replies: dict[str, int] = field(default_factory=dict)
    noted: list[str] = field(default_factory=list)  # what the conference's list says of whom it has called
    tones: list[str] = field(default_factory=list)  # heard beside the others in a room
    gathered: tuple[int, ...] = (1, 0)  # how many parties and hosts a conference has with him; (): it is full
    writes: int = 0  # the leg whose voices reach a disk; 0: none
    waiting: set[str] = field(default_factory=set)  # commands that are answered when they have come true
    commands: list[str] = field(default_factory=list)
    last: tuple[str, str, dict[str, Any]] = ("", "", {})  # command
    referrers: dict[str, list[int]] = field(default_factory=dict)  # what each REFER was told
    referred_by: dict[str, int] = field(default_factory=dict)  # leg

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

    def fork(self) -> World:
        """The same world once more, which goes its own way from here."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list | set | deque):
                setattr(other, name, copy.copy(value))
        other.referrers = {id: list(told) for id, told in self.referrers.items()}
        return other

    # -- whom the steps speak of -----------------------------------------------------------------------------------

    def leg_of(self, who: str) -> int:
        """The last leg of this agent, or of the customer; 0: none."""
        if who == CUSTOMER:
            found = [n for n, leg in self.contact.legs.items() if leg.party == "customer"]
        else:
            ext = f"8{who[1:]}"
            found = [n for n, leg in self.contact.legs.items() if who in (leg.agent, leg.address) or leg.address == ext]
        return max(found, default=0)

    def phone_of(self, agent: str) -> str:
        return BOOK.agents[agent].mobile if agent in self.mobiles else f"8{agent[1:]}"

    @property
    def over(self) -> bool:
        return self.contact.state == "over"

    # -- steps: each says whether it was possible ---------------------------------------------------------------------

    def take(self, given: inputs.Input) -> bool:
        self.now += STEP_MS
        self.steps.append(f"{given!r}{' and then the node dies' if self.doomed else ''}")
        before, lost = self.contact, self.doomed
        self.contact, effects = rule.advance(self.contact, given, self.now, BOOK)
        self._perform(effects, lost=lost, again=isinstance(given, inputs.Adopted))
        self._look(before)
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

    def calm(self) -> World:
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
        n = self.leg_of(who)
        return self.phones.get(n) == "up" and self.take(inputs.Reoffered(n, "hold"))

    def resumes(self, who: str) -> bool:
        n = self.leg_of(who)
        return self.phones.get(n) == "up" and self.take(inputs.Reoffered(n, "resume"))

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

    # -- what the world makes of the effects ---------------------------------------------------------------------------

    def _perform(self, effects: list[do.Effect], *, lost: bool = False, again: bool = False) -> None:
        crossed = [effect.leg for effect in effects if isinstance(effect, do.Ack)]  # its 200 crossed what ended it
        for effect in effects:
            if not (isinstance(effect, do.Bye) and effect.leg in crossed):
                self._judge(effect, again)
            self._books(effect)
            if not lost or isinstance(effect, do.Answer | do.Reject | do.TakeSession | do.TellReferrer):
                self._act(effect)
            elif isinstance(effect, do.AnswerPhone):
                self.replies[effect.command] = 503  # who asked waits in vain

    def _judge(self, effect: do.Effect, again: bool) -> None:
        """No effect on a leg that has ended. (Who adopts says again what may not have been done.)"""
        n = getattr(effect, "leg", 0)
        if not n or again:
            return
        if n not in self.contact.legs:
            self.faults.append(f"{effect} on a leg that is not there")
            return
        pointed = isinstance(effect, do.StartPlay | do.Confer | do.Tone | do.Echo | do.SendKey)
        pointed = pointed or isinstance(effect, do.TakeAnswer | do.TakeOffer)
        said = isinstance(effect, do.Invite | do.Answer | do.Bye | do.Ring | do.Reoffer)
        if self.wanted and n == 1 and isinstance(effect, do.Invite):
            return  # who wanted to call is called anew as the same leg
        if self.phones.get(n) == "over" and (said or pointed):
            self.faults.append(f"{effect} on a leg that has ended")

    def _books(self, effect: do.Effect) -> None:
        """Written with the commit, whatever comes after it."""
        match effect:
            case do.Emit(event):
                self.ledger.append(event)
                if event.type not in TYPES or wrong_keys(event):
                    self.faults.append(f"event {event.type}: {sorted(wrong_keys(event))}")
            case do.AgentOp(agent, fence, op):
                if self.fences.get(fence) != agent:
                    self.faults.append(f"{op} of {agent} under fence {fence}, which he was not given")
                if op == "release":
                    self.released[fence] += 1
                elif self.released[fence]:
                    self.faults.append(f"{op} of {agent}, who has been let go")
            case do.NoteCalled(_, _, _, outcome):
                self.noted.append(outcome)
            case do.Reply(command, status):
                if command in self.replies and self.commands.count(command) < 2:
                    self.faults.append(f"command {command} is answered twice")
                self.replies[command] = status

    def _act(self, effect: do.Effect) -> None:
        owed = self.pending.append
        match effect:
            case do.PrepareIncoming(n):
                owed(inputs.MediaReady(n, MEDIA, "PCMA", "answer"))
            case do.PrepareOutgoing(n):
                owed(inputs.MediaReady(n, MEDIA, "", "offer"))
            case do.TakeAnswer(n):
                owed(inputs.MediaReady(n, MEDIA, "PCMA"))
            case do.TakeOffer(n, sdp):
                owed(inputs.MediaReoffered(n, MEDIA, "answer", sdp == "hold"))
            case do.Move(n):
                owed(inputs.MediaMoved(n, MEDIA, "offer"))
            case do.Reoffer(n):
                owed(inputs.OfferAnswered(n, "answer"))
            case do.DeleteMedia(n):
                self._part(n)
                self.ears.pop(n, None)
                self.writes = 0 if self.writes == n else self.writes
                owed(inputs.MediaDeleted(n))
            case do.StartRecording(n, _, command):
                self.writes = n
                owed(inputs.RecordingStarted(n, "", command))
            case do.PauseRecording(n, _, command, change):
                self.writes = 0
                owed(inputs.RecordingPaused(n, command, "", change))
            case do.ResumeRecording(n, _, command, change):
                self.writes = n
                owed(inputs.RecordingResumed(n, command, "", change))
            case do.SeizeChannel(n, trunk):
                owed(inputs.ChannelSeized(n, trunk, 1))
            case do.LookUp(n):
                owed(inputs.LookedUp(n, (), "1001"))
            case do.CountCall(n):
                owed(inputs.Counted(n, True))
            case do.JoinConference():
                owed(inputs.Parties(*self.gathered) if self.gathered else inputs.ConferenceFull())
            case do.Ask():
                self._asked(effect)
            case do.Engage():
                self._engaged(effect)
            case do.TakeSession(n):
                self.phones[n] = "calling"
            case do.AnswerPhone(n, command):
                self._ordered(n, command)
            case do.TellReferrer(_, id, code):
                self._told(id, code)
            case do.Connect() | do.StartPlay() | do.Confer() | do.Echo() | do.Park() | do.SendKey() | do.Tone():
                self._point(effect)
            case do.Invite() | do.Cancel() | do.Bye() | do.Reject() | do.Ack() | do.Answer():
                self._say(effect)

    def _say(self, effect: do.Invite | do.Cancel | do.Bye | do.Reject | do.Ack | do.Answer) -> None:
        n = effect.leg
        phone = self.phones.get(n, "")
        match effect:
            case do.Invite():
                self.phones[n] = "invited"
            case do.Answer() if phone == "calling":
                self.phones[n] = "up"
                self.pending.append(inputs.Confirmed(n))
            case do.Cancel() if phone in IN_THE_AIR and self.crossing:
                self.phones[n] = "up"
                self.pending.append(inputs.Accepted(n, "answer"))
            case do.Cancel() if phone in (*IN_THE_AIR, "", "cancelled") or self._is_called_anew(n):
                self.phones[n] = "over"
                self.pending.append(inputs.Rejected(n, 487))
            case do.Bye() | do.Reject() if phone:
                self.phones[n] = "over"

    def _is_called_anew(self, n: int) -> bool:
        """Who wanted to call, as the same leg: what was cancelled is over, and the next INVITE is not made yet."""
        return bool(self.wanted) and n == 1 and self.phones.get(1) == "over"

    def _ordered(self, n: int, command: str) -> None:
        """The phone obeys, if it still rings."""
        rings = self.phones.get(n) == "ringing"
        self.pending.append(inputs.PhoneTold(n, command, 200 if rings else 481))
        if rings:
            self.phones[n] = "up"
            self.pending.append(inputs.Accepted(n, "answer"))

    def _point(self, effect: do.Connect | do.StartPlay | do.Confer | do.Echo | do.Park | do.SendKey | do.Tone) -> None:
        match effect:
            case do.Connect(a, b):
                self._part(a, b)
                self.ears[a], self.ears[b] = ("leg", b), ("leg", a)
            case do.StartPlay(n, play, items, repeat):
                self._part(n)
                self.ears[n] = ("play", _sort_of(items[0]))
                if repeat:
                    self.pending.append(inputs.Played(n, play))
            case do.Confer(n, room, talk, hear, whisper):
                self._part(n)
                self.ears[n] = ("room", room, talk, hear, tuple(whisper))
            case do.Echo(n):
                self._part(n)
                self.ears[n] = ("echo",)
            case do.Park(n):
                self._part(n)
                self.ears[n] = ("parked",)
            case do.Tone(n, item):
                self.tones.append(item)
                if self.ears[n][0] != "room":
                    self.faults.append(f"a tone for leg {n}, who is in no room")
            case do.SendKey(n, key):
                self.keys[n] = self.keys.get(n, "") + key
                self.pending.append(inputs.KeySent(n))

    def _part(self, *these: int) -> None:
        """Whoever else was joined with these hears nothing (MediaDesk._part)."""
        for n, ear in self.ears.items():
            if n not in these and ear[0] == "leg" and ear[1] in these:
                self.ears[n] = ("parked",)

    def _asked(self, effect: do.Ask) -> None:
        """Each agent once; a reservation of which the contact has not heard is told again."""
        free = [agent for agent in AGENTS if agent not in self.fences.values() and agent not in self.refused]
        unheard = [fence for fence in self.reserved if fence not in self.taken]
        if unheard:
            agent = self.fences[unheard[-1]]
            self.pending.append(inputs.Reserved(effect.request, agent, self.phone_of(agent), unheard[-1], "sales"))
        elif free:
            given = self._give(free[0])
            self.reserved.append(given[2])
            self.pending.append(inputs.Reserved(effect.request, *given, "sales"))
        else:
            self.pending.append(inputs.Waiting(effect.request, 1, 2))

    def _engaged(self, effect: do.Engage) -> None:
        agent = effect.agent or f"1{effect.phone[1:]}"
        held = any(one == agent and not self.released[fence] for fence, one in self.fences.items())
        fence = self.engaged.get(effect.leg, 0)
        if fence and held and self.fences[fence] == agent:  # the same leg gets the same agent
            self.pending.append(inputs.Engaged(effect.leg, agent, self.phone_of(agent), fence))
        elif agent not in AGENTS or held or (agent in self.refused and not (effect.own and agent in self.resting)):
            state = self.refused.get(agent, "talking") if agent in AGENTS else "signed_out"
            self.pending.append(inputs.EngageRefused(effect.leg, agent, state))
        else:
            given = self._give(agent)
            self.engaged[effect.leg] = given[2]
            self.pending.append(inputs.Engaged(effect.leg, *given))

    def _give(self, agent: str) -> tuple[str, str, int]:
        fence = 100 + len(self.fences)
        self.fences[fence] = agent
        return agent, self.phone_of(agent), fence

    def _told(self, id: str, code: int) -> None:
        told = self.referrers.setdefault(id, [])
        if told and told[-1] >= 200:
            self.faults.append(f"REFER {id} is told {code} after its final {told[-1]}")
        told.append(code)

    # -- who hears whom -----------------------------------------------------------------------------------------------

    def hears(self, n: int) -> set[str]:
        """By the media commands alone: numbers of legs, and what is played."""
        ear = self.ears.get(n, ("nothing",))
        match ear:
            case ("leg", other):
                return {str(other)} if self._is_heard(other) else set()
            case ("play", sort):
                return {str(sort)}
            case ("echo",):
                return {str(n)}
            case ("room", room, _, hear, _):
                return self._in_room(n, room, hear)
        return set()

    def _is_heard(self, n: int) -> bool:
        phone = self.phones.get(n)
        return phone == "up" or (phone == "ringing" and n in self.speaking)

    def _in_room(self, n: int, room: str, hear: bool) -> set[str]:
        found = set()
        for other, ear in self.ears.items():
            there = other != n and ear[:2] == ("room", room) and self._is_heard(other)
            if there and ((ear[2] and hear) or n in ear[4]):
                found.add(str(other))
        return found

    # -- what must never be -------------------------------------------------------------------------------------------

    def _read_again(self) -> Contact:
        """As another node reads it."""
        document = json.dumps(self.contact.to_json(), ensure_ascii=False)
        found = Contact.from_json(json.loads(document))
        if found != self.contact:
            self.faults.append("its snapshot is not itself")
        if len(document.encode()) > SNAPSHOT_BYTES:
            self.faults.append(f"a snapshot of {len(document.encode())} bytes")
        return found

    def _look(self, before: Contact) -> None:
        """After every step."""
        contact = self.contact
        held = bound(contact)
        self.taken |= {fence for _, _, fence, _ in held}
        for agent, count in Counter(agent for agent, *_ in held).items():
            if count > 1:
                self.faults.append(f"{agent} is held twice: {held}")
        for agent, _, fence, _ in held:
            if self.released[fence]:
                self.faults.append(f"{agent} is let go and still held")
        if contact.state == "over" and before.state != "over":
            self._look_at_end()

    def _look_at_calm(self) -> None:
        """When nobody owes anything: who is in the call has somebody or something."""
        if self.contact.state in ("ending", "over"):
            return
        waited_for = {call.refer for call in self.contact.calls.values()}
        for id, told in self.referrers.items():
            if self.phones[self.referred_by[id]] == "up" and id not in waited_for and (not told or told[-1] < 200):
                self.faults.append(f"REFER {id} never heard how it went: {told}")
        for n, leg in self.contact.legs.items():
            if self.phones.get(n) == "up" and leg.state == "answered":
                self._listen(leg)
            if self.phones.get(n) in ("up", *IN_THE_AIR) and leg.state in ("cancelling", "ended"):
                self.faults.append(f"leg {n} is {leg.state}, but its phone is {self.phones[n]}")
            offered = self.contact.offer is not None and self.contact.offer.leg == n
            if leg.asked and leg.alive and not (offered or n in self.contact.calls or self.contact.state == "placing"):
                self.faults.append(f"leg {n} is asked to take what it cannot get any more")
        recording = self.contact.recording
        if recording is not None and recording.state not in ("closing", "failed"):
            state, writes = recording.state, self.writes == recording.leg
            if state not in ("active", "paused", "stopped") or writes != (state == "active"):
                self.faults.append(f"the recording is {state}, and is {'' if writes else 'not '}written")

    def _listen(self, leg: Leg) -> None:
        """Who holds by his phone has chosen to hear nothing, so has an agent who has left a conference for a while, or
        who has sent the others on and waits to hear how it goes (also one who has called from inside)."""
        heard, wanted = self.hears(leg.n), self._should_hear(leg)
        left = bool(leg.agent) and leg.place == "" and self.contact.state == "talking" and not leg.asked
        if leg.held or left or self.contact.state == "conference":  # where the others are contacts of their own
            return
        who = f"leg {leg.n} ({leg.party} {leg.agent} {leg.place})"
        if wanted is None and not heard:
            self.faults.append(f"{who} hears nothing")
        elif wanted is not None and heard != wanted:
            self.faults.append(f"{who} hears {heard or 'nothing'}, not {wanted or 'nothing'}")

    def _should_hear(self, leg: Leg) -> set[str] | None:
        """By the places alone; None: nobody says, but something."""
        if self.contact.state != "talking" or not leg.codec:
            return None
        if leg.asked:
            return {"prompt"}
        listens = leg.place in ("listens", "whispers")
        here = self._at("talk" if listens else leg.place)
        others = [one for one in here if one.n != leg.n]
        heard = {str(one.n) for one in others if not one.muted and not one.held}
        if leg.place == "talk" and leg.party == "agent":
            heard |= {str(one.n) for one in self._at("whispers")}
        if leg.place == "waits":
            return {"music"}
        if leg.place == "":
            return None
        if others or listens:
            by_phone = len(others) == 1 and others[0].held and not listens
            in_room = any(one.muted for one in here) or self._at("listens", "whispers")
            return {"music"} if by_phone and not in_room else heard
        if leg.place == "aside":
            return {"ring"}
        return heard if self._at("waits") else None

    def _at(self, *places: str) -> list[Leg]:
        legs = self.contact.legs.values()
        return [one for one in legs if one.place in places and one.codec and not one.asked and self._is_heard(one.n)]

    def _look_at_end(self) -> None:
        """Once: everything is let go, told, and told right."""
        for n, phone in self.phones.items():
            if phone not in ("over", ""):
                self.faults.append(f"the contact is over, and phone {n} is {phone}")
        ends = Counter(event.data["leg"] for event in self.ledger if event.type == "leg_ended")
        for event in self.ledger:
            if event.type == "leg_started" and ends[event.data["leg"]] != 1:
                self.faults.append(f"leg {event.data['leg']} has ended {ends[event.data['leg']]} times")
        for fence in self.taken:
            if self.released[fence] != 1:
                self.faults.append(f"{self.fences[fence]} was let go {self.released[fence]} times (fence {fence})")
        seqs = [event.seq for event in self.ledger if event.subject == "c1"]
        if seqs != sorted(set(seqs)):
            self.faults.append(f"events out of order: {seqs}")
        folded = fold.contact(self.ledger)
        if folded is None or fold.cdr(folded) is None:
            self.faults.append("no call detail record")
        elif open := [segment for segment in folded.segments if segment.ended_at is None]:
            self.faults.append(f"segments that never end: {open}")
        for command in set(self.commands) - set(self.replies):
            self.faults.append(f"command {command} was never answered")


def _sort_of(item: str) -> str:
    """Of what is played: music | ring | prompt."""
    return {"music": "music", "tones": "ring"}.get(item.partition("/")[0], "prompt")
