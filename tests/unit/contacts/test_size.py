"""A snapshot stays under 8 kB, however long a contact lives: what has ended is the ledger's (DESIGN §5)."""

from __future__ import annotations

import json
from typing import Any

from lq.contacts import inputs
from lq.media.leg import MediaLeg
from tests.unit.contacts.test_advance import Life

SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + "a=rtpmap:8 PCMA/8000\r\n" * 12
DIALOG = 1_400  # bytes of one, of two legs that live


def media(n: int) -> dict[str, Any]:
    leg = MediaLeg(f"01935c2e-7a10-7000-8000-000000000001.{n}", "in", phone_sdp=SDP, engine="127.0.0.1:2223")
    return leg.to_json()


def size(life: Life) -> int:
    """As it is written, with the dialogs of its living legs, and with a command list that is full."""
    alive = sum(leg.alive for leg in life.contact.legs.values())
    return len(json.dumps(life.contact.to_json(), separators=(",", ":"))) + alive * DIALOG


def rings_in_vain(life: Life, times: int) -> None:
    for fence in range(17, 17 + times):
        line = life.contact.line
        assert line is not None
        life.take(inputs.Reserved(line.request, "1001", "8001", fence, "sales"))
        leg = max(life.contact.legs)
        life.take(inputs.MediaReady(leg, media(leg), "", "offer"))
        life.take(inputs.Progress(leg, 180))
        life.take(inputs.Rejected(leg, 486))
        life.take(inputs.MediaDeleted(leg))


def test_a_caller_whom_many_phones_do_not_take() -> None:
    life = Life("4008001001").answered()
    life.played()
    rings_in_vain(life, 100)
    assert size(life) < 8_000
    numbers = [event.data["leg"] for event in life.ledger if event.type == "leg_started"]
    assert len(numbers) == len(set(numbers)) == 101  # a leg's number is never another's
    segments = [event.data["n"] for event in life.ledger if event.type == "contact_offered"]
    assert segments == sorted(set(segments))


def test_a_talk_that_is_held_a_hundred_times() -> None:
    life = Life().talking()
    for held in (True, False) * 100:
        life.take(inputs.MediaReoffered(2, media(2), "answer", held))
    assert size(life) < 8_000
    assert life.contact.segments[-1].n == 4 + 200  # as in the ledger, whatever is forgotten here
