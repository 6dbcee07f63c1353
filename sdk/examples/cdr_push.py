"""A receiver of webhooks: for each call that has ended, its call detail record with a link to the recording, as a line.

An agent may still be at work on it then: once his wrap-up is over there is another line, with its seconds in it. The
last line of a call is the one that counts.

    PYTHONPATH=. .venv/bin/python sdk/examples/cdr_push.py http://127.0.0.1:8100 TOKEN SECRET PORT FILE

The webhook: {"url": "http://127.0.0.1:PORT/", "secret": SECRET, "events": ["contact_ended", "agent_state_changed"]}.
The token needs the scope `read`. LCall sends each delivery at least once, and those of agents in any order: a record is
written again only if it has changed. What is being tidied up while this program is started anew is not told again.
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
from typing import Any, ClassVar

from lq.sdk import ApiError, Client
from lq.sdk.webhooks import genuine

MAX_BODY = 100_000


class Receiver(BaseHTTPRequestHandler):
    api: str
    token: str
    secret: str
    file: Path
    writing = Lock()
    wrap_ups: ClassVar[
        dict[str, tuple[int, str]]
    ] = {}  # agent -> the last that he began: its place among his events, …
    left: ClassVar[dict[str, int]] = {}  # … and that of the last that he ended

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
        if event["type"] == "contact_ended":
            self.write(event["subject"])
        elif event["type"] == "agent_state_changed":
            contact = self.tidied(event["seq"], event["data"])
            if self.written(contact):  # else its end is still to come, and with it all of this
                self.write(contact)
            if contact:
                del self.wrap_ups[event["data"]["agent"]]

    def tidied(self, seq: int, data: Mapping[str, Any]) -> str:
        """Whose wrap-up is over by now; "": nobody's."""
        agent, (began, contact) = data["agent"], self.wrap_ups.get(data["agent"], (0, ""))
        if data["state"] == "wrap_up" and seq > began and "contact" in data:
            began, contact = self.wrap_ups[agent] = seq, data["contact"]
        elif data["previous"] == "wrap_up" and data["state"] != "wrap_up":
            self.left[agent] = max(seq, self.left.get(agent, 0))
        return contact if began < self.left.get(agent, 0) else ""

    def written(self, contact: str) -> str:
        """Its last line; "": none."""
        lines = self.file.read_text(encoding="utf-8").splitlines()
        return next((line for line in reversed(lines) if json.loads(line)["contact_id"] == contact), "")

    def write(self, contact: str) -> None:
        line = json.dumps(asyncio.run(record(self.api, self.token, contact)), ensure_ascii=False, default=str)
        if line != self.written(contact):
            with self.file.open("a", encoding="utf-8") as opened:
                opened.write(line + "\n")

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
