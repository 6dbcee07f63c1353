"""Events that Redis could not take, in a local file until it has them: they outlive the node (DESIGN §5).

Written off the event loop by one thread, so a slow disk holds up nobody. A disk that is full, or too slow for what
waits, costs the file and not the call: that is said once, and the events stay in memory with their contacts.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from lq.ledger.events import Event

log = structlog.get_logger()

MOST_WAITING: Final = 50_000  # events not written yet
LARGEST: Final = 64 << 20  # bytes of the file


class Spool:
    def __init__(self, path: Path) -> None:
        """A file that is there already is of a process that died: take its events with `left` first."""
        self._path = path
        self._work: queue.Queue[list[Event] | threading.Event | None] = queue.Queue(MOST_WAITING)
        self._complaint = ""
        self._thread = threading.Thread(target=self._serve, name="event spool", daemon=True)
        self._thread.start()

    def left(self) -> list[Event]:
        """What stands in the file, in order; a last line that was cut off by a power failure is left out."""
        if not self._path.exists():
            return []
        events = []
        # by line feeds alone: what else breaks a line for Python may stand in what a caller wrote
        for line in filter(None, self._path.read_text(encoding="utf-8", errors="replace").split("\n")):
            try:
                events.append(Event.from_fields("", json.loads(line)))
            except (ValueError, TypeError) as error:
                log.warning("a line of the event spool is no event", path=str(self._path), error=str(error))
        return events

    def put(self, events: Sequence[Event]) -> None:
        """Keep these; written and fsynced soon, many at a time."""
        try:
            if events:
                self._work.put_nowait(list(events))
        except queue.Full:
            self._complain("it is written too slowly")

    def clear(self) -> None:
        """Redis has them all."""
        try:
            self._work.put_nowait([])
        except queue.Full:
            self._complain("it is written too slowly")

    def flush(self, timeout_s: float = 5.0) -> None:
        """Waits until what was put is in the file."""
        done = threading.Event()
        self._work.put(done)
        done.wait(timeout_s)

    def close(self) -> None:
        self._work.put(None)
        self._thread.join(5.0)

    # -- the thread
    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            batch, waiting = ([], [work]) if isinstance(work, threading.Event) else (work, [])
            clears = work == []
            while not clears and not self._work.empty() and isinstance(more := self._work.queue[0], list) and more:
                batch += self._work.get()  # type: ignore[arg-type]
            try:
                self._remove() if clears else self._write(batch)
                self._complaint = ""
            except OSError as error:
                self._complain(str(error))
            for done in waiting:
                done.set()

    def _write(self, batch: Sequence[Event]) -> None:
        if not batch:
            return
        if self._path.exists() and self._path.stat().st_size > LARGEST:
            raise OSError(f"it has reached {LARGEST >> 20} MB")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # begins with a line break, so that it stands alone also behind the half of a line
            text = "".join("\n" + json.dumps(event.fields(), ensure_ascii=False) for event in batch).encode()
            while text:
                text = text[os.write(file, text) :]
            os.fsync(file)
        finally:
            os.close(file)

    def _remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            log.error(
                "events cannot be kept in a file; they are in memory only", path=str(self._path), error=why, alarm=True
            )
        self._complaint = why
