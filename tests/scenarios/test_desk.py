"""The working day at the desk, on real Chromium beside real phones: on the screen, by ear, and in the books."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.center import Center
from tests.scenarios.conftest import MENU_FLOW, Line, Scene, is_read, line, new_number, phone_of
from tests.scenarios.desks import TALKING, Desk, hear, sits_down, voices
from tests.scenarios.stage import AGENT, COLLEAGUE, CUSTOMER, LEADER, TONES
from tests.scenarios.test_web import Visit, Visiting, browser, visiting
from tests.simulator import matrix
from tests.simulator.call import Call
from tests.simulator.matrix import MUSIC

__all__ = ["browser", "visiting"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LINE, OTHER = line(24), line(25)
ATTENTIVE = {"wrap_up_s": 120, "ring_s": 60}  # who is told what to do does it in his own time

Sitting = Callable[[str, str], Awaitable[Desk]]


@pytest.fixture
async def sitting(scene: Scene, center: Center, visiting: Visiting) -> Sitting:
    """`await sitting(agent, role)`; their queues leave them time."""
    for each in (LINE, OTHER):
        queue = dict((await scene.lq.document("queues", each.queue)).body)
        await scene.lq.put_document("queues", each.queue, queue | ATTENTIVE)
    await is_read(center, (await scene.lq.health()).config_version)

    async def sit(agent: str, role: str) -> Desk:
        return await sits_down(scene, visiting, center.web, agent, role)

    return sit


async def dials(scene: Scene, own: Line, number: str = "") -> tuple[Call, str]:
    """The call, and the first contact of this number."""
    call = await scene.dial(own.number, number)
    call.say(TONES[CUSTOMER])
    await call.answered()
    return call, await scene.contact(call)


def never_heard(scene: Scene, role: str, by: Call, since: int) -> None:
    """Not for a moment after that sample."""
    for (heard,) in matrix.sections([by.stream.heard_since(since)], voices(scene), 0):
        assert role not in heard


def refused(visit: Visit) -> list[tuple[int, str]]:
    """What the web has refused to this page; the console's word of each is taken off the list of faults."""
    found = [(status, url.removeprefix(visit.web)) for url, status in visit.requests if status >= 400]
    visit.faults[:] = [fault for fault in visit.faults if not any(f"status of {code}" in fault for code, _ in found)]
    return found


async def test_from_sign_in_to_wrap_up_at_a_phone_that_takes_no_orders(
    scene: Scene, center: Center, visiting: Visiting, sitting: Sitting
) -> None:
    agent, number = LINE.agents[0], new_number()
    phone = await scene.phone(phone_of(agent))
    visit: Visit = await visiting(center.web)
    page = visit.page
    await visit.log_in(agent)
    await page.evaluate("window.unreloaded = true")
    desk = Desk(scene, visit, agent, AGENT)
    await desk.signs_in()

    # A call rings: number, queue, the card of who calls.
    call, contact = await dials(scene, LINE, number)
    talk = await phone.rings(20)
    await desk.is_("ringing")
    await expect(desk.call.locator("[data-c='number']")).to_have_text(f"139****{number[-4:]}")
    await expect(desk.call.locator("[data-c='queue']")).to_have_text("线路24")
    await expect(desk.button("hang-up")).to_be_hidden()
    await expect(desk.card).to_have_count(1)

    # This phone takes no orders: he is told to lift it, does, and the screen knows.
    await page.keyboard.press("F2")
    await expect(page.locator(".lc-told")).to_contain_text("请拿起话机")
    await talk.answer()
    await desk.is_("talking")
    await talk.say(TONES[AGENT])
    await call.hears(TONES[AGENT])
    await talk.hears(TONES[CUSTOMER])

    # Held on the screen, heard by ear; it goes on over another page and back.
    await desk.does("hold")
    await expect(desk.call.locator("[data-c='label']")).to_have_text("保持中")
    await scene.events.first("contact_held", subject=contact)
    await hear(scene, {CUSTOMER: call}, {CUSTOMER: {MUSIC}})
    await page.click(".lc-menu a[href='/calls/']")
    await expect(page.locator("#search")).to_be_visible()
    await page.keyboard.press("F8")
    await expect(desk.call.locator("[data-c='label']")).to_have_text("通话中")
    await hear(scene, {CUSTOMER: call}, {CUSTOMER: {AGENT}})
    await page.go_back()
    await expect(page.locator("#board")).to_be_visible()
    assert await page.evaluate("window.unreloaded") is True

    # After a reload it is the same call. He hangs up on the screen; a double click ends the wrap-up once.
    await page.reload()
    await desk.is_("talking")
    await expect(desk.card).to_have_count(1)
    await desk.does("hang-up")
    await call.ended()
    await desk.is_("wrap_up")
    await desk.button("done").dblclick()
    await desk.is_("ready")
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.agent, cdr.ended_by) == ("answered", agent, "agent")
    assert scene.story(contact).count("contact_held") == 1
    cards = [url.removeprefix(center.web) for url, _ in visit.requests if "/pop/" in url]
    assert cards == [f"/pop/{contact}"] * 2, "once, and once after the reload"
    assert number not in await page.content()
    assert refused(visit) == [(409, f"/desk/call/{contact}/answer")]


