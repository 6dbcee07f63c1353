"""A pause, from the media desk to the WAV: what was said in it is on no disk, the hole is told, it stays one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact, Leg, Recording
from lq.contacts.media_desk import MediaDesk
from lq.media.engines import Engines
from lq.media.leg import MediaLeg
from lq.trunks.numbers import Number
from tests.center import Center
from tests.integration.media.conftest import Studio, sdp
from tests.integration.media.endpoint import Endpoint
from tests.integration.recorder import process
from tests.integration.recorder.conftest import Books, recorded, spool_files, until, url
from tests.simulator import audio

OPEN, SECRET = 440, 990


@dataclass
class Desk:
    """A contact whose customer leg is recorded, by the desk of a node."""

    studio: Studio
    phone: Endpoint
    leg: MediaLeg
    desk: MediaDesk
    contact: Contact
    told: asyncio.Queue[inputs.Input] = field(default_factory=asyncio.Queue)
    asked: list[int] = field(default_factory=list)  # packets said when a pause or its end was asked for …
    answered: list[int] = field(default_factory=list)  # … and when it was answered

    @property
    def recording(self) -> str:
        assert self.contact.recording is not None
        return self.contact.recording.id

    async def does(self, effect: do.Effect) -> inputs.Input:
        self.desk.perform(self.contact, [effect])
        return await asyncio.wait_for(self.told.get(), 15)

    async def heard(self, kind: type) -> bool:
        """Waits for such an input."""
        async with asyncio.timeout(15):
            while not isinstance(await self.told.get(), kind):
                continue
        return True

    async def pause(self, command: str = "p") -> None:
        effect = do.PauseRecording(1, self.recording, command)
        assert await self._at(effect) == inputs.RecordingPaused(1, command)

    async def resume(self) -> None:
        assert await self._at(do.ResumeRecording(1, self.recording, "r")) == inputs.RecordingResumed(1, "r")

    async def _at(self, effect: do.Effect) -> inputs.Input:
        self.asked.append(len(self.phone.sent))
        told = await self.does(effect)
        self.answered.append(len(self.phone.sent))
        return told

    def is_pause(self, seconds: float, n: int) -> bool:
        """Whether the n-th pause was as long; by the phone's packets, of which some may be on their way."""
        least, most = self.asked[2 * n + 1] - self.answered[2 * n], self.answered[2 * n + 1] - self.asked[2 * n]
        return (least - 5) * 0.02 <= seconds <= (most + 5) * 0.02

    async def says(self, frequency: int, packets: int = 50) -> None:
        self.phone.say(audio.tone(frequency, 1.0))
        await self.phone.has_sent(packets)

    async def says_no_more(self, frequency: int) -> None:
        """Says this from now on, and rtpengine has read what was said before: its control may overtake its media."""
        self.phone.say(audio.tone(frequency, 1.0))
        await self.phone.has_sent(5)
        await asyncio.sleep(0.1)  # the five may have gone at once, after a halt

    async def hang_up(self) -> None:
        assert await self.does(do.DeleteMedia(1)) == inputs.MediaDeleted(1)


async def recording_desk(studio: Studio, spool: Path | None = None) -> Desk:
    spool = spool or studio.center.home.spool
    phone = await studio.party()
    phone.catches_up = True  # what is missing in the recording, the recorder has lost
    contact_id = studio.name().replace(".", "-")
    leg, _ = await studio.engine.incoming(f"{contact_id}.1", sdp(phone))
    phone.talk(leg.local_port, audio.tone(OPEN, 1.0))
    number = Number("1", "1", "1", "extension")
    contact = Contact(
        contact_id, "talking", "in", 1, number, number, "trunk:gw1", "echo",
        legs={1: Leg(1, "customer", "in", "1", "answered", media=leg.to_json())},
        recording=Recording(f"{contact_id}-r1", "whole", 1, "planned"),
    )  # fmt: skip
    studio.engine.spool = spool
    desk = Desk(studio, phone, leg, MediaDesk(Engines([studio.engine]), studio.mixer), contact)

    def deliver(contact: str, given: inputs.Input) -> bool:
        desk.told.put_nowait(given)
        return True

    desk.desk.deliver = deliver
    assert await desk.does(do.StartRecording(1, desk.recording)) == inputs.RecordingStarted(1)
    assert contact.recording is not None
    desk.contact = replace(contact, recording=replace(contact.recording, state="active"))
    desk.desk.perform(desk.contact, [])
    return desk


