"""Everything against everything: each thing that can happen, at each moment of each kind of call (DESIGN §5, R2).

A story is a call as it should go, step by step. At every place in it a disturbance comes (somebody hangs up, a command
comes twice, the node dies), then the story goes on as far as it still can, then all hang up. World says what must never
be; a fault is shown with the steps that led to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.unit.contacts.played.book import CUSTOMER, MOBILE
from tests.unit.contacts.world import World

Move = Callable[[World], bool]


@dataclass(frozen=True)
class Act:
    """A step with its name, as it is shown."""

    name: str
    do: Move

    def __repr__(self) -> str:
        return self.name


def act(verb: str, *words: str, **more: str) -> Act:
    """`act("answers", "1001")`: that method of World."""
    said = " ".join([*words, *(f"{key}={value}" for key, value in more.items())])
    return Act(f"{verb} {said}".strip(), lambda world: bool(getattr(world, verb)(*words, **more)))


def by(agent: str, verb: str, **body: str) -> Act:
    """A command of this agent's."""
    return act("command", verb, agent=agent, **body)


CALLED_IN: tuple[Act, ...] = (act("rings", "1001"), act("answers", "1001"))
WAS_CALLED: tuple[Act, ...] = (act("rings", CUSTOMER), act("answers", CUSTOMER))
CONSULTS: tuple[Act, ...] = (
    *CALLED_IN,
    by("1001", "transfer", to="1002", mode="consult"),
    act("rings", "1002"),
    act("answers", "1002"),
)
ASKED: tuple[Act, ...] = (act("deliver"), *CALLED_IN, act("deliver"))  # his mobile says what it is about
TAKEN: tuple[Act, ...] = (*ASKED, act("presses", "1001", "1"))
LISTENS: tuple[Act, ...] = (*CALLED_IN, by("1901", "monitor", mode="listen"), act("answers", "1901"))
BARGES: tuple[Act, ...] = (by("1901", "monitor", mode="barge"), act("answers", "1901"))
CONFERS: tuple[Act, ...] = (*CONSULTS, by("1001", "transfer_conference"))
STORIES: dict[str, tuple[Act, ...]] = {
    "queue": CALLED_IN,
    "busy, then the next": (act("rings", "1001"), act("refuses", "1001"), act("rings", "1002"), act("answers", "1002")),
    "nobody answers, then the next": (act("rings", "1001"), act("due", "ring"), act("answers", "1002")),
    "answered by order": (act("calm"), act("rings", "1001"), by("1001", "answer")),
    "answered by a second call": (
        *(act("rings", "1001"), act("refuses", "1001"), act("rings", "1002"), by("1002", "answer")),
        *(act("deliver"), act("answers", "1002")),
    ),
    "refused at the screen": (act("rings", "1001"), by("1001", "reject"), act("rings", "1002"), act("answers", "1002")),
    "hold by phone": (*CALLED_IN, act("holds", "1001"), act("resumes", "1001")),
    "hold by the customer": (*CALLED_IN, act("holds", CUSTOMER), act("resumes", CUSTOMER)),
    "his page is loaded anew": (*CALLED_IN, act("leaves", "1001"), act("returns", "1001")),
    "out, his page is loaded anew": (*WAS_CALLED, act("leaves", "8001"), act("returns", "8001")),
    "consult, his page is loaded anew": (
        *(*CONSULTS, act("leaves", "1001"), act("returns", "1001")),
        by("1001", "transfer_complete"),
    ),
    "hung up by program": (*CALLED_IN, by("1001", "hang_up")),
    "out": WAS_CALLED,
    "out, held": (*WAS_CALLED, act("holds", "8001"), act("resumes", "8001")),
    "out, recorded by order": (
        *WAS_CALLED,
        *(by("8001", "record", action=action) for action in ("stop", "start", "pause", "resume")),
    ),
    "a colleague": (act("rings", "1002"), act("answers", "1002")),
    "from the desk: out": (*CALLED_IN, *WAS_CALLED),
    "from the desk: a colleague": (*CALLED_IN, act("rings", "1002"), act("answers", "1002")),
    "from the desk: a queue": (*CALLED_IN, act("answers", "1002")),
    "out, consulted": (
        *(*WAS_CALLED, by("1001", "transfer", to="1002", mode="consult"), act("rings", "1002"), act("answers", "1002")),
        by("1001", "transfer_complete"),
    ),
    "out, blind": (*WAS_CALLED, by("1001", "transfer", to="1002", mode="blind"), act("answers", "1002")),
    "out, taken over": (
        *(*WAS_CALLED, by("1901", "monitor", mode="whisper"), act("answers", "1901")),
        by("1901", "monitor", mode="take-over"),
    ),
    "the phone refers to an extension": (
        *(*CALLED_IN, act("refers", "1001", "8002"), act("rings", "1002"), act("answers", "1002")),
    ),
    "out, the phone refers": (*WAS_CALLED, act("refers", "1001", "1002"), act("answers", "1002")),
    "hold": (*CALLED_IN, by("1001", "hold"), by("1001", "resume")),
    "mute": (*CALLED_IN, by("1001", "mute"), by("1001", "send_dtmf", digits="1#"), by("1001", "unmute")),
    "consult, completed": (*CONSULTS, by("1001", "transfer_complete")),
    "consult, cancelled": (*CONSULTS, by("1001", "transfer_cancel")),
    "consult, all join": (*CONSULTS, by("1001", "transfer_conference")),
    "completed while it rings": (*CONSULTS[:-1], by("1001", "transfer_complete"), act("answers", "1002")),
    "a number outside is consulted": (
        *(*CALLED_IN, by("1001", "transfer", to=MOBILE, mode="consult"), act("rings", MOBILE), act("answers", MOBILE)),
        by("1001", "transfer_complete"),
    ),
    "blind": (
        *CALLED_IN,
        by("1001", "transfer", to="1002", mode="blind"),
        act("rings", "1002"),
        act("answers", "1002"),
    ),
    "blind, refused": (*CALLED_IN, by("1001", "transfer", to="1002", mode="blind"), act("refuses", "1002")),
    "its network speaks": (
        *(*CALLED_IN, by("1001", "transfer", to=MOBILE, mode="consult"), act("rings", MOBILE), act("speaks", MOBILE)),
        *(act("answers", MOBILE), by("1001", "transfer_complete")),
    ),
    "his phone sends it on": (
        *(*CALLED_IN, by("1001", "transfer", to="1003", mode="consult"), act("rings", "1003"), act("refuses", "1003")),
        *(act("rings", "1902"), act("answers", "1902"), by("1001", "transfer_complete")),
    ),
    "blind, his phone sends it on": (
        *(*CALLED_IN, by("1001", "transfer", to="1003", mode="blind"), act("refuses", "1003"), act("answers", "1902")),
    ),
    "blind to a number outside, whose network speaks": (
        *(*CALLED_IN, by("1001", "transfer", to=MOBILE, mode="blind"), act("rings", MOBILE), act("speaks", MOBILE)),
        act("answers", MOBILE),
    ),
    "blind to a queue": (*CALLED_IN, by("1001", "transfer", to="queue:sales", mode="blind"), act("answers", "1002")),
    "blind to a queue, a leader listens": (
        *(*LISTENS, by("1001", "transfer", to="queue:sales", mode="blind"), act("answers", "1002")),
    ),
    "blind, refused, a leader listens": (
        *(*LISTENS, by("1001", "transfer", to="1002", mode="blind"), act("refuses", "1002"), act("answers", "1003")),
    ),
    "the customer leaves, and agents confer": (
        *(*CONSULTS, by("1001", "transfer_conference"), act("hangs_up", CUSTOMER)),
    ),
    "of three who talk one is on hold, and another sends him to a queue": (
        *(*CONSULTS, by("1001", "transfer_conference"), by("1001", "hold")),
        *(by("1002", "transfer", to="queue:sales", mode="blind"), act("answers", "1003")),
    ),
    "of three who talk one is on hold when another leaves": (
        *(*CONSULTS, by("1001", "transfer_conference"), by("1001", "hold"), act("hangs_up", "1002")),
        by("1001", "resume"),
    ),
    "of three who talk two hold, and one of them leaves": (
        *(*CONFERS, by("1001", "hold"), by("1002", "hold"), act("hangs_up", "1002")),
        by("1001", "resume"),
    ),
    "of three who talk one consults, and another leaves": (
        *(*CONFERS, by("1001", "transfer", to="1902", mode="consult"), act("rings", "1902"), act("answers", "1902")),
        *(act("hangs_up", "1002"), by("1001", "transfer_cancel")),
    ),
    "of three who talk one consults, another leaves, and he hands over": (
        *(*CONFERS, by("1001", "transfer", to="1902", mode="consult"), act("rings", "1902"), act("hangs_up", "1002")),
        *(act("answers", "1902"), act("hangs_up", "1001")),
    ),
    "of three who talk one sends on, and another leaves": (
        *(*CONFERS, by("1001", "transfer", to="1902", mode="blind"), act("rings", "1902"), act("hangs_up", "1002")),
        act("answers", "1902"),
    ),
    "of three who talk one sends on, and nobody comes": (
        *(*CONFERS, by("1001", "transfer", to="1902", mode="blind"), act("refuses", "1902")),
    ),
    "of three who talk one's phone refers, and another leaves": (
        *(*CONFERS, act("refers", "1001", "1902"), act("rings", "1902"), act("hangs_up", "1002")),
        act("answers", "1902"),
    ),
    "somebody joins": (*CALLED_IN, by("1001", "transfer_conference", to="1002"), act("answers", "1002")),
    "listens, whispers, barges in": (
        *LISTENS,
        by("1901", "monitor", mode="whisper"),
        by("1901", "monitor", mode="barge"),
        by("1901", "monitor_end"),
    ),
    "a leader comes into a hold": (
        *(*CALLED_IN, by("1001", "hold"), *BARGES, by("1901", "monitor_end")),
        by("1001", "resume"),
    ),
    "a leader comes into a hold, and the agent leaves": (
        *(*CALLED_IN, by("1001", "hold"), *BARGES, act("hangs_up", "1001")),
    ),
    "a leader comes into a consultation": (
        *(*CONSULTS, *BARGES, act("hangs_up", "1901")),
        by("1001", "transfer_complete"),
    ),
    "a leader talks, the agent consults": (
        *(*CALLED_IN, *BARGES, by("1001", "transfer", to="1002", mode="consult"), act("rings", "1002")),
        *(act("answers", "1002"), act("hangs_up", "1901"), by("1001", "transfer_complete")),
    ),
    "a leader talks, the agent sends on": (
        *(*CALLED_IN, *BARGES, by("1001", "transfer", to="1002", mode="blind"), act("rings", "1002")),
        *(act("hangs_up", "1901"), act("answers", "1002")),
    ),
    "the phone refers, a leader listens": (
        *(*LISTENS, act("refers", "1001", "1002"), act("rings", "1002"), act("answers", "1002")),
    ),
    "takes over": (*LISTENS, by("1901", "monitor", mode="take-over")),
    "picked up": (act("rings", "1001"), by("1002", "pick_up"), act("answers", "1002")),
    "picked up by code": (act("rings", "1001"), act("picks_up", "8002")),
    "picked up by a phone that names it": (act("rings", "1001"), act("picks_up", "8002", "1001")),
    "picked up before it rings": (act("picks_up", "8002"), act("calm")),
    "a colleague sends him to a queue": (
        *(act("rings", "1002"), act("answers", "1002")),
        *(by("1002", "transfer", to="queue:sales", mode="blind"), act("answers", "1003")),
    ),
    "a colleague sends him to a queue, and his page does not come back": (
        *(act("rings", "1002"), act("answers", "1002"), act("leaves", "1001")),
        *(by("1002", "transfer", to="queue:sales", mode="blind"), act("due", "away:1")),
    ),
    "a colleague, picked up": (act("rings", "1002"), act("picks_up", "8003")),
    "a colleague, picked up at the desk": (act("rings", "1002"), by("1003", "pick_up"), act("answers", "1003")),
    "released": (*CALLED_IN, by("1901", "release", to="queue"), act("answers", "1002")),
    "the phone refers": (*CALLED_IN, act("refers", "1001", "1002"), act("rings", "1002"), act("answers", "1002")),
    "at his mobile": TAKEN,
    "at his mobile, by no key": (*ASKED, act("due"), act("answers", "1002")),
    "at his mobile, turned down": (*ASKED, act("presses", "1001", "2"), act("answers", "1002")),
    "at his mobile, by the next trunk": (act("deliver"), Act("503", lambda it: it.refuses("1001", 503)), *TAKEN),
    "at his mobile: out": (*TAKEN, *WAS_CALLED),
    "at a colleague's mobile": (
        act("rings", "1002"),
        act("answers", "1002"),
        act("deliver"),
        act("presses", "1002", "1"),
    ),
    "at a colleague's mobile, consulted": (
        *(*CONSULTS, act("deliver"), act("presses", "1002", "1")),
        by("1001", "transfer_complete"),
    ),
}
HANG_UPS: tuple[Act, ...] = tuple(act("hangs_up", who) for who in (CUSTOMER, "1001", "1002", "1901", "1902"))
DISTURBANCES: tuple[Act, ...] = (
    *HANG_UPS,
    *(act("hangs_up_unheard"), act("due"), act("dies"), act("is_doomed"), act("clicks_twice")),
)
RARER: tuple[Act, ...] = (
    act("says_it_twice"),
    act("command", "hang_up"),
    *(act("holds", who) for who in (CUSTOMER, "1001", "1002")),
    by("1001", "answer"),
    by("1002", "answer"),
    by("1001", "reject"),
    act("presses", CUSTOMER, "5"),
    *(by("1001", verb) for verb in ("hold", "mute", "hang_up")),
    *(by("1002", verb) for verb in ("hold", "hang_up")),
    by("1901", "monitor_end"),
    by("1901", "monitor", mode="take-over"),
    *(by("1001", f"transfer_{verb}") for verb in ("complete", "cancel", "conference")),
    *(by("1001", "transfer", to="1003", mode=mode) for mode in ("consult", "blind")),
    *(by("1902", "monitor", mode=mode) for mode in ("listen", "barge", "take-over")),
    by("1003", "pick_up"),
    act("picks_up", "8003"),
    *(by(leader, "hang_up") for leader in ("1901", "1902")),
    *(by(agent, "transfer", to="queue:sales", mode="blind") for agent in ("1001", "1002")),
    by("1902", "release"),
    by("1902", "release", to="queue"),
    act("refers", "1001", "1003"),
    act("leaves", "1001"),
    act("returns", "1001"),
    *(act("faxes", who) for who in (CUSTOMER, "1001")),
    Act("nobody answers, rings late", lambda it: it.due("ring") and it.rings_late()),
    act("engine_dies"),
    act("spoils"),
    Act("takes back, spoils", lambda it: it.command("transfer_cancel", agent="1001") and it.spoils()),
    *(act("command", "record", action=action) for action in ("start", "stop", "pause", "resume")),
)


