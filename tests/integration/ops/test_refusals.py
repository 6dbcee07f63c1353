"""What cannot start says why in a sentence, touches nothing, and leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Final

import pytest

from ops import state
from tests.conftest import OwnCenter
from tests.integration.ops.house import STORES, TALKING, lcall, mounted, nothing_left, of, unmounted, until, up

ADDRESS: Final = "198.51.100.7"  # no loopback
# A network namespace where this machine has it.
NETWORK: Final = (
    *("unshare", "--net", "sh", "-c"),
    f'ip link set lo up && ip address add {ADDRESS}/32 dev lo && exec "$@"',
    "sh",
)
SEEDED: Final = "postgres,redis,migrate,seed"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own")


@pytest.fixture
def network() -> dict[str, str]:
    """What a center there is told."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespaces here")
    return {"LCALL_ADDRESS": ADDRESS}


def refused(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    assert answer.returncode == 1, answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr
    sentence = answer.stdout.strip().splitlines()[-1]
    assert sentence.startswith("不能启动 cannot start: ")
    for word in words:
        assert word in sentence


@pytest.mark.slow
def test_two_side_by_side(own_center: OwnCenter) -> None:
    first, second = own_center(LCALL_ONLY=TALKING), own_center(LCALL_ONLY=TALKING)
    assert lcall(first, "status").returncode == lcall(second, "status").returncode == 0
    first.stop()
    nothing_left(first.path)
    assert lcall(second, "status").returncode == 0


def test_the_same_place_twice(own_center: OwnCenter) -> None:
    center = own_center(LCALL_ONLY=STORES)
    refused(up(center.path, center.port_base + 200), "already running", str(center.path), "lcall status")
    assert lcall(center, "status").returncode == 0


@pytest.mark.slow
def test_the_same_ports_twice(own_center: OwnCenter, tmp_path: Path) -> None:
    """The sentence says which port, whose service, and who has it: a program, its pid, its center."""
    center = own_center(LCALL_ONLY=STORES)
    place = center.path.with_name("other")
    answer = up(place, center.port_base, LCALL_ONLY=STORES)
    refused(
        answer,
        f"{center.ports.redis}/tcp (redis) by redis-server, pid {center.pid('redis')}, of the center in {center.path}",
        f"{center.ports.postgres}/tcp (postgres) by postgres, pid {center.pid('postgres')}",
        "LCALL_PORT_BASE",
    )
    assert of(place) == []
    assert lcall(center, "status").returncode == 0


def test_a_port_of_a_stranger(own_center: OwnCenter) -> None:
    center = own_center.reserved()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", center.ports.sip_internal))
        answer = up(center.path, center.port_base)
    refused(answer, f"{center.ports.sip_internal}/udp (kamailio) by ", f"pid {os.getpid()}")
    assert of(center.path) == []


@pytest.mark.parametrize("base", ["80", "70000", "abc", "-5", "20000.5"])
def test_a_port_base_that_is_none(own_center: OwnCenter, base: str) -> None:
    center = own_center.reserved()
    refused(up(center.path, 0, LCALL_PORT_BASE=base), f"LCALL_PORT_BASE={base}", "1024..60000")


def test_a_service_that_is_none(own_center: OwnCenter) -> None:
    center = own_center.reserved()
    refused(up(center.path, center.port_base, LCALL_ONLY="redis,kamelio"), "LCALL_ONLY", "kamelio")


def test_a_place_with_too_long_a_name(own_center: OwnCenter) -> None:
    center = own_center.reserved()
    place = center.path / ("客" * 25)
    refused(up(place, center.port_base), "longer than 80 bytes")
    assert not place.exists()


def test_a_place_that_is_a_file(own_center: OwnCenter) -> None:
    center = own_center.reserved()
    center.path.mkdir(parents=True)
    (center.path / "file").write_text("")
    refused(up(center.path / "file", center.port_base), str(center.path / "file"), "cannot be used")


@needs_root
def test_a_place_that_is_read_only(own_center: OwnCenter) -> None:
    center = own_center.reserved()
    mounted(center.path, "1m", "ro")
    try:
        refused(up(center.path, center.port_base), "cannot be used", "Read-only file system")
    finally:
        unmounted(center.path)


@needs_root
def test_a_disk_without_room(own_center: OwnCenter) -> None:
    center = own_center.reserved()
    mounted(center.path, "100m")
    try:
        refused(up(center.path, center.port_base), "磁盘空间不足", "100 MB are free", "256 MB")
    finally:
        unmounted(center.path)


@needs_root
@pytest.mark.kills
async def test_a_disk_that_fills_up_ends_nothing(own_center: OwnCenter) -> None:
    """What dies meanwhile comes back, for nothing that stands there is written again; what lives goes on."""
    center = own_center.reserved(LCALL_ONLY=STORES)
    mounted(center.path, "400m", "mode=755")
    screen = center.path.with_name("screen")
    try:
        with screen.open("wb") as output:
            center.begin(together_with=os.getpid(), output=output.fileno())
        until(lambda: (found := state.read(center.home)) is not None and found.ready, 30)
        others = {service: center.pid(service) for service in ("postgres", "redis-rtpengine")}
        ballast = center.path / "ballast"
        with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))
        killed = center.kill("redis")
        until(lambda: len(re.findall(r"redis +就绪 ready", screen.read_text())) > 1, 10, screen.read_text)
        ballast.unlink()
        await center.back("redis", killed, within_s=30)
        assert {service: center.pid(service) for service in others} == others
        assert "Traceback" not in screen.read_text()
    finally:
        center.stop()
        unmounted(center.path)


