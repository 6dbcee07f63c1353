"""The pure parts of gateway and demonstration: who takes part, the table of steps, numbers, descriptions."""

from __future__ import annotations

import pytest

from lq.sdk import Agent
from tests.simulator import sdp
from tests.simulator.demonstration import ABSENT, choose
from tests.simulator.gateway import SHORT, Delivery
from tests.simulator.timeline import Timeline


def agents(**states: str) -> list[Agent]:
    """The demo world's agents, signed out but for these (`a1001="ready"`)."""
    found = []
    for n in range(1001, 1101):
        queues = tuple(queue for queue, own in (("sales", n <= 1060), ("support", n >= 1050)) if own)
        found.append(Agent(str(n), "", states.get(f"a{n}", "signed_out"), queues=queues))
    return found


def test_agent_1001_of_sales_when_nobody_is_at_work() -> None:
    assert next(choose(agents(), {})) == ("sales", "1001")


@pytest.mark.parametrize("state", sorted(set(ABSENT) - {"signed_out"}))
def test_the_next_one_when_1001_is_somebody_elses(state: str) -> None:
    assert next(choose(agents(a1001=state), {})) == ("sales", "1002")


@pytest.mark.parametrize("state", ["ready", "ringing", "reserved", "talking", "wrap_up", "busy_other", "dialing"])
def test_another_queue_when_somebodys_phone_could_ring(state: str) -> None:
    assert next(choose(agents(a1007=state), {})) == ("support", "1061")


def test_another_queue_when_a_caller_waits() -> None:
    assert next(choose(agents(), {"sales": 1})) == ("support", "1061")


def test_nobody_when_both_queues_are_at_work() -> None:
    assert list(choose(agents(a1055="ready"), {})) == []  # he serves both
    assert list(choose(agents(a1001="talking"), {"support": 2})) == []


def test_steps_are_shown_in_the_order_of_time() -> None:
    line = Timeline()
    line.add("b", "二", "second", 100.25)
    line.add("a", "一", "first", 100.0, "remark")
    line.add("c", "三", "third", 100.75)
    assert [(step.name, round(total), round(since)) for step, total, since in line.rows()] == [
        ("a", 0, 0),
        ("b", 250, 250),
        ("c", 750, 500),
    ]
    assert [step["step"] for step in line.json()] == ["a", "b", "c"]
    assert "一 first" in line.table().splitlines()[1] and "remark" in line.table()


def test_numbers_as_the_two_networks_deliver_them() -> None:
    assert (Delivery().caller("01062345678"), Delivery().called("4008001000")) == ("01062345678", "4008001000")
    assert (SHORT.caller("01062345678"), SHORT.called("01088001009")) == ("62345678", "1009")
    assert SHORT.caller("13800138000") == "13800138000"


def test_a_description_is_read_as_it_was_written() -> None:
    given = sdp.Description("127.0.1.1", 40000, ("PCMA", "G729"), 101, "sendonly")
    assert sdp.parse(sdp.write("e1", given, session=1, version=1)) == given


def test_a_description_of_another_hand() -> None:
    text = (
        "v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 1.2.3.4\nt=0 0\n"
        "m=audio 9000 RTP/AVP 0 96 97\na=rtpmap:96 opus/48000/2\na=rtpmap:97 telephone-event/8000\nc=IN IP4 5.6.7.8\n"
    )
    assert sdp.parse(text) == sdp.Description("5.6.7.8", 9000, ("PCMU", "OPUS"), 97)
    with pytest.raises(ValueError, match="no audio"):
        sdp.parse("v=0\r\nm=video 1 RTP/AVP 96\r\n")
