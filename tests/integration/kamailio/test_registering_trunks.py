"""Trunks that want us registered (IMS): the edge registers, stays so, is called there, and tells what it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lq.live.redis import Live
from tests.integration.kamailio.edge import LQ1, SDP, Edge, edge, rpc
from tests.integration.live.center import documents, free_port
from tests.integration.live.trunks import trunk_state

HERE = Path(__file__).parent
CARRIER = "127.0.1.5"


@contextlib.contextmanager
def carrier(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    home.mkdir(exist_ok=True)
    [modules] = Path("/usr/lib").glob("*/kamailio/modules")
    text = (HERE / "registrar.cfg").read_text()
    for mark, value in {"SIP": f"{CARRIER}:{port}", "MODULES": str(modules), "RPC": str(home / "rpc.sock")}.items():
        text = text.replace(f"@{mark}@", value)
    (home / "registrar.cfg").write_text(text)
    words = ["-f", str(home / "registrar.cfg"), "-DD", "-E", "-Y", str(home), "-w", str(home), "-P", str(home / "pid")]
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            ["kamailio", *words, "-m", "16", "-M", "4"], stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def trunk(id: str, port: int, number: str, password: str) -> dict[str, Any]:
    user = f"+8610{number[-8:]}"
    register = {
        "user": user, "domain": "ims.example", "password": password, "auth_user": f"{user}@ims", "expires_s": 60,
    }  # fmt: skip
    return {"id": id, "address": CARRIER, "port": port, "register": register}


async def until(live: Live, id: str, up: bool, within_s: float = 30) -> str:
    async with asyncio.timeout(within_s):
        while (state := await trunk_state(live, id)) is None or state.up is not up:  # noqa: ASYNC110 - the edge finds out
            await asyncio.sleep(0.1)
    return state.reason


@pytest.mark.slow
async def test_trunks_that_want_us_registered(tmp_path: Path) -> None:
    port = free_port(keep=True)
    with edge(tmp_path) as own, carrier(tmp_path / "carrier", port):
        kinds = documents()
        kinds["trunks"] |= {
            "ims1": trunk("ims1", port, "88001000", "secret-1"),
            "ims2": trunk("ims2", port, "88001001", "secret-2"),
            "ims3": trunk("ims3", port, "88001002", "wrong"),
        }
        await own.publish(kinds)
        own.start()
        live = Live(own.redis_url)
        await until(live, "ims1", True)
        await until(live, "ims2", True)
        assert await until(live, "ims3", False) == "not registered"

        # called there: told apart by the Contact, the number is the one that was called
        lq = own.lq(LQ1)
        caller = own.peer("13800138000", CARRIER)
        caller.to = (CARRIER, port)
        for id, number in (("ims2", "+861088001001"), ("ims1", "+861088001000")):
            caller.send(caller.request("INVITE", f"sip:{number}@ims.example", body=SDP))
            invite = lq.expect("INVITE", 5)
            assert invite.header("X-LQ-Source") == f"trunk;id={id}"
            assert invite.uri.startswith(f"sip:{number}@")
            lq.answer(invite, 404, "Not Found")
            lq.expect("ACK")
            caller.expect(404)
        # an impostor with the same Contact, from elsewhere
        impostor = own.peer("x", "127.0.7.30")
        impostor.send(impostor.request("INVITE", "sip:ims1@lcall", body=SDP))
        impostor.expect(407)
        # and calling out by it: to the carrier's domain, by way of its address
        lq.send(lq.request("INVITE", "sip:13800138000@out.lq.internal;trunk=ims1", user="01088001000", body=SDP))
        assert lq.expect(486).header("Reason") == "Q.850;cause=17"

        # registrations are kept: the carrier grants 12 s, and is asked again before they run out
        asked = registers(own)
        async with asyncio.timeout(20):
            while registers(own) <= asked:  # noqa: ASYNC110 - a timer of Kamailio
                await asyncio.sleep(0.2)
        assert (await trunk_state(live, "ims1")).up

        # a new password is taken up, a trunk that is gone is registered no more
        kinds["trunks"]["ims3"]["register"]["password"] = "secret-3"
        del kinds["trunks"]["ims2"]
        await live.publish(2, kinds)
        async with asyncio.timeout(10):
            while "ims2" in {record["l_uuid"] for record in rpc(own, "uac.reg_dump")}:  # noqa: ASYNC110 - its keeper
                await asyncio.sleep(0.1)
        assert "secret" not in own.log and "wrong" not in own.log
        assert "secret" not in str(rpc(own, "uac.reg_dump"))
        await live.close()


@pytest.mark.slow  # it is asked again after thirty seconds
async def test_a_carrier_that_falls_silent_is_down_and_comes_back(tmp_path: Path) -> None:
    port = free_port(keep=True)
    with edge(tmp_path) as own:
        kinds = documents()
        kinds["trunks"]["ims1"] = trunk("ims1", port, "88001000", "secret-1")
        await own.publish(kinds)
        own.start()
        live = Live(own.redis_url)
        assert await until(live, "ims1", False) == "not registered"
        with carrier(tmp_path / "carrier", port):
            await until(live, "ims1", True, within_s=60)
        await live.close()


def registers(own: Edge) -> int:
    """When ims1's registration is next due."""
    return next(int(record["timer_expires"]) for record in rpc(own, "uac.reg_dump") if record["l_uuid"] == "ims1")