async def test_customer_and_note_go_with_the_call_to_the_next_agent(
    scene: Scene, center: Center, sitting: Sitting
) -> None:
    anna = await sitting(LINE.agents[0], AGENT)
    ben = await sitting(LINE.agents[1], COLLEAGUE)
    number, name = new_number(), f"林{new_number()}"
    await anna.signs_in()

    # Somebody who is not known calls: he is entered while they talk, and what he wants is noted down.
    caller, contact = await dials(scene, LINE, number)
    first = await anna.answers()
    await hear(scene, {CUSTOMER: caller, AGENT: first}, TALKING)
    await expect(anna.card).to_contain_text("新客户")
    await anna.card.locator("#f-name").fill(name)
    await anna.card.locator("#pop-save").dblclick()
    await expect(anna.card.locator(".lc-person-title")).to_contain_text(name)
    await anna.notes_down("要改送货地址")

    # He is asked about at a colleague's, whose card has the name and the note before he answers.
    await ben.signs_in()
    await anna.does("transfer")
    await anna.page.locator(f".lc-who [data-to='{ben.agent}']").click()
    await anna.does("consult")
    await ben.is_("ringing")
    await expect(ben.card.locator(".lc-person-title")).to_contain_text(name)
    await expect(ben.notes).to_have_text(["要改送货地址"])
    second = await ben.answers()
    parties = {CUSTOMER: caller, AGENT: first, COLLEAGUE: second}
    await hear(scene, parties, {CUSTOMER: {MUSIC}, AGENT: {COLLEAGUE}, COLLEAGUE: {AGENT}})
    await anna.does("complete")
    await first.ended()
    await hear(scene, {CUSTOMER: caller, COLLEAGUE: second}, {CUSTOMER: {COLLEAGUE}, COLLEAGUE: {CUSTOMER}})

    # Each says what it was about.
    await anna.says_what_it_was_about("other")
    await ben.notes_down("地址已改")
    await expect(ben.notes).to_have_text(["地址已改", "要改送货地址"])
    await ben.does("hang-up")
    await caller.ended()
    await ben.says_what_it_was_about("complaint")
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.agent, cdr.ended_by) == ("answered", ben.agent, "agent")
    coded = {
        event.subject: event.data["code"]
        for event in scene.events.seen
        if event.type == "agent_state_changed" and event.data.get("code") and event.data.get("contact") == contact
    }
    assert coded == {f"agent:{anna.agent}": "other", f"agent:{ben.agent}": "complaint"}

    await _calls_again_in_vain(scene, anna, ben, number, name)