def test_the_command_line_without_a_center(own_center: OwnCenter) -> None:
    center = own_center.reserved()
    for word in ("status", "stop", "agents", "queues", "migrate", "admin", "call"):
        answer = lcall(center, word)
        assert answer.returncode == 1 and "no center is running in" in answer.stderr, word
        assert "Traceback" not in answer.stderr


def test_agents_while_the_api_is_away(own_center: OwnCenter) -> None:
    center = own_center(LCALL_ONLY=STORES)
    answer = lcall(center, "agents")
    assert answer.returncode == 1 and "the api does not answer" in answer.stderr


# -- the demo world, whose passwords everybody knows -------------------------------------------------------------------


@pytest.mark.slow
def test_the_demo_world_is_not_opened_to_a_network(own_center: OwnCenter, network: dict[str, str]) -> None:
    """Nor at a later start: nothing of it begins to listen."""
    center = own_center(LCALL_ONLY=TALKING)
    until(lambda: center.home.demo, 20)
    center.kill_runner(signal.SIGTERM)
    before = center.log("kamailio")
    for wish in ("", "none"):
        answer = up(center.path, center.port_base, *NETWORK, LCALL_ONLY=TALKING, LCALL_DEMO=wish, **network)
        refused(answer, "everybody knows its passwords", ADDRESS, "LCALL_DEMO=open", "take another LCALL_HOME")
    assert of(center.path) == [] and center.log("kamailio") == before
    center.prefix = NETWORK
    center.environ |= network | {"LCALL_DEMO": "open"}
    center.start(together_with=os.getpid())


@pytest.mark.slow
def test_who_was_refused_the_demo_world_may_begin_an_empty_center(
    own_center: OwnCenter, network: dict[str, str]
) -> None:
    center = own_center.reserved(LCALL_ONLY=SEEDED)
    answer = up(center.path, center.port_base, *NETWORK, LCALL_ONLY=SEEDED, **network)
    assert answer.returncode == 1 and "for a center of your own, LCALL_DEMO=none" in answer.stdout
    center.prefix = NETWORK
    center.environ |= network | {"LCALL_DEMO": "none"}
    center.start(together_with=os.getpid())
    assert center.log("seed").endswith("settings written and published\n")
