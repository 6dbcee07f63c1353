"""The page of one call: over, going on, and with hostile numbers and names."""

from __future__ import annotations

import re

from lq.contacts.contact import Leg
from lq.live.redis import Live
from tests.unit.ledger.lives import Life

from .calls import LiveCall, now_ms, past_call, spoken
from .conftest import Place
from .test_calls import stored_calls, unique


async def test_a_call_that_is_over(place: Place) -> None:
    number = "13244446666"
    (id,) = await stored_calls(place, past_call(f"over-{unique()}", now_ms() - 60_000, number, "1050"))
    admin = await place.user("admin", **{"accept-language": "en"})
    text = (await admin.get(f"/calls/{id}")).text
    for word in (
        number,
        f"+86{number}",
        "4008001000",
        "Answered",
        "Customer hung up",
        "Normal clearing",
        "gw1",
        "Played",
    ):
        assert word in text, word
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", text))
    assert (facts["Talk"], facts["… on hold"]) == ("0:38", "0:04"), "as in the list, its totals and its file"
    lanes = re.findall(r'lc-lane"><span>([^<]+)', text)
    assert lanes == ["Menu", "Waiting", "Ringing", "Talk", "Hold"]
    assert len(re.findall(r'class="lc-bar lc-bar-talk"', text)) == 2, "hold parts the talk"
    events = re.findall(r"<tr><td class=\"lc-figure text-secondary\">[\d:.]+</td><td>([^<]+)", text)
    assert events[0] == "Call arrived" and events[-2:] == ["Call ended", "Leg ended"]
    assert f'hx-get="/recordings/{id}-r1"' in text


async def test_a_call_that_goes_on(place: Place, live: Live) -> None:
    call = await LiveCall(live, f"live-{unique()}", "13100001111").start()
    await call.queue("support")
    leader = await place.user("1901")
    text = (await leader.get(f"/calls/{call.id}")).text
    assert "排队中" in text and "131****1111" in text and "13100001111" not in text and "进行中" in text
    agent = await place.user("1051")
    assert (await agent.get(f"/calls/{call.id}")).status_code == 404
    await call.end("abandoned")


async def test_hostile_numbers_and_names_stay_texts(place: Place) -> None:
    id, hostile = f"hostile-{unique()}", "'; <script>alert(1)</script>{{ 7*7 }}"
    life = Life(id, now_ms()).say(
        "contact_started",
        **{"direction": "in", "number_raw": hostile, "number": "", "number_published": hostile},
        **{"called_raw": hostile, "called": "", "called_published": hostile, "trunk": hostile, "node": "x"},
    )
    life.say("leg_started", leg=f"{id}.1", party="customer", address=hostile, direction="in")
    await stored_calls(place, life.end("refused", "system", 1))
    for viewer in ("admin", "1901"):
        visitor = await place.user(viewer)
        for path in ("/calls/", f"/calls/{id}"):
            page = await visitor.get(path)
            assert page.status_code == 200 and "<script>alert" not in page.text
            assert ("&lt;script&gt;alert" in page.text) or viewer == "1901"
    for path in (
        "/calls/%3Cscript%3E",
        "/calls/x'%20or%201=1",
        "/calls/" + "a" * 100,
        "/recordings/%00",
        "/calls/%2e%2e",
    ):
        answer = await (await place.user("admin")).get(path)
        assert answer.status_code == 404 and "没有找到" in answer.text, path


def monitored(id: str, at: int) -> Life:
    """One leader has listened and whispered, another one has barged in."""
    life = Life(id, at).start("+8613900004771").queue("sales").offer("1041").answer("1041", "sales")
    for n, phone, agent, modes in ((7, "8971", "1901", ("listen", "whisper")), (8, "8972", "1902", ("barge",))):
        leg = f"{id}.{n}"
        life.say("contact_called", n=life.n, leg=leg, verb="monitor", to=f"agent:{agent}")
        life.say("leg_started", leg=leg, party="agent", address=phone, direction="out")
        life.say("leg_answered", leg=leg, codec="PCMA").say("contact_call_ended", leg=leg, outcome="answered")
        for mode in modes:
            life.say("contact_monitored", agent=agent, mode=mode, leg=leg)
    life.wait(5000).end("answered")
    return life.say("leg_ended", leg=f"{id}.7", by="us", cause=16).say("leg_ended", leg=f"{id}.8", by="us", cause=16)


async def test_an_agent_does_not_see_on_his_call_that_a_leader_listened(place: Place) -> None:
    (id,) = await stored_calls(place, monitored(f"heard-{unique()}", now_ms()))
    agent, admin = await place.user("1041"), await place.user("admin")
    page = (await admin.get(f"/calls/{id}")).text
    assert page.count("班长监听") == 5 and "耳语" in page and "8971" in page and "8972" in page
    page = spoken((await agent.get(f"/calls/{id}")).text)
    assert "耳语" not in page and "8971" not in page and "1901" not in page
    assert page.count("班长监听") == 1 and "强插" in page and "8972" in page, "who barges in is heard by all"


async def test_nor_while_the_leader_listens(place: Place, live: Live) -> None:
    call = await LiveCall(live, f"hears-{unique()}", "13900004772").start()
    listens = Leg(3, "agent", "out", "8973", "answered", agent="1901", mode="listen", place="listens")
    talks = Leg(2, "agent", "out", "8041", "answered", agent="1041", place="talk")
    legs = {**call.contact.legs, 2: talks, 3: listens}
    await call._commit(state="talking", agent="1041", answered_at=call.life.at, legs=legs)
    agent, admin = await place.user("1041"), await place.user("admin")
    seen, hidden = [spoken((await each.get(f"/calls/{call.id}")).text) for each in (admin, agent)]
    assert "8041" in seen and "8973" in seen and "8041" in hidden and "8973" not in hidden
    await call.end()
