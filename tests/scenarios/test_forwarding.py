"""A phone sends its calls on (呼叫转移): always, busy, unanswered, offline; to a phone, a queue, an agent, outside."""

from __future__ import annotations

import pytest

from lq.config.documents import AccessNumber
from lq.config.validation import to_json
from tests.scenarios.conftest import Scene, SendOn, line, phone_of
from tests.simulator.call import Call, CallEnded
from tests.simulator.gateway import Answer, Ring
from tests.simulator.softphone import Softphone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_by_one")]

CALLER, CALLED = 640, 1370
HERE, THERE, FIRST = "8080", "8085", "8081"  # who calls, where calls are sent, whose calls are sent on


async def at(scene: Scene, ext: str, rule: Answer | Ring | None = None) -> Softphone:
    return await scene.softphone(str(int(ext) - 7000), rule)


async def talk(call: Call, called: Call) -> None:
    await call.answered()
    call.say(CALLER)
    await called.hears(CALLER)
    called.say(CALLED)
    await call.hears(CALLED)
    await call.hang_up()


async def told(scene: Scene, contact: str) -> list[tuple[str, str, str, str]]:
    await scene.events.first("contact_ended", subject=contact)
    found = scene.events.of(contact, "contact_forwarded")
    return [(e.data["phone"], e.data["to"], e.data["why"], e.data.get("refused", "")) for e in found]


async def contact_of(scene: Scene, ext: str) -> str:
    return (await scene.events.first("contact_started", phone=ext)).subject


async def test_always(scene: Scene, sends_on: SendOn) -> None:
    await sends_on(FIRST, always=THERE)
    caller, first, there = [await at(scene, ext) for ext in (HERE, FIRST, THERE)]
    call = await caller.dial(FIRST)
    ringing = await there.rings()
    await call.ringing()
    ringing.answer()
    await talk(call, ringing)
    assert await told(scene, await contact_of(scene, HERE)) == [(FIRST, THERE, "always", "")]
    assert first._line.calls == []


async def test_busy(scene: Scene, sends_on: SendOn) -> None:
    """It is set not to be disturbed: 486 at once."""
    await sends_on(FIRST, busy=f"phone:{THERE}")
    caller, first, there = [await at(scene, ext) for ext in (HERE, FIRST, THERE)]
    call = await caller.dial(FIRST)
    (await first.rings()).refuse(17)
    ringing = await there.rings()
    ringing.answer()
    await talk(call, ringing)
    assert await told(scene, await contact_of(scene, HERE)) == [(FIRST, f"phone:{THERE}", "busy", "")]


async def test_no_answer(scene: Scene, sends_on: SendOn) -> None:
    await sends_on(FIRST, no_answer=THERE, no_answer_s=5)
    caller, first, there = [await at(scene, ext) for ext in (HERE, FIRST, THERE)]
    call = await caller.dial(FIRST)
    silent = await first.rings()
    ringing = await there.rings(15)
    assert 4.5 <= ringing.times["invite"] - silent.times["invite"] < 8
    await silent.ended()
    ringing.answer()
    await talk(call, ringing)


async def test_offline_to_a_queue(scene: Scene, sends_on: SendOn) -> None:
    """Nobody is registered there: the agents of the queue take the call."""
    own = line(32)
    await sends_on(FIRST, offline=f"queue:{own.queue}")
    caller, agent = await at(scene, HERE), await scene.softphone(own.agents[0])
    await scene.sign_in(own.agents[0])
    await scene.state(own.agents[0], "ready")
    call = await caller.dial(FIRST)
    ringing = await agent.rings(15)
    ringing.answer()
    await talk(call, ringing)
    contact = await contact_of(scene, HERE)
    assert await told(scene, contact) == [(FIRST, f"queue:{own.queue}", "offline", "")]
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.queue, cdr.agent) == ("answered", own.queue, own.agents[0])


async def test_in_circles(scene: Scene, sends_on: SendOn) -> None:
    await sends_on(FIRST, always=THERE)
    await sends_on(THERE, always=FIRST)
    caller, first, there = [await at(scene, ext) for ext in (HERE, FIRST, THERE)]
    call = await caller.dial(FIRST)
    with pytest.raises(CallEnded) as refused:
        await call.answered()
    assert (refused.value.cause, refused.value.sip) == (17, 486)
    found = await told(scene, await contact_of(scene, HERE))
    assert [one[3] for one in found] == ["", "loop"]
    assert first._line.calls == there._line.calls == []


async def test_an_agent_who_is_asked_for_and_does_not_answer(scene: Scene, sends_on: SendOn) -> None:
    """A caller from outside reaches him by a number of his own; his phone sends what he does not take to a queue."""
    own, agent = line(32), line(33).agents[0]
    number = AccessNumber("4008007091", f"agent:{agent}", recording="none")
    await scene.lq.put_document("numbers", number.id, to_json(number))
    await sends_on(phone_of(agent), no_answer=f"queue:{own.queue}", no_answer_s=5)
    his, other = await scene.softphone(agent), await scene.softphone(own.agents[0])
    for one in (agent, own.agents[0]):
        await scene.sign_in(one)
        await scene.state(one, "ready")
    call = await scene.dial(number.id)
    await call.answered()
    silent = await his.rings(15)
    ringing = await other.rings(15)
    assert ringing.times["invite"] - silent.times["invite"] >= 4.5  # since he was reserved for it
    await silent.ended()
    ringing.answer()
    await talk(call, ringing)
    contact = await scene.contact(call)
    assert await told(scene, contact) == [(phone_of(agent), f"queue:{own.queue}", "no_answer", "")]
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.queue, cdr.agent) == ("answered", own.queue, own.agents[0])
