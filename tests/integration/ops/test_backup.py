"""A backup goes into an empty place and is the same center there, but for what was going on."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ops.backup import DUMP
from ops.instance import instance
from ops.services import postgres_dsn
from tests.center import CALL_PATH, Center
from tests.conftest import OwnCenter
from tests.integration.ops.house import LCALL, STORES, lcall, nothing_left, of, until, up
from tests.simulator.place import Place

WEBHOOK = """
insert into config_document (kind, id, version, body) values ('webhooks', 'crm', 1,
    '{"id": "crm", "url": "http://127.0.0.1:9/", "secret": "sixteen characters", "events": ["contact_ended"]}')"""
DELIVERY = """
insert into webhook_delivery (webhook, event, type, body) values ('crm', '1-1', 'contact_ended', '{}') returning id"""
CUSTOMER = (
    "insert into customer (key, kind, name, created_by, changed_by) values (gen_random_uuid(), 'person', $1, $2, $2)"
)


async def asked(center: Center, statement: str, *arguments: str) -> list[Any]:
    dsn = postgres_dsn(instance(center.home, {"LCALL_PORT_BASE": str(center.port_base)}))
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


def saved(center: Center, directory: Path) -> Path:
    answer = lcall(center, "backup", str(directory), "--json")
    assert answer.returncode == 0, answer.stdout
    return Path(json.loads(answer.stdout)["backup"])


@pytest.mark.slow
async def test_a_restored_center_is_the_same(own_center: OwnCenter, tmp_path: Path) -> None:
    first = await asyncio.to_thread(own_center, LCALL_ONLY=CALL_PATH)
    place = Place.of(first)
    await asked(first, CUSTOMER, "赵备份", "1001")
    async with place.gateway() as gateway, place.client() as lq:
        call = await gateway.dial("13800138055", "4008001009")
        await call.answered()
        await call.hang_up()
        async with asyncio.timeout(20):
            while not (cdrs := (await lq.cdrs(number="13800138055")).items):  # noqa: ASYNC110 - the journal tells nobody
                await asyncio.sleep(0.1)
    (first.home.prompts / "own.wav").write_bytes(b"RIFF")
    made = await asyncio.to_thread(saved, first, tmp_path / "backups")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700, "it holds passwords"
    assert list(made.parent.iterdir()) == [made]
    await asyncio.to_thread(first.stop)

    second = own_center.reserved(LCALL_ONLY=CALL_PATH)
    restored = await asyncio.to_thread(lcall, second, "restore", str(made))
    assert restored.returncode == 0, restored.stderr
    assert of(second.path) == []
    await asyncio.to_thread(second.start, together_with=os.getpid())
    place = Place.of(second)
    assert await asked(second, "select name from customer where name = $1", "赵备份") == [("赵备份",)]
    async with place.client() as lq, place.phone("8001", tmp_path):  # registers
        assert (await lq.cdrs(number="13800138055")).items == cdrs
    for file in ("sdk.token", "tls/ca.crt", "tls/ca.key", "prompts/own.wav"):
        assert (second.path / file).read_bytes() == (first.path / file).read_bytes(), file

    again = await asyncio.to_thread(lcall, second, "restore", str(made))
    assert again.returncode == 1 and "already" in again.stderr


@pytest.mark.slow
async def test_a_restore_that_was_killed_is_no_center(own_center: OwnCenter, tmp_path: Path) -> None:
    """Nor does a trial speak for the center that it is a copy of."""
    first = await asyncio.to_thread(own_center, LCALL_ONLY="postgres,redis,migrate,seed")
    await asked(first, WEBHOOK)
    await asked(first, DELIVERY)
    made = await asyncio.to_thread(saved, first, tmp_path / "backups")
    await asyncio.to_thread(first.stop)
    held = tmp_path / "held"
    shutil.copytree(made, held)
    (held / DUMP).unlink()
    os.mkfifo(held / DUMP)

    second = own_center.reserved(LCALL_ONLY="postgres")
    await asyncio.to_thread(killed_while_it_reads, second, held)
    answer = await asyncio.to_thread(up, second.path, second.port_base)
    assert answer.returncode == 1 and f"a restore into {second.path} was cut off" in answer.stdout

    again = await asyncio.to_thread(lcall, second, "restore", "--trial", str(made))
    assert again.returncode == 0, again.stderr
    assert not second.home.restoring.exists()
    await asyncio.to_thread(second.start, together_with=os.getpid())
    assert await asked(second, "select body->>'enabled' from config_document where kind = 'webhooks'") == [("false",)]
    assert await asked(second, "select state from webhook_delivery") == [("failed",)]
    [(number,)] = await asked(second, DELIVERY)
    assert number > made.stat().st_mtime * 1000, "the center itself has gone on giving them"


def killed_while_it_reads(center: Center, made: Path) -> None:
    with subprocess.Popen([LCALL, "restore", str(made)], env=center.environment) as restoring:
        feeding = read_by_somebody(made / DUMP)
        restoring.kill()
    os.close(feeding)
    nothing_left(center.path)


def read_by_somebody(fifo: Path) -> int:
    """Returns it open for writing, once a program reads from it."""
    opened: list[int] = []

    def is_read() -> bool:
        try:
            opened.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            assert error.errno == errno.ENXIO, error
        return bool(opened)

    until(is_read, 60)
    return opened[0]


def test_what_is_no_backup(own_center: OwnCenter, tmp_path: Path) -> None:
    center = own_center.reserved()
    answer = lcall(center, "restore", str(tmp_path))
    assert answer.returncode == 1 and "is no backup" in answer.stderr
    assert not center.path.exists()


@pytest.mark.slow
def test_what_fails_leaves_nothing(own_center: OwnCenter, tmp_path: Path) -> None:
    center = own_center(LCALL_ONLY=STORES)
    made = saved(center, tmp_path)
    (made / "database.dump").write_bytes(b"PGDMP, but torn")
    other = own_center.reserved()
    answer = lcall(other, "restore", str(made))
    assert answer.returncode == 1 and "pg_restore: error" in answer.stderr and "Traceback" not in answer.stderr
    assert not (other.home.postgres / "data").exists() and not (other.path / "secrets.json").exists()
    assert not other.home.restoring.exists()
    assert of(other.path) == []
    center.kill_runner(signal.SIGTERM)
    without = lcall(center, "backup", str(tmp_path / "x"))
    assert without.returncode == 1 and "no center is running" in without.stderr
