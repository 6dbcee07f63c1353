"""Every verb of call control right after its owner's death: the next command works at the other node (DESIGN §5, R8).

A story brings a contact from step to step. Before each the owner is killed with SIGKILL, and what is done next is done
at once: a command goes to the api, under one key until it is answered, a phone speaks as it would. Then everybody's
ears tell whether it came true, at last the books. In a second run owner and command meet: he is killed while he has it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import pytest

from lq.api.commands import COMMANDS
from lq.sdk import ApiError, Cdr
from tests.scenarios.conftest import phone_of
from tests.scenarios.house import House, house
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER, MOBILE, OUTSIDE, THIRD, mobile_of
from tests.simulator.call import Call, CallEnded
from tests.simulator.matrix import ANYTHING, MUSIC, Names

__all__ = ["house"]
pytestmark = [pytest.mark.kills, pytest.mark.slow]

HEARD_S: Final = 10.0
ENDS_S: Final = 20.0  # a BYE that the dead node has not answered comes to its heir
SEED: Final = 4
MOMENTS_S: Final = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05)  # from a command to the kill that meets it

Matrix = Mapping[str, Names]
NOBODY: Names = frozenset()
TALK: Matrix = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER}}
HELD: Matrix = {CUSTOMER: {MUSIC}, AGENT: NOBODY}
WAITS: Matrix = {CUSTOMER: {MUSIC}}
RINGING: Matrix = {CUSTOMER: {MUSIC}, AGENT: ANYTHING}  # the ring tone
CONSULTS: Matrix = {CUSTOMER: {MUSIC}, AGENT: {COLLEAGUE}, COLLEAGUE: {AGENT}}
LISTENED: Matrix = {**TALK, LEADER: {CUSTOMER, AGENT}}
WHISPERED: Matrix = {CUSTOMER: {AGENT}, AGENT: {CUSTOMER, LEADER}, LEADER: {CUSTOMER, AGENT}}


def together(*roles: str) -> Matrix:
    return {role: set(roles) - {role} for role in roles}


@dataclass(frozen=True)
class Step:
    """What is done, and what has become of it."""

    verb: str
    do: Callable[[House], Awaitable[object]]
    hears: Matrix | None  # None: nobody is left
    answers: str = ""  # who is called by it, or once more, and answers
    rings: str = ""  # … and does not
    ends: tuple[str, ...] = ()  # whose calls the center ends
    told: str = ""  # the event


def sdk(
    verb: str,
    hears: Matrix | None,
    by: str = AGENT,
    answers: str = "",
    rings: str = "",
    ends: tuple[str, ...] = (),
    told: str = "",
    **body: str,
) -> Step:
    """A command of LQ-SDK."""
    return Step(verb, lambda house: house.stage.insists(verb, by, **body), hears, answers, rings, ends, told)


async def answers_at_the_screen(house: House) -> None:
    """Each time it rings, until he is in it: what rang on behalf of the dead rings anew."""
    call = None
    async with asyncio.timeout(3 * HEARD_S):
        while call is None:
            await clicks_while_it_rings(house, "answer")
            call = await house.is_in(AGENT)
    assert "told to talk" in call.times
    house.stage.joins(AGENT, call)


async def refuses_at_the_screen(house: House) -> None:
    events = house.stage.scene.events
    async with asyncio.timeout(3 * HEARD_S):
        while not any(
            one.data["outcome"] == "refused" for one in events.of(house.stage.contact, "contact_offer_ended")
        ):
            await clicks_while_it_rings(house, "reject")
    assert house.ringing(AGENT) == []


async def clicks_while_it_rings(house: House, verb: str) -> None:
    try:
        if house.ringing(AGENT):
            await house.stage.insists(verb)
    except ApiError as refused:
        if refused.code != "not_ringing":
            raise
    await asyncio.sleep(0.05)


def hangs_up(role: str, hears: Matrix | None, ends: tuple[str, ...] = ()) -> Step:
    return Step("BYE", lambda house: house.stage.hangs_up(role), hears, ends=ends)


def refers(by: str, to: str) -> Step:
    """He stays until whom he has named has answered, and is told so."""

    async def do(house: House) -> None:
        assert await house.stage.cast[by].refer(house.stage.id(to), within_s=HEARD_S) == 202
        await house.answers(to)
        await house.stage.told(by, 200, HEARD_S)

    return Step("REFER", do, together(CUSTOMER, to), ends=(by,))


def reoffers(direction: str, hears: Matrix) -> Step:
    return Step("re-INVITE", lambda house: house.stage.cast[AGENT].reoffer(direction, HEARD_S), hears)


def picks_up(hears: Matrix) -> Step:
    """The colleague, from his phone, what rings at the agent's."""

    async def do(house: House) -> None:
        stage, call = house.stage, None
        async with asyncio.timeout(3 * HEARD_S):
            while call is None:
                await house.call_at(AGENT)
                own = await stage.phones[COLLEAGUE].dial(f"*8{stage.id(AGENT)}")
                with suppress(CallEnded):  # it came to the dead node: once more
                    call = await is_with_the_customer(house, await own.answered())
        stage.joins(COLLEAGUE, call)

    return Step("*8", do, hears)


