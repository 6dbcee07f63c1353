"""The leader's page (班长席), what is ordered from it, and the big screen on the wall."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, json

from lcall_web.common import context, door, pages
from lcall_web.common.i18n import mark, translated
from lcall_web.common.viewer import TEAM
from lcall_web.common.words import AGENT_STATES
from lcall_web.team import rules, store
from lcall_web.team.rules import Refused
from lcall_web.team.store import Order
from lq.sdk import ApiError

blueprint = Blueprint("team")

DONE: Final = mark("已执行")
LONGEST_ID: Final = 64

remembered = store.Remembered()


@blueprint.get("/team")
@door.needs(TEAM)
async def team(request: Request) -> HTTPResponse:
    reasons = await store.reasons(context.of(request))
    return await pages.page(request, "team/team.html", states=AGENT_STATES, reasons=reasons)


@blueprint.get("/team/work")
@door.needs(TEAM)
async def work(request: Request) -> HTTPResponse:
    """Calls and seconds of talk today, of each agent whose work he sees."""
    here, reach = context.of(request), door.viewer(request).reach
    found: dict[str, tuple[int, float]] = await remembered.of("work", lambda: store.work(here))
    return json({"agents": {agent: worked for agent, worked in found.items() if reach.holds_agent(agent)}})


@blueprint.post("/team/agents/<agent:str>/monitor")
@door.needs(TEAM)
async def monitor(request: Request, agent: str) -> HTTPResponse:
    given = door.form(request)
    return await _ordered(
        request,
        lambda order: store.monitor(
            context.of(request), order, _id(agent), _id(given.get("contact", "")), given.get("mode", ""),
            help=given.get("help") == "yes",
        ),
    )  # fmt: skip


@blueprint.post("/team/calls/<contact:str>/leave")
@door.needs(TEAM)
async def leave(request: Request, contact: str) -> HTTPResponse:
    return await _ordered(request, lambda order: store.leave(context.of(request), order, _id(contact)))


@blueprint.post("/team/agents/<agent:str>/release")
@door.needs(TEAM)
async def release(request: Request, agent: str) -> HTTPResponse:
    given = door.form(request)
    contact, back = _id(given.get("contact", "")), given.get("back") == "yes"
    return await _ordered(
        request, lambda order: store.release(context.of(request), order, _id(agent), contact, back=back)
    )


@blueprint.post("/team/agents/<agent:str>/state")
@door.needs(TEAM)
async def state(request: Request, agent: str) -> HTTPResponse:
    given = door.form(request)
    verb, reason = given.get("to", ""), given.get("reason", "")
    return await _ordered(request, lambda order: store.force(context.of(request), order, _id(agent), verb, reason))


@blueprint.post("/team/calls/<contact:str>/pick-up")
@door.needs(TEAM)
async def pick_up(request: Request, contact: str) -> HTTPResponse:
    return await _ordered(request, lambda order: store.pick_up(context.of(request), order, _id(contact)))


async def _ordered(request: Request, carry_out: Any) -> HTTPResponse:
    """Done, or in words why not. The page shows what comes of it by the stream."""
    viewer = door.viewer(request)
    order = Order(viewer, request.ip, rules.checked_key(viewer.id, door.form(request).get("key", "")))
    try:
        try:
            await carry_out(order)
        except ApiError as error:
            raise rules.refusal(error) from error
    except Refused as refused:
        return json({"message": translated(request.ctx.language, refused.text)}, status=refused.status)
    return json({"message": translated(request.ctx.language, DONE)})


def _id(text: str) -> str:
    if not 0 < len(text) <= LONGEST_ID or not text.isprintable() or "/" in text:
        raise NotFound(text)
    return text


# -- the wall ----------------------------------------------------------------------------------------------------------


@blueprint.get("/wall")
@door.needs(TEAM)
async def wall(request: Request) -> HTTPResponse:
    return await pages.page(request, "team/wall.html", wall=_wall(request), states=AGENT_STATES)


@blueprint.get("/wall/figures")
@door.needs(TEAM)
async def figures(request: Request) -> HTTPResponse:
    """The curve of the day; and of which version the web is, so that an old page loads itself anew."""
    here, wanted = context.of(request), _wall(request)
    hours = await remembered.of(wanted.queues, lambda: store.curve(here, wanted.queues))
    return json({"hours": [asdict(hour) for hour in hours], "version": here.version})


def _wall(request: Request) -> rules.Wall:
    return rules.wall({name: request.args.get(name) or "" for name in request.args})
