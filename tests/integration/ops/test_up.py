"""A whole center as a person meets it: on the screen, by `lcall`, in `ps`, and on disk."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pytest

from ops.instance import instance
from ops.owners import LISTENING
from ops.probes import Http, Ng, Redis, Sip, answers
from ops.services import services
from tests.center import Center, tree
from tests.integration.ops.house import lcall, of, parent, said, until
from tests.integration.web.conftest import Visitor
from tests.unit.ops.example import example

TABLE: Final = services(example())
RUNNING: Final = [service.name for service in TABLE if not service.once]
PYTHON: Final = [service.name for service in TABLE if "-m" in service.argv[:2] and not service.once]
CALL_PATH: Final = ("kamailio", "rtpengine", "mixer", "lq1", "lq2", "redis", "recorder")


def json_of(center: Center, *words: str) -> Any:
    answer = lcall(center, *words, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def variables(pid: int) -> dict[str, str]:
    texts = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(os.fsdecode(text).split("=", 1) for text in texts if b"=" in text)


# -- on the screen -----------------------------------------------------------------------------------------------------


def test_in_order(center: Center) -> None:
    ready = re.findall(r"^\[ *[\d.]+\] (\S+) +(?:就绪 ready|完成 done)", said(center), re.MULTILINE)
    assert set(ready) == {service.name for service in TABLE}
    for service in TABLE:
        for need in service.needs:
            assert ready.index(need) < ready.index(service.name), f"{service.name} was ready before {need}"


def test_the_table_and_where_to_go(center: Center) -> None:
    text = said(center)
    for service in RUNNING:
        status = center.status(service)
        line = next(line for line in text.splitlines() if line.startswith(f"{service} "))
        assert all(word in line for word in (status.address, str(status.pid), status.log))
    assert center.web in text and center.api in text and "demo-admin" in text


# -- by lcall ----------------------------------------------------------------------------------------------------------


def test_status(center: Center) -> None:
    found = json_of(center, "status")
    assert [each["service"] for each in found] == RUNNING
    for each in found:
        assert set(each) == {"service", "pid", "address", "state", "log"}
        assert each["state"] == "ready" and Path(f"/proc/{each['pid']}").exists() and Path(each["log"]).exists()
    text = lcall(center, "status")
    assert text.returncode == 0
    assert [line.split()[0] for line in text.stdout.splitlines()[1:]] == RUNNING


def test_agents_and_queues(center: Center) -> None:
    agents = json_of(center, "agents")
    assert {"1001", "1100", "1901"} <= {agent["id"] for agent in agents}
    assert re.search(r"^1001 .* signed_out", lcall(center, "agents").stdout, re.MULTILINE)
    assert {"sales", "support"} <= {queue["id"] for queue in json_of(center, "queues")}
    assert re.search(r"^sales ", lcall(center, "queues").stdout, re.MULTILINE)


def test_logs(center: Center) -> None:
    assert "database system is ready" in lcall(center, "logs", "postgres", "-n", "100").stdout
    everything = json_of(center, "logs", "-n", "3")
    assert set(everything) == {service.name for service in TABLE}
    assert all(len(lines) <= 3 for lines in everything.values())
    unknown = lcall(center, "logs", "nobody")
    assert unknown.returncode == 1 and "there is no log nobody" in unknown.stderr


def test_migrate_again_has_nothing_to_do(center: Center) -> None:
    assert lcall(center, "migrate").stdout == "nothing to apply\n"
    assert json_of(center, "migrate") == {"result": "nothing to apply"}


async def test_an_administrator_is_let_in(center: Center) -> None:
    told = json_of(center, "admin", "let-in-7")
    assert told["number"] == "let-in-7"
    visitor = Visitor(center.web)
    entered = await visitor.log_in("let-in-7", told["password"])
    assert entered.headers["location"].startswith("/login/password"), "one of his own first"
    await visitor.http.aclose()
    refused = lcall(center, "admin", "'; --")
    assert refused.returncode == 1 and "Letters, digits" in refused.stderr and "Traceback" not in refused.stderr


def test_commands_are_explained(center: Center) -> None:
    explained = lcall(center, "--help").stdout
    assert all(word in explained for word in ("status", "stop", "logs", "call", "agents", "queues", "migrate", "启动"))
    assert "管理员" in explained
    wrong = lcall(center, "dance")
    assert wrong.returncode == 2 and "invalid choice: 'dance'" in wrong.stderr


# -- readiness ---------------------------------------------------------------------------------------------------------


async def test_each_answers_for_itself_only(center: Center) -> None:
    """What another process at the same address says does not count: not for the runner itself, nor for no process."""
    table = services(instance(center.home, {"LCALL_PORT_BASE": str(center.port_base)}))
    for service in table:
        if service.ready is None:
            continue
        pid = center.pid(service.name)
        assert await answers(service.ready, pid), service.name
        if isinstance(service.ready, Redis | Sip | Ng | Http):  # the others are asked at places of their own
            assert not await answers(service.ready, center.runner), service.name
        assert not await answers(service.ready, 2**22), service.name
        elsewhere = asdict(service.ready) | {
            name: value.with_name("elsewhere")
            for name, value in asdict(service.ready).items()
            if isinstance(value, Path)
        }
        if elsewhere != asdict(service.ready):
            assert not await answers(type(service.ready)(**elsewhere), pid), service.name


# -- in ps -------------------------------------------------------------------------------------------------------------


def test_a_process_shows_what_it_is(center: Center) -> None:
    for service in TABLE:
        if not service.once:
            words = Path(f"/proc/{center.pid(service.name)}/cmdline").read_bytes().decode().split("\0")
            assert Path(words[0].split()[0]).name == Path(service.argv[0]).name
            if service.name in PYTHON:
                assert words[1:-1] == list(service.argv[1:])


def test_who_sees_which_secret(center: Center) -> None:
    """Nothing on the call path can open the database, nor one process be taken for another."""
    secrets = json.loads((center.path / "secrets.json").read_text())
    for service in RUNNING:
        seen = variables(center.pid(service))
        if service in CALL_PATH:
            assert "LCALL_POSTGRES_DSN" not in seen and secrets["postgres"] not in "".join(seen.values()), service
        passwords = [user for user, password in secrets["redis"].items() if password in seen.get("LCALL_REDIS_URL", "")]
        assert passwords == [user for user in passwords if service.startswith(user)], service
        words = Path(f"/proc/{center.pid(service)}/cmdline").read_bytes().decode()
        assert not any(password in words for password in (secrets["postgres"], *secrets["redis"].values())), service


def test_nothing_is_written_beside_the_code(center: Center) -> None:
    assert PYTHON
    for service in PYTHON:
        assert variables(center.pid(service)).get("PYTHONDONTWRITEBYTECODE") == "1"


def test_every_process_has_a_guard(center: Center) -> None:
    guards = {parent(center.pid(service)) for service in RUNNING}
    assert len(guards) == len(RUNNING)
    assert {parent(guard) for guard in guards} == {center.runner}
    # None of its processes has got away from its runner. (Commands of other tests come and go.)
    until(lambda: set(of(center.path)) <= set(tree(center.runner)), 30)


def test_all_listen_on_loopback(center: Center) -> None:
    inodes = {
        os.readlink(file)[8:-1]
        for pid in of(center.path)
        for file in Path(f"/proc/{pid}/fd").glob("*")
        if file.is_symlink() and os.readlink(file).startswith("socket:")
    }
    listening = [
        (kind, fields[1])
        for kind in ("tcp", "udp", "tcp6", "udp6")
        if (table := Path("/proc/net") / kind).exists()
        for fields in map(str.split, table.read_text().splitlines()[1:])
        if fields[9] in inodes and fields[3] == LISTENING[kind[:3]]
    ]
    assert len(listening) > 15
    assert [each for each in listening if not each[1].startswith("0100007F:")] == []


# -- on disk -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["secrets.json", "sdk.token", "kamailio/edge.py", "tls/edge.key", "tls/ca.key", "redis/users.acl"]
)
def test_secrets_are_private(center: Center, name: str) -> None:
    assert stat.S_IMODE((center.path / name).stat().st_mode) == 0o600


def test_directories_are_private(center: Center) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in center.path.iterdir() if path.is_dir()}
    assert modes and set(modes.values()) == {0o700}, modes
    assert stat.S_IMODE(center.path.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
