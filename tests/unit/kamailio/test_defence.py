"""What is not let in, message by message; and that nothing a stranger sends harms the reader of it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamailio import defence
from kamailio.defence import Guesses

GOOD = (
    b"INVITE sip:4008001000@lcall SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b'From: "\xb1\xb1\xbe\xa9" <sip:8001@lcall>;tag=1\r\nTo: <sip:4008001000@lcall>\r\nCall-ID: a@b\r\n'
    b"CSeq: 1 INVITE\r\nContact: <sip:8001@192.0.2.1>\r\nContent-Type: application/sdp\r\n"
    b"Content-Length: 4\r\n\r\nv=0\n"
)


def without(name: bytes) -> bytes:
    return re.sub(rb"(?m)^" + name + rb": .*\r\n", b"", GOOD)


def with_header(line: bytes) -> bytes:
    return GOOD.replace(b"Max-Forwards", line + b"\r\nMax-Forwards")


def test_a_good_request_passes_whatever_its_letters() -> None:
    assert defence.fault(GOOD, datagram=True) is None
    folded = GOOD.replace(b"Call-ID: a@b", b"i :\r\n  a@b")
    assert defence.fault(folded, datagram=True) is None
    assert defence.fault(without(b"Content-Length"), datagram=True) is None, "a datagram ends where it ends"


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"", "400 Bad Request Line"),
        (GOOD.replace(b"\r\n", b"\n"), "400 Control Character"),
        (GOOD.replace(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"), "505 Version Not Supported"),
        (GOOD.replace(b"INVITE sip:", b"INVITE http:"), "416 Unsupported URI Scheme"),
        (GOOD.replace(b"sip:4008001000@lcall SIP", b"sip:" + b"4" * 600 + b"@lcall SIP"), "414 Request-URI Too Long"),
        (GOOD.replace(b"sip:4008001000@lcall SIP", b"sip:%00@lcall SIP"), "400 Bad Request-URI"),
        (GOOD.replace(b"sip:4008001000@lcall SIP", b"<sip:4008001000@lcall> SIP"), "416 Unsupported URI Scheme"),
        (GOOD.replace(b"INVITE sip", b"INVITE  sip"), "400 Bad Request Line"),
        *((without(name), f"400 No {name.decode()}") for name in (b"Via", b"From", b"To")),
        (without(b"Call-ID"), "400 No Call-Id"),
        (without(b"CSeq"), "400 No Cseq"),
        (with_header(b"CSeq: 2 INVITE"), "400 More Than One Cseq"),
        (with_header(b"f: <sip:8002@lcall>;tag=2"), "400 More Than One From"),
        (with_header(b"Max-Forwards: 70"), "400 More Than One Max-Forwards"),
        (with_header(b"no colon here"), "400 Bad Header"),
        (with_header(b"bad name: x"), "400 Bad Header"),
        (with_header(b"X: \x00"), "400 Control Character"),
        (with_header(b"X: a\rb"), "400 Control Character"),
        (with_header(b"\r\n".join(b"X: %d" % n for n in range(100))), "400 Too Many Headers"),
        (with_header(b"X: " + b"a" * 17_000), "513 Message Too Large"),
        (GOOD.replace(b"1 INVITE", b"1 BYE"), "400 CSeq Names Another Method"),
        (GOOD.replace(b"1 INVITE", b"36893488147419103232 INVITE"), "400 Bad CSeq"),
        (GOOD.replace(b"1 INVITE", b"2147483648 INVITE"), "400 Bad CSeq"),
        (GOOD.replace(b"1 INVITE", b"INVITE"), "400 Bad CSeq"),
        (GOOD.replace(b"wards: 70", b"wards: 256"), "400 Bad Max-Forwards"),
        (GOOD.replace(b"wards: 70", b"wards: -1"), "400 Bad Max-Forwards"),
        (GOOD.replace(b"Length: 4", b"Length: -999"), "400 Bad Content-Length"),
        (GOOD.replace(b"Length: 4", b"Length: 9999"), "400 Body Too Short"),
        (GOOD.replace(b'"\xb1\xb1\xbe\xa9" <sip:8001', b'"x <sip:8001'), "400 Bad From"),
        (GOOD.replace(b"To: <sip:4008001000@lcall>", b"To: <sip:4008001000@lcall"), "400 Bad To"),
        (GOOD.replace(b"a@b", b"a" * 300), "400 Call-Id Too Long"),
        (without(b"Content-Type"), "400 No Content-Type"),
    ],
)
def test_what_is_wrong_is_said(message: bytes, answer: str) -> None:
    fault = defence.fault(message, datagram=True)
    assert fault is not None and f"{fault.code} {fault.reason}" == answer


def test_a_quote_that_does_not_close_is_found_at_once() -> None:
    """A second in which this worker hears nobody, for one datagram of anybody's."""
    began = time.process_time()
    for open_ in ('"' + '\\"' * 7_000, '"' + '\\"' * 7_000 + "\\"):
        wrong = defence.fault(GOOD.replace(b"Contact: ", b"Contact: " + open_.encode(), 1), datagram=True)
        assert wrong is not None and wrong.reason == "Bad Contact"
    assert time.process_time() - began < 0.25