async def is_with_the_customer(house: House, call: Call) -> Call | None:
    """None: he was told that nothing rings, for what rang on behalf of the dead had just ceased."""
    while not await house.has(COLLEAGUE):
        if not call.is_up:
            return None
        await asyncio.sleep(0.05)
    return call


async def keys_arrive(house: House) -> None:
    """One that a node had sent and not yet written when it died is heard twice (ARCHITECTURE.md), none is lost."""
    killed = dict(house.killed)
    await house.stage.insists("send-dtmf", digits="19#")
    await house.stage.hears_keys(CUSTOMER, "19#", twice=house.killed != killed)


@dataclass(frozen=True)
class Story:
    steps: tuple[Step, ...]
    begins: str = "in"  # in | out | recorded: they talk; rings | orders: at the agent's phone; waits: in the queue
    comes: tuple[str, ...] = ()
    agent: str = AGENT  # in the books
    result: str = "answered"
    ended_by: str = "caller"


BLIND: Final = sdk("transfer", WAITS, to=COLLEAGUE, mode="blind", rings=COLLEAGUE, ends=(AGENT,))
CONSULT: Final = sdk("transfer", RINGING, to=COLLEAGUE, mode="consult", rings=COLLEAGUE)
ASKED: Final = Step("200", lambda house: house.answers(COLLEAGUE), CONSULTS)
LISTEN: Final = sdk("monitor", LISTENED, LEADER, mode="listen", answers=LEADER)
WITH_COLLEAGUE: Final = together(CUSTOMER, COLLEAGUE)

