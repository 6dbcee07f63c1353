"""Contacts in which people talk, as the tests of its rules begin with them, and what is looked at in them."""

from __future__ import annotations

from typing import Any

from lq.contacts import effects as do
from lq.contacts import inputs
from tests.unit.contacts.test_advance import MEDIA, Life


def tell(life: Life, verb: str, agent: str = "1001", **body: Any) -> tuple[int, str]:
    """The answer: status and error."""
    id = f"{verb}-{life.now}"
    effects = life.take(inputs.Command(id, verb, {"agent": agent, **body}))
    [reply] = [effect for effect in effects if isinstance(effect, do.Reply)]
    return reply.status, reply.error


def hears(life: Life) -> dict[int, str]:
    """By leg, of those that are there."""
    return {n: leg.peer for n, leg in life.contact.legs.items() if leg.alive and leg.state == "answered"}


def music(life: Life, n: int) -> bool:
    play = life.contact.legs[n].play
    return play is not None and play.items == ("music/hold",)


def engaged(life: Life, n: int, agent: str = "1002", phone: str = "8002", fence: int = 50) -> None:
    life.take(inputs.Engaged(n, agent, phone, fence))
    life.take(inputs.MediaReady(n, MEDIA, "", "offer"))


def takes(life: Life, n: int) -> None:
    """The phone that is called answers."""
    life.take(inputs.Accepted(n, "answer"))
    life.take(inputs.MediaReady(n, MEDIA, "PCMA"))


def consulting() -> Life:
    """1001 talks with 1002 aside (legs 2 and 3)."""
    life = Life().talking()
    assert tell(life, "transfer", to="agent:1002", mode="consult") == (200, "")
    engaged(life, 3)
    life.take(inputs.Progress(3, 180))
    takes(life, 3)
    return life


def monitoring(mode: str = "listen") -> Life:
    life = Life().talking()
    assert tell(life, "monitor", agent="1901", mode=mode) == (200, "")
    engaged(life, 3, "1901", "8901", 70)
    takes(life, 3)
    return life


def agent_ops(life: Life) -> list[tuple[str, str, str]]:
    return [(e.agent, e.op, e.outcome) for e in life.effects if isinstance(e, do.AgentOp)]
