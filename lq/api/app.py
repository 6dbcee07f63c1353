"""The server of LQ-SDK: the routes, who may call them, and the one place where a failure becomes an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog
from redis.exceptions import RedisError
from sanic import Request, Sanic
from sanic.exceptions import SanicException
from sanic.response import BaseHTTPResponse, HTTPResponse, json

from lq import telemetry
from lq.api import access, context, seen
from lq.api.admission import Admission
from lq.api.agents import agent_json
from lq.api.context import Context, Places
from lq.api.errors import Refusal, history_away, live_away
from lq.api.history import HistoryAway
from lq.api.idempotency import once
from lq.api.routes import ROUTES, Route
from lq.live import errors as live_errors
from lq.live.reading import agent_view

log = structlog.get_logger()

MAX_BODY: Final = 1_000_000
ANYWHERE: Final[Mapping[str, str]] = {
    # A page of any origin may ask: it needs a token, and no cookie of ours exists that it could make use of.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After, Idempotency-Replayed, Content-Range, Accept-Ranges",
}
PREFLIGHT: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, Range",
    "Access-Control-Max-Age": "600",
}
REQUESTS: Final = telemetry.histogram("sdk_request_seconds", "requests of LQ-SDK", ("method", "path"))


def create_app(places: Places, name: str = "lq_api") -> Sanic[Any, Any]:
    app: Sanic[Any, Any] = Sanic(name, configure_logging=False)
    app.config.AUTO_EXTEND = False  # the OpenAPI document is ours
    app.config.REQUEST_MAX_SIZE = MAX_BODY
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 3.0
    app.config.WEBSOCKET_MAX_SIZE = 4096
    app.config.KEEP_ALIVE_TIMEOUT = 60
    app.enable_websocket()
    for route in ROUTES:
        app.add_route(_serving(route), route.path, methods=[route.method], name=f"{route.method}{route.path}")
    app.on_request(_let_in)
    app.register_middleware(_for_any_origin, "response")
    app.error_handler.add(Refusal, _refused)
    app.error_handler.add(SanicException, _sanic_error)
    app.error_handler.add(Exception, _broken)
    _resources(app, places)
    return app


def _resources(app: Sanic[Any, Any], places: Places) -> None:
    @app.before_server_start
    async def open_all(app: Sanic[Any, Any]) -> None:
        here = await Context.open(places)
        app.ctx.context = here
        loops = (here.feed.run(), here.look_after(), here.admission.run(), telemetry.HEART.beat())
        app.ctx.tasks = [asyncio.create_task(loop) for loop in loops]

    @app.after_server_stop
    async def close_all(app: Sanic[Any, Any]) -> None:
        for task in app.ctx.tasks:
            task.cancel()
        await asyncio.gather(*app.ctx.tasks, return_exceptions=True)
        await app.ctx.context.close()


# -- who may call ----------------------------------------------------------------------------------------------------

_OPEN: Final = frozenset(route.path for route in ROUTES if route.open)


async def _let_in(request: Request) -> HTTPResponse | None:
    admission: Admission = request.app.ctx.context.admission
    if request.method == "OPTIONS":
        return HTTPResponse(status=204, headers=dict(PREFLIGHT))
    if request.path in _OPEN:
        admission.meet(request)
    else:
        request.ctx.access = await admission.admit(request)
    return None


async def _for_any_origin(request: Any, response: BaseHTTPResponse) -> None:
    response.headers.update(ANYWHERE)


# -- serving ---------------------------------------------------------------------------------------------------------


def _serving(route: Route) -> Callable[..., Coroutine[Any, Any, HTTPResponse | None]]:
    async def serve(request: Request, **names: str) -> HTTPResponse | None:
        with context.of(request).requests.one("" if route.open else access.of(request).token.id):
            _need(route, request)
            began = time.monotonic()
            try:
                if route.method == "POST":
                    return await _post(route, request, names)
                return _response(await _handled(route, request, names))
            finally:
                REQUESTS.labels(route.method, route.path).observe(time.monotonic() - began)

    async def socket(request: Request, **names: str) -> HTTPResponse | None:
        _need(route, request)
        return _response(await _handled(route, request, names))

    if hasattr(route.handler, "is_websocket"):
        socket.is_websocket = True  # type: ignore[attr-defined]
        return socket
    return serve


def _need(route: Route, request: Request) -> None:
    if not route.open:
        access.of(request).need(route.scope)


async def _post(route: Route, request: Request, names: dict[str, str]) -> HTTPResponse:
    async def handle() -> tuple[int, dict[str, Any]]:
        answer = await _handled(route, request, names)
        return answer if isinstance(answer, tuple) else (200, answer)

    token = access.of(request).token.id
    status, body, repeated = await once(request.app.ctx.context.redis, request, token, handle)
    log.info("command", path=request.path, status=status, repeated=repeated, token=token)
    return json(body, status=status, headers={"Idempotency-Replayed": "true"} if repeated else None)


async def _handled(route: Route, request: Request, names: dict[str, str]) -> Any:
    """What the handler answers; what fails below it as the refusal that it means."""
    try:
        return await _as_seen(route, request, names)
    except live_errors.Gone as gone:
        raise Refusal(404, "not_found", str(gone)) from gone
    except live_errors.BadRequest as bad:
        raise Refusal(422, "invalid", str(bad)) from bad
    except live_errors.LiveUnavailable as away:
        raise live_away(str(away)) from away
    except RedisError as error:
        raise live_away(f"{type(error).__name__}: {error}") from error
    except HistoryAway as away:
        raise history_away(str(away)) from away


async def _as_seen(route: Route, request: Request, names: dict[str, str]) -> Any:
    """What the handler answers; of agents, wherever they stand, what the token may see of them."""
    try:
        answer = await route.handler(request, **names)
    except live_errors.Conflict as conflict:
        raise await _conflict(request, conflict) from conflict
    if route.answer != "Agent":
        return answer
    if route.listing:
        return {**answer, "items": await seen.agents(request, answer["items"])}
    [agent] = await seen.agents(request, [answer])
    return agent


async def _conflict(request: Request, conflict: live_errors.Conflict) -> Refusal:
    """With the agent as he is; one whom the configuration does not know any more serves no queues."""
    state = agent_view(conflict.agent, None)
    try:
        state = replace(state, queues=(await context.of(request).live.agent_state(state.id)).queues)
    except live_errors.Gone:
        log.debug("an agent who is configured no more", agent=state.id)
    [present] = await seen.agents(request, [agent_json(state)])
    return Refusal(409, conflict.code, str(conflict), present=present)


def _response(answer: Any) -> HTTPResponse | None:
    if answer is None or isinstance(answer, HTTPResponse):
        return answer
    status, body = answer if isinstance(answer, tuple) else (200, answer)
    return HTTPResponse(status=status) if status == 204 else json(body, status=status)


# -- failures --------------------------------------------------------------------------------------------------------


def _refused(request: Request, refusal: Refusal) -> HTTPResponse:
    return refusal.response()


def _sanic_error(request: Request, error: SanicException) -> HTTPResponse:
    """What Sanic itself refuses: no such path, a wrong method, a body that is too large."""
    status = error.status_code or 500
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    return Refusal(status, codes.get(status, "malformed" if status < 500 else "internal"), str(error)).response()


def _broken(request: Request, error: Exception) -> HTTPResponse:
    path = request.uri_template or ""  # never what was asked for: a telephone number may stand in it
    log.error("a request failed", method=request.method, path=path, exc_info=error)
    return Refusal(500, "internal", "this is our fault, and it has been logged").response()
