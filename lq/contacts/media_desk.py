"""The contact's legs as media: effects become commands to rtpengine and mixer, in order, off the contact's own task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.bench import Bench
from lq.contacts.contact import Contact
from lq.contacts.key_desk import KeyDesk
from lq.contacts.media_work import AtMixer, Listen, Owed, Together, Verify, Work, in_order, of_trunk, pointed, way_of
from lq.contacts.recording_desk import RecordingDesk
from lq.media.engines import EngineLost, Engines
from lq.media.leg import At, MediaLeg, Park
from lq.media.mixer.client import Mixer, MixerError, MixerUnavailable
from lq.media.prompts import MUSIC
from lq.media.rtpengine import NOWHERE, OFFERED, BadDescription, MediaError, NoCommonCodec
from lq.media.rtpengine import MediaUnavailable as RtpEngineUnavailable
from lq.media.sdp import is_hold
from lq.media.silence import Silence

log = structlog.get_logger()

PATIENCE_S: Final = 5.0  # mixer and rtpengine are back within a second; then what was wanted is given up, and said so
RETRY_S: Final = 0.1
MIXER_S: Final = 1.0  # likewise, of what is asked again when the mixer is back
APART_S: Final = 0.3  # so long nobody is heard where he should not be any more, whatever the mixer does

# The contact goes no further before it knows how these went.
_AWAITED: Final = (do.PrepareIncoming, do.PrepareOutgoing, do.TakeAnswer, do.TakeOffer, do.Move)


class MediaDesk:
    def __init__(self, engines: Engines, mixer: Mixer) -> None:
        self.deliver: Callable[[str, inputs.Input], bool] = lambda contact, given: False
        self.passed: Callable[[], Awaitable[None]] = _at_once  # returns when this node may act (lq/pulse.py)
        self.codecs: Callable[[str], tuple[str, ...]] = lambda trunk: OFFERED  # what a trunk is offered
        self._engines, self._mixer = engines, mixer
        engines.on_lost, engines.on_back = self._engine_is_lost, self._engine_is_back
        self._benches: dict[str, Bench] = {}
        self._recordings = RecordingDesk(engines, self._record_anew, self._patiently)
        self._keys = KeyDesk(engines, self._tell)
        self._silence = Silence(engines, self._talking, self._heard)
        self._watches: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        # An effect of many steps may be half done when the process is frozen.
        self._engines.hold_back(lambda: self.passed())
        self._mixer.passed = lambda: self.passed()
        await self._mixer.start(self._played, self._mixer_is_back, self._tone)
        await self._engines.start(self._digit)
        self._watches = [asyncio.create_task(each) for each in (self.watch_spools(), self._silence.watch())]

    async def close(self) -> None:
        tasks = [*self._watches, *(bench.task for bench in self._benches.values() if bench.task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._engines.close()
        await self._mixer.close()

    # -- what comes from the media ----------------------------------------------------------------------------------
    def _digit(self, leg_id: str, digit: str, duration_ms: int) -> None:
        contact, _, n = leg_id.rpartition(".")
        if n.isdigit():  # rtpengine tells every node of all keys; another's contact is not ours to find
            self.deliver(contact, inputs.Digit(int(n), digit, "rtp", duration_ms))

    def _tone(self, leg_id: str, digit: str, duration_ms: int) -> None:
        contact, _, n = leg_id.rpartition(".")
        self.deliver(contact, inputs.Digit(int(n), digit, "inband", duration_ms))

    def _played(self, leg_id: str, play: str, complete: bool) -> None:
        contact, _, n = leg_id.rpartition(".")
        self.deliver(contact, inputs.Played(int(n), play, complete))

    def _mixer_is_back(self) -> None:
        """It sets legs and plays again itself; what it could not be asked for is asked now."""
        for bench in self._benches.values():
            if bench.owed or bench.busy:
                bench.work.put_nowait(Owed())

    def _engine_is_lost(self, engine: str) -> None:
        for bench in self._benches.values():
            self._look_for_lost(bench)

    def _look_for_lost(self, bench: Bench) -> None:
        for n, leg in bench.legs.items():
            if self._engines.lost(leg):
                self._tell(bench, inputs.MediaLost(n, "engine", leg.engine))

    def _engine_is_back(self, engine: str) -> None:
        """It has restored its calls, or it has not: each of ours is asked for."""
        for bench in self._benches.values():
            bench.work.put_nowait(Verify(engine))

    async def _verify(self, bench: Bench, engine: str) -> None:
        for left in [left for left in bench.left if left[0] == engine]:
            bench.left.discard(left)
            if not any(leg.id == left[1] and leg.engine == engine for leg in bench.legs.values()):
                await self._engines.forget(*left)
        for n, leg in list(bench.legs.items()):
            if leg.engine != engine:
                continue
            if not await self._engines.knows(leg):
                self._tell(bench, inputs.MediaLost(n, "unknown", engine))
            elif leg.x_port and n in bench.contact.legs and bench.contact.legs[n].moves:  # there was none to move to
                await self._negotiate(bench, do.Move(n))

    def _talking(self) -> Iterator[MediaLeg]:
        """Legs whose phones should be heard now."""
        for bench in self._benches.values():
            for n, leg in bench.legs.items():
                known = bench.contact.legs.get(n)
                may = leg.x_port and leg.direction in ("sendrecv", "recvonly")
                if may and known is not None and known.state == "answered" and not (known.held or known.moves):
                    yield leg

    def _heard(self, leg: MediaLeg, what: str) -> None:
        contact, _, n = leg.id.rpartition(".")
        if what == "elsewhere":
            if bench := self._benches.get(contact):
                bench.work.put_nowait(Listen(int(n)))
            return
        given: dict[str, inputs.Input] = {
            "silent": inputs.PhoneSilent(int(n), leg.engine),
            "heard": inputs.PhoneHeard(int(n), leg.engine),
            "unknown": inputs.MediaLost(int(n), "unknown", leg.engine),
        }
        self.deliver(contact, given[what])

    async def _listen(self, bench: Bench, n: int) -> None:
        leg = bench.legs.get(n)
        if leg is not None and leg.kind == "rtp" and not leg.strict and leg.peer_port:
            bench.legs[n] = await self._engines.listen(leg)

    # -- what the contact wants -------------------------------------------------------------------------------------
    def perform(self, contact: Contact, effects: Sequence[do.Effect]) -> None:
        """Queue the media effects of a turn; results come as inputs."""
        bench, work = self._benches.get(contact.id), in_order(effects)
        if bench is None and work:
            bench = self._benches[contact.id] = Bench.of(contact)
            bench.task = asyncio.create_task(self._serve(bench), name=f"media {contact.id}")
            self._look_for_lost(bench)
        if bench is not None:
            bench.contact = contact
            for each in work:
                bench.work.put_nowait(each)

    async def calls(self) -> list[tuple[str, str]]:
        """Engine and call-id of all calls, whoever's."""
        return await self._engines.calls()

    async def delete_call(self, engine: str, call: str) -> None:
        """One that is nobody's."""
        await self._engines.forget(engine, call)

    def is_quiet(self, contact: str) -> bool:
        """Everything that this contact wanted has been done."""
        bench = self._benches.get(contact)
        return bench is None or not (bench.busy or bench.work.qsize())

    def abandon(self, contact: Contact) -> None:
        """Delete whatever the contact holds; nobody waits for it."""
        self.perform(contact, [do.DeleteMedia(n) for n, leg in contact.legs.items() if leg.media is not None])

    def forget(self, contact: str) -> None:
        bench = self._benches.get(contact)
        if bench is not None:
            bench.work.put_nowait(None)

    def drop(self, contact: str) -> None:
        """Another node's now: nothing more is done for it."""
        bench = self._benches.pop(contact, None)
        if bench is not None and bench.task is not None:
            bench.task.cancel()
            self._let_go(bench)

    def _let_go(self, bench: Bench) -> None:
        """A new mixer hears of these legs from the node that has them now, and not what they heard once."""
        for task in bench.typing:
            task.cancel()
        for n in bench.legs:
            self._mixer.let_go(bench.contact.leg_id(n))
            self._engines.let_go(bench.contact.leg_id(n))

    async def _serve(self, bench: Bench) -> None:
        structlog.contextvars.bind_contextvars(contact=bench.contact.id)
        while (effect := await bench.work.get()) is not None:
            await self.passed()
            bench.busy = True
            try:
                await self._one(bench, effect)
            except Exception:
                log.exception("media effect failed", effect=type(effect).__name__)
                if isinstance(effect, _AWAITED):
                    self._tell(bench, inputs.MediaFailed(effect.leg, "refused"))
            bench.busy = False
        self._let_go(bench)
        self._benches.pop(bench.contact.id, None)

    def _tell(self, bench: Bench, given: inputs.Input) -> None:
        self.deliver(bench.contact.id, given)

    async def _one(self, bench: Bench, effect: Work) -> None:
        for n in pointed(effect):
            bench.owed.pop(n, None)
        match effect:
            case Owed():
                await self._to_mixer(bench, tuple(bench.owed.values()))
            case Verify(engine):
                await self._verify(bench, engine)
            case Listen(n):
                await self._listen(bench, n)
            case do.PrepareIncoming() | do.PrepareOutgoing() | do.TakeAnswer() | do.TakeOffer() | do.Move():
                await self._negotiate(bench, effect)
            case do.Connect():
                await self._connect(bench, effect)
            case Together(these):
                await self._to_mixer(bench, these)
            case do.Tone(n, item):
                await self._tone_to(bench, n, item)
            case do.PassKey():
                await self._keys.pass_on(bench, effect)
            case do.SendKey():
                self._keys.send(bench, effect)
            case do.StartPlay():
                await self._play(bench, effect)
            case do.Echo(n):
                leg_id = bench.contact.leg_id(n)
                await self._hears_mixer(bench, n, lambda: self._mixer.echo(leg_id))
            case do.DeleteMedia(n):
                await self._delete(bench, n)
            case (
                do.StartRecording()
                | do.ContinueRecording()
                | do.PauseRecording()
                | do.ResumeRecording()
                | do.LeaveOutSilence()
            ):
                given = await self._recordings.perform(bench.legs[effect.leg], bench.contact.id, effect)
                if given is not None:
                    self._tell(bench, given)

    async def _negotiate(
        self, bench: Bench, effect: do.PrepareIncoming | do.PrepareOutgoing | do.TakeAnswer | do.TakeOffer | do.Move
    ) -> None:
        n = effect.leg
        leg_id = bench.contact.leg_id(n)
        given: inputs.Input
        try:
            match effect:
                case do.PrepareIncoming(_, sdp):
                    leg, text = await self._engines.incoming(leg_id, sdp, strict=of_trunk(bench.contact, n))
                    given = inputs.MediaReady(n, leg.to_json(), leg.codec, text)
                case do.PrepareOutgoing(_, kind):
                    customer = bench.legs.get(1)
                    event_type = customer.event_type if customer else 101
                    way = way_of(bench.contact, n)
                    codecs, strict = self.codecs(way.trunk) if way else OFFERED, of_trunk(bench.contact, n)
                    leg, text = await self._engines.outgoing(
                        leg_id, codecs=codecs, event_type=event_type, kind=kind, strict=strict
                    )
                    given = inputs.MediaReady(n, leg.to_json(), "", text)
                case do.TakeAnswer(_, sdp):
                    leg = await self._engines.answered(bench.legs[n], sdp)
                    given = inputs.MediaReady(n, leg.to_json(), leg.codec)
                case do.TakeOffer(_, sdp):
                    leg, text = await self._engines.reoffer(bench.legs[n], sdp)
                    given = inputs.MediaReoffered(n, leg.to_json(), text, is_hold(sdp))
                case do.Move():
                    leg, text = await self._move(bench, n)
                    given = inputs.MediaMoved(n, leg.to_json(), text)
            bench.legs[n] = leg
        except (BadDescription, NoCommonCodec):
            given = inputs.MediaFailed(n, "no_codec")
        except RtpEngineUnavailable as error:
            log.error("rtpengine does not answer", error=str(error))
            given = inputs.MediaFailed(n, "unavailable")
        except MediaError as error:
            log.warning("media refused", error=str(error))
            given = inputs.MediaFailed(n, "refused")
        self._tell(bench, given)

    async def _move(self, bench: Bench, n: int) -> tuple[MediaLeg, str]:
        leg, recording = bench.legs[n], bench.contact.recording
        await self._leave_mixer(bench, n)
        bench.left.add((leg.engine, leg.id))
        if recording is not None and recording.leg == n:
            await self._recordings.moves(leg, recording.id, bench.contact.id)
        return await self._engines.move(leg)

    async def _connect(self, bench: Bench, effect: do.Connect) -> None:
        """The two hear each other. The mixer is left last: nobody hears it any more then (`strict source`), and music
        goes on until the voice takes its place."""
        a, b = effect.a, effect.b

        async def connect() -> None:
            bench.legs[a], bench.legs[b] = await self._engines.connect(bench.legs[a], bench.legs[b], apart=effect.apart)
            await self._part(bench, a, b)

        if not all(bench.legs[n].x_port for n in (a, b)):
            return  # one of them is moving: they are joined when it has

        await self._patiently("bridge", connect)
        for n in (a, b):
            await self._leave_mixer(bench, n)

    async def _leave_room(self, bench: Bench, n: int) -> None:
        if n in bench.in_room:
            await self._mixer.room(bench.contact.leg_id(n), None)
            bench.in_room.discard(n)

    async def _to_mixer(self, bench: Bench, these: Sequence[AtMixer]) -> None:
        """Step by step for all of them: what each shall hear is there when he comes, and nobody is left without a voice
        while others are on their way. Who heard music hears it until he hears them. Of a mixer that is away it is owed,
        and whoever should not be heard as he was, or not hear it, hears and says nothing until then."""
        for one in these:
            bench.owed.pop(one.leg, None)
        there = {n for n, leg in bench.legs.items() if leg.x_port}  # who is moving comes when he has
        wanted = {one.leg: one for one in these if one.leg in there}
        asking = asyncio.create_task(self._ask_mixer(bench, wanted))
        try:
            await asyncio.wait([asking], timeout=APART_S)
            if not asking.done():
                await self._hush(bench, wanted.values())
            legs = await asking
        finally:
            asking.cancel()
        legs = await self._each(bench, legs, self._turn, PATIENCE_S)
        talking = [n for n in legs if isinstance(wanted[n], do.Confer)]
        await self._each(bench, talking, lambda _, n: self._mixer.stop(bench.contact.leg_id(n)), MIXER_S)
        await self._patiently("mixer", lambda: self._part(bench, *legs))
        owed = {n: one for n, one in wanted.items() if n not in legs}
        bench.owed |= owed
        await self._hush(bench, owed.values())

    async def _ask_mixer(self, bench: Bench, wanted: Mapping[int, AtMixer]) -> list[int]:
        legs = await self._each(bench, list(wanted), self._join, MIXER_S)
        return await self._each(bench, legs, lambda _, n: self._set(bench, wanted[n]), MIXER_S)

    async def _each(
        self, bench: Bench, legs: Sequence[int], step: Callable[[Bench, int], Awaitable[None]], patience_s: float
    ) -> list[int]:
        """For those side by side; with whom it went well."""
        went = await asyncio.gather(*(self._patiently("mixer", partial(step, bench, n), patience_s) for n in legs))
        return [n for n, well in zip(legs, went, strict=True) if well]

    async def _hush(self, bench: Bench, these: Iterable[AtMixer]) -> None:
        """Nothing is heard of those, nor by them, but of who shall talk: he may go on with whom he talks with."""
        legs = [one.leg for one in these if not (isinstance(one, do.Confer) and one.talk)]
        await self._each(bench, [n for n in legs if bench.legs[n].peer_port != NOWHERE], self._park, PATIENCE_S)

    async def _park(self, bench: Bench, n: int) -> None:
        bench.legs[n] = await self._engines.point(bench.legs[n], Park())
        bench.at_mixer.discard(n)

    async def _set(self, bench: Bench, effect: AtMixer) -> None:
        """What it hears there; nothing is silence: a gateway that hears no packets for a while hangs up."""
        n, leg_id = effect.leg, bench.contact.leg_id(effect.leg)
        match effect:
            case do.Confer(_, room, talk, hear, whisper):
                bench.in_room.add(n)
                ears = [bench.contact.leg_id(one) for one in whisper]
                await self._mixer.room(leg_id, room, talk=talk, hear=hear, whisper=ears)
            case do.StartPlay(_, play, items, repeat, started_at):
                await self._leave_room(bench, n)
                try:
                    await self._mixer.play(leg_id, play, items, repeat, started_at)
                except MixerUnavailable:
                    raise
                except MixerError as error:  # a queue's, whose file is not there (any more)
                    log.error("music refused: the shipped one is heard", leg=n, items=items, error=str(error))
                    await self._mixer.play(leg_id, play, (MUSIC,), repeat, started_at)
            case do.Park():
                await self._mixer.stop(leg_id)
                await self._leave_room(bench, n)

    async def _tone_to(self, bench: Bench, n: int, item: str) -> None:
        """One that is being heard goes on: ten who come at once are one tone. Nobody waits for a mixer that is away."""
        if n in bench.in_room and n in bench.at_mixer:
            try:
                await self._mixer.play(bench.contact.leg_id(n), item, [item])
            except MixerError as error:
                log.warning("tone not heard", leg=n, error=str(error))

    async def _play(self, bench: Bench, effect: do.StartPlay) -> None:
        leg_id = bench.contact.leg_id(effect.leg)

        async def play() -> None:
            await self._leave_room(bench, effect.leg)
            await self._mixer.play(leg_id, effect.play, effect.items, effect.repeat, effect.started_at)

        if not bench.legs[effect.leg].x_port:
            return  # it is moving: it hears this when it has
        heard = await self._hears_mixer(bench, effect.leg, play)
        if not heard:  # what waits for its end must not wait for ever
            self._tell(bench, inputs.Played(effect.leg, effect.play, complete=False))

    async def _hears_mixer(self, bench: Bench, n: int, ask: Callable[[], Awaitable[None]]) -> bool:
        """The leg is at the mixer and hears what is asked of it, from its start; False when that was given up."""

        async def hear() -> None:
            await self._join(bench, n)
            await self._turn(bench, n)
            await ask()
            await self._part(bench, n)

        return await self._patiently("play", hear)

    async def _patiently(self, what: str, act: Callable[[], Awaitable[None]], patience_s: float = PATIENCE_S) -> bool:
        """Done, and done again while rtpengine or the mixer is away; False when that was given up."""
        started = time.monotonic()
        while True:
            await self.passed()
            try:
                await act()
                return True
            except (MixerUnavailable, RtpEngineUnavailable) as error:
                if time.monotonic() - started > patience_s or isinstance(error, EngineLost):
                    log.error(f"{what} given up", error=str(error))
                    return False
                await asyncio.sleep(RETRY_S)
            except (MixerError, MediaError) as error:
                log.error(f"{what} refused", error=str(error))
                return False

    async def _join(self, bench: Bench, n: int) -> None:
        """Known to the mixer; it hears nothing of it yet."""
        if n not in bench.at_mixer:
            leg = bench.legs[n]
            bench.joined.add(n)
            await self._mixer.join(bench.contact.leg_id(n), leg.x_address, dtmf=leg.keys)

    async def _turn(self, bench: Bench, n: int) -> None:
        """It hears the mixer, and is heard there."""
        if n not in bench.at_mixer:
            bench.legs[n] = await self._engines.point(bench.legs[n], At(*self._mixer.rtp))
            bench.at_mixer.add(n)

    async def _part(self, bench: Bench, *these: int) -> None:
        """Whoever else was joined with these is parked: nobody hears him any more (`strict source`), and he nobody."""
        for n in bench.joined_with(*these):
            await self._park(bench, n)

    async def _leave_mixer(self, bench: Bench, n: int) -> None:
        if n not in bench.joined:
            return
        for place in (bench.joined, bench.at_mixer, bench.in_room):
            place.discard(n)
        try:
            await self._mixer.leave(bench.contact.leg_id(n))
        except MixerUnavailable as error:  # a mixer that is away plays nothing
            log.warning("left a mixer that does not answer", error=str(error))

    async def _delete(self, bench: Bench, n: int) -> None:
        await self._leave_mixer(bench, n)
        recording = bench.contact.recording
        leg = bench.legs.pop(n, None) or MediaLeg(bench.contact.leg_id(n), "in")
        if recording is not None and recording.leg == n:
            await self._recordings.over(leg, recording.id)
        try:
            await self._engines.delete(leg)
        except MediaError as error:
            log.warning("leg not deleted in rtpengine", leg=n, error=str(error))
        self._tell(bench, inputs.MediaDeleted(n))

    async def watch_spools(self) -> None:
        """Until cancelled: what is recorded into one that was full gets another file."""
        await self._recordings.watch()

    def _record_anew(self, spool: Path) -> None:
        for bench in self._benches.values():
            recording = bench.contact.recording
            leg = bench.legs.get(recording.leg) if recording is not None else None
            if recording is None or leg is None or self._engines.spool(leg) != spool:
                continue
            if recording.state == "active":
                bench.work.put_nowait(do.PauseRecording(recording.leg, recording.id))
                bench.work.put_nowait(do.ResumeRecording(recording.leg, recording.id))


async def _at_once() -> None:
    pass
