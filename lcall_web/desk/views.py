"""The soft phone: its column, its commands, today's calls."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from sanic import Blueprint, Request
from sanic.exceptions import Forbidden, NotFound
from sanic.response import HTTPResponse, json

from lcall_web.common import context, door, pages, words
from lcall_web.common.database import DatabaseAway
from lcall_web.common.i18n import mark, translated
from lcall_web.common.viewer import Viewer
from lcall_web.desk import rules, store
from lcall_web.desk.store import Eyes
from lq.sdk import ApiError, Client

log = structlog.get_logger()

blueprint = Blueprint("desk", url_prefix="/desk")

ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
EMPTY: Final = mark("请填写号码、工号或技能组。")
NO_PHONE: Final = mark("请填写话机号码。")
NO_REASON: Final = mark("请选择示忙原因。")
BAD_CODE: Final = mark("没有这个小结，请重新选择。")
NOT_YOURS: Final = mark("这通电话不在您这里：请按现在显示的状态再试。")
NO_NUMBER: Final = mark("这通电话没有可以回拨的号码。")
OLD_PAGE: Final = mark("页面已经过期，请刷新页面后再试。")
KEYS: Final = mark("按键只能是 0–9、* 和 #。")


class Wrong(Exception):
    """A marked text; `field`: beside which it is shown."""

    def __init__(self, text: str, status: int = 422, field: str = "", **values: str) -> None:
        super().__init__(text)
        self.text, self.status, self.field, self.values = text, status, field, values


def _viewer(request: Request) -> Viewer:
    viewer = door.viewer(request)
    if not viewer.desk:
        raise Forbidden
    return viewer


@blueprint.get("/")
async def column(request: Request) -> HTTPResponse:
    """The part of the layout at the left; what it shows comes by the stream."""
    viewer = _viewer(request)
    return await pages.page(
        request,
        "desk/desk.html",
        phones=store.free_phones(request.app.ctx.feed.board, viewer),
        phone_states={name: translated(request.ctx.language, text) for name, text in words.PHONE_STATES.items()},
        reasons=store.pause_reasons(request.app.ctx.feed.board, Eyes(viewer, request.ctx.language)),
    )


@blueprint.get("/today")
async def today(request: Request) -> HTTPResponse:
    eyes = Eyes(_viewer(request), request.ctx.language)
    found = await store.today(context.of(request), eyes)
    return await pages.page(request, "desk/today.html", today=found, results=words.RESULTS, reasons=words.REASONS)


@blueprint.get("/flows")
async def flows(request: Request) -> HTTPResponse:
    """IVR flows that a caller can be sent to: asked for when somebody is about to transfer."""
    _viewer(request)
    return json({"flows": store.flows(request.app.ctx.feed.board)})


# -- commands ----------------------------------------------------------------------------------------------------------


@blueprint.post("/agent/<verb:str>")
async def agent(request: Request, verb: str) -> HTTPResponse:
    viewer, form = _viewer(request), door.form(request)
    if verb not in AGENT:
        raise NotFound(verb)

    return await _answer(
        request,
        lambda lq: AGENT[verb](lq, viewer.id, form),
        lambda lq: _coded(request, lq, viewer.id, verb, form.get("code", "")),
    )


async def _coded(request: Request, lq: Client, agent: str, verb: str, code: str) -> None:
    """A code must be one of the call's, and he may not leave its wrap-up without one where the queue wants it."""
    if verb != "code" and verb not in rules.LEAVING:
        return
    known = await lq.agent(agent)
    if verb not in ("code", "done") and known.state != "wrap_up":
        return
    floor = request.app.ctx.feed.board
    contact = await request.app.ctx.details.of(floor, known.contact) if known.contact else None
    queue = (contact.queue or "") if contact else ""
    if code and not rules.leaf(rules.codes(floor.documents.get("wrap_up_codes", {}), queue), code):
        raise Wrong(BAD_CODE, field="code")
    given = code if verb in ("code", "done") else ""  # the others take none along
    if verb != "code":
        given = given or known.code or ""
    if told := rules.wants_code(verb, known.state, given, required=store.needs_code(floor, queue)):
        raise Wrong(told, field="code")


@blueprint.post("/call/<contact:str>/<verb:str>")
async def call(request: Request, contact: str, verb: str) -> HTTPResponse:
    viewer, form = _viewer(request), door.form(request)
    if verb not in CALL or not ID.fullmatch(contact):
        raise NotFound(verb)

    return await _answer(
        request, lambda lq: CALL[verb](lq, contact, viewer.id, form), lambda lq: _his(lq, viewer.id, contact, verb)
    )


@blueprint.post("/dial")
async def dial(request: Request) -> HTTPResponse:
    """`to`: a number, an agent, `queue:…`; or, also where the number is masked, `contact`: whom that call was with, or
    `phone`: that number of a customer's."""
    viewer, form = _viewer(request), door.form(request)
    to = form.get("to", "").strip()
    of, phone = form.get("contact", ""), form.get("phone", "")
    if of or phone:
        try:
            to = await _whole(request, of, phone)
        except DatabaseAway:
            return _refused(request, Wrong(rules.AWAY, 503))
        if not to:
            return _refused(request, Wrong(NO_NUMBER, 404))
    return await _answer(request, lambda lq: lq.place(viewer.id, _target(to)))


async def _whole(request: Request, contact: str, phone: str) -> str:
    """Of a call that he has, or has just had, also before it stands in history. Raises DatabaseAway."""
    viewer, database = door.viewer(request), context.of(request).database
    if phone:
        return await store.customers_number(database, viewer, phone)
    floor, details = request.app.ctx.feed.board, request.app.ctx.details
    return await store.number_at_hand(floor, details, viewer, contact) or await store.number_of(
        database, viewer, contact
    )


