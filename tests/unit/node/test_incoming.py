"""What a node does with an INVITE that comes by the edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lq.config.book import Book
from lq.config.documents import CODECS, Trunk
from lq.contacts.tags import tag_of
from lq.media import sdp
from lq.media.rtpengine import OFFERED
from lq.node import Node, claim_of, codecs_of
from lq.sip.events import Incoming, Replaces


@dataclass
class House:
    """Everything that a node asks, and what came of it."""

    book: Book = field(default_factory=Book)
    load: int = 0
    refused: list[int] = field(default_factory=list)
    begun: list[tuple[str, str]] = field(default_factory=list)  # source, called
    replaced: list[str] = field(default_factory=list)

    def reject(self, session: str, code: int, **said: Any) -> None:
        self.refused.append(code)

    def holds(self, session: str) -> bool:
        return True

    def now(self) -> float:
        return 0.0

    def take(self, *leg: Any) -> None: ...

    def begin(self, given: Any, claim: str) -> None:
        self.begun.append((given.source, given.called))

    def replaces(self, event: Incoming, by: str) -> None:
        self.replaced.append(by)


def hears(uri: str, *, urgent: bool = True, replaces: Replaces | None = None) -> House:
    """Phone 8001's INVITE; `urgent`: the edge has let it pass as an emergency call."""
    house = House()
    parts = cast(Any, house)
    node = Node("lq1", "lq1-1", ("127.0.0.1", 1), ("127.0.0.1", 2), *[parts] * 10, leased=True, config_version=1)
    node.elsewhere = parts
    headers = {"X-LQ-Source": ("phone;id=8001",)} | ({"X-LQ-Emergency": ("1",)} if urgent else {})
    event = Incoming(
        "s", uri, "<sip:8001@lcall>;tag=1", "<sip:110@lcall>", "c", "1", headers, "offer", ("127.0.0.1", 2),
        tag_of("01935c2e-7a10-7000-8000-000000000001", 1, 7), replaces,
    )  # fmt: skip
    node._incoming(event)
    return house


@pytest.mark.parametrize(
    "uri", ["sip:110@lcall", "sip:110;phone-context=+86@lcall", "sip:110;sip:0013105551234@lcall", "tel:110"]
)
def test_what_the_edge_takes_for_an_emergency_call_calls_that_number(uri: str) -> None:
    """A revoked phone passes the edge by it, and no other number may stand behind it."""
    house = hears(uri)
    assert (house.begun, house.refused) == ([("phone:8001", "110")], [])


def test_a_call_that_is_marked_as_an_emergency_and_is_none_is_refused() -> None:
    assert hears("sip:0013105551234@lcall").refused == [403]
    assert hears("sip:8002@lcall").begun == []
    assert hears("sip:8002@lcall", urgent=False).begun == [("phone:8001", "8002")]


def test_an_emergency_call_takes_no_other_calls_place() -> None:
    """Or a revoked phone took its colleagues' calls by it."""
    named = Replaces("c", "t", "f", early_only=True)
    house = hears("sip:110@lcall", replaces=named)
    assert house.begun == [("phone:8001", "110")] and house.replaced == []
    assert hears("sip:8002@lcall", urgent=False, replaces=named).replaced == ["phone:8001"]


def test_what_is_sent_anew_after_our_refusal_is_another_invite() -> None:
    def invite(cseq: str) -> Incoming:
        return Incoming("s", "sip:1@x", "<sip:2@x>", "<sip:1@x>", "c", "1", {"CSeq": (cseq,)}, "", ("127.0.0.1", 2))

    assert claim_of(invite("2 INVITE")) == claim_of(invite("2 INVITE")) != claim_of(invite("3 INVITE"))


@pytest.mark.parametrize(
    ("configured", "offered"),
    [
        (("PCMA", "PCMU"), ("PCMA", "PCMU")),
        (("opus", "G729"), ("opus/48000/2", "G729")),
        (("AMR",), OFFERED),  # of a document from before it was checked
    ],
)
def test_a_trunk_is_offered_what_is_configured(configured: tuple[str, ...], offered: tuple[str, ...]) -> None:
    book = Book(trunks={"gw1": Trunk("gw1", "127.0.1.1", codecs=configured)})
    assert codecs_of(book, "gw1") == offered and codecs_of(book, "nobody") == OFFERED


def test_what_may_be_configured_is_what_we_carry() -> None:
    assert CODECS == sdp.CODECS == tuple(name.partition("/")[0] for name in OFFERED)
