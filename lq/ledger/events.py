"""Every event of the ledger: what happened, in the field's words, append-only and versioned (DESIGN R4, R5).

A report is a fold over these events and nothing else. An event is identified twice: `id` is its place in the Redis
stream (empty until appended), and `(subject, seq)` is unique for ever, so a consumer that sees an event twice can tell.
`seq` rises strictly within a subject but may have gaps. Fields are only ever added; otherwise `v` rises with a pure
`upgrade()`.

Subjects: a contact id, `agent:<id>`, `queue:<id>`, `trunk:<id>`, a recording id (`<contact>-r<n>`), `phone:<ext>`,
`node:<incarnation>`, `engine:<id>` (an rtpengine), `alarm:<id>`.
Times are integer milliseconds of the epoch, UTC. Durations end in `_ms` or `_s`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

VERSION: Final = 1
STREAM: Final = "{lcall}:events"  # of Redis, where they wait for the journal

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
        "agent?",  # who wanted it: a call that began at his desk …
        "purpose?",  # … and for what
        "conference?",  # the room that wanted it: it calls somebody in
    ),
    "contact_refused": ("rule", "list?"),  # a caller who is not served: black_list
    "contact_code": ("feature", "outcome", "agent?"),  # a feature code at a phone; outcome: done | why not
    "contact_ivr_entered": ("n", "flow", "version"),
    "contact_ivr_left": ("n", "reason"),  # reason: queue | agent | hang_up | wrong_key | no_key | end
    "contact_notice_played": ("prompt", "complete"),  # the recording notice; complete: heard to its end
    "contact_keys": ("n", "node", "pii_digits"),
    "contact_queued": ("n", "queue", "priority"),
    "contact_dequeued": ("n", "queue", "reason"),  # answered | abandoned | no_agent | overflow | hang_up | failed
    "contact_offered": ("n", "queue?", "agent", "phone", "reservation", "leg"),
    "contact_ringing": ("n", "agent"),
    "contact_offer_ended": ("n", "agent", "outcome", "sip?", "cause?"),  # outcome: lq.acd.agent.OUTCOMES
    # a phone sends its calls on; why: always | busy | no_answer | offline; refused: loop | hops | the gate's rule
    "contact_forwarded": ("phone", "to", "why", "refused?"),
    "contact_dialed": ("n", "leg", "trunk", "caller_id"),  # a number outside is called, by this trunk
    "contact_dial_refused": ("rule",),  # the gate's: lq.trunks.routes.Rule
    "contact_answered": ("n", "queue?", "agent", "leg"),  # a talk segment starts
    "contact_held": ("n", "by", "agent?", "leg?"),  # by: customer | agent; leg: whose phone asked; agent: who talks
    "contact_resumed": ("n", "by", "agent?", "leg?"),
    "contact_consulting": ("n", "by", "agent?", "leg?"),  # an agent talks aside; the customer hears music
    "contact_conferring": ("n", "by", "agent?", "leg?"),  # more than two talk
    "contact_called": ("n", "leg", "verb", "to", "by?"),  # somebody is called into it; by: the agent who wants him
    # outcome: answered | taken_back | forwarded | lq.acd.agent.OUTCOMES; rule: of the gate that has refused it
    "contact_call_ended": ("leg", "outcome", "sip?", "rule?"),
    "contact_joined": ("leg", "source"),  # a leg of another contact has this one's place (RFC 3891)
    "contact_monitored": ("agent", "mode", "leg"),  # listen | whisper | barge | take-over | end
    "contact_help_wanted": ("n", "agent"),  # he wants a leader to come …
    "contact_help_ended": ("agent", "by?"),  # … who has, or is not wanted any more
    "contact_picked_up": ("n", "agent", "from_agent?"),
    # of the customer's leg; by: the agent who ordered it; reason: customer_refused, pci …, policy (nobody ordered it).
    # A recording that begins is told by recording_planned and recording_active.
    "contact_recording_started": ("n", "recording", "by?", "reason?"),  # once more, after it had been stopped
    "contact_recording_stopped": ("n", "recording?", "by?", "reason?"),  # without recording: it shall not begin
    "contact_recording_refused": ("n", "action", "reason", "by?"),  # an order by key; reason: as LQ-SDK's error code
    "contact_recording_paused": ("n", "recording", "by?"),  # nothing of it reaches a disk from now on …
    "contact_recording_resumed": ("n", "recording", "by?"),  # … until now; by: agent
    "contact_transferred": ("n", "from_agent?", "to", "mode"),
    "contact_echo": ("n",),
    "contact_conference_reached": ("n", "conference"),  # he may have to say a PIN yet
    "contact_conference_joined": ("n", "conference", "leg", "host?"),
    "contact_conference_refused": ("conference", "reason"),  # pin | full | locked
    "contact_conference_host": ("conference", "host"),  # he is made a host of it, or is none any more
    "contact_adopted": ("node",),  # carries it on from here: its owner died, or handed it over
    "contact_ended": ("result", "ended_by", "cause", "sip?"),  # RESULTS; caller|agent|system; cause: Q.850
    "leg_started": ("leg", "party", "address", "direction"),  # party: customer | agent; direction: in | out
    "leg_dialed": ("leg", "trunk", "caller_id"),  # an agent's mobile is called, by this trunk
    "leg_ringing": ("leg", "sip", "early_media?"),
    "leg_answered": ("leg", "codec", "engine?"),  # engine: the rtpengine that relays it
    # its phone asked for other media in the call (hold, new address, refresh); refused: sip
    "leg_reoffered": ("leg", "accepted", "held?", "sip?"),
    # place: talk (with the customer) | aside | waits (hears music) | listens | whispers | alone
    "leg_placed": ("leg", "place"),
    "leg_muted": ("leg", "muted"),
    "leg_key": ("leg", "method?"),  # a key was pressed outside of a menu: that, not which
    "leg_media_lost": ("leg", "reason", "engine?"),
    "leg_media_restored": ("leg", "engine?"),
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
    "phone_changed": ("phone", "registered", "agent?", "reason?"),  # gone: expired | unregistered
    "trunk_changed": ("trunk", "up", "reason?"),
    # subject trunk:<id>; taken: how many are, after this; over: more calls than channels, which should not be
    "channel_seized": ("trunk", "number", "direction", "contact", "leg", "taken", "channels", "over?"),
    "channel_released": ("trunk", "number", "direction?", "contact", "leg", "taken"),  # nobody's: no direction
    # -- the house: who serves calls. role: lq | mixer | rtpengine, as in the leases
    "node_started": ("node", "role", "address"),
    "node_draining": ("node", "role"),
    "node_left": ("node", "role", "contacts"),  # contacts: left behind for adoption
    "node_mended": (
        "node",
        "what",
        "about",
    ),  # what was left behind: contact agent place channel phone call dialog lost
    "node_adopted": ("node", "dead", "contacts"),  # `node` took so many contacts of `dead`
    "engine_changed": ("engine", "up", "reason?"),
    # -- a recorder, about itself and what it found; subject `recorder:<host>`
    "recorder_disk_full": ("recorder", "place", "error?", "free_bytes?"),  # place: spool | spool2 … | store
    "recorder_disk_free": ("recorder", "place", "free_bytes?"),
    "recorder_store_away": ("recorder", "place", "error"),
    "recorder_store_back": ("recorder",),
    "recorder_debris": ("recorder", "file", "reason"),  # set or kept in `aside`, or mended
    "recorder_damaged": ("recorder", "file", "reason"),  # a recording of the store that is not what was stored
    # -- alarms: subject alarm:<rule>:<about>
    "alarm_raised": ("severity", "about", "value", "text"),
    "alarm_cleared": ("severity", "about"),
    # -- recordings (R11): planned -> active -> closing -> stored -> verified; subject is the recording id
    "recording_planned": ("contact", "kind", "agent?", "by?"),  # by: the agent who ordered it
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
    "recording_deleted": ("contact", "kept_days"),  # its time was over: settings.center.keep_recordings_days
}

RESULTS: Final = (
    "answered",  # an agent talked with the customer, or he was in a conference
    "abandoned",  # the customer gave up while waiting or ringing
    "ivr",  # ended inside the menu without asking for an agent (self-service, hung up, wrong or no key)
    "no_agent",  # nobody signed in, or nobody answered in time
    "busy",
    "no_answer",  # a direct call to one agent or phone
    "refused",  # not served at all: unknown number, no codec in common, forbidden
    "failed",  # our fault or the network's
)

FAILURE: Final = 41  # Q.850: temporary failure

RECORDING_SEQ: Final = {  # the seq of a recording's events is its state's place, so a repeat is the same event
    "recording_planned": 1,
    "recording_active": 2,
    "recording_closing": 3,
    "recording_stored": 4,
    "recording_verified": 5,
    "recording_failed": 6,
    "recording_deleted": 7,
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


def lost_end(contact: str, at: int, now: int) -> Event:
    """The end of a contact of which nobody can tell it any more; `now`, in ms, is above the seq of all that it has told
    itself, so an end that was told all the same counts (fold.py)."""
    return Event("contact_ended", at, contact, now, {"result": "failed", "ended_by": "system", "cause": FAILURE})


def wrong_keys(event: Event) -> set[str]:
    """Keys that its type requires and it has not, and those that it has and its type does not know."""
    known = TYPES.get(event.type, ())
    required = {key for key in known if not key.endswith("?")}
    return (required - set(event.data)) | (set(event.data) - {key.rstrip("?") for key in known})
