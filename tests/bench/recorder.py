"""Recorded minutes converted per CPU second, beside ffmpeg decoding and merging the same two voices.

    python -m tests.bench.recorder [minutes]

A pcap as rtpengine writes it (two voices, 20 ms packets, capture jitter, 1 % lost) becomes a stored WAV in a process of
its own: reading, placing, decoding, gaps, writing to the disk, SHA-256, reading back. ffmpeg gets the bare payloads of
both voices as files and writes the stereo A-law WAV: no packets, no clocks, no gaps. CPU is user + system of the child.
"""

from __future__ import annotations

import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.simulator import audio
from tests.simulator.encoders import STEP, encoded

MINUTES: Final = 10
LEFT, RIGHT = 30000, 30002
KINDS: Final = {"PCMA": 8, "PCMU": 0, "G722": 9, "G729": 18, "opus": 111}
FFMPEG: Final = {"PCMA": ("-f", "alaw", "-ar", "8000"), "PCMU": ("-f", "mulaw", "-ar", "8000"), "G722": ("-f", "g722")}
CONVERT: Final = """
import sys
from pathlib import Path
from recorder import store
from recorder.pcap import rtp_file
from recorder.spool import Take
from recorder.voices import assemble
pcap, place = Path(sys.argv[1]), Path(sys.argv[2])
if sys.argv[3] == "yes":
    stored = store.keep(place, Take("r", "c", (), (), 0, 0), assemble(rtp_file(pcap), 30000, 30002, {111: "opus"}))
    assert store.verified(place, stored), stored
"""


def payloads(codec: str, minutes: int) -> list[bytes]:
    minute = audio.chirp(30.0)
    if codec in ("PCMA", "PCMU"):
        return audio.frames(minute, "a" if codec == "PCMA" else "u") * (2 * minutes)
    return encoded(minute, codec) * (2 * minutes)


def pcap(place: Path, voices: Sequence[tuple[int, str, list[bytes]]]) -> Path:
    """Packets in the order of their capture."""
    chance = random.Random(1)
    records = []
    for port, codec, frames in voices:
        step = STEP.get(codec, 160)
        for n, payload in enumerate(frames):
            if chance.random() < 0.01:
                continue
            at = 1_700_000_000 + n * 0.02 + chance.random() * 0.004
            rtp = struct.pack("!BBHII", 0x80, KINDS[codec], n & 0xFFFF, n * step & 0xFFFFFFFF, port) + payload
            udp = struct.pack("!HHHH", 4000, port, 8 + len(rtp), 0) + rtp
            ip = struct.pack("!BBHHHBBH4s4s", 69, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + udp
            records.append((at, struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(ip), len(ip)) + ip))
    file = place / "call.pcap"
    file.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + b"".join(record for _, record in sorted(records))
    )
    return file


def cpu(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor that the children needed, and by the clock."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, time.perf_counter() - started


def ours(place: Path, codec: str, minutes: int) -> float:
    """CPU seconds; the start of the interpreter is taken off: a recorder starts once."""
    file = pcap(place, [(LEFT, codec, payloads(codec, minutes)), (RIGHT, "PCMA", payloads("PCMA", minutes))])

    def run(convert: str) -> None:
        words = [sys.executable, "-c", CONVERT, str(file), str(place / "store"), convert]
        subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": os.getcwd()})

    (place / "store").mkdir()
    idle = min(cpu(lambda: run("no"))[0] for _ in range(3))
    return cpu(lambda: run("yes"))[0] - idle


def theirs(place: Path, codec: str, minutes: int) -> float:
    (place / "left").write_bytes(b"".join(payloads(codec, minutes)))
    (place / "right").write_bytes(b"".join(payloads("PCMA", minutes)))
    words = ["ffmpeg", "-v", "error", "-y", *FFMPEG[codec], "-i", str(place / "left")]
    words += [*FFMPEG["PCMA"], "-i", str(place / "right"), "-filter_complex"]
    words += [
        "[0:a]aresample=8000,aformat=s16:channel_layouts=mono[l];[1:a]aformat=s16:channel_layouts=mono[r];"
        "[l][r]amerge=inputs=2",
        *("-c:a", "pcm_alaw", str(place / "out.wav")),
    ]
    return cpu(lambda: subprocess.run(words, check=True))[0]


def main() -> None:
    minutes = int(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    print(f"{minutes} recorded minutes, both voices; recorded minutes per CPU second")
    for codec in KINDS:
        with tempfile.TemporaryDirectory() as place:
            mine = minutes / ours(Path(place), codec, minutes)
            other = f"{minutes / theirs(Path(place), codec, minutes):7.0f}" if codec in FFMPEG else "      –"
            print(f"  {codec:5} recorder {mine:7.0f}   ffmpeg, bare payloads {other}")


if __name__ == "__main__":
    main()
