"""POST /v1/contacts: an agent calls from his desk. A node that takes calls begins the contact and says how it went."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from sanic import Request

from lq.acd.agent import BOUND, SIGNED_OUT
from lq.api import access, context, reading, schemas, seen
from lq.api.agents import agent_json
from lq.api.commands import ANSWER_S
from lq.api.contacts import from_history, is_over
from lq.api.errors import Refusal, history_away, live_away
from lq.api.idempotency import begins, command_id, contact_of
from lq.contacts.tags import new_contact
from lq.live.redis import Live
from lq.live.values import AgentState

Json = dict[str, Any]


async def place(request: Request) -> tuple[int, Json]:
    given, live = reading.given(request, schemas.PLACE), context.of(request).live
    agent = given["agent"]
    access.of(request).need_agent(agent)
    contact, command = fresh(), command_id(request)
    if command and (begun := await _begun_before(request, contact, command)):
        return begun
    state = await live.agent_state(agent)
    if state.state == SIGNED_OUT or state.state in BOUND:
        raise await _not_free(request, state)
    wanted = {"agent": agent, "phone": state.phone, "to": given["to"], "purpose": given.get("purpose", "")}
    return await _answer(request, agent, await live.place((await nodes(live))[0], contact, wanted, ANSWER_S, command))


async def _begun_before(request: Request, new: str, command: str) -> tuple[int, Json] | None:
    """This request has come before, and its answer was lost: the owner of its contact tells how it went, or history.

    None: it has not, or nothing came of it.
    """
    redis, live, given = context.of(request).redis, context.of(request).live, reading.given(request, schemas.PLACE)
    contact, known = await contact_of(redis, command, new)
    if not known:
        return None
    if (owner := await live.owner(contact)) is not None:
        return await _answer(request, given["agent"], await live.place(owner, contact, given, ANSWER_S, command))
    answered = await live.answer_of(contact, command)
    if answered is None or "error" not in answered:  # else it was refused before anybody's phone rang
        over = await _in_history(request, contact)
        if over is None and (answered or await is_over(request, contact)):
            raise history_away("the call was made, and the journal has not written it yet")
        if over is not None and not _came_to_nothing(over):
            return 201, over
    await begins(redis, command, new)
    return None


async def _in_history(request: Request, contact: str) -> Json | None:
    try:
        return await from_history(request, contact)
    except Refusal:
        return None


def _came_to_nothing(over: Json) -> bool:
    """Refused or failed before anybody's phone rang for it."""
    how = over["data"]
    return how["ended_by"] == "system" and how["result"] in ("refused", "failed") and not over["segments"]


async def _answer(request: Request, agent: str, reply: Mapping[str, Any]) -> tuple[int, Json]:
    if "error" not in reply:
        return 201, reply["contact"]
    error, status = reply["error"], int(reply["status"])
    if status == 409:
        raise await _not_free(request, await context.of(request).live.agent_state(agent))
    if status == 503:
        raise live_away(error["message"])
    raise Refusal(status, error["code"], error["message"], field=error.get("field") or None)


def fresh() -> str:
    """The id of a contact that begins now."""
    return new_contact(int(time.time() * 1000), secrets.randbits(74))


async def _not_free(request: Request, agent: AgentState) -> Refusal:
    [present] = await seen.agents(request, [agent_json(agent)])
    return Refusal(409, "conflict", f"agent {agent.id} is {agent.state}", present=present)


async def nodes(live: Live) -> list[str]:
    """The incarnations of nodes that take calls, the least loaded first. Refused with 503 if there is none."""
    found = [lease for lease in await live.leases("lq") if not lease.draining]
    if not found:
        raise live_away("no node takes calls")
    return [lease.incarnation for lease in sorted(found, key=lambda lease: (lease.load, lease.id))]
