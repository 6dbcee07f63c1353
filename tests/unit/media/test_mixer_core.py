"""The inner loop's books: slots, addresses and ended plays, in any order of coming and going."""

from __future__ import annotations

import asyncio
import random
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lq.media.mixer import asked
from lq.media.mixer import server as control
from lq.media.mixer.core import PRIORITIES, Core
from lq.media.mixer.server import Server
from lq.media.mixer.shelf import NoSuchItem, Shelf

BLIP = b"\x11" * 160


@pytest.fixture
def core() -> Iterator[Core]:
    new = Core.at("127.0.0.1", 0, capacity=64)
    assert new.start() in PRIORITIES
    yield new
    new.stop()


def ended(core: Core) -> list[tuple[int, int]]:
    assert select.select([core.wake_fd], [], [], 10)[0], "no play has ended"
    found = core.ended()
    assert found
    return found


def test_slots_and_addresses_against_a_dictionary(core: Core) -> None:
    """Few ports, so that addresses collide in the hash and are taken again; more of them than there are slots."""
    rng = random.Random(7)
    model: dict[tuple[str, int], int] = {}
    for _ in range(20_000):
        where = f"127.0.0.{rng.randrange(1, 4)}", rng.randrange(1, 40)
        if where in model and rng.random() < 0.6:
            core.leave(model.pop(where))
        else:
            slot = core.join(*where)
            assert (slot is None) == (where in model or len(model) == 64)
            if slot is not None:
                assert slot not in model.values()
                model[where] = slot


def test_the_same_slot_tells_nothing_of_its_former_leg(core: Core) -> None:
    slot = core.join("127.0.0.1", 9)
    assert slot is not None
    core.play(slot, BLIP, at=0, times=1, serial=1)
    assert select.select([core.wake_fd], [], [], 10)[0]  # ended, and not fetched yet
    core.leave(slot)
    assert core.join("127.0.0.1", 9) == slot
    assert core.ended() == []
    core.play(slot, BLIP, at=0, times=1, serial=2)
    while not (told := core.ended()):
        time.sleep(0.005)
    assert told == [("leg", slot, 2)]


def test_no_end_is_lost_however_late_it_is_fetched(core: Core) -> None:
    """Each leg has one end to tell: the last."""
    slots = [core.join("127.0.0.1", 1000 + n) for n in range(64)]
    for serial in range(1, 6):
        for slot in slots:
            assert slot is not None
            core.play(slot, BLIP, at=0, times=1, serial=serial * 100 + slot)
        select.select([core.wake_fd], [], [], 10)
    found: set[tuple[str, int, int]] = set()
    wanted = {("leg", slot, 500 + slot) for slot in slots if slot is not None}
    until = time.monotonic() + 10
    while not wanted <= found and time.monotonic() < until:
        found |= set(core.ended())
        time.sleep(0.005)
    assert wanted <= found


def test_audio_that_nobody_else_holds_is_heard_whole(core: Core) -> None:
    """C reads from Python's bytes: they must live until the play has ended or was replaced."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(10)
        slot = core.join(*ear.getsockname())
        assert slot is not None
        for serial in range(1, 30):
            core.play(slot, bytes([serial]) * 160_000, at=0, times=1, serial=serial)
            junk = [b"\xee" * 160_000 for _ in range(5)]
            while ear.recv(2048)[12:] != bytes([serial]) * 160:
                assert junk


def test_the_shelf_keeps_no_more_than_it_may(tmp_path: Path) -> None:
    for n in range(10):
        (tmp_path / "t").mkdir(exist_ok=True)
        (tmp_path / f"t/{n}.al").write_bytes(bytes([n]) * 100)
    shelf = Shelf([tmp_path / "none", tmp_path], kept=350)
    for n in (*range(10), 9, 3):
        assert shelf.item(f"t/{n}") == bytes([n]) * 100
        assert shelf._size == sum(len(data) for _, data in shelf._files.values()) <= 350
    assert shelf.item("t/9") is shelf.sequence(["t/9"])
    (tmp_path / "t/9.al").unlink()
    with pytest.raises(NoSuchItem):
        shelf.item("t/9")
    (tmp_path / "t/8.al").unlink()
    (tmp_path / "t/8.al").mkdir()
    with pytest.raises(NoSuchItem, match="cannot be read"):
        shelf.item("t/8")


def test_the_first_directory_that_has_an_item_wins(tmp_path: Path) -> None:
    for name in ("own", "shipped"):
        (tmp_path / name / "zh").mkdir(parents=True)
        (tmp_path / name / "zh/hello.al").write_bytes(name.encode())
    shelf = Shelf([tmp_path / "own", tmp_path / "shipped"])
    assert shelf.item("zh/hello") == b"own"
    (tmp_path / "own/zh/hello.al").unlink()
    assert shelf.item("zh/hello") == b"shipped"


async def test_a_leg_that_nobody_claims_is_dropped(core: Core, tmp_path: Path) -> None:
    server = Server(core, Shelf([tmp_path]), "127.0.0.1:1", orphan_s=0.1)
    leave = asyncio.Event()
    serving = asyncio.create_task(server.serve(tmp_path / "s", leave))
    async with asyncio.timeout(10):
        while not (tmp_path / "s").exists():  # noqa: ASYNC110 - serve() tells nobody else
            await asyncio.sleep(0.01)
        lost, lost_to = await asyncio.open_unix_connection(str(tmp_path / "s"))
        kept, kept_to = await asyncio.open_unix_connection(str(tmp_path / "s"))
        lost_to.write(b'{"do": "join", "leg": "a", "address": "127.0.0.1:2"}\n')
        kept_to.write(b'{"do": "join", "leg": "b", "address": "127.0.0.1:4"}\n')
        assert b"true" in await lost.readline() and b"true" in await kept.readline()
        lost_to.close()
        told = b""
        while b'"legs": 1' not in told:
            kept_to.write(b'{"do": "ping"}\n')
            told = await kept.readline()
        leave.set()
        await serving
        kept_to.close()
        await kept_to.wait_closed()
    assert control.ORPHAN_S >= 30  # a node has time to come back


async def test_with_all_legs_taken_one_more_is_refused(core: Core, tmp_path: Path) -> None:
    server = Server(core, Shelf([tmp_path]), "127.0.0.1:1")
    connection = control._Connection(None)  # type: ignore[arg-type]
    for n in range(64):
        server._join(connection, {"leg": f"c.{n}", "address": f"127.0.0.1:{1000 + n}"})
    with pytest.raises(asked.BadRequest, match="all legs are taken"):
        server._join(connection, {"leg": "one more", "address": "127.0.0.1:999"})
    server._leave(connection, {"leg": "c.7"})
    assert server._join(connection, {"leg": "one more", "address": "127.0.0.1:999"}) == {}
