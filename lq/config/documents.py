"""The configuration documents: one JSON object per thing, published whole into Redis (DESIGN §3).

PostgreSQL is the truth (table `config_document`: kind, id, version, body jsonb); the api writes it, and seed
what a new center begins with. `lq.config.publish` swaps them into Redis. A contact keeps the version that it started
with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

KINDS: Final = (
    *("agents", "phones", "queues", "trunks", "routes", "numbers", "flows", "conferences", "settings"),
    *("webhooks", "tokens"),  # of no concern to a contact
    *("calendars", "purposes", "lists"),
    *("pause_reasons", "wrap_up_codes"),
)

CODECS: Final = ("PCMA", "PCMU", "G722", "G729", "opus")  # what we can carry (lq.media.sdp)
SAY: Final = "say:"  # a prompt of this form is a text to be spoken, not the name of an item

# Of whoever has a word in it the one who records least decides (lq/contacts/recorded.py); "": he has none.
RecordingPolicy = Literal["", "none", "on_demand", "voice", "talk", "whole"]
NoticePolicy = Literal["", "none", "by_agent", "required"]
Permission = Literal["internal", "local", "national", "international"]  # each holds those before it
PERMISSIONS: Final[tuple[Permission, ...]] = get_args(Permission)
# What a program may do by its token (docs/sdk.md).
Scope = Literal["read", "agents", "contacts", "supervise", "recordings", "events", "config", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)


@dataclass(frozen=True, slots=True)
class Agent:
    id: str  # operator number, 工号
    name: str
    queues: tuple[str, ...] = ()
    role: str = "agent"  # of older documents; nobody asks for it: what one may do is said by his account in the web
    recording: RecordingPolicy = ""  # of what he talks
    caller_id: str = ""  # shown to whom he calls, where the trunk may show it; "": his queue's, the route's …
    enabled: bool = True
    pin_hash: str = ""  # lq/config/pins.py; "": he cannot sign in at a phone that is not his own
    mobile: str = ""  # a number outside that he may sign in with as his phone, in E.164: +8613800138000
    mobile_calls: Permission = "internal"  # how far he may call from there


@dataclass(frozen=True, slots=True)
class Forward:
    """Where the calls of an extension go (呼叫转移): agent:…, phone:…, queue:…, or a number as this phone dials it."""

    always: str = ""  # "": nowhere
    busy: str = ""  # it is, or refuses (do not disturb)
    no_answer: str = ""
    no_answer_s: int = 20
    offline: str = ""  # not registered, or silent


@dataclass(frozen=True, slots=True)
class Phone:
    id: str  # extension = SIP user
    ha1: str  # md5(user:realm:password), RFC 7616; the password itself is kept nowhere
    name: str = ""
    model: str = ""  # of lq/trunks/phones.py; "": nobody knows
    calls: Permission = "internal"  # how far it may call; emergency numbers always
    agent: str = ""  # whose it is: he signs in there without a PIN
    srtp: bool = False  # it is called with SRTP (RTP/SAVP); a browser needs no word
    recording: RecordingPolicy = ""  # of calls that it makes inside the house
    enabled: bool = True
    forward: Forward = field(default_factory=Forward)


@dataclass(frozen=True, slots=True)
class Queue:
    id: str
    name: str
    name_en: str = ""
    strategy: str = "longest_idle"
    agent_order: tuple[str, ...] = ()  # for strategy in_order; others come behind, by their ids
    ring_s: int = 20
    wrap_up_s: int = 20
    max_wait_s: int = 600  # then result no_agent
    music: str = "music/hold"
    position_every_s: int = 30  # 0: never announced
    service_level_s: int = 20
    recording: RecordingPolicy = "whole"
    notice: NoticePolicy = ""
    max_no_answer: int = 3  # consecutive; then the agent is paused with reason no_answer
    priority: int = 0
    ageing_ms: int = 60_000  # one step of priority is worth this much waiting
    caller_id: str = ""  # shown to whom its agents call
    wrap_up_code: Literal["optional", "required"] = "optional"  # whether its agents must say what a call was about
    screen_pop: bool = True  # whether the card of who calls comes by itself (来电弹屏)
    script: str = ""  # what its agents shall say (话术), with variables in braces (lcall_web/common/script.py)


@dataclass(frozen=True, slots=True)
class NumberRule:
    """How a trunk delivers numbers; the rules themselves are in lq/trunks/numbers.py."""

    country_code: str = "86"
    area_code: str = ""  # home area without 0, e.g. "10"
    called_digits: int = 0  # 0: whole number; n: only the last n digits of the called number arrive
    caller_digits: int = 0  # 8: local callers come without their area code
    strip: str = ""  # prefix that the gateway puts before callers, e.g. "9"
    landing: Mapping[str, str] = field(default_factory=dict)  # landing number E.164 or as delivered -> published


@dataclass(frozen=True, slots=True)
class Registration:
    """A trunk that the edge must register at (IMS), at the trunk's address; without a user it need not."""

    user: str = ""  # of the address of record, e.g. "+861088001000"
    domain: str = ""  # of the carrier, e.g. "bj.ims.mnc001.mcc460.3gppnetwork.org"
    password: str = ""  # written, never shown; answers a 401 or 407 in this realm only
    auth_user: str = ""  # "": the user, or as IMS has it user@domain where the user says so
    realm: str = ""  # "": the domain
    expires_s: int = 600

    @property
    def in_realm(self) -> str:
        return self.realm or self.domain

    @property
    def as_user(self) -> str:
        return self.auth_user or self.user


