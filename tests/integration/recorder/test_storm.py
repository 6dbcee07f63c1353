"""rtpengine and recorder are killed again and again under calls: nothing written is lost, nothing is twice (P39)."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from recorder.pcap import BadPcap, RtpPacket, rtp_file
from tests.integration.media.conftest import Studio
from tests.integration.recorder import process
from tests.integration.recorder.conftest import Books, recorded, spool_files, until, url
from tests.integration.recorder.test_pause import OPEN, Desk, recording_desk
from tests.simulator import audio

CALLS, KILLS = 4, 14


class Witness:
    """Keeps a name of every file of packets that rtpengine ever wrote, so that it outlives the recorder's clearing."""

    def __init__(self, spool: Path, place: Path) -> None:
        self.spool, self.place = spool, place
        place.mkdir()

    def look(self) -> None:
        for pcap in (*self.spool.glob("pcaps/*.pcap"), *self.spool.glob("rescued/*.pcap")):
            try:
                kept = self.place / f"{pcap.stat().st_ino}"
                if not kept.exists():
                    os.link(pcap, kept)
            except FileNotFoundError:
                continue  # moved at this moment: the next look finds it

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.02)

    def packets(self, port: int) -> list[RtpPacket]:
        found = []
        for pcap in self.place.iterdir():
            try:
                found += [packet for packet in rtp_file(pcap) if packet.port == port]
            except BadPcap:
                continue  # killed before its first block
        return sorted(found, key=lambda packet: packet.time_s)


@pytest.mark.slow
@pytest.mark.kills
async def test_every_packet_that_was_written_is_in_its_recording_once(own_studio: Studio, own_books: Books) -> None:
    center, home = own_studio.center, own_studio.center.home
    chance = random.Random(20261127)
    witness = Witness(home.spool, center.path / "witness")
    watch = asyncio.create_task(witness.watch())
    running = await process.recorder(home.spool, home.recordings, url(center, "recorder"))
    over: list[Desk] = []
    calls = [await recording_desk(own_studio) for _ in range(CALLS)]
    for n in range(KILLS):
        await calls[0].phone.has_sent(chance.randrange(10, 70))
        if chance.random() < 0.5:
            await center.back("rtpengine", center.kill("rtpengine"))
        else:
            running.kill()
            await running.wait()
            (home.run / "recorder.ready").unlink(missing_ok=True)
            running = await process.recorder(home.spool, home.recordings, url(center, "recorder"))
        if n % 5 == 4:  # a call ends, another begins
            over.append(calls.pop(0))
            await over[-1].hang_up()
            calls.append(await recording_desk(own_studio))
    for desk in calls:
        await desk.phone.has_sent(30)
        await desk.hang_up()
    over += calls
    for desk in over:
        events = await own_books.verified(desk.recording)
        assert [event.type for event in events] == ["recording_stored", "recording_verified"]
    await until(lambda: spool_files(home.spool) == [], f"{spool_files(home.spool)}")
    watch.cancel()
    assert len(list(home.recordings.rglob("*.wav"))) == len(over) == CALLS + 2
    written = 0
    for desk in over:
        result = recorded(home.recordings, desk.recording)
        packets = witness.packets(desk.leg.local_port)
        packets = [packet for packet in packets if packet.ssrc == desk.phone.ssrc]  # ports are used again
        written += len(packets)
        for packet in packets:
            at = (packet.timestamp - packets[0].timestamp) % 2**32
            assert result.left[at : at + 160] == packet.payload
        assert audio.tones(audio.decode(result.left)[:1600]) == {OPEN}
        desk.desk.forget(desk.contact.id)
    assert written > 1000
    assert await process.ended(running) == 0
