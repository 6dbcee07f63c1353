"""A center of a test's own whose processes may be killed, with callers, phones and the books at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis

from lq.live.redis import Live
from lq.sdk.client import Client
from lq.sdk.errors import ApiError
from lq.sdk.values import Cdr
from ops.home import read_secrets
from tests.center import CALL_PATH, Center
from tests.conftest import OwnCenter
from tests.simulator import audio
from tests.simulator.audio import RATE, TONES
from tests.simulator.baresip import Baresip
from tests.simulator.call import Call
from tests.simulator.gateway import Answer, Gateway
from tests.simulator.place import Place
from tests.simulator.rtp import Media


@dataclass
class Pair:
    """A caller and an agent who talk, each with a tone of his own; `since`: what each had heard at `listen`."""

    call: Call
    talk: Call
    contact: str
    tones: tuple[int, int]
    since: tuple[float, float] = (0.0, 0.0)

    def listen(self) -> None:
        """What they hear from now on is looked at by `assert_heard`."""
        self.since = (self.call.heard_s, self.talk.heard_s)

    async def heard_for(self, seconds: float, within_s: float = 15.0) -> None:
        """Both have been sent so much more."""
        until = self.call.heard_s + seconds, self.talk.heard_s + seconds
        async with asyncio.timeout(within_s):
            while self.call.heard_s < until[0] or self.talk.heard_s < until[1]:  # noqa: ASYNC110 - time is waited for
                await asyncio.sleep(0.05)

    def assert_heard(self, longest_gap_s: float = 0.1) -> None:
        """Each heard the other, without a hole, and nobody else."""
        for party, since, tone in (
            (self.call, self.since[0], self.tones[1]),
            (self.talk, self.since[1], self.tones[0]),
        ):
            heard = party.heard[round(since * RATE) :]
            gaps = audio.gaps(heard, longer_than=longest_gap_s)
            assert gaps == [], (gaps, party, self.contact)
            assert audio.tones(heard[-RATE:]) == {tone}, (party, self.contact)


@dataclass
class Scene:
    center: Center
    place: Place
    gateway: Gateway
    lq: Client
    live: Live
    redis: Redis
    directory: Path
    stack: AsyncExitStack
    media: Media
    talking: list[Pair] = field(default_factory=list)

    async def pairs(self, count: int) -> list[Pair]:
        """So many callers of the sales queue who talk with agents 1001 …, all at once."""
        first = len(self.talking)
        made = await asyncio.gather(*(self._pair(n) for n in range(first, first + count)))
        self.talking += made
        for pair in made:
            await pair.call.hears(pair.tones[1], 20)
            await pair.talk.hears(pair.tones[0], 20)
        return list(made)

    async def _pair(self, n: int) -> Pair:
        ext, agent = str(8001 + n), str(1001 + n)
        phone = await self.stack.enter_async_context(self.place.softphone(ext, self.media, Answer(0.2)))
        async with asyncio.timeout(10):
            while (await self.live.phone_state(ext)).registered_until == 0:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.05)
        await self.lq.sign_in(agent, ext)
        number = f"138{n:08}"
        call = await self.gateway.dial(number, "4008001001")
        talk = await phone.rings(40)
        await talk.answered()
        tones = TONES[n % len(TONES)], TONES[(n + 5) % len(TONES)]
        # the queue gives this agent whoever waited longest
        caller = next(one for one in self.gateway.calls if one.caller.endswith(talk.caller[-8:]))
        del call
        caller.say(tones[0])
        talk.say(tones[1])
        return Pair(caller, talk, await self.contact(caller.caller, "talking", 20), tones)

    def phone(self, ext: str, answer_after_s: float | None = None) -> Baresip:
        return self.place.phone(ext, self.directory, answer_after_s=answer_after_s)

    async def in_queue(self, number: str) -> Call:
        """A caller of the sales queue who hears music."""
        call = await self.gateway.dial(number, "4008001001")
        await call.answered()
        await call.hears(self.place.prompt("music/hold"), 20)
        return call

    async def contact(self, number: str, state: str, within_s: float = 10.0) -> str:
        """The id of this caller's contact, once it is in that state."""
        async with asyncio.timeout(within_s):
            while True:
                for contact in (await self.lq.contacts(number=number)).items:
                    if contact.state == state:
                        return contact.id
                await asyncio.sleep(0.05)

    async def owner(self, contact: str) -> str:
        state = await self.live.contact(contact)
        assert state is not None
        return state.owner

    async def living_owner(self, contact: str) -> str:
        """Its owner, once that is a node that lives."""
        async with asyncio.timeout(15):
            while True:
                alive = {lease.incarnation for lease in await self.live.leases("lq")}
                if (now := await self.owner(contact)) in alive:
                    return now
                await asyncio.sleep(0.05)

    async def other_owner(self, contact: str, dead: str) -> str:
        async with asyncio.timeout(15):
            while (now := await self.owner(contact)) == dead:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.02)
        return now

    async def kill_owner(self, contact: str) -> None:
        """Returns when another node owns it."""
        dead = await self.owner(contact)
        self.center.kill(self.center.node_of(dead))
        await self.other_owner(contact, dead)

    async def cdr(self, contact: str) -> Cdr:
        async with asyncio.timeout(15):
            while True:
                for one in await self._cdrs():
                    if one.contact_id == contact:
                        return one
                await asyncio.sleep(0.05)

    async def _cdrs(self) -> Sequence[Cdr]:
        """None while the history is away; the api asks it again a second after it was."""
        try:
            return (await self.lq.cdrs()).items
        except ApiError as error:
            if error.code != "history_unavailable":
                raise
            return ()


@pytest.fixture
async def scene(own_center: OwnCenter, tmp_path: Path) -> AsyncIterator[Scene]:
    center = await asyncio.to_thread(own_center, LCALL_ONLY=CALL_PATH)
    place = Place.of(center)
    url = f"redis://ops:{read_secrets(center.home).redis['ops']}@127.0.0.1:{center.ports.redis}/0"
    live, redis = Live(url), Redis.from_url(url, decode_responses=True)
    media = Media()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, media.close)
        stack.push_async_callback(live.close)
        stack.push_async_callback(redis.aclose)
        gateway = await stack.enter_async_context(place.gateway(media=media))
        lq = await stack.enter_async_context(place.client())
        await lq.sign_in("1060", "8060")  # somebody is there, though his phone is not: callers wait
        yield Scene(center, place, gateway, lq, live, redis, tmp_path, stack, media)
