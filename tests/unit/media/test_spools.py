"""A spool whose disk fills: what is kept free for the call path, and what rtpengine needs when it is free again."""

from __future__ import annotations

from pathlib import Path

import pytest

from lq.disk import Space
from lq.media.spools import Spools

GIB = 1 << 30
SPOOL = Path("/spool")


@pytest.mark.parametrize(
    ("size", "reserve"), [(400 * GIB, GIB), (20 * GIB, GIB), (10 * GIB, GIB // 2), (400_000, 20_000)]
)
def test_what_is_kept_free(size: int, reserve: int) -> None:
    assert Space(0, size).reserve == reserve
    assert Space(reserve - 1, size).short() and not Space(reserve, size).short()
    assert Space(reserve + reserve // 10, size).short(was=True) and not Space(reserve * 2, size).short(was=True)


def test_no_recording_begins_before_there_is_room_again() -> None:
    freed: list[Path] = []
    spools = Spools([SPOOL], freed.append)
    assert not spools.short(SPOOL) and not spools.short(Path("/unknown"))
    told = []
    for free in (2 * GIB, GIB - 1, GIB + 1, 2 * GIB, 1 << 20, 6 << 20, 9 << 20, 2 * GIB):
        spools._look(SPOOL, Space(free, 400 * GIB))
        told.append((spools.short(SPOOL), len(freed)))
    short = [False, True, True, False, True, True, True, False]
    assert told == list(zip(short, [0, 0, 0, 0, 0, 0, 1, 1], strict=True))
