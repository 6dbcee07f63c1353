"""The topics of the event stream: what a client of LQ-SDK or a webhook asks for instead of naming each type. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TOPICS: Final[Mapping[str, tuple[str, ...]]] = {  # topic -> beginnings of the types of its events
    "agents": ("agent_",),
    "queues": ("queue_",),
    "contacts": ("contact_", "leg_"),
    "recordings": ("recording_", "recorder_"),
    "phones": ("phone_",),
    "trunks": ("trunk_", "channel_"),
    "nodes": ("node_", "engine_"),
    "alarms": ("alarm_",),
}


def topic_of(type: str) -> str:
    """ "": it belongs to none."""
    return next((topic for topic, begins in TOPICS.items() if type.startswith(begins)), "")
