"""The mixer process as lq uses it (docs/contracts.md §6): each verb by what is heard, and every way to ask wrongly."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Final

import pytest

from tests.contract.mixer.conftest import PROMPTS, Control, MixerProcess
from tests.integration.media.endpoint import HEADER, Endpoint, Packet, streams
from tests.simulator import audio
from tests.unit.media.mixer_lab import clicks

Endpoints = Callable[[], Awaitable[Endpoint]]
QUIET = b"\xd5" * 160
TALKING = audio.tone(990, 0.2)  # whole periods: it can be repeated without a click


async def joined(control: Control, endpoint: Endpoints, name: str = "c.1") -> Endpoint:
    leg = await endpoint()
    await control.ok("join", leg=name, address=leg.address)
    return leg


def sound(packets: list[Packet]) -> bytes:
    """What was heard, without the silence before and after it."""
    return b"".join(packet.payload for packet in packets).strip(b"\xd5")


def alaw(*names: str) -> bytes:
    return b"".join(audio.encode(PROMPTS[name]) for name in names)


# -- what a leg hears --------------------------------------------------------------------------------------------------


async def test_ping(control: Control, mixer: MixerProcess) -> None:
    assert await control.ask("ping") == {
        "id": 1, "ok": True, "rtp": f"127.0.0.1:{mixer.port}", "legs": 0, "version": 2,
    }  # fmt: skip


async def test_a_joined_leg_hears_silence_in_one_unbroken_stream(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    await leg.until(lambda: len(leg.packets) >= 50)
    assert {packet.payload for packet in leg.packets} == {QUIET}
    assert {packet.payload_type for packet in leg.packets} == {8} and len(streams(leg.packets)) == 1
    assert [packet.marker for packet in leg.packets[:3]] == [True, False, False]
    for before, after in pairwise(leg.packets):
        assert (after.sequence - before.sequence) % 65536 == 1
        assert (after.timestamp - before.timestamp) % 2**32 == 160
    assert (await control.ok("ping"))["legs"] == 1


async def test_join_again_changes_nothing(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/chirp"])
    await leg.until(lambda: sound(leg.packets))
    await control.ok("join", leg="c.1", address=leg.address)
    heard = len(leg.packets)
    await leg.until(lambda: len(leg.packets) > heard + 20)
    assert len(streams(leg.packets)) == 1 and alaw("t/chirp").startswith(sound(leg.packets))
    assert (await control.ok("ping"))["legs"] == 1


async def test_items_are_heard_one_after_another_byte_by_byte_and_their_end_is_told(
    control: Control, endpoint: Endpoints
) -> None:
    leg = await joined(control, endpoint)
    await leg.until(lambda: leg.packets)
    items = ["t/440", "t/odd", "t/540"]
    answer = await control.ok("play", leg="c.1", play="p1", items=items)
    assert answer["duration_ms"] == 400 + 123 + 400
    assert await control.event() == {"event": "played", "leg": "c.1", "play": "p1", "complete": True}
    end = len(leg.packets)
    await leg.until(lambda: len(leg.packets) > end + 3)
    assert sound(leg.packets) == alaw(*items)
    assert {packet.payload for packet in leg.packets[-2:]} == {QUIET}
    assert len(streams(leg.packets)) == 1
    assert [packet.marker for packet in leg.packets].count(True) == 2  # the stream's first, and the prompt's first


async def test_what_is_repeated_joins_without_a_seam(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    answer = await control.ok("play", leg="c.1", play="p1", items=["t/odd"], repeat=3)
    assert answer["duration_ms"] == 370
    await control.event()
    await leg.until(lambda: sound(leg.packets) == alaw("t/odd") * 3)


async def test_music_goes_on_for_ever(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/odd"], repeat=0)
    await leg.until(lambda: len(sound(leg.packets)) > 5 * len(alaw("t/odd")))
    assert (alaw("t/odd") * 10).startswith(sound(leg.packets))
    assert control.events == []


async def test_a_new_play_replaces_the_old_which_is_not_told_of(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/music"])
    await leg.hears(890)
    await control.ok("play", leg="c.1", play="p2", items=["t/440"])
    assert (await control.event())["play"] == "p2"
    await leg.until(lambda: leg.packets[-1].payload == QUIET)
    assert sound(leg.packets).endswith(alaw("t/440"))


async def test_stop_is_silence_and_no_end(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/440"])
    await leg.hears(440)
    await control.ok("stop", leg="c.1")
    await leg.hears()
    await control.ok("play", leg="c.1", play="p2", items=["t/blip"])
    assert (await control.event())["play"] == "p2"  # nothing was told of p1


async def test_an_empty_prompt_ends_at_once(control: Control, endpoint: Endpoints) -> None:
    await joined(control, endpoint)
    for repeat in (1, 0):
        assert (await control.ok("play", leg="c.1", play="p1", items=["t/empty"], repeat=repeat))["duration_ms"] == 0
        assert (await control.event())["event"] == "played"


@pytest.mark.parametrize("ago", [0.0, 3.0, 12.345, 29.0])
async def test_a_play_is_resumed_where_it_would_be_now(control: Control, endpoint: Endpoints, ago: float) -> None:
    leg = await joined(control, endpoint)
    before = time.time() - ago
    await control.ok("play", leg="c.1", play="p1", items=["t/chirp"], started_at=int(before * 1000))
    taken = time.time() - before
    await leg.until(lambda: len(sound(leg.packets)) > 1600)
    heard = sound(leg.packets)
    place = alaw("t/chirp").index(heard[:1600])
    assert ago - 0.002 <= place / audio.RATE <= taken + 0.002  # it counts in whole ms
    assert audio.chirp_position(audio.decode(heard[:1200])) == pytest.approx(place / audio.RATE, abs=0.02)


async def test_resumed_repeats_are_counted(control: Control, endpoint: Endpoints) -> None:
    """0.4 s ten times, begun 2.1 s ago: at most 1.9 s are left; begun 5 s ago: it is over."""
    leg = await joined(control, endpoint)
    began = int(time.time() * 1000) - 2100
    answer = await control.ok("play", leg="c.1", play="p1", items=["t/440"], repeat=10, started_at=began)
    assert answer["duration_ms"] == 4000
    await control.event()
    await leg.until(lambda: sound(leg.packets) and leg.packets[-1].payload == QUIET)
    left = sound(leg.packets)
    assert (10 * alaw("t/440")).endswith(left) and len(left) <= 1.9 * audio.RATE
    heard = len(leg.packets)
    await control.ok("play", leg="c.1", play="p2", items=["t/440"], repeat=10, started_at=began - 2900)
    assert (await control.event())["play"] == "p2"
    await leg.until(lambda: len(leg.packets) > heard + 3)
    assert sound(leg.packets[heard:]) == b""


async def test_music_is_resumed_within_its_round(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    began = int(time.time() * 1000) - 3_600_000
    await control.ok("play", leg="c.1", play="p1", items=["t/music"], repeat=0, started_at=began)
    await leg.hears(890)


async def test_a_start_in_the_future_is_now(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/440"], started_at=int(time.time() * 1000) + 60_000)
    await control.event()
    await leg.until(lambda: sound(leg.packets) == alaw("t/440"))


async def test_a_prompt_that_was_changed_is_read_again(
    control: Control, endpoint: Endpoints, mixer: MixerProcess
) -> None:
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/blip"])
    await control.event()
    new = mixer.prompts / "t/new.al"
    new.write_bytes(alaw("t/540"))
    new.rename(mixer.prompts / "t/blip.al")
    await control.ok("play", leg="c.1", play="p2", items=["t/blip"])
    await leg.hears(540)


async def test_echo_gives_back_what_this_leg_says_and_to_nobody_else(control: Control, endpoint: Endpoints) -> None:
    leg, other = await joined(control, endpoint, "c.1"), await joined(control, endpoint, "c.2")
    await control.ok("echo", leg="c.1")
    await control.ok("echo", leg="c.2")
    rng = random.Random(3)
    spoken = rng.randbytes(160 * 50)
    leg.talk(int((await control.ok("ping"))["rtp"].rpartition(":")[2]), audio.decode(spoken))
    await leg.until(lambda: spoken[1600:6400] in b"".join(packet.payload for packet in leg.packets), what="its words")
    assert sound(other.packets) == b""
    await control.ok("stop", leg="c.1")
    await leg.hears()


async def test_who_leaves_hears_nothing_and_gives_his_address_free(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    await leg.until(lambda: leg.packets)
    await control.ok("leave", leg="c.1")
    await control.ok("leave", leg="c.1")  # gladly twice
    assert (await control.ok("ping"))["legs"] == 0
    assert "join it first" in (await control.ask("stop", leg="c.1"))["error"]
    old = leg.packets[0].ssrc
    await control.ok("join", leg="d.1", address=leg.address)
    await leg.until(lambda: leg.packets[-1].ssrc != old)


async def test_an_address_is_whose_it_was_joined_for_last(control: Control, endpoint: Endpoints) -> None:
    """rtpengine gives a port to another leg when its first one is over, whether or not we heard of that."""
    leg = await joined(control, endpoint, "c.1")
    await control.ok("play", leg="c.1", play="p1", items=["t/440"], repeat=0)
    await leg.hears(440)
    await control.ok("join", leg="d.1", address=leg.address)
    await leg.hears()
    assert not (await control.ask("play", leg="c.1", play="p2", items=["t/440"]))["ok"]
    await control.ok("play", leg="d.1", play="p1", items=["t/540"])
    await leg.hears(540)
    assert (await control.ok("ping"))["legs"] == 1


async def test_a_leg_can_be_joined_at_another_address(control: Control, endpoint: Endpoints) -> None:
    first, second = await endpoint(), await endpoint()
    await control.ok("join", leg="c.1", address=first.address)
    await first.until(lambda: first.packets)
    await control.ok("join", leg="c.1", address=second.address)
    await second.until(lambda: second.packets)
    await control.ok("play", leg="c.1", play="p1", items=["t/440"])
    await second.hears(440)
    assert sound(first.packets) == b"" and (await control.ok("ping"))["legs"] == 1


async def test_stats_count(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    stranger = await endpoint()
    port = int((await control.ok("ping"))["rtp"].rpartition(":")[2])
    leg.talk(port)
    stranger.talk(port)
    await leg.until(lambda: len(leg.packets) > 10)
    figures = await control.ok("stats")
    assert figures["legs"] == 1 and figures["sent"] >= 10 and figures["strangers"] > 0
    assert figures["received"] > figures["strangers"] and set(figures["late_us"]) == {"p50", "p99", "max"}


# -- hostile packets ---------------------------------------------------------------------------------------------------


async def test_hostile_packets_do_nothing(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    await control.ok("echo", leg="c.1")
    leg.to = ("127.0.0.1", int((await control.ok("ping"))["rtp"].rpartition(":")[2]))
    body, fixed = b"\x11" * 160, HEADER.pack(0x80, 8, 1, 160, 7)

    def header(first: int, second: int = 8) -> bytes:
        return HEADER.pack(first, second, 2, 320, 7)

    hostile = [
        b"", b"\x80", fixed[:11], fixed,  # too short, and nothing in it
        header(0x00) + body, header(0x40) + body, header(0xC0) + body,  # not version 2
        header(0x80, 0) + body, header(0x80, 101) + b"\x05\x0a\x00\xa0", header(0x80, 200) + body,  # µ-law, key, RTCP
        header(0x8F), header(0x8F) + b"\x11" * 59,  # 15 contributing sources that are not there
        header(0x90), header(0x90) + b"\xbe\xde\xff", header(0x90) + b"\xbe\xde\xff\xff" + body,  # extension, too long
        header(0x9F) + b"\x11" * 60 + b"\xbe\xde\x00\x28" + body[:159],
        header(0xA0) + body[:-1] + b"\xff", header(0xA0) + b"\xa1", header(0xBF) + b"\xff" * 400,  # padding beyond it
        header(0x80, 8) + b"\x11" * 0,
    ]  # fmt: skip
    rng = random.Random(4)
    hostile += [rng.randbytes(rng.randrange(64)) for _ in range(300)]
    for data in hostile:
        leg.raw(data)
    leg.talk(leg.to[1], audio.tone(990, 0.2))
    await leg.hears(990)
    assert b"\x11\x11\x11" not in b"".join(packet.payload for packet in leg.packets)


async def test_extension_sources_and_padding_are_read_over(control: Control, endpoint: Endpoints) -> None:
    leg = await joined(control, endpoint)
    await control.ok("echo", leg="c.1")
    leg.to = ("127.0.0.1", int((await control.ok("ping"))["rtp"].rpartition(":")[2]))
    body = b"\x22" * 160
    leg.raw(HEADER.pack(0x92, 8, 1, 0, 7) + b"\x01" * 8 + b"\xbe\xde\x00\x02" + b"\x01" * 8 + body)
    leg.raw(HEADER.pack(0xA0, 8, 2, 160, 7) + body + b"\x01\x01\x03")
    leg.raw(HEADER.pack(0x80, 8, 3, 320, 7) + body)
    await leg.until(lambda: len(sound(leg.packets)) == 480)
    assert sound(leg.packets) == body * 3


async def test_a_flood_of_strangers_does_not_stop_the_music(control: Control, endpoint: Endpoints) -> None:
    leg, stranger = await joined(control, endpoint), await endpoint()
    stranger.to = ("127.0.0.1", int((await control.ok("ping"))["rtp"].rpartition(":")[2]))
    await control.ok("play", leg="c.1", play="p1", items=["t/440"] * 3)
    async with asyncio.timeout(20):
        while sound(leg.packets[-1:]) or not leg.packets[20:]:
            for _ in range(500):
                stranger.raw(b"\x80\x08" + bytes(170))
            await asyncio.sleep(0)
    assert sound(leg.packets) == alaw("t/440") * 3
    assert (await control.ok("stats"))["strangers"] > 500


# -- asked wrongly -----------------------------------------------------------------------------------------------------


WRONG: Final[Sequence[tuple[str, dict[str, object], str]]] = (
    ("sing", {}, "unknown request 'sing'"),
    ("room", {"leg": "nobody", "room": "r"}, "no leg 'nobody'"),
    ("room", {"leg": "c.1", "room": 7}, "room: expected a text"),
    ("room", {"leg": "c.1", "room": "r", "talk": "yes"}, "talk: expected true or false"),
    ("room", {"leg": "c.1", "room": "r", "whisper": "a.1"}, "whisper: expected at most 4 legs"),
    ("room", {"leg": "c.1", "room": "r", "whisper": ["a"] * 5}, "whisper: expected at most 4 legs"),
    ("play", {"room": "empty", "play": "p", "items": ["t/440"]}, "nobody is in room 'empty'"),
    ("stop", {"room": "empty"}, "nobody is in room 'empty'"),
    ("stats", {"room": "empty"}, "nobody is in room 'empty'"),
    ("dtmf", {"leg": "c.1", "on": 1}, "on: expected true or false"),
    ("join", {}, "leg: expected a text"),
    ("join", {"leg": "x", "address": 7}, "address: expected a text"),
    ("join", {"leg": "x", "address": "127.0.0.1"}, "expected ip:port"),
    ("join", {"leg": "x", "address": "127.0.0.1:0"}, "expected ip:port"),
    ("join", {"leg": "x", "address": "127.0.0.1:65536"}, "expected ip:port"),
    ("join", {"leg": "x", "address": "127.0.0.1:٣"}, "expected ip:port"),
    ("join", {"leg": "x", "address": "localhost:4000"}, "localhost"),
    ("join", {"leg": "x", "address": "[::1]:4000"}, "::1"),
    ("join", {"leg": "x" * 201, "address": "127.0.0.1:4000"}, "leg: expected a text"),
    ("play", {"leg": "nobody", "play": "p", "items": ["t/440"]}, "no leg 'nobody'"),
    ("play", {"leg": "c.1", "items": ["t/440"]}, "play: expected a text"),
    ("play", {"leg": "c.1", "play": "p"}, "items: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": []}, "items: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/440"] * 201}, "items: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": "t/440"}, "items: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": [1]}, "items: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/440", "t/absent"]}, "no prompt 't/absent'"),
    ("play", {"leg": "c.1", "play": "p", "items": ["../../etc/passwd"]}, "no name of an item"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/../t/440"]}, "no name of an item"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t"]}, "no name of an item"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/chirp"] * 121}, "more than an hour"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/440"], "repeat": -1}, "repeat: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/440"], "repeat": 101}, "repeat: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/440"], "repeat": True}, "repeat: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/440"], "repeat": 1.5}, "repeat: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/440"], "started_at": "now"}, "started_at: expected"),
    ("play", {"leg": "c.1", "play": "p", "items": ["t/440"], "started_at": 10**30}, "started_at: expected"),
    ("stop", {"leg": "nobody"}, "no leg 'nobody'"),
    ("echo", {"leg": "nobody"}, "no leg 'nobody'"),
    ("leave", {}, "leg: expected a text"),
)


async def test_a_request_that_cannot_be_done_is_answered_and_changes_nothing(
    control: Control, endpoint: Endpoints
) -> None:
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/music"], repeat=0)
    for do, fields, told in WRONG:
        answer = await control.ask(do, **fields)
        assert answer["id"] == control.count and answer["ok"] is False and told in answer["error"], (do, fields, answer)
    await leg.hears(890)
    assert (await control.ok("ping"))["legs"] == 1


BAD_LINES: Final = (
    b"", b"nonsense", b"\xff\xfe", b"{", b"[]", b'"ping"', b"null", b"7", b'{"do": ["ping"]}', b"[" * 60_000,
    b'{"id": 1, "do": "ping"', b"{}", b'{"do": null}', b"1" * 5000,
)  # fmt: skip


async def test_a_bad_line_is_answered_and_the_connection_goes_on(control: Control) -> None:
    for line in BAD_LINES:
        answer = await control.say(line)
        assert answer["ok"] is False and answer["error"], line
    assert (await control.ok("ping"))["ok"]


async def test_a_line_that_never_ends_costs_this_connection_and_no_other(control: Control, mixer: MixerProcess) -> None:
    other = await mixer.control()
    control.writer.write(b'{"do": "' + b"x" * 200_000)
    answer = json.loads(await control.reader.readline())
    assert answer["ok"] is False and "65536" in answer["error"]
    assert await control.reader.read() == b""
    assert (await other.ok("ping"))["ok"]


async def test_requests_in_one_write_are_answered_in_order(control: Control) -> None:
    control.writer.write(b"".join(b'{"id": %d, "do": "ping"}\n' % n for n in range(50)))
    answers = [json.loads(await control.reader.readline()) for _ in range(50)]
    assert [answer["id"] for answer in answers] == list(range(50))


# -- connections -------------------------------------------------------------------------------------------------------


async def test_an_end_is_told_to_whoever_started_the_play(
    control: Control, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    other = await mixer.control()
    await joined(control, endpoint, "c.1")
    await joined(other, endpoint, "d.1")
    await control.ok("play", leg="c.1", play="pc", items=["t/440"])
    await other.ok("play", leg="d.1", play="pd", items=["t/440"])
    assert (await control.event())["play"] == "pc" and (await other.event())["play"] == "pd"
    await other.ok("play", leg="c.1", play="taken over", items=["t/blip"])
    assert (await other.event())["play"] == "taken over"
    await control.ok("ping")
    assert control.events == []


async def test_legs_of_a_lost_connection_play_on_and_are_claimed_by_joining(
    control: Control, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/440", "t/540", "t/440"])
    await leg.hears(440)
    await control.close()
    await leg.hears(540)
    heir = await mixer.control()
    await heir.ok("join", leg="c.1", address=leg.address)
    assert await heir.event() == {"event": "played", "leg": "c.1", "play": "p1", "complete": True}
    await leg.until(lambda: leg.packets[-1].payload == QUIET)
    assert sound(leg.packets) == alaw("t/440", "t/540", "t/440")


async def test_a_stopped_process_skips_the_time_and_not_the_words(
    control: Control, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    """SIGSTOP: no burst of stale packets afterwards, the clock of the stream goes on, the prompt where it stood."""
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/440", "t/540"])
    await leg.hears(440)
    mixer.signal(signal.SIGSTOP)
    await asyncio.sleep(0.5)  # nothing is waited for: this is how long it stands still
    mixer.signal(signal.SIGCONT)
    assert (await control.event())["play"] == "p1"
    await leg.until(lambda: sound(leg.packets) == alaw("t/440", "t/540"))
    steps = [(after.timestamp - before.timestamp) % 2**32 for before, after in pairwise(leg.packets)]
    leap = max(steps)
    assert leap >= 0.4 * audio.RATE and leap % 160 == 0 and steps.count(160) == len(steps) - 1
    assert all((b.sequence - a.sequence) % 65536 == 1 for a, b in pairwise(leg.packets))
    assert leg.packets[steps.index(leap) + 1].marker
    assert (await control.ok("stats"))["skipped"] == leap // 160 - 1


async def test_a_second_mixer_does_not_take_the_socket_of_a_living_one(mixer: MixerProcess) -> None:
    second = await mixer.spawn()
    assert await second.wait() == 1
    assert f"mixer: 127.0.0.1:{mixer.port}: [Errno 98] Address already in use" in mixer.log
    control = await mixer.control()
    assert (await control.ok("ping"))["ok"]


# -- rooms -------------------------------------------------------------------------------------------------------------


async def talking(control: Control, endpoint: Endpoints, name: str, tone: int) -> Endpoint:
    leg = await joined(control, endpoint, name)
    leg.talk(int((await control.ok("ping"))["rtp"].rpartition(":")[2]), audio.tone(tone, 0.2))
    return leg


async def test_a_room_by_its_verbs(control: Control, endpoint: Endpoints) -> None:
    customer = await talking(control, endpoint, "c", 540)
    agent = await talking(control, endpoint, "a", 640)
    boss = await talking(control, endpoint, "b", 740)
    for name in "ca":
        await control.ok("room", leg=name, room="r")
    await customer.hears(640)
    await agent.hears(540)
    await control.ok("room", leg="b", room="r", talk=False)
    await boss.hears(540, 640)
    await customer.hears(640)
    await control.ok("room", leg="b", room="r", talk=False, whisper=["a"])
    await agent.hears(540, 740)
    await customer.hears(640)
    await control.ok("room", leg="b", room="r")
    await customer.hears(640, 740)
    await control.ok("room", leg="a", room="r", talk=False, hear=False)
    await control.ok("play", leg="a", play="hold", items=["t/music"], repeat=0)
    await agent.hears(890)
    await customer.hears(740)
    figures = await control.ok("stats", room="r")
    assert set(figures["legs"]) == {"a", "b", "c"} and figures["legs"]["a"]["play"] == "hold"
    assert figures["legs"]["c"]["level_dbov"] == pytest.approx(-20, abs=1)
    assert figures["legs"]["c"]["packets"] > 10 and figures["legs"]["a"]["hear"] is False
    assert (await control.ok("stats"))["rooms"] == 1
    await control.ok("echo", leg="a")  # out of the room, and of the music
    await agent.hears(640)
    await control.ok("room", leg="b", room=None)
    await control.ok("leave", leg="c")
    assert (await control.ok("stats"))["rooms"] == 0
    assert "nobody is in room" in (await control.ask("stop", room="r"))["error"]


async def test_who_is_whispered_to_may_come_later_and_come_again(control: Control, endpoint: Endpoints) -> None:
    await talking(control, endpoint, "b", 740)
    await control.ok("room", leg="b", room="r", talk=False, whisper=["a"])
    for _ in range(2):
        agent = await joined(control, endpoint, "a")
        await control.ok("room", leg="a", room="r")
        await agent.hears(740)
        await control.ok("leave", leg="a")


async def test_an_announcement_into_a_room_and_its_end(control: Control, endpoint: Endpoints) -> None:
    legs = [await joined(control, endpoint, name) for name in "ab"]
    for name in "ab":
        await control.ok("room", leg=name, room="r")
    for leg in legs:
        await leg.hears()  # both are there: the first 20 ms of a room are faded in
    answer = await control.ok("play", room="r", play="p1", items=["t/440", "t/540"])
    assert answer["duration_ms"] == 800
    assert await control.event() == {"event": "played", "room": "r", "play": "p1", "complete": True}
    for leg in legs:
        await leg.until(lambda leg=leg: sound(leg.packets) == alaw("t/440", "t/540"))
    await control.ok("play", room="r", play="p2", items=["t/music"], repeat=0)
    await legs[0].hears(890)
    await control.ok("stop", room="r")
    await legs[0].hears()
    assert control.events == []


async def test_keys_are_told_to_whom_the_leg_belongs(
    control: Control, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg = await talking(control, endpoint, "c.1", 540)
    pressed = audio.mixed(audio.tone(941, 0.1, -13), audio.tone(1477, 0.1, -13))
    leg.say(pressed, once=True)
    await leg.has_sent(10)
    await control.ok("dtmf", leg="c.1")
    leg.say(pressed, once=True)
    told = await control.event()
    assert (told["event"], told["leg"], told["digit"]) == ("digit", "c.1", "#") and 80 <= told["duration_ms"] <= 120
    heir = await mixer.control()
    await heir.ok("join", leg="c.1", address=leg.address)  # says nothing of keys: as it was
    leg.say(pressed, once=True)
    assert (await heir.event())["digit"] == "#"
    await heir.ok("dtmf", leg="c.1", on=False)
    leg.say(pressed, once=True)
    await leg.has_sent(15)
    await heir.ok("ping")
    await control.ok("ping")
    assert heir.events == control.events == []


async def test_a_mixer_that_is_asked_to_leave_fades_and_goes(
    control: Control, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg = await joined(control, endpoint)
    await control.ok("play", leg="c.1", play="p1", items=["t/music"], repeat=0)
    await leg.hears(890)
    heard = len(leg.packets)
    await leg.until(lambda: len(leg.packets) > heard + 10)  # so that its beginning is not among the last ten
    await mixer.stop()
    last = audio.decode([packet.payload for packet in leg.packets[-10:]])
    assert audio.level(last[-160:]) < -60
    assert clicks(last, 890, over=0.3) == []


async def test_a_leg_that_floods_and_strangers_that_flood_starve_nobody(
    control: Control, mixer: MixerProcess, endpoint: Endpoints
) -> None:
    leg, loud, stranger = await joined(control, endpoint), await joined(control, endpoint, "c.2"), await endpoint()
    other = await talking(control, endpoint, "c.3", 540)
    await control.ok("room", leg="c.1", room="r")
    await control.ok("room", leg="c.3", room="r")
    await control.ok("play", leg="c.1", play="p1", items=["t/440"] * 3)
    loud.to = stranger.to = ("127.0.0.1", mixer.port)
    async with asyncio.timeout(20):
        while not control.events and not leg.packets[50:]:
            for n in range(300):
                loud.raw(HEADER.pack(0x80, 8, n, n * 160, 7) + bytes(160))
                stranger.raw(bytes(172))
            await asyncio.sleep(0)
    await leg.hears(540)
    assert other.packets
    figures = (await control.ok("stats", leg="c.2")), (await control.ok("stats"))
    assert figures[0]["flooded"] > 100 and figures[1]["strangers"] > 100
    assert figures[0]["buffer_ms"] <= 140
