"""/v1/config: the documents of the configuration. PostgreSQL is written, then Redis is told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
import structlog
from sanic import Request

from lq.api import access, context, reading, schemas
from lq.api.errors import Refusal, malformed, not_found, wrong
from lq.api.history import SEARCH_S, HistoryAway
from lq.config import lists, pins, publish
from lq.config.demo import ha1
from lq.config.documents import DOCUMENTS, Settings
from lq.config.publish import Document
from lq.config.references import users as named_by
from lq.config.validation import FieldError, validate
from lq.live.errors import LiveError

log = structlog.get_logger()

Json = dict[str, Any]
SECRET: Final = ("ha1", "secret", "sha256", "pin_hash")  # written, never shown
ELSEWHERE: Final = ("tokens",)  # of their own paths: who may write configuration may not give himself rights


async def listing(request: Request, kind: str) -> Json:
    documents = await _documents(request, kind)
    page = reading.page_by_id(request, [{"id": id} for id in sorted(documents)])
    return {**page, "items": [document_json(documents[item["id"]]) for item in page["items"]]}


async def one(request: Request, kind: str, id: str) -> Json:
    documents = await _documents(request, kind)
    if id not in documents:
        raise not_found(f"document {kind}/{id}")
    return document_json(documents[id])


async def put(request: Request, kind: str, id: str) -> tuple[int, Json]:
    """201 for a new document. `If-Match` with the version that was read guards against another writer."""
    _known(kind)
    here, given = context.of(request), reading.body(request)
    if given.setdefault("id", id) != id:
        raise Refusal(422, "invalid", "it is not the id of the path", field="id")
    async with here.history.connection() as connection:
        before = (await publish.read(connection))[1]
        body = _COMPLETED.get(kind, _as_given)(given, before)
        try:
            async with connection.transaction():
                version = _match(request)
                expected = {} if version is None else {(kind, id): version}
                [written] = await publish.put(connection, [(kind, body)], by=operator(request), if_versions=expected)
                await audit(connection, request, "config_put", written)
        except publish.Refused as refused:
            raise refusal(refused) from refused
        except publish.Changed as changed:
            raise _changed(changed) from changed
        await publish_now(connection, here)
    return (200 if id in before[kind] else 201), document_json(written)


async def put_many(request: Request) -> Json:
    """All of them under one version, or none. Fields of what is wrong begin with `documents.<n>.`."""
    here, given = context.of(request), _many(reading.body(request))
    check, documents = reading.flag(reading.body(request), "check"), given["documents"]
    async with here.history.connection(SEARCH_S) as connection:
        before = (await publish.read(connection))[1]
        bodies = [(one["kind"], _COMPLETED.get(one["kind"], _as_given)(one["body"], before)) for one in documents]
        _need_valid(bodies)
        versions = {(one["kind"], one["id"]): one["version"] for one in documents if "version" in one}
        try:
            async with connection.transaction():
                written = await publish.put(connection, bodies, by=operator(request), if_versions=versions)
                if check:
                    raise _OnlyChecked
                await audit(connection, request, "config_put", *written)
        except _OnlyChecked:
            return {"written": 0}
        except publish.Refused as refused:
            places = {f"{kind}/{body['id']}/": f"documents.{n}." for n, (kind, body) in enumerate(bodies)}
            raise refusal(publish.Refused([_moved(error, places) for error in refused.errors])) from refused
        except publish.Changed as changed:
            raise _changed(changed) from changed
        await publish_now(connection, here)
    return {"written": len(written)}


class _OnlyChecked(Exception):
    """Takes back what was written to see whether it could be."""


def _many(given: Json) -> Json:
    """The documents of a body, each with its id in it; 422 for what is none."""
    documents = given.get("documents")
    if not isinstance(documents, list) or not 1 <= len(documents) <= schemas.MOST_DOCUMENTS:
        raise wrong("documents", f"a list of 1 to {schemas.MOST_DOCUMENTS} documents is expected")
    for n, one in enumerate(documents):
        place = f"documents.{n}"
        if not isinstance(one, dict) or not isinstance(one.get("body"), dict):
            raise wrong(place, "kind, id and body of a document are expected")
        if unknown := set(one) - {"kind", "id", "body", "version"}:
            raise wrong(f"{place}.{min(unknown)}", "there is no such field")
        kind, id = (reading.text({f"{place}.{key}": one.get(key)}, f"{place}.{key}") for key in ("kind", "id"))
        _known(kind)
        if one["body"].setdefault("id", id) != id:
            raise wrong(f"{place}.body.id", "it is not the id of the document")
        if not isinstance(one.get("version", 0), int) or isinstance(one.get("version"), bool):
            raise wrong(f"{place}.version", "a whole number is expected")
    return given


def _need_valid(bodies: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    faults = [
        FieldError(f"documents.{n}.{error.field}", error.code, error.message)
        for n, (kind, body) in enumerate(bodies)
        for error in validate(kind, body)
    ]
    if faults:
        raise refusal(publish.Refused(faults))


def _moved(error: FieldError, places: Mapping[str, str]) -> FieldError:
    """A field `agents/1001/queues` as one of the documents that were sent."""
    for known, place in places.items():
        if error.field.startswith(known):
            return FieldError(place + error.field.removeprefix(known), error.code, error.message)
    return error


def _changed(changed: publish.Changed) -> Refusal:
    return Refusal(409, "changed", str(changed), present=document_json(changed.present) if changed.present else {})


async def users(request: Request, kind: str, id: str) -> Json:
    """Who is in the way of its being deleted, and for whom a change of it matters."""
    _known(kind)
    async with context.of(request).history.connection() as connection:
        found = (await publish.read(connection))[1]
    if id not in found[kind]:
        raise not_found(f"document {kind}/{id}")
    kinds = {name: {each: document.body for each, document in one.items()} for name, one in found.items()}
    named = named_by(kinds, kind, id)
    rows = [{"kind": k, "id": n, "field": field, "name": str(kinds[k][n].get("name") or n)} for k, n, field in named]
    size, cursor = reading.limit(request), reading.parameter(request, "cursor")
    if not re.fullmatch(r"\d{0,6}", cursor, re.ASCII):
        raise malformed("cursor", "it cannot be read")
    start = int(cursor or 0)
    return {"items": rows[start : start + size], "next": str(start + size) if len(rows) > start + size else None}


async def delete(request: Request, kind: str, id: str) -> tuple[int, Json]:
    """`If-Match` as for `put`."""
    _known(kind)
    here, version = context.of(request), _match(request)
    async with here.history.connection() as connection:
        try:
            async with connection.transaction():
                await publish.delete(connection, kind, id, version)
                if kind == "lists" and await lists.page(connection, id, "", 1):
                    raise Refusal(409, "in_use", "it has entries")
                await audit(connection, request, "config_delete", Document(kind, id, 0, {}))
        except publish.Missing as missing:
            raise not_found(f"document {kind}/{id}") from missing
        except publish.Changed as changed:
            raise _changed(changed) from changed
        except publish.Refused as refused:
            fields = ", ".join(error.field for error in refused.errors)
            raise Refusal(409, "in_use", f"it is named by {fields}") from refused
        await publish_now(connection, here)
    return 204, {}


def document_json(document: Document) -> Json:
    body = {name: value for name, value in document.body.items() if name not in SECRET}
    if document.kind == "trunks" and "register" in body:
        body["register"] = {name: value for name, value in body["register"].items() if name != "password"}
    return {"kind": document.kind, "id": document.id, "version": document.version, "body": body}


def _known(kind: str) -> None:
    if kind not in DOCUMENTS or kind in ELSEWHERE:
        raise not_found(f"kind {kind!r} of configuration")


async def _documents(request: Request, kind: str) -> dict[str, Document]:
    _known(kind)
    here = context.of(request)
    return await documents(here, kind)


async def documents(here: context.Context, kind: str) -> dict[str, Document]:
    """As they are written; with PostgreSQL away as they were published."""
    try:
        async with here.history.connection() as connection:
            return (await publish.read(connection))[1][kind]
    except HistoryAway:
        version = await here.live.config_version()
        return {id: Document(kind, id, version, body) for id, body in (await here.live.config(kind)).items()}


def _phone(given: Json, kinds: Mapping[str, Mapping[str, Document]]) -> Json:
    """A phone is given with its password, which is kept nowhere, or keeps the secret that it has."""
    body = dict(given)
    password = body.pop("password", None)
    if password is not None:
        password = reading.text({"password": password}, "password")
        settings = kinds["settings"].get("center")
        realm = settings.body.get("realm") if settings else None
        body["ha1"] = ha1(body["id"], password, realm or Settings().realm)
    elif "ha1" not in body and (known := kinds["phones"].get(body["id"])) is not None:
        body["ha1"] = known.body["ha1"]
    return body


def _trunk(given: Json, kinds: Mapping[str, Mapping[str, Document]]) -> Json:
    """A trunk's registration is given with its password, or keeps the one that it has."""
    known = kinds["trunks"].get(given["id"])
    register = given.get("register")
    if known is None or not isinstance(register, dict) or "password" in register:
        return given
    password = known.body.get("register", {}).get("password", "")
    return {**given, "register": {**register, "password": password}}


