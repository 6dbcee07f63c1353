"""The events of a contact alone tell who talked with whom and when; the SIP that was traced agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence, Set
from itertools import groupby

from lq.ledger.events import Event
from ops import trace
from ops.story import Message
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, Stage, stage

__all__ = ["stage"]

NEAR_MS = 1_500  # between the books and the wire, on a busy machine
WRITTEN_S = 5.0


def conversations(events: Iterable[Event]) -> list[set[int]]:
    """Which legs talked together, one conversation after another: from the events and nothing else."""
    places: dict[int, str] = {}
    called: dict[int, str] = {}  # for what
    found: list[set[int]] = []
    for _, at_once in groupby(events, key=lambda event: event.at):
        for event in at_once:
            n = int(str(event.data.get("leg", "0")).rpartition(".")[2])
            match event.type:
                case "contact_answered":
                    places |= {1: "talk", n: "talk"}
                case "contact_called":
                    called[n] = event.data["verb"]
                case "contact_call_ended" if event.data["outcome"] == "answered" and called[n] == "consult":
                    places[n] = "aside"
                case "leg_placed":
                    places[n] = event.data["place"]
                case "leg_ended":
                    places.pop(n, None)
        for place in ("talk", "aside"):
            together = {n for n, where in places.items() if where == place}
            if len(together) > 1 and together not in found[-2:]:
                found.append(together)
    return found


def spans(messages: Sequence[Message]) -> dict[str, tuple[int, int]]:
    """Of each leg: when it was answered and when it ended, as the wire has it (ms)."""
    up: dict[str, int] = {}
    down: dict[str, int] = {}
    for message in messages:
        method = message.header("CSeq").rpartition(" ")[2]
        if method == "INVITE" and message.code == 200:
            up.setdefault(message.leg, message.at)
        if message.data.startswith("BYE "):
            down.setdefault(message.leg, message.at)
    return {leg: (up[leg], down[leg]) for leg in up if leg in down}


async def on_the_wire(stage: Stage, legs: Set[str]) -> dict[str, tuple[int, int]]:
    """Their spans, all of them if they come: a node writes its trace a moment after it sent (lq/sip/trace.py)."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WRITTEN_S
    while True:
        found = spans(trace.messages(stage.scene.place.home / "trace", stage.contact))
        if legs <= found.keys() or loop.time() > deadline:
            return found
        await asyncio.sleep(0.05)


async def test_the_events_tell_who_talked_with_whom(stage: Stage) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens("in")
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    await stage.answers(COLLEAGUE)
    await stage.tells("contact_call_ended", outcome="answered")
    await stage.does("transfer/conference")
    await stage.all_hear_each_other(CUSTOMER, AGENT, COLLEAGUE)
    await stage.hangs_up(AGENT)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    await stage.closes()
    events = stage.scene.events.of(stage.contact)
    assert conversations(events) == [{1, 2}, {2, 3}, {1, 2, 3}, {1, 3}], await stage.shown()
    told = {
        type: {event.data["leg"]: event.at for event in events if event.type == type}
        for type in ("leg_started", "leg_answered", "leg_ended")
    }
    wire = await on_the_wire(stage, told["leg_answered"].keys())
    assert wire.keys() == told["leg_answered"].keys() == told["leg_ended"].keys() == told["leg_started"].keys()
    for leg, (up, down) in wire.items():
        assert abs(told["leg_answered"][leg] - up) < NEAR_MS, await stage.shown()
        assert abs(told["leg_ended"][leg] - down) < NEAR_MS, await stage.shown()