STORIES: Final[dict[str, Story]] = {
    "hold, mute, keys, in": Story(
        (
            *(sdk("hold", HELD), sdk("resume", TALK), sdk("mute", {CUSTOMER: NOBODY, AGENT: {CUSTOMER}})),
            *(sdk("unmute", TALK), Step("send-dtmf", keys_arrive, TALK), sdk("hang-up", None, ends=(AGENT, CUSTOMER))),
        ),
        ended_by="agent",
    ),
    "hold, mute, out": Story(
        (
            *(sdk("hold", HELD), sdk("resume", TALK), sdk("mute", {CUSTOMER: NOBODY, AGENT: {CUSTOMER}})),
            *(sdk("unmute", TALK), sdk("hang-up", None, by="", ends=(AGENT, CUSTOMER))),
        ),
        "out",
        ended_by="system",
    ),
    "the phone holds": Story(
        (reoffers("sendonly", HELD), reoffers("sendrecv", TALK), hangs_up(AGENT, None, (CUSTOMER,))), ended_by="agent"
    ),
    "recording": Story(
        tuple(
            sdk("recording", TALK, action=action, told=f"contact_recording_{told}")
            for action, told in (("pause", "paused"), ("resume", "resumed"), ("stop", "stopped"), ("start", "started"))
        ),
        "recorded",
    ),
    "help": Story(
        (
            *(sdk("help", TALK, told="contact_help_wanted"), sdk("help/end", TALK, told="contact_help_ended")),
            *(sdk("help", TALK), LISTEN),
        ),
        comes=(LEADER,),
    ),
    "a leader listens, whispers, barges in, takes over": Story(
        (
            *(LISTEN, sdk("monitor", WHISPERED, LEADER, mode="whisper")),
            sdk("monitor", together(CUSTOMER, AGENT, LEADER), LEADER, mode="barge"),
            sdk("monitor", together(CUSTOMER, LEADER), LEADER, mode="take-over", ends=(AGENT,)),
        ),
        comes=(LEADER,),
        agent=LEADER,
    ),
    "a leader leaves": Story((LISTEN, sdk("monitor/end", TALK, LEADER, ends=(LEADER,))), comes=(LEADER,)),
    "a leader releases": Story((sdk("release", None, LEADER, ends=(AGENT, CUSTOMER)),), ended_by="system"),
    "a leader releases to the queue": Story((sdk("release", TALK, LEADER, to="queue", ends=(AGENT,), answers=AGENT),)),
    "a consultation is completed": Story(
        (CONSULT, ASKED, sdk("transfer/complete", WITH_COLLEAGUE, ends=(AGENT,))), comes=(COLLEAGUE,), agent=COLLEAGUE
    ),
    "a consultation is completed, out": Story(
        (CONSULT, ASKED, sdk("transfer/complete", WITH_COLLEAGUE, ends=(AGENT,))),
        "out",
        comes=(COLLEAGUE,),
        agent=COLLEAGUE,
    ),
    "a consultation is completed while it rings": Story(
        (CONSULT, sdk("transfer/complete", WITH_COLLEAGUE, ends=(AGENT,), answers=COLLEAGUE)),
        comes=(COLLEAGUE,),
        agent=COLLEAGUE,
    ),
    "a consultation is cancelled": Story(
        (CONSULT, sdk("transfer/cancel", TALK), CONSULT, ASKED, sdk("transfer/cancel", TALK, ends=(COLLEAGUE,))),
        comes=(COLLEAGUE,),
    ),
    "a consultation becomes a conference": Story(
        (
            *(CONSULT, ASKED, sdk("transfer/conference", together(CUSTOMER, AGENT, COLLEAGUE))),
            hangs_up(AGENT, WITH_COLLEAGUE),
        ),
        comes=(COLLEAGUE,),
        agent=COLLEAGUE,  # who is left with the customer
    ),
    "somebody joins, then a number outside": Story(
        (
            sdk("transfer/conference", together(CUSTOMER, AGENT, COLLEAGUE), to=COLLEAGUE, answers=COLLEAGUE),
            sdk("transfer/conference", together(CUSTOMER, AGENT, COLLEAGUE, MOBILE), to=MOBILE, answers=MOBILE),
            hangs_up(MOBILE, together(CUSTOMER, AGENT, COLLEAGUE)),
            hangs_up(CUSTOMER, together(AGENT, COLLEAGUE)),
            hangs_up(AGENT, None, (COLLEAGUE,)),
        ),
        comes=(COLLEAGUE, MOBILE),
        ended_by="agent",
    ),
    "a number outside is consulted": Story(
        (
            sdk("transfer", RINGING, to=MOBILE, mode="consult", rings=MOBILE),
            Step("200", lambda house: house.answers(MOBILE), {CUSTOMER: {MUSIC}, AGENT: {MOBILE}, MOBILE: {AGENT}}),
            sdk("transfer/complete", together(CUSTOMER, MOBILE), ends=(AGENT,)),
        ),
        comes=(MOBILE,),
    ),
    "blind to a colleague": Story(
        (BLIND, Step("200", lambda house: house.answers(COLLEAGUE), WITH_COLLEAGUE)),
        comes=(COLLEAGUE,),
        agent=COLLEAGUE,
    ),
    "blind to a number outside": Story(
        (sdk("transfer", together(CUSTOMER, MOBILE), to=MOBILE, mode="blind", answers=MOBILE, ends=(AGENT,)),),
        comes=(MOBILE,),
    ),
    "blind to the queue": Story(
        (sdk("transfer", TALK, to="queue:stage0", mode="blind", answers=AGENT, ends=(AGENT,)),)
    ),
    "blind to a room": Story(
        (
            sdk(
                "transfer",
                {CUSTOMER: ANYTHING},
                to="conference:stage0",
                mode="blind",
                ends=(AGENT,),
                told="contact_conference_joined",
            ),
            hangs_up(CUSTOMER, None),
        )
    ),
    "picked up while it rings": Story(
        (sdk("pick-up", WITH_COLLEAGUE, COLLEAGUE, answers=COLLEAGUE),), "rings", comes=(COLLEAGUE,), agent=COLLEAGUE
    ),
    "picked up while he waits": Story(
        (sdk("pick-up", WITH_COLLEAGUE, COLLEAGUE, answers=COLLEAGUE),), "waits", comes=(COLLEAGUE,), agent=COLLEAGUE
    ),
    "picked up by code": Story((picks_up(WITH_COLLEAGUE),), "rings", comes=(COLLEAGUE,), agent=COLLEAGUE),
    "answered at the screen": Story(
        (Step("answer", answers_at_the_screen, TALK), sdk("hang-up", None, ends=(AGENT, CUSTOMER))),
        "orders",
        ended_by="agent",
    ),
    "refused at the screen": Story(
        (Step("reject", refuses_at_the_screen, WAITS), sdk("hang-up", None, by="", ends=(CUSTOMER,))),
        "rings",
        agent="",
        result="no_agent",
        ended_by="system",
    ),
    "the phone refers": Story(
        (
            refers(AGENT, COLLEAGUE),
            refers(COLLEAGUE, THIRD),
        ),
        comes=(COLLEAGUE, THIRD),
        agent=THIRD,
    ),
    "the phone refers, out": Story((refers(AGENT, COLLEAGUE),), "out", comes=(COLLEAGUE,), agent=COLLEAGUE),
}


