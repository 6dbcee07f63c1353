"""Renders the shipped prompts: `python -m lq.media.tts.shipped <kokoro-js tarball> [--only zh/menu]`.

Each item of lq/media/prompts/texts.json that has no sha256 yet (or that --only names) is spoken by its voice, written
as A-law beside it and described there. Never imported at run time; lq/media/prompts/README.md tells what it needs and
how a prompt is added.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lq.media.tts import sound
from lq.media.tts.kokoro import RATE, Kokoro
from lq.media.tts.reading import read_out

PROMPTS: Final = Path(__file__).parents[1] / "prompts"
TEXTS: Final = PROMPTS / "texts.json"
LANGUAGE_OF_VOICE: Final = {"z": "zh", "a": "en"}
# Silence before and after, ms: sentences have room around them, pieces are joined with others.
SENTENCE_MARGINS: Final = (80, 200)
PIECE_MARGINS: Final = (10, 40)


def is_piece(item: str) -> bool:
    """Said in the middle of a longer sentence."""
    return any(part in item for part in ("/numbers/", "/digits/")) or item.endswith("_before")


def render(engine: Kokoro, item: str, entry: Mapping[str, Any]) -> bytes:
    """One item as A-law.

    `before`: a syllable with a stop (个, 百, 点) that follows and is cut off again. A voice draws a single syllable
    out, for it ends a sentence; in front of another one it is as short as it will be between other pieces.
    """
    voice, before = entry["voice"], entry.get("before", "")
    language = LANGUAGE_OF_VOICE[voice[0]]
    texts = [read_out(text, language) for text in (entry["text"], before) if text]
    if texts[-1][-1] not in "。？！.?!":  # the voice lets a text without an end hang in the air
        texts[-1] += "。" if language == "zh" else "."
    spoken = sound.telephone(engine.speak(texts, voice, entry.get("speed", 1.0)), RATE)
    if before:
        spoken = sound.before_closure(spoken)
    return sound.encode(sound.finish(spoken, *(PIECE_MARGINS if is_piece(item) else SENTENCE_MARGINS)))


def write(entries: dict[str, dict[str, Any]], item: str, audio: bytes) -> None:
    file = PROMPTS / f"{item}.al"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(audio)
    entries[item]["sha256"] = hashlib.sha256(audio).hexdigest()
    entries[item]["duration_ms"] = len(audio) * 1000 // sound.RATE
    TEXTS.write_text(dump(entries), "utf-8")


def dump(entries: dict[str, dict[str, Any]]) -> str:
    """An item a line, so that a change of one is a change of one line."""
    lines = (f"{json.dumps(item)}: {json.dumps(entry, ensure_ascii=False)}" for item, entry in entries.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("voices", type=Path, help="the tarball of the Node package kokoro-js")
    parser.add_argument("--only", help="items that begin with this, also if they are there")
    arguments = parser.parse_args()
    entries: dict[str, dict[str, Any]] = json.loads(TEXTS.read_text("utf-8"))
    engine = Kokoro(arguments.voices)
    for item, entry in entries.items():
        wanted = item.startswith(arguments.only) if arguments.only else "sha256" not in entry
        if wanted and entry["voice"][:1] in LANGUAGE_OF_VOICE:
            write(entries, item, render(engine, item, entry))
            sys.stdout.write(f"{item}: {entry['duration_ms']} ms\n")


if __name__ == "__main__":
    main()
