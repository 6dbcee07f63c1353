"""Listening through the web: any part, to whom it may be, written down; and the outline that the page draws."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from pathlib import Path

import numpy as np
import pytest

from lcall_web.recordings.store import EACH
from lq.ledger.events import RECORDING_SEQ, Event

from . import sound
from .calls import now_ms, past_call, stored
from .conftest import Place

SECONDS = 4.0


async def recorded(place: Place, agent: str = "1052", seconds: float = SECONDS, **about: object) -> tuple[str, bytes]:
    """A call whose customer sounds 440 Hz in the first half, whose agent 1000 Hz in the second; and the file."""
    id = f"rec-{uuid.uuid4().hex[:12]}"
    half = seconds / 2
    left = np.concatenate([sound.tone(440, half), sound.silence(half)])
    right = np.concatenate([sound.silence(half), sound.tone(1000, half, 0.3)])
    path = f"2026/11/24/{id}-r1.wav"
    size = sound.write(place.home / "recordings", path, left, right)
    life = stored(past_call(id, now_ms() - 60_000, "13800138000", agent), path, seconds, size, **about)  # type: ignore[arg-type]
    await place.store(life.events)
    return f"{id}-r1", (place.home / "recordings" / path).read_bytes()


async def played(place: Place, recording: str) -> list[tuple[str, str]]:
    async with place.rows() as rows:
        found = await rows.fetch(
            "select operator, action from audit where object = $1 order by id", f"recording:{recording}"
        )
        return [tuple(row) for row in found]


async def test_any_part_of_it(place: Place) -> None:
    id, content = await recorded(place)
    leader = await place.user("1901")
    path, size = f"/recordings/{id}/audio", len(content)
    whole = await leader.http.get(path)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, content, "audio/wav")
    for range, part in (
        ("bytes=0-", content),
        ("bytes=100-199", content[100:200]),
        (f"bytes={size - 10}-", content[-10:]),
        ("bytes=-500", content[-500:]),
        ("bytes=0-0", content[:1]),
    ):
        answer = await leader.http.get(path, headers={"range": range})
        assert (answer.status_code, answer.content) == (206, part), range
        assert answer.headers["content-range"].endswith(f"/{size}")
    outside = await leader.http.get(path, headers={"range": f"bytes={size}-"})
    assert outside.status_code == 416
    assert (await leader.http.get(path, headers={"range": "lines=1-2"})).content == content


async def test_listening_is_written_down_once_and_looking_is_not(place: Place) -> None:
    id, _ = await recorded(place)
    leader, agent = await place.user("1901"), await place.user("1052")
    await leader.get(f"/recordings/{id}")
    await leader.get(f"/recordings/{id}/peaks")
    assert await played(place, id) == []
    for start in (0, 100, 200):
        await leader.http.get(f"/recordings/{id}/audio", headers={"range": f"bytes={start}-{start + 50}"})
    assert await played(place, id) == [("1901", "recording_played")]
    await agent.http.get(f"/recordings/{id}/audio", headers={"range": "bytes=0-50"})
    assert await played(place, id) == [("1901", "recording_played"), ("1052", "recording_played")]


async def test_nobody_hears_a_call_that_is_not_his(place: Place) -> None:
    id, _ = await recorded(place, "1053")
    stranger = await place.user("1054")
    for path in (f"/recordings/{id}", f"/recordings/{id}/audio", f"/recordings/{id}/peaks"):
        assert (await stranger.http.get(path)).status_code == 404, path
    assert await played(place, id) == []
    assert (await (await place.user("1053")).http.get(f"/recordings/{id}/audio")).status_code == 200


async def test_the_outline_shows_who_sounds_when(place: Place) -> None:
    id, _ = await recorded(place)
    leader = await place.user("1901")
    peaks = (await leader.http.get(f"/recordings/{id}/peaks")).json()["peaks"]
    left, right = (np.array(channel) for channel in peaks)
    assert len(left) == len(right) == 1200
    assert left[:590].min() > 0.5 and left[610:].max() < 0.01
    assert right[:590].max() < 0.01 and right[610:].min() > 0.25 and right.max() < 0.35


async def test_the_player_tells_length_gaps_and_state(place: Place) -> None:
    gaps = [{"channel": 1, "start_s": 1.0, "duration_s": 0.5, "reason": "no packets"}]
    id, _ = await recorded(place, gaps=gaps)
    leader = await place.user("1901")
    text = (await leader.get(f"/recordings/{id}")).text
    assert 'data-seconds="4.0"' in text and "1 处没有声音包" in text
    assert '<rect x="25.0%" width="12.5%" y="50%" height="50%"/>' in text and "略去静音" not in text


async def test_the_player_of_a_recording_by_voice_says_what_was_left_out(place: Place) -> None:
    gaps = [{"channel": 0, "start_s": at, "duration_s": 30.5, "reason": "silence"} for at in (1.0, 2.0)]
    id, _ = await recorded(place, gaps=gaps)
    text = (await (await place.user("1901")).get(f"/recordings/{id}")).text
    assert 'data-seconds="4.0"' in text and "声控录音，已略去静音 1:01" in text
    assert "<rect" not in text and "没有声音包" not in text


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ("recording_planned", "录音即将开始"),
        ("recording_active", "正在录音"),
        ("recording_closing", "录音正在收尾"),
        ("recording_failed", "录音没有保存成功"),
    ],
)
async def test_a_recording_that_is_not_there_yet_says_how_it_is(place: Place, last: str, words: str) -> None:
    life = past_call(f"state-{uuid.uuid4().hex[:12]}", now_ms(), "13800138000")
    kept = [e for e in life.events if not e.type.startswith("recording_")]
    kept += [e for e in life.events if e.type.startswith("recording_") and RECORDING_SEQ[e.type] <= RECORDING_SEQ[last]]
    if last == "recording_failed":
        kept += life.record(last, reason="<b>no packets</b>").events[-1:]
    await place.store(kept)
    leader = await place.user("1901")
    answer = await leader.get(f"/recordings/{life.id}-r1")
    assert answer.status_code == 200 and words in answer.text and "data-player" not in answer.text
    assert "<b>" not in answer.text
    assert (await leader.http.get(f"/recordings/{life.id}-r1/audio")).status_code == 404


@pytest.mark.parametrize(("reason", "words"), [("customer_refused", "客户不同意录音"), ("of_tomorrow", "of_tomorrow")])
async def test_a_recording_that_was_stopped_says_why_and_is_played(place: Place, reason: str, words: str) -> None:
    id = f"stop-{uuid.uuid4().hex[:12]}"
    path = f"2026/11/24/{id}-r1.wav"
    size = sound.write(place.home / "recordings", path, sound.tone(440, 1), sound.silence(1))
    life = past_call(id, now_ms() - 60_000, "13800138000")
    life.say("contact_recording_stopped", n=1, recording=f"{id}-r1", by="1001", reason=reason)
    await place.store(stored(life, path, 1.0, size).events)
    text = (await (await place.user("1901")).get(f"/recordings/{id}-r1")).text
    assert words in text and "data-player" in text


async def test_a_file_that_is_gone_or_no_wave_is_told(place: Place) -> None:
    id, _ = await recorded(place)
    file: Path = place.home / "recordings" / f"2026/11/24/{id}.wav"
    leader = await place.user("1901")
    await asyncio.to_thread(file.write_bytes, b"OggS" + bytes(5000))
    assert (await leader.http.get(f"/recordings/{id}/peaks")).json() == {"peaks": []}
    await asyncio.to_thread(file.unlink)
    gone = await leader.http.get(f"/recordings/{id}/audio")
    assert gone.status_code == 404 and "没有找到" in gone.text


async def test_a_recording_that_was_deleted_after_its_time_says_so_everywhere(place: Place) -> None:
    id, _ = await recorded(place)
    contact = id.removesuffix("-r1")
    deleted = {"contact": contact, "kept_days": 30}
    await place.store([Event("recording_deleted", now_ms(), id, RECORDING_SEQ["recording_deleted"], deleted)])
    await asyncio.to_thread((place.home / "recordings" / f"2026/11/24/{id}.wav").unlink)
    leader = await place.user("1901")
    player = (await leader.get(f"/recordings/{id}")).text
    assert "录音超过了保存天数，文件已删除" in player and "data-player" not in player
    assert "录音到期已删除" in (await leader.get(f"/calls/{contact}")).text
    row = (await leader.get(f"/calls/?call={contact}")).text.partition(f"/calls/{contact}")[2].partition("</tr>")[0]
    assert "录音到期已删除" in row
    assert (await leader.http.get(f"/recordings/{id}/audio")).status_code == 404


@pytest.mark.slow
async def test_a_long_recording_passes_through_without_staying(place: Place) -> None:
    """An hour of stereo is 58 MB; the web must not hold it."""
    id, _ = await recorded(place)
    file: Path = place.home / "recordings" / f"2026/11/24/{id}.wav"
    long = sound.tone(300, 30)
    content = sound.wav(np.tile(long, 120), np.tile(long, 120))
    await asyncio.to_thread(file.write_bytes, content)
    leader = await place.user("1901")
    memory = Path(f"/proc/{place.web.process.pid}/status")

    def peak_kb() -> int:
        return int(next(line for line in memory.read_text().splitlines() if line.startswith("VmHWM")).split()[1])

    before, received = peak_kb(), 0
    async with leader.http.stream("GET", f"/recordings/{id}/audio") as answer:
        async for chunk in answer.aiter_bytes():
            received += len(chunk)
    assert received == len(content) > 57_000_000
    assert len((await leader.http.get(f"/recordings/{id}/peaks")).json()["peaks"][0]) == 1200
    assert peak_kb() - before < 25_000


async def test_to_keep_it_is_a_right_of_its_own_and_written_down(place: Place) -> None:
    id, content = await recorded(place)
    admin, leader = await place.user("admin"), await place.user("1901")
    assert (await leader.http.get(f"/recordings/{id}/file")).status_code == 403
    assert "/file" not in (await leader.get(f"/recordings/{id}")).text
    assert f"/recordings/{id}/file" in (await admin.get(f"/recordings/{id}")).text
    answer = await admin.http.get(f"/recordings/{id}/file")
    assert answer.content == content and answer.headers["content-disposition"] == f'attachment; filename="{id}.wav"'
    assert await played(place, id) == [("admin", "recording_downloaded")]


async def test_comments_stand_at_their_moment_for_all_who_may_hear_it(place: Place) -> None:
    id, _ = await recorded(place)
    leader, agent, stranger = await place.user("1901"), await place.user("1052"), await place.user("1054")
    path, hostile = f"/recordings/{id}/comments", "'; <script>alert(1)</script>"
    written = {"at": "0:02", "text": hostile, "key": uuid.uuid4().hex}
    for _ in range(2):  # a double click
        answer = await leader.post(path, written)
        assert answer.status_code == 200 and answer.text.count('class="lc-comment"') == 1
    assert 'data-seek="2.0"' in answer.text and "<script>" not in answer.text and "&lt;script&gt;" in answer.text
    seen = await agent.get(f"/recordings/{id}")
    assert 'data-seek="2.0"' in seen.text and 'x1="50.0%"' in seen.text and "/remove" not in seen.text
    wrong = await agent.post(path, {"at": "9:00", "text": "说得好", "key": uuid.uuid4().hex})
    assert wrong.status_code == 422 and "录音没有这么长。" in wrong.text and 'value="说得好"' in wrong.text
    assert (await stranger.post(path, written)).status_code == 404
    (number,) = set(re.findall(r"comments/(\d+)/remove", answer.text))
    assert "&lt;script&gt;" in (await agent.post(f"{path}/{number}/remove")).text, "only his own"
    assert 'lc-comment"' not in (await leader.post(f"{path}/{number}/remove")).text


async def test_one_person_does_not_take_all_that_the_web_has_room_for(place: Place) -> None:
    """However often he has logged in: recordings that he does not read to their end."""
    id, _ = await recorded(place)
    (file,) = (place.home / "recordings").rglob(f"{id}.wav")
    with file.open("r+b") as opened:
        opened.truncate(20_000_000)  # more than lies in sockets
    path = f"/recordings/{id}/audio"
    many, other = [await place.user("1901") for _ in range(2)], await place.user("1052")
    async with contextlib.AsyncExitStack() as held:
        for n in range(EACH):
            answer = await held.enter_async_context(many[n % 2].http.stream("GET", path))
            assert answer.status_code == 200
        assert (await many[0].http.get(path)).status_code == 503
        assert (await other.http.get(path, headers={"range": "bytes=0-9"})).status_code == 206
    for _ in range(50):
        if (answer := await many[0].http.get(path, headers={"range": "bytes=0-9"})).status_code == 206:
            break
        await asyncio.sleep(0.1)
    assert answer.status_code == 206
