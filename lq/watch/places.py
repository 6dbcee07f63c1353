"""What the watch asks: the figures of every process, the edge, Redis and PostgreSQL themselves, disks, certificates."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from lq.acd.lanes import own_lane
from lq.live import keys
from lq.postgres import AWAY
from lq.redis_connection import Connection
from lq.watch.alarms import RULES, Figures
from lq.watch.certificates import Certificates
from lq.watch.edge import Edge

PATIENCE_S: Final = 1.0
ANEW_S: Final = 60.0
WANTED: Final = re.compile(rf"^(?:{'|'.join(sorted({rule.metric for rule in RULES}))})[{{ ].*", re.MULTILINE)
NO_FIGURE: Final = re.compile(r"^(?!#|$|[a-zA-Z_:][\w:]*(?:\{.*\})?[ \t]+[^\s{])", re.MULTILINE)
AT_ONCE: Final = 100  # lines: Redis serves nobody else meanwhile
TOGETHER: Final = 10  # lines asked in one command whether anybody waits
Figure = tuple[Mapping[str, str], float]


class Places:
    """`metered`: process → URL of its figures. `disks`: name → a path on it. `shown`: certificate → host:port.

    `pinged`: name → URL of a Redis that must answer, and of which no more is asked.
    """

    def __init__(
        self,
        metered: Mapping[str, str],
        redis_url: str,
        dsn: str,
        disks: Mapping[str, Path],
        shown: Mapping[str, str],
        edge: Edge,
        pinged: Mapping[str, str],
    ) -> None:
        self._metered, self._dsn, self._disks, self._edge = metered, dsn, disks, edge
        self._certificates = Certificates(shown)
        self._looking: dict[str, asyncio.Future[Any]] = {}  # at a disk
        self._connection: asyncpg.Connection | None = None
        self._connected_at = 0.0
        self._http = httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False)
        self._redis = _redis(redis_url)
        self._pinged = {name: _redis(url) for name, url in pinged.items()}

    async def close(self) -> None:
        self._disconnect()
        await self._http.aclose()
        for redis in (self._redis, *self._pinged.values()):
            await redis.aclose()

    async def read(self) -> dict[str, Figures | None]:
        """Everything at once; who does not answer in time is None."""
        names = [*self._metered, *self._pinged, "kamailio", "redis", "postgres", "disks"]
        asked = [self._process(url) for url in self._metered.values()]
        pinged = [_answers(redis) for redis in self._pinged.values()]
        found = await asyncio.gather(*asked, *pinged, self._edge.figures(), self._live(), self._history(), self.room())
        return {**dict(zip(names, found, strict=True)), "certificates": self._certificates.figures()}

    async def _process(self, url: str) -> Figures | None:
        try:
            answer = await self._http.get(url)
            answer.raise_for_status()
            return figures(answer.text)
        except (httpx.HTTPError, ValueError):
            return None

    # -- Redis ------------------------------------------------------------------------------------------------------

    async def _live(self) -> Figures:
        try:
            async with asyncio.timeout(2 * PATIENCE_S):
                memory, disk = await self._redis.info("memory"), await self._redis.info("persistence")
                used, limit = float(memory["used_memory"]), float(memory["maxmemory"])
                found: dict[str, list[Figure]] = defaultdict(list)
                found["lcall_live_away"].append(({}, 0.0))
                found["lcall_redis_unwritten"].append(({}, float(disk.get("aof_last_write_status", "ok") != "ok")))
                found["lcall_redis_memory_ratio"].append(({}, used / limit if limit else 0.0))
                await self._lines(found)
                await self._trunks(found)
        except (RedisError, OSError, TimeoutError):
            return {"lcall_live_away": (({}, 1.0),)}
        return {name: tuple(values) for name, values in found.items()}

    async def _lines(self, found: dict[str, list[Figure]]) -> None:
        """P07: nobody may wait in a line in which an agent is ready, be it a queue's or his own."""
        now = (await self._redis.time())[0]
        queues, agents = await self._redis.hkeys(keys.config("queues")), await self._redis.smembers(keys.AGENTS)
        lanes = await self._waited_in([*map(str, queues), *sorted(own_lane(str(agent)) for agent in agents)])
        for some in _parts(lanes, AT_ONCE):
            async with self._redis.pipeline(transaction=True) as pipe:
                for lane in some:
                    pipe.zcard(keys.lane_agents(lane))
                    pipe.zrange(keys.lane_contacts(lane), 0, 0)
                answers = await pipe.execute()
            for lane, ready, first in zip(some, answers[::2], answers[1::2], strict=True):
                since = await self._redis.zscore(keys.lane_since(lane), first[0]) if ready and first else None
                if since:
                    found["lcall_oldest_servable_seconds"].append(({"queue": lane}, now - since / 1000))

    async def _waited_in(self, lanes: Sequence[str]) -> list[str]:
        """Those in which somebody may wait. In nearly every agent's own line nobody does, and there are thousands."""
        pipe = self._redis.pipeline(transaction=False)
        for some in _parts(lanes, TOGETHER):
            pipe.exists(*(keys.lane_contacts(lane) for lane in some))
        counts = await pipe.execute()
        return [lane for some, count in zip(_parts(lanes, TOGETHER), counts, strict=True) if count for lane in some]

    async def _trunks(self, found: dict[str, list[Figure]]) -> None:
        trunks = await _documents(self._redis, "trunks")
        for id, body in trunks.items():
            if not body.get("enabled", True):
                continue
            up = await self._redis.hget(keys.trunk(id), "up")
            taken = await self._redis.zcard(keys.channels(id))
            found["lcall_trunk_down"].append(({"trunk": id}, float(up == "0")))
            channels = int(body.get("channels", 30))
            found["lcall_trunk_used_ratio"].append(({"trunk": id}, taken / channels if channels else 0.0))

    # -- PostgreSQL, disks ------------------------------------------------------------------------------------------

    async def _history(self) -> Figures:
        try:
            async with asyncio.timeout(2 * PATIENCE_S):
                connection = await self._connected()
                await connection.fetchval("select 1", timeout=PATIENCE_S)
        except (*AWAY, asyncpg.PostgresError):
            self._disconnect()
            return {"lcall_history_away": (({}, 1.0),)}
        return {"lcall_history_away": (({}, 0.0),)}

    async def _connected(self) -> asyncpg.Connection:
        """One connection for many looks; a new one now and then, for a full server serves those that it has."""
        if time.monotonic() - self._connected_at > ANEW_S:
            self._disconnect()
        if self._connection is None:
            self._connection = await asyncpg.connect(self._dsn, timeout=PATIENCE_S)
            self._connected_at = time.monotonic()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None

    async def room(self) -> Figures:
        used = await asyncio.gather(*(self._used(name, path) for name, path in self._disks.items()))
        return {"lcall_disk_used_ratio": tuple(({"place": name}, share) for name, share in used)}

    async def _used(self, name: str, path: Path) -> tuple[str, float]:
        """A disk that is not there, or does not answer, has no room. One that hangs is asked once, not each second."""
        looking = self._looking.get(name)
        if looking is None or looking.done():
            looking = self._looking[name] = asyncio.ensure_future(asyncio.to_thread(shutil.disk_usage, path))
        try:
            async with asyncio.timeout(PATIENCE_S):
                room = await asyncio.shield(looking)
        except OSError:  # TimeoutError is one
            return name, 1.0
        return name, 1 - room.free / room.total


