"""What phones and carriers say about their media, as RFC 8866 and RFC 3264 mean it; hostile text gets one error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lq.media import sdp
from lq.media.sdp import BadSdp, audio

HEAD = "v=0\r\no=gw 1 1 IN IP4 127.0.1.1\r\ns=-\r\nc=IN IP4 127.0.1.1\r\nt=0 0\r\n"
DIGITS = "9" * 5_000  # int() takes no more than 4,300


def offer(*media: str, head: str = HEAD) -> str:
    return head + "".join(line + "\r\n" for line in media)


PLAIN = offer("m=audio 4000 RTP/AVP 8 0 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=sendrecv")


def test_a_gateways_offer() -> None:
    found = audio(PLAIN)
    assert (found.address, found.port, found.direction, found.index, found.streams) == (
        "127.0.1.1", 4000, "sendrecv", 0, 1,
    )  # fmt: skip
    assert [codec.map for codec in found.codecs] == ["PCMA/8000", "PCMU/8000", "telephone-event/8000"]
    assert found.event and (found.event.payload, found.event.parameters) == (101, "0-15")
    assert not found.held


@pytest.mark.parametrize(
    ("payloads", "maps", "codec"),
    [
        ("8", (), "PCMA/8000"),
        ("0 8", (), "PCMA/8000"),  # ours to choose: nothing to transcode
        ("0 18", (), "PCMU/8000"),
        ("18 9", (), "G722/8000"),
        ("18", (), "G729/8000"),
        ("18", ("a=rtpmap:18 G729A/8000",), "G729/8000"),
        ("97", ("a=rtpmap: 97 PCMA/8000",), "PCMA/8000"),
        ("111", ("a=rtpmap:111 opus/48000/2",), "opus/48000/2"),
        ("97 8", ("a=rtpmap:97 pcma/8000",), "pcma/8000"),  # names are not case-sensitive; the first one counts
        ("8", ("a=rtpmap:8 PCMU/8000",), "PCMU/8000"),  # an rtpmap overrides what is static
        ("96", ("a=rtpmap:96 AMR/8000",), None),
        ("96 97", ("a=rtpmap:96 AMR-WB/16000", "a=rtpmap:97 EVS/16000"), None),
        ("97", ("a=rtpmap:97 PCMA/16000",), None),  # no A-law that anybody speaks
        ("97", ("a=rtpmap:97 opus/8000",), None),
        ("97", ("a=rtpmap:97 /8000",), None),
        ("97", ("a=rtpmap:97 PCMA",), None),
        ("97", ("a=rtpmap:97 PCMA/8000/",), None),
        ("97", ("a=rtpmap:97 PCMA/" + DIGITS,), None),
        ("97", ("a=rtpmap:97 opus/48000/" + DIGITS,), None),
        (DIGITS, (f"a=rtpmap:{DIGITS} PCMA/8000", f"a=fmtp:{DIGITS} x"), None),
        (DIGITS + " 8", (), "PCMA/8000"),
        ("97", (), None),
        ("", (), None),
        ("x y", (), None),
    ],
)
def test_the_codec_in_common(payloads: str, maps: tuple[str, ...], codec: str | None) -> None:
    found = sdp.common(audio(offer(f"m=audio 4000 RTP/AVP {payloads}".rstrip(), *maps)))
    assert (found and found.map) == codec


@pytest.mark.parametrize(
    ("payloads", "codec"),
    [("0 8", "PCMU"), ("8 0", "PCMA"), ("9 8 0 18", "G722"), ("3 18 8", "G729"), ("3 4", None), ("101 8", "PCMA")],
)
def test_who_names_several_in_his_answer_speaks_the_first(payloads: str, codec: str | None) -> None:
    found = sdp.spoken(audio(offer(f"m=audio 4000 RTP/AVP {payloads}", "a=rtpmap:101 telephone-event/8000")))
    assert (found and found.name) == codec


def test_the_codec_that_is_spoken_may_stay() -> None:
    found = sdp.common(audio(PLAIN), ("PCMU", *sdp.CODECS))
    assert found and found.name == "PCMU"


@pytest.mark.parametrize(
    ("media", "index", "answered"),
    [
        (
            ["m=audio 4000 RTP/AVP 8", "m=video 4002 RTP/AVP 96"],
            0,
            ["m=audio 9000 RTP/AVP 8", "m=video 0 RTP/AVP 96"],
        ),
        (
            ["m=video 4002 RTP/AVP 96 97", "a=rtpmap:96 H264/90000", "m=audio 4000 RTP/AVP 8"],
            1,
            ["m=video 0 RTP/AVP 96 97", "m=audio 9000 RTP/AVP 8"],
        ),
        (  # secure or not, as the phone's menu says "optional"
            ["m=audio 4004 RTP/SAVP 8", "m=audio 4000 RTP/AVP 8"],
            1,
            ["m=audio 0 RTP/SAVP 8", "m=audio 9000 RTP/AVP 8"],
        ),
        (
            ["m=audio 4000 RTP/AVP 8", "m=audio 4006 RTP/AVP 8"],
            0,
            ["m=audio 9000 RTP/AVP 8", "m=audio 0 RTP/AVP 8"],
        ),
        (
            ["m=audio 0 RTP/AVP 0", "m=audio 4000 RTP/AVP 8", "m=image 4010 udptl t38", "m=application 5 TCP/BFCP *"],
            1,
            ["m=audio 0 RTP/AVP 0", "m=audio 9000 RTP/AVP 8", "m=image 0 udptl t38", "m=application 0 TCP/BFCP *"],
        ),
    ],
)
def test_one_stream_is_taken_and_the_others_are_refused_in_their_place(
    media: list[str], index: int, answered: list[str]
) -> None:
    text = offer(*media)
    assert (audio(text).index, audio(text).port) == (index, 4000)
    answer = sdp.with_refused(sdp.inner("127.0.0.1", 9000).replace(" 8 101", " 8"), text)
    assert [line for line in answer.splitlines() if line.startswith("m=")] == answered
    assert audio(answer).port == 9000


CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40
DTLS = ("a=fingerprint:sha-256 AA:BB", "a=setup:actpass", "a=ice-ufrag:u", "a=ice-pwd:p")


@pytest.mark.parametrize(
    ("profile", "lines", "kind", "told"),
    [
        ("RTP/AVP", (), "rtp", "RTP/AVP"),
        ("RTP/AVPF", ("a=rtcp-fb:* nack",), "rtp", "RTP/AVP"),  # RFC 4585
        ("rtp/avpf", (), "rtp", "RTP/AVP"),
        ("RTP/SAVP", (CRYPTO,), "srtp", "RTP/SAVP"),
        ("RTP/SAVPF", (CRYPTO,), "srtp", "RTP/SAVP"),  # RFC 5124
        ("RTP/SAVPF", DTLS, "webrtc", "UDP/TLS/RTP/SAVPF"),
        ("RTP/SAVPF", (CRYPTO, *DTLS), "webrtc", "UDP/TLS/RTP/SAVPF"),
        ("RTP/SAVPF", (CRYPTO, DTLS[0]), "srtp", "RTP/SAVP"),  # without ICE it is no browser
        ("UDP/TLS/RTP/SAVP", DTLS, "webrtc", "UDP/TLS/RTP/SAVPF"),
    ],
)
def test_with_and_without_feedback_it_is_the_same_and_answered_as_it_was_offered(
    profile: str, lines: tuple[str, ...], kind: str, told: str
) -> None:
    text = offer("m=video 4002 RTP/AVPF 96", f"m=audio 4000 {profile} 8", *lines)
    found = audio(text)
    assert found.kind == kind
    normalised = sdp.normalised(found, found.codecs[0])
    assert f"m=audio 4000 {told} 8\r\n" in normalised and audio(normalised).kind == kind
    answer = sdp.with_refused(f"{HEAD}m=audio 9000 {told} 8\r\n", text)
    assert [line for line in answer.splitlines() if line.startswith("m=")] == [
        "m=video 0 RTP/AVPF 96",
        f"m=audio 9000 {profile} 8",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "v=0"),
        ("v=1\r\n", "v=0"),
        ("m=audio 4000 RTP/AVP 8", "v=0"),
        (HEAD, "no audio stream"),
        (offer("m=video 4000 RTP/AVP 96"), "no audio stream"),
        (offer("m=audio 0 RTP/AVP 8"), "port 0"),
        (offer("m=audio 4000 RTP/SAVPF 8"), "audio over RTP/SAVPF only"),
        (offer("m=audio 4000 RTP/AVPX 8"), "audio over RTP/AVPX only"),
        (offer("m=audio 4000 UDP/TLS/RTP/SAVPF 111"), "audio over UDP/TLS/RTP/SAVPF only"),
        (offer("m=audio 65536 RTP/AVP 8"), "port 65536"),
        (offer("m=audio four RTP/AVP 8"), "no audio stream"),
        (offer("m=audio ٤٠٠٠ RTP/AVP 8"), "no audio stream"),
        (offer("m=audio 4000"), "no audio stream"),
        ("v=0\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n", "no connection address"),
        ("v=0\r\nc=IN IP4\r\nm=audio 4000 RTP/AVP 8\r\n", "connection address"),
        ("v=0\r\nc=IN IP4 gw.example\r\nm=audio 4000 RTP/AVP 8\r\n", "connection address: .*gw.example"),
        ("v=0\r\nc=IN IP4 999.1.1.1\r\nm=audio 4000 RTP/AVP 8\r\n", "connection address: .*999"),
        ("v=0\r\nc=IN IP4 224.2.1.1/127\r\nm=audio 4000 RTP/AVP 8\r\n", "connection address: .*224"),
        ("v=0\r\nc=IN IP6 ::1\r\nm=audio 4000 RTP/AVP 8\r\n", "connection address: .*IP6"),
    ],
)
def test_what_cannot_be_used_says_why(text: str, why: str) -> None:
    with pytest.raises(BadSdp, match=why):
        audio(text)


def test_the_streams_own_lines_win_over_the_sessions() -> None:
    found = audio(offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 127.0.1.9", "a=recvonly", head=HEAD + "a=sendonly\r\n"))
    assert (found.address, found.direction) == ("127.0.1.9", "recvonly")


@pytest.mark.parametrize(
    ("lines", "held", "direction", "answered"),
    [
        (("a=sendrecv",), False, "sendrecv", "sendrecv"),
        ((), False, "sendrecv", "sendrecv"),
        (("a=sendonly",), True, "sendonly", "recvonly"),
        (("a=inactive",), True, "inactive", "inactive"),
        (("a=recvonly",), False, "recvonly", "sendonly"),
        (("c=IN IP4 0.0.0.0",), True, "sendrecv", "sendrecv"),
    ],
)
def test_hold_in_all_its_forms(lines: tuple[str, ...], held: bool, direction: str, answered: str) -> None:
    text = offer("m=audio 4000 RTP/AVP 8", *lines)
    assert sdp.is_hold(text) is held
    assert audio(text).direction == direction and sdp.answer_direction(direction) == answered


def test_an_answer_has_our_direction_and_version_once() -> None:
    answer = sdp.answering(sdp.inner("127.0.0.1", 9000), "recvonly", version=4)
    assert audio(answer).direction == "recvonly" and "a=sendrecv" not in answer
    assert "o=- 7 4 IN IP4 127.0.0.1\r\n" in answer


def test_a_name_in_chinese_disturbs_nothing() -> None:
    found = audio(PLAIN.replace("s=-", "s=小灵呼").replace("a=sendrecv", "a=sendrecv\r\ni=通话"))
    assert found.port == 4000


def test_normalised_says_one_codec_and_its_keys() -> None:
    found = audio(PLAIN)
    text = sdp.normalised(found, found.codecs[1])
    again = audio(text)
    assert [codec.map for codec in again.codecs] == ["PCMU/8000", "telephone-event/8000"]
    assert (again.address, again.port, again.direction) == (found.address, found.port, found.direction)


LINES = st.sampled_from(
    [*PLAIN.splitlines(), "m=video 2 RTP/AVP 96", "a=rtpmap:8 x", "a=rtpmap:", "c=", "m=", "m=audio"]
)
TEXT = st.one_of(
    st.text(max_size=200),
    st.lists(st.one_of(LINES, st.text(max_size=30)), max_size=12).map("\r\n".join),
    st.tuples(st.integers(0, len(PLAIN)), st.text(max_size=9)).map(lambda t: PLAIN[: t[0]] + t[1] + PLAIN[t[0] + 3 :]),
)


@settings(max_examples=1500, deadline=None)
@given(TEXT)
def test_hostile_text_raises_one_kind_of_error_and_what_is_read_can_be_passed_on(text: str) -> None:
    try:
        found = audio(text)
    except BadSdp:
        assert not sdp.is_hold(text)
        return
    assert 0 < found.port < 65536 and found.index < found.streams
    codec = sdp.common(found)
    if codec is not None:
        again = audio(sdp.normalised(found, codec))
        assert (again.port, again.codecs[0]) == (found.port, codec)
        sdp.normalised(found, codec).encode("ascii")
        elsewhere = sdp.placed(sdp.normalised(found, codec), "203.0.113.9:4006")
        assert sdp.place(elsewhere) == ("203.0.113.9", 4006) and audio(elsewhere).codecs == again.codecs
    answer = sdp.with_refused(sdp.inner("127.0.0.1", 9000), text)
    assert sum(line.startswith("m=") for line in answer.splitlines()) == found.streams
    assert audio(answer).port == 9000
