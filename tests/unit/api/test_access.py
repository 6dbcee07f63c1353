"""Tokens: whose a secret is, and what each may see and do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lq.api import access
from lq.api.access import HOUSE, Access, Sight
from lq.api.errors import Refusal
from lq.config.documents import SCOPES, Token
from lq.ledger.events import Event
from lq.ledger.topics import TOPICS

SECRET = f"lcall_0123abcd_{'x' * 43}"
TOKEN = Token("0123abcd", "crm", access.digest(SECRET), ("read", "events"), expires_at=2000)
SERVING = {"1001": ("sales",), "1002": ("sales", "support"), "1003": ("support",)}


def test_a_secret_is_one_tokens_own_until_it_expires() -> None:
    tokens = {TOKEN.id: TOKEN}
    assert access.identified("house", "house", tokens, 0) is HOUSE
    assert access.identified(SECRET, "house", tokens, 1999) == TOKEN
    assert access.identified(SECRET, "house", tokens, 2000) is None, "expired"
    assert access.identified(SECRET, "house", {}, 0) is None, "revoked"
    for given in ("", "hous", "housee", SECRET[:-1] + "y", SECRET.replace("0123abcd", "0123abce"), "é" * 60):
        assert access.identified(given, "house", tokens, 0) is None
    assert SECRET not in repr(TOKEN)


def test_what_a_scope_does_not_give_is_refused_by_name() -> None:
    reader = Access(TOKEN)
    reader.need("read")
    for scope in set(SCOPES) - {"read", "events"}:
        with pytest.raises(Refusal, match=f"0123abcd has not the scope '{scope}'") as refused:
            reader.need(scope)
        assert (refused.value.status, refused.value.code) == (403, "scope_missing")
        Access(HOUSE).need(scope)


def test_topics_are_those_that_the_scopes_give() -> None:
    assert Access(HOUSE).topics(()) == set(TOPICS)
    reader = Access(TOKEN)
    assert reader.topics(()) == {"agents", "queues", "contacts", "phones"}
    assert reader.topics(["queues"]) == {"queues"}
    with pytest.raises(Refusal, match="'recordings'"):
        reader.topics(["queues", "recordings"])
    assert Access(Token("t", "t", "", ("events",))).topics(()) == set()


def restricted(**to: Any) -> Access:
    return Access.of_token(Token("t", "t", "", ("read", "events", "contacts"), **to), SERVING)


def contact(id: str, agent: str | None = None, queue: str | None = None, *segments: dict[str, Any]) -> dict[str, Any]:
    return {"id": id, "agent": agent, "queue": queue, "segments": list(segments)}


def test_a_restriction_names_agents_and_queues() -> None:
    free, one, queue = Access(TOKEN), restricted(agents=("1001",)), restricted(queues=("support",))
    assert all(free.agent(id) and free.contact(contact("c", id)) for id in SERVING)
    assert [id for id in SERVING if one.agent(id)] == ["1001"]
    assert [id for id in SERVING if queue.agent(id)] == ["1002", "1003"], "those who serve it"
    assert queue.queue("support") and not queue.queue("sales") and one.queue("sales")
    assert one.contact(contact("c", "1001")) and not one.contact(contact("c", "1002"))
    assert one.contact(contact("c", "1002", None, {"agent": "1001", "queue": None})), "he had it once"
    assert queue.contact(contact("c", None, "support")) and not queue.contact(contact("c", "1002", "sales"))
    for refusal in (
        lambda: one.need_agent("1002"),
        lambda: queue.need_queue("sales"),
        lambda: one.need_contact(contact("c")),
    ):
        with pytest.raises(Refusal) as refused:
            refusal()
        assert refused.value.status == 403


def event(type: str, subject: str, **data: Any) -> Event:
    return Event(type, 0, subject, 1, data)


async def test_a_restricted_listener_hears_of_his_own_only() -> None:
    asked: list[str] = []

    async def find(id: str) -> Mapping[str, Any] | None:
        asked.append(id)
        return {"known": contact("known", "1001"), "foreign": contact("foreign", "1002")}.get(id)

    sight = Sight(restricted(agents=("1001",)), frozenset(("agents", "contacts", "recordings", "phones")), find)
    heard = [
        event("agent_state_changed", "agent:1001", agent="1001"),
        event("contact_started", "known"),
        event("contact_offered", "c1", agent="1001"),
        event("contact_ended", "c1"),
        event("recording_stored", "c1-r1", contact="c1"),
        event("phone_changed", "phone:8001", agent="1001"),
        event("contact_answered", "foreign", agent="1001"),
        event("leg_ended", "foreign"),
    ]
    silent = [
        event("queue_changed", "queue:sales"),
        event("agent_state_changed", "agent:1002", agent="1002"),
        event("contact_started", "foreign"),
        event("contact_started", "nobody"),
        event("contact_ended", "nobody"),
        event("phone_changed", "phone:8002"),
        event("recorder_disk_full", "recorder:a"),
        event("node_left", "node:x"),
    ]
    assert [e.type for e in silent if await sight.sees(e)] == []
    assert [e.type for e in heard if not await sight.sees(e)] == []
    assert asked == ["foreign", "nobody", "known"], "each was looked up once"


async def test_what_a_listener_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def find(id: str) -> None:
        return None

    monkeypatch.setattr(access, "CONTACTS_KEPT", 10)
    sight = Sight(restricted(agents=("1001",)), frozenset(("contacts",)), find)
    for n in range(100):
        await sight.sees(event("contact_started", f"c{n}"))
    assert len(sight.known) == 10


def test_pressed_keys_are_the_houses_own_to_see() -> None:
    keys = event("contact_keys", "c", n=1, node="menu", pii_digits="4111")
    assert Access(HOUSE).shown(keys) == keys
    assert Access(TOKEN).shown(keys).data == {"n": 1, "node": "menu"}


async def test_an_agent_does_not_learn_that_a_leader_listens() -> None:
    legs = [{"id": "c.2", "agent": "1001", "mode": None}, {"id": "c.4", "agent": "1901", "mode": "listen"}]
    shown = {**contact("c"), "legs": legs}
    assert [leg["id"] for leg in Access(TOKEN).shown_contact(shown)["legs"]] == ["c.2"]
    assert Access(HOUSE).shown_contact(shown) == shown


async def test_a_listener_without_the_right_hears_an_agents_state_but_not_with_whom_a_leader_is() -> None:
    async def hides(event: Event) -> bool:
        return True

    state = event("agent_state_changed", "agent:1901", agent="1901", state="talking", contact="c")
    leg = event("leg_answered", "c", leg="c.4", codec="PCMA")
    topics = frozenset(("agents", "contacts"))
    agent, leader = (Sight(Access(token), topics, hides=hides) for token in (TOKEN, HOUSE))
    assert await agent.shown(leg) is None and await leader.shown(leg) == leg and await leader.shown(state) == state
    heard = await agent.shown(state)
    assert heard is not None and heard.data == {"agent": "1901", "state": "talking"}


async def test_who_is_called_into_a_contact_sees_it_before_he_answers() -> None:
    sight = Sight(restricted(agents=("1002",)), frozenset(("contacts",)))
    assert not await sight.sees(event("contact_held", "c", n=2, by="agent"))
    assert await sight.sees(event("contact_called", "c", n=2, leg="c.3", verb="consult", to="agent:1002"))
    shown = {**contact("c", "1001"), "legs": [{"id": "c.3", "agent": "1002"}]}
    assert restricted(agents=("1002",)).contact(shown)
