"""Malformed and merely odd requests, and what is answered: a status, or None where nothing can or shall be.

The first part is what a fuzzer sent to the first edge; the second follows RFC 4475 ("torture tests"), message by
message, its names kept. `@HOST@` and `@BRANCH@` are put in by the test, for each case has a socket of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Case:
    name: str
    message: bytes
    answers: tuple[int | None, ...]  # any of these


def request(
    start: str = "OPTIONS sip:lcall SIP/2.0",
    *more: str,
    from_: str | None = "<sip:a@b>;tag=1",
    to: str | None = "<sip:lcall>",
    cseq: str | None = "1 OPTIONS",
    forwards: str = "70",
    length: str = "0",
    via: str = "SIP/2.0/UDP @HOST@;branch=@BRANCH@",
    body: str = "",
) -> bytes:
    lines = [start, f"Via: {via}", f"Max-Forwards: {forwards}"]
    lines += [] if from_ is None else [f"From: {from_}"]
    lines += [] if to is None else [f"To: {to}"]
    lines += ["Call-ID: @BRANCH@"]
    lines += [] if cseq is None else [f"CSeq: {cseq}"]
    lines += [*more, f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


INVITE: Final = "INVITE sip:1@lcall SIP/2.0"
FUZZED: Final = (
    Case("good", request(), (200,)),
    Case("cseq of another method", request(cseq="1 BYE"), (400,)),
    Case("cseq too large", request(cseq="36893488147419103232 OPTIONS"), (400,)),
    Case("content-length negative", request(length="-999"), (400, None)),
    Case("content-length larger than the datagram", request(length="9999"), (400,)),
    Case("version 7", request("OPTIONS sip:lcall SIP/7.0"), (505, None)),
    Case("unknown scheme", request("OPTIONS nobody:x SIP/2.0"), (416,)),
    Case("no from", request(from_=None), (400, None)),
    Case("no to", request(to=None), (400, None)),
    Case("no cseq", request(cseq=None), (400, None)),
    Case("quote not closed in from", request(from_='"x <sip:a@b>;tag=1'), (400, None)),
    Case("escaped NUL", request("OPTIONS sip:null-%00-null@lcall SIP/2.0"), (400,)),
    Case("proxy-require", request(INVITE, "Proxy-Require: nothingSupportsThis", cseq="1 INVITE"), (420,)),
    Case("max-forwards 0", request(forwards="0"), (483,)),
    Case("max-forwards 256", request(forwards="256"), (400,)),
    Case("max-forwards a word", request(forwards="many"), (400, None)),
    Case("two cseq", request("OPTIONS sip:lcall SIP/2.0", "CSeq: 2 OPTIONS"), (400, None)),
    Case("two from", request("OPTIONS sip:lcall SIP/2.0", "From: <sip:c@d>;tag=2"), (400, None)),
    Case("scanner", request("OPTIONS sip:lcall SIP/2.0", "User-Agent: friendly-scanner"), (None,)),
    Case("no end", b"INVITE sip:x SIP/2.0\r\nVia: ", (None,)),
    Case("random bytes", bytes((n * 167 + 13) % 256 for n in range(400)), (None,)),
    Case("line feeds only", request().replace(b"\r\n", b"\n"), (400, None)),
    Case("60 kB of header", request("OPTIONS sip:lcall SIP/2.0", "X-A: " + "a" * 60_000), (513, None)),
    Case("a hundred headers too many", request("OPTIONS sip:lcall SIP/2.0", *["X-A: 1"] * 150), (400,)),
    Case("a long call-id", request().replace(b"Call-ID: ", b"Call-ID: " + b"x" * 400), (400,)),
    Case("control characters", request("OPTIONS sip:lcall SIP/2.0", "X-A: \x01\x02"), (400,)),
    Case("a header without a colon", request("OPTIONS sip:lcall SIP/2.0", "no colon"), (400, None)),
    Case("empty", b"", (None,)),
    Case("blank lines", b"\r\n\r\n\r\n", (None,)),
)

TORTURE: Final = (
    # §3.1.1 valid
    Case(
        "wsinv",
        (
            b"OPTIONS sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\nTO :\r\n"
            b" sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
            b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
            b"MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.@BRANCH@\r\nContent-Length   : 0\r\ncseq: 0009\r\n  OPTIONS\r\n"
            b"Via  : SIP  /   2.0\r\n /UDP\r\n    @HOST@;branch=@BRANCH@\r\ns :\r\n"
            b"NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
            b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nRoute:\r\n"
            b" <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
            b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
            b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
            b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
            b"  secondparam ; q = 0.33\r\n\r\n"
        ),
        (None,),  # valid, but Kamailio's parser (5.6.3) cannot read a folded CSeq; no device sends one
    ),
    Case(
        "intmeth (a method that we do not know)",
        request("!interesting-Method0123456789_*+`.%indeed'~ sip:lcall SIP/2.0", cseq="139122385 !interesting-Method"),
        (400, 405, None),
    ),
    Case("esc01", request("OPTIONS sip:sips%3Auser%40example.com@example.net SIP/2.0"), (200,)),
    Case("escnull", request(from_="sip:null-%00-null@example.com;tag=839923423"), (400,)),
    Case("esc02", request("RE%47IST%45R sip:lcall SIP/2.0", cseq="29344 RE%47IST%45R"), (400, 405, None)),
    Case("lwsdisp", request(from_="caller<sip:caller@example.com>;tag=323"), (200,)),
    Case(
        "longreq (too long for us)",
        request("OPTIONS sip:lcall SIP/2.0", *[f"Unknown-{'Long' * 60}{n}: {'value ' * 60}" for n in range(30)]),
        (513,),
    ),
    Case("dblreq", request() + b"INVITE sip:joe@example.com SIP/2.0\r\n\r\n", (200, 400)),
    Case("semiuri", request("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"), (200,)),
    Case(
        "transports",
        request("OPTIONS sip:lcall SIP/2.0", "Via: SIP/2.0/UNKNOWN t5.example.com;branch=z9hG4bK0"),
        (200,),
    ),
    Case("unreason (a response nobody asked for)", b"SIP/2.0 200 = 2**3 * 5**2\r\n\r\n", (None,)),
    Case("noreason", b"SIP/2.0 100 \r\nVia: SIP/2.0/UDP @HOST@;branch=@BRANCH@\r\n\r\n", (None,)),
    # §3.1.2 invalid
    Case("badinv01", request(INVITE, "Contact: <sip:joe@example.com>;;;;", cseq="1 INVITE", via=""), (400, None)),
    Case(
        "clerr",
        request(INVITE, "Content-Type: application/sdp", cseq="1 INVITE", length="9999", body="v=0\r\n"),
        (400,),
    ),
    Case("ncl", request(INVITE, cseq="1 INVITE", length="-999"), (400, None)),
    Case("scalar02", request(cseq="36893488147419103232 OPTIONS", forwards="300"), (400, None)),
    Case(
        "scalarlg (a response)",
        b"SIP/2.0 503 Service Unavailable\r\nRetry-After: 949302838503028349304023988\r\n\r\n",
        (None,),
    ),
    Case("quotbal", request(to='"Mr. J. User <sip:j.user@example.com>'), (400, None)),
    Case("ltgtruri", request("OPTIONS <sip:user@example.com> SIP/2.0"), (400, 416, None)),
    Case("lwsruri", request("OPTIONS sip:user@example.com; lr SIP/2.0"), (400, None)),
    Case("lwsstart", request("OPTIONS  sip:user@example.com  SIP/2.0"), (400, None)),
    Case("trws", request("OPTIONS sip:user@example.com SIP/2.0  "), (400, 505, None)),
    Case("escruri", request("OPTIONS sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"), (200, 400)),
    Case("baddate", request("OPTIONS sip:lcall SIP/2.0", "Date: Fri, 01 Jan 2010 16:00:00 EST"), (200, 400)),
    Case(
        "regbadct",
        request("REGISTER sip:lcall SIP/2.0", "Contact: sip:a@b?Route=%3Csip:c%3E", cseq="1 REGISTER"),
        (400, 401),
    ),
    Case("badaspec", request(to='"Watson, Thomas" < sip:t.watson@example.org >'), (200, 400)),
    Case("baddn", request(from_="Bell, Alexander <sip:a.g.bell@example.com>;tag=43"), (200, 400, None)),
    Case("badvers", request("OPTIONS sip:t.watson@example.org SIP/7.0"), (505, None)),
    Case("mismatch01", request(cseq="8 INVITE"), (400,)),
    Case("mismatch02", request("NEWMETHOD sip:lcall SIP/2.0", cseq="8 INVITE"), (400, 501)),
    Case("bigcode (a response)", b"SIP/2.0 4294967301 better not break the receiver\r\n\r\n", (None,)),
    # §3.2 to §3.4
    Case("badbranch", request(via="SIP/2.0/UDP @HOST@;branch=z9hG4bK"), (200, 400)),
    Case(
        "insuf",
        b"INVITE sip:user@example.com SIP/2.0\r\nCSeq: 193942 INVITE\r\nVia: SIP/2.0/UDP @HOST@;branch=@BRANCH@\r\n"
        b"Content-Length: 0\r\n\r\n",
        (400, None),
    ),
    Case("unkscm", request("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"), (416,)),
    Case("novelsc", request("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"), (416,)),
    Case(
        "unksm2", request("REGISTER sip:example.com SIP/2.0", to="isbn:2983792873", cseq="1 REGISTER"), (400, 416, None)
    ),
    Case(
        "bext01",
        request(INVITE, "Require: nothingSupportsThis", "Proxy-Require: noProxiesSupportThis", cseq="1 INVITE"),
        (420,),
    ),
    Case(
        "invut",
        request(INVITE, "Content-Type: application/unknownformat", cseq="1 INVITE", length="5", body="<x/>\n"),
        (407,),
    ),
    Case(
        "regaut01",
        request(
            "REGISTER sip:lcall SIP/2.0", "Authorization: NoOneKnowsThisScheme opaque-data=here", cseq="9338 REGISTER"
        ),
        (401,),
    ),
    Case(
        "multi01",
        request(
            INVITE, "CSeq: 59 INVITE", "Call-ID: multi01.2", "From: <sip:c@d>;tag=3", "Max-Forwards: 5", cseq="5 INVITE"
        ),
        (400, None),
    ),
    Case("mcl01", request("OPTIONS sip:lcall SIP/2.0", "Content-Length: 13", length="5", body="12345"), (400, None)),
    Case("zeromf", request(forwards="0"), (483,)),
    Case(
        "cparam01",
        request(
            "REGISTER sip:lcall SIP/2.0", "Contact: sip:+19725552222@gw1.example.net;unknownparam", cseq="1 REGISTER"
        ),
        (401,),
    ),
    Case(
        "regescrt",
        request("REGISTER sip:lcall SIP/2.0", "Contact: <sip:user@example.com?Route=%3Csip:c%3E>", cseq="1 REGISTER"),
        (401,),
    ),
    Case("sdp01", request(INVITE, "Accept: text/nobodyKnowsThis", cseq="1 INVITE"), (407,)),
    Case(
        "inv2543 (no branch, no Max-Forwards)",
        b"INVITE sip:UserB@lcall SIP/2.0\r\nVia: SIP/2.0/UDP @HOST@\r\nFrom: <sip:a@b>\r\nTo: <sip:UserB@lcall>\r\n"
        b"Call-ID: @BRANCH@\r\nCSeq: 1 INVITE\r\n\r\n",
        (400, 407),
    ),
)
