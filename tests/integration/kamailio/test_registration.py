"""Digest registration against credentials from Redis."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from lq.live.redis import Live
from tests.integration.kamailio.edge import Edge, Peer, credentials, edge
from tests.integration.kamailio.test_defence import call, refuse
from tests.integration.live.center import documents


async def changes(live: Live, after: str, ext: str) -> list[Mapping[str, Any]]:
    """What was said about this phone; the edge may speak of others and of its gateways meanwhile."""
    told = [event.data for event in await live.events(after) if event.subject == f"phone:{ext}"]
    return [{name: data[name] for name in ("phone", "registered")} for data in told]


async def test_registration_is_stored_and_published(sip: Edge, live: Live) -> None:
    phone = sip.peer("8002")
    before = await live.last_event()
    answer = phone.register("demo-8002", expires=300)
    assert answer.code == 200
    assert f"<sip:8002@127.0.0.1:{phone.port}>;expires=300" in answer.header("Contact")
    assert await changes(live, before, "8002") == [{"phone": "8002", "registered": True}]
    until = (await live.phone_state("8002")).registered_until
    assert 290 < until / 1000 - time.time() <= 300, "who falls silent is offline when his registration has run out"
    before = await live.last_event()
    assert phone.register("demo-8002", expires=0).code == 200
    assert await changes(live, before, "8002") == [{"phone": "8002", "registered": False}]
    assert (await live.phone_state("8002")).registered_until == 0


async def test_newest_binding_replaces_the_one_before(sip: Edge, lq: Peer) -> None:
    old, new = sip.peer("8003"), sip.peer("8003")
    assert old.register("demo-8003").code == 200
    answer = new.register("demo-8003")
    assert len(answer.headers("Contact")) == 1 and str(new.port) in answer.header("Contact")
    lq.send(lq.request("INVITE", "sip:8003@phones.lq.internal", user="lq"))
    new.expect("INVITE")
    assert old.is_left_alone()


def test_who_only_renews_takes_nothing_from_the_next_one(sip: Edge, lq: Peer) -> None:
    old, new = sip.peer("8003"), sip.peer("8003")

    def renewed(expires: int = 600) -> int:
        return old.register("demo-8003", expires, more=["X-LCall-Renews: yes"]).code

    assert old.register("demo-8003").code == 200
    assert renewed() == 200, "it is his"
    assert new.register("demo-8003").code == 200
    assert [renewed(expires) for expires in (600, 0)] == [412, 412]
    lq.send(lq.request("INVITE", "sip:8003@phones.lq.internal", user="lq"))
    answer_one(new)
    assert lq.final().code == 486
    assert new.register("demo-8003", expires=0).code == 200
    assert [renewed(expires) for expires in (600, 0)] == [200, 200], "nobody else has it any more"


def test_wrong_password_and_unknown_user_get_the_same_answers(sip: Edge) -> None:
    known, unknown = sip.peer("8001"), sip.peer("7777")
    answers = []
    for peer in (known, unknown):
        peer.send(peer.request("REGISTER", "sip:lcall", to=f"<sip:{peer.name}@lcall>"))
        challenge = peer.final()
        refused = peer.register("wrong")
        answers.append((challenge.code, refused.first, [line.split(":")[0] for line in refused.text.split("\r\n")]))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401 and answers[0][1] == "SIP/2.0 403 Forbidden"


def test_a_user_registers_nobody_else(sip: Edge) -> None:
    peer = sip.peer("8001")
    peer.send(peer.request("REGISTER", "sip:lcall", to="<sip:8002@lcall>"))
    line = credentials(peer.final(), "8001", "demo-8001", "REGISTER", "sip:lcall")
    peer.send(peer.request("REGISTER", "sip:lcall", to="<sip:8002@lcall>", headers=[line]))
    assert peer.final().code == 403


def test_credentials_cannot_be_played_again(sip: Edge) -> None:
    peer, thief = sip.peer("8001"), sip.peer("8001")
    peer.send(peer.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>"))
    challenge = peer.final()
    line = credentials(challenge, "8001", "demo-8001", "REGISTER", "sip:lcall")
    peer.send(peer.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>", headers=[line]))
    assert peer.final().code == 200
    thief.send(thief.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>", headers=[line]))
    again = thief.final()
    assert again.code == 401 and "stale=true" in again.header("WWW-Authenticate")
    next_line = credentials(challenge, "8001", "demo-8001", "REGISTER", "sip:lcall", nc=2)
    peer.send(peer.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>", headers=[next_line]))
    assert peer.final().code == 200, "a rising count may use the nonce again"


def test_a_retransmitted_register_gets_the_same_answer(sip: Edge) -> None:
    peer = sip.peer("8001")
    peer.send(peer.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>"))
    line = credentials(peer.final(), "8001", "demo-8001", "REGISTER", "sip:lcall")
    request = peer.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>", headers=[line])
    peer.send(request)
    assert peer.final().code == 200
    peer.send(request)
    assert peer.final().code == 200


async def test_a_disabled_phone_calls_emergency_numbers_only(sip: Edge, live: Live, lq: Peer) -> None:
    peer = sip.peer("8005")
    assert peer.register("demo-8005").code == 200
    phones = documents()["phones"]
    for enabled, code in ((False, 403), (True, 200)):  # as it was at the end: browsers register as this phone
        phones["8005"]["enabled"] = enabled
        await live.publish(await live.config_version() + 1, {"phones": phones})
        for _ in range(10):
            if peer.register("demo-8005").code == code:
                break
            await asyncio.sleep(0.5)  # the keeper looks as often; who is refused again and again is locked out
        else:
            raise AssertionError(f"a phone that is {'enabled' if enabled else 'disabled'} is not answered {code}")
        call(peer, "110", "demo-8005")
        refuse(lq, lq.expect("INVITE"), 486, "Busy Here")
        peer.expect(486)
        call(peer, "8002", "demo-8005")
        if enabled:
            refuse(lq, lq.expect("INVITE"), 486, "Busy Here")
        assert peer.final().code == (486 if enabled else 403)


def invite(caller: Peer, ext: str) -> int:
    caller.send(caller.request("INVITE", f"sip:{ext}@phones.lq.internal", user="lq"))
    return caller.final().code


def answer_one(phone: Peer) -> None:
    phone.answer(phone.expect("INVITE"), 486, "Busy Here")


def test_many_registrations_at_once(sip: Edge) -> None:
    """The workers do not wait for each other, nor for the disk; none is refused because another one writes."""

    def comes_and_goes(ext: str) -> list[int]:
        phone = sip.peer(ext)
        return [phone.register(f"demo-{ext}", expires=expires).code for expires in (300, 0) * 15]

    extensions = [f"800{n}" for n in range(1, 5)]
    with ThreadPoolExecutor(len(extensions)) as pool:
        assert {code for codes in pool.map(comes_and_goes, extensions) for code in codes} == {200}


@pytest.mark.slow
async def test_registrations_survive_kill_and_redis_away(tmp_path: Path) -> None:
    with edge(tmp_path) as sip:
        await sip.publish(documents())
        sip.start()
        phone, fresh = sip.peer("8001"), sip.peer("8004")
        assert phone.register("demo-8001").code == 200
        while "8001" not in sip.stored():  # noqa: ASYNC110 - another process writes it, within a second
            await asyncio.sleep(0.05)
        sip.kill()
        sip.start()
        lq = sip.lq("lq1-aaaaaaaa")
        lq.send(lq.request("INVITE", "sip:8001@phones.lq.internal", user="lq"))
        assert phone.expect("INVITE").uri == f"sip:8001@127.0.0.1:{phone.port}"

        os.kill(sip.redis.pid, signal.SIGSTOP)
        assert phone.register("demo-8001").code == 200, "credentials are cached"
        assert fresh.register("demo-8004").code == 200
        assert fresh.register("wrong").code == 403
        os.kill(sip.redis.pid, signal.SIGCONT)
        live = Live(sip.redis_url)
        try:
            await published(live, "8004")
            with Redis.from_url(sip.redis_url) as plain:
                plain.flushall()
            await published(live, "8004")  # a Redis that has forgotten is told all of them
            await published(live, "8001")
        finally:
            await live.close()


async def published(live: Live, ext: str) -> None:
    async with asyncio.timeout(5):
        while not (await live.phone_state(ext)).registered_until:  # noqa: ASYNC110 - the keeper tells nobody
            await asyncio.sleep(0.05)
