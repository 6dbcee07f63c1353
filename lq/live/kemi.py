"""The live state for Kamailio's workers: synchronous, one connection a worker, bounded; tried twice only when the
server has closed the connection (it was restarted), which costs no time.

A worker serves no other call while it waits here, so a Redis that hangs may cost it 150 ms once; then the circuit stays
open for half a second and every request is refused at once (measured: docs/contracts.md §3).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError, ResponseError
from redis.retry import Retry

from lq.live import keys, library, reading
from lq.live.errors import Gone, LiveUnavailable, from_answer
from lq.live.values import Lease, Reserved, Waiting

__all__ = ["Caller", "Gone", "Lease", "LiveUnavailable", "Reserved", "Waiting"]

TIMEOUT_S: Final = 0.15
CIRCUIT_S: Final = 0.5


class Caller:
    """Build it after the fork. Every method raises LiveUnavailable within two timeouts."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
            health_check_interval=0,
            max_connections=1,
        )
        self._closed_again_at = 0.0

    def ask(self, contact: str, request: str, lanes: Mapping[str, int], lease_ms: int) -> Reserved | Waiting:
        """The ACD decision. Raises Gone for an unknown contact."""
        answer = self._call("ask", contact=contact, request=request, lanes=dict(lanes), lease_ms=lease_ms)
        return reading.decision(answer)

    def phone(self, ext: str, registered: bool, expires_ms: int, media: str = "") -> None:
        """`media`: what it speaks; "": as before."""
        self._call("phone", phone=ext, registered=registered, expires_ms=expires_ms, media=media)

    def trunk(self, trunk: str, up: bool, reason: str) -> None:
        self._call("trunk", trunk=trunk, up=up, reason=reason)

    def document(self, kind: str, id: str) -> dict[str, Any] | None:
        """One published configuration document."""
        text = self._guard(lambda: self._redis.hget(keys.config(kind), id))
        return json.loads(text) if text else None

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        """All published documents of a kind, by id."""
        documents = self._guard(lambda: self._redis.hgetall(keys.config(kind)))
        return {id: json.loads(text) for id, text in documents.items()}

    def leases(self, role: str) -> list[Lease]:
        """Who of a role lives, by Redis TIME."""

        def read() -> list[Lease]:
            pipe = self._redis.pipeline(transaction=False)
            pipe.time()
            pipe.zrange(keys.LEASES, 0, -1, withscores=True)
            (seconds, microseconds), expiries = pipe.execute()
            now = int(seconds) * 1000 + int(microseconds) // 1000
            alive = {id: expires for id, expires in expiries if expires > now}
            texts = self._redis.mget([keys.lease(id) for id in alive]) if alive else []
            return [
                reading.lease(str(text), expires) for text, expires in zip(texts, alive.values(), strict=True) if text
            ]

        return [lease for lease in self._guard(read) if lease.role == role]

    def adopted(self) -> dict[str, str]:
        """Dead incarnation -> who took its contacts over."""
        return dict(self._guard(lambda: self._redis.hgetall(keys.ADOPTED)))

    def era(self) -> int:
        """Rises when Redis may have forgotten something (docs/contracts.md §2); 0: nobody has asked it anything yet."""
        return int(self._guard(lambda: self._redis.hget(keys.COUNTERS, "era")) or 0)

    def config_version(self) -> int:
        return int(self._guard(lambda: self._redis.get(keys.CONFIG_VERSION)) or 0)

    def _call(self, function: str, **request: Any) -> dict[str, Any]:
        body = json.dumps(request)
        answer: dict[str, Any] = json.loads(self._guard(lambda: self._fcall(function, body)))
        if not answer["ok"]:
            raise from_answer(answer)
        return answer

    def _fcall(self, function: str, body: str) -> Any:
        try:
            return self._redis.fcall(function, 1, keys.TAG, body)
        except ResponseError as error:
            if library.MISSING not in str(error):
                raise
        code = library.to_load(library.loaded_code(self._redis.function_list(library.NAME, withcode=True)))
        if code is not None:  # the edge is up before any node, or Redis came back empty
            self._redis.function_load(code, replace=True)
        return self._redis.fcall(function, 1, keys.TAG, body)

    def _guard(self, read: Any) -> Any:
        if time.monotonic() < self._closed_again_at:
            raise LiveUnavailable("Redis did not answer a moment ago")
        try:
            return read()
        except (RedisError, OSError) as error:
            self._closed_again_at = time.monotonic() + CIRCUIT_S
            raise LiveUnavailable(f"{type(error).__name__}: {error}") from error
