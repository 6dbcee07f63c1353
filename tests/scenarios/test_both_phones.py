"""A working day with both kinds of phone: Anna at a desk phone (baresip), Ben at his browser's, and their leader.

On the screen, by ear (what the browser hears too), in the SIP trace, and in the books.
"""

from __future__ import annotations

import asyncpg
import pytest
from playwright.async_api import expect

from ops import trace
from ops.home import read_secrets
from ops.services import DATABASE
from tests.center import Center
from tests.scenarios.conftest import Line, Scene, is_read, line, new_number, phone_of
from tests.scenarios.desks import TALKING, Desk, sits_down, voices
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER, TONES
from tests.scenarios.test_web import Visit, Visiting, browser, visiting
from tests.simulator import matrix
from tests.simulator.baresip import PhoneCall
from tests.simulator.call import Call
from tests.simulator.hearing import Ear
from tests.simulator.matrix import MUSIC, Names
from tests.simulator.web_phone import WebPhone, tone

__all__ = ["browser", "visiting"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LINE: Line = line(25)
ATTENTIVE = {"wrap_up_s": 120, "ring_s": 60}  # who is told what to do does it in his own time
HEARD_WITHIN_S = 20.0
SAID = ("INVITE ", "INFO ", "BYE ")
RELOAD = "setTimeout(() => location.reload())"  # as by F5: whoever asks for it waits for nothing


async def hear(scene: Scene, ears: dict[str, Ear], wanted: dict[str, Names]) -> None:
    await matrix.hear(ears, wanted, voices(scene), HEARD_WITHIN_S)


async def at_the_browser(scene: Scene, web: str, agent: str) -> tuple[Desk, WebPhone]:
    """Ben, whose microphone says his tone; signed in by the button of the column."""
    microphone = tone(scene.directory / "voice.wav", TONES[COLLEAGUE])
    own = await scene.stack.enter_async_context(WebPhone(web, agent, microphone=microphone))
    visit = Visit(own.page, web)
    own.page.on("pageerror", lambda error: visit.faults.append(f"exception: {error}"))
    desk = Desk(scene, visit, agent, COLLEAGUE)
    scene.stack.push_async_callback(scene.lq.sign_out, agent)
    await desk.is_("signed_out")
    await expect(own.page.locator("#desk-phone")).to_have_value(phone_of(agent))
    await own.page.click("[data-browser-phone]")
    await own.is_("registered")
    await desk.is_("ready")
    return desk, own


async def test_a_working_day(scene: Scene, center: Center, visiting: Visiting) -> None:
    queue = dict((await scene.lq.document("queues", LINE.queue)).body)
    await scene.lq.put_document("queues", LINE.queue, queue | ATTENTIVE)
    await is_read(center, (await scene.lq.health()).config_version)
    number, name = new_number(), f"林{new_number()}"

    # Anna sits down; somebody who is not known calls, and has her card before she lifts the handset.
    phone = await scene.phone(phone_of(LINE.agents[0]))
    visit = await visiting(center.web)
    await visit.log_in(LINE.agents[0])
    anna = Desk(scene, visit, LINE.agents[0], AGENT)
    await anna.signs_in()
    caller = await scene.dial(LINE.number, number)
    caller.say(TONES[CUSTOMER])
    await caller.answered()
    contact = await scene.contact(caller)
    talk = await phone.rings(20)
    await anna.is_("ringing")
    await expect(anna.card).to_contain_text("新客户")
    await talk.answer()
    await talk.say(TONES[AGENT])
    await anna.is_("talking")
    await hear(scene, {CUSTOMER: caller.stream, AGENT: talk.ear}, TALKING)
    await anna.card.locator("#f-name").fill(name)
    await anna.card.locator("#pop-save").dblclick()
    await expect(anna.card.locator(".lc-person-title")).to_contain_text(name)
    await anna.notes_down("要改送货地址")

    await _whispered_to(scene, center, visiting, anna, caller, talk)

    # Ben comes to his browser, and is asked about it: his card has name and note while it rings.
    ben, own = await at_the_browser(scene, center.web, LINE.agents[1])
    await anna.does("transfer")
    await anna.page.locator(f".lc-who [data-to='{ben.agent}']").click()
    await anna.does("consult")
    await own.is_("ringing")
    await ben.is_("ringing")
    await expect(ben.card.locator(".lc-person-title")).to_contain_text(name)
    await expect(ben.notes).to_have_text(["要改送货地址"])
    await ben.does("answer")
    await own.is_("talking")
    await ben.is_("talking")
    await own.hears(TONES[AGENT])
    await talk.hears(TONES[COLLEAGUE], HEARD_WITHIN_S, since=talk.heard_s)
    await hear(scene, {CUSTOMER: caller.stream}, {CUSTOMER: {MUSIC}})
    await anna.does("complete")
    await talk.ended()
    await own.hears(TONES[CUSTOMER])
    await caller.hears(TONES[COLLEAGUE], HEARD_WITHIN_S, since=caller.heard_s)
    await anna.says_what_it_was_about("other")
    await anna.page.click("[data-menu='pause']")
    await anna.button("pause").first.click()
    await anna.is_("paused")

    # Held and back at Ben's screen; he goes to other pages with the call in his ear.
    await ben.does("hold")
    await expect(ben.call.locator("[data-c='label']")).to_have_text("保持中")
    await hear(scene, {CUSTOMER: caller.stream}, {CUSTOMER: {MUSIC}})
    await ben.does("resume")
    await expect(ben.call.locator("[data-c='label']")).to_have_text("通话中")
    await caller.hears(TONES[COLLEAGUE], HEARD_WITHIN_S, since=caller.heard_s)
    await own.hears(TONES[CUSTOMER])
    await own.page.evaluate("document.documentElement.dataset.unreloaded = 'yes'")
    await own.page.click(".lc-menu a[href='/customers/']")
    await expect(own.page.locator("#search")).to_be_visible()
    await expect(own.page.locator("html")).to_have_attribute("data-unreloaded", "yes")

    await _reloads(ben, own, caller)

    # He writes on where he was, hangs up, and says what it was about.
    await expect(ben.card.locator(".lc-write textarea")).to_have_value("地址已")
    await expect(ben.card.locator("[data-draft-mark]")).to_be_visible()
    await ben.notes_down("地址已改")
    await expect(ben.notes).to_have_text(["地址已改", "要改送货地址"])
    await own.hang_up()
    await caller.ended()
    await ben.is_("wrap_up")
    await own.is_("registered")
    await ben.says_what_it_was_about("complaint")
    await _in_the_books(scene, center, contact, ben.agent, {anna.agent: "要改送货地址", ben.agent: "地址已改"})
    _on_the_wire(center, contact, anna.agent, ben.agent)

    # One that he does not take: the browser stops to ring, and it is among what he has missed.
    again = await scene.dial(LINE.number, number)
    await again.answered()
    await own.is_("ringing")
    await expect(ben.card.locator(".lc-person-title")).to_contain_text(name)
    await again.hang_up()
    await own.is_("registered")
    await ben.is_("ready")
    missed = own.page.locator("#desk-today [data-list='missed'] li")
    await expect(missed).to_contain_text([name])
    assert number not in await own.page.content()
    assert ben.visit.faults == []


async def _whispered_to(
    scene: Scene, center: Center, visiting: Visiting, anna: Desk, caller: Call, talk: PhoneCall
) -> None:
    """The leader listens, and says something to Anna alone."""
    leader = await sits_down(scene, visiting, center.web, "1901", LEADER)
    page = leader.page
    await page.click(".lc-menu a[href='/team']")
    await leader.signs_in()
    await page.locator(f".lc-tile[data-id='{anna.agent}']").click()
    begun = caller.stream.length
    await page.locator(".lc-chosen [data-do='listen']").click()
    ear = await leader.lifts()
    hearing = page.locator("#hearing")
    await expect(hearing).to_have_attribute("data-mode", "listen")
    ears = {CUSTOMER: caller.stream, AGENT: talk.ear, LEADER: ear.stream}
    await hear(scene, ears, {**TALKING, LEADER: {CUSTOMER, AGENT}})
    await hearing.locator("[data-do='whisper']").click()
    await expect(hearing).to_have_attribute("data-mode", "whisper")
    await expect(page.locator("#pop > *")).to_have_count(0)  # it is not his call: his page stays free
    await hear(scene, ears, {CUSTOMER: {AGENT}, AGENT: {CUSTOMER, LEADER}, LEADER: {CUSTOMER, AGENT}})
    for (heard,) in matrix.sections([caller.stream.heard_since(begun)], voices(scene), 0):
        assert LEADER not in heard
    await hearing.locator("[data-do='leave']").click()
    await ear.ended()
    await expect(hearing).to_be_hidden()
    await leader.does("sign-out")
    await leader.is_("signed_out")


async def _reloads(ben: Desk, own: WebPhone, caller: Call) -> None:
    """F5 in the browser's call asks first: if he stays it goes on; if not he comes back to it, to music until then."""
    await ben.card.locator(".lc-write textarea").fill("地址已")
    async with own.page.expect_event("dialog") as asked:
        await own.page.evaluate(RELOAD)
    assert (await asked.value).type == "beforeunload"
    await (await asked.value).dismiss()
    await own.is_("talking")
    await own.hears(TONES[CUSTOMER])
    await caller.hears(TONES[COLLEAGUE], HEARD_WITHIN_S, since=caller.heard_s)
    await expect(own.page.locator("html")).to_have_attribute("data-unreloaded", "yes")
    begun = caller.stream.length
    async with own.page.expect_event("dialog") as asked:
        await own.page.evaluate(RELOAD)
    await (await asked.value).accept()
    await expect(own.page.locator("html[data-unreloaded]")).to_have_count(0)
    await own.is_("talking")
    await own.hears(TONES[CUSTOMER])
    await caller.hears(TONES[COLLEAGUE], HEARD_WITHIN_S, since=caller.heard_s)
    meanwhile = matrix.sections([caller.stream.heard_since(begun)], voices(ben.scene), 0)
    assert any(MUSIC in heard for (heard,) in meanwhile)
    await expect(ben.call.locator("[data-c='label']")).to_have_text("通话中")


async def _in_the_books(scene: Scene, center: Center, contact: str, agent: str, notes: dict[str, str]) -> None:
    cdr = await scene.cdr(contact, 30)
    assert (cdr.result, cdr.agent, cdr.ended_by) == ("answered", agent, "agent")
    story = scene.story(contact)
    assert (story.count("contact_started"), story.count("contact_held"), story.count("contact_ended")) == (1, 2, 1)
    secret = read_secrets(center.home).postgres
    rows = await asyncpg.connect(f"postgresql://lcall:{secret}@127.0.0.1:{center.ports.postgres}/{DATABASE}")
    try:
        found = await rows.fetch("select author, body, customer from customer_note where contact = $1", contact)
        chosen = await rows.fetchval("select customer from contact_customer where contact = $1", contact)
    finally:
        await rows.close()
    assert {row["author"]: row["body"] for row in found} == notes and len(found) == len(notes)
    assert {row["customer"] for row in found} == {chosen}


def _on_the_wire(center: Center, contact: str, anna: str, ben: str) -> None:
    """Each phone was called once; the browser was told to answer by the button, came back, and ended the call."""
    messages = trace.messages(center.home.trace, contact)
    legs: dict[str, set[str]] = {}
    for message in messages:
        if message.direction == "out" and message.data.startswith("INVITE sip:"):
            legs.setdefault(message.data.removeprefix("INVITE sip:").partition("@")[0], set()).add(message.leg)
    (hers,), (his,) = legs[phone_of(anna)], legs[phone_of(ben)]
    orders = {message.leg for message in messages if message.data.startswith("NOTIFY ")}
    assert hers not in orders and his in orders
    said = {kind: {one.leg for one in messages if one.direction == "in" and one.data.startswith(kind)} for kind in SAID}
    assert said["INFO "] == {his}
    (anew,) = said["BYE "]
    assert anew in said["INVITE "] and anew not in (hers, his)
