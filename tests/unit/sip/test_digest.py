from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lq.sip import digest
from lq.sip import events as ev
from lq.sip.digest import Credentials
from tests.unit.sip.peer import Peer

OURS = Credentials("carrier", "lcall", "secret")
MD5 = 'Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth,auth-int"'
SHA256 = 'Digest realm="carrier", nonce="n1", algorithm=SHA-256, qop="auth"'


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_the_standard(algorithm: str, response: str) -> None:
    """RFC 7616 §3.9.1."""
    challenge = digest.read(
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    assert challenge is not None
    value = digest.authorization(
        challenge,
        Credentials("http-auth@example.org", "Mufasa", "Circle of Life"),
        method="GET",
        uri="/dir/index.html",
        body=b"",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        count=1,
    )
    assert f'response="{response}"' in value and "qop=auth, nc=00000001" in value
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in value


def test_a_server_of_before_qop() -> None:
    """RFC 2069: response = H(H(A1):nonce:H(A2))."""
    challenge = digest.read('Digest realm="carrier",nonce="abc"')
    assert challenge is not None
    value = digest.authorization(challenge, OURS, method="BYE", uri="sip:x@y", body=b"", cnonce="never", count=1)

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    expected = md5(f"{md5('lcall:carrier:secret')}:abc:{md5('BYE:sip:x@y')}")
    assert f'response="{expected}"' in value
    assert "nc=" not in value and "never" not in value


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ([SHA256, MD5], "SHA-256"),
        ([MD5, SHA256], "MD5"),  # the server's order counts (RFC 8760 §2.4)
        (['Digest realm="carrier", nonce="1", algorithm=WHIRLPOOL', MD5], "MD5"),
        (['Digest realm="carrier", nonce="1", qop="token"'], None),
        (['Basic realm="carrier"'], None),
        (['Digest realm="elsewhere", nonce="1"'], None),
        (["Digest", "", 'Digest realm="carrier"'], None),
    ],
)
def test_which_challenge_is_answered(values: list[str], chosen: str | None) -> None:
    challenge = digest.choose(values, "carrier")
    assert (challenge.algorithm if challenge else None) == chosen


@given(st.text(max_size=200))
def test_a_challenge_may_be_anything(text: str) -> None:
    digest.choose([text, "Digest " + text], "carrier")


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(OURS)


@pytest.mark.parametrize(("code", "asks", "answers"), [(401, "WWW-Authenticate", "authorization"),
                                                       (407, "Proxy-Authenticate", "proxy-authorization")])  # fmt: skip
def test_a_challenged_call_goes_through_and_its_ack_and_bye_are_signed(code: int, asks: str, answers: str) -> None:
    peer = Peer(accounts={"gw1": OURS})
    session = peer.call(account="gw1")
    first = peer.sent("INVITE")
    peer.answer(first, code, {asks: SHA256})
    assert peer.sent("ACK").cseq == (1, "ACK")
    second = peer.sent("INVITE")
    assert second.cseq == (2, "INVITE") and second.call_id == first.call_id and not second.to_tag
    assert second.branch != first.branch and 'username="lcall"' in second.get(answers)
    peer.answer(second, 200, sdp="v=0 answer")
    assert peer.told(ev.Accepted).sdp == "v=0 answer"
    peer.ua.ack(session, now=peer.now)
    assert peer.sent("ACK").get(answers) == second.get(answers)  # RFC 3261 §22.1
    peer.ua.bye(session, now=peer.now)
    bye = peer.sent("BYE")
    assert "nc=00000002" in bye.get(answers)
    peer.answer(bye, 200)
    peer.run(70)
    assert peer.ua.idle


def test_a_request_inside_the_dialog_is_challenged() -> None:
    peer = Peer(accounts={"gw1": OURS})
    session = peer.talk(account="gw1")
    asked = peer.ua.request(session, "INFO", b"Signal=1", "application/dtmf-relay", now=peer.now)
    peer.answer(peer.sent("INFO"), 401, {"WWW-Authenticate": MD5})
    again = peer.sent("INFO")
    assert again.body == b"Signal=1" and "algorithm=MD5" in again.get("authorization")
    peer.answer(again, 200)
    assert peer.told(ev.RequestDone).id == asked and peer.count(ev.RequestDone) == 1


def test_a_wrong_password_is_tried_once() -> None:
    peer = Peer(accounts={"gw1": OURS})
    peer.call(account="gw1")
    peer.answer(peer.sent("INVITE"), 401, {"WWW-Authenticate": MD5})
    peer.answer(peer.sent("INVITE"), 401, {"WWW-Authenticate": MD5.replace("n1", "n2")})
    assert peer.told(ev.Rejected).code == 401
    peer.run(70)
    assert peer.number("INVITE") == 2 and peer.ua.idle


def test_a_server_that_finds_every_nonce_stale_does_not_make_us_loop() -> None:
    peer = Peer(accounts={"gw1": OURS})
    peer.call(account="gw1")
    for n in range(20):
        if peer.waiting("INVITE"):
            peer.answer(peer.sent("INVITE"), 401, {"WWW-Authenticate": MD5.replace("n1", f"n{n}") + ", stale=true"})
    assert peer.told(ev.Rejected).code == 401 and peer.number("INVITE") == 3


@pytest.mark.parametrize("account", ["", "gw1", "gw2"])
def test_no_credentials_leave_for_another_realm_or_another_account(account: str) -> None:
    peer = Peer(accounts={"gw1": OURS})
    peer.call(account=account)
    peer.answer(peer.sent("INVITE"), 401, {"WWW-Authenticate": MD5.replace("carrier", "thief")})
    if account != "gw1":
        assert peer.told(ev.Rejected).code == 401
    peer.run(70)
    assert not any(b"uthorization" in data for data in peer.wire_log)


def test_who_gave_up_meanwhile_is_not_called_again() -> None:
    peer = Peer(accounts={"gw1": OURS})
    session = peer.call(account="gw1")
    peer.ua.cancel(session, now=peer.now)
    peer.answer(peer.sent("INVITE"), 407, {"Proxy-Authenticate": MD5})
    assert peer.told(ev.Rejected).code == 407 and peer.number("INVITE") == 1


def test_the_password_is_not_in_the_snapshot_but_the_adopter_can_answer() -> None:
    peer = Peer(accounts={"gw1": OURS})
    session = peer.talk(account="gw1")
    document = peer.ua.export(session)
    assert "secret" not in str(document)
    peer.ua.forget(session)
    adopted = peer.ua.adopt(document, now=peer.now)
    peer.ua.bye(adopted, now=peer.now)
    peer.answer(peer.sent("BYE"), 401, {"WWW-Authenticate": MD5})
    assert "response=" in peer.sent("BYE").get("authorization")
