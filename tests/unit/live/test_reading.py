"""What a newer library answers is read by this code: fields are only added (N and N−1 run together)."""

from __future__ import annotations

import json

from lq.live import reading
from lq.live.values import AgentState, ChannelResult, Lease, Reserved, Waiting

NEW = {"of_tomorrow": 1}


def test_answers_of_a_newer_library() -> None:
    lease = {"role": "lq", "id": "a", "incarnation": "a", "address": "h:1", "load": 0, "draining": False}
    assert reading.lease(json.dumps(lease | NEW), 5) == Lease(**lease, expires=5)
    reserved = {"agent": "1001", "phone": "8001", "reservation": 7, "lane": "sales"}
    assert reading.decision({"reserved": reserved | NEW}) == Reserved("1001", "8001", 7, "sales")
    assert reading.decision({"waiting": {"position": 1, "signed_in": 2, "ready": 0} | NEW}) == Waiting(1, 2, 0)
    assert reading.agent_view({"id": "1001", "state": "ready"} | NEW, None) == AgentState("1001", state="ready")
    channel = {"trunk": "gw1", "leg": 2, "ok": True, "number": 3}
    assert reading.committed({"channels": [channel | NEW]}).channels == (ChannelResult("gw1", 2, True, 3),)
