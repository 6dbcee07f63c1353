"""Every event of the ledger: what happened, in the field's words, append-only and versioned (DESIGN R4, R5).

A report is a fold over these events and nothing else. An event is identified twice: `id` is its place in the Redis
stream (empty until appended), and `(subject, seq)` is unique for ever, so a consumer that sees an event twice can tell.
`seq` rises strictly within a subject but may have gaps. Fields are only ever added; otherwise `v` rises with a pure
`upgrade()`.

Subjects: a contact id, `agent:<id>`, `queue:<id>`, `trunk:<id>`, a recording id (`<contact>-r<n>`), `phone:<ext>`.
Times are integer milliseconds of the epoch, UTC. Durations end in `_ms` or `_s`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

VERSION: Final = 1

# type -> the keys of `data` (a trailing ? marks an optional one); tests check every emitted event against it.
TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    # -- a contact, in the order of its life. Its `data` never repeats what an earlier event said.
    "contact_started": (
        "direction",  # in | out | internal
        "number_raw",
        "number",
        "number_published",  # the other party as received, E.164 (or short number), as shown
        "called_raw",
        "called",
        "called_published",  # the number dialled, likewise
        "trunk?",
        "phone?",
        "node",
        "anonymous?",
    ),
    "contact_ivr_entered": ("n", "flow", "version"),
    "contact_ivr_left": ("n", "reason"),  # reason: queue | agent | hang_up | wrong_key | no_key | end
    "contact_notice_played": ("prompt", "complete"),  # the recording notice; complete: heard to its end
    "contact_keys": ("n", "node", "pii_digits"),
    "contact_queued": ("n", "queue", "priority"),
    "contact_dequeued": ("n", "queue", "reason"),  # answered | abandoned | no_agent | overflow | hang_up | failed
    "contact_offered": ("n", "queue?", "agent", "phone", "reservation", "leg"),
    "contact_ringing": ("n", "agent"),
    "contact_offer_ended": ("n", "agent", "outcome", "sip?", "cause?"),  # outcome: lq.acd.agent.OUTCOMES
    "contact_answered": ("n", "queue?", "agent", "leg"),  # a talk segment starts
    "contact_held": ("n", "by"),
    "contact_resumed": ("n", "by"),
    "contact_transferred": ("n", "from_agent?", "to", "mode"),
    "contact_echo": ("n",),
    "contact_ended": ("result", "ended_by", "cause", "sip?"),  # RESULTS; caller|agent|system; cause: Q.850
    "leg_started": ("leg", "party", "address", "direction"),  # party: customer | agent; direction: in | out
    "leg_answered": ("leg", "codec"),
    "leg_ended": ("leg", "by", "cause", "sip?"),  # by: peer | us
    # -- agents: every instant of a signed-in agent is in exactly one state
    "agent_state_changed": (
        "agent",
        "state",
        "previous",
        "since",
        "reason?",
        "next?",
        "phone?",
        "contact?",
        "queues?",
        "code?",
    ),
    "queue_changed": ("queue", "waiting", "ready"),
    "phone_changed": ("phone", "registered", "agent?"),
    "trunk_changed": ("trunk", "up", "reason?"),
    # -- recordings (R11): planned -> active -> closing -> stored -> verified; subject is the recording id
    "recording_planned": ("contact", "kind", "agent?"),
    "recording_active": ("contact", "leg", "spool"),
    "recording_closing": ("contact",),
    "recording_stored": (
        "contact",
        "path",
        "format",
        "channels",
        "duration_ms",
        "started_at",
        "bytes",
        "sha256",
        "gaps",
    ),
    "recording_verified": ("contact", "sha256"),
    "recording_failed": ("contact", "reason"),
}

RESULTS: Final = (
    "answered",  # an agent talked with the customer
    "abandoned",  # the customer gave up while waiting or ringing
    "ivr",  # ended inside the menu without asking for an agent (self-service, hung up, wrong or no key)
    "no_agent",  # nobody signed in, or nobody answered in time
    "busy",
    "no_answer",  # a direct call to one agent or phone
    "refused",  # not served at all: unknown number, no codec in common, forbidden
    "failed",  # our fault or the network's
)

RECORDING_SEQ: Final = {  # the seq of a recording's events is its state's place, so a repeat is the same event
    "recording_planned": 1,
    "recording_active": 2,
    "recording_closing": 3,
    "recording_stored": 4,
    "recording_verified": 5,
    "recording_failed": 6,
}


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    at: int  # ms of the epoch
    subject: str
    seq: int
    data: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""  # stream id, once appended
    v: int = VERSION

    def fields(self) -> dict[str, str]:
        """As the fields of a Redis stream entry."""
        return {
            "v": str(self.v),
            "type": self.type,
            "at": str(self.at),
            "subject": self.subject,
            "seq": str(self.seq),
            "data": json.dumps(self.data, ensure_ascii=False, separators=(",", ":")),
        }

    @classmethod
    def from_fields(cls, id: str, fields: Mapping[str, str]) -> Event:
        """From a stream entry; raises ValueError on an entry that is no event."""
        try:
            return upgrade(
                cls(
                    type=fields["type"],
                    at=int(fields["at"]),
                    subject=fields["subject"],
                    seq=int(fields["seq"]),
                    data=json.loads(fields["data"]),
                    id=id,
                    v=int(fields["v"]),
                )
            )
        except KeyError as missing:
            raise ValueError(f"stream entry {id} has no field {missing}") from missing


def upgrade(event: Event) -> Event:
    """An event of any earlier version as one of this version."""
    if event.v > VERSION:
        raise ValueError(f"event {event.id} is of version {event.v}, newer than {VERSION}")
    return replace(event, v=VERSION)