@pytest.fixture
async def desk(studio: Studio) -> AsyncIterator[Desk]:
    new = await recording_desk(studio)
    yield new
    new.desk.forget(new.contact.id)


def on_disk(center: Center, secret: Sequence[bytes]) -> list[str]:
    """Files of the center that hold a packet of it."""
    files = [*center.home.spool.rglob("*"), *center.home.recordings.rglob("*"), *center.home.log.rglob("*")]
    return [str(file) for file in files if file.is_file() and _holds(file, secret)]


def _holds(file: Path, secret: Sequence[bytes]) -> bool:
    data = file.read_bytes()
    return any(payload in data for payload in secret)


def secret_payloads() -> list[bytes]:
    return payloads(SECRET)


def payloads(frequency: int) -> list[bytes]:
    return sorted(set(audio.frames(audio.tone(frequency, 1.0))))


def told(center: Center, recording: str) -> list[tuple[int, float, float, str]]:
    gaps = recorded(center.home.recordings, recording).stored.gaps
    return [(gap["channel"], gap["start_s"], gap["duration_s"], gap["reason"]) for gap in gaps]


async def test_what_is_said_in_a_pause_is_on_no_disk(desk: Desk, books: Books) -> None:
    center = desk.studio.center
    await desk.says(OPEN)
    assert on_disk(center, payloads(OPEN))  # so it would be found
    desk.phone.say(audio.silence(0.02))  # nothing secret before the answer says that it may be told
    await desk.pause()
    await desk.says(SECRET, 100)
    assert on_disk(center, secret_payloads()) == []
    await desk.says_no_more(OPEN)
    await desk.resume()
    await desk.says(OPEN)
    assert on_disk(center, secret_payloads()) == [] and await books.of(desk.recording) == []
    await desk.pause()
    await desk.says(SECRET, 25)
    await desk.says_no_more(OPEN)
    await desk.resume()
    await desk.says(OPEN)
    await desk.hang_up()
    events = await books.verified(desk.recording)
    assert [event.type for event in events] == ["recording_stored", "recording_verified"]
    await until(lambda: not [f for f in spool_files(center.home.spool) if desk.contact.id in f], "an empty spool")
    assert on_disk(center, secret_payloads()) == []
    result = recorded(center.home.recordings, desk.recording)
    heard = audio.decode(result.left)
    assert audio.tones(heard[:6400]) == {OPEN} and audio.tones(heard[-6400:]) == {OPEN}
    first, second = [gap for gap in told(center, desk.recording) if gap[0] == 0]
    assert (first[3], second[3]) == ("paused", "paused")
    assert desk.is_pause(first[2], 0) and desk.is_pause(second[2], 1)
    assert set(heard[round(first[1] * 8000) : round((first[1] + first[2]) * 8000)]) == {8}
    right = [gap for gap in told(center, desk.recording) if gap[0] == 1]  # he heard nothing at all
    assert [gap[3] for gap in right] == ["no packets", "paused", "no packets", "paused", "no packets"]


async def test_a_call_that_ends_in_a_pause_is_stored_at_once(desk: Desk, books: Books) -> None:
    await desk.says(OPEN)
    await desk.pause()
    await desk.says(SECRET)
    assert await books.of(desk.recording) == []
    await desk.hang_up()
    await books.verified(desk.recording)
    result = recorded(desk.studio.center.home.recordings, desk.recording)
    assert audio.tones(audio.decode(result.left)[:6400]) == {OPEN}
    assert on_disk(desk.studio.center, secret_payloads()) == []


async def test_a_pause_that_is_asked_for_twice_is_one(desk: Desk, books: Books) -> None:
    """As another node does that takes the contact over."""
    await desk.says(OPEN)
    await desk.pause()
    await desk.pause("")
    await desk.says(SECRET, 25)
    await desk.says_no_more(OPEN)
    await desk.resume()
    await desk.resume()
    await desk.says(OPEN)
    await desk.hang_up()
    await books.verified(desk.recording)
    assert [gap[3] for gap in told(desk.studio.center, desk.recording) if gap[0] == 0] == ["paused"]


