"""The OpenAPI 3.1 document of LQ-SDK, from the table of routes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from lq.api.schemas import SCHEMAS, TEXT, page_of, ref

if TYPE_CHECKING:
    from lq.api.routes import Route

Json = dict[str, Any]

EVERYWHERE: Final = (400, 429, 503)
MEANING: Final = {
    400: "The request cannot be read",
    401: "No token, or a wrong, revoked or expired one",
    403: "The token has not the scope, or is not for this agent, queue or contact",
    404: "There is none",
    409: "The present state does not allow it; `present` is that state",
    416: "The range lies outside",
    422: "A field cannot be; `field` is its path",
    429: "Too many requests; Retry-After says when to come again",
    503: "What it needs is away; Retry-After says when to come again",
}
IDEMPOTENCY_KEY: Final[Json] = {
    **{"name": "Idempotency-Key", "in": "header", "required": False, "schema": TEXT},
    "description": "The answer is kept for 24 hours and given again to a repeat with the same key",
}
IF_MATCH: Final[Json] = {
    **{"name": "If-Match", "in": "header", "required": False, "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"}},
    "description": "The version that was read; 409 changed if the document is of another one by now",
}


def document(routes: Iterable[Route]) -> Json:
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(path_of(route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "LQ-SDK", "version": "1", "description": "See and control the calls of an LCall center."},
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def path_of(path: str) -> str:
    """`/v1/agents/<agent:str>` as OpenAPI writes it: `/v1/agents/{agent}`."""
    return re.sub(r"<(\w+):\w+>", r"{\1}", path)


def _operation(route: Route) -> Json:
    names = re.findall(r"<(\w+):\w+>", route.path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in route.query.items()]
    if route.method == "POST":
        parameters.append(IDEMPOTENCY_KEY)
    if route.guarded:
        parameters.append(IF_MATCH)
    operation: Json = {"summary": route.summary, "parameters": parameters, "responses": _responses(route)}
    if route.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": route.body}}}
    operation["security"] = [] if route.open else [{"token": [route.scope] if route.scope else []}]
    return operation


def _responses(route: Route) -> Json:
    schema = page_of(route.answer) if route.listing else ref(route.answer)
    if route.media_type != "application/json":
        schema = {"type": "string", "format": "binary"}
    answer = {"description": "The answer", "content": {route.media_type: {"schema": schema}}}
    responses: Json = {"201" if route.creates else "200": answer}
    if route.method == "PUT":
        responses["201"] = answer
    if route.method == "DELETE" and route.answer == "Nothing":
        responses = {"204": {"description": "Done"}}
    if route.media_type != "application/json":
        responses["206"] = answer
    codes = {*route.errors, *EVERYWHERE, *(() if route.open else (401, 403))}
    for code in sorted(codes):
        error = {"application/json": {"schema": ref("Error")}}
        responses[str(code)] = {"description": MEANING[code], "content": error}
    return responses
