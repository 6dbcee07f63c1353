"""The C of the mixer for Python, loaded by cffi. The thread that runs it never needs the GIL."""

from __future__ import annotations

import math
import secrets
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cffi import FFI

from lq.media.mixer.build import library

CAPACITY: Final = 4096
SOCKET_BUFFER: Final = 8 << 20  # a tick's worth of packets from every leg, and some
PRIORITIES: Final = ("normal", "nice", "realtime")
_FOR_ALL: Final = 1024  # ended plays, or keys, read at a time
_LATENESS: Final = 16_384
NO_ROOM: Final = -1
MOST_WHISPERS: Final = 4
FRAME: Final = 160  # samples in 20 ms
SAMPLES_MS: Final = 8
_DECLARED: Final = """
    typedef struct mixer mixer;
    typedef struct {
      uint64_t packets, lost, late, doubled, ignored, flooded, resets, concealed, stretched, squeezed;
      int64_t jitter; int32_t depth; float power;
    } told_t;
    mixer *mixer_new(int fd, int capacity);
    void mixer_free(mixer *m);
    int mixer_wake_fd(const mixer *m);
    int mixer_join(mixer *m, uint32_t ip, uint16_t port, uint32_t ssrc, uint16_t seq, uint32_t ts);
    void mixer_leave(mixer *m, int slot);
    void mixer_play(mixer *m, int source, const uint8_t *data, int64_t length, int64_t at, int32_t times,
                    uint32_t serial);
    void mixer_silence(mixer *m, int source);
    void mixer_echo(mixer *m, int slot);
    void mixer_listen_for_keys(mixer *m, int slot, int on);
    int mixer_room_open(mixer *m);
    void mixer_room_close(mixer *m, int room);
    void mixer_enter(mixer *m, int slot, int room, int talk, int hear, const int32_t *whisper, int count);
    int mixer_done(mixer *m, int32_t *sources, uint32_t *serials, int most);
    int mixer_keys(mixer *m, int32_t *slots, char *keys, int32_t *ms, int most);
    int mixer_stats(mixer *m, uint64_t *counts, int32_t *lateness, int most);
    void mixer_leg_stats(mixer *m, int slot, told_t *told);
    int mixer_hurry(void);
    int mixer_stay(void);
    void mixer_stop(mixer *m);
    void mixer_run(mixer *m);
    void mixer_hear(mixer *m, uint32_t ip, uint16_t port, const uint8_t *packet, int size);
    int mixer_step(mixer *m, int32_t *slots, uint8_t *frames);
"""


@dataclass(frozen=True, slots=True)
class Figures:
    ticks: int
    received: int
    sent: int
    strangers: int  # packets from addresses that no leg has
    skipped: int  # frames that nobody heard because we were stopped
    lateness_us: Sequence[int]  # when the last packet of a tick had left, against the ideal tick


@dataclass(frozen=True, slots=True)
class LegFigures:
    """What came from a leg, since it was joined (RFC 3550 §6.4.1 for lost and jitter)."""

    packets: int
    lost: int
    late: int  # came after their place was played; the delay has grown since
    doubled: int
    ignored: int  # no audio, or no RTP
    flooded: int  # beyond 64 in 20 ms
    resets: int  # new SSRC, or a jump of its clock
    concealed_ms: float
    stretched_ms: float  # by which the delay was made longer …
    squeezed_ms: float  # … and shorter again
    jitter_ms: float  # packets are seen each 5 ms, so less than that means none
    buffer_ms: float  # waits at a tick, its own 20 ms included
    level_dbov: float  # of about the last 100 ms, -127 … 0 (RFC 6464)


