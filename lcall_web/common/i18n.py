"""Chinese is the text in the source, English a catalogue beside it; which of them a person reads is his own choice."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from gettext import NullTranslations
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

LANGUAGES: Final = {"zh": "中文", "en": "English"}
TAGS: Final = {"zh": "zh-CN", "en": "en"}
DEFAULT: Final = "zh"
HERE: Final = Path(__file__).resolve().parent.parent
ENGLISH: Final = sorted(HERE.glob("*/en.po"))  # what all share in locale/, and of each room its own


def _compiled(files: Iterable[Path]) -> Translations:
    """The catalogues as gettext reads them, made at the start so that no compiled file can be out of date."""
    whole = Catalog(locale="en")
    for file in files:
        with file.open("rb") as source:
            for message in read_po(source, locale="en"):
                if message.id:
                    whole[message.id] = message
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return Translations(compiled)


CATALOGUES: Final[Mapping[str, NullTranslations]] = {"zh": NullTranslations(), "en": _compiled(ENGLISH)}


def mark(text: str) -> str:
    """Marks a text that is translated where it is shown; returns it as it is."""
    return text


def mark_in(context: str, text: str) -> str:
    """Likewise, where one Chinese word is several English ones: `several` things, what one may `do`."""
    return text


def translated(language: str, text: str, **values: object) -> str:
    found = CATALOGUES[language].gettext(text) if text else ""
    return found % values if values else found


def preferred(chosen: str, accepted: str) -> str:
    """The language of a person: his choice, else the first of his browser that we speak (RFC 9110 §12.5.4)."""
    if chosen in LANGUAGES:
        return chosen
    wishes = []
    for place, wish in enumerate(accepted.split(",")[:20]):
        tag, _, quality = wish.partition(";")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES:
            wishes.append((-_quality(quality), place, language))
    return min(wishes)[2] if wishes else DEFAULT


def _quality(text: str) -> float:
    try:
        return float(text.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0
