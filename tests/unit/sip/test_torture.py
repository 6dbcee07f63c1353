"""RFC 4475, the torture messages that a user agent behind a proxy can meet, and what ours makes of each."""

from __future__ import annotations

import pytest

from lq.sip import events as ev
from lq.sip.message import ParseError, Request, Response, parse
from tests.unit.sip.peer import THEM, Peer

U = "sip:user@example.com SIP/2.0"
VIA = "Via: SIP/2.0/UDP host.example.com;branch=z9hG4bKkdjuw"
DIALOG = "To: <sip:c@example.com>\nFrom: <sip:a@example.net>;tag=1\nCall-ID: t.1\n"
CONTACT = "Contact: <sip:a@host.example.com>\n"


def wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")


# What must be read: RFC section, message, and what is answered (0: it becomes a call; None: it is a stray)
READ = {
    "3.1.1.1 white space and folding": (
        "INVITE sip:v@example.com;unknownparam SIP/2.0\nTO :\n sip:v@example.com ;   tag    = 1918181833n\n"
        'from   : "J Rosenberg \\\\\\""       <sip:j@example.com>\n  ;\n  tag = 98asjd8\nMaX-fOrWaRdS: 0068\n'
        "Call-ID: wsinv\nContent-Length   : 0\ncseq: 0009\n  INVITE\nVia  : SIP  /   2.0\n /UDP\n"
        "    192.0.2.2;branch=390skdjuw\ns :\nUnknownHeaderWithUnusualValue: ;;,,;;,;\n"
        "Route:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\n"
        "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n"
        " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239\n"
        'm:"Quoted string \\"\\"" <sip:j@example.com> ; newparam =\n      newvalue ;\n  secondparam ; q = 0.33\n\n',
        None,
    ),
    "3.1.1.2 a wide range of characters": (
        "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,"
        f"weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\n{VIA}\n{DIALOG}"
        "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\n\n",
        405,
    ),
    "3.1.1.3 escapes": (
        f"INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\nTo: sip:%75se%72@example.com\n"
        f"From: <sip:I%20have%20spaces@example.net>;tag=938\ni: esc01\nCSeq: 234234 INVITE\n{VIA}\n"
        "Contact:\n  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>\nContent-Length: 0\n\n",
        0,
    ),
    "3.1.1.4 escaped nulls": (
        f"REGISTER sip:example.com SIP/2.0\nTo: sip:null-%00-null@example.com\n"
        f"From: sip:null-%00-null@example.com;tag=8\n"
        f"Call-ID: escnull\nCSeq: 14398234 REGISTER\n{VIA}\nContact: <sip:%00@host5.example.com>\nL:0\n\n",
        405,
    ),
    "3.1.1.5 a method with %": (
        f"RE%47IST%45R sip:r@example.com SIP/2.0\n{VIA}\n{DIALOG}CSeq: 1 RE%47IST%45R\n\n", 405,
    ),
    "3.1.1.6 no space before <": (
        f"OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\n"
        f"From: caller<sip:caller@example.com>;tag=323\n"
        f"{VIA}\nCall-ID: lwsdisp\nCSeq: 60 OPTIONS\n\n",
        200,
    ),
    "3.1.1.7 long values": (
        f"INVITE {U}\nTo: {'extreme proportion' * 20}<sip:u@example.com>\nFrom: sip:{'longname' * 15}@example.net;"
        f"tag=12{'982' * 50}424;{'unknown' * 10}name={'v' * 200}\n{VIA};{'verylongparameter' * 20}\n"
        f"Call-ID: long{'req' * 40}\nCSeq: 3882340 INVITE\n{CONTACT}l: 0\n\n",
        0,
    ),
    "3.1.1.8 something behind the message": (
        f"REGISTER sip:example.com SIP/2.0\n{VIA}\n{DIALOG}CSeq: 8 REGISTER\nContent-Length: 0\n\n"
        f"INVITE sip:joe SIP/2.0\n",
        405,
    ),
    "3.1.1.9 a semicolon in the user part": (
        f"OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0\n{VIA}\n{DIALOG}CSeq: 8 OPTIONS\n\n", 200,
    ),
    "3.1.1.10 many transports": (
        f"OPTIONS {U}\n{VIA}\nVia: SIP/2.0/UDP t1.example.com;branch=z9hG4bK1\n"
        "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bK2\nVia: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bK4\n"
        f"{DIALOG}CSeq: 7 OPTIONS\n\n",
        200,
    ),
    "3.1.2.1 extraneous separators": (
        f"INVITE {U}\n{VIA};;,;,,\n{DIALOG}CSeq: 8 INVITE\nContact: <sip:a@b.example>;;;;\n\n", 0,
    ),
    "3.1.2.7 <> around the request's URI": (
        f"INVITE <sip:user@example.com> SIP/2.0\n{VIA}\n{DIALOG}CSeq: 1 INVITE\n{CONTACT}\n", 0,
    ),
    "3.1.2.13 an unquoted display name": (
        f"OPTIONS sip:t@example.org SIP/2.0\n{VIA}\nFrom: Bell, Alexander <sip:a.g.bell@example.com>;tag=43\n"
        "To: Watson, Thomas <sip:t@example.org>\nCall-ID: baddn\nCSeq: 31 OPTIONS\n\n",
        200,
    ),
    "3.2.1 a branch of the cookie alone": (
        f"OPTIONS sip:u@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\n"
        f"{DIALOG}CSeq: 8 OPTIONS\n\n", 200,
    ),
    "3.3.2 an unknown scheme": (
        f"OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0\n{VIA}\n{DIALOG}CSeq: 3 OPTIONS\n\n", 200,
    ),
    "3.3.5 an extension that nobody knows": (
        f"INVITE {U}\n{VIA}\n{DIALOG}CSeq: 8 INVITE\n"
        f"{CONTACT}Require: nothingSupportsThis, nothingSupportsThisEither\n\n",
        420,
    ),
    "3.3.6 a body that nobody knows": (
        f"INVITE {U}\n{VIA}\n{DIALOG}CSeq: 8 INVITE\n{CONTACT}Content-Type: application/unknownformat\n"
        "Content-Length: 8\n\n<audio/>",
        415,
    ),
    "3.3.8 the same header more than once": (
        f"OPTIONS {U}\n{VIA}\n{DIALOG}To: sip:other@example.net\nCall-ID: other\nCSeq: 59 OPTIONS\nCSeq: 60 INVITE\n\n",
        200,
    ),
    "3.3.11 no hops left": (f"OPTIONS {U}\n{VIA}\n{DIALOG}Max-Forwards: 0\nCSeq: 3 OPTIONS\n\n", 200),
    "3.4.1 a caller of RFC 2543": (
        "INVITE sip:UserB@example.com SIP/2.0\nVia: SIP/2.0/UDP iftgw.example.com\n"
        "From: <sip:+1@iftgw.example.com;user=phone>\n"
        "Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>\nTo: sip:+16505552222@ss1.example.net;user=phone\n"
        "Call-ID: inv2543\nCSeq: 56 INVITE\nContact: sip:+1@iftgw.example.com;user=phone\n\n",
        0,
    ),
}  # fmt: skip