async def test_what_is_ordered_while_the_leg_moves_holds_where_it_is_heard_again(desk: Desk, books: Books) -> None:
    """rtpengine took a start for a leg whose phone had not answered yet, and said that it failed."""
    center, engine = desk.studio.center, desk.studio.engine
    await desk.says(OPEN)
    desk.phone.say(audio.silence(0.02))
    await desk.pause()
    await engine.delete(desk.leg.id)
    for paused in (True, False):
        if not paused:
            await engine.delete(desk.leg.id)
        moved = await desk.does(do.Move(1))  # it is made anew
        assert isinstance(moved, inputs.MediaMoved)
        await desk.resume()
        if paused:
            await desk.pause()
        ready = await desk.does(do.TakeAnswer(1, sdp(desk.phone)))
        assert isinstance(ready, inputs.MediaReady)
        desk.desk.perform(desk.contact, [do.ContinueRecording(1, desk.recording, paused)])
        desk.phone.talk(MediaLeg.from_json(moved.media).local_port)
        await until(lambda: desk.desk.is_quiet(desk.contact.id), "the recording goes on, or not")
        await desk.says(SECRET if paused else OPEN)
        await desk.says_no_more(OPEN)
    await desk.hang_up()
    await books.verified(desk.recording)
    assert on_disk(center, secret_payloads()) == []
    heard = audio.decode(recorded(center.home.recordings, desk.recording).left)
    assert audio.tones(heard[:6400]) == {OPEN} and audio.tones(heard[-6400:]) == {OPEN}


@pytest.mark.slow
async def test_what_a_stranger_sends_to_the_phones_port_is_not_in_its_recording(desk: Desk, books: Books) -> None:
    """rtpengine, which has learned where the phone is, lets nobody hear it, and records it."""
    await desk.says(OPEN, 200)
    desk.desk.perform(desk.contact, [do.Echo(1)])  # it is pointed with what was learned
    stranger = await desk.studio.party()
    stranger.talk(desk.leg.local_port, audio.tone(SECRET, 1.0))
    await stranger.has_sent(100)
    assert on_disk(desk.studio.center, secret_payloads())
    await desk.hang_up()
    await books.verified(desk.recording)
    heard = audio.decode(recorded(desk.studio.center.home.recordings, desk.recording).left)
    assert len(heard) > 5.5 * 8000
    parts = [heard[at : at + 1600] for at in range(1600, len(heard) - 1600, 1600)]
    assert {tone for part in parts for tone in audio.tones(part)} == {OPEN}


@pytest.mark.kills
@pytest.mark.slow
async def test_a_restart_of_rtpengine_and_recorder_ends_no_pause(own_studio: Studio, own_books: Books) -> None:
    center = own_studio.center
    home = center.home
    running = await process.recorder(home.spool, home.recordings, url(center, "recorder"))
    desk = await recording_desk(own_studio)
    await desk.says(OPEN)
    desk.phone.say(audio.silence(0.02))
    await desk.pause()
    running.kill()
    await running.wait()
    for _ in range(2):
        killed = center.kill("rtpengine")
        await center.back("rtpengine", killed)
        await desk.says(SECRET)
        assert on_disk(center, secret_payloads()) == []
    running = await process.recorder(home.spool, home.recordings, url(center, "recorder"))
    desk.phone.say(audio.tone(OPEN, 1.0))
    await desk.phone.has_sent(10)
    await desk.resume()
    await desk.says(OPEN, 100)
    killed = center.kill("rtpengine")
    await center.back("rtpengine", killed)
    await desk.says(OPEN, 100)
    await desk.hang_up()
    await own_books.verified(desk.recording)
    await until(lambda: spool_files(home.spool) == [], f"{spool_files(home.spool)}")
    reasons = [gap[3] for gap in told(center, desk.recording) if gap[0] == 0]
    assert reasons == ["paused", "no packets"]
    heard = audio.decode(recorded(home.recordings, desk.recording).left)
    assert audio.tones(heard[:4000]) == {OPEN} and audio.tones(heard[-8000:]) == {OPEN}
    assert on_disk(center, secret_payloads()) == []
    assert await process.ended(running) == 0
    desk.desk.forget(desk.contact.id)
