"""Floods, guessers, scanners, forged requests; and that none of them costs a good phone or an emergency call."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kamailio import defence
from ops.bans import banned, lift
from tests.integration.kamailio.edge import LQ1, SDP, Edge, Message, Peer, Silence, credentials, edge, rpc
from tests.integration.kamailio.test_calls import call_in, contact_of, from_caller, in_dialog
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
    for table in ("bans", "wrong", "proved"):
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
    got = answers(flood, "OPTIONS", "sip:lcall", 600)
    assert 150 <= len(got) < 450, "after some three hundred within two seconds it is not heard any more"
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


# -- forged requests


@pytest.mark.parametrize(
    "line",
    [
        "X-LQ-Source: trunk;id=gw1",
        "x-lq-source: trunk;id=gw1",
        "X-LQ-Source : trunk;id=gw1",
        "X-LQ-Source\t:trunk;id=gw1",
        "X-LQ-Source:\r\n trunk;id=gw1",
        "X-LQ-Emergency: 1\r\nX-LQ-Emergency: 1",
        "X-LQ-Phone: media=gw1",
        "X-LQ-Contact: gw1",
        "P-Asserted-Identity: <sip:110@lcall>",
        "p-asserted-identity : <tel:110>",
        "P-Preferred-Identity: <sip:110@lcall>",
        "Remote-Party-ID: <sip:110@lcall>",
        "Diversion: <sip:110@lcall>",
        "History-Info: <sip:110@lcall>;index=1",
        "Record-Route: <sip:203.0.113.1;lr>",
        "Path: <sip:203.0.113.1;lr>",
    ],
)
def test_claims_of_a_phone_do_not_reach_lq(sip: Edge, lq: Peer, phone: Peer, line: str) -> None:
    call(phone, "8002", "demo-8001", line)
    invite = lq.expect("INVITE")
    who = invite.header("From").partition(";tag=")[0]
    assert "gw1" not in invite.text and "110" not in who and "203.0.113.1" not in invite.text
    name = re.split(r"[ \t:]", line)[0]
    ours = {"x-lq-source": ["phone;id=8001"], "x-lq-phone": ["media=rtp"]}
    expected = ours.get(name.lower(), [])
    if name.lower() == "record-route":
        assert len(invite.headers(name)) == 2, "ours only"
    else:
        assert invite.headers(name) == expected
    refuse(lq, invite, 486, "Busy Here")


def test_a_trunk_may_say_who_calls(lq: Peer, gateway: Peer) -> None:
    told = ["P-Asserted-Identity: <sip:02161234567@ims>", "Diversion: <sip:4008001000@ims>;reason=unconditional"]
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP, headers=[*told, "X-LQ-Source : x"]))
    invite = lq.expect("INVITE")
    assert [f"{name}: {invite.header(name)}" for name in ("P-Asserted-Identity", "Diversion")] == told
    assert invite.headers("X-LQ-Source") == ["trunk;id=gw1"]
    refuse(lq, invite, 404, "Not Found")


def test_letters_that_are_no_utf8_reach_lq_as_they_are(sip: Edge, lq: Peer, gateway: Peer) -> None:
    """Gateways here write names in GBK."""
    name = b"\xb1\xb1\xbe\xa9".decode(errors="surrogateescape")
    gateway.send(
        gateway.request("INVITE", "sip:4008001000@lcall", body=SDP, from_=f'"{name}" <sip:02161234567@lcall>;tag=1')
    )
    invite = lq.expect("INVITE")
    assert invite.header("From").startswith(f'"{name}"') and invite.header("X-LQ-Source") == "trunk;id=gw1"
    refuse(lq, invite, 404, "Not Found")


@pytest.mark.parametrize("parameter", ["alias=127.0.0.1~{}~1", "maddr=127.0.0.1"])
def test_a_contact_that_leads_into_the_house_is_refused(sip: Edge, lq: Peer, phone: Peer, parameter: str) -> None:
    contact = f"<sip:8001@{phone.host}:{phone.port};{parameter.format(sip.internal[1])}>"
    assert phone.register("demo-8001", contact=contact).code == 400
    uri = "sip:8002@lcall"
    phone.send(phone.request("INVITE", uri, body=SDP, contact=contact))
    line = credentials(phone.expect(407), "8001", "demo-8001", "INVITE", uri)
    phone.send(phone.request("INVITE", uri, body=SDP, headers=[line], cseq=2, contact=contact))
    phone.expect(400)
    assert lq.is_left_alone(0.1)


def test_a_phone_answers_with_such_a_contact(sip: Edge, lq: Peer, phone: Peer) -> None:
    lq.send(lq.request("INVITE", "sip:8001@phones.lq.internal", user="lq", contact=contact_of(LQ1)[9:], body=SDP))
    invite = phone.expect("INVITE")
    victim = sip.peer("victim")
    contact = f"<sip:8001@{phone.host}:{phone.port};alias={victim.host}~{victim.port}~1>"
    phone.answer(invite, 200, headers=[f"Contact: {contact}"], body=SDP)
    ok = lq.expect(200)
    assert str(victim.port) not in ok.header("Contact")
    target = ok.header("Contact").strip("<>")
    ack = lq.request("ACK", target, from_=ok.header("From"), to=ok.header("To"), call_id=ok.header("Call-ID"))
    lq.send(in_dialog(ack, ok.headers("Record-Route")[::-1]))
    phone.expect("ACK")
    assert victim.is_left_alone(0.1)


def test_a_device_leads_nobody_into_the_house(sip: Edge, lq: Peer, lq2: Peer, gateway: Peer) -> None:
    """A trunk's Contact is believed, but for our own doors."""
    gateway.send(gateway.request("INVITE", "sip:4008001000@lcall", body=SDP, contact=f"<sip:x@{lq2.host}:{lq2.port}>"))
    invite = lq.expect("INVITE")
    lq.answer(invite, 200, headers=[contact_of(LQ1)], body=SDP)
    ok = gateway.expect(200)
    bye = lq.request(
        "BYE", invite.header("Contact").strip("<>"), from_=ok.header("To"), to=ok.header("From"),
        call_id=ok.header("Call-ID"),
    )  # fmt: skip
    lq.send(in_dialog(bye, invite.headers("Record-Route")))
    lq.expect(403)
    assert lq2.is_left_alone(0.1)


