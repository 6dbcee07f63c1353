"""Everything is watched: figures of every process, alarms that begin and end, whatever else is dead."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest

from lq.sdk import Client
from lq.telemetry import STUCK_S
from ops.bans import _command
from ops.home import CHECKOUT
from ops.instance import instance
from ops.services import METERED, metrics_address
from tests.center import CALL_PATH, Center
from tests.conftest import OwnCenter
from tests.simulator.events import Events

EXPECTED = {
    "lq1": ("lcall_lease_age_seconds", "lcall_contacts", "lcall_commit_p99_seconds"),
    "api": ("lcall_sdk_request_seconds_count",),
    "journal": ("lcall_journal_lag_seconds",),
    "worker": ("lcall_outbox_age_seconds",),
    "mixer": ("lcall_mixer_late_p99_seconds",),
    "rtpengine": ("rtpengine_sessions",),
}
OF_ALL = ("process_cpu_seconds_total", "lcall_loop_lag_p99_seconds")  # that there is a lag shows that its loop is heard


def url_of(center: Center, name: str) -> str:
    return f"http://{metrics_address(instance(center.home, {'LCALL_PORT_BASE': str(center.port_base)}), name)}"


def lcall(center: Center, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops.cli", *words]
    return subprocess.run(command, env=center.environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=30)


def test_every_process_shows_its_figures(center: Center) -> None:
    with httpx.Client(trust_env=False) as http:
        for name in (*METERED, "rtpengine"):
            text = http.get(f"{url_of(center, name)}/metrics").raise_for_status().text
            for figure in (*EXPECTED.get(name, ()), *(OF_ALL if name in METERED else ())):
                assert f"\n{figure}" in text, (name, figure)
        for name in METERED:
            assert http.get(f"{url_of(center, name)}/alive").raise_for_status().json()["still_s"] < STUCK_S, name


@pytest.mark.slow
async def test_alarms_are_read_in_every_way(center: Center) -> None:
    """No gateway of the demo world is there: its trunks are down, and that is an alarm."""
    async with Client(center.api, center.token) as lq, asyncio.timeout(30):
        while not (found := [a for a in await lq.alarms() if a.about.endswith("gw2")]):  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.2)
    assert (found[0].id, found[0].severity) == ("trunk_down:gw2", "major")
    told = await asyncio.to_thread(lcall, center, "alarms", "--json")
    assert any(alarm["id"] == found[0].id for alarm in json.loads(told.stdout))
    shown = await asyncio.to_thread(lcall, center, "alarms")
    assert "gw2" in shown.stdout and "→" in shown.stdout


@pytest.mark.kills
@pytest.mark.slow
async def test_a_certificate_that_ends_and_many_banned_are_alarms(own_center: OwnCenter) -> None:
    """The customer's own: it is not made anew, and the edge shows it until somebody replaces it."""
    center = own_center.reserved(LCALL_ONLY=f"{CALL_PATH},certificates,watch")
    center.home.tls.mkdir(parents=True, exist_ok=True)
    files = ("-keyout", str(center.home.tls / "edge.key"), "-out", str(center.home.tls / "edge.crt"))
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost")
    subprocess.run(["openssl", "req", "-x509", "-days", "20", *new, *files], check=True, capture_output=True)
    await asyncio.to_thread(center.start, together_with=os.getpid())
    async with httpx.AsyncClient(trust_env=False) as http:
        url = url_of(center, "watch")
        alarm = await alarmed(http, url, "certificate_ends:edge", there=True)
        assert -20.01 < alarm["value"] / 86_400 < -19.9
        for n in range(51):
            _command(center.home.kamailio, "htable.sets", "bans", f"192.0.2.{n}", "wrong passwords")
        assert (await alarmed(http, url, "many_banned:kamailio", there=True))["value"] == 51
        told = {alarm["id"] for alarm in (await http.get(f"{url}/alarms")).json()["items"]}
        assert "process_down:kamailio" not in told and "certificate_over:edge" not in told


async def alarmed(http: httpx.AsyncClient, url: str, id: str, *, there: bool, within_s: float = 20) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        while True:
            found = {a["id"]: a for a in (await http.get(f"{url}/alarms")).json()["items"]}
            if (id in found) == there:
                return found.get(id, {})
            await asyncio.sleep(0.1)


def came_and_went(events: Events, alarm: str) -> bool:
    """Once, and last; the database's may have been told already while the center started."""
    told = [event.type for event in events.of(f"alarm:{alarm}")]
    return told[-2:] == ["alarm_raised", "alarm_cleared"]


@pytest.mark.kills
@pytest.mark.slow
async def test_what_hangs_or_is_away_is_an_alarm_until_it_is_back(own_center: OwnCenter) -> None:
    center = await asyncio.to_thread(own_center)
    url = url_of(center, "watch")
    async with httpx.AsyncClient(trust_env=False) as http, Client(center.api, center.token) as lq, Events(lq) as events:
        harms = {
            "lq1": "process_down:lq1", "redis": "live_away:redis", "postgres": "history_away:postgres",
            "rtpengine": "process_down:rtpengine", "kamailio": "process_down:kamailio",
            "redis-rtpengine": "process_down:redis-rtpengine",
        }  # fmt: skip
        for service, alarm in harms.items():
            center.freeze(service)
            await alarmed(http, url, alarm, there=True)
            center.thaw(service)
            await alarmed(http, url, alarm, there=False)
            await events.until(lambda alarm=alarm: came_and_went(events, alarm) or None)

        center.freeze("journal")  # an alarm outlives the watch that raised it
        before = await alarmed(http, url, "process_down:journal", there=True)
        killed = center.kill("watch")
        assert "process_down:watch" in [alarm.id for alarm in await lq.alarms()]
        await center.back("watch", killed)
        assert (await alarmed(http, url, "process_down:journal", there=True))["since"] == before["since"]
        center.thaw("journal")
        await alarmed(http, url, "process_down:journal", there=False)
