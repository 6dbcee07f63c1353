"""A receiver of webhooks: for each call that has ended, its call detail record with a link to the recording, as a line.

    PYTHONPATH=. .venv/bin/python sdk/examples/cdr_push.py http://127.0.0.1:8100 TOKEN SECRET PORT FILE

The webhook: {"url": "http://127.0.0.1:PORT/", "secret": SECRET, "events": ["contact_ended"]}. The token needs the scope
`read`. A delivery that was taken already is taken again and written once: LCall sends each at least once.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from lq.sdk import ApiError, Client
from lq.sdk.webhooks import genuine

MAX_BODY = 100_000


class Receiver(BaseHTTPRequestHandler):
    api: str
    token: str
    secret: str
    file: Path
    writing = Lock()

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers["Content-Length"] or 0), MAX_BODY))
        if not genuine(self.secret, self.headers["X-LCall-Signature"] or "", body, time.time()):
            self.answer(403)
            return
        try:
            with self.writing:
                self.take(json.loads(body))
        except ApiError as error:
            print(f"not yet: {error}", file=sys.stderr)
            self.answer(503)  # LCall sends it again later
            return
        self.answer(204)

    def take(self, event: Mapping[str, Any]) -> None:
        contact = event["subject"]
        if event["type"] != "contact_ended" or contact in self.file.read_text(encoding="utf-8"):
            return
        line = asyncio.run(record(self.api, self.token, contact))
        with self.file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: addresses may hold what is nobody's business."""


async def record(api: str, token: str, contact: str) -> dict[str, Any]:
    """The CDR of a contact, and where its recording is to be had with a token of the scope `recordings`."""
    async with Client(api, token) as lq:
        page = await lq.cdrs(contact=contact)
    if not page.items:
        raise ApiError(404, "not_found", f"no record of contact {contact} yet")
    cdr = page.items[0]
    link = f"{api}/v1/recordings/{cdr.recording_id}/audio" if cdr.recording_id else None
    return {**asdict(cdr), "recording": link}


def main(api: str, token: str, secret: str, port: str, file: str) -> None:
    Receiver.api, Receiver.token, Receiver.secret, Receiver.file = api, token, secret, Path(file)
    Receiver.file.touch()
    ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:6])
