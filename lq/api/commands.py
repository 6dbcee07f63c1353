"""/v1/contacts/{id}/…: what agents, leaders and programs have done with a contact. Each is its owner's to carry out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sanic import Request

from lq.api import access, contacts, context, reading, schemas, seen
from lq.api.errors import Refusal, wrong
from lq.api.feed import not_yet
from lq.api.history import HistoryAway
from lq.api.idempotency import command_id
from lq.live.errors import Gone

Json = dict[str, Any]

ANSWER_S: Final = 2.0  # the owner has; then the command has expired and is not carried out later


@dataclass(frozen=True, slots=True)
class Command:
    path: str  # below the contact
    verb: str  # the owner's word for it
    summary: str
    body: schemas.Schema = field(default_factory=lambda: schemas.BY_AGENT)
    scope: str = "contacts"
    method: str = "POST"
    joins: bool = False  # the agent is not in the contact yet, so a token of his may not see it


def handler(command: Command) -> Callable[..., Awaitable[Json]]:
    """A function of its own for each, as the server wants it."""

    async def handle(request: Request, contact: str) -> Json:
        given = reading.given(request, command.body) if command.method == "POST" else _in_query(request)
        await _allowed(request, contact, given.get("agent", ""), command)
        return await send(request, contact, command.verb, given)

    return handle


async def _allowed(request: Request, contact: str, agent: str, command: Command) -> None:
    """A token of some agents acts as these only, and on contacts that it sees."""
    sees = access.of(request)
    if not sees.restricted:
        return
    if not agent:
        raise wrong("agent", "it is required of a token that is restricted to some agents or queues")
    sees.need_agent(agent)
    if not command.joins:
        await contacts.need(request, await contacts.found(request, contact))


def _in_query(request: Request) -> Json:
    """A DELETE says its agent in the query: its body may be dropped on the way (RFC 9110 §9.3.5)."""
    agent = reading.parameter(request, "agent")
    if not agent:
        raise wrong("agent", "it is required")
    return {"agent": agent}


async def send(request: Request, contact: str, verb: str, body: Json) -> Json:
    """The contact after it; refused with 409 and the contact as it is when it cannot be done now."""
    live, command = context.of(request).live, command_id(request)
    try:
        reply = await live.command(contact, verb, body, ANSWER_S, command)
    except Gone:
        return await _of_one_that_is_over(request, contact, command)
    if "error" in reply:
        present = None
        if int(reply["status"]) == 409:  # as its owner has it: one that has just ended may not be in the books yet
            present = seen.contact(request, reply.get("contact") or await contacts.found(request, contact))
        raise _refused(reply, present)
    return seen.contact(request, reply["contact"])


async def _of_one_that_is_over(request: Request, contact: str, command: str) -> Json:
    """What the command was answered the first time (that answer was lost); anything new is too late, whatever history
    says: while that is away, or has not heard of the contact yet, it is told without the contact.

    Raises HistoryAway for one that was carried out, for its answer is the contact.
    """
    here, over = context.of(request), None
    first = await here.live.answer_of(contact, command) if command else None
    try:
        over = await contacts.from_history(request, contact)
    except HistoryAway as error:
        away = error
    except Refusal:
        if first is None and not await contacts.is_over(request, contact):
            raise
        away = not_yet()
    if first is None or "error" in first:
        raise _refused(first or _ended(contact), over)
    if over is None:
        raise away
    return over


def _ended(contact: str) -> Json:
    return {"status": 409, "error": {"code": "ended", "message": f"contact {contact} is over"}}


def _refused(reply: Json, present: Json | None) -> Refusal:
    error, status = reply["error"], int(reply["status"])
    return Refusal(
        status,
        error["code"],
        error["message"],
        field=error.get("field"),
        present=present if status == 409 else None,
        retry_after_s=1 if status == 503 else None,
    )


_LEADER: Final = "supervise"

COMMANDS: Final[tuple[Command, ...]] = (
    Command("answer", "answer", "Answer the call that is offered, at the agent's phone (接听)"),
    Command("reject", "reject", "Refuse the call that is offered (拒接)"),
    Command("hang-up", "hang_up", "End the contact (挂断)", schemas.BY_ANYBODY),
    Command("hold", "hold", "Put the customer on hold (保持)"),
    Command("resume", "resume", "Take the customer from hold (恢复)"),
    Command("mute", "mute", "Nobody hears the agent (静音)"),
    Command("unmute", "unmute", "The agent is heard again (取消静音)"),
    Command("send-dtmf", "send_dtmf", "Press keys for the agent", schemas.SEND_DTMF),
    Command("transfer", "transfer", "Transfer at once, or consult first (直接转接, 咨询转接)", schemas.TRANSFER),
    Command("transfer/complete", "transfer_complete", "Connect the customer to who is consulted (完成转接)"),
    Command("transfer/cancel", "transfer_cancel", "Back to the customer (取消转接)"),
    Command("transfer/conference", "transfer_conference", "All in one conversation (三方通话)", schemas.CONFERENCE),
    Command("pick-up", "pick_up", "Take the call that rings at another's phone (抢接, 代答)", joins=True),
    Command("release", "release", "End others' call (强拆)", schemas.RELEASE, _LEADER),
    Command("help", "help", "Want a leader to come (求助)"),
    Command("help", "help_end", "Want none any more, or nobody comes", method="DELETE"),
    Command(
        "monitor", "monitor", "Listen, whisper, barge in, take over (监听, 耳语, 强插, 拦截)", schemas.MONITOR, _LEADER
    ),
    Command("monitor", "monitor_end", "Leave what is monitored", scope=_LEADER, method="DELETE"),
    Command("recording", "record", "Start, stop, pause or resume the recording", schemas.RECORDING),
)