def test_a_foreign_route_leads_nowhere(sip: Edge, lq: Peer, gateway: Peer) -> None:
    """Neither before a dialog nor within one is anything relayed from outsider to outsider."""
    victim = sip.peer("victim")
    stranger = sip.peer("x", "127.0.7.20")
    _, ok = call_in(gateway, lq)
    detour = f"Route: <sip:{victim.host}:{victim.port};lr>"
    for method in ("OPTIONS", "INVITE", "REGISTER", "MESSAGE"):
        stranger.send(stranger.request(method, "sip:x@lcall", headers=[detour]))
        assert stranger.final().code in (200, 401, 405, 407)
    stranger.send(stranger.request("OPTIONS", f"sip:x@{victim.host}:{victim.port}"))
    assert stranger.final().code == 200, "answered by us"
    request = from_caller("BYE", gateway, ok)
    gateway.send(re.sub(r"(Via: )", f"{detour}\r\n\\1", request, count=1))
    lq.answer(lq.expect("BYE"), 200)
    gateway.expect(200)
    stranger.send(from_caller("BYE", stranger, ok, uri=f"sip:x@{victim.host}:{victim.port}"))
    stranger.expect(403)
    assert victim.is_left_alone(0.2)


def test_a_known_i_and_an_unknown_dialog_is_lqs_to_refuse(lq: Peer, sip: Edge) -> None:
    stranger = sip.peer("x", "127.0.7.21")
    stranger.send(stranger.request("BYE", f"sip:lq@lq.internal;i={LQ1}", to="<sip:lq@lcall>;tag=none", cseq=2))
    lq.answer(lq.expect("BYE"), 481, "Call/Transaction Does Not Exist")
    stranger.expect(481)
    for _ in range(50):  # ACKs of nothing: no answer, no harm
        stranger.send(stranger.request("ACK", "sip:8001@lcall", to="<sip:lq@lcall>;tag=none"))
        stranger.send(stranger.request("ACK", "sip:lq@lq.internal;i=guess-00000000", to="<sip:lq@lcall>;tag=none"))
    assert stranger.is_left_alone(0.1) and lq.is_left_alone(0.1)


def test_an_answer_goes_where_the_request_came_from_not_where_its_via_says(sip: Edge) -> None:
    victim, stranger = sip.peer("victim"), sip.peer("x", "127.0.7.22")
    request = stranger.request("OPTIONS", "sip:lcall")
    request = request.replace(f"UDP {stranger.host}:{stranger.port}", f"UDP {victim.host}:{victim.port}")
    stranger.send(request.replace(";rport", ""))
    stranger.expect(200)
    assert victim.is_left_alone(0.1)


def test_too_many_hops(sip: Edge) -> None:
    peer = sip.peer("x", "127.0.7.23")
    peer.send(peer.request("INVITE", "sip:1@lcall").replace("Max-Forwards: 70", "Max-Forwards: 0"))
    peer.expect(483)


async def test_what_comes_back_to_us_is_a_loop(tmp_path: Path) -> None:
    """A trunk whose address is our own: a slip of the keyboard, and a call that would turn round until it is tired."""
    with edge(tmp_path) as own:
        kinds = documents()
        kinds["trunks"]["loop"] = {"id": "loop", "address": own.outside[0], "port": own.outside[1]}
        await own.publish(kinds)
        own.start()
        lq = own.lq(LQ1)
        lq.send(lq.request("INVITE", "sip:1@out.lq.internal;trunk=loop", user="01088001000", body=SDP))
        lq.expect(482)


# -- what became of the last gateway


def test_the_last_gateways_503_stays_503_with_its_cause(lq: Peer, gateway: Peer) -> None:
    lq.send(lq.request("INVITE", "sip:13800138000@out.lq.internal;trunk=gw1", user="01088001000", body=SDP))
    invite = gateway.expect("INVITE")
    gateway.answer(invite, 503, "No Circuit", headers=["Reason: Q.850;cause=34", "Retry-After: 7"])
    answer = lq.expect(503)
    assert (answer.header("Reason"), answer.header("Retry-After")) == ("Q.850;cause=34", "7")


def test_lqs_503_with_a_cause_is_the_calls_and_final(sip: Edge, lq: Peer, lq2: Peer, phone: Peer) -> None:
    call(phone, "13800138000", "demo-8001")
    lq.answer(lq.expect("INVITE"), 503, "Service Unavailable", headers=["Reason: Q.850;cause=34"])
    assert phone.expect(503).header("Reason") == "Q.850;cause=34"
    assert lq2.is_left_alone(0.1), "no other node is asked: this one lives"
