"""Where a page's phone registers, and what its agent is told; whose certificate steps come first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lcall_web.common import websocket
from lcall_web.phone import rules as phone
from lcall_web.trust import rules as trust
from lq.sdk import Credentials

PORTS = {"ws": "8442", "wss": "8443"}


@pytest.mark.parametrize(
    ("scheme", "host", "address"),
    [
        ("http", "127.0.0.1:8000", "ws://127.0.0.1:8442"),
        ("http", "localhost:8000", "ws://127.0.0.1:8442"),
        ("http", "[::1]:8000", "ws://127.0.0.1:8442"),
        ("https", "127.0.0.1:8444", "wss://127.0.0.1:8443"),
        ("https", "192.168.1.10:8444", "wss://192.168.1.10:8443"),
        ("https", "[fd00::10]:8444", "wss://[fd00::10]:8443"),
        ("http", "center.example.cn", "wss://center.example.cn:8443"),  # a proxy stands before it
        ("https", "a; script-src *", ""),
        ("https", "evil.example/x", ""),
        ("https", "", ""),
    ],
)
def test_a_phone_registers_at_the_host_of_its_page(scheme: str, host: str, address: str) -> None:
    assert websocket.address(scheme, host, PORTS) == address
    assert websocket.address(scheme, host, {}) == ""


def test_what_a_page_is_told() -> None:
    given = Credentials("8001", "lcall", "1795000000.8001", "hush", datetime.fromtimestamp(1_795_000_000, UTC))
    assert phone.told(given, "wss://h:1") == {
        "edge": "wss://h:1", "phone": "8001", "realm": "lcall", "user": "1795000000.8001", "password": "hush",
        "until": 1_795_000_000_000,
    }  # fmt: skip
    assert "hush" not in repr(given)
    assert set(phone.REASONS.values()) <= set(phone.WORDS)


@pytest.mark.parametrize(
    ("agent", "system"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36", "windows"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "firefox"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15", "macos"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1", "ios"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36", "android"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36", "linux"),
        ("", "windows"),
    ],
)
def test_the_steps_of_the_likely_system_come_first(agent: str, system: str) -> None:
    assert trust.likely(agent) == system
    assert [key for key, _, steps in trust.GUIDES if key == system and steps]


def test_a_fingerprint_is_shown_as_certificate_viewers_do() -> None:
    assert trust.fingerprint("00ff10") == "00:FF:10"