async def _calls_again_in_vain(scene: Scene, anna: Desk, ben: Desk, number: str, name: str) -> None:
    """It rings at Ben, who does not take it: it is among what he has missed, with the customer's name."""
    await anna.page.click("[data-menu='pause']")
    await anna.button("pause").first.click()
    await anna.is_("paused")
    caller, before = await dials(scene, LINE, number)
    await ben.is_("ringing")
    await expect(ben.card).not_to_have_attribute("data-contact", before)
    await expect(ben.notes).to_have_text(["地址已改", "要改送货地址"])
    address = await ben.card.locator(".lc-person-title a").get_attribute("href")
    await caller.hang_up()
    await ben.is_("ready")
    await expect(ben.card).to_have_count(0)
    missed = ben.page.locator("#desk-today [data-list='missed']")
    await expect(missed.locator("li")).to_contain_text([name])
    await expect(missed.locator("li").first).to_be_visible()
    assert number not in await ben.page.content()
    await ben.page.goto(f"{ben.visit.web}{address}")
    for result in ("answered", "abandoned"):
        await expect(ben.page.locator(f".lc-past .lc-result-{result}")).to_have_count(1)


async def test_a_caller_is_sent_to_a_voice_menu_and_chooses(scene: Scene, sitting: Sitting) -> None:
    anna = await sitting(LINE.agents[0], AGENT)
    await anna.signs_in()
    caller, contact = await dials(scene, LINE)
    talk = await anna.answers()
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)

    await anna.does("transfer")
    await anna.page.fill("#desk-to [name='to']", MENU_FLOW.id)  # to be found among many
    await anna.page.locator(f".lc-who [data-to='ivr:{MENU_FLOW.id}']").click()
    await anna.does("blind")
    await talk.ended()
    await anna.is_("wrap_up")
    await caller.hears(scene.place.prompt("zh/menu_main"), 20)
    caller.send_digits("1")
    await scene.events.first("contact_queued", subject=contact, queue="line1")
    await caller.hang_up()
    assert (await scene.cdr(contact)).ended_by == "caller"


async def test_a_leader_listens_whispers_barges_in_and_comes_to_help(
    scene: Scene, center: Center, sitting: Sitting
) -> None:
    agent, leader = await sitting(OTHER.agents[0], AGENT), await sitting("1901", LEADER)
    page = leader.page
    await page.click(".lc-menu a[href='/team']")
    await expect(page.locator("#team:not(.lc-waiting)")).to_be_visible()
    await agent.signs_in()
    caller, _ = await dials(scene, OTHER)
    talk = await agent.answers()
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)
    begun = caller.stream.length

    # Without a phone of his own he hears nothing; with one he listens, and nobody notices.
    await page.locator(f".lc-tile[data-id='{agent.agent}']").click()
    orders, hearing = page.locator(".lc-chosen"), page.locator("#hearing")
    await expect(page.locator("#need-phone")).to_be_visible()
    await expect(orders.locator("[data-do='listen']")).to_be_disabled()
    await leader.signs_in()
    await orders.locator("[data-do='listen']").click()
    await expect(hearing).to_have_attribute("data-mode", "calling")
    ear = await leader.lifts()
    await expect(hearing).to_have_attribute("data-mode", "listen")
    three = {CUSTOMER: caller, AGENT: talk, LEADER: ear}
    listened = {**TALKING, LEADER: {CUSTOMER, AGENT}}
    whispered = {**listened, AGENT: {CUSTOMER, LEADER}}
    await hear(scene, three, listened)
    await hearing.locator("[data-do='whisper']").click()
    await expect(hearing).to_have_attribute("data-mode", "whisper")
    await hear(scene, three, whispered)
    never_heard(scene, LEADER, caller, begun)
    await hearing.locator("[data-do='barge']").click()
    await expect(hearing).to_have_attribute("data-mode", "barge")
    await hear(scene, three, {role: set(three) - {role} for role in three})
    await hearing.locator("[data-do='leave']").click()
    await ear.ended()
    await expect(hearing).to_be_hidden()
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)

    # The agent asks for help: the leader sees it at once, and takes it with one click.
    begun = caller.stream.length
    await agent.page.keyboard.press("Alt+h")
    await expect(agent.call.locator("[data-mark='helping']")).to_be_visible()
    wants = page.locator(f".lc-help[data-id='{agent.agent}']")
    await expect(wants).to_be_visible()
    await wants.locator("[data-help='accept']").click()
    three[LEADER] = await leader.lifts()
    await expect(wants).to_have_count(0)
    await expect(agent.call.locator("[data-mark='helping']")).to_be_hidden()
    await hear(scene, three, listened)
    await hearing.locator("[data-do='whisper']").click()
    await hear(scene, three, whispered)
    never_heard(scene, LEADER, caller, begun)
    await caller.hang_up()
    await three[LEADER].ended()
    await expect(hearing).to_be_hidden()
    await agent.is_("wrap_up")
    assert await page.evaluate("window.unreloaded") is True


