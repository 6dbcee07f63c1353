"""What a browser needs to be a phone: the password for a while of lq/trunks/passwords.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from sanic import Request

from lq.api import access, context, reading, schemas
from lq.api.errors import Refusal, not_found
from lq.config.documents import Settings
from lq.ledger.shown import rfc3339
from lq.trunks import passwords

Json = dict[str, Any]

LASTS_S: Final = 8 * 3600  # a shift: a phone in a browser stays registered while web and api are away


async def credentials(request: Request, agent: str) -> Json:
    """For the agent's own phone only: the one that the configuration gives him, or where he is signed in, if it is
    nobody's."""
    access.of(request).need_agent(agent)
    wanted = reading.given(request, schemas.CREDENTIALS).get("phone", "")
    live = context.of(request).live
    phones, signed_in = await live.config("phones"), (await live.agent_state(agent)).phone
    his = _his(phones, agent, signed_in or "")
    if wanted and wanted not in his:
        raise Refusal(403, "phone_forbidden", f"phone {wanted} is not agent {agent}'s", field="phone")
    if not his:
        raise not_found(f"phone of agent {agent}")
    phone = wanted or his[0]
    until_s = int(time.time()) + LASTS_S
    user, password = passwords.temporary(phone, phones[phone]["ha1"], until_s)
    center = (await live.config("settings")).get("center", {})
    realm = center.get("realm", Settings().realm)
    return {"phone": phone, "realm": realm, "user": user, "secret": password, "expires_at": rfc3339(until_s * 1000)}


def _his(phones: Mapping[str, Mapping[str, Any]], agent: str, signed_in: str) -> list[str]:
    """Where he is signed in before others, one made for a browser before a desk phone."""

    def is_his(ext: str) -> bool:
        owner = phones[ext].get("agent", "")
        return bool(phones[ext].get("enabled", True)) and (owner == agent or (not owner and ext == signed_in))

    found = filter(is_his, phones)
    return sorted(found, key=lambda ext: (ext != signed_in, phones[ext].get("model") != "browser", ext))
