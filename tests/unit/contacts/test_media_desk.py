"""The media desk with an engine that has a fault nobody thought of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Contact, Leg
from lq.contacts.media_desk import MediaDesk
from lq.media.leg import MediaLeg
from lq.media.mixer.client import Mixer
from lq.media.rtpengine import RtpEngine
from lq.trunks.numbers import Number

NUMBER = Number("1", "1", "1", "extension")
CONTACT = Contact(
    "c1", "arriving", "in", 1, NUMBER, NUMBER, "trunk:gw1", "echo", legs={1: Leg(1, "customer", "in", "1", "arriving")}
)


class Broken:
    """Both of engine and mixer, as far as this test comes."""

    async def incoming(self, leg_id: str, sdp: str, **more: object) -> tuple[MediaLeg, str]:
        raise RuntimeError("a fault")

    async def close(self) -> None:
        pass


async def test_a_contact_never_waits_for_media_that_will_not_come() -> None:
    desk = MediaDesk(cast(RtpEngine, Broken()), cast(Mixer, Broken()), Path("spool"))
    told: asyncio.Queue[inputs.Input] = asyncio.Queue()

    def deliver(contact: str, given: inputs.Input) -> bool:
        told.put_nowait(given)
        return True

    desk.deliver = deliver
    desk.perform(CONTACT, [do.PrepareIncoming(1, "v=0")])
    assert await asyncio.wait_for(told.get(), 3) == inputs.MediaFailed(1, "refused")
    await desk.close()
