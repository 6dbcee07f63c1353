"""Who speaks a text: espeak-ng, which every center has. Another engine has the same one method."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np

from lq.media.tts.sound import Samples

TIMEOUT_S: Final = 30.0  # 500 characters take espeak-ng a second or two
# Of espeak-ng 1.51's two Mandarin voices `cmn` reads syllables as English words. The variant f2 is understood best on
# the telephone: of a few sentences Whisper-base had 100 % of the words and 65 % of the syllables, without it 77 and 23.
VOICES: Final[Mapping[str, str]] = {"zh": "cmn-latn-pinyin+f2", "en": "en-us+f2"}
WORDS_PER_MINUTE: Final = 150  # on the telephone slower than its 175
_MARKUP: Final = str.maketrans("[]", "  ")  # `[[…]]` would be read as phonemes


class SpeechFailed(Exception):
    """The engine gave no sound; the text says why."""


class TTSEngine(Protocol):
    """Text in, sound out. The text is ready to be read: lq/media/tts/reading.py has been over it."""

    @property
    def name(self) -> str: ...

    async def speak(self, text: str, language: str) -> tuple[Samples, int]:
        """Samples and their rate in Hz. Raises SpeechFailed."""
        ...


class Espeak:
    """espeak-ng as a process of its own (it is under the GPL), the text on its standard input."""

    name: Final = "espeak-ng"

    def __init__(self, program: str = "espeak-ng") -> None:
        self._program = program

    async def speak(self, text: str, language: str) -> tuple[Samples, int]:
        argv = (self._program, "--stdin", "--stdout", "-b", "1", "-s", str(WORDS_PER_MINUTE), "-v", VOICES[language])
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise SpeechFailed(f"{self._program} does not start: {error}") from error
        try:
            async with asyncio.timeout(TIMEOUT_S):
                wav, errors = await process.communicate(text.translate(_MARKUP).encode())
        except TimeoutError:
            raise SpeechFailed(f"{self._program} was not ready within {TIMEOUT_S:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0 or not wav:
            raise SpeechFailed(f"{self._program} gave {process.returncode}: {errors.decode(errors='replace')[:200]}")
        return _samples(wav)


def _samples(wav: bytes) -> tuple[Samples, int]:
    """espeak-ng cannot go back to fill in lengths when it writes to a pipe: what counts is what came."""
    with wave.open(io.BytesIO(wav)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise SpeechFailed("16-bit mono was expected")
        rate, data = file.getframerate(), file.readframes(len(wav) // 2)
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2") / 32768.0, rate
