"""The media desk with an engine that has a fault nobody thought of."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Call, Contact, Dial, Leg, LegState, Mobile
from lq.contacts.media_desk import MediaDesk
from lq.media.engines import EngineLost, Engines
from lq.media.leg import MediaLeg, Park, Peer
from lq.media.mixer.client import Mixer, MixerError, MixerUnavailable
from lq.trunks.numbers import Number
from lq.trunks.routes import Way

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


class Preparing(Broken):
    """Notes of which legs the RTP may come from the address in their description only."""

    def __init__(self) -> None:
        self.strict: dict[str, bool] = {}

    async def outgoing(self, leg_id: str, *, strict: bool, **more: object) -> tuple[MediaLeg, str]:
        self.strict[leg_id] = strict
        return MediaLeg(leg_id, "out", strict=strict), "offer"


def _contact(**changes: Any) -> Contact:
    legs = {n: Leg(n, "agent", "out", "1", "inviting") for n in (1, 2, 3)}
    return replace(CONTACT, **{"source": "phone:8001", "legs": legs, **changes})


WAYS = (Way("gw1", "13900139000", ""),)
DIAL = Dial(WAYS, "", "none", leg=2)


@pytest.mark.parametrize(
    ("contact", "by_trunk"),
    [
        (_contact(), set()),
        (_contact(dial=DIAL), {2}),
        (_contact(calls={2: Call("consult", "out:13900139000", 1, dial=DIAL), 3: Call("monitor", "agent:1901")}), {2}),
        (_contact(source="conference:board", calls={1: Call("invite", "out:1", dial=replace(DIAL, leg=1))}), {1}),
        (_contact(legs={**_contact().legs, 3: replace(_contact().legs[3], mobile=Mobile(WAYS))}), {3}),
        (_contact(legs={1: replace(_contact().legs[1], mobile=Mobile(WAYS))}), {1}),  # who calls from his desk
        (_contact(source="trunk:gw1"), {1}),
    ],
)
async def test_the_voice_of_a_trunk_comes_from_its_description_only(contact: Contact, by_trunk: set[int]) -> None:
    """Whoever is called by one, into a talk too, and an agent at his mobile: nobody else has 3 s to be heard in."""
    engine = Preparing()
    desk = MediaDesk(cast(Engines, engine), cast(Mixer, engine))
    told: asyncio.Queue[inputs.Input] = asyncio.Queue()

    def deliver(contact: str, given: inputs.Input) -> bool:
        told.put_nowait(given)
        return True

    desk.deliver = deliver
    desk.perform(contact, [do.PrepareOutgoing(n) for n in contact.legs])
    for _ in contact.legs:
        assert isinstance(await asyncio.wait_for(told.get(), 3), inputs.MediaReady)
    assert {int(leg.rpartition(".")[2]) for leg, strict in engine.strict.items() if strict} == by_trunk
    await desk.close()


class Ordered:
    """Engine and mixer that note what is asked of them."""

    rtp = ("127.0.0.1", 9999)

    def __init__(self) -> None:
        self.asked: list[str] = []

    spools: tuple[Path, ...] = ()

    def lost(self, leg: MediaLeg) -> bool:
        return False

    async def point(self, leg: MediaLeg, peer: Peer) -> MediaLeg:
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


async def test_who_plays_or_is_parked_for_a_dead_node_leaves_the_room_that_he_may_be_in_still() -> None:
    """A customer on hold would hear the others, an agent on hold would be heard."""
    two = talking("answered", "answered")
    legs = {n: replace(two.legs[n], peer=peer) for n, peer in ((1, "mixer"), (2, "park"))}
    found = await asked(replace(two, legs=legs), do.StartPlay(1, "p1", ("music",), 0), do.Park(2))
    assert found.index("room c1.1") < found.index("play") and "room c1.2" in found


class Picky(Ordered):
    """A mixer that has the shipped music only; `away`: so many times it is not there first."""

    def __init__(self, away: int = 0) -> None:
        super().__init__()
        self.away = away

    async def play(self, *what: object) -> None:
        _, play, items, repeat, started_at = what
        self.asked.append(f"play {play} {items} {repeat} {started_at}")
        if self.away:
            self.away -= 1
            raise MixerUnavailable("no mixer")
        if items != ("music/hold",):
            raise MixerError("no such item")


@pytest.mark.parametrize("away", [0, 1])
async def test_a_queues_music_that_is_not_there_is_the_shipped_one(away: int) -> None:
    """Nothing is worse: on hold a leg that hears silence is sent no packets, and gateways hang up after a while."""
    media = Picky(away)
    desk = MediaDesk(cast(Engines, media), cast(Mixer, media))
    told = asyncio.Event()
    desk.deliver = lambda contact, given: told.set() or True  # type: ignore[func-returns-value]
    with capture_logs() as logs:
        desk.perform(talking("answered"), [do.StartPlay(1, "p1", ("music/gone",), 0, 5), do.DeleteMedia(1)])
        await asyncio.wait_for(told.wait(), 3)
    await desk.close()
    gone, shipped = "play p1 ('music/gone',) 0 5", "play p1 ('music/hold',) 0 5"
    assert media.asked == ["join", *([gone] * away), gone, shipped, "point c1.1", "leave", "delete"]
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["music refused: the shipped one is heard"]


async def test_what_is_played_once_and_is_not_there_is_told_so() -> None:
    """Whoever waits for its end goes on; music in its place would never end."""
    media = Picky()
    desk = MediaDesk(cast(Engines, media), cast(Mixer, media))
    told: asyncio.Queue[inputs.Input] = asyncio.Queue()
    desk.deliver = lambda contact, given: told.put_nowait(given) or True  # type: ignore[func-returns-value]
    desk.perform(talking("answered"), [do.StartPlay(1, "p1", ("zh/gone",), 1)])
    assert await asyncio.wait_for(told.get(), 3) == inputs.Played(1, "p1", complete=False)
    await desk.close()
    assert media.asked == ["join", "point c1.1", "play p1 ('zh/gone',) 1 0"]


# -- the mixer is away -------------------------------------------------------------------------------------------------
class Away(Ordered):
    """… and a mixer that is not there until it is said to be."""

    def __init__(self) -> None:
        super().__init__()
        self.there = False
        self.news = asyncio.Event()

    async def point(self, leg: MediaLeg, peer: Peer) -> MediaLeg:
        self._note(f"{'park' if isinstance(peer, Park) else 'point'} {leg.id}")
        return replace(leg, peer_port=9 if isinstance(peer, Park) else 9999)

    async def join(self, leg: str, address: str, *, dtmf: bool) -> None:
        if not self.there:
            raise MixerUnavailable("away")
        self._note(f"join {leg}")

    async def play(self, *what: object) -> None:
        self._note(f"play {what[0]}")

    async def connect(self, a: MediaLeg, b: MediaLeg, *, apart: bool) -> tuple[MediaLeg, MediaLeg]:
        self._note("connect")
        return a, b

    def _note(self, what: str) -> None:
        self.asked.append(what)
        self.news.set()

    async def until(self, *wanted: str) -> None:
        async with asyncio.timeout(3):
            while not set(wanted) <= set(self.asked):
                self.news.clear()
                await self.news.wait()

    def let_go(self, leg: str) -> None:
        pass


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("APART_S", 0.01), ("MIXER_S", 0.05), ("RETRY_S", 0.01)):
        monkeypatch.setattr(f"lq.contacts.media_desk.{name}", seconds)


async def quiet(desk: MediaDesk) -> None:
    async with asyncio.timeout(3):
        while not desk.is_quiet("c1"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


HOLD = (do.StartPlay(1, "p1", ("music",), 0), do.Park(2))


async def test_who_is_put_on_hold_hears_nobody_though_the_mixer_is_away_and_music_when_it_is_back(
    impatient: None,
) -> None:
    """Before, the two went on talking, and it was shown as a hold."""
    media = Away()
    desk = MediaDesk(cast(Engines, media), cast(Mixer, media))
    desk.perform(talking("answered", "answered"), HOLD)
    await media.until("park c1.1", "park c1.2")
    await quiet(desk)
    assert media.asked.count("park c1.1") == media.asked.count("park c1.2") == 1
    media.there = True
    desk._mixer_is_back()
    await media.until("play c1.1", "point c1.1", "stop c1.2", "point c1.2")
    await quiet(desk)
    media.asked.clear()
    desk._mixer_is_back()  # again
    await quiet(desk)
    assert media.asked == []
    await desk.close()


async def test_who_mutes_himself_is_not_heard_though_the_mixer_is_away(impatient: None) -> None:
    media = Away()
    desk = MediaDesk(cast(Engines, media), cast(Mixer, media))
    muted = do.Confer(2, "r", talk=False, hear=True)
    desk.perform(talking("answered", "answered"), [do.Confer(1, "r", talk=True, hear=True), muted])
    await media.until("park c1.2")
    await quiet(desk)
    assert media.asked == ["park c1.2"]
    media.there = True
    desk._mixer_is_back()
    await media.until("room c1.1", "point c1.1", "room c1.2", "point c1.2")
    await desk.close()


async def test_three_who_meet_talk_on_as_two_while_the_mixer_is_away(impatient: None) -> None:
    media = Away()
    desk = MediaDesk(cast(Engines, media), cast(Mixer, media))
    contact = talking("answered", "answered")
    desk.perform(contact, [do.Confer(n, "r", talk=True, hear=True) for n in (1, 2)])
    await quiet(desk)
    assert media.asked == []
    await desk.close()


async def test_what_is_wanted_meanwhile_is_not_undone_when_the_mixer_is_back(impatient: None) -> None:
    media = Away()
    desk = MediaDesk(cast(Engines, media), cast(Mixer, media))
    desk.perform(talking("answered", "answered"), HOLD)
    desk.perform(talking("answered", "answered"), [do.Connect(1, 2)])
    media.there = True
    desk._mixer_is_back()  # while it is still busy with the first
    await quiet(desk)
    connected = media.asked.index("connect")
    assert media.asked[connected:] == ["connect", "leave", "leave"]
    await desk.close()


# -- an rtpengine that hung --------------------------------------------------------------------------------------------
class Hung(Ordered):
    """The only one."""

    is_lost = False

    def lost(self, leg: MediaLeg) -> bool:
        return self.is_lost

    async def knows(self, leg: MediaLeg) -> bool:
        return True

    async def move(self, leg: MediaLeg) -> tuple[MediaLeg, str]:
        if self.is_lost:
            raise EngineLost("lost")
        return replace(leg, x_port=0), "offer"


async def told_by(desk: MediaDesk, contact: Contact, *effects: do.Effect) -> inputs.Input:
    told: asyncio.Queue[inputs.Input] = asyncio.Queue()

    def deliver(contact: str, given: inputs.Input) -> bool:
        told.put_nowait(given)
        return True

    desk.deliver = deliver
    desk.perform(contact, effects)
    return await asyncio.wait_for(told.get(), 3)


async def test_legs_that_have_nowhere_to_go_move_as_soon_as_an_rtpengine_is_back() -> None:
    two = talking("answered", "answered")
    two = replace(two, legs={**two.legs, 1: replace(two.legs[1], moves=1)})
    media = Hung()
    desk = MediaDesk(cast(Engines, media), cast(Mixer, media))
    assert isinstance(await told_by(desk, two, do.Move(2)), inputs.MediaMoved)
    media.is_lost = True
    assert await told_by(desk, two, do.Move(1)) == inputs.MediaFailed(1, "unavailable")
    media.is_lost = False
    desk._engine_is_back("")
    moved = await told_by(desk, two)
    assert isinstance(moved, inputs.MediaMoved) and moved.leg == 1
    await desk.close()
