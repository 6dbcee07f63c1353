"""The browser of the tests: which one, how it starts, and how long anything on a page is waited for."""

from __future__ import annotations

from typing import Final

from playwright.async_api import expect

CHROMIUM: Final = "/usr/bin/chromium"
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=user-gesture-required"),
)
WATCH_POLICY: Final = """
document.addEventListener(
  "securitypolicyviolation", (event) => console.error("CSP", event.violatedDirective, event.blockedURI)
);
"""
# ms. A stream whose session has ended is looked at after 25 s at the latest (lcall_web/board/views.py).
WAIT_MS: Final = 60_000

expect.set_options(timeout=WAIT_MS)  # for the whole process: it can stand in one place alone
