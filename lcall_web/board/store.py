"""What of the live board a person is shown, and how: calls that are his to see, numbers as far as he may know them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from lcall_web.board import rules
from lcall_web.board.feed import SHOWN, TOTALS, Board, Name
from lcall_web.board.rules import Call
from lcall_web.common.i18n import mark, translated
from lcall_web.common.masking import masked
from lcall_web.common.viewer import NUMBERS, TEAM, Viewer
from lcall_web.common.words import AGENT_STATES, CALL_STATES, MODES, NEXT, PAUSE_REASONS
from lq.sdk import Agent, Queue

Json = dict[str, Any]

ANONYMOUS: Final = mark("匿名")
COMES: Final = mark("正在呼叫")


def whole(board: Board, viewer: Viewer, language: str) -> str:
    """All that there is, as JSON."""
    names = {(kind, id) for kind in SHOWN for id in getattr(board, kind)}
    return f'{changes(board, names, viewer, language)[:-1]}, "whole": true}}'


def changes(board: Board, names: Iterable[Name], viewer: Viewer, language: str) -> str:
    """What these are now, as JSON; `gone`: the calls that are over, or not for these eyes."""
    found: dict[str, list[str]] = {"agents": [], "queues": [], "calls": [], "gone": []}
    for kind, id in sorted(names):
        if kind == "agents" and (agent := board.agents.get(id)):
            found["agents"].append(_drawn_agent(board, agent, viewer, language))
        elif kind == "queues" and (queue := board.queues.get(id)):
            draw = partial(_queue, board, queue, language)
            found["queues"].append(board.once((kind, id), (language,), draw))
        elif kind == "calls":
            call = board.calls.get(id)
            if call is not None and _may_see(viewer, call):
                draw = partial(_call, board, call, viewer, language)
                found["calls"].append(board.once((kind, id), (language, viewer.may(NUMBERS)), draw))
            else:
                found["gone"].append(json.dumps(id))
    lists = ", ".join(f'"{kind}": [{", ".join(each)}]' for kind, each in found.items())
    return f'{{{lists}, "totals": {board.once(TOTALS, (), partial(_totals, board))}}}'


def _drawn_agent(board: Board, agent: Agent, viewer: Viewer, language: str) -> str:
    call = board.calls.get(agent.contact or "")
    sees = call is not None and _may_see(viewer, call)
    leads = viewer.may(TEAM)
    moved = board.moved.get(agent.contact or "", 0)  # a card shows its agent's call as well, whoever else has it
    eyes = (language, viewer.may(NUMBERS), sees, moved, leads, leads and viewer.reach.holds_agent(agent.id))
    return board.once(("agents", agent.id), eyes, partial(_agent, board, agent, viewer, language))


def _may_see(viewer: Viewer, call: Call) -> bool:
    return viewer.reach.holds_call((call.agent,), (call.queue,))


def _number(viewer: Viewer, number: str, language: str) -> str:
    if not number:
        return translated(language, ANONYMOUS)
    return number.removeprefix("+86") if viewer.may(NUMBERS) else masked(number)


def _phone(viewer: Viewer, phone: str) -> str:
    """A mobile seat's is somebody's private number; a phone of the center is for all to see."""
    return masked(phone) if phone.startswith("+") and not viewer.may(NUMBERS) else phone


def _queue_name(board: Board, id: str, language: str) -> str:
    queue = board.queues.get(id)
    return board.name("queues", id, language) or (queue.name if queue else id)


def _agent(board: Board, agent: Agent, viewer: Viewer, language: str) -> Json:
    return {
        "id": agent.id,
        "name": agent.name,
        "state": agent.state,
        "label": translated(language, AGENT_STATES.get(agent.state, agent.state)),
        "since": 0 if agent.since is None else round(agent.since.timestamp() * 1000),
        "phone": _phone(viewer, agent.phone or ""),
        "queues": list(agent.queues),
        "note": _note(board, agent, viewer, language),
        **(_for_leader(board, agent, viewer, language) if viewer.may(TEAM) else {}),
    }


def _for_leader(board: Board, agent: Agent, viewer: Viewer, language: str) -> Json:
    """What only a leader is told of an agent."""
    call = board.calls.get(agent.contact or "") if agent.state != "wrap_up" else None
    shown = call if call is not None and _may_see(viewer, call) else None
    return {
        "team": viewer.reach.holds_agent(agent.id),
        "reason": _reason(board, agent, language),
        "longest_s": _longest_s(board, agent),
        "next": translated(language, NEXT.get(agent.next or "", agent.next or "")),
        "contact": agent.contact or "" if call is None else call.id,
        "number": _number(viewer, shown.number, language) if shown else "",
        "dial": shown.number if shown and viewer.may(NUMBERS) else "",
        "queue": _queue_name(board, shown.queue, language) if shown else "",
        "call": shown.state if shown else "",
        "leaders": _leaders(board, call, language) if call else [],
        "help": call.help_at if call and call.help == agent.id else 0,
    }


def _leaders(board: Board, call: Call, language: str) -> list[Json]:
    """An agent shall not see that a leader listens: for leaders only."""
    return [
        {
            "id": leader.agent,
            "name": board.agents[leader.agent].name if leader.agent in board.agents else leader.agent,
            "mode": leader.mode,
            "label": translated(language, MODES.get(leader.mode, COMES)),
        }
        for leader in call.leaders
    ]


def _note(board: Board, agent: Agent, viewer: Viewer, language: str) -> str:
    """The third line of a card: whom he talks with, why he is away, what he does next."""
    call = board.calls.get(agent.contact or "")
    if call is not None and agent.state != "wrap_up" and _may_see(viewer, call):
        return _number(viewer, call.number, language)
    if agent.next:
        return translated(language, NEXT.get(agent.next, agent.next))
    if agent.reason:
        return _reason(board, agent, language)
    return " · ".join(_queue_name(board, id, language) for id in agent.queues)


def _reason(board: Board, agent: Agent, language: str) -> str:
    reason = agent.reason or ""
    return board.name("pause_reasons", reason, language) or translated(language, PAUSE_REASONS.get(reason, reason))


def _longest_s(board: Board, agent: Agent) -> int:
    """How long a pause for his reason may be; 0: as long as he likes, or he has none."""
    reason = board.documents.get("pause_reasons", {}).get(agent.reason or "", {})
    return int(reason.get("longest_min") or 0) * 60 if agent.state == "paused" else 0


def _queue(board: Board, queue: Queue, language: str) -> Json:
    goal, level = next(iter(queue.service_level.items()), ("", None))
    oldest = None if queue.oldest_wait_s is None else board.queues_read_at - round(queue.oldest_wait_s * 1000)
    return {
        "id": queue.id,
        "name": _queue_name(board, queue.id, language),
        "waiting": queue.waiting,
        "oldest": oldest,
        "ready": queue.ready,
        "talking": queue.talking,
        "answered": queue.answered,
        "abandoned": queue.abandoned,
        "in_time": queue.in_time,
        "counted": queue.counted,
        "level": level,
        "goal_s": goal,
    }


def _call(board: Board, call: Call, viewer: Viewer, language: str) -> Json:
    agent = board.agents.get(call.agent)
    called = masked(call.called) if call.direction == "out" and not viewer.may(NUMBERS) else call.called
    return {
        "id": call.id,
        "direction": call.direction,
        "state": call.state,
        "label": translated(language, CALL_STATES.get(call.state, call.state)),
        "number": _number(viewer, call.number, language),
        "called": called,
        "queue": _queue_name(board, call.queue, language),
        "agent": agent.name if agent else call.agent,
        "since": call.since,
        "started": call.started_at,
    }


def _totals(board: Board) -> Json:
    found = rules.totals(board.agents.values(), board.queues.values(), board.calls.values())
    oldest = None if found.oldest_s is None else board.queues_read_at - round(found.oldest_s * 1000)
    return {
        "waiting": found.waiting,
        "oldest": oldest,
        "talking": found.talking,
        "ready": found.ready,
        "signed_in": found.signed_in,
        "answered": found.answered,
        "abandoned": found.abandoned,
        "level": found.service_level,
    }
