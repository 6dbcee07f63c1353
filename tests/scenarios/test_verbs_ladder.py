"""The events of a contact alone tell who talked with whom and when; the SIP that was traced agrees.

So do other scenarios of call control, as they close (`Stage.closes`, `talked`): consult, blind, REFER with and without
Replaces, pick-up, monitor and take-over, whoever called whom; of a contact that was adopted: test_verbs_nodes.py.
"""

from __future__ import annotations

import pytest

from lq.ledger.events import Event
from ops.story import Message
from tests.scenarios import ladders
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, MOBILE, THIRD, Stage, stage
from tests.simulator.gateway import Ring

__all__ = ["stage"]

ALL = {CUSTOMER, AGENT, COLLEAGUE}


async def test_the_events_tell_who_talked_with_whom(stage: Stage) -> None:
    await stage.comes(COLLEAGUE)
    await stage.opens("in")
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    await stage.answers(COLLEAGUE)
    await stage.tells("contact_call_ended", outcome="answered")
    await stage.does("transfer/conference")
    await stage.all_hear_each_other(*ALL)
    await stage.hangs_up(AGENT)
    await stage.all_hear_each_other(CUSTOMER, COLLEAGUE)
    await stage.closes(talked=[{CUSTOMER, AGENT}, {AGENT, COLLEAGUE}, ALL, {CUSTOMER, COLLEAGUE}])


@pytest.mark.slow
async def test_of_a_call_out_with_whom_nobody_took_and_a_number_outside(stage: Stage) -> None:
    await stage.comes(COLLEAGUE, THIRD)
    await stage.opens("out")
    network = await stage.outside()
    network.rule = lambda number: Ring()
    await stage.does("transfer", to=COLLEAGUE, mode="consult")
    (await stage.phones[COLLEAGUE].rings()).refuse(17)
    await stage.all_hear_each_other(CUSTOMER, AGENT)
    await stage.does("transfer/conference", to=THIRD)
    await stage.answers(THIRD)
    await stage.all_hear_each_other(CUSTOMER, AGENT, THIRD)
    await stage.hangs_up(AGENT)
    await stage.all_hear_each_other(CUSTOMER, THIRD)
    await stage.cast[THIRD].reoffer("sendonly")
    await stage.tells("contact_held")
    await stage.cast[THIRD].reoffer("sendrecv")
    await stage.all_hear_each_other(CUSTOMER, THIRD)
    await stage.does("transfer", by=THIRD, to=MOBILE, mode="blind")
    await stage.ends(THIRD)
    called = await network.called()
    called.answer()
    stage.joins(MOBILE, called)
    await stage.all_hear_each_other(CUSTOMER, MOBILE)
    third = {CUSTOMER, THIRD}
    await stage.closes(
        talked=[{CUSTOMER, AGENT}, {CUSTOMER, AGENT}, {CUSTOMER, AGENT, THIRD}, third, third, {CUSTOMER, MOBILE}]
    )


# -- it would be seen --------------------------------------------------------------------------------------------------
PARTIES = {"139": CUSTOMER, "8501": AGENT}
LIFE = (
    ("leg_started", 0, {"leg": "c.1", "party": "customer", "address": "139", "direction": "in"}),
    ("leg_answered", 10, {"leg": "c.1", "codec": "PCMA"}),
    ("leg_started", 20, {"leg": "c.2", "party": "agent", "address": "8501", "direction": "out"}),
    ("contact_answered", 3_000, {"n": 1, "agent": "1501", "leg": "c.2"}),
    ("leg_answered", 3_010, {"leg": "c.2", "codec": "PCMA"}),
    ("leg_ended", 9_000, {"leg": "c.1", "by": "peer", "cause": 16}),
    ("leg_ended", 9_010, {"leg": "c.2", "by": "us", "cause": 16}),
)


def told(*left_out: int) -> list[Event]:
    life = [Event(type, at, "c", seq, data) for seq, (type, at, data) in enumerate(LIFE, 1)]
    return [event for event in life if event.seq not in left_out]


def sent(at: int, leg: str, direction: str, head: str) -> Message:
    return Message(at, "lq1", direction, "", "", leg, f"{leg}@x", f"{head}\r\n\r\n")


WIRE = (
    sent(0, "c.1", "in", "INVITE sip:400@lq SIP/2.0\r\nFrom: <sip:139@gw>;tag=1\r\nCSeq: 1 INVITE"),
    sent(12, "c.1", "out", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE"),
    sent(25, "c.2", "out", "INVITE sip:8501@phones.lq.internal SIP/2.0\r\nFrom: <sip:139@lq>\r\nCSeq: 1 INVITE"),
    sent(3_000, "c.2", "in", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE"),
    sent(9_000, "c.1", "in", "BYE sip:lq SIP/2.0\r\nCSeq: 2 BYE"),
    sent(9_020, "c.2", "out", "BYE sip:8501@x SIP/2.0\r\nCSeq: 2 BYE"),
)


def test_what_differs_is_said() -> None:
    """An event that is missing, a leg that is another's, a time that is not so."""
    talk = [frozenset({CUSTOMER, AGENT})]
    ladders.compare(told(), WIRE, PARTIES, talk)
    late = [Event(e.type, e.at + 2_000 * (e.seq == 6), e.subject, e.seq, e.data) for e in told()]
    others = (*WIRE[:2], sent(25, "c.2", "out", WIRE[2].data.replace("8501", "8502").strip()), *WIRE[3:])
    differ = [
        *((told(4), WIRE, talk), (told(5), WIRE, talk), (told(6), WIRE, talk), (late, WIRE, talk)),
        *((told(), others, talk), (told(), WIRE[:-1], talk), (told(), WIRE, [])),
    ]
    for events, wire, conversations in differ:
        with pytest.raises(AssertionError):
            ladders.compare(events, wire, PARTIES, conversations)
