"""What the soft phone is told of a call, and which number is called back."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from lcall_web.common.viewer import Viewer, reach
from lcall_web.desk import store
from lq.sdk import Agent, Contact

WRAPS_UP = Agent("1001", "王芳", "wrap_up", phone="8001", contact="c")
OVER = Contact("c", "in", "talking", "+8613800138000", "13800138000", "4008001001", number_published="13800138000")


def floor(agent: Agent = WRAPS_UP, **queues: Any) -> Any:
    return SimpleNamespace(agents={agent.id: agent}, documents={"queues": queues}, moved={})


class Details:
    def __init__(self, contact: Contact | None) -> None:
        self.contact = contact

    async def of(self, floor: Any, id: str) -> Contact | None:
        return self.contact


def test_a_queue_can_do_without_the_card_of_who_calls() -> None:
    queues = floor(sales={"name": "销售"}, support={"screen_pop": False})
    assert store.pops(queues, "sales") and store.pops(queues, "") and store.pops(queues, "gone")
    assert not store.pops(queues, "support")


def test_he_is_offered_the_phones_at_which_he_may_sit() -> None:
    phones = {"8001": {}, "8002": {"agent": ""}, "8003": {"agent": "1001"}, "8004": {"agent": "1002"}}
    others = {"8005": {"enabled": False}, "8006": {}}
    gone = replace(WRAPS_UP, id="1008", phone="8002", state="signed_out")  # his last event names where he was
    taken = {"1007": replace(WRAPS_UP, id="1007", phone="8006"), "1008": gone}
    room = SimpleNamespace(agents=taken, documents={"phones": {**phones, **others}})
    viewer = Viewer("1001", "王芳", "agent", "坐席", b"", "", frozenset(), reach("1001", "own", (), ()))
    assert store.free_phones(room, viewer) == ["8003", "8001", "8002"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("phones", "own"),
    [
        ({}, ""),
        ({"8001": {}, "8002": {"agent": "1002"}}, ""),
        ({"8001": {"agent": "1001"}, "8900": {"agent": "1001", "model": "browser"}}, "8900"),
        ({"8001": {"agent": "1001", "enabled": False}, "8007": {"agent": "1001", "model": "yealink"}}, "8007"),
        ({"8009": {"agent": "1001"}, "8007": {"agent": "1001"}}, "8007"),
    ],
)
def test_his_own_phone_is_one_that_works_a_browsers_before_a_desk_phone(phones: Any, own: str) -> None:
    out = Agent("1001", "王芳", "signed_out")
    room = SimpleNamespace(agents={"1001": out}, documents={"phones": phones}, waiting={}, name=lambda *asked: "")
    viewer = Viewer("1001", "王芳", "agent", "坐席", b"", "", frozenset(), reach("1001", "own", (), ()))
    shown = store.picture(room, store.Eyes(viewer, "zh"), None)  # type: ignore[arg-type]
    assert shown is not None and shown["agent"]["own_phone"] == own


@pytest.mark.parametrize(
    ("agent", "contact", "asked", "number"),
    [
        (WRAPS_UP, OVER, "c", "13800138000"),
        (WRAPS_UP, OVER, "another", ""),
        (replace(WRAPS_UP, contact=None), OVER, "", ""),
        (WRAPS_UP, None, "c", ""),
    ],
)
async def test_whom_he_has_just_talked_with_is_called_before_history_knows(
    agent: Agent, contact: Contact | None, asked: str, number: str
) -> None:
    viewer = Viewer("1001", "王芳", "agent", "坐席", b"", "", frozenset(), reach("1001", "own", (), ()))
    assert await store.number_at_hand(floor(agent), Details(contact), viewer, asked) == number  # type: ignore[arg-type]
