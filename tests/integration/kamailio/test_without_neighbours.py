"""Redis away or hung, and Kamailio killed meanwhile: phones register, renew and call by what was last known."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from tests.integration.kamailio.edge import LQ1, SDP, edge
from tests.integration.kamailio.test_calls import call_in, from_caller
from tests.integration.kamailio.test_defence import call
from tests.integration.live.center import documents


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
async def test_the_edge_is_killed_while_redis_is_away(tmp_path: Path, how: signal.Signals) -> None:
    with edge(tmp_path) as own:
        await own.publish(documents())
        own.start()
        phone, other, gateway, lq = own.peer("8001"), own.peer("8002"), own.peer("g", "127.0.1.1"), own.lq(LQ1)
        assert phone.register("demo-8001").code == 200
        while "8001" not in own.stored():
            assert phone.is_left_alone(0.05)
        _, ok = call_in(gateway, lq)
        kept = tmp_path / "kamailio" / "known.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        os.kill(own.redis.pid, how)
        own.kill()
        own.start()
        # the call that was talking
        gateway.send(from_caller("BYE", gateway, ok))
        lq.answer(lq.expect("BYE"), 200)
        assert gateway.expect(200).method == "BYE"
        # bindings, new and renewed registrations, calls in, out and for help
        lq.send(lq.request("INVITE", "sip:8001@phones.lq.internal", user="lq", body=SDP))
        phone.answer(phone.expect("INVITE"), 486, "Busy Here")
        lq.expect(486)
        assert phone.register("demo-8001").code == 200 and other.register("demo-8002").code == 200
        assert other.register("wrong").code == 403
        call_in(gateway, lq)
        call(phone, "110", "demo-8001")
        assert lq.expect("INVITE").header("X-LQ-Emergency") == "1"
        # the ACD alone says no, and at once
        question = ["X-LQ-Contact: c", "X-LQ-Request: r", "X-LQ-Lanes: sales=1", "X-LQ-Lease: 20000"]
        lq.send(lq.request("INVITE", "sip:sales@acd.lq.internal", headers=question))
        answer = lq.receive()
        while not (answer.code >= 200 and answer.method == "INVITE"):
            answer = lq.receive()
        assert answer.code == 503 and answer.header("Retry-After")
        if how is signal.SIGSTOP:
            os.kill(own.redis.pid, signal.SIGCONT)