def test_a_stream_needs_the_length() -> None:
    fault = defence.fault(without(b"Content-Length"), datagram=False)
    assert fault is not None and fault.reason == "No Content-Length"


@given(st.binary(max_size=400))
def test_no_message_makes_trouble(message: bytes) -> None:
    fault = defence.fault(message, datagram=True)
    assert fault is None or fault.code in (400, 414, 416, 505, 513)
    defence.offered_media(message, otherwise="rtp")


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_no_damage_to_a_good_message_makes_trouble(place: int, bytes_: bytes) -> None:
    message = GOOD[:place] + bytes_ + GOOD[place + len(bytes_) :]
    fault = defence.fault(message, datagram=True)
    assert fault is None or "\r" not in fault.reason


@pytest.mark.parametrize(
    ("contact", "detour"),
    [
        ("<sip:8001@192.0.2.1:5060;alias=192.0.2.9~5060~1>", True),
        ("<sip:8001@192.0.2.1; ALIAS =192.0.2.9~5060~1>", True),
        ("<sip:8001@192.0.2.1;maddr=192.0.2.9>", True),
        ("<sip:8001@192.0.2.1;transport=tcp;ob>;reg-id=1", False),
        ("<sip:alias=1@192.0.2.1>", False),
    ],
)
def test_a_contact_that_leads_elsewhere(contact: str, detour: bool) -> None:
    assert defence.is_detour(contact) is detour


@pytest.mark.parametrize(
    "name",
    ["X-LQ-Source", "x-lq-phone", "P-Asserted-Identity", "p-preferred-identity", "Diversion", "History-Info",
     "Remote-Party-ID", "Record-Route", "Path", "P-Charging-Vector"],
)  # fmt: skip
def test_claims_of_a_phone_are_taken_from_it(name: str) -> None:
    assert re.match(defence.CLAIMS, name, re.IGNORECASE)


@pytest.mark.parametrize("name", ["X-Customer", "Route", "Privacy", "Supported", "X-My-LQ-Header", "Pathology"])
def test_other_headers_stay(name: str) -> None:
    assert not re.match(defence.CLAIMS, name, re.IGNORECASE)


def test_scanners() -> None:
    assert defence.is_scanner("Friendly-Scanner") and defence.is_scanner("sipcli/v1.8")
    assert not defence.is_scanner("Yealink SIP-T46U 108.86.0.20") and not defence.is_scanner("")


