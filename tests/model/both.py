"""The function library and the naive center, given the same requests and compared: pairs, states, places, refusals."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from redis import Redis

from lq.acd.agent import BOUND, STATES
from lq.ledger.events import Event
from lq.live import keys, library
from lq.live.memory import Memory
from lq.live.values import AgentHold, ChannelHold, Holds, Place, Recalled
from tests.integration.live.center import open_at_once
from tests.model.naive import Center, Contact, Refused

AGENTS = ("a1", "a2", "a3", "a4")
CONTACTS = ("c1", "c2", "c3", "c4", "c5", "c6")
PHONES = ("8001", "8002", "8003", "8004")
LANES = ("sales", "support", "agent:a1")
SERVED: tuple[dict[str, int | str], ...] = (
    *({"sales": 0}, {"sales": 0, "support": 0}, {"support": 3, "agent:a1": 0}, {"sales": 2, "agent:a1": 0}),
    *({"sales": "calls", "support": "random"}, {"sales": "talk", "support": "random"}),
    *({"sales": "place:1", "support": 0}, {"sales": "place:1", "agent:a1": 0}),
)
CODED = "support"  # whose calls must be given a code
WANTED = (("sales",), ("support",), ("sales", "support"), ("agent:a1",))
NODES = ("lq1-aa", "lq2-bb")
START = 1_764_000_000_000
LEASE_MS = 20_000
NODE_LEASE_MS = 2_000
TRUNKS = {"gw1": 2, "gw2": 3}
LEGS = (1, 2)
FORGOTTEN_LEG = 9
FAR_MS = 10**9


class Both:
    """The library and the naive center, asked alike."""

    def __init__(self, url: str) -> None:
        self.redis: Any = Redis.from_url(url, decode_responses=True)
        self.redis.flushall()
        open_at_once(url)
        self.bytes: Any = Redis.from_url(url)
        self.redis.function_load(library.render())
        self.center = Center(START)
        self.center.sizes = dict(TRUNKS)
        self.center.coded = {CODED}
        self.generation: dict[str, int] = {}  # a contact's id is never used twice
        self.memory = Memory()
        self.read = "0"  # of the event stream
        self.behind = 0  # by how much the clock stands before the time that it has shown already
        self.was_set_back = False
        self.kept: dict[str, bytes] | None = None  # Redis as it was, for a loss of what came later
        self.publish()

    def call(self, function: str, **request: Any) -> dict[str, Any]:
        text = self.redis.fcall(function, 1, keys.TAG, json.dumps({**request, "now": self.center.now - self.behind}))
        return dict(json.loads(text))

    def expect(self, answer: dict[str, Any], refused: bool) -> None:
        assert answer["ok"] is not refused, answer

    def id(self, name: str) -> str:
        return f"{name}.{self.generation.get(name, 0)}"

    def publish(self) -> None:
        documents = {id: json.dumps({"id": id, "channels": n}) for id, n in TRUNKS.items()}
        queues = {CODED: json.dumps({"id": CODED, "wrap_up_code": "required"})}
        codes = {"c": json.dumps({"id": "c", "name": "c"})}
        self.call("publish", version=1, kinds={"trunks": documents, "queues": queues, "wrap_up_codes": codes})

    def delete(self, agent: str, *, disabled: bool) -> None:
        """He is no agent (any more): nobody of that name is in the configuration, or he is disabled there."""
        version = int(self.redis.get(keys.CONFIG_VERSION)) + 1
        agents = {id: {"id": id, "enabled": id != agent} for id in AGENTS if disabled or id != agent}
        documents = {id: json.dumps(document) for id, document in agents.items()}
        answer = self.call("publish", version=version, kinds={"agents": documents})
        self.expect(answer, refused=False)
        self.center.disabled = {agent} if disabled else set()
        if agent in self.center.agents:
            self.center.agent(agent, "sign_out")

    # -- a Redis that forgets

    def keep(self) -> None:
        self.kept = {key: self.bytes.dump(key) for key in self.bytes.keys()}  # noqa: SIM118 - not a dict

    def lose(self) -> None:
        """What was written since `keep` (or ever) is lost; all is said again. Nobody is paired until `open_again`."""
        self.pass_ms(1_000 + self.behind)
        while self.center.fence == self.center.now:  # no process dies and is back within a millisecond
            self.pass_ms(1)
        while page := self.redis.xrange(keys.EVENTS, f"({self.read}" if self.read != "0" else "-"):
            for id, fields in page:
                self.memory.see(Event.from_fields(id, fields))
            self.read = page[-1][0]
        self.bytes.flushall()
        for key, value in (self.kept or {}).items():
            self.bytes.restore(key, 0, value)
        self.kept = None
        if self.redis.exists(keys.COUNTERS):
            self.redis.hset(keys.COUNTERS, "run", "another")
        told = max(self.center.now, self.center.floor)
        renewal = self.call("node", op="renew", role="x", id="x", lease_ms=1, seen=told)
        self.behind = renewal["now"] - self.center.now  # what is restored may have been told a later time
        self.center.now = renewal["now"]
        self.center.floor, self.center.fence, self.center.day = (
            int(self.redis.hget(keys.COUNTERS, name) or 0) for name in ("floor", "fence", "day")
        )
        self.center.closed_until = self.center.now + FAR_MS
        self.redis.hset(keys.COUNTERS, "closed_until", self.center.closed_until)
        self.redis.hdel(keys.COUNTERS, "up_since")  # adoption waits, elsewhere
        self.publish()
        self.say_again(renewal["era"])
        self.take_over()

    def say_again(self, era: int) -> None:
        for ext, until in list(self.center.phones.items()):
            self.phone(ext, until > self.center.now, until - self.center.now)
        for node in NODES:
            self.call("node", op="remembered", id=node, era=era, agents=[asdict(word) for word in self.words()])
        for contact in self.center.contacts.values():
            answer = self.call(
                "commit", contact=contact.id, node=contact.owner, epoch=contact.epoch, snapshot="{}",
                holds=asdict(self.holds(contact)),
            )  # fmt: skip
            assert all(result["ok"] for result in answer["holds"] or ()), answer
        for node in NODES:
            self.call("node", op="asserted", id=node, era=era, took=[])
        # of who is recalled his idle time is known, and not who was before whom
        for model in self.center.agents.values():
            if model.state == "ready" and self.redis.hget(keys.agent(model.id), "state") != "ready":
                model.line = model.since
        self.redis.hset(keys.COUNTERS, "closed_until", self.center.now)
        self.call("tick")  # what is recalled is so when it opens; then it is closed again, for requests meanwhile
        far = self.center.closed_until
        self.take_figures_over()
        self.center.open_again()
        self.center.closed_until = far
        self.redis.hset(keys.COUNTERS, "closed_until", far)

    def words(self) -> list[Recalled]:
        words = []
        for model in self.center.agents.values():
            said = self.memory.agent(model.id)
            if said is not None:
                data = said.data
                words.append(
                    Recalled(
                        model.id,
                        model.id,
                        data["state"],
                        data["since"],
                        said.seq,
                        data.get("phone", ""),
                        model.lanes,
                        data.get("reason"),
                        data.get("next"),
                        data.get("contact"),
                    )
                )
        return words

    def holds(self, contact: Contact) -> Holds:
        agents = []
        for id in sorted(contact.bound):
            model, said = self.center.agents[id], self.memory.agent(id)
            assert said is not None and said.data["state"] == model.state
            self.center.agents[id].next_reason = ""
            agents.append(
                AgentHold(
                    id,
                    model.phone,
                    model.fence,
                    model.state,
                    model.lane,
                    LEASE_MS if ("reservation", id) in self.center.deadlines else 0,
                    id,
                    model.lanes,  # type: ignore[arg-type]
                    model.since,
                    said.seq,
                    model.next,
                    engaged=model.leg > 0,
                )
            )
        channels = [ChannelHold(leg, trunk, n, "in") for leg, (trunk, n) in contact.channels.items()]
        place = Place(contact.waiting, self.center.now, contact.lease_ms) if contact.waiting else None
        return Holds(agents, channels, list(contact.channels), place)

    def take_figures_over(self) -> None:
        """Of the day: they may be forgotten."""
        for model in self.center.agents.values():
            h = self.redis.hgetall(keys.agent(model.id))
            model.day, model.calls, model.talked = (int(h.get(name) or 0) for name in ("day", "calls", "talked"))

    def take_over(self) -> None:
        """What may differ after a loss, and how: from then on both go on alike."""
        self.take_figures_over()
        documents = self.redis.hgetall(keys.config("agents"))
        self.center.disabled = {id for id, text in documents.items() if json.loads(text).get("enabled") is False}
        counters = self.redis.hgetall(keys.COUNTERS)
        self.center.line, self.center.fence = (int(counters.get(name) or 0) for name in ("line", "fence"))
        deadlines = dict(self.redis.zrange(keys.DEADLINES, 0, -1, withscores=True))
        for model in self.center.agents.values():
            h = self.redis.hgetall(keys.agent(model.id))
            model.next_reason = h.get("next_reason", "")
            model.no_answer = int(h.get("no_answer") or 0)  # forgotten, or not
            model.left, model.wrapped = int(h.get("left") or 0), h.get("wrapped", "")  # likewise
            model.code, model.queue, model.owed = (h.get(name, "") for name in ("code", "queue", "owed"))
            if model.leg and not h.get("leg"):
                model.leg = FORGOTTEN_LEG  # its owner has heard of him, and asks for him no second time
            if model.state not in ("reserved", "ringing", "dialing"):
                self.center.deadlines.pop(("reservation", model.id), None)
            elif ("reservation", model.id) in self.center.deadlines:
                self.center.deadlines["reservation", model.id] = self.center.now + LEASE_MS
            if model.state != "signed_out":
                assert int(h.get("line") or 0) <= max(
                    self.center.now, self.center.line, self.center.floor
                )  # two in one ms: the next number
                if int(h["since"]) != model.since:  # as the ledger has it, by the clock of before
                    assert self.was_set_back and int(h["since"]) > model.since
                    model.since = int(h["since"])
                model.line = int(h.get("line") or 0)  # his idle time is known, a place that he kept is not
            if model.state == "wrap_up" and f"wrap_up:{model.id}" in deadlines:
                self.center.deadlines.setdefault(("wrap_up", model.id), 0)  # what he owed may be forgotten
            for kind, most in (("wrap_up", 20_000), ("back", 10_000)):
                if (kind, model.id) in self.center.deadlines and f"{kind}:{model.id}" not in deadlines:
                    assert self.center.phones.get(model.phone, 0) <= self.center.now, "he comes back with his phone"
                    del self.center.deadlines[kind, model.id]
                elif (kind, model.id) in self.center.deadlines:
                    at = int(deadlines[f"{kind}:{model.id}"])
                    assert at <= self.center.now + most
                    self.center.deadlines[kind, model.id] = at

    def open_again(self) -> None:
        if self.center.closed_until:
            self.redis.hset(keys.COUNTERS, "closed_until", self.center.now)
            self.call("tick")
            self.center.open_again()

    # -- requests

    def channel(self, name: str, op: str, leg: int, trunk: str, direction: str) -> None:
        id = self.id(name)
        contact = self.center.contacts.get(id)
        if contact is None:
            return
        asked = {"trunk": trunk, "op": op, "leg": leg, "direction": direction}
        answer = self.call(
            "commit", contact=id, node=contact.owner, epoch=contact.epoch, snapshot="{}", channels=[asked]
        )
        expected = None
        if op == "seize":
            expected = self.center.seize(contact, leg, trunk, direction)
        else:
            contact.channels.pop(leg, None)
        assert answer["channels"][0].get("number") == expected

    def pass_ms(self, ms: int) -> None:
        self.center.at(max(self.center.now, self.center.now - self.behind + ms))
        self.behind = max(0, self.behind - ms)
        while self.call("tick")["due"] == 32:
            pass

    def set_back(self, ms: int) -> None:
        """The clock: time waits for it up to a lease, and follows it if it is more."""
        self.was_set_back = True
        self.behind += ms
        if self.behind > NODE_LEASE_MS:
            self.center.set_back(self.behind)
            self.behind = 0
        self.call("tick")

    def phone(self, ext: str, registered: bool, expires_ms: int) -> None:
        self.center.phone(ext, registered, expires_ms)
        self.call("phone", phone=ext, registered=registered, expires_ms=expires_ms)

    def begin_day(self, ago_ms: int) -> None:
        start = self.center.now - ago_ms
        self.center.begin_day(start)
        self.call("node", op="renew", role="x", id="x", lease_ms=1, seen=0, day=start)

    def sign_in(self, agent: str, phone: str, lanes: dict[str, int | str]) -> None:
        refused = self.refuses(lambda: self.center.sign_in(agent, phone, dict(lanes)))
        self.expect(self.call("agent", agent=agent, op="sign_in", phone=phone, lanes=lanes), refused)

    def agent(self, agent: str, op: str, reason: str, code: str = "") -> None:
        refused = self.refuses(lambda: self.center.agent(agent, op, reason, code))
        done = op == "wrap_up_done"
        asked = "wrap_up" if done else op
        self.expect(self.call("agent", agent=agent, op=asked, done=done, reason=reason, code=code), refused)

    def ask(self, name: str, lanes: tuple[str, ...], score: int) -> None:
        id = self.id(name)
        wanted = {lane: score for lane in lanes}
        answer = self.call("ask", contact=id, request="r", lanes=wanted, lease_ms=LEASE_MS)
        if id not in self.center.contacts:
            assert answer["error"] == "gone"
            return
        expected = self.center.ask(id, wanted, LEASE_MS)
        got = answer["reserved"]["agent"] if "reserved" in answer else answer["waiting"]["position"]
        assert got == expected

    def commit(
        self,
        name: str,
        node: str,
        epoch: int,
        steps: list[tuple[str, str, str, int | None, bool]],
        over: bool,
        dequeue: bool,
    ) -> None:
        id = self.id(name)
        ops = []
        for agent, op, outcome, ttl_ms, right in steps:
            known = self.center.agents.get(agent)
            fence = (known.fence if known else 0) + (0 if right else 1)
            ops.append(
                {"agent": agent, "op": op, "outcome": outcome, "ttl_ms": ttl_ms, "fence": fence, "wrap_up_ms": 7_000}
            )
        snapshot = None if over else "{}"
        answer = self.call(
            "commit", contact=id, node=node, epoch=epoch, snapshot=snapshot, events=[], agents=ops, dequeue=dequeue
        )
        try:
            contact = self.center.commit(id, node, epoch, over, dequeue)
        except Refused:
            assert answer["error"] == "superseded"
            return
        expected = []
        for op in ops:
            ok = self.center.step(contact, op["agent"], op["fence"], op["op"], op["outcome"], op["ttl_ms"])
            expected.append((op["agent"], ok, self.center.agents[op["agent"]].state))
        self.center.settle(contact, over, dequeue)
        assert [(r["agent"], r["ok"], r["state"]) for r in answer["agents"] or ()] == expected
        if over:
            self.generation[name] = self.generation.get(name, 0) + 1

    def engage(self, name: str, leg: int, agent: str, phone: str, own: bool) -> None:
        id = self.id(name)
        contact = self.center.contacts.get(id)
        if contact is None:
            return
        lease_ms = 0 if own else LEASE_MS
        asked = {"leg": leg, "agent": agent, "phone": phone, "own": own, "lease_ms": lease_ms}
        request = {"contact": id, "node": contact.owner, "epoch": contact.epoch, "snapshot": "{}", "engages": [asked]}
        answer = self.call("commit", **request)["engaged"][0]
        state, fence = self.center.engage(contact, leg, agent, phone, own, lease_ms)
        assert (answer["state"], answer.get("reservation", 0), answer["ok"]) == (state, fence, fence > 0)
        if fence:
            assert self.call("commit", **request)["engaged"] == [answer], "the same commit once more"

    def adopt(self, node: str, dead: str) -> None:
        answer = self.call("adopt", node=node, dead=dead)
        if node == dead:
            assert answer["error"] == "alive"
            return
        mine = {c.id for c in self.center.contacts.values() if c.owner == dead}
        assert {id for id, _, _ in answer["contacts"] or ()} == mine
        for id in mine:
            self.center.contacts[id].owner = node
            self.center.contacts[id].epoch += 1

    def refuses(self, change: Any) -> bool:
        try:
            change()
        except Refused:
            return True
        return False

    # -- comparison

    def compare(self) -> None:
        pipe = self.redis.pipeline(transaction=False)
        for id in AGENTS:
            pipe.hgetall(keys.agent(id))
        for lane in LANES:
            pipe.zrange(keys.lane_agents(lane), 0, -1)
            pipe.zrange(keys.lane_contacts(lane), 0, -1)
        pipe.smembers(keys.CONTACTS)
        pipe.smembers(keys.AGENTS)
        pipe.zrange(keys.DEADLINES, 0, -1, withscores=True)
        *found, contacts, signed_in, deadlines = pipe.execute()
        for id, h in zip(AGENTS, found, strict=False):
            self.compare_agent(id, h)
        for n, lane in enumerate(LANES):
            agents, waiting = found[len(AGENTS) + 2 * n : len(AGENTS) + 2 * n + 2]
            assert agents == self.center.line_of_agents(lane), lane
            assert waiting == self.center.line_of_contacts(lane), lane
            assert self.center.closed_until or not (agents and waiting), f"a fit pair is left in {lane}"
        assert contacts == set(self.center.contacts)
        fences = {a.id: str(a.fence) for a in self.center.agents.values()}
        live = {tuple(n.split(":")[:2]): at for n, at in deadlines if not is_stale(n, fences)}
        assert live == self.center.deadlines
        for trunk in TRUNKS:
            taken = {leg: int(n) for leg, n in self.redis.zrange(keys.channels(trunk), 0, -1, withscores=True)}
            assert taken == {
                f"{c.id}.{leg}": n
                for c in self.center.contacts.values()
                for leg, (t, n) in c.channels.items()
                if t == trunk
            }
        assert signed_in == {a.id for a in self.center.agents.values() if a.state != "signed_out"}
        ringing = ("reserved", "ringing", "dialing")
        reserved = [a.contact for a in self.center.agents.values() if a.state in ringing and not a.leg]
        assert len(reserved) == len(set(reserved)), "a contact with two reservations"

    def compare_agent(self, id: str, h: dict[str, str]) -> None:
        model = self.center.agents.get(id)
        if model is None:
            assert h.get("state", "") in ("", "signed_out")
            return
        assert model.state in STATES
        names = ("state", "reason", "next", "phone", "contact")
        assert [h.get(n, "") or ("signed_out" if n == "state" else "") for n in names] == [
            getattr(model, n) for n in names
        ], id
        assert int(h.get("fence") or 0) == model.fence
        assert [int(h.get(n) or 0) for n in ("day", "calls", "talked")] == [model.day, model.calls, model.talked], id
        assert h.get("code", "") == model.code, id
        assert (model.fence > 0) is (model.state in BOUND)
        if model.state != "signed_out":
            assert int(h["since"]) == model.since
            assert int(h.get("line") or 0) == model.line
            assert int(h.get("no_answer") or 0) == model.no_answer


def is_stale(deadline: str, fences: dict[str, str]) -> bool:
    """Of a reservation that is no more: it does nothing when it is due."""
    kind, id, *fence = deadline.split(":")
    return kind == "reservation" and fences.get(id) != fence[0]
