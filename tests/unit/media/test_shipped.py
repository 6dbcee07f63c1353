"""The shipped prompts: the files are those that texts.json describes, nothing that is used is missing, all is sane."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lq.config.documents import Queue
from lq.ivr.flow import PROMPTS as PROMPT_KEYS
from lq.media import prompts
from lq.media.mixer.shelf import Shelf
from lq.media.tts import hold_music, shipped, sound
from lq.media.tts.reading import han, read_out

CHECKOUT = Path(__file__).parents[3]
ENTRIES: dict[str, dict[str, Any]] = json.loads(shipped.TEXTS.read_text("utf-8"))
SPOKEN = [item for item, entry in ENTRIES.items() if entry["text"]]
SHELF = Shelf([shipped.PROMPTS])


def names(language: str) -> set[str]:
    return {item.removeprefix(f"{language}/") for item in ENTRIES if item.startswith(f"{language}/")}


def named_in_code() -> set[str]:
    """Prompts that lq plays by name."""
    found = set()
    for file in (CHECKOUT / "lq/contacts").glob("*.py"):
        source = file.read_text("utf-8")
        found |= set(re.findall(r'\bprompt\("(\w+)"', source))
        found |= set(re.findall(r'\bleave\(turn, "\w+", "(\w+)"\)', source))
    return found


def named_in_flows() -> set[str]:
    flows = [json.loads(file.read_text("utf-8")) for file in (CHECKOUT / "sql/demo").glob("*flow*.json")]
    assert flows
    return {node[key] for flow in flows for node in flow["nodes"].values() for key in PROMPT_KEYS if key in node}


def test_texts_and_files_agree_to_the_byte() -> None:
    files = {str(path.relative_to(shipped.PROMPTS).with_suffix("")) for path in shipped.PROMPTS.rglob("*.al")}
    assert files == set(ENTRIES)
    for item, entry in ENTRIES.items():
        audio = SHELF.item(item)
        assert hashlib.sha256(audio).hexdigest() == entry["sha256"], item
        assert entry["duration_ms"] == len(audio) * 1000 // sound.RATE, item
    assert shipped.dump(ENTRIES) == shipped.TEXTS.read_text("utf-8"), "an item a line"
    assert sum(path.stat().st_size for path in shipped.PROMPTS.rglob("*.al")) < 5 << 20


def test_what_the_code_and_the_flows_play_is_there_in_both_languages() -> None:
    used = named_in_code() | named_in_flows()
    assert {"notice_recorded", "menu_main", "queue_welcome", "all_busy", "no_agent", "technical_error"} <= used
    for language in prompts.LANGUAGES:
        assert used - names(language) == set()
    assert Queue("q", "q").music in ENTRIES


def test_both_languages_have_the_same_prompts() -> None:
    def named(language: str) -> set[str]:
        return {name for name in names(language) if not name.startswith("numbers/")}

    assert named("zh") == named("en")


@pytest.mark.parametrize("language", prompts.LANGUAGES)
def test_every_number_place_and_digit_can_be_said(language: str) -> None:
    wanted = {item for n in range(10_000) for item in prompts.number(n, language)}
    wanted |= {item for n in (10_000, 20_000, prompts.LARGEST) for item in prompts.number(n, language)}
    wanted |= {item for n in range(200) for item in prompts.position(n, language)}
    wanted |= set(prompts.digits("0123456789*#+", language))
    assert wanted - set(ENTRIES) == set()
    pieces = {item for item in ENTRIES if item.startswith((f"{language}/numbers/", f"{language}/digits/"))}
    assert pieces - wanted == set(), "none is shipped in vain"


def test_the_texts_say_what_they_must() -> None:
    assert ENTRIES["zh/notice_recorded"]["text"] == "为了保证服务质量，您的通话将被录音"
    assert "recorded" in ENTRIES["en/notice_recorded"]["text"]
    for n in [*range(100), *range(100, 1000, 100), *range(1000, 10_000, 1000)]:
        assert ENTRIES[f"zh/numbers/{n}"]["text"] == han(n)
    assert [ENTRIES[f"zh/digits/{digit}"]["text"] for digit in range(10)] == list("零幺二三四五六七八九")
    # A menu announces exactly the keys that lead somewhere: 9 leads back from a voicemail that is not there yet.
    flow = json.loads((CHECKOUT / "sql/demo/main_flow.json").read_text("utf-8"))
    live = {key for key, to in flow["nodes"]["menu"]["keys"].items() if flow["nodes"][to]["kind"] in ("queue", "agent")}
    assert set(re.findall(r"请按(\d)", ENTRIES["zh/menu_main"]["text"])) == live
    assert set(re.findall(r"press (\d)", ENTRIES["en/menu_main"]["text"])) == live


@pytest.mark.parametrize("item", SPOKEN)
def test_it_sounds_as_a_prompt_should(item: str) -> None:
    entry, samples = ENTRIES[item], sound.decode(SHELF.item(item))
    assert entry["voice"] == ("zf_xiaoxiao" if item.startswith("zh") else "af_heart")
    assert np.abs(samples).max() < 0.9, "no clipping"
    assert sound.speech_level(samples) == pytest.approx(sound.SPEECH_DBOV, abs=3)
    lead, tail = shipped.PIECE_MARGINS if shipped.is_piece(item) else shipped.SENTENCE_MARGINS
    begin, end = sound.heard(samples)
    assert lead <= begin / 8 <= lead + 40, "no silence before it that somebody would notice"
    assert tail <= (len(samples) - end) / 8 <= tail + 60
    assert np.abs(samples[:8]).max() < 0.01 and np.abs(samples[-8:]).max() < 0.01, "no click where it is joined"
    seconds, syllables = (end - begin) / sound.RATE, count_syllables(entry["text"], item[:2])
    assert 0.09 * syllables < seconds < 0.30 + 0.42 * syllables, f"{seconds:.2f} s for {syllables} syllables"


def count_syllables(text: str, language: str) -> int:
    """Of English: groups of vowels, which is near enough."""
    read = read_out(text, language)
    if language == "zh":
        return len(re.findall("[\u4e00-\u9fff]", read))
    return len(re.findall("[aeiouy]+", re.sub(r"e\b", "", re.sub(r"\d", "one", read.lower())))) or 1


@pytest.mark.parametrize("item", [i for i in SPOKEN if i.startswith("zh/") and len(ENTRIES[i]["text"]) == 1])
def test_a_syllable_is_one_sound(item: str) -> None:
    """Nothing is left of the syllable that followed it when it was rendered."""
    samples = sound.decode(SHELF.item(item))
    quiet = sound.frame_levels(samples[slice(*sound.heard(samples))]) < sound.SPEECH_DBOV - 33
    assert "  " not in "".join(" " if q else "x" for q in quiet).strip()


@pytest.mark.parametrize("language", prompts.LANGUAGES)
def test_pieces_join_evenly(language: str) -> None:
    """One loudness, short gaps: neither a hole in the middle of a number nor a word louder than the next."""
    levels = []
    for n in [*range(100), *range(100, 1000, 100)]:
        [item] = prompts.number(n, language)
        levels.append(sound.speech_level(sound.decode(SHELF.item(item))))
    assert max(levels) - min(levels) < 2
    joined = sound.decode(SHELF.sequence(prompts.position(9988, language)))
    quiet = sound.frame_levels(joined[slice(*sound.heard(joined))]) < -60
    longest = max(len(run) for run in "".join("x" if q else " " for q in quiet).split(" "))
    assert longest * 5 < 250, "ms of silence within a sentence"


def test_the_music_goes_round_without_a_click() -> None:
    samples = sound.decode(SHELF.item("music/hold"))
    assert 60 < len(samples) / sound.RATE < 90
    assert 10 * np.log10((samples**2).mean()) == pytest.approx(hold_music.LEVEL_DBOV, abs=0.5)
    assert np.abs(samples).max() < 0.7
    bends = np.abs(np.diff(np.concatenate([samples[-4000:], samples[:4000]]), 2))
    assert bends[3990:4010].max() <= np.percentile(bends, 99.9), "the seam bends no more than the music does"
    levels = sound.frame_levels(samples)
    assert (levels < -50).mean() < 0.01, "never silent"
    composed = sound.decode(sound.encode(hold_music.hold_music()))
    assert np.abs(samples - composed).max() < 0.02, "it is what hold_music composes"


def test_the_beep_is_one_kilohertz() -> None:
    samples = sound.decode(SHELF.item("tones/beep"))
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * sound.RATE / len(samples) == pytest.approx(1000, abs=3)
    assert len(samples) / sound.RATE == pytest.approx(0.4, abs=0.01)


def test_nothing_that_runs_needs_the_tools() -> None:
    """They need libraries that no center has."""
    program = (
        "import sys, lq.node, lq.worker.__main__, lq.media.mixer.__main__, lq.api.__main__\n"
        "print(sorted(sys.modules.keys() & {f'lq.media.tts.{m}' for m in ('shipped', 'kokoro', 'proof')}))"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
