"""mixer.c for Python, loaded by cffi. The thread that runs it never needs the GIL."""

from __future__ import annotations

import secrets
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cffi import FFI

from lq.media.mixer.build import library

FRAME_MS: Final = 20
CAPACITY: Final = 4096
SOCKET_BUFFER: Final = 8 << 20  # a tick's worth of packets from every leg, and some
PRIORITIES: Final = ("normal", "nice", "realtime")
_FOR_ALL: Final = 1024  # ended plays read at a time
_LATENESS: Final = 16_384
_DECLARED: Final = """
    typedef struct mixer mixer;
    mixer *mixer_new(int fd, int capacity);
    void mixer_free(mixer *m);
    int mixer_wake_fd(const mixer *m);
    int mixer_join(mixer *m, uint32_t ip, uint16_t port, uint32_t ssrc, uint16_t seq, uint32_t ts);
    void mixer_leave(mixer *m, int slot);
    void mixer_play(mixer *m, int slot, const uint8_t *data, int64_t length, int64_t at, int32_t times,
                    uint32_t serial);
    void mixer_silence(mixer *m, int slot);
    void mixer_echo(mixer *m, int slot);
    int mixer_done(mixer *m, int32_t *slots, uint32_t *serials, int most);
    int mixer_stats(mixer *m, uint64_t *counts, int32_t *lateness, int most);
    int mixer_hurry(void);
    void mixer_stop(mixer *m);
    void mixer_run(mixer *m);
"""


@dataclass(frozen=True, slots=True)
class Figures:
    ticks: int
    received: int
    sent: int
    strangers: int  # packets from addresses that no leg has
    skipped: int  # frames that nobody heard because we were stopped
    lateness_us: Sequence[int]  # when the last packet of a tick had left, against the ideal tick


class Core:
    """One socket, one thread. Slots are numbers; whoever uses them keeps the names."""

    def __init__(self, host: str, port: int, capacity: int = CAPACITY) -> None:
        """Raises OSError when the address is taken, RuntimeError when mixer.c is not compiled."""
        self._ffi = FFI()
        self._ffi.cdef(_DECLARED)
        loaded: Any = self._ffi.dlopen(str(library()))
        self._lib = loaded
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        _widen(self.socket)
        self._mixer: Any = self._lib.mixer_new(self.socket.fileno(), capacity)
        if not self._mixer:
            raise MemoryError("mixer")
        self._kept: dict[int, Any] = {}  # slot -> buffer that C reads from
        self._slots = self._ffi.new("int32_t[]", _FOR_ALL)
        self._serials = self._ffi.new("uint32_t[]", _FOR_ALL)
        self._priority = 0
        self._runs = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mixer", daemon=True)

    @property
    def wake_fd(self) -> int:
        """Becomes readable when plays have ended."""
        return int(self._lib.mixer_wake_fd(self._mixer))

    def start(self) -> str:
        """How urgently the system serves us from now on: one of PRIORITIES."""
        self._thread.start()
        self._runs.wait()
        return PRIORITIES[self._priority]

    def stop(self) -> None:
        """Nothing of this core may be called afterwards."""
        self._lib.mixer_stop(self._mixer)
        self._thread.join()
        self._lib.mixer_free(self._mixer)
        self.socket.close()

    def _run(self) -> None:
        self._priority = int(self._lib.mixer_hurry())
        self._runs.set()
        self._lib.mixer_run(self._mixer)

    def join(self, ip: str, port: int) -> int | None:
        """A slot for RTP from and to this address; None if there is none left or the address has one."""
        address = int.from_bytes(socket.inet_aton(ip), sys.byteorder)
        given = (secrets.randbits(32), secrets.randbits(16), secrets.randbits(32))
        slot = int(self._lib.mixer_join(self._mixer, address, port, *given))
        return slot if slot >= 0 else None

    def leave(self, slot: int) -> None:
        self._lib.mixer_leave(self._mixer, slot)
        self._kept.pop(slot, None)

    def play(self, slot: int, audio: bytes, *, at: int, times: int, serial: int) -> None:
        """A-law from sample `at`, from now on, `times` times (0: for ever). `serial` is 1 … 2³²−1."""
        buffer = self._ffi.from_buffer("uint8_t[]", audio)
        self._lib.mixer_play(self._mixer, slot, buffer, len(audio), at, times, serial)
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
        while n := self._lib.mixer_done(self._mixer, self._slots, self._serials, _FOR_ALL):
            found += [(self._slots[i], self._serials[i]) for i in range(n)]
        return found

    def figures(self) -> Figures:
        counts, lateness = self._ffi.new("uint64_t[5]"), self._ffi.new("int32_t[]", _LATENESS)
        n = self._lib.mixer_stats(self._mixer, counts, lateness, _LATENESS)
        ticks, received, sent, strangers, skipped = (int(count) for count in counts)
        return Figures(ticks, received, sent, strangers, skipped, list(lateness[0:n]))


def _widen(udp: socket.socket) -> None:
    """As much buffer as we may have: beyond the machine's limit only with CAP_NET_ADMIN."""
    for plain, forced in ((socket.SO_RCVBUF, 33), (socket.SO_SNDBUF, 32)):  # SO_RCVBUFFORCE, SO_SNDBUFFORCE
        try:
            udp.setsockopt(socket.SOL_SOCKET, forced, SOCKET_BUFFER)
        except PermissionError:
            udp.setsockopt(socket.SOL_SOCKET, plain, SOCKET_BUFFER)
