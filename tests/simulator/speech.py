"""What the parties of a call say: tones, the center's own prompts, sentences that espeak-ng reads out."""

from __future__ import annotations

import asyncio
import asyncio.subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from tests.simulator import audio
from tests.simulator.audio import RATE, Samples

LEVEL: Final = -24.0  # dBov of a sentence
VOICES: Final = {"zh": "cmn-latn-pinyin", "en": "en"}  # the first reads pinyin, its tones as numbers


class SpeechError(Exception):
    """espeak-ng or ffmpeg is missing or refuses; or there is no such prompt."""


def as_samples(said: Samples | bytes | int) -> Samples:
    """Samples as they are, A-law decoded, a frequency as ten seconds of its tone, without a click at the seam."""
    if isinstance(said, int):
        return audio.tone(said, 10)
    return audio.decode(said) if isinstance(said, bytes) else said


def prompt(item: str, directories: Iterable[Path]) -> Samples:
    """A prompt of the center (docs/contracts.md §6): the first directory that has it wins."""
    for directory in directories:
        file = directory / f"{item}.al"
        if file.exists():
            return audio.decode(file.read_bytes())
    raise SpeechError(f"there is no prompt {item}")


async def spoken(text: str, language: str = "en") -> Samples:
    """The sentence without the silences at its ends; the same text sounds the same. `zh`: pinyin, `ni3 hao3`."""
    wav = await _run("espeak-ng", "-v", VOICES[language], "-s", "150", "--stdout", text)
    raw = await _run("ffmpeg", "-v", "error", "-i", "-", "-ar", str(RATE), "-ac", "1", "-f", "s16le", "-", given=wav)
    samples = np.frombuffer(raw, np.int16)
    sounds = np.flatnonzero(np.abs(samples) > 300)
    if not len(sounds):
        raise SpeechError(f"espeak-ng said nothing for {text!r}")
    samples = samples[sounds[0] : sounds[-1] + 1]
    gain = 10 ** ((LEVEL - audio.level(samples)) / 20)
    louder: Samples = np.clip(samples * gain, -32767, 32767).astype(np.int16)
    return louder


async def read_wav(file: Path) -> list[Samples]:
    """The channels of a sound file of any format, read by ffmpeg and not by what wrote it. Raises SpeechError."""
    probed = await _run(
        *("ffprobe", "-v", "error", "-show_entries", "stream=channels,sample_rate", "-of", "csv=p=0", str(file))
    )
    rate, channels = (int(word) for word in probed.decode().strip().split(","))
    if rate != RATE:
        raise SpeechError(f"{file} has {rate} Hz")
    raw = await _run("ffmpeg", "-v", "error", "-i", str(file), "-f", "s16le", "-")
    return list(np.frombuffer(raw, np.int16).reshape(-1, channels).T)


async def _run(*words: str, given: bytes = b"") -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise SpeechError(f"{words[0]} is not installed") from None
    out, errors = await process.communicate(given)
    if process.returncode != 0:
        raise SpeechError(f"{words[0]}: {errors.decode(errors='replace').strip()[-200:]}")
    return out