def world(story: str, crossing: bool = False) -> World:
    if story.startswith("from the desk"):
        wanted = {"out": MOBILE, "a colleague": "agent:1002", "a queue": "queue:sales"}[story.partition(": ")[2]]
        return World(wanted=wanted, crossing=crossing)
    if story.startswith("a colleague"):
        return World(called="8002", source="phone:8001", crossing=crossing)
    if story == "at a colleague's mobile":
        return World(called="1002", source="phone:8001", mobiles=("1002",), crossing=crossing)
    if story == "at his mobile: out":
        return World(wanted=MOBILE, mobiles=("1001",), crossing=crossing)
    if "mobile" in story:
        return World(mobiles=("1002" if "colleague" in story else "1001",), crossing=crossing)
    out = story.startswith("out")
    return World(called=MOBILE if out else "4008001001", source="phone:8001" if out else "trunk:gw1", crossing=crossing)


def moments(name: str) -> list[Act]:
    """The story with everything in between that the desk owes, one by one."""
    found = []
    for step in STORIES[name]:
        found += [*[act("deliver")] * 6, step]
    return [*found, *[act("deliver")] * 6]


def forks(lived: World, steps: Sequence[Act]) -> Iterator[tuple[int, World]]:
    """The world before each step that changes it, and after the last: to be lived on from `steps[n:]`."""
    seen = -1
    for n in range(len(steps) + 1):
        if len(lived.steps) != seen:
            yield n, lived.fork()
            seen = len(lived.steps)
        if n < len(steps):
            steps[n].do(lived)


