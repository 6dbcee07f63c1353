"""`lcall trace`: reads a contact's story from the trace files of all nodes and from LQ-SDK, and shows it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lq.sdk.client import Client
from lq.sdk.errors import ApiError
from ops import ladder, story
from ops.home import Home, HomeError
from ops.services import Instance
from ops.story import Story

CONTACT: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
FILES: Final = "*.sip.jsonl"
LOOK_S: Final = 1.0
SETTLED_MS: Final = 1_500  # until then something earlier may still come
AFTER_END_S: Final = 5.0  # what is told after the end: the last BYE, the recording


@dataclass(frozen=True, slots=True)
class Wanted:
    contact: str  # "": the latest one
    numbers: bool = False
    events: bool = False
    messages: bool = False
    as_json: bool = False
    colours: bool = False


async def show(wanted: Wanted, home: Home, running: Instance | None) -> str:
    """The whole story as text. Raises HomeError when nothing is known of the contact."""
    found = await read(wanted, home, running)
    if wanted.as_json:
        return json.dumps(story.as_json(found), ensure_ascii=False, indent=1)
    if wanted.events:
        return ladder.listing(found)
    if wanted.messages:
        return ladder.sip(found)
    return ladder.page(found, colours=wanted.colours)


async def read(wanted: Wanted, home: Home, running: Instance | None) -> Story:
    contact = _contact(wanted.contact) if wanted.contact else latest(home.trace)
    events, missing = await _events(contact, running)
    found = Story(contact, messages(home.trace, contact), events, missing)
    if not found.messages and not found.events:
        why = "; ".join(missing) or "it may be older than what is kept"
        raise HomeError(f"没有此呼叫的记录 nothing is known of contact {contact}: {why}")
    return found if wanted.numbers else story.masked(found)


def _contact(text: str) -> str:
    """A contact id; also out of a leg's, a recording's, or the address of a page."""
    found = CONTACT.search(text.lower())
    if found is None:
        raise HomeError(f"不是呼叫标识 {text!r} is no contact id, such as 01a21b3c-5e60-7af0-882a-44c77d4a1c54")
    return found[0]


async def _events(contact: str, running: Instance | None) -> tuple[tuple[story.Told, ...], tuple[str, ...]]:
    if running is None:
        return (), ("事件 events: no center is running",)
    url, token = f"http://127.0.0.1:{running.ports.api}", running.home.sdk_token.read_text().strip()
    try:
        async with Client(url, token, timeout_s=15) as lq:
            return tuple(sorted(await lq.contact_events(contact), key=lambda event: event.at)), ()  # of one ms: as told
    except ApiError as error:
        return (), (f"事件 events: {error.message}",)


# -- files -------------------------------------------------------------------------------------------------------------


def messages(directory: Path, contact: str) -> tuple[story.Message, ...]:
    """A contact's messages of all nodes, those that have died too."""
    began = int(contact.replace("-", "")[:12], 16) / 1000  # UUIDv7 (RFC 9562 §5.7)
    files = [path for path in sorted(directory.glob(FILES)) if path.stat().st_mtime >= began - 60]
    named = [line for path in files for line in _lines(path, contact.encode())]
    known = {str(line["call"]) for line in named}
    nobodys = [
        line for path in files for line in _lines(path, b'"contact":""') if line["call"] in known and line not in named
    ]
    return story.messages([*named, *nobodys], contact)


def _lines(path: Path, needle: bytes) -> Iterator[dict[str, Any]]:
    """The lines with a text in them; the last one of a node that was killed may be half a line."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:  # swept while we looked
        return
    if needle not in text:
        return
    for line in text.splitlines():
        if needle in line:
            try:
                yield json.loads(line)
            except ValueError:
                continue


def latest(directory: Path) -> str:
    """The contact that began last, of those in the files."""
    found = contacts(directory)
    if not found:
        raise HomeError(f"没有呼叫 there is no contact in {directory} yet")
    return found[-1]


def contacts(directory: Path) -> list[str]:
    """Those in the newest files, in the order in which they began."""
    found: set[str] = set()
    for path in sorted(directory.glob(FILES), key=lambda path: path.stat().st_mtime)[-4:]:
        found |= set(re.findall(r'"contact":"([0-9a-f-]{36})"', path.read_text(errors="replace")))
    return sorted(found)


# -- as it goes on -----------------------------------------------------------------------------------------------------


async def follow(wanted: Wanted, home: Home, running: Instance | None) -> AsyncIterator[str]:
    """The ladder of a contact as it goes on, piece by piece; over some seconds after the contact's end.

    A row is told once what is older cannot come any more. A phone that is called later gives the ladder a new head.
    """
    wanted = replace(wanted, contact=wanted.contact or latest(home.trace))
    heads: Sequence[ladder.Column] = ()
    told, last, over_at = 0, None, None
    while over_at is None or time.monotonic() < over_at + AFTER_END_S:
        found = await read(wanted, home, running)
        shown = ladder.columns(found)
        rows = ladder.rows(found, shown)
        settled = [row for row in rows if row.at <= time.time_ns() // 1_000_000 - SETTLED_MS]
        if shown != heads:
            yield "\n".join(["", *ladder.head(shown)])
            heads = shown
        if fresh := settled[told:]:
            yield "\n".join(ladder.drawn(fresh, rows[0].at, len(shown), colours=wanted.colours, before=last))
            told, last = len(settled), fresh[-1].at
        if over_at is None and found.first("contact_ended"):
            over_at = time.monotonic()
        await asyncio.sleep(LOOK_S)
