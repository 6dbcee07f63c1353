"""`python -m lq.watch`: looks at every process each second, and keeps the one list of alarms.

The list stands in memory and in `$LCALL_HOME/run/alarms.json`, and is served beside the figures of this process at
/alarms: it can be read whatever else is dead. What begins and ends is told to the ledger, when Redis takes it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from lq import process, telemetry
from lq.ledger.append import append
from lq.ledger.events import Event
from lq.redis_connection import Connection
from lq.watch.alarms import Alarm, Watched, step
from lq.watch.edge import Edge
from lq.watch.places import PATIENCE_S, Places, addresses

log = structlog.get_logger()

NAME: Final = "watch"
LOOK_S: Final = 1.0
NEWS: Final = 1_000  # that wait for Redis; the log has all


@dataclass
class Watch:
    places: Places
    redis: Redis
    file: Path
    state: Watched = field(default_factory=Watched)
    looked_at: int = 0  # ms of the epoch
    news: deque[Event] = field(default_factory=lambda: deque(maxlen=NEWS))

    def remember(self) -> None:
        """The alarms of the watch before this one: they began when they began."""
        try:
            kept = [Alarm(**alarm) for alarm in json.loads(self.file.read_text())["items"]]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the alarms of before cannot be read", error=repr(error))
            return
        self.state = Watched(raised={alarm.id: alarm for alarm in kept})

    def document(self) -> dict[str, Any]:
        order = {"critical": 0, "major": 1, "minor": 2}
        alarms = sorted(self.state.raised.values(), key=lambda alarm: (order[alarm.severity], alarm.since, alarm.id))
        return {"items": [asdict(alarm) for alarm in alarms], "looked_at": self.looked_at}

    def page(self) -> bytes:
        return json.dumps(self.document(), ensure_ascii=False).encode()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = time.monotonic()
            await self.look()
            await asyncio.sleep(max(0.0, began + LOOK_S - time.monotonic()))

    async def look(self) -> None:
        readings = await self.places.read()
        today = time.time()
        self.state, begun, over = step(self.state, readings, time.monotonic(), today)
        self.looked_at = int(today * 1000)
        for alarm in begun:
            log.error(alarm.en, alarm=alarm.id, severity=alarm.severity, about=alarm.about, value=alarm.value)
        for alarm in over:
            log.info("alarm is over", alarm=alarm.id, about=alarm.about)
        if begun or over:
            await asyncio.to_thread(self._keep)
        await self._tell(begun, over)

    def _keep(self) -> None:
        part = self.file.with_suffix(".part")
        try:
            part.write_bytes(self.page())
            part.replace(self.file)
        except OSError as error:
            log.error("the alarms are kept in memory only", error=str(error))

    async def _tell(self, begun: Sequence[Alarm], over: Sequence[Alarm]) -> None:
        for alarm in begun:
            data = {"severity": alarm.severity, "about": alarm.about, "value": alarm.value, "text": alarm.en}
            self.news.append(Event("alarm_raised", self.looked_at, f"alarm:{alarm.id}", self.looked_at, data))
        for alarm in over:
            data = {"severity": alarm.severity, "about": alarm.about}
            self.news.append(Event("alarm_cleared", self.looked_at, f"alarm:{alarm.id}", self.looked_at, data))
        try:
            async with asyncio.timeout(PATIENCE_S):
                while self.news:
                    await append(self.redis, [self.news[0]])
                    self.news.popleft()
        except (RedisError, OSError, TimeoutError):
            return  # the next look tries again; that Redis is away is an alarm itself


async def main() -> None:
    process.log_to_stderr(NAME)
    asked_to_leave = process.end_signal()
    home, redis_url = Path(process.variable("LCALL_HOME")), process.variable("LCALL_REDIS_URL")
    disks = {"home": home, "recordings": Path(process.variable("LCALL_RECORDINGS"))}
    metered = addresses(process.variable("LCALL_WATCHED"))
    shown = addresses(process.variable("LCALL_CERTIFICATES"))
    edge = Edge(Path(process.variable("LCALL_EDGE_RPC")), home / "run" / "watch.rpc")
    pinged = addresses(process.variable("LCALL_PINGED"))
    places = Places(metered, redis_url, process.variable("LCALL_POSTGRES_DSN"), disks, shown, edge, pinged)
    redis = Redis.from_url(
        redis_url, connection_class=Connection, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S
    )
    watch = Watch(places, redis, home / "run" / "alarms.json")
    watch.remember()
    telemetry.serve({"/alarms": watch.page})
    beating = asyncio.create_task(telemetry.HEART.beat())
    running = asyncio.create_task(watch.run())
    process.say_ready(NAME)
    leaving = asyncio.create_task(asked_to_leave.wait())
    await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, leaving, beating):
        task.cancel()
    results = await asyncio.gather(running, leaving, return_exceptions=True)
    await places.close()
    await redis.aclose()
    if isinstance(results[0], Exception):
        raise results[0]


if __name__ == "__main__":
    asyncio.run(main())
