"""`lcall trace`: what a person at the keyboard sees of a call, while it goes on and afterwards."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import Any

import pytest

from tests.center import Center
from tests.scenarios.conftest import Scene, line

LINE = line(19)


async def lcall(center: Center, *words: str) -> str:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", *words), env=center.environment, stdout=PIPE, stderr=PIPE
    )
    out, errors = await program.communicate()
    assert program.returncode == 0, errors.decode()
    return out.decode()


@pytest.mark.slow
async def test_the_ladder_of_a_call_that_was_held(scene: Scene, center: Center) -> None:
    agent = LINE.agents[0]
    phone = await scene.agent(agent, answer_after_s=0.2)
    call = await scene.dial(LINE.number)
    await call.answered()
    contact = await scene.contact(call)
    following = asyncio.create_task(lcall(center, "trace", contact, "--follow"))
    talk = await phone.rings()
    await talk.answered()
    await talk.hold()
    await scene.events.first("contact_held", subject=contact)
    await talk.resume()
    await scene.events.first("contact_resumed", subject=contact)
    await call.hang_up()
    await scene.cdr(contact)

    shown = await lcall(center, "trace", contact)
    wanted = [
        *("INVITE PCMA", "呼叫到达", "开始排队", "acd", "302 Reserved", "分配坐席", "180 Ringing", "坐席应答"),
        *("PCMU sendonly", "保持 held", "恢复 resumed", "BYE", "呼叫结束", "talking → wrap_up"),
    ]
    at = 0
    for piece in [piece for piece in wanted if piece != "acd"]:
        assert (at := shown.find(piece, at)) >= 0, f"{piece} is not there, or too early, in\n{shown}"
    assert call.caller not in shown and "缺少" not in shown

    everything: dict[str, Any] = json.loads(await lcall(center, "trace", contact, "--json", "--numbers"))
    assert call.caller in json.dumps(everything)
    legs = {message["leg"] for message in everything["messages"]}
    assert legs == {f"{contact}.1", f"{contact}.2", "acd"}
    async with asyncio.timeout(20):
        assert "呼叫结束" in await following
