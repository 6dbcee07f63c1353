"""What a server shows is watched, and not what lies in its file."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lq.watch.alarms import Watched, step
from lq.watch.certificates import AGAIN_S, EVERY_S, FIRST_S, Certificates

DAY_S = 86_400.0


async def _nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


class Shown:
    """A server whose certificate is replaced, and the watch that looks at it; its clocks can be set forward."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, 0
        self.now, self.later_s = 0.0, 0.0
        self.server: asyncio.Server | None = None

    async def shows(self, days: int) -> None:
        await self.stops()
        key, certificate = self.directory / "edge.key", self.directory / "edge.crt"
        words = (
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=x",
        )
        files = ("-days", str(days), "-keyout", str(key), "-out", str(certificate))
        subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server = await asyncio.start_server(_nothing, "127.0.0.1", self.port, ssl=context)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stops(self) -> None:
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()
        self.server = None

    def watched(self) -> Certificates:
        shown = {"edge": f"127.0.0.1:{self.port}"}
        return Certificates(shown, lambda: self.now, lambda: time.time() + self.later_s)


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Shown]:
    place = Shown(tmp_path)
    await place.shows(90)
    yield place
    await place.stops()


async def left_days(certificates: Certificates) -> int | None:
    """After whoever is due to look has looked."""
    certificates.figures()
    await asyncio.gather(*certificates._looking)
    found = certificates.figures()["lcall_certificate_past_end_seconds"]
    return round(-found[0][1] / DAY_S) if found else None


def raised(certificates: Certificates) -> set[str]:
    _, begun, _ = step(Watched(), {"certificates": certificates.figures()}, 0, 0)
    return {alarm.id for alarm in begun}


async def test_the_end_comes_near_and_passes(shown: Shown) -> None:
    certificates = shown.watched()
    assert await left_days(certificates) == 90 and raised(certificates) == set()
    shown.later_s = 61 * DAY_S
    assert raised(certificates) == {"certificate_ends:edge"}
    shown.later_s = 91 * DAY_S
    assert raised(certificates) == {"certificate_ends:edge", "certificate_over:edge"}


async def test_it_is_looked_at_hourly_and_each_minute_when_it_is_to_be_replaced(shown: Shown) -> None:
    certificates = shown.watched()
    assert await left_days(certificates) == 90
    await shown.shows(10)
    shown.now = EVERY_S - 1
    assert await left_days(certificates) == 90
    shown.now = EVERY_S
    assert await left_days(certificates) == 10 and raised(certificates) == {"certificate_ends:edge"}
    await shown.shows(365)
    shown.now += AGAIN_S
    assert await left_days(certificates) == 365 and raised(certificates) == set()


async def test_who_does_not_answer_is_no_alarm_of_this_kind_and_is_asked_again(shown: Shown) -> None:
    await shown.stops()
    certificates = shown.watched()
    assert await left_days(certificates) is None and raised(certificates) == set()
    await shown.shows(20)
    assert await left_days(certificates) is None, "not each second"
    shown.now = FIRST_S
    assert await left_days(certificates) == 20
    await shown.stops()
    shown.now += AGAIN_S
    assert await left_days(certificates) == 20, "it was seen last"
