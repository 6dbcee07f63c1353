"""The keys of the live state that Python names, under one hash tag: one Redis Cluster slot holds a whole center.

lcall.lua has more; docs/contracts.md §2 has all. What an Idempotency-Key stands for: lq/api/idempotency.py.
"""

from __future__ import annotations

from typing import Final

from lq.ledger.events import STREAM

TAG: Final = "{lcall}"

EVENTS: Final = STREAM  # the ledger
LEASES: Final = f"{TAG}:leases"  # zset lease id -> expiry, ms
CONTACTS: Final = f"{TAG}:contacts"  # set: contacts alive
SEQ: Final = f"{TAG}:seq"  # hash subject -> last seq, of what the library itself writes
COUNTERS: Final = f"{TAG}:counters"  # hash: now, era, fence …
AGENTS: Final = f"{TAG}:agents"  # set: agents signed in
DEADLINES: Final = f"{TAG}:deadlines"  # zset what -> ms
CONFIG_VERSION: Final = f"{TAG}:config:version"


ADOPTED: Final = f"{TAG}:adopted"  # hash dead incarnation -> who took its contacts


def inbox(incarnation: str) -> str:
    return f"{TAG}:inbox:{incarnation}"


def lease(id: str) -> str:
    return f"{TAG}:lease:{id}"


def contact(id: str) -> str:
    return f"{TAG}:contact:{id}"


def owned(incarnation: str) -> str:
    return f"{TAG}:owned:{incarnation}"


def agent(id: str) -> str:
    return f"{TAG}:agent:{id}"


def lane_agents(lane: str) -> str:
    """zset of ready agents, smallest score first."""
    return f"{TAG}:lane:{lane}:agents"


def lane_contacts(lane: str) -> str:
    """zset of waiting contacts, smallest score first."""
    return f"{TAG}:lane:{lane}:contacts"


def lane_since(lane: str) -> str:
    """zset of waiting contacts -> ms since when each waits (the score above also holds priorities)."""
    return f"{TAG}:lane:{lane}:since"


def lane_signed_in(lane: str) -> str:
    return f"{TAG}:lane:{lane}:signed_in"


def lane_talking(lane: str) -> str:
    """set of agents who talk with a contact of this lane."""
    return f"{TAG}:lane:{lane}:talking"


def phone(ext: str) -> str:
    return f"{TAG}:phone:{ext}"


def trunk(id: str) -> str:
    return f"{TAG}:trunk:{id}"


def channels(trunk: str) -> str:
    """zset of the legs that hold a channel of this trunk (`<contact>.<n>`) -> its number."""
    return f"{TAG}:channels:{trunk}"


def conference(id: str) -> str:
    """hash: contacts that are in it -> host | guest."""
    return f"{TAG}:conference:{id}"


def called(conference: str) -> str:
    """hash, an hour: contacts that the conference has called -> to, at, outcome (JSON); the last 200."""
    return f"{TAG}:called:{conference}"


def config(kind: str) -> str:
    return f"{TAG}:config:{kind}"


def answers(contact: str) -> str:
    """string, an hour: command -> what it was answered, of a contact that is over (JSON)."""
    return f"{TAG}:answers:{contact}"


def reply(command: str) -> str:
    return f"{TAG}:reply:{command}"
