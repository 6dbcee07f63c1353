"""Style sheets, scripts and pictures: read once, served from memory, kept by browsers until their content changes."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sanic import Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse

STATIC: Final = Path(__file__).resolve().parent.parent / "static"
TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_EVER: Final = "public, max-age=31536000, immutable"  # RFC 8246: the address changes with the content


@dataclass(frozen=True, slots=True)
class Asset:
    type: str
    body: bytes
    packed: bytes
    version: str  # of the content


class Assets:
    def __init__(self, directory: Path = STATIC) -> None:
        files = (file for file in sorted(directory.rglob("*")) if file.suffix in TYPES)
        self._by_name = {str(file.relative_to(directory)): _read(file) for file in files}

    def url(self, name: str) -> str:
        return f"/static/{self._by_name[name].version}/{name}"

    async def serve(self, request: Request, version: str, name: str) -> HTTPResponse:
        asset = self._by_name.get(name)
        if asset is None:
            raise NotFound(name)
        headers = {
            "Cache-Control": FOR_EVER if version == asset.version else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return HTTPResponse(asset.body, content_type=asset.type, headers=headers)
        return HTTPResponse(asset.packed, content_type=asset.type, headers={**headers, "Content-Encoding": "gzip"})


def _read(file: Path) -> Asset:
    body = file.read_bytes()
    return Asset(TYPES[file.suffix], body, gzip.compress(body, mtime=0), hashlib.sha256(body).hexdigest()[:16])