def _parts(lanes: Sequence[str], size: int) -> list[Sequence[str]]:
    return [lanes[at : at + size] for at in range(0, len(lanes), size)]


def _redis(url: str) -> Redis:
    return Redis.from_url(
        url,
        connection_class=Connection,
        decode_responses=True,
        socket_timeout=PATIENCE_S,
        socket_connect_timeout=PATIENCE_S,
        retry=Retry(NoBackoff(), 0),
    )


async def _answers(redis: Redis) -> Figures | None:
    """Nothing in particular; None when it does not answer."""
    try:
        async with asyncio.timeout(2 * PATIENCE_S):
            await redis.ping()
    except (RedisError, OSError, TimeoutError):
        return None
    return {}


async def _documents(redis: Redis, kind: str) -> dict[str, Any]:
    return {str(id): json.loads(text) for id, text in (await redis.hgetall(keys.config(kind))).items()}


def figures(text: str) -> Figures:
    """Of Prometheus text what there are rules for, by the name of each sample. Raises ValueError."""
    if NO_FIGURE.search(text):
        raise ValueError("this is no text of Prometheus")
    found: dict[str, list[Figure]] = defaultdict(list)
    for family in text_string_to_metric_families("".join(f"{line}\n" for line in WANTED.findall(text))):
        for sample in family.samples:
            found[sample.name].append((dict(sample.labels), float(sample.value)))
    return {name: tuple(values) for name, values in found.items()}


def addresses(value: str) -> dict[str, str]:
    """`lq1=http://127.0.0.1:15100/metrics,…` by name."""
    parted = (pair.partition("=") for pair in value.split(",") if pair)
    return {name: url for name, _, url in parted}
