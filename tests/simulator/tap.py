"""Voices in pcap files: what sipp's phone shall say is put into one, what it was sent is heard in the line's.

Frames of 20 ms. What did not come is silence: a phone would smooth it over.
"""

from __future__ import annotations

import asyncio
import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from tests.simulator.audio import FRAME, RATE, Samples
from tests.simulator.rtp import EVENT, HEADER, KEY_FRAMES, KEYS, PAUSE_FRAMES, VOLUME
from tests.simulator.wire import PCAP, RECORD

ETHERNET: Final = 1
UDP: Final = 17
EVENTS: Final = 101  # payload type
START: Final = 1_000_000  # RTP timestamp


def voice(file: Path, payloads: Sequence[bytes], payload_type: int, keys: Sequence[tuple[float, str]] = ()) -> None:
    """Written for sipp to play: 20 ms payloads one after another; while a key is pressed (second, key) only the key."""
    pressed = {round(at * 1000 / 20) + n: (key, n) for at, key in keys for n in range(KEY_FRAMES + PAUSE_FRAMES)}
    with file.open("wb") as out:
        out.write(PCAP.pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, ETHERNET))
        sequence = 0
        for at, payload in enumerate(payloads):
            for packet in _packets(at, payload, payload_type, pressed.get(at)):
                _write(out.write, at * 0.02, HEADER.pack(0x80, packet[0], sequence, packet[1], 0xCA11) + packet[2])
                sequence += 1


def _packets(at: int, payload: bytes, kind: int, key: tuple[str, int] | None) -> list[tuple[int, int, bytes]]:
    """(marker and payload type, timestamp, payload): an event's begins when it does, its end comes three times."""
    now = START + at * FRAME
    if key is None:
        return [(kind, now, payload)]
    name, n = key
    if n >= KEY_FRAMES:
        return [(kind, now, payload)] if n > KEY_FRAMES else []
    last = n == KEY_FRAMES - 1
    event = EVENT.pack(KEYS.index(name), VOLUME | (0x80 if last else 0), (n + 1) * FRAME)
    return [(EVENTS | (0x80 if n == 0 else 0), now - n * FRAME, event)] * (3 if last else 1)


def _write(write: Callable[[bytes], object], at: float, rtp: bytes) -> None:
    udp = struct.pack("!HHHH", 4000, 4000, 8 + len(rtp), 0) + rtp
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, UDP, 0, bytes(4), bytes(4)) + udp
    frame = bytes(12) + b"\x08\x00" + ip
    write(RECORD.pack(int(at), round(at % 1 * 1e6), len(frame), len(frame)) + frame)


@dataclass(frozen=True, slots=True)
class Packet:
    at: float
    source: tuple[str, int]
    to: tuple[str, int]
    kind: int  # RTP payload type
    sequence: int
    timestamp: int
    payload: bytes


class Ear:
    """Who is sent RTP at this address, in the growing pcap of a line. hearing.Ear, from the first packet on."""

    def __init__(self, tap: Path, address: str, payload_type: int, decoder: Callable[[bytes], Samples]) -> None:
        self._file = tap.open("rb", buffering=0)
        self._file.seek(0, 2)  # what came before is another call's
        self._address, self._kind, self._decode = address, payload_type, decoder
        self._rest = b""
        self._heard = np.zeros(0, np.int16)
        self._arrivals: list[tuple[int, float]] = []
        self.packets: list[Packet] = []
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._file.close()

    @property
    def length(self) -> int:
        return len(self._heard)

    def heard_since(self, sample: int) -> Samples:
        return self._heard[sample:]

    def time_of(self, second: float) -> float:
        place = bisect_right(self._arrivals, (int(second * RATE), float("inf")))
        return self._arrivals[min(place, len(self._arrivals) - 1)][1]

    @property
    def missing(self) -> int:
        """Packets of its stream that did not come."""
        numbers = [packet.sequence for packet in self.packets]
        return sum((later - one - 1) & 0xFFFF for one, later in pairwise(numbers))

    async def _follow(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(0.01)

    def _look(self) -> None:
        self._rest += self._file.read()
        while len(self._rest) >= RECORD.size:
            seconds, micros, length, _ = RECORD.unpack_from(self._rest)
            if len(self._rest) < RECORD.size + length:
                return
            packet = _rtp(self._rest[RECORD.size : RECORD.size + length], seconds + micros / 1e6)
            self._rest = self._rest[RECORD.size + length :]
            if packet is not None and packet.to[0] == self._address and packet.kind == self._kind:
                self._hear(packet)

    def _hear(self, packet: Packet) -> None:
        self.packets.append(packet)
        samples = self._decode(packet.payload)
        place = (packet.timestamp - self.packets[0].timestamp) & 0xFFFFFFFF
        if not 0 <= place - len(self._heard) < 10 * RATE:  # another stream, placed where the one before ended
            place = len(self._heard)
        self._heard = np.concatenate([self._heard, np.zeros(place - len(self._heard), np.int16), samples])
        self._arrivals.append((len(self._heard), packet.at))


def _rtp(ip: bytes, at: float) -> Packet | None:
    """An IP packet without options that holds RTP, else None."""
    if len(ip) < 40 or ip[0] != 0x45 or ip[9] != UDP or ip[28] >> 6 != 2 or ip[6:8] not in (b"\0\0", b"\x40\0"):
        return None
    source, to = (".".join(map(str, ip[place : place + 4])) for place in (12, 16))
    ports = struct.unpack_from("!HH", ip, 20)
    _, kind, sequence, timestamp, _ = HEADER.unpack_from(ip, 28)
    return Packet(at, (source, ports[0]), (to, ports[1]), kind & 0x7F, sequence, timestamp, ip[40:])
