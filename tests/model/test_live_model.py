"""The function library against the naive center: the same requests, the same pairs, states, places and refusals."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis import Redis

from lq.acd.agent import BOUND, OUTCOMES, STATES
from lq.ledger.events import Event
from lq.live import keys, library
from lq.live.memory import Memory
from lq.live.values import AgentHold, ChannelHold, Holds, Place, Recalled
from tests.integration.live.center import open_at_once, start_redis, stop
from tests.model.naive import Center, Contact, Refused

AGENTS = ("a1", "a2", "a3", "a4")
CONTACTS = ("c1", "c2", "c3", "c4", "c5", "c6")
PHONES = ("8001", "8002", "8003", "8004")
LANES = ("sales", "support", "agent:a1")
SERVED = ({"sales": 0}, {"sales": 0, "support": 0}, {"support": 3, "agent:a1": 0}, {"sales": 2, "agent:a1": 0})
WANTED = (("sales",), ("support",), ("sales", "support"), ("agent:a1",))
NODES = ("lq1-aa", "lq2-bb")
START = 1_764_000_000_000
LEASE_MS = 20_000
TRUNKS = {"gw1": 2, "gw2": 3}
LEGS = (1, 2)
FORGOTTEN_LEG = 9
FAR_MS = 10**9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, url = start_redis(tmp_path_factory.mktemp("model"))
    with Redis.from_url(url) as redis:
        redis.function_load(library.render())
    yield url
    stop(process)


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
        self.generation: dict[str, int] = {}  # a contact's id is never used twice
        self.memory = Memory()
        self.read = "0"  # of the event stream
        self.kept: dict[str, bytes] | None = None  # Redis as it was, for a loss of what came later
        self.publish()

    def call(self, function: str, **request: Any) -> dict[str, Any]:
        text = self.redis.fcall(function, 1, keys.TAG, json.dumps({**request, "now": self.center.now}))
        return dict(json.loads(text))

    def expect(self, answer: dict[str, Any], refused: bool) -> None:
        assert answer["ok"] is not refused, answer

    def id(self, name: str) -> str:
        return f"{name}.{self.generation.get(name, 0)}"

    def publish(self) -> None:
        documents = {id: json.dumps({"id": id, "channels": n}) for id, n in TRUNKS.items()}
        self.call("publish", version=1, kinds={"trunks": documents})

    # -- a Redis that forgets

    def keep(self) -> None:
        self.kept = {key: self.bytes.dump(key) for key in self.bytes.keys()}  # noqa: SIM118 - not a dict

    def lose(self) -> None:
        """What was written since `keep` (or ever) is lost; all is said again. Nobody is paired until `open_again`."""
        self.pass_ms(1_000)
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
        era = self.call("node", op="renew", role="x", id="x", lease_ms=1)["era"]
        self.center.closed_until = self.center.now + FAR_MS
        self.redis.hset(keys.COUNTERS, "closed_until", self.center.closed_until)
        self.redis.hdel(keys.COUNTERS, "up_since")  # adoption waits, elsewhere
        self.publish()
        self.say_again(era)
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
        self.redis.hset(keys.COUNTERS, "closed_until", self.center.now)
        self.call("tick")  # what is recalled is so when it opens; then it is closed again, for requests meanwhile
        far = self.center.closed_until
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

    def take_over(self) -> None:
        """What may differ after a loss, and how: from then on both go on alike."""
        counters = self.redis.hgetall(keys.COUNTERS)
        self.center.line, self.center.fence = (int(counters.get(name) or 0) for name in ("line", "fence"))
        deadlines = dict(self.redis.zrange(keys.DEADLINES, 0, -1, withscores=True))
        for model in self.center.agents.values():
            h = self.redis.hgetall(keys.agent(model.id))
            model.next_reason = h.get("next_reason", "")
            model.no_answer = int(h.get("no_answer") or 0)  # forgotten, or not
            model.left, model.wrapped = int(h.get("left") or 0), h.get("wrapped", "")  # likewise
            if model.leg and not h.get("leg"):
                model.leg = FORGOTTEN_LEG  # its owner has heard of him, and asks for him no second time
            if model.state not in ("reserved", "ringing", "dialing"):
                self.center.deadlines.pop(("reservation", model.id), None)
            elif ("reservation", model.id) in self.center.deadlines:
                self.center.deadlines["reservation", model.id] = self.center.now + LEASE_MS
            if model.state != "signed_out":
                assert int(h.get("line") or 0) <= max(
                    self.center.now, self.center.line
                )  # two in one ms: the next number
                model.line = int(h.get("line") or 0)  # his idle time is known, a place that he kept is not
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
        self.center.at(self.center.now + ms)
        while self.call("tick")["due"] == 32:
            pass

    def phone(self, ext: str, registered: bool, expires_ms: int) -> None:
        self.center.phone(ext, registered, expires_ms)
        self.call("phone", phone=ext, registered=registered, expires_ms=expires_ms)

    def sign_in(self, agent: str, phone: str, lanes: dict[str, int]) -> None:
        refused = self.refuses(lambda: self.center.sign_in(agent, phone, dict(lanes)))
        self.expect(self.call("agent", agent=agent, op="sign_in", phone=phone, lanes=lanes), refused)

    def agent(self, agent: str, op: str, reason: str) -> None:
        refused = self.refuses(lambda: self.center.agent(agent, op, reason))
        done = op == "wrap_up_done"
        asked = "wrap_up" if done else op
        self.expect(self.call("agent", agent=agent, op=asked, done=done, reason=reason), refused)

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
        assert (model.fence > 0) is (model.state in BOUND)
        if model.state != "signed_out":
            assert int(h["since"]) == model.since
            assert int(h.get("line") or 0) == model.line
            assert int(h.get("no_answer") or 0) == model.no_answer


def is_stale(deadline: str, fences: dict[str, str]) -> bool:
    """Of a reservation that is no more: it does nothing when it is due."""
    kind, id, *fence = deadline.split(":")
    return kind == "reservation" and fences.get(id) != fence[0]


def machine(url: str) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            self.both = Both(url)
            for ext in PHONES:
                self.both.phone(ext, True, 3_600_000)

        @rule(ms=st.sampled_from((0, 1, 900, 5_000, 12_000, 25_000)))
        def pass_ms(self, ms: int) -> None:
            self.both.pass_ms(ms)

        @rule(ext=st.sampled_from(PHONES), registered=st.booleans(), expires_ms=st.sampled_from((10_000, 3_600_000)))
        def phone(self, ext: str, registered: bool, expires_ms: int) -> None:
            self.both.phone(ext, registered, expires_ms)

        @rule(agent=st.sampled_from(AGENTS), phone=st.sampled_from(PHONES), lanes=st.sampled_from(SERVED))
        def sign_in(self, agent: str, phone: str, lanes: dict[str, int]) -> None:
            self.both.sign_in(agent, phone, lanes)

        @rule(
            agent=st.sampled_from(AGENTS),
            op=st.sampled_from(("ready", "pause", "wrap_up", "wrap_up_done", "sign_out")),
            reason=st.sampled_from(("", "meal")),
        )
        def agent(self, agent: str, op: str, reason: str) -> None:
            self.both.agent(agent, op, reason)

        @rule(name=st.sampled_from(CONTACTS), lanes=st.sampled_from(WANTED), score=st.integers(START - 9, START + 9))
        def ask(self, name: str, lanes: tuple[str, ...], score: int) -> None:
            self.both.ask(name, lanes, score)

        @rule(
            name=st.sampled_from(CONTACTS),
            node=st.sampled_from(NODES),
            epoch=st.integers(1, 2),
            steps=st.lists(
                st.tuples(
                    st.sampled_from(AGENTS),
                    st.sampled_from(("ringing", "dialing", "talking", "release")),
                    st.sampled_from(sorted(OUTCOMES)),
                    st.sampled_from((None, None, 8_000)),
                    st.sampled_from((True, True, True, False)),
                ),
                max_size=2,
            ),
            over=st.sampled_from((False, False, True)),
            dequeue=st.booleans(),
        )
        def commit(self, **request: Any) -> None:
            self.both.commit(**request)

        @rule(
            data=st.data(),
            outcome=st.sampled_from(sorted(OUTCOMES)),
            op=st.sampled_from(("ringing", "talking", "release")),
        )
        def go_on(self, data: st.DataObject, outcome: str, op: str) -> None:
            """The owner does what owners do: a random commit seldom gets as far as a conversation."""
            bound = sorted(a.id for a in self.both.center.agents.values() if a.fence)
            if bound:
                advance(self.both, data.draw(st.sampled_from(bound)), op, outcome, data.draw(st.integers(0, 9)) > 0)

        @rule(
            name=st.sampled_from(CONTACTS),
            op=st.sampled_from(("seize", "seize", "release")),
            leg=st.sampled_from(LEGS),
            trunk=st.sampled_from(sorted(TRUNKS)),
            direction=st.sampled_from(("in", "out")),
        )
        def channel(self, **request: Any) -> None:
            self.both.channel(**request)

        @rule(
            name=st.sampled_from(CONTACTS),
            leg=st.sampled_from(LEGS),
            whom=st.sampled_from([(agent, "") for agent in AGENTS] + [("", phone) for phone in PHONES]),
            own=st.booleans(),
        )
        def engage(self, name: str, leg: int, whom: tuple[str, str], own: bool) -> None:
            self.both.engage(name, leg, *whom, own)

        @rule()
        def keep(self) -> None:
            self.both.keep()

        @rule()
        def lose(self) -> None:
            self.both.lose()

        @rule()
        def open_again(self) -> None:
            self.both.open_again()

        @rule(node=st.sampled_from(NODES), dead=st.sampled_from(NODES))
        def adopt(self, node: str, dead: str) -> None:
            self.both.adopt(node, dead)

        @invariant()
        def same(self) -> None:
            if hasattr(self, "both"):
                self.both.compare()

    return Machine


def advance(both: Both, agent: str, op: str, outcome: str, right: bool) -> None:
    contact = both.center.contacts[both.center.agents[agent].contact]
    name = contact.id.split(".")[0]
    both.commit(name, contact.owner, contact.epoch, [(agent, op, outcome, None, right)], False, False)


def test_library_and_naive_center_agree(server: str) -> None:
    run_state_machine_as_test(
        machine(server),
        settings=settings(
            max_examples=40,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def random_request(rng: random.Random, both: Both) -> None:
    bound = sorted(a.id for a in both.center.agents.values() if a.fence)
    match rng.choices(range(11), (10, 4, 12, 12, 25, 30 if bound else 0, 1, 5, 1, 1, 5))[0]:
        case 0:
            both.pass_ms(rng.choice((0, 1, 10, 900, 5_000, 12_000)))
        case 1:
            both.phone(rng.choice(PHONES), rng.random() < 0.8, rng.choice((10_000, 3_600_000)))
        case 2:
            both.sign_in(rng.choice(AGENTS), rng.choice(PHONES), rng.choice(SERVED))
        case 3:
            both.agent(rng.choice(AGENTS), rng.choice(("ready", "ready", "pause", "wrap_up_done", "sign_out")), "")
        case 4:
            name = rng.choice(CONTACTS)
            if both.id(name) not in both.center.contacts:
                both.commit(name, NODES[0], 1, [], False, False)
            both.ask(name, rng.choice(WANTED), both.center.now - rng.randrange(3) * 60_000)
        case 5:
            op = rng.choice(("ringing", "talking", "release"))
            advance(both, rng.choice(bound), op, rng.choice(sorted(OUTCOMES)), rng.random() > 0.05)
        case 7:
            op = rng.choice(("seize", "release"))
            trunk, direction = rng.choice(sorted(TRUNKS)), rng.choice(("in", "out"))
            both.channel(rng.choice(CONTACTS), op, rng.choice(LEGS), trunk, direction)
        case 8:
            both.keep()
        case 9:
            both.lose()
            both.compare()
            both.open_again()
        case 10:
            whom = rng.choice([(rng.choice(AGENTS), ""), ("", rng.choice(PHONES))])
            both.engage(rng.choice(CONTACTS), rng.choice(LEGS), *whom, rng.random() < 0.6)
        case 6:
            contacts = sorted(both.center.contacts)
            if contacts:
                held = both.center.contacts[rng.choice(contacts)]
                both.commit(held.id.split(".")[0], held.owner, held.epoch, [], True, False)


@pytest.mark.parametrize("steps", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_long_random_run(server: str, steps: int) -> None:
    both = Both(server)
    rng = random.Random(20261124)
    for ext in PHONES:
        both.phone(ext, True, 3_600_000)
    talks = 0
    for _ in range(steps):
        random_request(rng, both)
        both.compare()
        talks += sum(a.state == "talking" for a in both.center.agents.values())
    assert talks > steps / 20, "the run never got as far as conversations"