@dataclass(frozen=True, slots=True)
class Trunk:
    id: str
    address: str  # source address: whoever sends from it is this trunk
    port: int = 5060  # where it is called
    name: str = ""
    channels: int = 30
    direction: Literal["in", "out", "both"] = "both"
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    numbers: NumberRule = field(default_factory=NumberRule)
    register: Registration = field(default_factory=Registration)
    caller_ids: tuple[str, ...] = ()  # numbers of this trunk that may be shown to who is called; none: nothing goes out
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """Which trunks a call to the outside takes.

    Of those that fit, the one that names the agent wins, then one that names a queue of his, then everybody's; among
    these the longest prefix, then one with hours, then the id.
    """

    id: str
    trunks: tuple[str, ...]  # the next one is tried when one is full or down
    name: str = ""
    prefixes: tuple[str, ...] = ()  # of the number in E.164, e.g. "+8610"; none: every number
    use: Literal["in_order", "in_turn"] = "in_order"
    caller_id: str = ""  # shown where the trunk may show it; "": the trunk's first
    recording: RecordingPolicy = "none"
    notice: NoticePolicy = "by_agent"
    agents: tuple[str, ...] = ()  # only for these …
    queues: tuple[str, ...] = ()  # … or for agents of these; neither named: for everybody
    calendar: str = ""  # only in these hours; "": at any time


@dataclass(frozen=True, slots=True)
class Calendar:
    """Hours in the center's time zone; read by lq/config/calendars.py."""

    id: str
    name: str = ""
    hours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # mon … sun -> 09:00-12:00 …; else closed
    holidays: tuple[str, ...] = ()  # closed: 2026-10-01 or 2026-10-01/2026-10-07
    workdays: tuple[str, ...] = ()  # with a Monday's hours, whatever day it is (调休)
    override: Literal["", "open", "closed"] = ""  # whatever the hours say, until it is taken back (应急开关)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What somebody outside is called for: service (what phones dial), marketing, notification, collection …"""

    id: str
    name: str = ""
    calendar: str = ""  # only in these hours; "": at any time
    per_number_a_day: int = 0  # so often is one number called on one day of the center; 0: no limit


SERVICE: Final = Purpose("service")  # whether or not it is written down


@dataclass(frozen=True, slots=True)
class NumberList:
    """A list of numbers. Its entries, up to millions, are no part of the document (lq/config/lists.py)."""

    id: str
    kind: Literal["dnc", "black", "white", "vip"]
    # dnc: is not called · black: is not served when he calls · white: neither dnc nor black holds · vip: comes first
    name: str = ""
    purposes: tuple[str, ...] = ()  # of dnc: what they are not called for; none: nothing at all
    answer: Literal["refuse", "busy"] = "refuse"  # of black: what the caller is told (403, 486)
    priority: int = 0  # of vip: added to the queue's
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class AccessNumber:
    """A number that the public dials (接入号) and what answers there."""

    id: str  # the published number, e.g. 4008001000
    target: str  # "ivr:main" | "queue:sales" | "agent:1001" | "conference:board" | "echo"
    name: str = ""
    recording: RecordingPolicy = "whole"
    notice: NoticePolicy = "required"
    calendar: str = ""  # outside these hours who calls from outside gets `closed`; "": open at any time
    closed: str = ""  # a target; "": he is told that it is closed, and the call ends


@dataclass(frozen=True, slots=True)
class Flow:
    """An IVR flow as drawn: nodes by id. The node kinds are described and checked in lq/ivr/flow.py."""

    id: str
    start: str
    nodes: Mapping[str, Mapping[str, Any]]
    name: str = ""
    version: int = 1


