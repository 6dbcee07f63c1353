"""Recordings as media: what rtpengine writes of a leg, and the plan beside it for the recorder (lq/media/plan.py)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from lq import disk
from lq.contacts import effects as do
from lq.contacts import inputs
from lq.media import plan
from lq.media.engines import Engines
from lq.media.leg import MediaLeg
from lq.media.rtpengine import MediaError
from lq.media.spools import Spools

log = structlog.get_logger()

Patiently = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[bool]]
Order = do.StartRecording | do.ContinueRecording | do.PauseRecording | do.ResumeRecording | do.LeaveOutSilence
AWAY = "rtpengine does not answer"


class RecordingDesk:
    """`anew(spool)`: what is recorded there needs another file. `patiently`: MediaDesk's."""

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
        await self._planned(leg, plan.over, recording)

    async def _start(self, leg: MediaLeg, contact: str, effect: do.StartRecording) -> inputs.Input:
        if self._short(leg):
            return inputs.RecordingStarted(effect.leg, disk.KEPT_FREE, effect.command)
        await self._planned(leg, plan.write, leg, effect.recording, contact, _now())
        try:
            await self._engines.record(leg, effect.recording, contact)
        except MediaError as error:
            log.error("recording not started", error=str(error))
            return inputs.RecordingStarted(effect.leg, str(error), effect.command)
        return inputs.RecordingStarted(effect.leg, "", effect.command)

    async def _continue(self, leg: MediaLeg, contact: str, effect: do.ContinueRecording) -> None:
        """In the spool of the engine that the leg has moved to: its plan, and then its packets."""
        await self._planned(leg, plan.write, leg, effect.recording, contact, _now())
        if effect.paused:
            await self._planned(leg, plan.pause, leg, effect.recording, contact, _now())
        else:
            await self._patiently("record", lambda: self._engines.record(leg, effect.recording, contact))

    async def _pause(self, leg: MediaLeg, contact: str, effect: do.PauseRecording) -> inputs.Input:
        """The plan first: without it, the file that ends now would be taken for the whole recording."""
        await self._planned(leg, plan.pause, leg, effect.recording, contact, _now())
        done = await self._patiently("pause", lambda: self._engines.stop_recording(leg))
        return inputs.RecordingPaused(effect.leg, effect.command, "" if done else AWAY, effect.change)

    async def _resume(self, leg: MediaLeg, contact: str, effect: do.ResumeRecording) -> inputs.Input:
        done = await self._patiently("resume", lambda: self._engines.record(leg, effect.recording, contact))
        if done:
            await self._planned(leg, plan.resume, effect.recording, _now())
        return inputs.RecordingResumed(effect.leg, effect.command, "" if done else AWAY, effect.change)

    async def _planned(self, leg: MediaLeg, write: Callable[..., None], *arguments: object) -> None:
        await self._spools.planned(self._engines.spool(leg), write, *arguments)


def _now() -> int:
    return int(time.time() * 1000)