def _webhook(given: Json, kinds: Mapping[str, Mapping[str, Document]]) -> Json:
    known = kinds["webhooks"].get(given["id"])
    return given if known is None or "secret" in given else {**given, "secret": known.body["secret"]}


def _as_given(given: Json, kinds: Mapping[str, Mapping[str, Document]]) -> Json:
    return given


def _agent(given: Json, kinds: Mapping[str, Mapping[str, Document]]) -> Json:
    """An agent is given with his PIN, which is kept nowhere, or keeps the one that he has; "" takes it away."""
    body = dict(given)
    pin = body.pop("pin", None)
    if pin is not None:
        if not isinstance(pin, str) or not re.fullmatch(r"(\d{4,12})?", pin, re.ASCII):
            raise wrong("pin", "4 to 12 digits are expected")
        body["pin_hash"] = pins.hashed(body["id"], pin) if pin else ""
    elif "pin_hash" not in body and (known := kinds["agents"].get(body["id"])) is not None:
        body["pin_hash"] = known.body.get("pin_hash", "")
    return body


_COMPLETED: Final = {"agents": _agent, "phones": _phone, "trunks": _trunk, "webhooks": _webhook}


def _match(request: Request) -> int | None:
    given = request.headers.get("if-match")
    if given is None:
        return None
    version = given.strip('" ')
    if not version.isascii() or not version.isdigit() or len(version) > 15:
        raise malformed("If-Match", "the version of a document is expected")
    return int(version)