def test_every_verb_is_told() -> None:
    told = {step.verb for story in STORIES.values() for step in story.steps}
    verbs = {f"{one.path}/end" if one.method == "DELETE" else one.path for one in COMMANDS}
    assert verbs - told == set()


async def begins(house: House, story: Story) -> None:
    stage = house.stage
    if MOBILE in story.comes or story.begins == "out":
        await house.network()
    match story.begins:
        case "in" | "out" | "recorded":
            await stage.comes(AGENT)
            if story.begins == "out":
                await called_out(house)
            else:
                await stage.opens("in", recorded=story.begins == "recorded")
        case "waits":
            await stage.comes(AGENT)
            await stage.scene.lq.pause(stage.id(AGENT), "meeting")
            await stage.calls_in()
            await stage.hears(WAITS, HEARD_S)
        case _:
            await stage.comes(AGENT, orders=story.begins == "orders")
            await stage.calls_in()
            await house.call_at(AGENT)
    await stage.comes(*(role for role in story.comes if role != MOBILE))


async def called_out(house: House) -> None:
    """The agent has called a customer from his phone, and they talk."""
    stage = house.stage
    assert stage.network is not None
    own = await stage.phones[AGENT].dial("9" + OUTSIDE)
    asked = await stage.network.called(OUTSIDE)
    stage.contact = (await stage.scene.events.first("contact_started", phone=phone_of(stage.id(AGENT)))).subject
    asked.answer()
    stage.joins(CUSTOMER, asked)
    stage.joins(AGENT, await own.answered())
    await stage.hears(TALK, HEARD_S)


async def killed_before(house: House, step: Step) -> None:
    await house.owner_is_killed()
    await step.do(house)


class KilledWhile:
    """The command is on its way, or its owner has it, or has answered it."""

    def __init__(self) -> None:
        self._chance = random.Random(SEED)

    async def __call__(self, house: House, step: Step) -> None:
        await house.all_nodes_live()
        owner = await house.living_owner()
        doing = asyncio.ensure_future(step.do(house))
        await asyncio.sleep(self._chance.choice(MOMENTS_S))
        house.kill(owner)
        await doing


async def told(house: House, story: Story, kills: Callable[[House, Step], Awaitable[None]]) -> Cdr:
    stage = house.stage
    await begins(house, story)
    for step in story.steps:
        await kills(house, step)
        for role in step.ends:
            await stage.ends(role, ENDS_S)
        if step.told:
            await stage.tells(step.told, HEARD_S)
        if step.answers:
            await house.answers(step.answers)
        if step.rings:
            await house.call_at(step.rings)
        if step.hears is not None:
            await stage.hears(step.hears, HEARD_S)
    done = await stage.closes()
    await house.is_empty()
    return done


