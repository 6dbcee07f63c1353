"""The contact's legs as media: effects become commands to rtpengine and mixer, in order, off the contact's own task."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact
from lq.media.leg import At, MediaLeg, Park
from lq.media.mixer.client import Mixer, MixerError, MixerUnavailable
from lq.media.rtpengine import BadDescription, MediaError, NoCommonCodec, RtpEngine
from lq.media.rtpengine import MediaUnavailable as RtpEngineUnavailable
from lq.media.sdp import is_hold

log = structlog.get_logger()

PATIENCE_S: Final = 5.0  # mixer and rtpengine are back within a second; then what was wanted is given up, and said so
RETRY_S: Final = 0.1

_WANTED: Final = (
    do.PrepareIncoming, do.PrepareOutgoing, do.TakeAnswer, do.TakeOffer, do.Connect, do.StartPlay, do.Echo,
    do.DeleteMedia, do.StartRecording,
)  # fmt: skip

# The contact goes no further before it knows how these went.
_AWAITED: Final = (do.PrepareIncoming, do.PrepareOutgoing, do.TakeAnswer, do.TakeOffer)


@dataclass(slots=True)
class _Bench:
    """The media of one contact: a queue of commands and the legs as they stand."""

    contact: Contact
    work: asyncio.Queue[do.Effect | None] = field(default_factory=asyncio.Queue)
    legs: dict[int, MediaLeg] = field(default_factory=dict)
    at_mixer: set[int] = field(default_factory=set)
    task: asyncio.Task[None] | None = None


class MediaDesk:
    def __init__(self, engine: RtpEngine, mixer: Mixer, spool: Path) -> None:
        """`spool`: rtpengine's recording directory."""
        self.deliver: Callable[[str, inputs.Input], bool] = lambda contact, given: False
        self._engine, self._mixer, self._spool = engine, mixer, spool
        self._benches: dict[str, _Bench] = {}

    async def start(self) -> None:
        await self._mixer.start(self._played, self._mixer_is_back)
        await self._engine.start(self._digit)

    async def close(self) -> None:
        tasks = [bench.task for bench in self._benches.values() if bench.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._engine.close()
        await self._mixer.close()

    # -- what comes from the media ----------------------------------------------------------------------------------
    def _digit(self, leg_id: str, digit: str, duration_ms: int) -> None:
        contact, _, n = leg_id.rpartition(".")
        if n.isdigit():  # rtpengine tells every node of all keys; another's contact is not ours to find
            self.deliver(contact, inputs.Digit(int(n), digit))

    def _played(self, leg_id: str, play: str, complete: bool) -> None:
        contact, _, n = leg_id.rpartition(".")
        self.deliver(contact, inputs.Played(int(n), play, complete))

    def _mixer_is_back(self) -> None:
        """A new mixer knows no leg: set every leg that belongs there again; plays resume where they would be now.

        What the contact wants at this moment stands last in each bench's queue, so nothing old comes after it.
        """
        for bench in self._benches.values():
            at_mixer, bench.at_mixer = bench.at_mixer, set()
            for n in at_mixer:
                leg = bench.contact.legs[n]
                if leg.play is not None:
                    play = leg.play
                    bench.work.put_nowait(do.StartPlay(n, play.id, play.items, play.repeat, play.started_at))
                elif leg.peer == "echo":
                    bench.work.put_nowait(do.Echo(n))

    # -- what the contact wants -------------------------------------------------------------------------------------
    def perform(self, contact: Contact, effects: Sequence[do.Effect]) -> None:
        """Queue the media effects of a turn; results come as inputs."""
        bench = self._benches.get(contact.id)
        if bench is not None:
            bench.contact = contact
        for effect in effects:
            if isinstance(effect, _WANTED):
                if bench is None:
                    known = {n: MediaLeg.from_json(leg.media) for n, leg in contact.legs.items() if leg.media}
                    bench = self._benches[contact.id] = _Bench(contact, legs=known)
                    bench.task = asyncio.create_task(self._serve(bench), name=f"media {contact.id}")
                bench.work.put_nowait(effect)

    def abandon(self, contact: Contact) -> None:
        """Delete whatever the contact holds; nobody waits for it."""
        self.perform(contact, [do.DeleteMedia(n) for n, leg in contact.legs.items() if leg.media is not None])

    def forget(self, contact: str) -> None:
        bench = self._benches.get(contact)
        if bench is not None:
            bench.work.put_nowait(None)

    async def _serve(self, bench: _Bench) -> None:
        structlog.contextvars.bind_contextvars(contact=bench.contact.id)
        while (effect := await bench.work.get()) is not None:
            try:
                await self._one(bench, effect)
            except Exception:
                log.exception("media effect failed", effect=type(effect).__name__)
                if isinstance(effect, _AWAITED):
                    self._tell(bench, inputs.MediaFailed(effect.leg, "refused"))
        del self._benches[bench.contact.id]

    def _tell(self, bench: _Bench, given: inputs.Input) -> None:
        self.deliver(bench.contact.id, given)

    async def _one(self, bench: _Bench, effect: do.Effect) -> None:
        match effect:
            case do.PrepareIncoming() | do.PrepareOutgoing() | do.TakeAnswer() | do.TakeOffer():
                await self._negotiate(bench, effect)
            case do.Connect(a, b):
                await self._connect(bench, a, b)
            case do.StartPlay():
                await self._play(bench, effect)
            case do.Echo(n):
                leg_id = bench.contact.leg_id(n)
                await self._hears_mixer(bench, n, lambda: self._mixer.echo(leg_id))
            case do.DeleteMedia(n):
                await self._delete(bench, n)
            case do.StartRecording():
                await self._record(bench, effect)

    async def _negotiate(
        self, bench: _Bench, effect: do.PrepareIncoming | do.PrepareOutgoing | do.TakeAnswer | do.TakeOffer
    ) -> None:
        n = effect.leg
        leg_id = bench.contact.leg_id(n)
        given: inputs.Input
        try:
            match effect:
                case do.PrepareIncoming(_, sdp):
                    leg, text = await self._engine.incoming(leg_id, sdp)
                    given = inputs.MediaReady(n, leg.to_json(), leg.codec, text)
                case do.PrepareOutgoing():
                    customer = bench.legs.get(1)
                    event_type = customer.event_type if customer else 101
                    leg, text = await self._engine.outgoing(leg_id, event_type=event_type)
                    given = inputs.MediaReady(n, leg.to_json(), "", text)
                case do.TakeAnswer(_, sdp):
                    leg = await self._engine.answered(bench.legs[n], sdp)
                    given = inputs.MediaReady(n, leg.to_json(), leg.codec)
                case do.TakeOffer(_, sdp):
                    leg, text = await self._engine.reoffer(bench.legs[n], sdp)
                    given = inputs.MediaReoffered(n, leg.to_json(), text, is_hold(sdp))
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

    async def _connect(self, bench: _Bench, a: int, b: int) -> None:
        """The two hear each other; whatever they heard before falls silent first."""

        async def connect() -> None:
            await self._part(bench, a, b)
            bench.legs[a], bench.legs[b] = await self._engine.connect(bench.legs[a], bench.legs[b])

        for n in (a, b):
            await self._leave_mixer(bench, n)
        await self._patiently("bridge", connect)

    async def _play(self, bench: _Bench, effect: do.StartPlay) -> None:
        leg_id = bench.contact.leg_id(effect.leg)

        async def play() -> None:
            await self._mixer.play(leg_id, effect.play, effect.items, effect.repeat, effect.started_at)

        heard = await self._hears_mixer(bench, effect.leg, play)
        if not heard and effect.repeat:  # what waits for its end must not wait for ever
            self._tell(bench, inputs.Played(effect.leg, effect.play, complete=False))

    async def _hears_mixer(self, bench: _Bench, n: int, ask: Callable[[], Awaitable[None]]) -> bool:
        """The leg is at the mixer and hears what is asked of it; False when that was given up."""

        async def hear() -> None:
            await self._at_mixer(bench, n)
            await ask()

        return await self._patiently("play", hear)

    async def _patiently(self, what: str, act: Callable[[], Awaitable[None]]) -> bool:
        """Done, and done again while rtpengine or the mixer is away; False when that was given up."""
        started = time.monotonic()
        while True:
            try:
                await act()
                return True
            except (MixerUnavailable, RtpEngineUnavailable) as error:
                if time.monotonic() - started > PATIENCE_S:
                    log.error(f"{what} given up", error=str(error))
                    return False
                await asyncio.sleep(RETRY_S)
            except (MixerError, MediaError) as error:
                log.error(f"{what} refused", error=str(error))
                return False

    async def _at_mixer(self, bench: _Bench, n: int) -> None:
        if n in bench.at_mixer:
            return
        leg = bench.legs[n]
        await self._mixer.join(bench.contact.leg_id(n), self._engine.address_of(leg))
        host, port = self._mixer.rtp
        await self._part(bench, n)
        bench.legs[n] = await self._engine.point(leg, At(host, port))
        bench.at_mixer.add(n)

    async def _part(self, bench: _Bench, *these: int) -> None:
        """Whoever else was joined with these is parked: his voice would be heard among the others'."""
        taken = {bench.legs[n].x_port for n in these}
        for n, leg in bench.legs.items():
            if n not in these and leg.peer_port in taken:
                bench.legs[n] = await self._engine.point(leg, Park())

    async def _leave_mixer(self, bench: _Bench, n: int) -> None:
        if n not in bench.at_mixer:
            return
        bench.at_mixer.discard(n)
        try:
            await self._mixer.leave(bench.contact.leg_id(n))
        except MixerUnavailable as error:  # a mixer that is away plays nothing
            log.warning("left a mixer that does not answer", error=str(error))

    async def _delete(self, bench: _Bench, n: int) -> None:
        await self._leave_mixer(bench, n)
        bench.legs.pop(n, None)
        try:
            await self._engine.delete(bench.contact.leg_id(n))
        except MediaError as error:
            log.warning("leg not deleted in rtpengine", leg=n, error=str(error))
        self._tell(bench, inputs.MediaDeleted(n))

    async def _record(self, bench: _Bench, effect: do.StartRecording) -> None:
        leg = bench.legs[effect.leg]
        try:
            await asyncio.to_thread(_plan, self._spool, leg, effect.recording, bench.contact.id)
        except OSError as error:  # it is needed only if rtpengine loses the call
            log.error("recording goes on without a plan in the spool", error=str(error))
        try:
            await self._engine.record(leg, effect.recording, bench.contact.id)
        except MediaError as error:
            log.error("recording not started", error=str(error))
            self._tell(bench, inputs.RecordingStarted(effect.leg, failed=str(error)))
        else:
            self._tell(bench, inputs.RecordingStarted(effect.leg))


def _plan(spool: Path, leg: MediaLeg, recording: str, contact: str) -> None:
    """What rtpengine writes into its metadata at the end only: whose recording the packets of this call are."""
    told = {"recording": recording, "contact": contact, "left": leg.local_port, "right": leg.x_port, "call": leg.id}
    place = spool / "planned" / f"{recording}.json"
    place.parent.mkdir(exist_ok=True)
    part = place.with_suffix(".part")
    part.write_text(json.dumps(told))
    part.rename(place)