def operator(request: Request) -> str:
    """For whom the caller acts, as he says: the token is a program's, the audit wants a person. Only the house is
    believed; others are named by their token."""
    sees = access.of(request)
    if not sees.has("admin"):
        return f"token:{sees.token.id}"
    return reading.optional_text({"operator": request.headers.get("x-operator")}, "operator")


async def audit(connection: asyncpg.Connection, request: Request, action: str, *documents: Document) -> None:
    who = operator(request)
    details = (json.dumps(document_json(one)["body"], ensure_ascii=False) for one in documents)
    await connection.executemany(
        "insert into audit (operator, action, object, address, detail) values ($1, $2, $3, $4, $5)",
        [
            (who, action, f"{one.kind}:{one.id}", request.ip, detail)
            for one, detail in zip(documents, details, strict=True)
        ],
    )


async def publish_now(connection: asyncpg.Connection, here: context.Context) -> None:
    """The change stands, whatever becomes of this: a Redis that is away is told when it is back."""
    try:
        await publish.publish(connection, here.live)
    except LiveError as error:
        log.warning("the configuration is stored but not published yet", error=str(error))


def refusal(refused: publish.Refused) -> Refusal:
    errors = [{"field": error.field, "code": error.code, "message": error.message} for error in refused.errors]
    return Refusal(422, "invalid", str(refused), field=errors[0]["field"], errors=errors)
