"""From `say:<text>` in a published flow to a prompt on the mixer's shelf: real PostgreSQL, worker, espeak-ng."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from lq.config import publish
from lq.config.demo import documents
from lq.media.mixer.shelf import NoSuchItem, Shelf
from lq.media.prompts import prompt, spoken
from lq.media.tts import sound
from lq.media.tts.cache import SpokenTexts
from lq.media.tts.engine import Espeak, SpeechFailed
from tests.integration.api.conftest import Api, api, live
from tests.integration.ledger.conftest import dsn, postgres_server, redis_server, template
from tests.integration.ledger.services import eventually, program

__all__ = ["api", "dsn", "live", "postgres_server", "redis_server", "template"]

CLOSED = "say:您好，我们的服务时间是9:00-18:00，紧急情况请拨打010-88001002。"
AGAIN = "say:请再试一次。"


@pytest.fixture
async def rows(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


def flow(**prompts: str) -> dict[str, Any]:
    nodes = {
        "hello": {"kind": "play", "prompt": CLOSED, "next": "menu"},
        "menu": {"kind": "menu", "prompt": "menu_main", "keys": {"1": "hello"}, "otherwise": "end", **prompts},
        "end": {"kind": "hang_up"},
    }
    return {"id": "closed", "start": "hello", "nodes": nodes}


async def wanted(rows: asyncpg.Connection) -> list[dict[str, str]]:
    found = await rows.fetch("select body from outbox where kind = 'speak' and state = 'queued' order by id")
    return [json.loads(row["body"]) for row in found]


def text(prompt: str) -> str:
    return prompt.removeprefix("say:")


def assert_speech(alaw: bytes, least_s: float, most_s: float) -> None:
    samples = sound.decode(alaw)
    assert least_s < len(samples) / sound.RATE < most_s
    assert sound.speech_level(samples) == pytest.approx(sound.SPEECH_DBOV, abs=3)
    assert np.abs(samples).max() < 0.99, "clipped"
    begin, end = sound.heard(samples)
    levels = sound.frame_levels(samples[begin:end])
    assert (levels > levels.max() - 25).mean() > 0.3, "somebody speaks most of the time"
    assert (levels < levels.max() - 30).any(), "and stops between words, as no tone does"


async def test_a_published_text_becomes_a_prompt(api: Api, dsn: str, rows: asyncpg.Connection, tmp_path: Path) -> None:
    """The way of a flow's author: PUT through LQ-SDK's server; a moment later the mixer's shelf has it."""
    shelf = Shelf([tmp_path / "prompts"])
    item = prompt(CLOSED, "zh")
    async with api.http() as http:
        answer = await http.put("/v1/config/flows/closed", json=flow(no_key=AGAIN))
        assert answer.status_code == 201, answer.text
    assert await wanted(rows) == [{"text": text(said), "language": "zh"} for said in sorted((CLOSED, AGAIN))]
    with pytest.raises(NoSuchItem):
        shelf.item(item)
    with program("lq.worker", {"LCALL_POSTGRES_DSN": dsn, "LCALL_HOME": str(tmp_path)}, tmp_path / "log"):
        await eventually(
            lambda: rows.fetchval("select bool_and(state = 'done') from outbox where kind = 'speak'"), "the texts", 30
        )
    assert_speech(shelf.item(item), 6, 14)
    assert_speech(shelf.item(prompt(AGAIN, "zh")), 0.8, 3)
    assert_speech(shelf.sequence([item, prompt(AGAIN, "zh")]), 7, 17)


async def test_bad_texts_are_refused_with_their_node_and_nothing_is_written(api: Api, rows: asyncpg.Connection) -> None:
    body = flow(no_key="say: ")
    async with api.http() as http:
        answer = await http.put("/v1/config/flows/closed", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "nodes.menu"
    assert "'no_key' has nothing to say" in answer.json()["error"]["message"]
    assert await wanted(rows) == []


async def test_each_text_is_wanted_once_and_again_in_another_language(rows: asyncpg.Connection) -> None:
    await publish.put(rows, documents(5080), by="test")
    assert await wanted(rows) == [], "no flow says anything"
    for _ in range(2):
        await publish.put(rows, [("flows", flow(no_key=CLOSED))], by="test")
    assert await wanted(rows) == [{"text": text(CLOSED), "language": "zh"}]
    settings = next(body for kind, body in documents(5080) if kind == "settings")
    await publish.put(rows, [("settings", {**settings, "language": "en"})], by="test")
    assert [body["language"] for body in await wanted(rows)] == ["zh", "en"]


async def test_a_text_that_is_there_is_not_spoken_again(tmp_path: Path) -> None:
    texts = SpokenTexts(tmp_path, Espeak())
    assert await texts.render("Hello, this is a test.", "en")
    path = tmp_path / f"{spoken('Hello, this is a test.', 'en')}.al"
    assert_speech(path.read_bytes(), 1, 4)
    before = path.stat().st_mtime_ns
    assert not await texts.render("Hello, this is a test.", "en")
    assert path.stat().st_mtime_ns == before
    assert [found.name for found in path.parent.iterdir()] == [path.name], "no draft is left"


async def test_mandarin_is_not_read_as_english_words(tmp_path: Path) -> None:
    """Four syllables last a second; as the names of letters or English words they would last several."""
    texts = SpokenTexts(tmp_path, Espeak())
    await texts.render("请您稍候", "zh")
    assert_speech(texts.path("请您稍候", "zh").read_bytes(), 0.8, 2.2)


@pytest.mark.parametrize(
    ("engine", "said", "why"),
    [
        (Espeak("no-such-program"), "你好", "does not start"),
        (Espeak("false"), "你好", "gave 1"),
        (Espeak("true"), "你好", "gave 0"),
        (Espeak(), "。", "nothing to hear"),
    ],
)
async def test_an_engine_that_gives_no_sound_leaves_no_file(
    tmp_path: Path, engine: Espeak, said: str, why: str
) -> None:
    texts = SpokenTexts(tmp_path, engine)
    with pytest.raises(SpeechFailed, match=why):
        await texts.render(said, "zh")
    assert not texts.path(said, "zh").exists()


async def test_what_cannot_be_spoken_now_is_tried_again(rows: asyncpg.Connection, dsn: str, tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("a file where the directory belongs")
    await publish.put(rows, documents(5080), by="test")
    await publish.put(rows, [("flows", flow())], by="test")
    with program("lq.worker", {"LCALL_POSTGRES_DSN": dsn, "LCALL_HOME": str(tmp_path)}, tmp_path / "log"):
        await eventually(lambda: rows.fetchval("select last_error from outbox where kind = 'speak'"), "the failure", 30)
        (tmp_path / "prompts").unlink()
        await rows.execute("update outbox set run_at = now()")
        await eventually(lambda: rows.fetchval("select state = 'done' from outbox where kind = 'speak'"), "it", 30)
    assert_speech((tmp_path / f"prompts/{prompt(CLOSED, 'zh')}.al").read_bytes(), 6, 14)
