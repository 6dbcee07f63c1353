"""What a process measures of itself, for whoever watches: Prometheus text at an internal address.

The room that measures a thing defines its figure there (`gauge`, `counter`, `histogram`); docs/metrics.md lists them.
They are served from a thread, so a loop that is stuck is seen to be stuck: by its figure, and at /alive by the runner,
which ends a process whose loop stands still (ops/runner.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app

SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # buckets
RECENT_S: Final = 60.0
HOUR_S: Final = 3600.0
BEAT_S: Final = 0.1
STUCK_S: Final = 5.0  # a loop that has run nothing for so long does not live

T = TypeVar("T")
Page = Callable[[], bytes]  # a JSON document


_made: Final[dict[str, Any]] = {}  # by name: a module that is also run as __main__ is there twice


def gauge(name: str, what: str, labels: Iterable[str] = ()) -> Gauge:
    """A figure that goes up and down; `name` without the prefix, with its unit (`_seconds`, `_bytes`, `_ratio`)."""
    return _once(name, lambda: Gauge(f"lcall_{name}", what, labels))


def counter(name: str, what: str, labels: Iterable[str] = ()) -> Counter:
    """A figure that only rises; Prometheus adds `_total`."""
    return _once(name, lambda: Counter(f"lcall_{name}", what, labels))


def histogram(name: str, what: str, labels: Iterable[str] = ()) -> Histogram:
    """Durations in seconds."""
    return _once(name, lambda: Histogram(f"lcall_{name}", what, labels, buckets=SECONDS))


def _once(name: str, make: Callable[[], T]) -> T:
    if name not in _made:
        _made[name] = make()
    return cast(T, _made[name])


class Recent:
    """Durations of the last minute, at most 10,000 of them: their worst and their 99th percentile, as gauges."""

    def __init__(self, name: str, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, float]] = deque(maxlen=10_000)
        gauge(f"{name}_p99_seconds", f"{what}: 99th percentile of the last minute").set_function(self.p99)
        gauge(f"{name}_worst_seconds", f"{what}: the worst of the last minute").set_function(self.worst)

    def observe(self, seconds: float) -> None:
        self._seen.append((self._clock(), seconds))

    def p99(self) -> float:
        """0 when nothing was seen."""
        values = sorted(self._values())
        return values[min(len(values) - 1, int(len(values) * 0.99))] if values else 0.0

    def worst(self) -> float:
        return max(self._values(), default=0.0)

    def _values(self) -> list[float]:
        since = self._clock() - RECENT_S
        return [seconds for at, seconds in self._seen.copy() if at >= since]


class LastHour:
    """How many of a thing there were in the last hour, at most 1,000, as a gauge `…_last_hour`; `label`: of which."""

    def __init__(self, name: str, what: str, label: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}
        self._gauge = gauge(f"{name}_last_hour", what, [label] if label else [])
        if not label:
            self._gauge.set_function(self.count)

    def add(self, which: str = "") -> None:
        if which not in self._seen:
            self._seen[which] = deque(maxlen=1_000)
            if which:
                self._gauge.labels(which).set_function(lambda: self.count(which))
        self._seen[which].append(self._clock())

    def count(self, which: str = "") -> int:
        since = self._clock() - HOUR_S
        return sum(at > since for at in self._seen.get(which, deque()).copy())


class Age:
    """How long ago something that should happen again and again happened last, as a gauge `…_seconds`."""

    def __init__(self, name: str, what: str) -> None:
        self._at = time.monotonic()
        gauge(f"{name}_seconds", what).set_function(lambda: time.monotonic() - self._at)

    def now(self) -> None:
        self._at = time.monotonic()


class Heart:
    """The loop of this process, as its thread of figures sees it."""

    def __init__(self) -> None:
        self._beat_at: float | None = None
        gauge("loop_still_seconds", "how long the event loop has run nothing").set_function(self.still_s)

    async def beat(self) -> None:
        """Until cancelled: measures how late the loop runs what is due."""
        lag = Recent("loop_lag", "how late the event loop runs what is due")
        try:
            while True:
                self._beat_at = due = time.monotonic() + BEAT_S
                await asyncio.sleep(BEAT_S)
                lag.observe(max(0.0, time.monotonic() - due))
        finally:
            self._beat_at = None

    def still_s(self) -> float:
        """0 while nothing is due, and where no loop was begun."""
        due = self._beat_at
        return max(0.0, time.monotonic() - due) if due is not None else 0.0


HEART: Final = Heart()


def serve(pages: Mapping[str, Page] | None = None) -> None:
    """Serve /metrics, /alive and these pages at LCALL_METRICS (host:port) until the process ends; else nothing."""
    address = os.environ.get("LCALL_METRICS", "")
    if not address:
        return
    host, _, port = address.rpartition(":")
    server = make_server(host, int(port), _application(dict(pages or {})), _Server, _Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _application(pages: Mapping[str, Page]) -> Any:
    metrics = make_wsgi_app()

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ.get("PATH_INFO", "")
        if path == "/alive":
            still_s = HEART.still_s()
            status, body = "503 Stuck" if still_s > STUCK_S else "200 OK", json.dumps({"still_s": still_s}).encode()
        elif page := pages.get(path):
            status, body = "200 OK", page()
        else:
            return metrics(environ, start_response)
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


class _Server(WSGIServer):
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away while it was answered is nobody's fault."""


class _Silent(WSGIRequestHandler):
    timeout = 2.0  # one at a time is served: who connects and asks nothing goes

    def log_message(self, format: str, *args: Any) -> None:
        """Each scrape in the log would hide the rest."""
