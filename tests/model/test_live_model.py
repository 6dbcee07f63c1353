"""The function library against the naive center: the same requests, the same pairs, states, places and refusals."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis import Redis

from lq.acd.agent import OUTCOMES
from lq.live import library
from tests.integration.live.center import start_redis, stop
from tests.model.both import AGENTS, CONTACTS, LEGS, NODES, PHONES, SERVED, START, TRUNKS, WANTED, Both


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, url = start_redis(tmp_path_factory.mktemp("model"))
    with Redis.from_url(url) as redis:
        redis.function_load(library.render())
    yield url
    stop(process)


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

        @rule(ms=st.sampled_from((500, 1_500, 2_001, 90_000, 8 * 3_600_000)))
        def set_back(self, ms: int) -> None:
            self.both.set_back(ms)

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
            code=st.sampled_from(("", "", "c")),
        )
        def agent(self, agent: str, op: str, reason: str, code: str) -> None:
            self.both.agent(agent, op, reason, code)

        @rule(agent=st.sampled_from(AGENTS), disabled=st.booleans())
        def delete(self, agent: str, disabled: bool) -> None:
            self.both.delete(agent, disabled=disabled)

        @rule(ago_ms=st.sampled_from((-1, 0, 3_000)))
        def begin_day(self, ago_ms: int) -> None:
            self.both.begin_day(ago_ms)

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
    match rng.choices(range(14), (10, 4, 12, 12, 25, 30 if bound else 0, 1, 5, 1, 1, 5, 1, 1, 1))[0]:
        case 0:
            both.pass_ms(rng.choice((0, 1, 10, 900, 5_000, 12_000)))
        case 1:
            both.phone(rng.choice(PHONES), rng.random() < 0.8, rng.choice((10_000, 3_600_000)))
        case 2:
            both.sign_in(rng.choice(AGENTS), rng.choice(PHONES), rng.choice(SERVED))
        case 3:
            op = rng.choice(("ready", "ready", "pause", "wrap_up", "wrap_up_done", "sign_out"))
            both.agent(rng.choice(AGENTS), op, "", rng.choice(("", "c")))
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
        case 12:
            both.delete(rng.choice(AGENTS), disabled=rng.random() < 0.5)
        case 13:
            both.begin_day(rng.choice((-1, 0, 3_000)))
        case 11:
            both.set_back(rng.choice((500, 1_500, 2_001, 90_000, 8 * 3_600_000)))
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
