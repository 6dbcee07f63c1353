"""Floods, guessers, scanners, forged requests; and that none of them costs a good phone or an emergency call."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import pytest

from kamailio import defence
from ops.bans import banned, lift
from tests.integration.kamailio.edge import LQ1, SDP, Edge, Message, Peer, Silence, credentials, edge, rpc
from tests.integration.kamailio.test_calls import call_in, contact_of, from_caller
from tests.integration.live.center import documents


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """An edge of this module's own: what is done to it stays there. Each attacker has an address of his own."""
    with edge(tmp_path_factory.mktemp("attacked")) as own:
        asyncio.run(own.publish(documents()))
        own.start()
        yield own


@pytest.fixture
def harmed(attacked: Edge) -> Iterator[Edge]:
    for table in ("bans", "wrong", "proved", "urgent"):
        rpc(attacked, "htable.flush", table)
    yield attacked
    attacked.close_peers()


def guess(peer: Peer, name: str, password: str = "wrong") -> int:
    peer.name = name
    try:
        return peer.register(password, within_s=2).code
    except Silence:
        return 0


def call(peer: Peer, number: str, password: str, *headers: str, body: str = SDP) -> Message:
    """The answer to the challenge, or what came instead of one."""
    uri = f"sip:{number}@lcall"
    peer.send(peer.request("INVITE", uri, body=body, headers=headers))
    challenge = peer.receive()
    while challenge.code == 100:
        challenge = peer.receive()
    if challenge.code != 407:
        return challenge
    line = credentials(challenge, peer.name, password, "INVITE", uri)
    peer.send(peer.request("INVITE", uri, body=body, headers=[line, *headers], cseq=2))
    return challenge


def refuse(lq: Peer, invite: Message, code: int, reason: str) -> None:
    lq.answer(invite, code, reason)
    lq.expect("ACK")


# -- guessers


def test_a_guesser_is_banned_and_can_be_let_go(harmed: Edge) -> None:
    phone = harmed.peer("8001")
    assert phone.register("demo-8001").code == 200
    guesser = harmed.peer("x", "127.0.7.1")
    codes = [guess(guesser, f"80{n:02}") for n in range(defence.WRONG_OF_A_STRANGER)]
    assert codes == [403] * len(codes), "the same answer for those that exist and those that do not"
    assert banned(harmed.directory) == {"127.0.7.1": "wrong passwords"}
    assert guess(guesser, "8002", "demo-8002") == 0, "no answer at all"
    assert phone.register("demo-8001").code == 200
    assert harmed.peer("8002", "127.0.7.2").register("demo-8002").code == 200
    assert lift(harmed.directory, "127.0.7.1") and not lift(harmed.directory, "127.0.7.1")
    assert banned(harmed.directory) == {}
    assert guess(guesser, "8002", "demo-8002") == 200


def test_guessing_one_name_locks_the_guesser_out_not_the_phone(harmed: Edge) -> None:
    phone, guesser = harmed.peer("8001"), harmed.peer("8001", "127.0.7.3")
    assert phone.register("demo-8001").code == 200
    for _ in range(defence.WRONG_OF_A_USER_HERE):
        assert guess(guesser, "8001") == 403
    assert guess(guesser, "8001", "demo-8001") == 403, "the right password is not even looked at"
    assert phone.register("demo-8001").code == 200
    assert guess(guesser, "8002", "demo-8002") == 200, "who else is there goes on"


