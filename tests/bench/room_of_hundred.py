"""One room of a hundred who all talk, in the mixer alone (no rtpengine), beside the floor and Janus AudioBridge.

    python -m tests.bench.room_of_hundred [parties]

As in mixer_legs.py each party sends and hears 50 packets a second; the floor reads and sends as many and does nothing
else. Processor time, and when the last packet of a tick had left (`late`). Then by content, in the same mixer and a
room as large: three speak, each with a tone, and everybody hears all of them but himself.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from lq.media.mixer.client import Mixer
from tests.bench import _janus
from tests.bench.mixer_legs import ROUND_S, SOURCE, Figures, addresses, floored, rounds, run, started
from tests.contract.mixer.conftest import free_port, write_prompts
from tests.simulator import audio
from tests.simulator.rtp import HEADER

PARTIES: Final = 100
TONES: Final = (440, 740, 1090)
PACKETS: Final = 75  # that each of the speakers says: 1.5 s
FRAME_S: Final = 0.02


async def main(parties: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-room-") as directory:
        place = Path(directory)
        ends = place / "ends"
        subprocess.run(["gcc", "-O2", "-Wall", "-o", str(ends), str(SOURCE)], check=True)
        write_prompts(place / "prompts")
        floor = await floored(ends, parties)
        figures, heard = await measured(place, ends, parties)
        print("what    parties    cores    floor  ratio  legs/core  late p50      p99    sent")
        print(figures.line("mixer", parties, floor), flush=True)
        print(f"by content: {heard} of {parties} hear who speaks, all of them and not themselves")
        if not _janus.installed():
            print(_janus.HOW_TO)
            return
        peer = await janus(place, ends, parties)
        print(f"janus   {parties:6} {peer.cores:8.1%} {'':15} {parties / peer.cores:10.0f} {'':19} {peer.sent:7.1%}")
        print(f"processor: {peer.cores / figures.cores:.1f} times less than Janus in one room of {parties}")


async def measured(place: Path, ends: Path, parties: int) -> tuple[Figures, int]:
    """While all talk; and then how many hear what they should."""
    port, rtp = free_port(), free_port()
    process = await started(place, rtp)
    back = asyncio.Event()
    mixer = Mixer(str(place / "mixer.sock"))
    await mixer.start(lambda leg, play, complete: None, back.set)
    try:
        await asyncio.wait_for(back.wait(), 60)  # a machine that is busy
        for n, (host, _) in enumerate(addresses(parties, port)):
            await mixer.join(f"leg{n}", f"{host}:{port}")
            await mixer.room(f"leg{n}", "hundred")
        cores, sent = await rounds(process.pid, lambda: run(ends, "peer", parties, port, rtp, ROUND_S), parties)
        late = (await mixer.stats())["late_us"]
        for n in range(parties):
            await mixer.leave(f"leg{n}")
        heard = await by_content(mixer, parties, rtp)
    finally:
        await mixer.close()
        process.terminate()
        await process.wait()
    return Figures(cores, sent, late["p50"], late["p99"]), heard


async def by_content(mixer: Mixer, parties: int, rtp: int) -> int:
    """How many of them hear exactly the tones of the others who speak."""
    phones = [Phone(("127.0.0.1", rtp), TONES[n] if n < len(TONES) else 0) for n in range(parties)]
    for n, phone in enumerate(phones):
        await mixer.join(f"phone{n}", f"127.0.0.1:{phone.port}")
        await mixer.room(f"phone{n}", "by content")
    due = time.monotonic()
    for number in range(PACKETS):
        for phone in phones:
            phone.speak(number)
            phone.listen()
        due += FRAME_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    for n in range(parties):
        await mixer.leave(f"phone{n}")
    return sum(phone.hears() == set(TONES) - {phone.tone} for phone in phones)


class Phone:
    def __init__(self, mixer: tuple[str, int], tone: int) -> None:
        self.tone = tone
        self._says = audio.frames(audio.tone(tone, PACKETS * FRAME_S)) if tone else []
        self._heard: list[bytes] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.connect(mixer)
        self._udp.setblocking(False)

    @property
    def port(self) -> int:
        return int(self._udp.getsockname()[1])

    def speak(self, number: int) -> None:
        if self._says:
            self._udp.send(HEADER.pack(0x80, 8, number, number * 160, self.tone) + self._says[number])

    def listen(self) -> None:
        try:
            while packet := self._udp.recv(2048):
                self._heard.append(packet[12:])
        except BlockingIOError:
            pass

    def hears(self) -> set[int]:
        """In the last second."""
        self._udp.close()
        return audio.tones(audio.decode(self._heard[-50:]), TONES)


async def janus(place: Path, ends: Path, parties: int) -> Figures:
    port = free_port()
    peer = _janus.Janus(place / "janus")
    await peer.start()
    try:
        assert peer.process is not None
        await peer.rooms(addresses(parties, port), parties)
        ports = place / "ports"
        ports.write_text("\n".join(map(str, peer.ports)))
        words = ("peer", parties, port, 0, ROUND_S, ports)
        return Figures(*await rounds(peer.process.pid, lambda: run(ends, *words), parties))
    finally:
        await peer.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else PARTIES))
