"""The function library against the naive center: the same requests, the same pairs, states, places and refusals."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis import Redis

from lq.acd.agent import BOUND, OUTCOMES, STATES
from lq.live import keys, library
from tests.integration.live.center import start_redis, stop
from tests.model.naive import Center, Refused

AGENTS = ("a1", "a2", "a3", "a4")
CONTACTS = ("c1", "c2", "c3", "c4", "c5", "c6")
PHONES = ("8001", "8002", "8003", "8004")
LANES = ("sales", "support", "agent:a1")
SERVED = ({"sales": 0}, {"sales": 0, "support": 0}, {"support": 3, "agent:a1": 0}, {"sales": 2, "agent:a1": 0})
WANTED = (("sales",), ("support",), ("sales", "support"), ("agent:a1",))
NODES = ("lq1-aa", "lq2-bb")
START = 1_764_000_000_000
LEASE_MS = 20_000


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
        self.center = Center(START)
        self.generation: dict[str, int] = {}  # a contact's id is never used twice

    def call(self, function: str, **request: Any) -> dict[str, Any]:
        text = self.redis.fcall(function, 1, keys.TAG, json.dumps({**request, "now": self.center.now}))
        return dict(json.loads(text))

    def expect(self, answer: dict[str, Any], refused: bool) -> None:
        assert answer["ok"] is not refused, answer

    def id(self, name: str) -> str:
        return f"{name}.{self.generation.get(name, 0)}"

    # -- requests

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
            assert not (agents and waiting), f"a fit pair is left in {lane}"
        assert contacts == set(self.center.contacts)
        assert {tuple(n.split(":")[:2]): at for n, at in deadlines} == self.center.deadlines
        assert signed_in == {a.id for a in self.center.agents.values() if a.state != "signed_out"}
        reserved = [a.contact for a in self.center.agents.values() if a.state in ("reserved", "ringing", "dialing")]
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
    match rng.choices(range(7), (10, 4, 12, 12, 25, 30 if bound else 0, 1))[0]:
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
