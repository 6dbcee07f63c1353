"""What a webhook is told of an event, and how that is signed. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from lq.config.documents import Webhook
from lq.ledger.events import Event
from lq.ledger.shown import event_json, without_keys
from lq.ledger.topics import topic_of

Json = Mapping[str, Any]

# Zammad's words for how a call ended (docs.zammad.org, api/generic-cti, hangup); ours: lq.ledger.events.RESULTS.
CAUSES: Final[Mapping[str, str]] = {
    "answered": "normalClearing",
    "ivr": "normalClearing",
    "abandoned": "cancel",
    "busy": "busy",
    "no_answer": "noAnswer",
    "no_agent": "noAnswer",
    "refused": "notFound",
    "failed": "congestion",
}
ZAMMAD: Final[Mapping[str, str]] = {
    "contact_started": "newCall",
    "contact_answered": "answer",
    "contact_ended": "hangup",
}


def wants(hook: Webhook, event: Event) -> bool:
    if not hook.enabled:
        return False
    if hook.template == "zammad":
        return event.type in ZAMMAD
    return event.type in hook.events or topic_of(event.type) in hook.events


def payload(hook: Webhook, event: Event, contact: Json | None, names: Mapping[str, str]) -> str | None:
    """The JSON that is sent; None: there is nothing to say. `contact`: its row in history, `names`: of agents."""
    told = event_json(without_keys(event)) if hook.template == "lcall" else _zammad(event, contact, names)
    return None if told is None else json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _zammad(event: Event, contact: Json | None, names: Mapping[str, str]) -> Json | None:
    """Zammad's generic CTI: newCall, answer, hangup. Calls inside the house are none of its business."""
    if contact is None or contact["direction"] not in ("in", "out"):
        return None
    agent = str(event.data.get("agent") or contact["agent"] or "")
    customer = _digits(contact["number"]) or "anonymous"
    own = _digits(contact["called_published"] if contact["direction"] == "in" else contact["phone"] or agent)
    told = {
        "event": ZAMMAD[event.type],
        "from": customer if contact["direction"] == "in" else own,
        "to": own if contact["direction"] == "in" else customer,
        "direction": contact["direction"],
        "callId": event.subject,
    }
    if agent:
        told |= {"user": [names.get(agent, agent)]}
    if event.type == "contact_started" and contact["queue"]:
        told |= {"queue": contact["queue"]}
    if event.type == "contact_ended":
        told |= {"cause": CAUSES.get(str(event.data["result"]), "normalClearing")}
    if event.type == "contact_answered" and agent:
        told |= {"answeringNumber": agent}  # looked for among the phones, logins and ids of Zammad's users
    return told


def _digits(number: str) -> str:
    """As Zammad writes numbers: E.164 without the plus."""
    return number.removeprefix("+")


def signature(secret: str, at_s: int, body: bytes) -> str:
    """The value of X-LCall-Signature: HMAC-SHA256 (RFC 2104) over `<t>.<body>`; with the time, none serves twice."""
    mac = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={mac.hexdigest()}"