def lived_on(lived: World, steps: Sequence[Act]) -> World:
    """To the end of the story; then everybody hangs up, and it is over."""
    for step in steps:
        step.do(lived)
    ended(lived.calm())
    return lived


def ended(lived: World) -> None:
    """All hang up, the customer last; what then is left is a fault."""
    for _ in range(8):
        for n in sorted(lived.phones, reverse=True):
            if not lived.over and lived.hangs_up_leg(n):
                lived.calm()
        if lived.over:
            return
        if "cleared" in lived.contact.deadlines:
            lived.faults.append(f"it waits for the clock to end: {unclear(lived)}")
        lived.due()
        lived.calm()
    lived.faults.append("everybody has hung up, and it goes on")


def unclear(lived: World) -> list[str]:
    return [f"leg {n} {leg.state}" + (" with media" if leg.media else "") for n, leg in lived.contact.legs.items()]


def judge(lived: World, what: object) -> None:
    if lived.faults:
        steps = "\n  ".join(lived.steps)
        pytest.fail(f"{what}\n" + "\n".join(dict.fromkeys(lived.faults)) + f"\nafter\n  {steps}", pytrace=False)


KNOWN: dict[str, str] = {  # faults that are not mended yet
}


def known(name: str, faults: dict[str, str] = KNOWN) -> Any:
    return pytest.param(name, marks=pytest.mark.xfail(reason=faults[name])) if name in faults else name