async def _his(lq: Client, agent: str, contact: str, verb: str) -> None:
    """Only on the call that he is in; to hang up what rings would end it for its caller."""
    known = await lq.agent(agent)
    if known.contact != contact or known.state not in rules.BOUND:
        raise Wrong(NOT_YOURS, 409)
    if verb == "hang-up":
        now = rules.situation(known, await lq.contact(contact))
        if reason := rules.reasons(now)["hang-up"]:
            raise Wrong(reason, 409)


Asked = Callable[[Client], Awaitable[object]]


async def _answer(request: Request, work: Asked, check: Asked | None = None) -> HTTPResponse:
    """What came of it, in words. The page's key makes a repeat the same request, of which nothing is checked anew."""
    given = request.headers.get("idempotency-key", "")
    if not rules.KEY.fullmatch(given):
        return _refused(request, Wrong(OLD_PAGE, 400))
    key = f"desk-{door.viewer(request).id}-{given}"
    lq, repeats = context.of(request).lq.keyed(key), request.app.ctx.repeats
    try:
        if check is not None and f"{request.path} {key}" not in repeats:
            await check(lq)
            repeats.add(f"{request.path} {key}")
        await work(lq)
    except Wrong as wrong:
        return _refused(request, wrong)
    except ApiError as error:
        log.info("the soft phone was refused", path=request.path, status=error.status, code=error.code)
        text, reason = rules.refusal(error)
        status = error.status if 400 <= error.status < 500 and error.status not in (401, 429) else 503
        said = translated(request.ctx.language, reason)
        return _refused(request, Wrong(text, status, error.field or "", **({"reason": said} if reason else {})))
    return json({"done": True})


def _refused(request: Request, wrong: Wrong) -> HTTPResponse:
    text = translated(request.ctx.language, wrong.text, **wrong.values)
    return json({"error": text, "field": wrong.field}, status=wrong.status)


# -- what each of them asks of LQ-SDK ----------------------------------------------------------------------------------

Form = Mapping[str, str]


def _target(to: str) -> str:
    plain = rules.plain(to)
    if not plain:
        raise Wrong(EMPTY, field="to")
    if not rules.TO.fullmatch(plain):
        raise Wrong(rules.FIELDS["to"], field="to")
    return plain


async def _sign_in(lq: Client, agent: str, form: Form) -> object:
    phone = rules.plain(form.get("phone", ""))
    if not phone or len(phone) > rules.LONGEST or not phone.isprintable():
        raise Wrong(NO_PHONE, field="phone")
    return await lq.sign_in(agent, phone)


async def _pause(lq: Client, agent: str, form: Form) -> object:
    reason = form.get("reason", "")
    if not reason or reason == rules.GIVEN or len(reason) > rules.LONGEST or not reason.isprintable():
        raise Wrong(NO_REASON, field="reason")
    return await lq.pause(agent, reason)


async def _dtmf(lq: Client, contact: str, agent: str, form: Form) -> object:
    digits = form.get("digits", "")
    if not rules.KEYS.fullmatch(digits):
        raise Wrong(KEYS, field="digits")
    return await lq.send_dtmf(contact, agent, digits)


AGENT: Final[Mapping[str, Callable[[Client, str, Form], Awaitable[Any]]]] = {
    "sign-in": _sign_in,
    "sign-out": lambda lq, agent, form: lq.sign_out(agent),
    "ready": lambda lq, agent, form: lq.ready(agent),
    "pause": _pause,
    "code": lambda lq, agent, form: lq.wrap_up(agent, form["code"]),
    "done": lambda lq, agent, form: lq.wrap_up(agent, form.get("code") or None, done=True),
}
CALL: Final[Mapping[str, Callable[[Client, str, str, Form], Awaitable[Any]]]] = {
    "answer": lambda lq, contact, agent, form: lq.answer(contact, agent),
    "reject": lambda lq, contact, agent, form: lq.reject(contact, agent),
    "hang-up": lambda lq, contact, agent, form: lq.hang_up(contact, agent),
    "hold": lambda lq, contact, agent, form: lq.hold(contact, agent),
    "resume": lambda lq, contact, agent, form: lq.resume(contact, agent),
    "mute": lambda lq, contact, agent, form: lq.mute(contact, agent),
    "unmute": lambda lq, contact, agent, form: lq.unmute(contact, agent),
    "keys": _dtmf,
    "transfer": lambda lq, contact, agent, form: lq.transfer(contact, agent, _target(form.get("to", "")), "blind"),
    "consult": lambda lq, contact, agent, form: lq.transfer(contact, agent, _target(form.get("to", "")), "consult"),
    "add": lambda lq, contact, agent, form: lq.conference(contact, agent, _target(form.get("to", ""))),
    "complete": lambda lq, contact, agent, form: lq.complete_transfer(contact, agent),
    "cancel": lambda lq, contact, agent, form: lq.cancel_transfer(contact, agent),
    "conference": lambda lq, contact, agent, form: lq.conference(contact, agent),
    "record-start": lambda lq, contact, agent, form: lq.record(contact, "start", agent),
    "record-stop": lambda lq, contact, agent, form: lq.record(contact, "stop", agent),
    "record-pause": lambda lq, contact, agent, form: lq.record(contact, "pause", agent),
    "record-resume": lambda lq, contact, agent, form: lq.record(contact, "resume", agent),
    "help": lambda lq, contact, agent, form: lq.ask_help(contact, agent),
    "help-end": lambda lq, contact, agent, form: lq.end_help(contact, agent),
}
