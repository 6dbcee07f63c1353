"""The configuration documents: one JSON object per thing, published whole into Redis (DESIGN §3).

PostgreSQL is the truth (table `config_document`: kind, id, version, body jsonb), api its only writer;
`lq.config.publish` swaps them into Redis. A contact keeps the version that it started with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

KINDS: Final = ("agents", "phones", "queues", "trunks", "numbers", "flows", "settings")

SAY: Final = "say:"  # a prompt of this form is a text to be spoken, not the name of an item

RecordingPolicy = Literal["none", "talk", "whole"]


@dataclass(frozen=True, slots=True)
class Agent:
    id: str  # operator number, 工号
    name: str
    queues: tuple[str, ...] = ()
    role: str = "agent"  # agent | leader | admin
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Phone:
    id: str  # extension = SIP user
    ha1: str  # md5(user:realm:password), RFC 7616; the password itself is kept nowhere
    name: str = ""
    model: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Queue:
    id: str
    name: str
    name_en: str = ""
    strategy: str = "longest_idle"
    ring_s: int = 20
    wrap_up_s: int = 20
    max_wait_s: int = 600  # then result no_agent
    music: str = "music/hold"
    position_every_s: int = 30  # 0: never announced
    service_level_s: int = 20
    recording: RecordingPolicy = "whole"
    max_no_answer: int = 3  # consecutive; then the agent is paused with reason no_answer
    priority: int = 0
    ageing_ms: int = 60_000  # one step of priority is worth this much waiting


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
class Trunk:
    id: str
    address: str  # source address: whoever sends from it is this trunk
    port: int = 5060  # where it is called
    name: str = ""
    channels: int = 30
    direction: Literal["in", "out", "both"] = "both"
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    numbers: NumberRule = field(default_factory=NumberRule)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class AccessNumber:
    """A number that the public dials (接入号) and what answers there."""

    id: str  # the published number, e.g. 4008001000
    target: str  # "ivr:main" | "queue:sales" | "agent:1001" | "echo"
    name: str = ""
    recording: RecordingPolicy = "whole"


@dataclass(frozen=True, slots=True)
class Flow:
    """An IVR flow as drawn: nodes by id. The node kinds are described and checked in lq/ivr/flow.py."""

    id: str
    start: str
    nodes: Mapping[str, Mapping[str, Any]]
    name: str = ""
    version: int = 1


def text_of(prompt: str) -> str | None:
    """The text of a prompt of the form `say:<text>`; None for the name of an item."""
    return prompt[len(SAY) :].strip() if prompt.startswith(SAY) else None


@dataclass(frozen=True, slots=True)
class Settings:
    """id is always "center"."""

    id: str = "center"
    name: str = "小灵呼 LCall"
    name_en: str = "LCall"
    time_zone: str = "Asia/Shanghai"
    realm: str = "lcall"
    language: str = "zh"
    demo: bool = False


DOCUMENTS: Final[Mapping[str, type]] = {
    "agents": Agent,
    "phones": Phone,
    "queues": Queue,
    "trunks": Trunk,
    "numbers": AccessNumber,
    "flows": Flow,
    "settings": Settings,
}
