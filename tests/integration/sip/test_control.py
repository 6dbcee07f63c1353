"""What a real phone (baresip 1.0.0) makes of orders by NOTIFY and of headers that ask it to answer by itself."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lq.sip import events as ev
from lq.trunks.phones import MODELS
from tests.integration.sip.conftest import SDP, Party, Start
from tests.integration.sip.test_baresip import Phone, Take, phone, talking

__all__ = ["phone"]  # the fixture


def call(us: Party, one: Phone, headers: Mapping[str, str] | None = None) -> str:
    us.hangs_up = False
    session = us.ua.invite(
        f"sip:8001@127.0.0.1:{one.address[1]}", local="<sip:9000@127.0.0.1>", sdp=SDP, headers=headers,
        now=us.shell.now(),
    )  # fmt: skip
    us.go()
    return session


async def answer_to(us: Party, session: str, event: str) -> int:
    """What the phone says to the order."""
    asked = us.ua.notify(session, event, now=us.shell.now())
    assert asked
    us.go()
    await us.until(lambda: any(done.id == asked for done in us.of(ev.RequestDone)))
    return next(int(done.code) for done in us.of(ev.RequestDone) if done.id == asked)


async def test_it_takes_no_order_to_answer_and_rings_on(party: Start, phone: Take) -> None:
    us = await party()
    one = await phone(us)
    session = call(us, one)
    ringing = await one.rings()
    await us.until(lambda: any(event.code == 180 for event in us.of(ev.Progress)))
    assert "allow-events" not in us.of(ev.Progress)[-1].headers
    assert not MODELS["baresip"].talk
    assert await answer_to(us, session, "talk") == 481
    assert us.count(ev.Accepted) == us.count(ev.Rejected) == 0
    await ringing.answer()
    await us.until(lambda: us.count(ev.Accepted) == 1)
    us.hang_up(session)
    await ringing.ended()


@pytest.mark.parametrize("event", ["hold", "talk"])
async def test_while_it_talks_an_order_is_refused_and_the_call_goes_on(party: Start, phone: Take, event: str) -> None:
    us = await party()
    one = await phone(us)
    session = await talking(us, one)
    assert await answer_to(us, session, event) == 481
    assert us.ua.reinvite(session, SDP.replace("lq 1 1", "lq 1 2"), now=us.shell.now())
    us.go()
    await us.until(lambda: us.count(ev.OfferAnswered) == 1)
    assert us.count(ev.Offer) == us.count(ev.Ended) == 0
    us.hang_up(session)
    await one.calls[-1].ended()


@pytest.mark.parametrize("model", ["yealink", "fanvil", "grandstream"])
async def test_headers_that_others_obey_do_not_make_it_answer(party: Start, phone: Take, model: str) -> None:
    us = await party()
    one = await phone(us)
    session = call(us, one, MODELS[model].alone)
    ringing = await one.rings()
    await one.command("reginfo")  # whatever it does by itself on a call it has done
    await us.until(lambda: any(event.code == 180 for event in us.of(ev.Progress)))
    assert "answered" not in ringing.times and us.count(ev.Accepted) == 0
    assert not MODELS["baresip"].alone
    us.ua.cancel(session, now=us.shell.now())
    us.go()
    await ringing.ended()
