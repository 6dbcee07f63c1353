"""Texts that have broken programs: whoever takes a text from people or from the network is tried with all of them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

NAUGHTY: Final = (
    # markup and scripts
    "'; <script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "--><!-- <script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<<script>script>alert(1)<</script>/script>",
    "＜script＞alert(1)＜/script＞",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<div hx-get=/logout hx-trigger=load>",
    "<base href=//evil.example>",
    # templates and formats
    "{{ 7*7 }}",
    "{% include '/etc/passwd' %}",
    "${7*7}",
    "#{7*7}",
    "%s%s%s%n",
    "%(n)s",
    "{0}{name}",
    # SQL, LIKE, shells, paths
    "'; drop table operator; --",
    "' or '1'='1",
    '" or ""="',
    "%",
    "_",
    "\\",
    "100%_\\",
    "$(id)",
    "`id`",
    "; cat /etc/passwd",
    "../../etc/passwd",
    "..%2f..%2f",
    "C:\\CON",
    "|calc|",
    # spreadsheets
    "=1+1",
    '=HYPERLINK("http://evil.example")',
    "+1+1",
    "-1+1",
    "@SUM(1)",
    # words that mean something elsewhere
    "null",
    "undefined",
    "None",
    "NaN",
    "true",
    "0",
    "-1",
    "1e309",
    "admin",
    "new",
    # letters
    "田中さんにあげて下さい",
    "部落格 李雷 𠜎𠜱𡿺",
    "Ω≈ç√∫˜µ≤≥÷",
    "ʇunpᴉpᴉɔuᴉ",
    "مرحبا بالعالم",
    "‮gnp.exe‬",
    "👩‍👩‍👧‍👦 👾 🇨🇳",
    "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮",
    "İIıi ß ﬀ ǅ",
    "a\u00adb\u200bc\ufeffd",
    " ",
    "\u3000",
    "a" * 39,
    "王" * 39,
)

# No PostgreSQL text holds them, no page shows them.
UNPRINTABLE: Final = ("\x00", "a\x00b", "a\r\nX-Evil: 1", "\x1b[31m", "\ud7ff\ue000", "\x7f")


LEADING: Final = ("href", "src", "action", "formaction", "xlink:href", "hx-get", "hx-post", "content")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        if tag == "script" and not (known.get("src") or "").startswith("/static/"):
            self.faults.append(f"<{tag}>")
        if tag in ("iframe", "object", "embed", "base"):
            self.faults.append(f"<{tag}>")
        for name, value in known.items():
            leads = name in LEADING and (value or "").strip().lower().startswith(("javascript:", "data:text", "//"))
            if name.startswith("on") or leads:
                self.faults.append(f"<{tag} {name}={value}>")
            if name.startswith("hx-") and "logout" in (value or ""):
                self.faults.append(f"<{tag} {name}={value}>")
        self.texts += [value for name, value in known.items() if value and name in ("value", "title", "placeholder")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def faults(page: str) -> list[str]:
    """What in it could do something that we did not write."""
    parsed = _Page()
    parsed.feed(page)
    return parsed.faults


def shows(page: str, text: str) -> bool:
    """Whether a person reads this text in it, as it was written."""
    parsed = _Page()
    parsed.feed(page)
    return any(text in each for each in parsed.texts)