class Core:
    """One socket, one thread. Slots and rooms are numbers; whoever uses them keeps the names."""

    def __init__(self, udp: socket.socket | None, capacity: int = CAPACITY, library_file: Path | None = None) -> None:
        """`udp` None: packets and ticks are given by hand. Raises RuntimeError when the C is not compiled."""
        self._ffi = FFI()
        self._ffi.cdef(_DECLARED)
        loaded: Any = self._ffi.dlopen(str(library_file or library()))
        self._lib = loaded
        self.socket, self._capacity = udp, capacity
        self._mixer: Any = self._lib.mixer_new(udp.fileno() if udp else -1, capacity)
        if not self._mixer:
            raise MemoryError("mixer")
        self._kept: dict[int, Any] = {}  # slot, or capacity + room -> buffer that C reads from
        self._sources = self._ffi.new("int32_t[]", max(_FOR_ALL, capacity))
        self._serials = self._ffi.new("uint32_t[]", _FOR_ALL)
        self._keys = self._ffi.new("char[]", _FOR_ALL)
        self._priority = 0
        self._runs = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mixer", daemon=True)

    @classmethod
    def at(cls, host: str, port: int, capacity: int = CAPACITY) -> Core:
        """Raises OSError when the address is taken, RuntimeError when the C is not compiled."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((host, port))
        _widen(udp)
        return cls(udp, capacity)

    @property
    def wake_fd(self) -> int:
        """Becomes readable when plays or keys have ended."""
        return int(self._lib.mixer_wake_fd(self._mixer))

    def start(self) -> str:
        """How urgently the system serves us from now on: one of PRIORITIES."""
        self._thread.start()
        self._runs.wait()
        return PRIORITIES[self._priority]

    def stop(self) -> None:
        """Nothing of this core may be called afterwards."""
        self._lib.mixer_stop(self._mixer)
        if self._thread.is_alive():
            self._thread.join()
        self._lib.mixer_free(self._mixer)
        if self.socket is not None:
            self.socket.close()

    def stay(self) -> bool:
        """Our memory, and what it grows by, is not paged out from now on; False where that is not allowed."""
        return bool(self._lib.mixer_stay())

    def _run(self) -> None:
        self._priority = int(self._lib.mixer_hurry())
        self._runs.set()
        self._lib.mixer_run(self._mixer)

    # -- legs and rooms -------------------------------------------------------------------------------------------
    def join(self, ip: str, port: int) -> int | None:
        """A slot for RTP from and to this address; None if there is none left or the address has one."""
        given = (secrets.randbits(32), secrets.randbits(16), secrets.randbits(32))
        slot = int(self._lib.mixer_join(self._mixer, _address(ip), port, *given))
        return slot if slot >= 0 else None

    def leave(self, slot: int) -> None:
        self._lib.mixer_leave(self._mixer, slot)
        self._kept.pop(slot, None)

    def open_room(self) -> int | None:
        """A room that nobody else uses until it is closed; None if there is none left."""
        room = int(self._lib.mixer_room_open(self._mixer))
        return room if room >= 0 else None

    def close_room(self, room: int) -> None:
        """Whoever is in it must have been sent elsewhere."""
        self._lib.mixer_room_close(self._mixer, room)
        self._kept.pop(self._capacity + room, None)

    def enter(self, slot: int, room: int, *, talk: bool, hear: bool, whisper: Sequence[int] = ()) -> None:
        """The whole of what a leg does in rooms from the next tick on. `whisper`: slots, at most MOST_WHISPERS."""
        self._lib.mixer_enter(self._mixer, slot, room, talk, hear, list(whisper), len(whisper))

    # -- sound ----------------------------------------------------------------------------------------------------
    def play(self, slot: int, audio: bytes, *, at: int, times: int, serial: int) -> None:
        """A-law from sample `at`, from now on, `times` times (0: for ever). `serial` is 1 … 2³²−1."""
        buffer = self._ffi.from_buffer("uint8_t[]", audio)
        self._lib.mixer_play(self._mixer, slot, buffer, len(audio), at, times, serial)
        self._kept[slot] = buffer  # the former one is free now: C reads only what was set last

    def play_into(self, room: int, audio: bytes, *, at: int, times: int, serial: int) -> None:
        """To all who hear the room."""
        self.play(self._capacity + room, audio, at=at, times=times, serial=serial)

    def silence(self, slot: int) -> None:
        self._lib.mixer_silence(self._mixer, slot)
        self._kept.pop(slot, None)

    def silence_in(self, room: int) -> None:
        self.silence(self._capacity + room)

    def echo(self, slot: int) -> None:
        self._lib.mixer_echo(self._mixer, slot)
        self._kept.pop(slot, None)

    def listen_for_keys(self, slot: int, on: bool) -> None:
        self._lib.mixer_listen_for_keys(self._mixer, slot, on)

    # -- what is told ---------------------------------------------------------------------------------------------
    def ended(self) -> list[tuple[str, int, int]]:
        """("leg" or "room", its number, serial) of plays that were heard to their end."""
        found: list[tuple[str, int, int]] = []
        while n := self._lib.mixer_done(self._mixer, self._sources, self._serials, _FOR_ALL):
            for source, serial in zip(self._sources[0:n], self._serials[0:n], strict=True):
                is_room = source >= self._capacity
                found.append(("room", source - self._capacity, serial) if is_room else ("leg", source, serial))
        return found

    def digits(self) -> list[tuple[int, str, int]]:
        """(slot, key, ms) of keys that were heard and let go."""
        ms = self._ffi.new("int32_t[]", _FOR_ALL)
        n = self._lib.mixer_keys(self._mixer, self._sources, self._keys, ms, _FOR_ALL)
        return [(self._sources[i], self._keys[i].decode(), ms[i]) for i in range(n)]

    def figures(self) -> Figures:
        counts, lateness = self._ffi.new("uint64_t[5]"), self._ffi.new("int32_t[]", _LATENESS)
        n = self._lib.mixer_stats(self._mixer, counts, lateness, _LATENESS)
        ticks, received, sent, strangers, skipped = (int(count) for count in counts)
        return Figures(ticks, received, sent, strangers, skipped, list(lateness[0:n]))

    def leg_figures(self, slot: int) -> LegFigures:
        told: Any = self._ffi.new("told_t *")
        self._lib.mixer_leg_stats(self._mixer, slot, told)
        level = 10 * math.log10(told.power / 32768**2) if told.power > 0 else -127.0
        return LegFigures(
            packets=told.packets,
            lost=told.lost,
            late=told.late,
            doubled=told.doubled,
            ignored=told.ignored,
            flooded=told.flooded,
            resets=told.resets,
            concealed_ms=told.concealed / SAMPLES_MS,
            stretched_ms=told.stretched / SAMPLES_MS,
            squeezed_ms=told.squeezed / SAMPLES_MS,
            jitter_ms=told.jitter / 16 / SAMPLES_MS,
            buffer_ms=told.depth / SAMPLES_MS,
            level_dbov=round(max(-127.0, level), 1),
        )

    # -- by hand --------------------------------------------------------------------------------------------------
    def hear(self, ip: str, port: int, packet: bytes) -> None:
        """As if this packet had come from there."""
        self._lib.mixer_hear(self._mixer, _address(ip), port, packet, len(packet))

    def step(self) -> dict[int, bytes]:
        """The next 5 ms: slot -> the 20 ms of A-law that the legs whose turn it was hear."""
        frames = self._ffi.new("uint8_t[]", self._capacity * FRAME)
        n = self._lib.mixer_step(self._mixer, self._sources, frames)
        heard = bytes(self._ffi.buffer(frames, n * FRAME))
        return {self._sources[i]: heard[i * FRAME : (i + 1) * FRAME] for i in range(n)}


def _address(ip: str) -> int:
    return int.from_bytes(socket.inet_aton(ip), sys.byteorder)


def _widen(udp: socket.socket) -> None:
    """As much buffer as we may have: beyond the machine's limit only with CAP_NET_ADMIN."""
    for plain, forced in ((socket.SO_RCVBUF, 33), (socket.SO_SNDBUF, 32)):  # SO_RCVBUFFORCE, SO_SNDBUFFORCE
        try:
            udp.setsockopt(socket.SOL_SOCKET, forced, SOCKET_BUFFER)
        except PermissionError:
            udp.setsockopt(socket.SOL_SOCKET, plain, SOCKET_BUFFER)
