"""The screen pop: a part of the desk's page, or a page of its own for whoever opens it so."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from sanic import Blueprint, Request
from sanic.exceptions import Forbidden, NotFound
from sanic.response import HTTPResponse

from lcall_web.common import context, door
from lcall_web.common.database import DatabaseAway, TooMuch
from lcall_web.common.i18n import mark
from lcall_web.common.viewer import BLACKLIST, CUSTOMERS, NUMBERS
from lcall_web.customers import black, field_store, fields, pop, rules, store, views
from lcall_web.customers.black import Wish
from lcall_web.customers.rules import Draft, Form

blueprint = Blueprint("pop", url_prefix="/pop")

ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
FOUND: Final = 8  # of a search for whom the call is about; who is not among them is named more closely
PIECE: Final = "piece"  # of a card: who asks takes this out of the answer, and leaves what is written beside it
CUSTOMERS_PIECE: Final = "customer's piece"  # … which is there only where it is known who it is
WHOLE: Final[Mapping[str, str]] = {"hx-retarget": "closest .lc-pop", "hx-reselect": ".lc-pop"}  # whatever was asked for
EXPIRED: Final = mark("页面已经过期，请返回并刷新页面，再试一次。")


@blueprint.get("/<contact:str>")
@door.needs(CUSTOMERS)
async def show(request: Request, contact: str) -> HTTPResponse:
    """?choose=: he is somebody else, or a new one (1), or this one after all (0): a piece of the card."""
    wish = request.args.get("choose")
    return await _pop(request, _id(contact), choosing=wish == "1", takes=CUSTOMERS_PIECE if wish else "")


async def _pop(
    request: Request,
    contact: str,
    status: int = 200,
    *,
    form: Form | None = None,
    key: str = "",
    holders: Any = (),
    written: str = "",
    error: str = "",
    choosing: bool = False,
    wish: Wish | None = None,
    wrong: str = "",
    takes: str = "",
) -> HTTPResponse:
    viewer, here = door.viewer(request), context.of(request)
    found = await pop.pop(here, viewer, contact, request.ctx.language)
    part = views.wants_part(request)
    if part and takes and not found.history:
        raise DatabaseAway("no piece of a card without its customer")
    choosing = choosing or form is not None
    owners = await store.owners(here.database) if found.history and (found.card is None or choosing) else {}
    answer = await views.page(
        request,
        "pop_part.html" if part else "pop.html",
        status,
        pop=found,
        contact=contact,
        form=form or views.form_of(Draft("person", ""), viewer),
        owners=owners,
        own_fields=fields.active(found.fields),
        key=key or str(uuid.uuid4()),
        note_key=str(uuid.uuid4()),
        holders=holders,
        written=written,
        error=error,
        choosing=choosing,
        theirs={},
        days=black.DAYS,
        wish=wish or Wish(""),
        wrong=wrong,
    )
    if takes == CUSTOMERS_PIECE and found.card is None:  # he has been deleted meanwhile
        answer.headers.update(WHOLE)
    return answer


@blueprint.get("/<contact:str>/found")
@door.needs(CUSTOMERS)
async def find(request: Request, contact: str) -> HTTPResponse:
    """Customers to choose from for a call whose number nobody has: ?q=."""
    viewer, database = door.viewer(request), context.of(request).database
    q = rules.clean(request.args.get("q") or "")[:100]
    found: list[store.Line] = []
    message = ""
    if q:
        wanted, _ = fields.search(await field_store.fields(database), {"q": q}, viewer.id, viewer.may(NUMBERS))
        try:
            found, _ = await store.search(database, viewer, wanted, FOUND)
        except TooMuch:
            message = views.TOO_MUCH
    return await views.page(request, "pop_found.html", contact=_id(contact), q=q, found=found, message=message)


@blueprint.post("/<contact:str>/number")
@door.needs(CUSTOMERS)
async def number(request: Request, contact: str) -> HTTPResponse:
    """What the card offers whose customer calls from a number that he does not have yet."""
    await pop.add_number(context.of(request), door.viewer(request), _id(contact), request.ip)
    request.app.ctx.callers.again()
    return await _again(request, contact, CUSTOMERS_PIECE)


@blueprint.post("/<contact:str>/customer")
@door.needs(CUSTOMERS)
async def choose(request: Request, contact: str) -> HTTPResponse:
    viewer = door.viewer(request)
    customer = views.number_of(door.form(request).get("customer", ""))
    await pop.choose(context.of(request), viewer, _id(contact), customer)
    request.app.ctx.callers.again()
    return await _again(request, contact)


@blueprint.post("/<contact:str>/note")
@door.needs(CUSTOMERS)
async def note(request: Request, contact: str) -> HTTPResponse:
    viewer = door.viewer(request)
    key, body, error = views.read_note(door.form(request))
    if key is None:
        raise Forbidden(EXPIRED)
    if error:
        return await _pop(request, _id(contact), 422, written=body, error=error, takes=PIECE)
    await pop.note(context.of(request), viewer, _id(contact), key, body)
    return await _again(request, contact, PIECE)


@blueprint.post("/<contact:str>/new")
@door.needs(CUSTOMERS)
async def new(request: Request, contact: str) -> HTTPResponse:
    """`instead`: the customer beside whom the form stood."""
    viewer, here, given = door.viewer(request), context.of(request), door.form(request)
    key, instead = rules.key_of(given.get("key", "")), views.number_of(given.get("instead", ""))
    if key is None:
        raise Forbidden(EXPIRED)
    found = await pop.contact_of(here, viewer, _id(contact))
    draft, form = rules.read(given, {}, True, list(await store.owners(here.database)))
    draft, form = fields.read(await field_store.fields(here.database), draft, form, given, {})
    same: dict[str, Any] = {"form": form, "key": str(key), "takes": CUSTOMERS_PIECE if instead else ""}
    if not form.good:
        return await _pop(request, contact, 422, **same)
    draft, anyway = pop.with_number(draft, found), bool(given.get("anyway"))
    try:
        await pop.register(here, viewer, contact, key, draft, request.ip, instead=instead, anyway=anyway)
    except store.Known as known:
        return await _pop(request, contact, 409, holders=known.holders, **same)
    request.app.ctx.callers.again()
    answer = await _again(request, contact)
    answer.headers.update(WHOLE)
    return answer


@blueprint.post("/<contact:str>/black")
@door.needs(CUSTOMERS)
@door.needs(BLACKLIST)
async def black_list(request: Request, contact: str) -> HTTPResponse:
    """`list`, `reason`, `days`; `do=off`: the caller is taken off it."""
    viewer, here = door.viewer(request), context.of(request)
    found = await pop.contact_of(here, viewer, _id(contact))
    wish, wrong = black.read(door.form(request))
    if wrong:
        return await _pop(request, contact, 422, wish=wish, wrong=wrong, takes=PIECE)
    await black.carry_out(here, viewer, found, wish, request.ip)
    return await _again(request, contact, PIECE)


async def _again(request: Request, contact: str, takes: str = "") -> HTTPResponse:
    if not views.wants_part(request):
        return views.go_to(f"/pop/{contact}")
    return await _pop(request, contact, takes=takes)


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise NotFound(text)
    return text
