"""The soft phone and the card of who calls in real Chromium: nothing written or clicked is lost to the next news."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import pytest
from playwright.async_api import Browser, Locator, Page, Request, Route, expect

from lq.live.redis import Live
from tests.chromium import WAIT_MS

from .calls import LiveCall, now_ms
from .conftest import Place
from .test_board import sign_in, sign_out
from .test_customers import enter, some_number, stored, unique
from .test_customers_browser import Visit, chinese, unforeseen, visit
from .test_desk import unanswered

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AGENT, COLLEAGUES = "1056", ("1057", "1058")  # of sales
PENDING = re.compile(r"\blc-pending\b")


@pytest.fixture
async def his(place: Place, live: Live, browser: Browser) -> AsyncIterator[Visit]:
    """At his desk, ready; nobody else is."""
    sits = await visit(browser, place, AGENT)
    await sign_in(place, live, AGENT)
    await is_(sits, "ready")
    yield sits
    async with place.client() as lq:
        if (await lq.agent(AGENT)).state == "wrap_up":
            await lq.wrap_up(AGENT, done=True)
    await sign_out(place, AGENT)


async def is_(his: Visit, state: str) -> None:
    await expect(his.page.locator("#soft-phone")).to_have_attribute("data-state", state)


def button(his: Visit, action: str) -> Locator:
    return his.page.locator(f".lc-keys [data-do='{action}']")


def card(his: Visit) -> Locator:
    return his.page.locator("#pop > .lc-pop")


def kept(his: Visit) -> Locator:
    return his.page.locator("#pop-kept > .lc-pop")


async def rings(live: Live, number: str = "") -> LiveCall:
    call = await (await LiveCall(live, unique("desk-"), number or some_number()).start()).queue()
    assert call.agent == AGENT
    return call


async def talks(his: Visit, live: Live, number: str = "") -> LiveCall:
    call = await (await rings(live, number)).answer()
    await is_(his, "talking")
    await expect(card(his)).to_have_attribute("data-contact", call.id)
    return call


async def ends(his: Visit, place: Place, call: LiveCall, wrap_up_ms: int = 0) -> None:
    """Into history at once, as the journal would have it."""
    await call.end(wrap_up_ms=wrap_up_ms)
    await place.store(call.life.events)
    await is_(his, "wrap_up" if wrap_up_ms else "ready")


def asked(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.post_data or "").items()}


@asynccontextmanager
async def asking(page: Page, path: str) -> AsyncIterator[list[dict[str, str]]]:
    """What is posted there; nobody answers with more than a yes, for there is no SIP here."""
    found: list[dict[str, str]] = []

    async def take(route: object, request: Request) -> None:
        found.append(asked(request))
        await route.fulfill(status=200, json={"done": True})  # type: ignore[attr-defined]

    await page.route(f"**{path}", take)
    yield found
    await page.unroute(f"**{path}", take)


async def until(found: list[dict[str, str]], wanted: list[dict[str, str]]) -> None:
    async with asyncio.timeout(WAIT_MS / 1000):
        while len(found) < len(wanted):  # noqa: ASYNC110 - the page asks when it does
            await asyncio.sleep(0.05)
    assert found == wanted


# -- the card ----------------------------------------------------------------------------------------------------------


async def test_what_is_written_of_a_caller_is_not_lost_to_the_next_one(place: Place, live: Live, his: Visit) -> None:
    first = await talks(his, live)
    name = chinese(6)
    await card(his).locator("#f-name").fill(name)
    await ends(his, place, first)

    # The next one rings: his card is there, and the one before below it, each with its own fields.
    second = await talks(his, live)
    await expect(kept(his)).to_have_attribute("data-contact", first.id)
    await expect(kept(his).locator("[name='name']")).to_have_value(name)
    await kept(his).locator("label", has_text="邮箱").click()
    await his.page.keyboard.type("a@example.com")
    await expect(kept(his).locator("[name='email']")).to_have_value("a@example.com")
    await expect(card(his).locator("[name='email']")).to_have_value("")
    before = await card(his).locator(".lc-phone-row").count()
    rows = kept(his).locator(".lc-phone-row [name^='number-']")
    there = await rows.count()
    await kept(his).get_by_role("button", name="添加号码").click()
    await expect(rows).to_have_count(there + 1)
    await expect(card(his).locator(".lc-phone-row")).to_have_count(before)

    # What was refused stays as it was written, over a third caller too; corrected it is saved, and is his who called.
    await rows.last.fill("12")
    await kept(his).get_by_role("button", name="保存", exact=True).click()
    await expect(kept(his).locator(".invalid-feedback")).to_be_visible()
    await ends(his, place, second)
    third = await talks(his, live)
    await expect(kept(his)).to_have_count(1)
    await kept(his).locator(".lc-phone-row [name^='number-']").last.fill(some_number())
    await kept(his).get_by_role("button", name="保存", exact=True).click()
    await expect(kept(his).locator(".lc-person-title")).to_contain_text(name)
    number = first.contact.number.e164
    assert await stored(place, "select count(*) from customer_phone where number = $1", number) == 1

    # Nothing is written there any more: it goes with the next call. One that is closed goes at once.
    await card(his).locator("[name='name']").fill("写了又不要")
    await ends(his, place, third)
    fourth = await talks(his, live)
    await expect(kept(his)).to_have_count(1)
    await expect(kept(his)).to_have_attribute("data-contact", third.id)
    await kept(his).locator("[data-pop-close]").click()
    await expect(kept(his)).to_have_count(0)
    await expect(card(his)).to_have_attribute("data-contact", fourth.id)
    await ends(his, place, fourth)
    assert unforeseen(his) == []


async def test_a_customer_who_calls_from_a_new_number(place: Place, live: Live, his: Visit) -> None:
    name, old, new = chinese(7), some_number(), some_number()
    id = await enter(await place.user("1055"), name, old)
    call = await talks(his, live, new)
    await card(his).locator("input[type='search']").fill(name[2:5])
    await card(his).locator(".lc-pop-found .lc-match", has_text=name).locator("button").dblclick()
    await expect(card(his).locator(".lc-person-title")).to_contain_text(name)
    await expect(card(his).locator(".lc-tel")).to_have_count(1)
    await card(his).locator("#add-number").dblclick()
    await expect(card(his).locator("#add-number")).to_have_count(0)
    await expect(card(his).locator(".lc-tel")).to_have_count(2)
    assert await stored(place, "select count(*) from customer_phone where customer = $1", id) == 2

    # Two that are one: the page for it is a click away, and the card stays.
    await card(his).locator("a", has_text="合并").click()
    await expect(his.page).to_have_url(f"{his.url}/customers/{id}/merge")
    await expect(card(his)).to_have_attribute("data-contact", call.id)
    await ends(his, place, call)
    assert unforeseen(his) == []


@pytest.fixture
async def manages(place: Place) -> AsyncIterator[None]:
    """He may put callers on the blacklist."""
    await stored(place, "update operator set role = 'manager' where id = $1", AGENT)
    yield
    await stored(place, "update operator set role = 'agent' where id = $1", AGENT)


async def test_what_is_written_in_a_card_outlives_what_is_done_beside_it(
    place: Place, live: Live, manages: None, his: Visit
) -> None:
    name, other = chinese(6), chinese(7)
    await enter(await place.user("1055"), name, some_number())
    call = await talks(his, live)
    await card(his).locator("input[type='search']").fill(name[1:5])
    await card(his).locator(".lc-pop-found .lc-match", has_text=name).locator("button").click()
    todo, note = card(his).locator(".lc-follow-form [name='what']"), card(his).locator(".lc-pop-notes textarea")
    await todo.fill("周五回电")
    await note.fill("边说边记")

    async def is_there_still() -> None:
        await expect(todo).to_have_value("周五回电")
        await expect(note).to_have_value("边说边记")

    # On the blacklist, after a mistake; his new number, impatiently.
    black = card(his).locator(".lc-black")
    await black.locator("summary").click()
    await black.locator(".btn-danger").last.click()
    await expect(black.locator(".invalid-feedback")).to_have_text("请写明原因。")
    await is_there_still()
    await black.locator("[name='reason']").fill("骚扰")
    await black.locator(".btn-danger").last.click()
    await expect(black.locator("summary")).to_have_text("已在黑名单")
    await card(his).locator("#add-number").dblclick()
    await expect(card(his).locator("#add-number")).to_have_count(0)
    await expect(card(his).locator(".lc-tel")).to_have_count(2)
    await is_there_still()

    # It is somebody else: he is entered beside the one who is shown, whose things stay until he is saved.
    await card(his).locator("#someone-else").dblclick()
    new = card(his).locator("#pop-form")
    await new.locator("[name='name']").fill(other)
    await new.locator("[name='email']").fill("x")
    await new.locator("#pop-save").click()
    await expect(new.locator(".invalid-feedback")).to_be_visible()
    await is_there_still()
    await new.locator("[name='email']").fill("x@example.com")
    await black.locator("summary").click()
    await black.locator("button").click()
    await expect(black.locator("summary")).to_have_text("加入黑名单")
    await is_there_still()
    await expect(new.locator("[name='email']")).to_have_value("x@example.com")

    # What is refused without a word of the card is told, and takes nothing out of it.
    async def refuse(route: Route) -> None:
        await route.fulfill(status=409, content_type="text/html", body='<p class="alert">名单刚刚停用</p>')

    await his.page.route(f"**/pop/{call.id}/black", refuse)
    await black.locator("summary").click()
    await black.locator("[name='reason']").fill("再来")
    await black.locator(".btn-danger").last.click()
    await expect(his.page.locator("#told")).to_contain_text("名单刚刚停用")
    await expect(black.locator("[name='reason']")).to_have_value("再来")
    await his.page.unroute(f"**/pop/{call.id}/black", refuse)
    await expect(new.locator("[name='email']")).to_have_value("x@example.com")

    await new.locator("#pop-save").click()
    await new.locator("#anyway").check()  # for the number is the other one's by now
    await is_there_still()
    await new.locator("#pop-save").dblclick()
    await expect(card(his).locator(".lc-person-title")).to_contain_text(other)
    await expect(note).to_have_value("边说边记")
    query = "select c.name from contact_customer x join customer c on c.id = x.customer where x.contact = $1"
    assert await stored(place, query, call.id) == other
    assert await stored(place, "select count(*) from customer where name = $1", other) == 1
    await ends(his, place, call)
    assert unforeseen(his) == []


async def test_who_has_called_is_called_back_from_the_head_of_his_card(place: Place, live: Live, his: Visit) -> None:
    call = await talks(his, live)
    back = card(his).locator(".lc-pop-head .lc-dial")
    async with asking(his.page, "/desk/dial") as found:
        await back.click()
        await expect(his.page.locator(".lc-told")).to_contain_text("通话结束后才能使用")
        assert found == [], "not in a call"
        await ends(his, place, call, wrap_up_ms=60_000)
        await back.click()
        await until(found, [{"contact": call.id}])
    assert call.contact.number.raw not in await his.page.content()
    assert unforeseen(his) == []


async def test_a_queue_whose_calls_bring_no_card(place: Place, live: Live, his: Visit) -> None:
    opens = his.page.locator(".lc-desk-call [data-c-pop]")
    async with place.client() as lq:
        before = await lq.document("queues", "sales")
        name = chinese(4)
        await lq.put_document("queues", "sales", {**before.body, "name": name, "screen_pop": False})
        try:
            await expect(his.main).to_contain_text(name)  # the web knows
            call = await (await rings(live)).answer()
            await is_(his, "talking")
            await expect(opens).to_be_visible()
            await expect(card(his)).to_have_count(0)
            await opens.click()
            await expect(his.main.locator(".lc-pop")).to_have_attribute("data-contact", call.id)
            await ends(his, place, call)
        finally:
            await lq.put_document("queues", "sales", before.body)
    call = await talks(his, live)
    await expect(opens).to_be_hidden()
    await ends(his, place, call)
    assert unforeseen(his) == []


async def test_a_wrap_up_that_takes_too_long_is_seen_to_and_ends_with_its_code(
    place: Place, live: Live, his: Visit
) -> None:
    clock, late = his.page.locator(".lc-desk-state time"), re.compile(r"\blc-overlong\b")
    async with place.client() as lq:
        before = await lq.document("queues", "sales")
        await lq.put_document("queues", "sales", {**before.body, "wrap_up_code": "required", "wrap_up_s": 1})
        try:
            call = await talks(his, live)
            await expect(his.page.locator("[data-required]")).to_be_visible()
            await expect(clock).not_to_have_class(late)
            await ends(his, place, call, wrap_up_ms=1_000)
            await expect(clock).to_have_class(late)
            await is_(his, "wrap_up")
            await his.page.locator("[data-levels] select").first.select_option("complaint")
            await is_(his, "ready")
            await expect(clock).not_to_have_class(late)
        finally:
            await lq.put_document("queues", "sales", before.body)
    assert unforeseen(his) == []


# -- today's calls -----------------------------------------------------------------------------------------------------


async def test_a_list_stays_where_it_is_read_when_it_comes_anew(place: Place, his: Visit) -> None:
    for n in range(30):
        await place.store(unanswered(AGENT, unique("desk-"), now_ms() + n).events)
    calls = his.page.locator("#desk-today [data-list='missed'] li")
    reads = his.page.locator("#desk-today [data-list='missed'] ul")
    anew = "htmx.trigger('#desk-today', 'desk-today')"
    await his.page.evaluate(anew)
    await expect(calls.nth(29)).to_be_attached()
    await reads.evaluate("(list) => { list.scrollTop = 90; list.dataset.old = 'yes'; }")
    await his.page.evaluate(anew)
    await expect(reads).not_to_have_attribute("data-old", "yes")
    assert await reads.evaluate("(list) => list.scrollTop") == 90


# -- the pad -----------------------------------------------------------------------------------------------------------


async def test_a_number_is_dialled_with_the_mouse_alone(place: Place, live: Live, his: Visit) -> None:
    pad = his.page.locator("#desk-pad")
    number = his.page.locator("[data-form='dial'] [name='to']")
    await button(his, "keypad").click()
    for key in "0108800*#12":
        await pad.locator(f"[data-digit='{key}']").click()
    await expect(number).to_have_value("0108800*#12")
    for _ in "*#12":
        await pad.get_by_role("button", name="退格").click()
    await number.press("Home")
    await pad.locator("[data-digit='+']").click()
    await expect(number).to_have_value("+0108800")
    await pad.get_by_role("button", name="退格").click()
    async with asking(his.page, "/desk/dial") as found:
        await pad.get_by_role("button", name="呼叫").dblclick()
        await until(found, [{"to": "0108800"}])
    await expect(number).to_have_value("")

    # In a call the same keys are for who is at the other end.
    call = await talks(his, live)
    await expect(pad).to_be_hidden()
    await button(his, "keypad").click()
    await expect(pad.get_by_role("button", name="呼叫")).to_be_hidden()
    async with asking(his.page, f"/desk/call/{call.id}/keys") as found:
        await pad.locator("[data-digit='5']").click()
        await until(found, [{"digits": "5"}])
    await expect(number).to_have_value("")
    await expect(pad.locator("output")).to_have_text("5")
    await ends(his, place, call, wrap_up_ms=60_000)
    await expect(pad).to_be_hidden()
    assert unforeseen(his) == []


async def test_keys_are_for_the_call_in_which_they_were_pressed(place: Place, live: Live, his: Visit) -> None:
    pad = his.page.locator("#desk-pad")
    heard: list[tuple[str, str]] = []
    goes_on = asyncio.Event()

    async def take(route: Route, request: Request) -> None:
        heard.append((request.url.split("/")[-2], asked(request)["digits"]))
        await goes_on.wait()
        await route.fulfill(status=200, json={"done": True})

    async def press(key: str) -> None:
        if await pad.is_hidden():
            await button(his, "keypad").click()
        await pad.locator(f"[data-digit='{key}']").click()

    await his.page.route("**/desk/call/*/keys", take)
    first = await (await rings(live)).answer()
    await is_(his, "talking")
    await press("1")
    await expect(pad.locator("output")).to_have_text("1")
    await press("2")  # waits for the answer to the one before
    await expect(pad.locator("output")).to_have_text("12")
    await ends(his, place, first)
    second = await (await rings(live)).answer()
    await is_(his, "talking")
    goes_on.set()
    await press("3")
    async with asyncio.timeout(WAIT_MS / 1000):
        while heard[-1] != (second.id, "3"):  # noqa: ASYNC110 - the page asks when it does
            await asyncio.sleep(0.05)
    assert heard == [(first.id, "1"), (second.id, "3")]
    await ends(his, place, second)
    assert unforeseen(his) == []


# -- the transfer ------------------------------------------------------------------------------------------------------


async def test_a_click_in_the_list_of_whom_to_transfer_to_is_not_lost_to_news(
    place: Place, live: Live, his: Visit
) -> None:
    page, panel = his.page, his.page.locator("#desk-to")
    one, two = COLLEAGUES
    async with place.client() as lq:
        for each in COLLEAGUES:
            await sign_in(place, live, each)
            await lq.pause(each, "meal")
        try:
            call = await talks(his, live)
            await button(his, "transfer").click()
            row = panel.locator(f"[data-to='{one}']")
            await expect(row.locator("small")).to_have_text("示忙")
            box = await row.bounding_box()
            assert box
            await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            await page.mouse.down()
            await lq.ready(two)
            await expect(panel.locator(f"[data-to='{two}'] small")).to_have_text("空闲")
            await page.mouse.up()
            await expect(panel.locator("[name='to']")).to_have_value(one)
            await expect(row).to_have_attribute("aria-selected", "true")

            # Once the mouse is still, who is free stands first; who is at a row with the keyboard stays there.
            await panel.locator("[name='to']").fill("105")
            await expect(panel.locator(".lc-who button").first).to_have_attribute("data-to", two)
            await row.focus()
            await lq.pause(two, "meal")
            await expect(panel.locator(".lc-who button").first).to_have_attribute("data-to", one)
            assert await page.evaluate("document.activeElement.dataset.to") == one
            await ends(his, place, call)
        finally:
            for each in COLLEAGUES:
                await sign_out(place, each)
    assert unforeseen(his) == []


async def test_whom_he_has_chosen_stays_in_the_list(place: Place, live: Live, his: Visit) -> None:
    panel = his.page.locator("#desk-to")
    row, other = panel.locator("[data-to='queue:sales']"), panel.locator(f"[data-to='{COLLEAGUES[0]}']")
    call = await talks(his, live)
    await button(his, "transfer").click()
    await row.click()
    await expect(panel.locator("[name='to']")).to_have_value("queue:sales")
    await his.page.mouse.move(0, 0)
    await sign_in(place, live, COLLEAGUES[0])
    await expect(other).to_be_visible()
    await expect(row).to_have_attribute("aria-selected", "true")
    await panel.locator("[name='to']").fill("105")
    await expect(row).to_have_count(0)
    await sign_out(place, COLLEAGUES[0])
    await ends(his, place, call)
    assert unforeseen(his) == []


# -- what is asked for -------------------------------------------------------------------------------------------------


async def test_an_order_waits_for_its_answer_whatever_else_is_told(place: Place, live: Live, his: Visit) -> None:
    asked_for: list[str] = []
    goes_on = asyncio.Event()

    async def take(route: Route, request: Request) -> None:
        asked_for.append(request.url.rpartition("/")[2])
        await goes_on.wait()
        await route.fulfill(status=200, json={"done": True})

    await his.page.route("**/desk/call/*/mute", take)
    mute, line = button(his, "mute"), his.page.locator("#soft-phone [data-waiting]")
    call = await talks(his, live)
    await mute.click()
    await expect(mute).to_have_class(PENDING)
    before = int(await line.inner_text())
    waits = await (await LiveCall(live, unique("desk-"), some_number()).start()).queue()
    await expect(line).to_have_text(str(before + 1))
    await expect(mute).to_have_class(PENDING)
    await expect(mute).to_be_disabled()
    await his.page.keyboard.press("F9")
    goes_on.set()
    await expect(mute).to_be_enabled()
    await expect(mute).not_to_have_class(PENDING)
    assert asked_for == ["mute"]
    await waits.end()
    await ends(his, place, call)
    assert unforeseen(his) == []


async def test_the_browsers_phone_signs_in_where_he_wants(place: Place, browser: Browser) -> None:
    """At the one that is made for it; at another, if he has written that."""
    agent, desk_phone, browsers = "1059", "89931", "89932"
    sits = await visit(browser, place, agent)
    await is_(sits, "signed_out")
    await sits.page.evaluate("document.addEventListener('seated', ({ detail }) => { window.own = detail.own; })")
    field = sits.page.locator("#desk-phone")
    async with place.client() as lq, asking(sits.page, "/desk/agent/sign-in") as found:
        for id, model in ((desk_phone, "yealink"), (browsers, "browser")):
            phone = {"id": id, "password": f"demo-{id}", "agent": agent, "model": model}
            await lq.put_document("phones", id, phone)
        try:
            await sits.page.wait_for_function(f"() => window.own === '{browsers}'")
            for written, wanted in (("", browsers), ("8001", "8001")):
                await field.fill(written or await field.input_value())
                await expect(sits.page.locator("[data-do='sign-in']")).to_be_enabled()
                await sits.page.click("[data-browser-phone]")
                await sits.page.click("#phone-devices [data-close]")  # it has no microphone
                assert found.pop() == {"phone": wanted}
        finally:
            for id in (desk_phone, browsers):
                await lq.delete_document("phones", id)


# -- what it was about -------------------------------------------------------------------------------------------------


async def is_stored(place: Place, code: str) -> None:
    async with place.client() as lq, asyncio.timeout(WAIT_MS / 1000):
        while (await lq.agent(AGENT)).code != code:  # noqa: ASYNC110 - it is the center's
            await asyncio.sleep(0.05)


async def test_the_code_that_stands_on_the_screen_is_the_one_that_is_stored(
    place: Place, live: Live, his: Visit
) -> None:
    form = his.page.locator("[data-form='done']")
    first, second = form.locator("select").nth(0), form.locator("select").nth(1)
    call = await talks(his, live)
    await first.select_option("complaint")
    await ends(his, place, call, wrap_up_ms=120_000)
    await is_stored(place, "complaint")

    # On a heading he does not leave it, by whatever button, for another code is stored; nor with none at all.
    for wish in ("order", ""):
        await first.select_option(wish)
        for action in ("[data-do='done']", "[data-do='ready']"):
            await his.page.locator(action).click()
            await expect(form.locator("[data-error='code']")).to_have_text("请选到最后一级小结。")
        await is_(his, "wrap_up")
    await first.select_option("order")
    await second.select_option("order.new")
    await second.select_option("order.change")
    await expect(form.locator("[data-error='code']")).to_have_text("")
    await is_stored(place, "order.change")  # what was chosen last, whatever was on its way
    await his.page.reload()
    await expect(second).to_have_value("order.change")  # it is the center that says so
    await his.page.locator("[data-do='done']").click()
    await is_(his, "ready")
    assert unforeseen(his) == []


async def test_a_code_that_was_given_is_nothing_that_is_being_written(place: Place, live: Live, his: Visit) -> None:
    """A page of an older version is taken anew with the next link, unless something would be lost."""
    form = his.page.locator("[data-form='done']")
    call = await talks(his, live)
    await ends(his, place, call, wrap_up_ms=120_000)
    await form.locator("select").first.select_option("complaint")
    await is_stored(place, "complaint")
    await form.locator("[data-do='done']").click()
    await is_(his, "ready")
    await expect(form.locator("select")).to_have_count(0)
    await his.page.evaluate("document.dispatchEvent(new Event('updated'))")
    async with his.page.expect_event("load"):
        await his.page.click(".lc-menu a[href='/calls/']")
    assert await his.page.evaluate("window.unreloaded") is None
    assert unforeseen(his) == []
