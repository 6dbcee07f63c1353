"""What dies comes back by itself; the others do not notice, and nothing of the dead stays."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.services import services
from tests.center import Center, reserve, tree
from tests.conftest import DIRECTORY, OwnCenter
from tests.integration.ops.house import TALKING, alive, lcall, nothing_left, of, parent, said, shown, until
from tests.unit.ops.example import example

pytestmark = pytest.mark.kills

SERVICES = tuple(service.name for service in services(example()) if not service.once)


@pytest.fixture(scope="module")
def whole() -> Iterator[Center]:
    """A whole center of which everything may be killed; each worker has one."""
    directory = Path(tempfile.mkdtemp(prefix="deaths-", dir=os.environ[DIRECTORY]))
    directory.chmod(0o755)
    center = reserve(directory / "center")
    center.start(together_with=os.getpid())
    yield center
    center.stop()
    nothing_left(directory)


@pytest.mark.parametrize("service", SERVICES)
async def test_killed_and_back(whole: Center, service: str) -> None:
    for each in SERVICES:
        await whole.back(each, 0)
    before = {each: whole.pid(each) for each in SERVICES}
    restarts = whole.status(service).restarts
    family = tree(before[service])
    whole.kill(service)
    await whole.back(service, before[service])
    assert [pid for pid in family if pid in of(whole.path)] == [], shown(family)
    assert {each: whole.pid(each) for each in SERVICES if each != service} == {
        each: pid for each, pid in before.items() if each != service
    }
    assert whole.status(service).restarts == restarts + 1
    assert re.search(rf"{service} +已退出 ended \(signal 9\).*back in [\d.]+ s", said(whole))


@pytest.mark.slow
async def test_a_guard_that_is_killed_takes_its_program_along(own_center: OwnCenter) -> None:
    center = own_center(LCALL_ONLY=TALKING)
    kamailio = center.pid("kamailio")
    family = tree(kamailio)
    assert len(family) > 5, "Kamailio has workers"
    os.kill(parent(kamailio), signal.SIGKILL)
    await center.back("kamailio", kamailio)
    assert [pid for pid in family if pid in of(center.path)] == []


def bound(stranger: socket.socket, port: int) -> bool:
    try:
        stranger.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


@pytest.mark.slow
async def test_dying_at_each_start_others_stay(own_center: OwnCenter) -> None:
    """A stranger takes the port of a service that has died: it is tried again, ever more slowly, and comes back."""
    center = own_center(LCALL_ONLY=TALKING)
    others = {name: center.pid(name) for name in TALKING.split(",") if name not in ("redis", "migrate", "seed")}
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(center.runner, signal.SIGSTOP)  # so that it cannot be faster than the stranger
        try:
            killed = center.kill("redis")
            until(lambda: not alive(killed), 5)
            # a child of Redis that writes its file may hold the port a moment longer, until the guard has ended it
            until(lambda: bound(stranger, center.ports.redis), 5)
            stranger.listen()
        finally:
            os.kill(center.runner, signal.SIGCONT)
        until(lambda: center.status("redis").restarts >= 4, 30, lambda: said(center))
        assert center.status("redis").state in ("failed", "starting")
        answer = lcall(center, "status", "--json")
        assert answer.returncode == 3
        assert {name: center.pid(name) for name in others} == others
    await center.back("redis", killed, within_s=30)
    lines = [line for line in said(center).splitlines() if "redis " in line and "已退出" in line]
    assert [re.findall(r"back in ([\d.]+) s", line)[0] for line in lines[:4]] == ["0.0", "0.2", "0.5", "1.0"]
    assert "Address already in use" in lines[1] or "Failed listening" in lines[1], "the last line of its log is shown"


async def test_the_frozen_are_silent(whole: Center) -> None:
    """They run, hold their ports and say nothing: neither dead nor ready. Thawed, they serve again."""
    for each in SERVICES:
        await whole.back(each, 0)
    for each in SERVICES:
        whole.freeze(each)
    try:
        answer = lcall(whole, "status", "--json")
        assert answer.returncode == 3
        assert {each["service"]: each["state"] for each in json.loads(answer.stdout)} == dict.fromkeys(
            SERVICES, "silent"
        )
    finally:
        for each in SERVICES:
            whole.thaw(each)
    until(lambda: lcall(whole, "status").returncode == 0, 60, lambda: lcall(whole, "status").stdout)


@pytest.mark.slow
async def test_one_that_is_frozen(whole: Center) -> None:
    await whole.back("recorder", 0)
    whole.freeze("recorder")
    try:
        shown = lcall(whole, "status")
    finally:
        whole.thaw("recorder")
    assert shown.returncode == 3
    assert [line.split()[0] for line in shown.stdout.splitlines() if "无应答 not answering" in line] == ["recorder"]