def judge(house: House, story: Story, done: Cdr) -> None:
    agent = house.stage.id(story.agent) if story.agent else None
    assert (done.result, done.ended_by) == (story.result, story.ended_by)
    if story.agent:
        assert done.agent == agent


@pytest.mark.parametrize("name", STORIES)
async def test_the_next_command_works_at_the_other_node(house: House, name: str) -> None:
    story = STORIES[name]
    judge(house, story, await told(house, story, killed_before))


@pytest.mark.parametrize("name", STORIES)
async def test_the_owner_is_killed_with_the_command_in_his_hands(house: House, name: str) -> None:
    story = STORIES[name]
    judge(house, story, await told(house, story, KilledWhile()))


# -- what begins otherwise --------------------------------------------------------------------------------------------
async def is_asked(house: House, number: str) -> Call:
    """He answers his mobile, as often as it rings for nothing, until he hears what it is about."""
    assert house.stage.network is not None
    async with asyncio.timeout(3 * HEARD_S):
        while True:
            mobile = await house.stage.network.called(number, HEARD_S)
            with suppress(CallEnded):  # it had rung to its end
                mobile.answer()
                await mobile.confirmed()
                await mobile.hears(house.stage.scene.place.prompt("zh/accept_call"))
                return mobile


async def test_an_agents_mobile_is_asked_for_the_1(house: House) -> None:
    """Its node dies while it rings, while it is asked, and while they talk."""
    stage, lq = house.stage, house.stage.scene.lq
    agent, number = stage.id(AGENT), mobile_of(stage.n)
    await house.network()
    assert stage.network is not None
    assert stage.voices  # read while nobody waits
    await lq.sign_in(agent, number)
    stage.scene.stack.push_async_callback(lq.sign_out, agent)
    await stage.calls_in()
    rings = await stage.network.called(number)
    await house.owner_is_killed()
    await rings.ended(ENDS_S)
    await house.all_nodes_live()  # it rings for 5 seconds, and he is asked for 15
    mobile = await is_asked(house, number)
    adopted = len(stage.scene.events.of(stage.contact, "contact_adopted"))
    await house.owner_is_killed()
    # a key that nobody's node hears is pressed again; here it is pressed once
    await stage.scene.events.until(
        lambda: len(stage.scene.events.of(stage.contact, "contact_adopted")) > adopted or None, HEARD_S
    )
    mobile.send_digits("1")
    stage.joins(AGENT, mobile)
    await stage.hears(TALK, HEARD_S)
    assert (await lq.agent(agent)).state == "talking"
    await house.owner_is_killed()
    await stage.insists("hold")
    await stage.hears(HELD, HEARD_S)
    await house.owner_is_killed()
    await stage.insists("hang-up")
    await stage.ends(AGENT, ENDS_S)
    done = await stage.closes()
    assert (done.result, done.agent, done.ended_by) == ("answered", agent, "agent")
    await house.is_empty()


async def test_click_to_dial_from_the_click_on(house: House) -> None:
    """The node that gets the order dies with it; then it dies while either phone rings, and while they talk."""
    stage = house.stage
    await house.network()
    assert stage.network is not None
    await stage.comes(AGENT)
    doing = asyncio.ensure_future(house.places(stage.id(AGENT), OUTSIDE))
    await house.least_loaded_is_killed()
    stage.contact = await doing
    await house.call_at(AGENT)
    await house.owner_is_killed()
    await house.answers(AGENT)
    first = await stage.network.called(OUTSIDE)
    await house.owner_is_killed()
    await first.ended(HEARD_S)
    asked = await stage.network.called(OUTSIDE, 20)
    asked.answer()
    stage.joins(CUSTOMER, await asked.confirmed())
    await stage.hears(TALK, HEARD_S)
    await house.owner_is_killed()
    await stage.insists("hold")
    await stage.hears(HELD, HEARD_S)
    started = [event for event in stage.scene.events.seen if event.type == "contact_started"]
    assert [event.subject for event in started] == [stage.contact]
    await house.owner_is_killed()
    await stage.insists("hang-up")
    await stage.ends(CUSTOMER, HEARD_S)
    done = await stage.closes()
    assert (done.direction, done.result, done.agent) == ("out", "answered", stage.id(AGENT))
    await house.is_empty()
