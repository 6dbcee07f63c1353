"""Who serves a queue: the agents' own documents say it, here it is shown and changed from the queue's side."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final

from sanic import Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, redirect

from lcall_web.common import context, door
from lcall_web.settings import store
from lcall_web.settings.room import address, given, id_of, reads, show, writes
from lq.sdk import Document

TRIES: Final = 2  # when somebody else changes one of these agents at the same moment


@reads("/members/<id:str>")
async def members(request: Request, id: str) -> HTTPResponse:
    return await _page(request, id_of(id))


@writes("/members/<id:str>")
async def change_members(request: Request, id: str) -> HTTPResponse:
    """Only who was added or taken out changes, in the document as it stands now: others' changes are kept."""
    here, form = context.of(request), given(request)
    if await store.document(here, "queues", id_of(id)) is None:
        raise NotFound(id)
    shown, chosen = set(form.get("shown", ())), set(form.get("member", ())) - {""}
    for _ in range(TRIES):
        changed = [
            Document("agents", agent, one.version, with_queue(one.body, id, agent in chosen))
            for agent, one in (await store.documents(here, "agents")).items()
            if agent in shown | chosen and (id in one.body.get("queues", ())) is not (agent in chosen)
        ]
        try:
            wrong = await store.put_all(here, changed, door.viewer(request).id) if changed else {}
        except store.Overtaken:
            continue
        if wrong:
            break
        return redirect(f"{address('queues')}?done={id}", status=303)
    return await _page(request, id, 409, chosen)


def with_queue(body: Mapping[str, Any], queue: str, member: bool) -> dict[str, Any]:
    """An agent's document with this queue at the end of his, or without it."""
    others = [one for one in body.get("queues", ()) if one != queue]
    return {**body, "queues": [*others, queue] if member else others}


async def _page(request: Request, id: str, status: int = 200, chosen: Set[str] | None = None) -> HTTPResponse:
    """`chosen`: who was ticked, when that could not be saved."""
    here = context.of(request)
    queue = await store.document(here, "queues", id)
    if queue is None:
        raise NotFound(id)
    agents = await store.documents(here, "agents")
    people = [
        (
            agent,
            str(one.body["name"]),
            id in one.body.get("queues", ()) if chosen is None else agent in chosen,
            bool(one.body.get("enabled", True)),
        )
        for agent, one in agents.items()
    ]
    return await show(request, "members.html", "queues", status, queue=queue, people=people, refused=chosen is not None)
