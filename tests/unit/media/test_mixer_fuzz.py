"""The C under the sanitizers of the compiler: no packet and no order of verbs makes it touch what is not its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lq.media.mixer.build import SOURCES, SUMS

DRIVER = Path(__file__).with_name("mixer_fuzz.c")
CHECKED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")


@pytest.mark.slow
def test_anything_in_any_order_under_the_sanitizers(tmp_path: Path) -> None:
    program = tmp_path / "fuzz"
    sources = [str(DRIVER), *(str(source) for source in SOURCES if source.suffix == ".c")]
    words = ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *SUMS, *CHECKED, f"-I{SOURCES[0].parent}"]
    subprocess.run([*words, "-pthread", "-o", str(program), *sources, "-lm"], check=True)
    for seed in range(1, 9):
        done = subprocess.run([str(program), str(seed), "150000"], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        assert int(done.stdout) > 5000  # it came to the audio