@pytest.mark.parametrize(
    ("line", "media"),
    [
        (b"m=audio 1 RTP/AVP 8", "rtp"),
        (b"m=audio 1 RTP/SAVP 8", "srtp"),
        (b"m=audio 1 RTP/SAVPF 8", "srtp"),
        (b"m=audio 1 UDP/TLS/RTP/SAVPF 8", "webrtc"),
        (b"M=AUDIO 1 udp/tls/rtp/savpf 8", "webrtc"),
        (b"m=image 1 udptl t38", "rtp"),
    ],
)
def test_what_a_phone_offers(line: bytes, media: str) -> None:
    assert defence.offered_media(b"INVITE x\r\n\r\nv=0\r\n" + line + b"\r\n", otherwise="rtp") == media
    assert defence.offered_media(b"INVITE x\r\n\r\n", otherwise="srtp") == "srtp"


class Memory:
    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.counts: dict[str, int] = {}

    def get(self, key: str) -> str | None:
        return self.known.get(key)

    def set(self, key: str, value: str) -> None:
        self.known[key] = value

    def __getitem__(self, key: str) -> int:
        return self.counts.get(key, 0)

    def add(self, key: str) -> int:
        self.counts[key] = self[key] + 1
        return self.counts[key]


def test_a_guesser_is_not_listened_to_and_the_good_phone_goes_on() -> None:
    memory = Memory()
    guesses = Guesses(memory, memory, Memory())
    guesses.proved("192.0.2.1", "8001")
    for n in range(defence.WRONG_OF_A_USER_HERE):
        assert not guesses.is_locked("203.0.113.9", "8001")
        assert guesses.wrong("203.0.113.9", "8001") is (n + 1 >= defence.WRONG_OF_A_STRANGER)
    assert guesses.is_locked("203.0.113.9", "8001")
    assert not guesses.is_locked("203.0.113.9", "8002"), "another name has its own count"
    assert not guesses.is_locked("192.0.2.1", "8001") and not guesses.is_locked("198.51.100.7", "8001")


def test_a_name_guessed_from_everywhere_is_heard_only_where_it_is_known() -> None:
    memory = Memory()
    guesses = Guesses(memory, memory, Memory())
    guesses.proved("192.0.2.1", "8001")
    for n in range(defence.WRONG_OF_A_USER):
        guesses.wrong(f"203.0.113.{n}", "8001")
    assert guesses.is_locked("198.51.100.7", "8001")
    assert not guesses.is_locked("192.0.2.1", "8001")


def test_many_wrong_passwords_from_one_address() -> None:
    memory = Memory()
    guesses = Guesses(memory, memory, Memory())
    told = [guesses.wrong("203.0.113.9", f"80{n:02}") for n in range(defence.WRONG_OF_A_STRANGER)]
    assert told == [False] * (len(told) - 1) + [True]


def test_a_long_name_is_no_long_key() -> None:
    memory = Memory()
    guesses = Guesses(memory, memory, memory)
    guesses.wrong("203.0.113.9", "x" * 10_000)
    assert guesses.is_heard_in_need("203.0.113.9", "x" * 10_000, 1_700_000_000)
    assert max(map(len, memory.counts)) < 100


def test_in_need_one_password_a_second_is_looked_at() -> None:
    guesses = Guesses(Memory(), Memory(), Memory())
    for _ in range(defence.FIRST_OF_A_USER_HERE):
        guesses.is_heard_in_need("203.0.113.9", "8001", 1)
    heard = [guesses.is_heard_in_need("203.0.113.9", "8001", second) for second in (2, 3) for _ in range(100)]
    assert [heard[:100].count(True), heard[100:].count(True)] == [1, 1]
    assert guesses.is_heard_in_need("203.0.113.9", "8002", 3), "another name has its own"


def test_who_calls_for_help_for_the_first_time_has_no_guesser_before_him() -> None:
    guesses = Guesses(Memory(), Memory(), Memory())
    for second in range(10):
        for _ in range(100):
            guesses.is_heard_in_need("203.0.113.9", "8001", second)
    assert guesses.is_heard_in_need("192.0.2.1", "8001", 9)
    several = [guesses.is_heard_in_need(f"198.51.100.{n}", "8001", 9) for n in range(50)]
    assert not any(several), "nor do fifty addresses guess fifty times as fast"