# What cannot be read.
UNREADABLE = {
    "3.1.1.2 a null, though quoted": f'OPTIONS {U}\n{VIA}\n{DIALOG}CSeq: 1 OPTIONS\nSubject: "\\\0"\n\n',
    "3.1.2.2 a length beyond the datagram": f"INVITE {U}\n{VIA}\n{DIALOG}CSeq: 1 INVITE\nContent-Length: 9999\n\nv=0",
    "3.1.2.3 a negative length": f"INVITE {U}\n{VIA}\n{DIALOG}CSeq: 1 INVITE\nContent-Length: -999\n\nv=0",
    "3.1.2.4 numbers out of range": (
        f"REGISTER sip:e.com SIP/2.0\n{VIA}\n{DIALOG}CSeq: 36893488147419103232 REGISTER\n\n"
    ),
    "3.1.2.5 the same in an answer": (
        f"SIP/2.0 503 Service Unavailable\n{VIA}\n{DIALOG}CSeq: 9292394834772304023312 OPTIONS\n\n"
    ),
    "3.1.2.16 a version of the future": f"OPTIONS sip:t@example.com SIP/7.0\n{VIA}\n{DIALOG}CSeq: 1 OPTIONS\n\n",
    "3.1.2.17 two methods": f"OPTIONS {U}\n{VIA}\n{DIALOG}CSeq: 8 INVITE\n\n",
    "3.1.2.18 two methods, one unknown": f"NEWMETHOD {U}\n{VIA}\n{DIALOG}CSeq: 8 INVITE\n\n",
    "3.1.2.19 an overlarge code": (
        f"SIP/2.0 4294967301 better not break the receiver\n{VIA}\n{DIALOG}CSeq: 353494 INVITE\n\n"
    ),
    "3.3.1 headers missing": (
        "INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj\n\n"
    ),
    "3.3.9 two lengths": f"OPTIONS {U}\n{VIA}\n{DIALOG}CSeq: 8 OPTIONS\nContent-Length: 2\nl: 0\n\nab",
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_must_be_read(name: str) -> None:
    text, code = READ[name]
    peer = Peer(strict=False)
    peer.ua.receive(wire(text), THEM, 0.0)
    if code is None:
        assert peer.count(ev.Stray) == 1
    elif code == 0:
        session = peer.told(ev.Incoming).session
        assert peer.ua.accept(session, "v=0", now=0.0) and peer.ua.bye(session, now=0.0)
    else:
        assert peer.sent(code)


# … and of that, what is answered all the same; the rest has nobody whom an answer would reach.
ANSWERED = {
    "3.1.2.2 a length beyond the datagram": 400,
    "3.1.2.3 a negative length": 400,
    "3.1.2.16 a version of the future": 505,
    "3.1.2.17 two methods": 400,
    "3.1.2.18 two methods, one unknown": 400,
    "3.3.9 two lengths": 400,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read(name: str) -> None:
    with pytest.raises(ParseError):
        parse(wire(UNREADABLE[name]))
    peer = Peer()
    peer.give(wire(UNREADABLE[name]))
    peer.give(wire(UNREADABLE[name]))
    if name in ANSWERED:
        answers = [parse(data) for data in peer.wire_log]
        assert [answer.code for answer in answers if isinstance(answer, Response)] == 2 * [ANSWERED[name]]
        assert answers[0] == answers[1] and answers[0].call_id == "t.1" and answers[0].to_tag
        assert answers[0].all("via")[0].startswith(VIA.removeprefix("Via: "))
    else:
        assert peer.wire_log == []
    assert peer.log == []
    peer.run(40)
    assert peer.ua.idle


BROKEN = "INVITE sip:user@example.com SIP/2.0\n{}\n{}CSeq: {}\nContent-Length: x\n\n"


@pytest.mark.parametrize(
    ("message", "answered"),
    [
        (BROKEN.format(VIA, DIALOG, "1 INVITE"), True),
        (BROKEN.format(VIA + "\nno header at all\n: nameless", DIALOG, "1 INVITE"), True),
        (BROKEN.format(VIA + "\n" + "A: b\n" * 300, DIALOG, "1 INVITE"), False),  # Call-ID stands behind all that
        (BROKEN.format("Via: nonsense", DIALOG, "1 INVITE"), False),
        (BROKEN.format("", DIALOG, "1 INVITE"), False),
        (BROKEN.format(VIA, DIALOG.replace("To:", "Two:"), "1 INVITE"), False),
        (BROKEN.format(VIA, DIALOG.replace("t.1", ""), "1 INVITE"), False),
        (BROKEN.format(VIA, DIALOG, "one INVITE"), False),
        (BROKEN.format(VIA, DIALOG, "2147483648 INVITE"), False),
        (BROKEN.format(VIA, DIALOG, "1 ACK"), False),
        (BROKEN.format(VIA, DIALOG, "1 INVITE").replace("INVITE sip", "ACK sip"), False),
        (
            BROKEN.format(VIA, DIALOG, "1 INVITE").replace("INVITE sip:user@example.com SIP/2.0", "SIP/2.0 200 OK"),
            False,
        ),
        (BROKEN.format(VIA, DIALOG, "1 INVITE").replace(" SIP/2.0\nVia", " HTTP/1.1\nVia"), False),
        (BROKEN.format(VIA, DIALOG, "1 INVITE").replace("sip:user@example.com ", ""), True),
    ],
)
def test_who_can_be_answered_is(message: str, answered: bool) -> None:
    peer = Peer()
    peer.give(wire(message))
    assert [data.split(b"\r\n")[0] for data in peer.wire_log] == ([b"SIP/2.0 400 Bad Request"] if answered else [])
    if answered:  # an INVITE, whose refusal is repeated until its ACK is there (§17.2.1)
        refusal = peer.sent(400)
        echo = {name: list(refusal.all(name)) for name in ("via", "from", "to", "call-id")}
        peer.run(1.0)
        assert len(peer.wire_log) > 1
        peer.give(Request(echo | {"cseq": ["1 ACK"]}, b"", "ACK", "sip:user@example.com").encode())
        before = len(peer.wire_log)
        peer.run(40)
        assert len(peer.wire_log) == before and peer.count(ev.Stray) == 0
    assert peer.ua.idle


def test_reasons_in_any_language_or_none() -> None:
    """3.1.1.12, 3.1.1.13."""
    for code, reason in ((200, "= 2**3 * 5**2 но сто девяносто девять"), (100, "")):
        message = parse(wire(f"SIP/2.0 {code} {reason}\n{VIA}\n{DIALOG}CSeq: 1 INVITE\n\n"))
        assert isinstance(message, Response) and (message.code, message.reason) == (code, reason)
        again = parse(message.encode())
        assert isinstance(again, Response) and again.reason == reason
