"""/v1/config: the documents of the configuration. PostgreSQL is written, then Redis is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import asyncpg
import structlog
from sanic import Request

from lq.api import context, reading
from lq.api.errors import Refusal, malformed, not_found
from lq.api.history import HistoryAway
from lq.config import publish
from lq.config.demo import ha1
from lq.config.documents import DOCUMENTS, Settings
from lq.config.publish import Document
from lq.live.errors import LiveError

log = structlog.get_logger()

Json = dict[str, Any]
SECRET: Final = ("ha1",)  # written, never shown


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
        body = _phone(given, before) if kind == "phones" else given
        try:
            async with connection.transaction():
                [written] = await publish.put(
                    connection, [(kind, body)], by=_operator(request), if_version=_match(request)
                )
                await _audit(connection, request, "config_put", written)
        except publish.Refused as refused:
            raise _refusal(refused) from refused
        except publish.Changed as changed:
            present = document_json(changed.present) if changed.present else {}
            raise Refusal(409, "changed", str(changed), present=present) from changed
        await _publish(connection, here)
    return (200 if id in before[kind] else 201), document_json(written)


async def delete(request: Request, kind: str, id: str) -> tuple[int, Json]:
    _known(kind)
    here = context.of(request)
    async with here.history.connection() as connection:
        try:
            async with connection.transaction():
                await publish.delete(connection, kind, id)
                await _audit(connection, request, "config_delete", Document(kind, id, 0, {}))
        except publish.Missing as missing:
            raise not_found(f"document {kind}/{id}") from missing
        except publish.Refused as refused:
            fields = ", ".join(error.field for error in refused.errors)
            raise Refusal(409, "in_use", f"it is named by {fields}") from refused
        await _publish(connection, here)
    return 204, {}


def document_json(document: Document) -> Json:
    body = {name: value for name, value in document.body.items() if name not in SECRET}
    return {"kind": document.kind, "id": document.id, "version": document.version, "body": body}


def _known(kind: str) -> None:
    if kind not in DOCUMENTS:
        raise not_found(f"kind {kind!r} of configuration")


async def _documents(request: Request, kind: str) -> dict[str, Document]:
    _known(kind)
    here = context.of(request)
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


def _match(request: Request) -> int | None:
    given = request.headers.get("if-match")
    if given is None:
        return None
    version = given.strip('" ')
    if not version.isascii() or not version.isdigit() or len(version) > 15:
        raise malformed("If-Match", "the version of a document is expected")
    return int(version)


def _operator(request: Request) -> str:
    """For whom the caller acts, as he says: the token is a program's, the audit wants a person."""
    return reading.optional_text({"operator": request.headers.get("x-operator")}, "operator")


async def _audit(connection: asyncpg.Connection, request: Request, action: str, document: Document) -> None:
    detail = json.dumps(document_json(document)["body"], ensure_ascii=False)
    await connection.execute(
        "insert into audit (operator, action, object, address, detail) values ($1, $2, $3, $4, $5)",
        *(_operator(request), action, f"{document.kind}:{document.id}", request.ip, detail),
    )


async def _publish(connection: asyncpg.Connection, here: context.Context) -> None:
    """The change stands, whatever becomes of this: a Redis that is away is told when it is back."""
    try:
        await publish.publish(connection, here.live)
    except LiveError as error:
        log.warning("the configuration is stored but not published yet", error=str(error))


def _refusal(refused: publish.Refused) -> Refusal:
    first = refused.errors[0]
    return Refusal(422, "invalid", str(refused), field=first.field)
