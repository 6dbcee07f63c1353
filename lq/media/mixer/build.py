"""Compiles the C beside it into build/, once for each text of it: `python -m lq.media.mixer.build`, as install.sh does.

A start only loads what stands there: it never waits for a compiler, and needs no right to write into the checkout.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

SOURCES: Final = sorted(Path(__file__).parent.glob("*.[ch]"))
BUILD: Final = Path(__file__).parents[3] / "build"
OPTIONS: Final = ("-std=gnu11", "-O3", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra", "-Werror")
SUMS: Final = ("-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math")  # sums of floats side by side


def library() -> Path:
    """Where the compiled inner loop stands. Raises RuntimeError if this source was not compiled."""
    file = _place()
    if not file.exists():
        raise RuntimeError(f"{file} is missing: run `make install` (or `python -m lq.media.mixer.build`)")
    return file


def build() -> Path:
    """Compiles unless that is done. Raises RuntimeError if it cannot be done."""
    target = _place()
    if target.exists():
        return target
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise RuntimeError("no C compiler: apt-get install gcc libc6-dev")
    BUILD.mkdir(exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}.part")
    compile(compiler, part)
    part.chmod(0o755)  # whatever the umask of who installs: others run it too
    part.rename(target)
    return target


def compile(compiler: str, target: Path, *more: str) -> None:
    """Raises RuntimeError with what the compiler says."""
    sources = [str(source) for source in SOURCES if source.suffix == ".c"]
    words = [compiler, *OPTIONS, *SUMS, *more, "-o", str(target), *sources, "-lm"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the mixer does not compile:\n{done.stderr}")


def _place() -> Path:
    text = b"".join(source.read_bytes() for source in SOURCES)
    return BUILD / f"mixer-{hashlib.sha256(text).hexdigest()[:16]}.so"


if __name__ == "__main__":
    try:
        build()
    except RuntimeError as error:
        sys.exit(f"mixer: {error}")
