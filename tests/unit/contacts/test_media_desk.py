"""The media desk with an engine that has a fault nobody thought of."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact, Leg, LegState
from lq.contacts.media_desk import MediaDesk
from lq.media.engines import Engines
from lq.media.leg import MediaLeg
from lq.media.mixer.client import Mixer
from lq.trunks.numbers import Number

NUMBER = Number("1", "1", "1", "extension")
CONTACT = Contact(
    "c1", "arriving", "in", 1, NUMBER, NUMBER, "trunk:gw1", "echo", legs={1: Leg(1, "customer", "in", "1", "arriving")}
)


class Broken:
    """Both of engine and mixer, as far as this test comes."""

    async def incoming(self, leg_id: str, sdp: str, **more: object) -> tuple[MediaLeg, str]:
        raise RuntimeError("a fault")

    spools: tuple[Path, ...] = ()

    def lost(self, leg: MediaLeg) -> bool:
        return False

    async def close(self) -> None:
        pass


async def test_a_contact_never_waits_for_media_that_will_not_come() -> None:
    desk = MediaDesk(cast(Engines, Broken()), cast(Mixer, Broken()))
    told: asyncio.Queue[inputs.Input] = asyncio.Queue()

    def deliver(contact: str, given: inputs.Input) -> bool:
        told.put_nowait(given)
        return True

    desk.deliver = deliver
    desk.perform(CONTACT, [do.PrepareIncoming(1, "v=0")])
    assert await asyncio.wait_for(told.get(), 3) == inputs.MediaFailed(1, "refused")
    await desk.close()


class Ordered:
    """Engine and mixer that note what is asked of them."""

    rtp = ("127.0.0.1", 9999)

    def __init__(self) -> None:
        self.asked: list[str] = []

    spools: tuple[Path, ...] = ()

    def lost(self, leg: MediaLeg) -> bool:
        return False

    async def point(self, leg: MediaLeg, peer: object) -> MediaLeg:
        self.asked.append(f"point {leg.id}")
        return leg

    async def connect(self, a: MediaLeg, b: MediaLeg, *, apart: bool) -> tuple[MediaLeg, MediaLeg]:
        self.asked.append("connect")
        return a, b

    async def join(self, leg: str, address: str, *, dtmf: bool) -> None:
        self.asked.append("join")

    async def play(self, *what: object) -> None:
        self.asked.append("play")

    async def room(self, leg: str, room: str | None, **more: object) -> None:
        self.asked.append(f"room {leg}")

    async def stop(self, leg: str) -> None:
        self.asked.append(f"stop {leg}")

    async def leave(self, leg: str) -> None:
        self.asked.append("leave")

    async def delete(self, leg: MediaLeg) -> None:
        self.asked.append("delete")

    async def close(self) -> None:
        pass


def talking(*states: LegState) -> Contact:
    """Legs 1, 2 …; the second hears the first, and so on round the circle."""
    numbers = range(1, len(states) + 1)
    media = {
        n: MediaLeg(f"c1.{n}", "in", x_port=n, peer_host="127.0.0.1", peer_port=n - 1 or len(states)) for n in numbers
    }
    legs = {
        n: Leg(n, "customer", "in", "1", state, media=media[n].to_json())
        for n, state in zip(numbers, states, strict=True)
    }
    return replace(CONTACT, legs=legs)


async def asked(contact: Contact, *effects: do.Effect) -> list[str]:
    """What engine and mixer are asked for by these effects and the end of the first leg."""
    media = Ordered()
    desk = MediaDesk(cast(Engines, media), cast(Mixer, media))
    told = asyncio.Event()
    desk.deliver = lambda contact, given: told.set() or True  # type: ignore[func-returns-value]
    desk.perform(contact, [do.DeleteMedia(1), *effects])
    await asyncio.wait_for(told.wait(), 3)
    await desk.close()
    return media.asked


async def test_the_music_goes_on_until_the_voice_takes_its_place() -> None:
    """Thirty answers at once took 100 ms: as long was the hole, when the mixer was left first."""
    two = talking("answered", "ended")
    prompt, music = do.StartPlay(1, "p1", ("hello",), 1), do.StartPlay(1, "p1", ("music",), 0)
    bridge = ["connect", "leave", "delete"]
    assert await asked(two, prompt, do.Connect(1, 2)) == ["join", "point c1.1", "play", *bridge]
    assert await asked(two, music, do.Connect(1, 2)) == ["join", "play", "point c1.1", *bridge]


async def test_who_meet_in_a_room_turn_to_it_at_once() -> None:
    """One after the other, the first waited there for the voice of the second: 70 ms."""
    found = await asked(talking("answered", "answered"), do.Confer(1, "r", True, True), do.Confer(2, "r", True, True))
    rooms, points, stops = ([f"{what} c1.{n}" for n in (1, 2)] for what in ("room", "point", "stop"))
    assert found == ["join", "join", *rooms, *points, *stops, "leave", "delete"]


async def test_music_plays_before_either_of_two_who_are_parted_comes() -> None:
    music, ring = do.StartPlay(1, "p1", ("music",), 0), do.StartPlay(2, "p2", ("ring",), 0)
    found = await asked(talking("answered", "answered"), ring, music)
    assert found == ["join", "join", "play", "play", "point c1.2", "point c1.1", "leave", "delete"]


async def test_who_was_joined_with_others_is_parked_after_them_and_who_has_hung_up_is_not() -> None:
    assert await asked(talking("answered", "answered", "answered"), do.Connect(1, 2)) == [
        "connect", "point c1.3", "delete",
    ]  # fmt: skip
    assert await asked(talking("answered", "answered", "ended"), do.Connect(1, 2)) == ["connect", "delete"]