CLOSED: Final = Flow(  # of every center: a number that is closed and names nothing else
    "closed_hours",
    "said",
    {
        "said": {"kind": "notice", "prompt": "hours_closed", "next": "end"},
        "end": {"kind": "hang_up"},
    },
)


@dataclass(frozen=True, slots=True)
class Conference:
    """A conference room (会议): whoever dials its access number, or its id from a phone of ours, is in it together."""

    id: str
    name: str
    pin: str = ""  # digits; "": whoever reaches it is in
    host_pin: str = ""  # whoever says this one is a host
    max_parties: int = 32
    recording: RecordingPolicy = ""  # of each party's leg, which hears all others
    notice: NoticePolicy = ""
    end_with_host: bool = False  # it is over for all when its last host has left
    tones: bool = True  # who is in it hears a short tone when somebody comes, another when somebody leaves
    calls: Permission = "internal"  # how far it may call people in; never an emergency number


def text_of(prompt: str) -> str | None:
    """The text of a prompt of the form `say:<text>`; None for the name of an item."""
    return prompt[len(SAY) :].strip() if prompt.startswith(SAY) else None


FEATURE_CODES: Final[Mapping[str, str]] = {
    "sign_in": "*11", "sign_out": "*12", "ready": "*13", "pause": "*14", "wrap_up_done": "*15",
    "pick_up": "*8", "echo": "*43",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """id is always "center"."""

    id: str = "center"
    name: str = "小灵呼 LCall"
    name_en: str = "LCall"
    time_zone: str = "Asia/Shanghai"
    realm: str = "lcall"
    language: str = "zh"
    outside_prefix: str = "9"  # may be dialled before a number outside; "": none is known
    recording: Mapping[str, RecordingPolicy] = field(default_factory=dict)  # by direction: where nobody else has a word
    keep_recordings_days: int = 0  # after them a recording is deleted (recorder/retention.py); 0: never
    recording_silence_s: int = 3  # what a recording by voice leaves out: silences that are longer
    feature_codes: Mapping[str, str] = field(default_factory=dict)  # what is to be dialled instead; "": cannot be
    recording_keys: Mapping[str, str] = field(default_factory=dict)  # start, stop, pause, resume -> an agent's keys
    demo: bool = False

    @property
    def codes(self) -> dict[str, str]:
        """What a phone dials -> the feature."""
        return {code: feature for feature, code in {**FEATURE_CODES, **self.feature_codes}.items() if code}


@dataclass(frozen=True, slots=True)
class PauseReason:
    """Why an agent takes no calls (示忙原因). Where none is written down those of lq/acd/agent.py are offered."""

    id: str
    name: str
    name_en: str = ""
    order: int = 0  # smaller ones stand first
    longest_min: int = 0  # a longer pause is shown as too long; 0: no limit
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class WrapUpCode:
    """What a call was about (话后小结). Codes are a tree of at most three levels; a call is given a leaf of it."""

    id: str
    name: str
    name_en: str = ""
    parent: str = ""  # "": it stands at the top
    queues: tuple[str, ...] = ()  # for calls of these, it and all below it; none: for every call
    order: int = 0  # among its siblings
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver outside that is told of events by HTTP (lq/worker/webhooks.py)."""

    id: str
    url: str  # http or https; addresses of the house are allowed: it may stand in the same LAN
    secret: str  # written, never shown; signs what is sent
    events: tuple[str, ...] = ()  # types or topics; the template zammad has its own
    template: Literal["lcall", "zammad"] = "lcall"
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Token:
    """A program's right to use LQ-SDK. The secret itself is kept nowhere. Written by /v1/tokens only."""

    id: str
    name: str
    sha256: str  # of the secret
    scopes: tuple[Scope, ...]
    agents: tuple[str, ...] = ()  # with `queues`: what it is restricted to; neither: nothing
    queues: tuple[str, ...] = ()
    expires_at: int = 0  # ms of the epoch; 0: never
    per_second: int = 50  # requests; twice as many at once
    created_at: int = 0  # ms of the epoch


DOCUMENTS: Final[Mapping[str, type]] = {
    "agents": Agent,
    "phones": Phone,
    "queues": Queue,
    "trunks": Trunk,
    "routes": Route,
    "numbers": AccessNumber,
    "flows": Flow,
    "conferences": Conference,
    "settings": Settings,
    "webhooks": Webhook,
    "tokens": Token,
    "calendars": Calendar,
    "purposes": Purpose,
    "lists": NumberList,
    "pause_reasons": PauseReason,
    "wrap_up_codes": WrapUpCode,
}
