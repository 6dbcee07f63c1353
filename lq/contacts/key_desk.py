"""Keys that a phone shall hear: those of the other party, and those that an agent or a program sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.bench import Bench
from lq.media.engines import Engines
from lq.media.rtpengine import MediaError

log = structlog.get_logger()

KEY_MS: Final = 100  # of a key that is sent by command, and the pause after it: twice what ITU-T Q.24 asks for
KEY_PAUSE_MS: Final = 80


class KeyDesk:
    def __init__(self, engines: Engines, tell: Callable[[Bench, inputs.Input], None]) -> None:
        self._engines, self._tell = engines, tell

    async def pass_on(self, bench: Bench, effect: do.PassKey) -> None:
        """Events of types that both know pass by themselves, and so do tones."""
        through_mixer = effect.leg in bench.at_mixer  # which passes voices only
        passed = effect.method == "rtp" and not bench.legs[effect.to].blocked and not through_mixer
        if effect.method != "inband" and not passed:
            await self._press(bench, effect.to, effect.key, effect.duration_ms)

    def send(self, bench: Bench, effect: do.SendKey) -> None:
        """Beside all else: thirty keys take five seconds, for rtpengine takes the next while one is being sent."""
        task = asyncio.create_task(self._type(bench, effect))
        bench.typing.add(task)
        task.add_done_callback(bench.typing.discard)

    async def _type(self, bench: Bench, effect: do.SendKey) -> None:
        """Told at once: what a dead node had sent, and not written, is heard twice."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(bench.next_key.get(effect.leg, 0.0) - loop.time())
        if effect.leg in bench.legs:
            await self._press(bench, effect.leg, effect.key, KEY_MS)
            bench.next_key[effect.leg] = loop.time() + (KEY_MS + KEY_PAUSE_MS) / 1000
        self._tell(bench, inputs.KeySent(effect.leg))

    async def _press(self, bench: Bench, n: int, key: str, duration_ms: int) -> None:
        try:
            bench.legs[n] = await self._engines.press(bench.legs[n], key, duration_ms)
        except MediaError as error:
            log.warning("key not passed on", leg=n, error=str(error))
