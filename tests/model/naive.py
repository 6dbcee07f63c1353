"""The ACD as one would explain it: plain lists, scanned and sorted at every step. The oracle of lq/live/lcall.lua.

It shares the agents' table and nothing else with the library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from lq.acd.agent import OUTCOMES, TABLE

KEY_STEP = 10**12
IDLE_EPOCH = 1_577_836_800_000
MAX_KEY = 8_999


@dataclass
class Agent:
    id: str
    state: str = "signed_out"
    since: int = 0
    reason: str = ""
    next: str = ""
    next_reason: str = ""
    phone: str = ""
    lanes: dict[str, int | str] = field(default_factory=dict)
    line: int = 0  # 0: none
    contact: str = ""
    fence: int = 0  # 0: none
    lane: str = ""
    no_answer: int = 0
    leg: int = 0  # of the contact, for which he was taken without being asked for; 0: none
    left: int = 0  # of a wrap-up in which he dialled
    wrapped: str = ""  # whose that was
    code: str = ""  # of his call
    queue: str = ""  # of the call that he tidies up after
    owed: str = ""  # of the call before, which still has no code
    day: int = 0  # of which these are
    calls: int = 0  # answered, of those that he was given
    talked: int = 0  # ms


@dataclass
class Contact:
    id: str
    owner: str
    epoch: int
    waiting: dict[str, int] = field(default_factory=dict)
    offered: str = ""  # agent of the live reservation
    bound: set[str] = field(default_factory=set)
    lease_ms: int = 0
    channels: dict[int, tuple[str, int]] = field(default_factory=dict)  # leg -> trunk, number


class Refused(Exception):
    pass


class Center:
    def __init__(self, now: int, max_no_answer: int = 3) -> None:
        self.now = now
        self.max_no_answer = max_no_answer
        self.agents: dict[str, Agent] = {}
        self.contacts: dict[str, Contact] = {}
        self.over: dict[str, tuple[str, int]] = {}
        self.phones: dict[str, int] = {}  # registered until
        self.deadlines: dict[tuple[str, ...], int] = {}
        self.line = self.fence = 0
        self.floor = 0  # of both: the clock may be set back, numbers rise for ever
        self.sizes: dict[str, int] = {}  # of trunks, in channels
        self.closed_until = 0  # 0: open. While closed nobody is paired
        self.phones_said: set[str] = set()
        self.disabled: set[str] = set()  # agents
        self.coded: set[str] = set()  # queues whose calls must be given a code
        self.day = 0  # when it began

    # -- scan and sort

    def waiting(self) -> list[Contact]:
        return [contact for contact in self.contacts.values() if contact.waiting]

    def ready(self) -> list[Agent]:
        return [agent for agent in self.agents.values() if agent.state == "ready"]

    def figures(self, agent: Agent) -> tuple[int, int]:
        return (agent.calls, agent.talked) if agent.day == self.day else (0, 0)

    def score(self, agent: Agent, lane: str) -> int:
        key = agent.lanes[lane]
        calls, talked = self.figures(agent)
        if isinstance(key, str) and key.startswith("place:"):
            return int(key[6:]) * KEY_STEP
        if isinstance(key, str):
            key = min(MAX_KEY, {"calls": calls, "talk": talked // 10_000, "random": 0}[key])
        return key * KEY_STEP + agent.line - IDLE_EPOCH

    def best_contact(self, agent: Agent) -> tuple[Contact, str] | None:
        if self.closed_until:
            return None
        fits = [(c.waiting[lane], c.id, lane) for c in self.waiting() for lane in c.waiting if lane in agent.lanes]
        if not fits:
            return None
        _, id, lane = sorted(fits)[0]
        return self.contacts[id], lane

    def best_agent(self, lanes: dict[str, int]) -> tuple[Agent, str] | None:
        if self.closed_until:
            return None
        fits = [(self.score(first, lane), first.id, lane) for lane in lanes for first in self.first(lane)]
        if not fits:
            return None
        _, id, lane = sorted(fits)[0]
        return self.agents[id], lane

    def first(self, lane: str) -> Iterable[Agent]:
        """Who is next in a line, or nobody."""
        line = [self.agents[id] for id in self.line_of_agents(lane)]
        if line and line[0].lanes[lane] == "random":
            seed = hashlib.sha1(f"{self.now}:{self.fence or ''}".encode()).hexdigest()
            return [line[int(seed[:8], 16) % len(line)]]
        return line[:1]

    def line_of_agents(self, lane: str) -> list[str]:
        return [id for _, id in sorted((self.score(a, lane), a.id) for a in self.ready() if lane in a.lanes)]

    def line_of_contacts(self, lane: str) -> list[str]:
        return [id for _, id in sorted((c.waiting[lane], c.id) for c in self.waiting() if lane in c.waiting)]

    # -- changes

    def pair(self, agent: Agent, contact: Contact, lane: str) -> None:
        self.fence = max(self.fence + 1, self.now, self.floor)
        contact.waiting = {}
        contact.offered = agent.id
        contact.bound.add(agent.id)
        self.enter(agent, "reserved")
        agent.contact, agent.fence, agent.lane, agent.leg, agent.code = contact.id, self.fence, lane, 0, ""
        self.deadlines["reservation", agent.id] = self.now + contact.lease_ms

    def enter(self, agent: Agent, state: str, reason: str = "") -> None:
        for kind in ("wrap_up", "back"):
            self.deadlines.pop((kind, agent.id), None)
        calls, talked = self.figures(agent)
        answers = state == "talking" and agent.state in ("reserved", "ringing")
        if agent.state == "talking":
            talked += max(0, self.now - max(agent.since, self.day))
        if answers or agent.state == "talking":
            agent.day, agent.calls, agent.talked = self.day, calls + answers, talked
        agent.state, agent.since, agent.reason = state, self.now, reason

    def owes_code(self, agent: Agent) -> bool:
        return agent.state == "wrap_up" and not agent.code and agent.queue in self.coded

    def tidied(self, agent: Agent) -> None:
        agent.contact = agent.code = agent.queue = ""
        self.door(agent)

    def door(self, agent: Agent, keeps_place: bool = False) -> None:
        if agent.next == "signed_out":
            self.sign_out(agent)
        elif agent.next == "paused":
            reason = agent.next_reason
            agent.next = agent.next_reason = ""
            agent.line = 0
            self.enter(agent, "paused", reason)
        elif self.phones.get(agent.phone, 0) <= self.now:
            agent.line = 0
            self.enter(agent, "phone_offline")
        else:
            if not keeps_place or not agent.line:
                self.line = max(self.line + 1, self.now, self.floor)
                agent.line = self.line
            self.enter(agent, "ready")
            found = self.best_contact(agent)
            if found:
                self.pair(agent, *found)

    def sign_out(self, agent: Agent) -> None:
        self.enter(agent, "signed_out")
        of_today = {name: getattr(agent, name) for name in ("day", "calls", "talked")}
        self.agents[agent.id] = Agent(agent.id, since=self.now, **of_today)

    def release(self, agent: Agent, outcome: str, wrap_up_ms: int = 0) -> None:
        contact = self.contacts[agent.contact]
        contact.bound.discard(agent.id)
        if contact.offered == agent.id:
            contact.offered = ""
        self.deadlines.pop(("reservation", agent.id), None)
        agent.fence = 0
        rule = OUTCOMES[outcome]
        tidies = outcome == "answered" and wrap_up_ms > 0
        if tidies and not agent.owed:
            agent.queue = "" if agent.lane.startswith("agent:") else agent.lane
        else:
            agent.contact, agent.queue = agent.wrapped, agent.owed
        wrap_up_ms = max(wrap_up_ms if tidies else 0, agent.left)
        agent.left, agent.wrapped, agent.owed = 0, "", ""
        agent.no_answer = 0 if outcome == "answered" else agent.no_answer + rule.counts_no_answer
        if wrap_up_ms:
            self.enter(agent, "wrap_up")
            self.deadlines["wrap_up", agent.id] = self.now + wrap_up_ms
            return
        if rule.state in ("busy_other", "phone_offline") and not agent.next:
            agent.line = 0
            self.enter(agent, rule.state)
            if rule.state == "busy_other" or self.phones.get(agent.phone, 0) > self.now:
                self.deadlines["back", agent.id] = self.now + rule.back_ms
        elif rule.counts_no_answer and not agent.next and agent.no_answer >= self.max_no_answer:
            agent.line = agent.no_answer = 0
            self.enter(agent, "paused", "no_answer")
        else:
            self.door(agent, rule.keeps_place)

    # -- what can be asked

    def at(self, now: int) -> None:
        """Time passes; what is due happens, in order."""
        self.now = now
        if self.closed_until:
            return  # whoever should have renewed or ended something could not
        while due := sorted((at, ":".join(name), name) for name, at in self.deadlines.items() if at <= now):
            _, _, (kind, id) = due[0]
            del self.deadlines[kind, id]
            if kind == "phone":
                self.phone_gone(id)
                continue
            agent = self.agents[id]
            if kind == "reservation":
                self.release(agent, "expired")
            elif kind == "wrap_up":
                if agent.next == "signed_out" or not self.owes_code(agent):
                    self.tidied(agent)
            elif agent.state == "busy_other" or self.phones.get(agent.phone, 0) > now:
                self.door(agent)

    def set_back(self, ms: int) -> None:
        """The clock is: as much is left of everything as before."""
        self.floor = max(self.floor, self.now)
        self.now -= ms
        self.deadlines = {name: at - ms for name, at in self.deadlines.items()}
        self.phones = {ext: until - ms if until else 0 for ext, until in self.phones.items()}
        for agent in self.agents.values():
            agent.since -= ms
        if self.day > self.now:
            self.day = 0

    def begin_day(self, start: int) -> None:
        """As a node says: the first that does."""
        if self.day < start <= self.now:
            self.day = start

    def phone_gone(self, ext: str) -> None:
        self.phones[ext] = 0
        if self.closed_until:
            self.phones_said.add(ext)
        else:
            self.phone_down(ext)

    def phone_down(self, ext: str) -> None:
        for agent in self.agents.values():
            if agent.phone == ext and agent.state == "ready":
                agent.line = 0
                self.enter(agent, "phone_offline")

    def phone(self, ext: str, registered: bool, expires_ms: int) -> None:
        self.deadlines.pop(("phone", ext), None)
        if not registered:
            self.phone_gone(ext)
            return
        self.phones[ext] = self.now + expires_ms
        self.deadlines["phone", ext] = self.now + expires_ms
        if self.closed_until:
            self.phones_said.add(ext)
        else:
            self.phone_back(ext)

    def phone_back(self, ext: str) -> None:
        for agent in list(self.agents.values()):
            if agent.phone == ext and agent.state == "phone_offline":
                self.door(agent)

    def sign_in(self, id: str, phone: str, lanes: dict[str, int | str]) -> None:
        agent = self.agents.setdefault(id, Agent(id))
        if id in self.disabled:
            raise Refused
        if agent.state != "signed_out":
            if agent.phone != phone:
                raise Refused
            agent.lanes = lanes
            if agent.state == "ready" and (found := self.best_contact(agent)):
                self.pair(agent, *found)
            return
        if any(other.phone == phone for other in self.agents.values()):
            raise Refused
        agent.phone, agent.lanes = phone, lanes
        self.door(agent)

    def agent(self, id: str, op: str, reason: str = "", code: str = "") -> None:
        agent = self.agents.setdefault(id, Agent(id))
        to = TABLE[agent.state].get(op)
        if to is None or (id in self.disabled and op in ("ready", "pause")):
            raise Refused
        if op in ("wrap_up", "wrap_up_done"):
            agent.code = code or agent.code
        if to.startswith("then:"):
            agent.next = to[5:]
            agent.next_reason = reason if agent.next == "paused" else ""
        elif to == "stay" and agent.state == "wrap_up" and agent.code and ("wrap_up", id) not in self.deadlines:
            self.tidied(agent)  # it was all that he was waited for
        elif to == "stay" or (to == agent.state and reason == agent.reason):
            return
        elif to != "signed_out" and self.owes_code(agent):
            raise Refused
        else:
            if agent.state == "wrap_up":
                agent.contact = agent.code = agent.queue = ""
            if op != "wrap_up_done":
                agent.next = agent.next_reason = ""
            agent.no_answer = 0
            if to == "signed_out":
                self.sign_out(agent)
            elif to == "paused":
                agent.line = 0
                self.enter(agent, "paused", reason)
            else:
                self.door(agent)

    def ask(self, id: str, lanes: dict[str, int], lease_ms: int) -> str | int:
        """The agent, or the place in line."""
        contact = self.contacts[id]
        if contact.offered:
            agent = self.agents[contact.offered]
            if agent.state == "reserved":
                self.deadlines["reservation", agent.id] = self.now + lease_ms
            return agent.id
        contact.lease_ms = lease_ms
        contact.waiting = {}
        found = self.best_agent(lanes)
        if found:
            self.pair(found[0], contact, found[1])
            return found[0].id
        contact.waiting = dict(lanes)
        return min(self.line_of_contacts(lane).index(id) + 1 for lane in lanes)

    def engage(self, contact: Contact, leg: int, id: str, phone: str, own: bool, lease_ms: int) -> tuple[str, int]:
        """The state that he is in now, and his fence; 0: he is not to be had."""
        id = id or next((a.id for a in self.agents.values() if a.phone == phone), "")  # "": nobody, signed out
        agent = self.agents.get(id, Agent(id))
        if agent.fence and (agent.contact, agent.leg) == (contact.id, leg):
            return agent.state, agent.fence
        if self.closed_until:
            return "settling", 0
        free = ("ready", "paused", "wrap_up", "busy_other", "phone_offline") if own else ("ready",)
        if agent.state not in free:
            return agent.state, 0
        if agent.state == "paused":
            agent.next, agent.next_reason = "paused", agent.reason
        if agent.state == "wrap_up":
            agent.left = max(1, self.deadlines.get(("wrap_up", id), self.now) - self.now)
            agent.wrapped = agent.contact
            agent.owed = agent.queue if self.owes_code(agent) else ""
        self.fence = max(self.fence + 1, self.now, self.floor)
        contact.bound.add(id)
        self.enter(agent, "dialing" if own else "reserved")
        agent.contact, agent.fence, agent.lane, agent.leg = contact.id, self.fence, f"agent:{id}", leg
        agent.code = ""
        if lease_ms:
            self.deadlines["reservation", id] = self.now + lease_ms
        return agent.state, agent.fence

    def commit(self, id: str, owner: str, epoch: int, over: bool, dequeue: bool) -> Contact:
        """Check the writer, and let the caller do the rest before `settle`."""
        held = self.contacts.get(id)
        if held is None and id in self.over:
            raise Refused
        if held and (held.owner, held.epoch) != (owner, epoch):
            if epoch <= held.epoch:
                raise Refused
            held.owner, held.epoch = owner, epoch  # an adoption that was forgotten since
        return self.contacts.setdefault(id, Contact(id, owner, epoch))

    def step(self, contact: Contact, id: str, fence: int, op: str, outcome: str, ttl_ms: int | None) -> bool:
        """One agent of a commit; False: not this contact's, or not in that state."""
        agent = self.agents.setdefault(id, Agent(id))
        to = TABLE[agent.state].get(op)
        if agent.contact != contact.id or agent.fence != fence or not agent.fence or to is None:
            return False
        if op == "release":
            self.release(agent, outcome, wrap_up_ms=7_000)
            return True
        if to != "stay":
            self.enter(agent, to)
        if ttl_ms is not None:
            self.deadlines["reservation", id] = self.now + ttl_ms
        elif agent.state == "talking":
            self.deadlines.pop(("reservation", id), None)
        if op == "talking" and contact.offered == id:
            contact.offered = ""
        return True

    def seize(self, contact: Contact, leg: int, trunk: str, direction: str) -> int | None:
        """The number; None: full."""
        held = contact.channels.get(leg)
        if held and held[0] == trunk:
            return held[1]
        contact.channels.pop(leg, None)
        taken = {n for c in self.contacts.values() for t, n in c.channels.values() if t == trunk}
        number = min(set(range(1, len(taken) + 2)) - taken)
        if number > self.sizes[trunk] and direction == "out":
            return None
        contact.channels[leg] = trunk, number
        return number

    def open_again(self) -> None:
        """All phones are heard of first, then whoever is first in any line gets his best agent, until nobody fits."""
        self.hear_of_phones()
        self.closed_until = 0
        self.match_again()
        self.at(self.now)

    def hear_of_phones(self) -> None:
        for ext in sorted(self.phones_said):
            if self.phones.get(ext, 0) > self.now:
                self.phone_back(ext)
            else:
                self.phone_down(ext)
        self.phones_said = set()

    def match_again(self) -> None:
        while True:
            fits = [
                (c.waiting[lane], c.id)
                for c in self.waiting()
                for lane in c.waiting
                if any(lane in a.lanes for a in self.ready())
            ]
            if not fits:
                return
            contact = self.contacts[sorted(fits)[0][1]]
            found = self.best_agent(contact.waiting)
            assert found
            self.pair(found[0], contact, found[1])

    def settle(self, contact: Contact, over: bool, dequeue: bool) -> None:
        if dequeue or over:
            contact.waiting = {}
        if dequeue and contact.offered and self.agents[contact.offered].state == "reserved":
            self.release(self.agents[contact.offered], "caller_gone")
        if over:
            contact.channels = {}
            for id in sorted(contact.bound):
                self.release(self.agents[id], "caller_gone")
            self.over[contact.id] = (contact.owner, contact.epoch)
            del self.contacts[contact.id]
