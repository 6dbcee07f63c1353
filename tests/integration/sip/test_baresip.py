"""A real phone in front of our user agent: hold, resume, transfer, both directions, UDP and TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lq.sip import events as ev
from tests.integration.sip.conftest import SDP, Party, Start
from tests.integration.sip.test_sipp import listening
from tests.simulator.baresip import Baresip
from tests.unit.sip.end import free_port


class Phone(Baresip):
    """One that nobody registers, at a known port."""

    address: tuple[str, int]

    def _configure(self, control_port: int) -> None:
        super()._configure(control_port)
        self.address = free_port(with_next=True)  # for TLS, which it always listens for
        config = self.directory / "config"
        config.write_text(config.read_text().replace("127.0.0.1:0", "{}:{}".format(*self.address)))
        accounts = self.directory / "accounts"
        accounts.write_text(accounts.read_text().replace("regint=600", "regint=0"))

    async def _registered(self) -> None:
        await listening(self.address)

    async def dial_at(self, host: str, port: int, transport: str) -> None:
        await self.command("dial", f"sip:service@{host}:{port};transport={transport}")


Take = Callable[[Party], Awaitable[Phone]]


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Take]:
    taken: list[Phone] = []

    async def take(us: Party) -> Phone:
        one = Phone("8001", "none", edge=us.address, directory=tmp_path, ports=range(21000, 21100))
        taken.append(one)
        await one.start()
        us.ua._next_hop = one.address
        return one

    yield take
    for one in taken:
        await one.stop()


async def talking(us: Party, phone: Phone) -> str:
    """We call, it answers."""
    us.hangs_up = False
    session = us.ua.invite(f"sip:8001@127.0.0.1:{phone.address[1]}", local="<sip:9000@127.0.0.1>", sdp=SDP,
                           now=us.shell.now())  # fmt: skip
    us.go()
    await (await phone.rings()).answer()
    await us.until(lambda: us.count(ev.Accepted) == 1)
    return session


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_phone_calls_and_hangs_up(party: Start, phone: Take, transport: str) -> None:
    us = await party()
    one = await phone(us)
    await one.dial_at(*us.address, transport)
    await us.until(lambda: us.count(ev.Confirmed) == 1)
    await one.calls[-1].answered()
    await one.calls[-1].hang_up()
    await us.until(lambda: us.count(ev.Ended) == 1)
    assert us.of(ev.Ended)[0].why == "bye"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_hold_resume_and_our_own_offers(party: Start, phone: Take, transport: str) -> None:
    us = await party(transport=transport)
    one = await phone(us)
    session = await talking(us, one)
    call = one.calls[-1]
    await call.hold()
    await us.until(lambda: us.count(ev.Offer) == 1)
    await us.until(lambda: us.count(ev.Confirmed) == 1)
    assert "a=sendonly" in us.of(ev.Offer)[0].sdp or "a=inactive" in us.of(ev.Offer)[0].sdp
    await call.resume()
    await us.until(lambda: us.count(ev.Confirmed) == 2)
    assert "a=sendrecv" in us.of(ev.Offer)[1].sdp
    assert us.ua.reinvite(session, SDP.replace("lq 1 1", "lq 1 2"), now=us.shell.now())
    us.go()
    await us.until(lambda: us.count(ev.OfferAnswered) == 1)
    us.hang_up(session)
    await call.ended()


async def test_the_phone_asks_for_a_transfer_and_hears_how_it_goes(party: Start, phone: Take) -> None:
    us = await party()
    one = await phone(us)
    session = await talking(us, one)
    host, port = us.address
    await one.command("transfer", f"sip:8002@{host}:{port}")
    await us.until(lambda: us.count(ev.Refer) == 1)
    refer = us.of(ev.Refer)[0]
    assert refer.target == f"sip:8002@{host}:{port}" and refer.session == session
    us.ua.notify_refer(session, 180, "Ringing", id=refer.id, now=us.shell.now())
    us.ua.notify_refer(session, 200, "OK", id=refer.id, now=us.shell.now())
    us.go()
    await us.until(lambda: us.count(ev.RequestDone) == 2)
    assert {done.code for done in us.of(ev.RequestDone)} == {200}
    await one.calls[-1].ended()  # it lets go by itself once the transfer is through
    await us.until(lambda: us.count(ev.Ended) == 1)
    assert us.of(ev.Ended)[0].why == "bye"


async def test_the_phone_refuses_and_is_given_up(party: Start, phone: Take) -> None:
    us = await party()
    one = await phone(us)
    for how in ("refuse", "cancel"):
        session = us.ua.invite(f"sip:8001@127.0.0.1:{one.address[1]}", local="<sip:9000@127.0.0.1>", sdp=SDP,
                               now=us.shell.now())  # fmt: skip
        us.go()
        call = await one.rings()
        if how == "refuse":
            await call.hang_up()
        else:
            us.ua.cancel(session, now=us.shell.now())
            us.go()
            await call.ended()
    await us.until(lambda: us.count(ev.Rejected) == 2)
    assert [event.code for event in us.of(ev.Rejected)] == [486, 487]


async def test_a_call_without_an_offer(party: Start, phone: Take) -> None:
    us = await party()
    one = await phone(us)
    us.hangs_up = False
    session = us.ua.invite(f"sip:8001@127.0.0.1:{one.address[1]}", local="<sip:9000@127.0.0.1>",
                           now=us.shell.now())  # fmt: skip
    us.go()
    await (await one.rings()).answer()
    await us.until(lambda: us.count(ev.Accepted) == 1)
    assert "m=audio" in us.of(ev.Accepted)[0].sdp
    us.hang_up(session)
    await one.calls[-1].ended()