def test_wrong_answers_with_a_phones_address_written_on_them_harm_nobody(harmed: Edge) -> None:
    """A guesser gets a nonce for himself and answers it as if he were the phone: UDP lets him."""
    phone, guesser = harmed.peer("8001", "127.0.7.4"), harmed.peer("8001", "127.0.7.5")
    guesser.send(guesser.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>"))
    challenge = guesser.final()
    forged = harmed.peer("8001", "127.0.7.4")  # sends from the phone's address, another port
    for n in range(30):
        line = credentials(challenge, "8001", "wrong", "REGISTER", "sip:lcall", nc=n + 1)
        forged.send(forged.request("REGISTER", "sip:lcall", to="<sip:8001@lcall>", headers=[line]))
        assert forged.final().code == 401
    for _ in range(30):
        forged.send(forged.request("OPTIONS", "sip:lcall", headers=["User-Agent: friendly-scanner"]))
    assert banned(harmed.directory) == {}
    assert phone.register("demo-8001").code == 200


def test_over_a_connection_a_scanner_is_surely_himself(harmed: Edge) -> None:
    scanner = harmed.connected("TCP", "x", "127.0.7.6")
    scanner.send(scanner.request("OPTIONS", "sip:lcall", headers=["User-Agent: friendly-scanner"]))
    assert scanner.is_left_alone()
    assert banned(harmed.directory) == {"127.0.7.6": "scanner"}
    sloppy = harmed.connected("TCP", "x", "127.0.7.7")
    for _ in range(defence.MALFORMED):
        sloppy.send(sloppy.request("OPTIONS", "sip:lcall").replace("Forwards: 70", "Forwards: 700"))
        assert sloppy.final().code == 400
    assert banned(harmed.directory)["127.0.7.7"] == "malformed requests"


def test_a_trunk_and_a_phone_are_never_banned(harmed: Edge) -> None:
    gateway = harmed.peer("gw", "127.0.1.1")
    for n in range(defence.WRONG_OF_A_STRANGER + 5):
        guess(gateway, f"70{n:02}")
    phone = harmed.connected("TCP", "8001", "127.0.7.8")
    assert phone.register("demo-8001").code == 200
    for n in range(defence.WRONG_OF_A_STRANGER + 5):
        guess(phone, f"70{n:02}")
    assert banned(harmed.directory) == {}
    assert guess(phone, "8001", "demo-8001") == 200


# -- floods and overload


def test_an_office_that_is_switched_on_is_no_flood(harmed: Edge) -> None:
    """Behind one address all phones register within a moment; and go on doing so after a restart of the edge."""
    phones = [harmed.peer(f"80{n:02}", "127.0.7.40") for n in range(1, 6)]
    for _ in range(20):  # five names are a hundred registrations here
        for phone in phones:
            phone.send(phone.request("REGISTER", "sip:lcall", to=f"<sip:{phone.name}@lcall>"))
    for phone in phones:
        while not phone.is_left_alone(0.1):
            pass
        assert phone.register(f"demo-{phone.name}").code == 200
    while len(harmed.stored()) < len(phones):
        assert phones[0].is_left_alone(0.05)
    harmed.kill()
    harmed.start()
    for n in range(defence.WRONG_OF_A_STRANGER + 1):
        guess(phones[0], f"70{n:02}")
    assert banned(harmed.directory) == {}, "the registrations that it finds in its store say who is there"


def answers(peer: Peer, method: str, uri: str, times: int) -> list[Message]:
    """What comes back of so many requests sent at once; read meanwhile, for a socket's buffer holds 166 answers."""
    got: list[Message] = []
    for n in range(times):
        peer.send(peer.request(method, uri))
        if n % 10 == 9:
            with contextlib.suppress(Silence):
                while True:
                    got.append(peer.receive(0))
    with contextlib.suppress(Silence):
        while len(got) < times:
            got.append(peer.receive(0.5))
    return got


def calls_heard(peer: Peer) -> set[str]:
    """The Call-IDs of all that comes until nothing does; repeats are not counted."""
    heard = set()
    with contextlib.suppress(Silence):
        while True:
            heard.add(peer.receive(0.3).header("Call-ID"))
    return heard


def test_a_flood_is_dropped_and_the_others_are_served(harmed: Edge) -> None:
    flood, phone = harmed.peer("x", "127.0.7.9"), harmed.peer("8001")
    got = answers(flood, "OPTIONS", "sip:lcall", 1200)
    # What is counted is begun anew each two seconds: at most once here.
    assert 150 <= len(got) < 700, "after some three hundred within two seconds it is not heard any more"
    assert flood.is_left_alone(0.1)
    assert phone.register("demo-8001").code == 200
    lq, gateway = harmed.lq(LQ1), harmed.peer("gw", "127.0.1.1", harmed.gateway)
    call_in(gateway, lq)


def test_a_flood_inside_dialogs_reaches_nobody(harmed: Edge) -> None:
    """With a guessed `i` it is a stranger's, with a known one it is a flood all the same; the dialog itself goes on."""
    lq, gateway = harmed.lq(LQ1), harmed.peer("gw", "127.0.1.1", harmed.gateway)
    _, ok = call_in(gateway, lq)
    for address, incarnation, most in (("127.0.7.11", "lq1-00000000", 0), ("127.0.7.12", LQ1, 500)):
        flood = harmed.peer("x", address)
        for n in range(800):
            flood.send(
                flood.request("ACK" if n % 2 else "BYE", f"sip:lq@lq.internal;i={incarnation}", to="<sip:a@b>;tag=1")
            )
        assert len(calls_heard(lq)) <= most, "of eight hundred"
        assert len(calls_heard(flood)) <= 500, "nor is each of them answered"
    gateway.send(from_caller("BYE", gateway, ok))
    while lq.receive().header("Call-ID") != ok.header("Call-ID"):  # of the flood some are still repeated
        pass


def test_overload_is_503_before_python_works(harmed: Edge) -> None:
    """More new requests within a second than the class of senders may send: told so, at no cost; dialogs go on."""
    lq, gateway = harmed.lq(LQ1), harmed.peer("gw", "127.0.1.1", harmed.gateway)
    _, ok = call_in(gateway, lq)
    burst = harmed.peer("burst", "127.0.1.1")
    got = answers(burst, "OPTIONS", "sip:lcall", 500)
    codes = [message.code for message in got]
    assert codes.count(200) >= 150 and codes.count(503) >= 50, "500 within a second, 200 are let through"
    refused = next(message for message in got if message.code == 503)
    assert refused.header("Retry-After") == "5"
    gateway.send(from_caller("BYE", gateway, ok))
    lq.answer(lq.expect("BYE"), 200)
    assert gateway.expect(200).method == "BYE"
    phone = harmed.peer("8001")
    assert phone.register("demo-8001").code == 200, "one class of senders takes nothing from another"


# -- emergency calls


@pytest.mark.parametrize("number", ["110", "119", "120", "122"])
def test_emergency_calls_are_marked(sip: Edge, lq: Peer, phone: Peer, number: str) -> None:
    call(phone, number, "demo-8001", "X-LQ-Emergency: 0")
    invite = lq.expect("INVITE")
    assert invite.headers("X-LQ-Emergency") == ["1"] and invite.header("X-LQ-Source") == "phone;id=8001"
    refuse(lq, invite, 486, "Busy Here")


def test_only_those_are(sip: Edge, lq: Peer, phone: Peer, gateway: Peer) -> None:
    for number in ("1101", "0110", "12110", "8002"):
        call(phone, number, "demo-8001", "X-LQ-Emergency: 1")
        invite = lq.expect("INVITE")
        assert not invite.headers("X-LQ-Emergency")
        refuse(lq, invite, 486, "Busy Here")
        phone.expect(486)
    gateway.send(gateway.request("INVITE", "sip:110@lcall", body=SDP))
    invite = lq.expect("INVITE")
    assert not invite.headers("X-LQ-Emergency"), "a trunk delivers calls, it makes none"
    refuse(lq, invite, 404, "Not Found")


def test_an_emergency_call_passes_ban_lock_and_flood(harmed: Edge) -> None:
    lq = harmed.lq(LQ1)
    phone = harmed.peer("8001", "127.0.7.10")
    for n in range(defence.WRONG_OF_A_STRANGER):
        guess(phone, "8001" if n < defence.WRONG_OF_A_USER_HERE + 1 else f"90{n}")
    while banned(harmed.directory) == {}:
        guess(phone, "9999")
    phone.name = "8001"
    assert guess(phone, "8001", "demo-8001") == 0, "banned"
    answers(phone, "OPTIONS", "sip:lcall", 50)
    call(phone, "110", "demo-8001")
    invite = lq.until("INVITE")
    assert invite.header("X-LQ-Emergency") == "1"
    lq.answer(invite, 180, "Ringing")
    phone.expect(180)
    lq.answer(invite, 200, headers=[contact_of(LQ1)], body=SDP)
    ok = phone.expect(200)
    phone.send(from_caller("ACK", phone, ok, cseq=2))
    lq.expect("ACK")
    phone.send(from_caller("BYE", phone, ok, cseq=3))
    lq.answer(lq.expect("BYE"), 200)
    assert phone.expect(200).method == "BYE", "and its dialog lives, though the address is banned"


def looked_at(harmed: Edge, lq: Peer, host: str) -> bool:
    """Whether an emergency call of 8001's from there reaches lq, which is busy; else it was answered 503."""
    with contextlib.closing(harmed.peer("8001", host)) as peer:  # the edge repeats what it said to others
        if (challenge := call(peer, "110", "demo-8001")).code != 407:
            assert challenge.code == 503, "there are too many emergency calls of strangers in this second"
            return False
        until = time.monotonic() + 8
        while time.monotonic() < until:  # one of the two gets something
            with contextlib.suppress(Silence):
                refuse(lq, lq.until("INVITE", 0.2), 486, "Busy Here")
                assert peer.final().code == 486
                return True
            with contextlib.suppress(Silence):
                assert peer.final(0.2).code == 503
                return False
        raise Silence("neither was it refused nor did it reach lq")


def is_heard(harmed: Edge, lq: Peer, host: str) -> bool:
    """Within some seconds: what calls there hears 503 with Retry-After, and tries again."""
    until = time.monotonic() + 10
    while not looked_at(harmed, lq, host):
        if time.monotonic() > until:
            return False
    return True


def guessed(harmed: Edge, host: str) -> int:
    """The answer to an emergency call with a wrong password."""
    with contextlib.closing(harmed.peer("8001", host)) as peer:
        challenge = call(peer, "110", "wrong")
        return peer.final().code if challenge.code == 407 else challenge.code


def test_nobody_guesses_passwords_by_emergency_calls(harmed: Edge) -> None:
    """Once the name is locked, or the address banned, one is looked at a second."""
    lq, guesser = harmed.lq(LQ1), "127.0.7.14"
    assert harmed.peer("8001", "127.0.7.13").register("demo-8001").code == 200
    began = time.monotonic()
    codes = [guessed(harmed, guesser) for _ in range(60)]
    most = defence.WRONG_OF_A_USER_HERE + defence.FIRST_OF_A_USER_HERE + time.monotonic() - began + 2
    assert codes[: defence.WRONG_OF_A_USER_HERE] == [403] * defence.WRONG_OF_A_USER_HERE
    assert set(codes) == {403, 503} and codes.count(403) <= most
    assert looked_at(harmed, lq, "127.0.7.13")
    assert is_heard(harmed, lq, "127.0.7.15"), "nor was its name locked elsewhere"
    assert is_heard(harmed, lq, guesser), "who knows the password is heard where it was guessed, too"
    assert looked_at(harmed, lq, guesser), "and from then on as any phone"


def storm(peer: Peer, uri: str) -> Iterator[int]:
    """Three hundred INVITEs, as fast as they go; after each hundred something else may be sent."""
    for n in range(1, 301):
        peer.send(peer.request("INVITE", uri))
        if n % 10 == 0:
            with contextlib.suppress(Silence):
                while True:
                    peer.receive(0)
        if n % 100 == 0:
            yield n


def test_strangers_take_no_emergency_call_from_a_phone(harmed: Edge) -> None:
    """However many 110s somebody sends: a phone that has proved itself is let in as if there were none."""
    phone, stranger = harmed.peer("8001", "127.0.7.16"), harmed.peer("x", "127.0.7.17")
    assert phone.register("demo-8001").code == 200
    for _ in range(3):
        for n in storm(stranger, "sip:110@lcall"):
            phone.send(phone.request("INVITE", "sip:110@lcall", body=SDP))
            assert phone.final().code == 407, f"after {n} of a stranger's"
    assert 503 in [message.code for message in answers(stranger, "INVITE", "sip:110@lcall", 300)]


def test_a_trunks_110_is_a_trunks_call(harmed: Edge) -> None:
    lq, gateway, stranger = harmed.lq(LQ1), harmed.peer("gw", "127.0.1.1"), harmed.peer("x", "127.0.7.18")
    for _ in storm(stranger, "sip:110@lcall"):
        gateway.send(gateway.request("INVITE", "sip:110@lcall", body=SDP))
        refuse(lq, lq.until("INVITE"), 404, "Not Found")
        assert gateway.final().code == 404
