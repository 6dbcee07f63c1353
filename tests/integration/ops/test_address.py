"""LCALL_ADDRESS: phones and trunks come there with SIP and RTP; nothing else listens there."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from ops.home import Home, HomeError
from ops.instance import instance
from tests.conftest import OwnCenter
from tests.simulator.events import Events
from tests.simulator.place import Place

ADDRESS = "127.0.0.9"  # as good as any other: this machine has it, and it is not where internal services listen


@pytest.mark.kills
@pytest.mark.slow
async def test_a_call_at_another_address(own_center: OwnCenter, tmp_path: Path) -> None:
    center = await asyncio.to_thread(own_center, LCALL_ADDRESS=ADDRESS, KAMAILIO_NAMES="center.example.cn")
    place = Place.of(center)
    assert place.edge == (ADDRESS, center.ports.sip)
    async with (
        place.client() as lq,
        Events(lq) as events,
        place.gateway() as gateway,
        place.phone("8001", tmp_path, answer_after_s=0.1) as phone,
    ):
        await events.first("phone_changed", subject="phone:8001", registered=True)
        await lq.sign_in("1001", "8001")
        call = await gateway.dial("13800138000", "4008001001")
        talk = await (await phone.rings(20)).answered()
        call.say(440)
        await talk.say(990)
        await call.hears(990)
        await talk.hears(440)
        assert call.remote is not None and call.remote.address == ADDRESS
        await call.hang_up()
    outside = {
        line.split()[1].rpartition(":")[0]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
        and int(line.split()[1].rpartition(":")[2], 16) in (center.ports.redis, center.ports.api)
    }
    assert outside == {"0100007F"}  # 127.0.0.1
    with socket.create_connection((ADDRESS, center.ports.sip_tls), 5) as plain:
        trusting = ssl.create_default_context(cafile=str(center.home.path / "tls" / "ca.crt"))
        with trusting.wrap_socket(plain, server_hostname="center.example.cn") as secure:
            names = {name for _, name in (secure.getpeercert() or {})["subjectAltName"]}
    assert names == {ADDRESS, "localhost", "center.example.cn"}


def test_an_address_of_somebody_else(tmp_path: Path) -> None:
    for address, why in (
        ("192.0.2.1", "no address of this machine"),
        ("0.0.0.0", "cannot be sent"),
        ("x", "expected"),
        ("::1", "IPv6 address cannot be used"),
    ):
        with pytest.raises(HomeError, match=why):
            instance(Home(tmp_path), {"LCALL_ADDRESS": address})
