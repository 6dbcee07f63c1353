"""Lost packets of speech: what the mixer makes up, against what was said, beside spandsp's concealment and silence.

    python -m tests.bench.concealment [prompts]

Shipped prompts, 20 ms packets lost at random. Of each lost frame that was speech: the distance of its spectrum from the
true one, in dB below the frame's own energy (silence is 0 dB by definition; more negative is better); and the distance
of its level. Both must keep the clock: spandsp's is given the same frames. Without libspandsp2 the peer is left out.
"""

from __future__ import annotations

import ctypes
import random
import sys
from collections.abc import Callable, Collection
from typing import Final

import numpy as np

from lq.media.mixer.core import Core
from ops.home import CHECKOUT
from tests.simulator import audio
from tests.simulator.audio import FRAME, Samples
from tests.unit.media.mixer_lab import Lab

PROMPTS: Final = CHECKOUT / "lq/media/prompts"
LOSSES: Final = (0.01, 0.03, 0.07, 0.15)
Conceal = Callable[[Samples, Collection[int]], Samples]


def ours(said: Samples, lost: Collection[int]) -> Samples:
    lab = Lab(Core(None, 4))
    leg = lab.leg()
    lab.core.echo(leg.slot)
    leg.says(said, delay_ms=lambda n: None if n in lost else 0.0)
    lab.run(len(said) / 8 + 60)
    start = b"".join(leg.heard).index(audio.encode(said)[: 4 * FRAME])
    return leg.sound[start : start + len(said)]


def spandsp() -> Conceal | None:
    try:
        library = ctypes.CDLL("libspandsp.so.2")
    except OSError:
        return None
    library.plc_init.restype = ctypes.c_void_p

    def conceal(said: Samples, lost: Collection[int]) -> Samples:
        state = ctypes.c_void_p(library.plc_init(None))
        heard = said.copy()
        for n in range(len(said) // FRAME):
            frame = np.ascontiguousarray(heard[n * FRAME : n * FRAME + FRAME])
            place = frame.ctypes.data_as(ctypes.c_void_p)
            (library.plc_fillin if n in lost else library.plc_rx)(state, place, FRAME)
            heard[n * FRAME : n * FRAME + FRAME] = frame  # plc_rx fades what follows a loss
        library.plc_free(state)
        return heard

    return conceal


def silence(said: Samples, lost: Collection[int]) -> Samples:
    heard = said.copy()
    for n in lost:
        heard[n * FRAME : n * FRAME + FRAME] = 0
    return heard


def distances(said: Samples, heard: Samples, lost: Collection[int]) -> list[tuple[float, float, float]]:
    """(energy of the error, of the frame, |dB| of level) of each lost frame of speech."""
    found = []
    for n in sorted(lost):
        true, got = (each[n * FRAME : n * FRAME + FRAME].astype(np.float64) for each in (said, heard))
        if len(got) == FRAME and audio.level(true.astype(np.int16)) > -40:
            spectra = [np.abs(np.fft.rfft(each * np.hanning(FRAME))) for each in (true, got)]
            level = [10 * np.log10(np.mean(each**2) + 1) for each in (true, got)]
            error = float(np.sum((spectra[0] - spectra[1]) ** 2))
            found.append((error, float(np.sum(spectra[0] ** 2)), float(abs(level[0] - level[1]))))
    return found


def main(count: int) -> None:
    files = sorted(PROMPTS.rglob("*.al"), key=lambda file: file.stat().st_size)[-count:]
    speech = [audio.decode(file.read_bytes()) for file in files]
    ways: dict[str, Conceal | None] = {"mixer": ours, "spandsp": spandsp(), "silence": silence}
    print("loss   " + "".join(f"{name:>22}" for name in ways) + "   (spectrum, level)")
    for loss in LOSSES:
        cells = []
        for way in ways.values():
            rng = random.Random(7)
            found: list[tuple[float, float, float]] = []
            for said in speech:
                lost = {n for n in range(8, len(said) // FRAME - 1) if rng.random() < loss}
                found += distances(said, way(said, lost), lost) if way else []
            cells.append(cell(found))
        print(f"{loss:5.0%}  " + "".join(f"{each:>22}" for each in cells), flush=True)


def cell(found: list[tuple[float, float, float]]) -> str:
    if not found:
        return "not there"
    errors = [10 * np.log10(error / energy + 1e-9) for error, energy, _ in found]
    return f"{np.mean(errors):.1f} dB, {np.mean([level for _, _, level in found]):.1f} dB"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
