"""Every request passes here: from whom, in which language, whether it may change anything. Every answer too."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from asyncio import WriteTransport
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Final
from urllib.parse import quote

from sanic import Request, Sanic
from sanic.exceptions import Forbidden
from sanic.response import BaseHTTPResponse, HTTPResponse, redirect

from lcall_web.common import context, websocket
from lcall_web.common.i18n import mark, preferred
from lcall_web.common.viewer import Viewer

SESSION: Final = "lcall_session"
VISITOR: Final = "lcall_visitor"  # ties the forms of one who is not in yet to his browser
LANGUAGE: Final = "lcall_language"
FREE: Final = ("/static/", "/logo/", "/healthz", "/favicon.ico")  # nothing there belongs to anybody
FOR_ALL: Final = ("/login", "/login/code", "/login/password", "/language", "/ca", "/ca/lcall-ca.crt")
READING: Final = ("GET", "HEAD")

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self' {edge}; media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def attach(app: Sanic[Any, Any]) -> None:
    app.register_middleware(_prepare, "request")
    app.register_middleware(_let_in, "request")
    app.register_middleware(_protect, "response")


def form(request: Request) -> dict[str, str]:
    """The fields of a form, the first of each name."""
    fields: Mapping[str, list[str]] = request.form or {}
    return {name: values[0] for name, values in fields.items() if values}


def chosen(request: Request, name: str) -> frozenset[str]:
    """All values of a field that may stand in a form several times: the boxes that were ticked."""
    return frozenset(request.form.getlist(name, []) if request.form else [])


def viewer(request: Request) -> Viewer:
    found: Viewer = request.ctx.viewer
    return found


def needs(permission: str) -> Callable[[Handler], Handler]:
    """For a handler whose pages are for those alone who have this permission; others get 403."""

    def guarded(handler: Handler) -> Handler:
        @wraps(handler)
        async def answer(request: Request, *args: Any, **kwargs: Any) -> HTTPResponse | None:
            if not viewer(request).may(permission):
                raise Forbidden
            return await handler(request, *args, **kwargs)

        return answer

    return guarded


def csrf(request: Request) -> str:
    """What a form of this page must send back."""
    known: Viewer | None = request.ctx.viewer
    return known.csrf if known else str(request.ctx.visitor)


def session_mark(request: Request) -> str:
    """By which an open page knows whether its browser is still in by the session that it was made in. No secret."""
    return hashlib.sha256(csrf(request).encode()).hexdigest()[:16]


def edge(request: Request) -> str:
    """Where the phone of this page registers, ws://… or wss://…; "" if it cannot."""
    return websocket.address(request.scheme, request.host, context.of(request).places.edge)


async def _prepare(request: Request) -> None:
    prepare(request)


def prepare(request: Request) -> None:
    """Before anything can go wrong: an error page needs these too, also for a request that cannot be read."""
    if hasattr(request.ctx, "nonce"):
        return
    request.ctx.viewer = None
    request.ctx.nonce = secrets.token_urlsafe(16)
    request.ctx.visitor = request.cookies.get(VISITOR) or secrets.token_urlsafe(16)
    request.ctx.language = preferred(request.cookies.get(LANGUAGE) or "", request.headers.get("accept-language", ""))


async def _let_in(request: Request) -> HTTPResponse | None:
    if request.path.startswith(FREE):
        return None
    here = context.of(request)
    if here.watch.center.demo and not here.places.open_demo and not ipaddress.ip_address(request.ip).is_loopback:
        raise Forbidden(mark("演示数据的密码是公开的，所以只能在本机使用。"))
    token = request.cookies.get(SESSION) or ""
    if token:
        request.ctx.viewer = await here.sessions.find(token)
    if request.ctx.viewer is None and request.path not in FOR_ALL:
        return _to_login(request)
    if request.method not in READING and not _vouched(request):
        raise Forbidden(mark("页面已经过期，请返回并刷新页面，再试一次。"))
    return None


def _vouched(request: Request) -> bool:
    """Whether a page of ours sent this: other sites can send the cookies but not the token."""
    given = request.headers.get("x-csrf-token") or form(request).get("csrf", "")
    known = request.ctx.viewer is not None or VISITOR in request.cookies
    return known and hmac.compare_digest(given.encode(), csrf(request).encode())


def _to_login(request: Request) -> HTTPResponse:
    if "hx-request" in request.headers:
        return HTTPResponse(status=401, headers={"HX-Redirect": "/login"})
    if request.method not in READING and "text/html" in request.headers.get("accept", ""):
        return redirect("/login", status=303)  # a form that the browser itself sends
    if request.method not in READING or request.path == "/live":
        return HTTPResponse(status=401)
    following = request.path + (f"?{request.query_string}" if request.query_string else "")
    return redirect("/login" if following == "/" else f"/login?next={quote(following, safe='')}")


async def _protect(request: Request, response: BaseHTTPResponse) -> HTTPResponse | None:
    prepare(request)
    response.headers["Content-Security-Policy"] = POLICY.format(nonce=request.ctx.nonce, edge=edge(request))
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(self)"
    response.headers.setdefault("Cache-Control", "no-store")
    return None


def cut(request: Request) -> None:
    """Ends the connection of one who does not take what he is sent; he comes again for what he still wants."""
    if isinstance(request.transport, WriteTransport):
        request.transport.abort()


def set_cookie(request: Request, response: HTTPResponse, name: str, value: str, seconds: int | None = None) -> None:
    """Read by nobody but us: neither by scripts nor with requests that other sites begin."""
    secure = request.scheme == "https"
    response.add_cookie(name, value, path="/", httponly=True, samesite="Lax", secure=secure, max_age=seconds)


def drop_cookie(response: HTTPResponse, name: str) -> None:
    response.delete_cookie(name, path="/")
