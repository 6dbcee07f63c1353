"""What the pages stand on, opened and closed with the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sanic import Request

from lcall_web.common.assets import Assets
from lcall_web.common.database import Database
from lcall_web.common.sessions import Sessions
from lcall_web.common.version import version
from lcall_web.common.watch import Watch
from lq.sdk import Client

API_S: Final = 5.0
AUDIO_AT_ONCE: Final = 40  # recordings on their way through the web


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is: the environment of the process."""

    postgres_dsn: str
    api: str
    token: str
    edge: Mapping[str, str] = field(default_factory=dict)  # where a browser's phone registers: ws, wss -> port
    authority: Path = Path()  # of the center's certificate, if it has one
    open_demo: bool = False  # the demo world is let out of loopback


@dataclass
class Context:
    places: Places
    assets: Assets
    database: Database
    lq: Client
    sound: Client  # for audio alone, so that listeners cannot use up the connections of the rest
    sessions: Sessions
    watch: Watch
    audio: asyncio.Semaphore
    version: str  # of the web as it runs

    @classmethod
    async def open(cls, places: Places, assets: Assets) -> Context:
        database = Database(places.postgres_dsn)
        await database.open()
        lq = Client(places.api, places.token, timeout_s=API_S)
        watch = Watch(database, lq)
        await watch.look()
        sound = Client(places.api, places.token, timeout_s=API_S)
        audio = asyncio.Semaphore(AUDIO_AT_ONCE)
        return cls(places, assets, database, lq, sound, Sessions(database), watch, audio, version())

    async def close(self) -> None:
        await self.lq.close()
        await self.sound.close()
        await self.database.close()


def of(request: Request) -> Context:
    context: Context = request.app.ctx.context
    return context