async def test_reloaded_in_a_call_and_open_in_two_tabs(scene: Scene, center: Center, sitting: Sitting) -> None:
    desk = await sitting(OTHER.agents[1], AGENT)
    await desk.signs_in()
    tab = await _another_tab(desk)
    caller, contact = await dials(scene, OTHER)
    for each in (desk, tab):
        await expect(each.card).to_have_attribute("data-contact", contact)
    talk = await tab.answers()
    await desk.is_("talking")
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)

    # What is noted in one tab is there once, in the other after a reload; neither has a second card.
    await desk.notes_down("第一句")
    await tab.notes_down("第二句")
    for each in (desk, tab):
        await each.page.reload()
        await each.is_("talking")
        await expect(each.notes).to_have_text(["第二句", "第一句"])
        await expect(each.card).to_have_count(1)

    # A page whose session is another one by now saves nothing, says so, and keeps what is written.
    writing = desk.card.locator(".lc-write textarea")
    await desk.page.evaluate("document.body.setAttribute('hx-headers', JSON.stringify({ 'x-csrf-token': 'old' }))")
    await writing.fill("第三句")
    await desk.page.click("#pop-write")
    await expect(desk.page.locator(".lc-told")).to_contain_text("页面已经过期")
    await expect(writing).to_have_value("第三句")
    assert refused(desk.visit) == [(403, f"/pop/{contact}/note")]
    await desk.page.reload()
    await desk.is_("talking")
    await expect(desk.notes).to_have_text(["第二句", "第一句"])

    # A card that was closed stays closed in that tab.
    await tab.page.click("[data-pop-close]")
    await tab.page.reload()
    await tab.is_("talking")
    await tab.does("hold")
    await expect(desk.call.locator("[data-c='label']")).to_have_text("保持中")
    await expect(tab.card).to_have_count(0)
    await desk.does("resume")
    await expect(tab.call.locator("[data-c='label']")).to_have_text("通话中")
    await hear(scene, {CUSTOMER: caller, AGENT: talk}, TALKING)
    await tab.does("hang-up")
    await caller.ended()
    await desk.says_what_it_was_about("other")
    await tab.is_("ready")
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.ended_by) == ("answered", "agent")
    assert scene.story(contact).count("contact_held") == 1


async def _another_tab(desk: Desk) -> Desk:
    page = await desk.page.context.new_page()
    page.on("pageerror", lambda error: desk.visit.faults.append(f"exception: {error}"))
    page.on("console", lambda said: desk.visit.faults.append(said.text) if said.type == "error" else None)
    await page.goto(f"{desk.visit.web}/board")
    other = Desk(desk.scene, Visit(page, desk.visit.web), desk.agent, desk.role, desk.phone)
    await other.is_("ready")
    return other
