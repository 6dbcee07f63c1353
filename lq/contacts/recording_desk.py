"""Recordings as media: what rtpengine writes of a leg, and the plan beside it for the recorder (lq/media/plan.py)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from lq import disk
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.media import plan
from lq.media.engines import Engines
from lq.media.leg import MediaLeg
from lq.media.spools import Spools

Patiently = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[bool]]
Order = do.StartRecording | do.ContinueRecording | do.PauseRecording | do.ResumeRecording | do.LeaveOutSilence
AWAY = "rtpengine does not answer"


class RecordingDesk:
    """`anew(spool)`: what is recorded there needs another file. `patiently`: MediaDesk's.

    Of a leg whose rtpengine is lost, or that is on its way to another, nothing is heard and nothing written: what is
    ordered meanwhile is so, and is carried out where it is heard again (ContinueRecording).
    """

    def __init__(self, engines: Engines, anew: Callable[[Path], None], patiently: Patiently) -> None:
        self._engines, self._patiently = engines, patiently
        self._spools = Spools(engines.spools, anew)

    async def watch(self) -> None:
        await self._spools.watch()

    async def perform(self, leg: MediaLeg, contact: str, effect: Order) -> inputs.Input | None:
        """What the contact is to hear of it."""
        match effect:
            case do.StartRecording():
                return await self._start(leg, contact, effect)
            case do.ContinueRecording():
                await self._continue(leg, contact, effect)
                return None
            case do.PauseRecording():
                return await self._pause(leg, contact, effect)
            case do.ResumeRecording():
                return await self._resume(leg, contact, effect)
            case do.LeaveOutSilence(_, recording, seconds):
                if not self._short(leg):  # nothing of it may be there, and a plan tells of a recording
                    await self._planned(leg, plan.leave_out_silence, leg, recording, contact, _now(), seconds)
                return None

    def _short(self, leg: MediaLeg) -> bool:
        return self._spools.short(self._engines.spool(leg))

    async def over(self, leg: MediaLeg, recording: str) -> None:
        """In each spool that has a plan of it: its leg may have moved."""
        for spool in self._engines.spools:
            await self._spools.planned(spool, plan.over, recording, leg.heard_from)

    async def moves(self, leg: MediaLeg, recording: str, contact: str) -> None:
        """Before the leg is made anew."""
        await self._planned(leg, plan.moves, leg, recording, contact, _now())

    async def _start(self, leg: MediaLeg, contact: str, effect: do.StartRecording) -> inputs.Input:
        if self._short(leg):
            return inputs.RecordingStarted(effect.leg, disk.KEPT_FREE, effect.command)
        if leg.x_port:
            await self._planned(leg, plan.write, leg, effect.recording, contact, _now())
        done = await self._done("record", leg, lambda: self._engines.record(leg, effect.recording, contact))
        return inputs.RecordingStarted(effect.leg, "" if done else AWAY, effect.command)

    async def _continue(self, leg: MediaLeg, contact: str, effect: do.ContinueRecording) -> None:
        """In the spool of the engine where the leg is now: its plan, and then its packets. One that is back goes on
        with what it did before."""
        await self._planned(leg, plan.write, leg, effect.recording, contact, _now())
        if effect.paused:
            await self._planned(leg, plan.pause, leg, effect.recording, contact, _now())
            await self._patiently("pause", lambda: self._engines.stop_recording(leg))
        else:
            await self._patiently("record", lambda: self._engines.record(leg, effect.recording, contact))
            await self._planned(leg, plan.resume, effect.recording, _now())

    async def _pause(self, leg: MediaLeg, contact: str, effect: do.PauseRecording) -> inputs.Input:
        """The plan first: without it, the file that ends now would be taken for the whole recording."""
        if leg.x_port:
            await self._planned(leg, plan.pause, leg, effect.recording, contact, _now())
        done = await self._done("pause", leg, lambda: self._engines.stop_recording(leg))
        return inputs.RecordingPaused(effect.leg, effect.command, "" if done else AWAY, effect.change)

    async def _resume(self, leg: MediaLeg, contact: str, effect: do.ResumeRecording) -> inputs.Input:
        done = await self._done("resume", leg, lambda: self._engines.record(leg, effect.recording, contact))
        if done and leg.x_port:
            await self._planned(leg, plan.resume, effect.recording, _now())
        return inputs.RecordingResumed(effect.leg, effect.command, "" if done else AWAY, effect.change)

    async def _done(self, what: str, leg: MediaLeg, act: Callable[[], Awaitable[None]]) -> bool:
        """Whether it has come true: carried out, or to be carried out where the leg is heard again."""
        if not leg.x_port:
            return True
        done = await self._patiently(what, act)
        return done or self._engines.lost(leg) or not await self._engines.knows(leg)

    async def _planned(self, leg: MediaLeg, write: Callable[..., None], *arguments: object) -> None:
        await self._spools.planned(self._engines.spool(leg), write, *arguments)


def _now() -> int:
    return int(time.time() * 1000)
