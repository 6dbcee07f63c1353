"""A busy center: callers on every line, agents at every phone, each pair with tones of its own, and every call judged.

async with Load(place, callers=60, agents=100) as load:
    await load.run(seconds=120)
report = await load.judged()

A caller dials, hears the notice, presses a key, waits, talks, one of the two hangs up, and he dials again. What he and
his agent heard is checked sample by sample, then the recording and the CDR against both.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from lq.sdk.client import Client
from lq.sdk.errors import ApiError
from lq.sdk.values import Cdr
from tests.simulator import audio, speech
from tests.simulator.audio import RATE, Samples
from tests.simulator.call import Call, CallEnded
from tests.simulator.events import Events, NotHappened
from tests.simulator.gateway import Answer, Gateway
from tests.simulator.hearing import NotHeard
from tests.simulator.place import Place
from tests.simulator.rtp import Media
from tests.simulator.softphone import Softphone

T = TypeVar("T")

FIRST_AGENT: Final = 1001
SALES, SUPPORT = "1", "2"  # keys of the demo menu; the first sixty agents serve sales, from the fiftieth on support
LONGEST_GAP_S: Final = 0.040
SETTLED_S: Final = 0.5  # after the answer, and before the end: both sides say what they say
ENDED_WITHIN_S: Final = 40.0  # a BYE is repeated for 32 s (RFC 3261 timer F)
AT_ONCE: Final = 10


@dataclass(eq=False)
class Talk:
    """One call of the load, and what became of it."""

    caller: str
    up: int  # Hz that the customer says
    down: int  # Hz that the agent says
    call: Call | None = None
    contact: str = ""
    agent_call: Call | None = None
    agent: str = ""
    answered_at: float = 0.0
    ended_at: float = 0.0
    faults: list[str] = field(default_factory=list)
    lost_at: str = ""  # where a call that ended by itself was: dialled, menu, queue, talk
    met: asyncio.Event = field(default_factory=asyncio.Event)  # an agent's phone rang for him

    @property
    def talked(self) -> bool:
        return bool(self.answered_at)


@dataclass(frozen=True, slots=True)
class Report:
    dialled: int
    talked: int
    dropped: tuple[str, ...]  # talking calls that ended though nobody hung up
    unserved: Counter[str]  # where calls were that ended before a talk
    faults: tuple[str, ...]
    contacts_lost: int  # calls that were answered by the center and are in no book
    contacts_doubled: int
    recordings_missing: tuple[str, ...]
    agents_stuck: tuple[str, ...]
    gap_worst_s: float
    setup_s: tuple[float, ...]  # key pressed → agent heard, per call

    def __str__(self) -> str:
        waits = sorted(self.setup_s)
        median = waits[len(waits) // 2] if waits else 0.0
        return (
            f"calls dialled {self.dialled}, talked {self.talked}, dropped {len(self.dropped)}, not served "
            f"{dict(self.unserved)}; contacts lost {self.contacts_lost}, doubled {self.contacts_doubled}; recordings "
            f"missing {len(self.recordings_missing)}; agents stuck {len(self.agents_stuck)}; worst gap "
            f"{self.gap_worst_s * 1000:.0f} ms; key → agent median {median:.2f} s; faults {len(self.faults)}"
        )


class Load:
    """`talk_s`: how long they talk. Not `strict`: things are being killed, so voices may have gaps, and a call that no
    agent has answered yet may end; a talk may not."""

    def __init__(
        self, place: Place, *, callers: int = 60, agents: int = 100, talk_s: float = 15.0, strict: bool = True
    ) -> None:
        self.place, self.callers, self.talk_s, self.strict = place, callers, talk_s, strict
        self.agents = [str(FIRST_AGENT + n) for n in range(agents)]
        self.talks: list[Talk] = []
        self._by_number: dict[str, Talk] = {}
        self._tones = self._pairs()
        self._stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waited: list[float] = []
        self._judging = asyncio.Lock()

    async def __aenter__(self) -> Self:
        gc.collect()
        gc.freeze()  # what was here before is not looked through in the midst of a talk: meanwhile nobody says a word
        await self._stack.__aenter__()
        enter = self._stack.enter_async_context
        self.lq: Client = await enter(self.place.client())
        self.events = await enter(Events(self.lq))
        self.media = Media(), Media()
        for media in self.media:
            self._stack.push_async_callback(asyncio.to_thread, media.close)
        self.gateways: list[Gateway] = [
            await enter(self.place.gateway(trunk, media=self.media[0])) for trunk in ("gw1", "gw2")
        ]
        self.phones: dict[str, Softphone] = {}
        for first in range(0, len(self.agents), AT_ONCE):
            await asyncio.gather(*(self._begin(agent) for agent in self.agents[first : first + AT_ONCE]))
        return self

    async def __aexit__(self, *failure: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.__aexit__(None, None, None)

    async def _begin(self, agent: str) -> None:
        """The agent's phone is registered, he is ready."""
        ext = str(int(agent) + 7000)
        phone = self.place.softphone(ext, self.media[1], Answer(0.3))
        self.phones[agent] = await self._stack.enter_async_context(phone)
        await self.events.first("phone_changed", 20, subject=f"phone:{ext}", registered=True)
        await self.lq.sign_in(agent, ext)
        self._spawn(self._sits_at(agent, phone))

    # -- the agents

    async def _sits_at(self, agent: str, phone: Softphone) -> None:
        while True:
            call = await phone.rings(within_s=100_000)
            talk = self._by_number.get(call.caller)
            if talk is None:
                continue
            self._spawn(self._talks(agent, call, talk))

    async def _talks(self, agent: str, call: Call, talk: Talk) -> None:
        try:
            await call.answered(20)
        except (CallEnded, TimeoutError):
            return  # the offer was taken back
        if talk.agent_call is not None and talk.agent_call.is_up and "confirmed" in talk.agent_call.times:
            talk.faults.append(f"{talk.caller} is joined to {talk.agent} and to {agent}")
        talk.agent_call, talk.agent = call, agent
        call.say(talk.down)
        talk.met.set()
        await call.ended(100_000)
        await self._wrapped_up(agent)

    async def _wrapped_up(self, agent: str) -> None:
        """Done with it at once; whoever cannot say so is done when his time is."""
        try:
            async with asyncio.timeout(5):
                await self.lq.wrap_up(agent, done=True)
        except (ApiError, TimeoutError):
            return

    # -- the callers

    async def run(self, seconds: float) -> None:
        """Calls on every line until `seconds` have passed; those that go on then are brought to their end."""
        until = time.monotonic() + seconds
        lines = [self._line(n, until) for n in range(self.callers)]
        await asyncio.gather(*lines)

    async def _line(self, n: int, until: float) -> None:
        await asyncio.sleep(n * 0.1)  # a second brings ten calls at most
        gateway = self.gateways[n % len(self.gateways)]
        while time.monotonic() < until:
            talk = Talk(self._new_number(), *next(self._tones))
            self.talks.append(talk)
            self._by_number[talk.caller] = talk
            try:
                await self._one(gateway, talk)
            except (CallEnded, TimeoutError, NotHappened, NotHeard) as error:
                if not talk.lost_at:
                    talk.lost_at = "talk" if talk.talked else "setup"
                    talk.faults.append(f"{talk.caller}: {type(error).__name__}: {error}")
            if talk.call is not None:
                talk.ended_at = talk.ended_at or time.time()
                await self._quietly_ended(talk.call)

    async def _one(self, gateway: Gateway, talk: Talk) -> None:
        call = talk.call = await gateway.dial(talk.caller, "4008001000")
        if not await self._reaches(talk, "dialled", call.answered(20)):
            return
        talk.contact = await self.events.contact_of(talk.caller, 30)
        if not await self._reaches(talk, "menu", self.events.first("contact_notice_played", 40, subject=talk.contact)):
            return
        pressed = time.monotonic()
        call.send_digits(random.choice((SALES, SUPPORT)) if len(self.agents) >= 90 else SALES)
        if not await self._reaches(talk, "queue", asyncio.wait_for(talk.met.wait(), 60)):
            return
        call.say(talk.up)
        since = call.heard_s
        await call.hears(talk.down, 20, since=max(0.0, since - 2))
        self._waited.append(time.monotonic() - pressed)
        talk.answered_at = time.time()
        began = call.stream.length, talk.agent_call.stream.length if talk.agent_call else 0
        ended = asyncio.ensure_future(call.ended(self.talk_s * random.uniform(0.7, 1.3)))
        try:
            await ended
            talk.lost_at = "talk"
            talk.faults.append(f"{talk.caller}: dropped while talking, cause {call.cause}")
            return
        except TimeoutError:
            talk.ended_at = time.time()
        heard = self._heard(talk, *began)
        first, second = random.sample((call, talk.agent_call or call), 2)
        await first.hang_up(within_s=ENDED_WITHIN_S)
        await second.ended(ENDED_WITHIN_S)
        async with self._judging:  # beside the loop: it takes a third of a second, and many calls end at once
            talk.faults += await asyncio.to_thread(self._listened, talk.caller, heard)

    async def _reaches(self, talk: Talk, where: str, step: object) -> bool:
        """Whether the call got past this; one that ended by itself is noted with its place."""
        assert talk.call is not None
        going = asyncio.ensure_future(step)  # type: ignore[arg-type]
        over = asyncio.ensure_future(talk.call.ended(200))
        await asyncio.wait({going, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        await asyncio.gather(over, return_exceptions=True)
        if going.done() and going.exception() is None:
            return True
        going.cancel()
        why = (await asyncio.gather(going, return_exceptions=True))[0]
        talk.lost_at = where
        talk.faults.append(f"{talk.caller} in {where}: cause {talk.call.cause}, SIP {talk.call.sip_code}, {why!r}")
        return False

    async def _quietly_ended(self, call: Call) -> None:
        try:
            await call.hang_up()
        except (CallEnded, TimeoutError):
            return

    def _heard(self, talk: Talk, call_began: int, agent_began: int) -> list[tuple[str, Samples, int]]:
        """Who, what he has heard since they talked, and which tone it should be."""
        assert talk.call is not None and talk.agent_call is not None
        margin = round(SETTLED_S * RATE)
        return [
            ("customer", talk.call.stream.heard_since(call_began + margin), talk.down),
            ("agent", talk.agent_call.stream.heard_since(agent_began + margin), talk.up),
        ]

    def _listened(self, caller: str, heard: list[tuple[str, Samples, int]]) -> list[str]:
        """What each of the two heard: the other's tone alone, without a gap."""
        return [
            f"{caller} {who}: {fault}"
            for who, samples, tone in heard
            for fault in judged(samples, tone, gaps=self.strict)
        ]

    # -- the books

    async def judged(self, within_s: float = 60.0) -> Report:
        """Compares everything that happened with what the center has written down; call it after run()."""
        stuck = await self._stuck(within_s)
        cdrs = await self._cdrs(within_s)
        missing, worst = await self._recordings(cdrs, within_s)
        answered = [talk for talk in self.talks if talk.call is not None and "answered" in talk.call.times]
        numbers = Counter(cdr.number for cdr in cdrs)
        dropped = tuple(f for t in self.talks if t.lost_at == "talk" for f in t.faults)
        unserved = Counter(t.lost_at for t in self.talks if t.lost_at and t.lost_at != "talk")
        faults = [f for t in self.talks if self.strict or not t.lost_at or t.lost_at == "talk" for f in t.faults]
        return Report(
            dialled=len(self.talks),
            talked=sum(talk.talked for talk in self.talks),
            dropped=dropped,
            unserved=unserved,
            faults=tuple(faults),
            contacts_lost=sum(numbers[f"+86{talk.caller}"] == 0 for talk in answered),
            contacts_doubled=sum(numbers[f"+86{talk.caller}"] > 1 for talk in self.talks),
            recordings_missing=tuple(missing),
            agents_stuck=tuple(stuck),
            gap_worst_s=worst,
            setup_s=tuple(self._waited),
        )

    async def _asked(self, question: Callable[[], Awaitable[T]], within_s: float = 30.0) -> T:
        """The answer of an api that may be on its way back."""
        until = time.monotonic() + within_s
        while True:
            try:
                return await question()
            except ApiError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)

    async def _stuck(self, within_s: float) -> list[str]:
        """Agents who are neither ready nor paused though every call is over."""
        until, left = time.monotonic() + within_s, self.agents
        while left and time.monotonic() < until:
            states = {agent.id: agent.state for agent in await self._asked(self.lq.agents)}
            left = [f"{a} {states[a]}" for a in self.agents if states[a] not in ("ready", "paused", "phone_offline")]
            await asyncio.sleep(0.5)
        return left

    async def _cdrs(self, within_s: float) -> list[Cdr]:
        """Those of our callers, once each who was answered has one, or the time is up."""
        wanted = {f"+86{t.caller}" for t in self.talks if t.call is not None and "answered" in t.call.times}
        until = time.monotonic() + within_s
        while True:
            found = [cdr for cdr in await self._all_cdrs() if cdr.number in {f"+86{t.caller}" for t in self.talks}]
            if wanted <= {cdr.number for cdr in found} or time.monotonic() > until:
                return found
            await asyncio.sleep(0.5)

    async def _all_cdrs(self) -> list[Cdr]:
        found: list[Cdr] = []
        cursor: str | None = None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = await self._asked(partial(self.lq.cdrs, limit=500, **more))
            found += page.items
            cursor = page.next
            if cursor is None:
                return found

    async def _recordings(self, cdrs: list[Cdr], within_s: float) -> tuple[list[str], float]:
        """Of every talked call: stored, both voices on the right side. Which are missing, and the worst gap."""
        by_number, missing, worst = {cdr.number: cdr for cdr in cdrs}, [], 0.0
        for talk in self.talks:
            cdr = by_number.get(f"+86{talk.caller}")
            if not talk.talked or cdr is None:
                continue
            file = await self._file(cdr, within_s)
            if file is None:
                missing.append(f"{talk.caller}: {cdr.recording_id}")
                continue
            left, right = await speech.read_wav(file)
            sides = (("recording left", left, talk.up), ("recording right", right, talk.down))
            for side, samples, tone in sides:
                heard, gap = await asyncio.to_thread(_voice, samples, tone)
                worst = max(worst, gap)
                wanted = talk.ended_at - talk.answered_at - 2 * SETTLED_S if self.strict else 1.0
                if heard < wanted:
                    talk.faults.append(f"{talk.caller} {side}: {tone} Hz without a break for {heard:.1f} s only")
        return missing, worst

    async def _file(self, cdr: Cdr, within_s: float) -> Path | None:
        """The stored recording; None when it is still not there after `within_s`."""
        until = time.monotonic() + within_s
        while cdr.recording_id:
            recording = await self._asked(partial(self.lq.recording, cdr.recording_id))
            if recording.state in ("stored", "verified"):
                stored = next((e for e in self.events.seen if e.subject == recording.id and "path" in e.data), None)
                if stored is not None:
                    return self.place.home / "recordings" / str(stored.data["path"])
            if time.monotonic() > until:
                return None
            await asyncio.sleep(0.2)
        return None

    # -- odds and ends

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _new_number(self) -> str:
        return f"139{random.randrange(10**8):08}"

    def _pairs(self) -> Iterator[tuple[int, int]]:
        n = 0
        while True:
            up = audio.TONES[n % len(audio.TONES)]
            down = audio.TONES[(n + 1 + n // len(audio.TONES) % (len(audio.TONES) - 1)) % len(audio.TONES)]
            yield up, down
            n += 1


def judged(heard: Samples, tone: int, *, gaps: bool) -> list[str]:
    """What is wrong with this stretch of talk: another voice, or (if they count) a gap."""
    if len(heard) < RATE:
        return [f"{len(heard) / RATE:.1f} s of {tone} Hz only"]
    faults = []
    among = audio.tones(heard)
    if among != {tone}:
        faults.append(f"heard {sorted(among)} instead of {tone} Hz")
    found = audio.gaps(heard, longer_than=LONGEST_GAP_S) if gaps else []
    return faults + [f"a gap of {duration * 1000:.0f} ms at {start:.2f} s" for start, duration in found]


def _voice(samples: Samples, tone: int) -> tuple[float, float]:
    """For how long without a break this tone is in a recording (s, to 0.1), and the longest hole inside of that."""
    step = RATE // 10
    there = [audio.goertzel(samples[at : at + step], tone) > -40 for at in range(0, len(samples) - step, step)]
    best = begin = 0
    run = 0
    for n, heard in enumerate([*there, False]):
        if heard:
            run += 1
        elif run > best:
            best, begin, run = run, n - run, 0
        else:
            run = 0
    inner = samples[(begin + 1) * step : (begin + best - 1) * step]  # it may begin and end within a step
    return best / 10, max((duration for _, duration in audio.gaps(inner, longer_than=0.005)), default=0.0)
