"""Mouth to ear inside the platform, by tone onsets through the media of a center: two relays, and two relays with the
mixer between them (a room). The floor is the same packets from socket to socket.

    python -m tests.bench.mouth_to_ear [rounds]

`relayed` is from the moment at which a packet of the talker leaves his phone until its first sample can be heard by
the other one (kernel's time of arrival, and the place of the onset within the packet). The packet itself is 20 ms long
and a phone holds back 40 ms, so mouth to ear is 60 ms more. Each round begins at another moment between two ticks of
the mixer. Phones that know no telephone-event are listened to for keys by rtpengine, which costs them something.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import shutil
import socket
import statistics
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lq.media.leg import At, MediaLeg
from lq.media.mixer.client import Mixer
from lq.media.rtpengine import RtpEngine
from lq.media.sdp import audio as description
from tests.center import reserve
from tests.simulator import audio
from tests.simulator.rtp import HEADER, SO_TIMESTAMPNS, STAMP

ROUNDS: Final = 12
PACKETS: Final = 200  # a round: 4 s
BURST: Final = 20  # packets from onset to onset
TONE: Final = 4  # of them with a tone
PACKET_MS: Final = 20.0
PHONE_BUFFER_MS: Final = 40.0
PATHS: Final = {
    "sockets": "socket to socket (floor)",
    "bridge": "phone, relay, relay, phone",
    "room": "phone, relay, mixer, relay, phone",
    "keyless": "two relays, no telephone-event",
}
LOUD: Final = 1500
FRAMES: Final = audio.frames(audio.tone(1000, 0.02, -10, start=1 / 4000))  # loud from its first sample on
SILENCE: Final = audio.frames(audio.silence(0.02))[0]


@dataclass
class Phone:
    """A socket that talks at absolute deadlines and knows when what it hears came."""

    udp: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    to: tuple[str, int] = ("127.0.0.1", 9)
    knows: tuple[str, ...] = ("8", "101")
    ssrc: int = field(default_factory=lambda: random.getrandbits(32))
    sequence: int = 0
    onsets: list[float] = field(default_factory=list)  # when a packet with one left
    heard: list[float] = field(default_factory=list)  # when one could be heard
    quiet: int = 1000  # samples since the last loud one

    def __post_init__(self) -> None:
        self.udp.bind(("127.0.0.1", 0))
        self.udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.udp.setblocking(False)

    @property
    def port(self) -> int:
        return int(self.udp.getsockname()[1])

    def sdp(self) -> str:
        lines = (
            "v=0", "o=phone 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
            f"m=audio {self.port} RTP/AVP {' '.join(self.knows)}", "a=rtpmap:8 PCMA/8000",
            *(["a=rtpmap:101 telephone-event/8000"] if "101" in self.knows else []), "a=ptime:20", "a=sendrecv", "",
        )  # fmt: skip
        return "\r\n".join(lines)

    def talk(self, tone: bool) -> None:
        place = self.sequence % BURST
        payload = FRAMES[0] if tone and place < TONE else SILENCE
        header = HEADER.pack(0x80, 8, self.sequence & 0xFFFF, self.sequence * 160 & 0xFFFFFFFF, self.ssrc)
        if tone and place == 0:
            self.onsets.append(time.time())
        self.udp.sendto(header + payload, self.to)
        self.sequence += 1

    def listen(self) -> None:
        while select.select([self.udp], [], [], 0)[0]:
            data, extra, _, _ = self.udp.recvmsg(2048, 64)
            seconds, nanos = next(STAMP.unpack(value) for _, kind, value in extra if kind == SO_TIMESTAMPNS)
            if struct.unpack_from("!B", data, 1)[0] & 127 == 8:
                self._hear(audio.decode(data[12:]), seconds + nanos / 1e9)

    def _hear(self, samples: audio.Samples, at: float) -> None:
        for place, sample in enumerate(samples):
            if abs(int(sample)) > LOUD:
                if self.quiet > 400:
                    self.heard.append(at + place / audio.RATE)
                self.quiet = 0
            else:
                self.quiet += 1


def conversation(talker: Phone, listener: Phone) -> list[float]:
    """Milliseconds from each onset that left to the same onset heard."""
    with contextlib.suppress(PermissionError):  # a phone has a processor of its own
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
    talker.onsets.clear()
    listener.heard.clear()
    listener.quiet = 1000
    due = time.monotonic() + random.uniform(0.02, 0.04)
    for _ in range(PACKETS):
        while (left := due - time.monotonic()) > 0:
            select.select([listener.udp], [], [], left)
            listener.listen()
        talker.talk(True)
        listener.talk(False)
        due += PACKET_MS / 1000
    until = time.monotonic() + 0.3
    while (left := until - time.monotonic()) > 0:
        select.select([listener.udp], [], [], left)
        listener.listen()
    matched = []
    for began in talker.onsets[2:]:
        later = [heard - began for heard in listener.heard if 0 < heard - began < BURST * PACKET_MS / 1000]
        matched += [1000 * min(later)] if later else []
    return matched


@dataclass
class Scene:
    engine: RtpEngine
    mixer: Mixer
    legs: int = 0

    async def call(self, phone: Phone) -> MediaLeg:
        self.legs += 1
        leg, answer = await self.engine.incoming(f"ear.{self.legs}", phone.sdp())
        phone.to = ("127.0.0.1", description(answer).port)
        return leg

    async def round(self, what: str) -> list[float]:
        knows = ("8",) if what == "keyless" else ("8", "101")
        a, b = Phone(knows=knows), Phone(knows=knows)
        if what == "sockets":
            a.to, b.to = ("127.0.0.1", b.port), ("127.0.0.1", a.port)
            return await asyncio.to_thread(conversation, a, b)
        legs = [await self.call(a), await self.call(b)]
        if what != "room":
            await self.engine.connect(*legs)
        else:
            for leg in legs:
                await self.mixer.join(leg.id, leg.x_address)
                await self.engine.point(leg, At(*self.mixer.rtp))
                await self.mixer.room(leg.id, "ear")
        found = await asyncio.to_thread(conversation, a, b)
        for leg in legs:
            await self.mixer.leave(leg.id)
            await self.engine.delete(leg.id)
        return found


async def main(rounds: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="bench-ear-"))
    directory.chmod(0o755)
    center = reserve(directory / "center", {"LCALL_ONLY": "redis-rtpengine,rtpengine,mixer"})
    await asyncio.to_thread(center.start, together_with=os.getpid())
    try:
        ports, back = center.ports, asyncio.Event()
        engine = RtpEngine(ng=("127.0.0.1", ports.ng), ng_tcp=("127.0.0.1", ports.ng_tcp))
        mixer = Mixer(str(center.home.run / "mixer.sock"))
        await engine.start(lambda leg, key, ms: None)
        await mixer.start(lambda leg, play, complete: None, back.set)
        await asyncio.wait_for(back.wait(), 10)
        scene = Scene(engine, mixer)
        print("with a packet of 20 ms and a phone's 40 ms:  relayed p50      p99   mouth to ear p50      p99")
        for what, name in PATHS.items():
            print(line(name, sorted([ms for _ in range(rounds) for ms in await scene.round(what)])), flush=True)
        await mixer.close()
        await engine.close()
    finally:
        await asyncio.to_thread(center.stop)
        shutil.rmtree(directory)


def line(name: str, found: list[float]) -> str:
    middle, worst = statistics.median(found), found[len(found) * 99 // 100]
    more = PACKET_MS + PHONE_BUFFER_MS
    relayed = f"{name:42} {middle:12.1f} ms {worst:5.1f} ms"
    return f"{relayed} {middle + more:15.1f} ms {worst + more:5.1f} ms   ({len(found)} onsets)"


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
