"""Sticky notes: what static/home.js asks while somebody writes."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import asdict

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, json

from lcall_web.common import context, door
from lcall_web.common.i18n import translated
from lcall_web.home import notes, rules, store
from lcall_web.home.notes import Stored

blueprint = Blueprint("notes", url_prefix="/notes")


async def _answer(request: Request, work: Awaitable[Stored]) -> HTTPResponse:
    try:
        return json(asdict(await work))
    except notes.TooMany:
        return _refused(request, notes.TOO_MANY)
    except notes.Stale as stale:
        return json({"theirs": stale.theirs}, status=409)


def _refused(request: Request, text: str) -> HTTPResponse:
    return json({"error": translated(request.ctx.language, text)}, status=422)


def _id(id: int) -> int:
    if not 0 < id <= store.LATEST:
        raise NotFound(f"note {id}")
    return id


def _version(request: Request) -> int:
    return rules.number_of(door.form(request).get("version", ""))


@blueprint.post("/")
async def add(request: Request) -> HTTPResponse:
    given = door.form(request)
    key, (body, colour, error) = rules.key_of(given.get("key", "")), rules.read_note(given)
    if key is None:
        raise NotFound("note without a key")
    if error:
        return _refused(request, error)
    database, operator = context.of(request).database, door.viewer(request).id
    return await _answer(request, notes.add(database, operator, key, body, colour))


@blueprint.post("/<id:int>")
async def save(request: Request, id: int) -> HTTPResponse:
    body, colour, error = rules.read_note(door.form(request))
    if error:
        return _refused(request, error)
    database, operator = context.of(request).database, door.viewer(request).id
    return await _answer(request, notes.save(database, operator, _id(id), _version(request), body, colour))


@blueprint.post("/<id:int>/delete")
async def delete(request: Request, id: int) -> HTTPResponse:
    database, operator = context.of(request).database, door.viewer(request).id
    return await _answer(request, notes.delete(database, operator, _id(id), _version(request)))


@blueprint.post("/<id:int>/restore")
async def restore(request: Request, id: int) -> HTTPResponse:
    return await _answer(request, notes.restore(context.of(request).database, door.viewer(request).id, _id(id)))
