"""Spoken texts as items on disk: `<prompts>/tts/<language>-<sha1>.al`, whole or not there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from lq.media.prompts import spoken
from lq.media.tts import sound
from lq.media.tts.engine import SpeechFailed, TTSEngine
from lq.media.tts.reading import read_out

MARGINS_MS: Final = (80, 200)


class SpokenTexts:
    """Renders texts below a prompt directory; the mixer finds them there at their next play."""

    def __init__(self, directory: Path, engine: TTSEngine) -> None:
        self._directory, self._engine = directory, engine

    def path(self, text: str, language: str) -> Path:
        return self._directory / f"{spoken(text, language)}.al"

    async def render(self, text: str, language: str) -> bool:
        """False if it was there already. Raises SpeechFailed, OSError; then there is no file."""
        path = self.path(text, language)
        if path.exists():
            return False
        samples, rate = await self._engine.speak(read_out(text, language), language)
        try:
            audio = await asyncio.to_thread(_as_item, samples, rate)
        except ValueError as error:
            raise SpeechFailed(f"{self._engine.name}: {error}") from error
        _write_whole(path, audio)
        return True


def _as_item(samples: sound.Samples, rate: int) -> bytes:
    return sound.encode(sound.finish(sound.telephone(samples, rate), *MARGINS_MS))


def _write_whole(path: Path, data: bytes) -> None:
    """A reader sees all of it or nothing, also after a power failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
