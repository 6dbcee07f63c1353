"""mixer.c for Python: compiled once into build/, loaded by cffi. The thread that runs it never needs the GIL."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cffi import FFI

SOURCE: Final = Path(__file__).with_name("mixer.c")
BUILD: Final = Path(__file__).parents[3] / "build"
FRAME_MS: Final = 20
CAPACITY: Final = 4096
_DECLARED: Final = """
    typedef struct mixer mixer;
    mixer *mixer_new(int fd, int capacity);
    int mixer_wake_fd(const mixer *m);
    int mixer_join(mixer *m, uint32_t ip, uint16_t port, uint32_t ssrc, uint16_t seq, uint32_t ts);
    void mixer_leave(mixer *m, int slot);
    void mixer_play(mixer *m, int slot, const uint8_t *data, int64_t length, int64_t at, int repeat, uint32_t serial);
    void mixer_silence(mixer *m, int slot);
    void mixer_echo(mixer *m, int slot);
    int mixer_done(mixer *m, int32_t *slots, uint32_t *serials, int most);
    int mixer_stats(mixer *m, uint64_t *counts, int32_t *lateness, int most);
    void mixer_stop(mixer *m);
    int mixer_run(mixer *m);
"""


def library() -> Path:
    """The compiled inner loop; compiled now if this source never was. Raises RuntimeError without a C compiler."""
    source = SOURCE.read_bytes()
    target = BUILD / f"mixer-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if target.exists():
        return target
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise RuntimeError("the mixer needs a C compiler once: apt-get install gcc libc6-dev")
    BUILD.mkdir(exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}.part")
    command = [compiler, "-O3", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra", "-o", str(part), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"mixer.c does not compile:\n{done.stderr}")
    part.rename(target)
    return target


@dataclass(frozen=True, slots=True)
class Figures:
    ticks: int
    received: int
    sent: int
    strangers: int
    lateness_us: Sequence[int]  # when the last packet of a tick had left, against the ideal tick


class Core:
    """One socket, one thread. Slots are numbers; whoever uses them keeps the names."""

    def __init__(self, host: str, port: int, capacity: int = CAPACITY) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((host, port))
        self._ffi = FFI()
        self._ffi.cdef(_DECLARED)
        loaded: Any = self._ffi.dlopen(str(library()))
        self._lib = loaded
        self._mixer: Any = self._lib.mixer_new(self.socket.fileno(), capacity)
        if not self._mixer:
            raise MemoryError("mixer")
        self._kept: dict[int, Any] = {}  # slot -> buffer that C reads from
        self._slots = self._ffi.new("int32_t[]", 256)
        self._serials = self._ffi.new("uint32_t[]", 256)
        self.realtime: bool | None = None
        self._thread = threading.Thread(target=self._run, name="mixer", daemon=True)

    @property
    def wake_fd(self) -> int:
        """Becomes readable when plays have ended."""
        return int(self._lib.mixer_wake_fd(self._mixer))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._lib.mixer_stop(self._mixer)
        self._thread.join(timeout=2)
        self.socket.close()

    def _run(self) -> None:
        self.realtime = bool(self._lib.mixer_run(self._mixer))

    def join(self, ip: str, port: int) -> int | None:
        """A slot for RTP from and to this address; None if there is none left or it has one."""
        address = int.from_bytes(socket.inet_aton(ip), "little")
        given = (secrets.randbits(32), secrets.randbits(16), secrets.randbits(32))
        slot = int(self._lib.mixer_join(self._mixer, address, port, *given))
        return slot if slot >= 0 else None

    def leave(self, slot: int) -> None:
        self._lib.mixer_leave(self._mixer, slot)
        self._kept.pop(slot, None)

    def play(self, slot: int, audio: bytes, *, at: int, repeat: bool, serial: int) -> None:
        """A-law from sample `at`, from now on."""
        buffer = self._ffi.from_buffer("uint8_t[]", audio)
        self._lib.mixer_play(self._mixer, slot, buffer, len(audio), at, repeat, serial)
        self._kept[slot] = buffer  # the former one is free now: C reads only what was set last

    def silence(self, slot: int) -> None:
        self._lib.mixer_silence(self._mixer, slot)
        self._kept.pop(slot, None)

    def echo(self, slot: int) -> None:
        self._lib.mixer_echo(self._mixer, slot)
        self._kept.pop(slot, None)

    def ended(self) -> list[tuple[int, int]]:
        """(slot, serial) of plays that were heard to their end."""
        found: list[tuple[int, int]] = []
        while n := self._lib.mixer_done(self._mixer, self._slots, self._serials, 256):
            found += [(self._slots[i], self._serials[i]) for i in range(n)]
        return found

    def figures(self) -> Figures:
        counts, lateness = self._ffi.new("uint64_t[4]"), self._ffi.new("int32_t[]", 16384)
        n = self._lib.mixer_stats(self._mixer, counts, lateness, 16384)
        ticks, received, sent, strangers = (int(count) for count in counts)
        return Figures(ticks, received, sent, strangers, list(lateness[0:n]))


if __name__ == "__main__":
    print(library())
