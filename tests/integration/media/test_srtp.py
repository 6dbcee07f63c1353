"""SRTP phones with keys in the description (RFC 4568): called and calling, joined, parked, held; the keys stay."""

from __future__ import annotations

import pytest

from lq.media.leg import MediaLeg, Park
from lq.media.rtpengine import BadDescription
from lq.media.sdp import audio as description
from tests.integration.media import srtp
from tests.integration.media.conftest import Studio, sdp
from tests.integration.media.endpoint import Endpoint
from tests.simulator import audio

PHONE, PARTY = 640, 540


class Sealed:
    """A phone that speaks nothing but SRTP."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.key = endpoint, srtp.new_key()
        seal = srtp.Context(self.key, outbound=True)
        endpoint.network = lambda n, packet: [seal(packet)]

    def description(self, offer: str = "", **more: str) -> str:
        text = sdp(self.endpoint, **more).replace("RTP/AVP", "RTP/SAVP")  # type: ignore[arg-type]
        return text + srtp.crypto(self.key, offer) + "\r\n"

    def hears_with(self, text: str) -> None:
        """The keys of what the center says."""
        self.endpoint.opened = srtp.Context(srtp.key_in(text), outbound=False)
        self.endpoint.talk(description(text).port, audio.tone(PHONE, 1.0))


async def joined(studio: Studio, leg: MediaLeg, phone: Sealed) -> None:
    party = await studio.party()
    other, _ = await studio.calls(party)
    party.say(audio.tone(PARTY, 1.0))
    for _ in range(2):  # a change of whom it is joined with changes no key: the roll-over counter would be lost
        leg, other = await studio.engine.connect(leg, other)
        await phone.endpoint.hears(PARTY)
        await party.hears(PHONE)
        leg, other = await studio.engine.point(leg, Park()), await studio.engine.point(other, Park())
    phone.endpoint.press("8")
    await studio.keys_are((leg.id, "8"))
    for direction in ("sendonly", "sendrecv"):
        leg, answer = await studio.engine.reoffer(leg, phone.description(direction=direction))
        phone.hears_with(answer)
    leg, other = await studio.engine.connect(leg, other)
    await phone.endpoint.hears(PARTY)
    await party.hears(PHONE)


async def test_a_phone_calls_with_srtp(studio: Studio) -> None:
    phone = Sealed(await studio.party())
    leg, answer = await studio.engine.incoming(studio.name(), phone.description())
    assert leg.kind == "srtp" and "m=audio " in answer and " RTP/SAVP " in answer and answer.count("a=crypto:") == 1
    phone.hears_with(answer)
    await joined(studio, leg, phone)


async def test_a_phone_is_called_with_srtp(studio: Studio) -> None:
    phone = Sealed(await studio.party())
    leg, offer = await studio.engine.outgoing(studio.name(), kind="srtp")
    assert " RTP/SAVP " in offer and srtp.key_in(offer)
    leg = await studio.engine.answered(leg, phone.description(offer))
    phone.hears_with(offer)
    await joined(studio, leg, phone)


async def test_srtp_that_may_be_left_is_left(studio: Studio) -> None:
    """RTP/AVP with keys besides: some phones' "optional". What is said there is not secret, and is understood."""
    phone = await studio.party()
    leg, answer = await studio.engine.incoming(studio.name(), sdp(phone) + srtp.crypto(srtp.new_key()) + "\r\n")
    assert leg.kind == "rtp" and "crypto" not in answer


async def test_a_phone_that_answers_with_other_media_than_it_was_offered_is_refused(studio: Studio) -> None:
    phone = Sealed(await studio.party())
    leg, _ = await studio.engine.outgoing(studio.name())
    with pytest.raises(BadDescription, match="rtp was offered, answered is srtp"):
        await studio.engine.answered(leg, phone.description())
