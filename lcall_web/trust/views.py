"""The center's certificate authority: how a computer or a phone comes to trust it. Free of login."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from typing import Final

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse, raw

from lcall_web.common import context, pages
from lcall_web.trust import rules

blueprint = Blueprint("trust", url_prefix="/ca")

FILE: Final = "lcall-ca.crt"
PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


@blueprint.get("/", strict_slashes=False)
async def page(request: Request) -> HTTPResponse:
    certificate = await _certificate(request)
    secure = request.scheme == "https"
    return await pages.page(
        request,
        "trust/ca.html",
        file=f"/ca/{FILE}",
        fingerprint=rules.fingerprint(hashlib.sha256(certificate).hexdigest()) if certificate else "",
        secure=secure,
        guides=rules.GUIDES,
        likely=rules.likely(request.headers.get("user-agent", "")),
    )


@blueprint.get(f"/{FILE}")
async def file(request: Request) -> HTTPResponse:
    """DER, which every system opens; the media type that makes iOS and Android offer to install it."""
    certificate = await _certificate(request)
    if not certificate:
        raise NotFound(FILE)
    named = {"Content-Disposition": f'attachment; filename="{FILE}"'}
    return raw(certificate, content_type="application/x-x509-ca-cert", headers=named)


async def _certificate(request: Request) -> bytes:
    """In DER; empty if there is none: then the center's certificate is of another authority."""
    place = context.of(request).places.authority
    if not place.is_file():
        return b""
    found = PEM.search(await asyncio.to_thread(place.read_bytes))
    return base64.b64decode(found[1]) if found else b""
