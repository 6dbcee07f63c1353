"""The E1 gateway as the center will call it: another SIP peer, word by word, and its voice packets byte by byte."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.kamailio.edge import Message, Peer
from tests.simulator import audio
from tests.simulator.gateway import Answer, Gateway, Refuse, Ring

HOST = "127.0.1.3"  # of no trunk


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway(HOST, edge=("127.0.0.1", 9)) as running:
        yield running


@pytest.fixture
def center(gateway: Gateway) -> Iterator[Peer]:
    peer = Peer((HOST, gateway.port), name="lq")
    yield peer
    peer.close()


async def expect(peer: Peer, what: int | str) -> Message:
    return await asyncio.to_thread(peer.expect, what)


def invite(peer: Peer, number: str, port: int = 40000, codecs: str = "8 96", call_id: str = "") -> str:
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {codecs}\r\na=rtpmap:96 telephone-event/8000\r\n"
    )
    return peer.request("INVITE", f"sip:{number}@{HOST}", body=sdp, call_id=call_id)


def in_dialog(peer: Peer, method: str, answer: Message, cseq: int, headers: tuple[str, ...] = ()) -> str:
    return peer.request(
        method,
        f"sip:e1@{HOST}",
        to=answer.header("To"),
        from_=answer.header("From"),
        call_id=answer.header("Call-ID"),
        cseq=cseq,
        headers=headers,
    )


async def answered(peer: Peer, number: str = "13800138000", port: int = 40000) -> Message:
    peer.send(invite(peer, number, port))
    answer = await expect(peer, 180)
    answer = await expect(peer, 200)
    peer.send(in_dialog(peer, "ACK", answer, 1))
    return answer


async def test_a_subscriber_answers_and_the_center_hangs_up(gateway: Gateway, center: Peer) -> None:
    answer = await answered(center)
    assert re.search(r"m=audio \d+ RTP/AVP 8 96\r\n", answer.text)  # our codec, the offer's event type
    call = await gateway.called("13800138000")
    assert (call.is_up, gateway.spans.busy) == (True, 1)
    center.send(in_dialog(center, "BYE", answer, 2, ("Reason: Q.850;cause=31",)))
    await expect(center, 200)
    await call.ended()
    assert (call.cause, call.ended_by, gateway.spans.busy, gateway.spans.released) == (31, "them", 0, 1)


async def test_a_subscriber_hangs_up_with_a_cause(gateway: Gateway, center: Peer) -> None:
    await answered(center)
    call = await gateway.called()
    ending = asyncio.create_task(call.hang_up(cause=31))
    bye = await expect(center, "BYE")
    assert bye.header("Reason") == "Q.850;cause=31"
    center.answer(bye, 200)
    await ending
    assert (call.cause, call.ended_by) == (31, "us")


@pytest.mark.parametrize(
    ("cause", "code"), [(17, 486), (18, 408), (19, 480), (1, 404), (41, 503), (34, 503), (27, 502)]
)
async def test_refusals_of_the_network(gateway: Gateway, center: Peer, cause: int, code: int) -> None:
    gateway.rule = lambda number: Refuse(cause)
    center.send(invite(center, "13800138000"))
    refusal = await expect(center, code)
    assert refusal.header("Reason") == f"Q.850;cause={cause}"
    assert gateway.spans.busy == 0


async def test_the_61st_call_and_spans_out_of_order(gateway: Gateway, center: Peer) -> None:
    gateway.rule = lambda number: Ring()
    for n in range(60):
        center.send(invite(center, f"138001380{n:02}"))
        await expect(center, 180)
    center.send(invite(center, "13800138060"))
    assert (await expect(center, 503)).header("Reason") == "Q.850;cause=34"
    assert gateway.spans.refused == {34: 1}
    for span in (1, 2):
        gateway.fail(span)
        for _ in range(30):
            assert (await expect(center, 502)).header("Reason") == "Q.850;cause=27"
    center.send(invite(center, "13800138061"))
    assert (await expect(center, 502)).header("Reason") == "Q.850;cause=27"
    assert gateway.spans.seized == gateway.spans.released == 60


async def test_the_caller_gives_up_while_it_rings(gateway: Gateway, center: Peer) -> None:
    gateway.rule = lambda number: Ring()
    call_id = "gives-up"
    text = invite(center, "13800138000", call_id=call_id)
    center.send(text)
    await expect(center, 180)
    branch = re.findall(r"branch=([^;\r]+)", text)[0]
    from_ = re.findall(r"From: (.*)\r", text)[0]
    center.send(
        center.request("CANCEL", f"sip:13800138000@{HOST}", call_id=call_id, branch=branch, from_=from_,
                       headers=("Reason: Q.850;cause=19",))
    )  # fmt: skip
    answers = {(message.code, message.method) for message in [await expect_any(center), await expect_any(center)]}
    assert answers == {(200, "CANCEL"), (487, "INVITE")}
    call = await gateway.called()
    assert (call.cause, call.ended_by, gateway.spans.busy) == (19, "them", 0)


async def expect_any(peer: Peer) -> Message:
    return await asyncio.to_thread(peer.receive)


async def test_no_codec_in_common_and_probes(gateway: Gateway, center: Peer) -> None:
    center.send(invite(center, "13800138000", codecs="0 18"))
    assert (await expect(center, 488)).header("Reason") == "Q.850;cause=65"
    center.wants_probes = True
    center.send(center.request("OPTIONS", f"sip:{HOST}"))
    await expect(center, 200)
    assert gateway.probes == 1


@pytest.mark.slow
async def test_a_repeated_invite_is_one_call_and_its_answer_comes_again(gateway: Gateway, center: Peer) -> None:
    gateway.rule = lambda number: Answer(ringing=False)
    text = invite(center, "13800138000")
    center.send(text)
    first = await expect(center, 200)
    center.send(text)
    again = await expect(center, 200)
    assert (again.text, len(gateway.calls)) == (first.text, 1)
    center.send(in_dialog(center, "ACK", first, 1))


async def test_keys_are_telephone_events_and_voice_goes_on_after_them(gateway: Gateway, center: Peer) -> None:
    """RFC 4733 §2.5: one timestamp a key, the duration grows, marker on the first packet, the last one three times."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(3)
        await answered(center, port=ear.getsockname()[1])
        call = await gateway.called()
        call.send_digits("9#")
        keys: list[tuple[bool, int, int, int, bool, int]] = []
        voice_after = 0
        sequence = -1
        while voice_after < 10:
            packet = await asyncio.to_thread(ear.recv, 2048)
            _, second, number, stamp, _ = struct.unpack_from("!BBHII", packet)
            assert sequence in (-1, number - 1 & 0xFFFF)
            sequence = number
            if second & 0x7F == 96:
                event, flags, duration = struct.unpack_from("!BBH", packet, 12)
                keys.append((bool(second & 0x80), stamp, event, duration, bool(flags & 0x80), flags & 0x3F))
                voice_after = 0
            elif keys:
                assert second & 0x7F == 8 and len(packet) == 12 + audio.FRAME
                voice_after += 1
        by_key = [[key for key in keys if key[2] == event] for event in (9, 11)]
        for packets in by_key:
            assert len({stamp for _, stamp, *_ in packets}) == 1
            assert [marker for marker, *_ in packets] == [True] + [False] * 7
            assert [duration for *_, duration, _, _ in packets] == [160, 320, 480, 640, 800, 800, 800, 800]
            assert [end for *_, end, _ in packets] == [False] * 5 + [True] * 3
            assert {volume for *_, volume in packets} == {10}
        ending = asyncio.create_task(call.hang_up())
        center.answer(await expect(center, "BYE"), 200)
        await ending
