"""A password for a while at the real edge: what a page of a browser phone registers with."""

from __future__ import annotations

import hashlib
import time
import uuid

import pytest

from lq.trunks import passwords
from tests.integration.kamailio.edge import Edge, Message, Peer, credentials, rpc
from tests.integration.live.center import REALM

HA1 = {ext: hashlib.md5(f"{ext}:{REALM}:demo-{ext}".encode()).hexdigest() for ext in ("8001", "8002", "8004")}


def given(ext: str, seconds: int = 60, of: str = "") -> tuple[str, str]:
    return passwords.temporary(ext, HA1[of or ext], int(time.time()) + seconds)


def registered(phone: Peer, user: str, password: str) -> Message:
    """The answer to a REGISTER of the peer's extension by that digest."""
    call, to = uuid.uuid4().hex, f"<sip:{phone.name}@lcall>"
    phone.send(phone.request("REGISTER", "sip:lcall", to=to, call_id=call))
    challenge = phone.final()
    assert challenge.code == 401
    answer = credentials(challenge, user, password, "REGISTER", "sip:lcall")
    phone.send(phone.request("REGISTER", "sip:lcall", to=to, call_id=call, cseq=2, headers=[answer]))
    return phone.final()


def test_it_registers_and_calls(sip: Edge, lq: Peer) -> None:
    phone = sip.peer("8004")
    user, password = given("8004")
    assert registered(phone, user, password).code == 200
    lq.send(lq.request("OPTIONS", "sip:8004@phones.lq.internal", user="lq"))
    assert lq.final().code == 200
    call = uuid.uuid4().hex
    phone.send(phone.request("INVITE", "sip:8002@lcall", call_id=call))
    challenge = phone.expect(407)
    answer = credentials(challenge, user, password, "INVITE", "sip:8002@lcall")
    phone.send(phone.request("INVITE", "sip:8002@lcall", call_id=call, cseq=2, headers=[answer]))
    invite = lq.expect("INVITE")
    assert invite.header("X-LQ-Source") == "phone;id=8004"
    lq.answer(invite, 486, "Busy Here")


@pytest.mark.parametrize(
    ("who", "user_of", "key_of"),
    [("8004", "8004", "8002"), ("8004", "8002", "8002"), ("7777", "8002", "8002")],
    ids=["another phone's key", "another phone's password", "a phone that is none"],
)
def test_it_opens_no_other_phone(sip: Edge, who: str, user_of: str, key_of: str) -> None:
    assert registered(sip.peer(who), *given(user_of, of=key_of)).code == 403


def test_its_end_cannot_be_put_off(sip: Edge) -> None:
    _, password = given("8004", -1)
    later = f"{int(time.time()) + 60}.8004"
    assert registered(sip.peer("8004"), later, password).code == 403


def test_an_old_one_is_refused_and_is_no_guess(sip: Edge) -> None:
    """A page that has slept for a night does not lock its phone out."""
    phone = sip.peer("8004", host="127.0.0.77")
    for _ in range(12):
        assert registered(phone, *given("8004", -60)).code == 403
    assert not [entry for entry in rpc(sip, "htable.dump", "bans") or () if "127.0.0.77" in str(entry)]
    assert registered(phone, *given("8004")).code == 200
