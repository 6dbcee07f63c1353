"""/v1/agents: what agents are doing, and what they ask for. One call of the live state each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanic import Request

from lq.api import access, context, reading
from lq.api.errors import Refusal, wrong
from lq.config.book import Book
from lq.ledger.shown import rfc3339_or_none
from lq.live.redis import Live
from lq.live.values import AgentState
from lq.trunks import numbers

Json = dict[str, Any]


def agent_json(agent: AgentState) -> Json:
    return {
        "id": agent.id,
        "name": agent.name,
        "state": agent.state,
        "since": rfc3339_or_none(agent.since),
        "reason": agent.reason,
        "next": agent.next,
        "phone": agent.phone,
        "queues": list(agent.queues),
        "contact": agent.contact,
        "reservation": agent.reservation,
        "code": agent.code,
    }


async def listing(request: Request) -> Json:
    agents, sees = await context.of(request).live.agents(), access.of(request)
    return reading.page_by_id(request, [agent_json(agent) for agent in agents if sees.agent(agent.id)])


async def one(request: Request, agent: str) -> Json:
    access.of(request).need_agent(agent)
    return agent_json(await context.of(request).live.agent_state(agent))


async def sign_in(request: Request, agent: str) -> Json:
    access.of(request).need_agent(agent)
    live, phone = context.of(request).live, reading.text(reading.body(request), "phone")
    phones = await live.config("phones")
    if phone in phones:
        _may_sit(agent, phone, phones[phone])
    else:
        phone = await _mobile(live, agent, phone)
    return agent_json(await live.agent(agent, "sign_in", phone=phone))


def _may_sit(agent: str, phone: str, document: Mapping[str, Any]) -> None:
    """At one that is nobody's, or his own, as by feature code: with a phone come its rights to call."""
    if (owner := document.get("agent")) and owner != agent:
        raise Refusal(403, "phone_forbidden", f"phone {phone} is another agent's own", field="phone")
    if not document.get("enabled", True):
        raise Refusal(422, "phone_disabled", f"phone {phone} is disabled", field="phone")


async def _mobile(live: Live, agent: str, phone: str) -> str:
    """His mobile in E.164, in whatever way he writes its number; 422 for any other."""
    known = (await live.config("agents")).get(agent, {}).get("mobile", "")
    home = Book.read(0, {"trunks": await live.config("trunks")}).home
    if not known or numbers.dialled(phone, home).e164 != known:
        raise wrong("phone", f"there is no phone {phone}, nor is that the mobile of agent {agent}")
    return str(known)


async def sign_out(request: Request, agent: str) -> Json:
    access.of(request).need_agent(agent)
    return agent_json(await context.of(request).live.agent(agent, "sign_out"))


async def ready(request: Request, agent: str) -> Json:
    access.of(request).need_agent(agent)
    return agent_json(await context.of(request).live.agent(agent, "ready"))


async def pause(request: Request, agent: str) -> Json:
    access.of(request).need_agent(agent)
    reason = reading.text(reading.body(request), "reason")
    return agent_json(await context.of(request).live.agent(agent, "pause", reason=reason))


async def wrap_up(request: Request, agent: str) -> Json:
    access.of(request).need_agent(agent)
    given = reading.body(request)
    code, done = reading.optional_text(given, "code"), reading.flag(given, "done")
    return agent_json(await context.of(request).live.agent(agent, "wrap_up", code=code, done=done))