@pytest.mark.parametrize("name", STORIES)
def test_a_story_goes_as_it_is_told(name: str) -> None:
    lived = lived_on(world(name), moments(name))
    judge(lived, name)
    assert lived.contact.result == "answered"
    assert set(lived.replies.values()) <= {200, 201}
    assert all(told[-1] == 200 for told in lived.referrers.values())


def one_thing(name: str, disturbances: Sequence[Act], crossing: bool) -> None:
    steps = moments(name)
    for n, before in forks(world(name, crossing), steps):
        for disturbance in disturbances:
            lived = before.fork()
            if disturbance.do(lived):  # else it is the story as it goes without
                judge(lived_on(lived, steps[n:]), f"{name}: {disturbance} before step {len(before.steps)}")


@pytest.mark.parametrize("name", [known(name) for name in STORIES])
def test_whatever_happens_whenever(name: str) -> None:
    one_thing(name, DISTURBANCES, False)


@pytest.mark.slow
@pytest.mark.parametrize("name", [known(name) for name in STORIES])
def test_even_what_is_rare(name: str) -> None:
    one_thing(name, RARER, False)
    one_thing(name, DISTURBANCES, True)


@pytest.mark.slow
@pytest.mark.parametrize("name", [known(name) for name in STORIES])
def test_two_things_happen_whenever(name: str) -> None:
    steps = moments(name)
    for n, before in forks(world(name), steps):
        for first in DISTURBANCES:
            once = before.fork()
            for m, again in forks(once, steps[n:]) if first.do(once) else ():
                for second in DISTURBANCES:
                    lived = again.fork()
                    if second.do(lived):  # else it is the story with one thing
                        judge(lived_on(lived, steps[n + m :]), f"{name}: {first}, {second}")


EVERYTHING: tuple[Act, ...] = tuple(
    {
        step.name: step
        for step in (
            act("deliver"),
            act("calm"),
            *(step for story in STORIES.values() for step in story),
            *DISTURBANCES,
            *RARER,
        )
    }.values()
)


def test_a_fax_is_refused_though_the_engine_dies_that_had_it_before_it() -> None:
    named = {step.name: step for step in EVERYTHING}
    lived = world("in", crossing=False)
    for name in ("deliver", "deliver", "faxes customer", "engine_dies"):
        named[name].do(lived)
    ended(lived.calm())
    judge(lived, "a fax and a dead engine")


@given(st.lists(st.sampled_from(EVERYTHING), max_size=60), st.sampled_from(["in", "out", "to a mobile"]), st.booleans())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate, Phase.shrink]
)
def test_anything_in_any_order(steps: list[Act], direction: str, crossing: bool) -> None:
    lived = world(direction, crossing=crossing)
    for step in steps:
        step.do(lived)
    ended(lived.calm())
    judge(lived, f"a call {direction}, {steps}")
