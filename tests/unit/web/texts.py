"""All texts of the web that are translated, read out of its sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.extract import extract_from_file

WEB: Final = Path(__file__).resolve().parents[3] / "lcall_web"
KEYWORDS: Final = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "mark": None,
    "pgettext": ((1, "c"), 2),
    "mark_in": ((1, "c"), 2),
}
OPTIONS: Final = {"trimmed": "true", "encoding": "utf-8"}


def named(text: str, context: str | None) -> str:
    """As catalogues of GNU gettext tell them apart."""
    return f"{context}\4{text}" if context else text


def texts() -> Iterator[tuple[str, str]]:
    """(text, the file that it stands in); of a plural, the singular; behind its context, if it has one."""
    for file in sorted([*WEB.rglob("*.py"), *WEB.rglob("templates/*.html")]):
        method = "python" if file.suffix == ".py" else "jinja2.ext:babel_extract"
        for _, text, _, context in extract_from_file(method, str(file), keywords=KEYWORDS, options=OPTIONS):
            found = text[0] if isinstance(text, tuple) else text
            if found:
                yield named(found, context), str(file.relative_to(WEB))
