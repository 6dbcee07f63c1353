"""Who is in a conference, as Redis counts them: joined with a commit, gone with the contact."""

from __future__ import annotations

import pytest

from lq.live.errors import BadRequest
from lq.live.redis import Live
from lq.live.values import Called, Gathering, Holds, Membership

A, B, C = "c-a", "c-b", "c-c"


async def joins(live: Live, contact: str, node: str = "lq1-1", *, host: bool = False, most: int = 2) -> Gathering:
    where = Membership("board", host, most)
    done = await live.commit(contact, node=node, epoch=1, snapshot="{}", conference=where)
    assert done.conference is not None
    return done.conference


def counted(answer: Gathering) -> tuple[bool, int, int]:
    return answer.ok, answer.parties, answer.hosts


async def heard(live: Live, node: str) -> list[tuple[str, int, int]]:
    """By the inbox of a node: contact, parties, hosts."""
    found = [message for _, message in await live.inbox(node, "0", block_ms=0)]
    return [(m["contact"], m["parties"], m["hosts"]) for m in found if m["type"] == "parties"]


async def test_who_comes_is_counted_and_the_others_are_told(live: Live) -> None:
    assert counted(await joins(live, A)) == (True, 1, 0)
    assert counted(await joins(live, B, "lq2-1", host=True)) == (True, 2, 1)
    assert await heard(live, "lq1-1") == [(A, 2, 1)]
    assert await heard(live, "lq2-1") == []
    assert await live.conference("board") == {A: False, B: True}


async def test_what_is_told_is_newer_than_what_was_answered_before(live: Live) -> None:
    first, second, again = [await joins(live, contact) for contact in (A, B, B)]
    [told] = [message for _, message in await live.inbox("lq1-1", "0", block_ms=0) if message["type"] == "parties"]
    assert first.change < second.change == told["change"] == again.change


async def test_a_full_one_takes_nobody_but_whoever_is_in_it(live: Live) -> None:
    await joins(live, A)
    await joins(live, B)
    assert counted(await joins(live, C)) == (False, 2, 0)
    assert counted(await joins(live, B)) == (True, 2, 0)  # an answer that was lost
    assert await live.conference("board") == {A: False, B: False}


async def test_he_is_in_it_as_long_as_his_contact_lives(live: Live) -> None:
    await joins(live, A)
    await joins(live, B, "lq2-1", host=True)
    await live.commit(B, node="lq2-1", epoch=1, snapshot=None)
    assert await live.conference("board") == {A: False}
    assert (await heard(live, "lq1-1"))[-1] == (A, 1, 0)


async def test_the_death_of_a_node_changes_nothing(live: Live) -> None:
    await live.renew("lq", "lq1-1")
    await joins(live, A)
    await live.leave("lq", "lq1-1")
    await live.adopt("lq2-1", "lq1-1")
    assert await live.conference("board") == {A: False}
    assert counted(await joins(live, B, "lq2-1")) == (True, 2, 0)
    assert (A, 2, 0) in await heard(live, "lq2-1")


async def test_what_redis_has_forgotten_is_said_again(live: Live) -> None:
    await live.commit(A, node="lq1-1", epoch=1, snapshot="{}", holds=Holds(conference=Membership("board", True)))
    assert await live.conference("board") == {A: True}
    await live.commit(A, node="lq1-1", epoch=1, snapshot="{}", holds=Holds())
    assert await live.conference("board") == {}


async def test_a_misshapen_request_changes_nothing(live: Live) -> None:
    with pytest.raises(BadRequest):
        await live.commit(A, node="lq1-1", epoch=1, snapshot="{}", conference=Membership(5, False))  # type: ignore[arg-type]
    assert await live.contacts() == []


async def note(live: Live, contact: str, outcome: str = "", *, at: int = 1) -> None:
    called = Called("board", "1002", at, outcome)
    await live.commit(contact, node="lq1-1", epoch=1, snapshot="{}", called=called)


async def test_whom_it_has_called_it_remembers_longer_than_his_contact_lives(live: Live) -> None:
    await note(live, A)
    assert await live.called("board") == {A: Called("board", "1002", 1)}
    await note(live, A, "busy")
    await live.commit(A, node="lq1-1", epoch=1, snapshot=None)
    assert await live.called("board") == {A: Called("board", "1002", 1, "busy")}
    assert await live.conference("board") == {}  # he has never been in it


async def test_it_remembers_the_last_two_hundred(live: Live) -> None:
    for n in range(203):
        await note(live, f"c-{n:03}", at=n)
    await note(live, "c-202", "answered", at=202)
    kept = await live.called("board")
    assert next(iter(kept)) == "c-003" and len(kept) == 200 and kept["c-202"].outcome == "answered"


async def test_a_misshapen_call_changes_nothing(live: Live) -> None:
    with pytest.raises(BadRequest):
        await live.commit(A, node="lq1-1", epoch=1, snapshot="{}", called=Called("board", "1002", "now"))  # type: ignore[arg-type]
    assert await live.contacts() == []
