"""The client of LQ-SDK: what the web, the command line and the simulator use to see and control calls."""

from lq.sdk.client import Audio, Client, event_from_json
from lq.sdk.errors import ApiError, ApiUnavailable
from lq.sdk.values import (
    Agent,
    Cdr,
    Contact,
    ContactRecording,
    Document,
    Health,
    Leg,
    Page,
    Queue,
    Recording,
    Segment,
)

__all__ = [
    "Agent",
    "ApiError",
    "ApiUnavailable",
    "Audio",
    "Cdr",
    "Client",
    "Contact",
    "ContactRecording",
    "Document",
    "Health",
    "Leg",
    "Page",
    "Queue",
    "Recording",
    "Segment",
    "event_from_json",
]
