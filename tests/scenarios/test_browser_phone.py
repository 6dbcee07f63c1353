"""The browser's phone on the real page and the real center: an agent's phone like any other."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import aclosing

import httpx
import pytest
from playwright.async_api import expect

from lq.sdk import Client
from tests.center import Center
from tests.integration.web.test_clicks_browser import half
from tests.scenarios.conftest import Line, Scene, is_read, line, phone_of
from tests.simulator.call import Call
from tests.simulator.web_phone import WebPhone, tone

pytestmark = [pytest.mark.browser]

CALLER, AGENT = 990, 640
LINE: Line = line(34)


async def at_the_web(scene: Scene, center: Center, web: str) -> WebPhone:
    """The line's agent, signed in and his phone registered. It rings as long as a slow machine's browser needs."""
    agent = LINE.agents[0]
    queue = dict((await scene.lq.document("queues", LINE.queue)).body)
    await scene.lq.put_document("queues", LINE.queue, queue | {"ring_s": 60})
    await is_read(center, (await scene.lq.health()).config_version)
    own = await scene.stack.enter_async_context(
        WebPhone(web, agent, microphone=tone(scene.directory / "voice.wav", AGENT))
    )
    await scene.sign_in(agent)
    assert await own.start(phone_of(agent)) == ""
    await scene.state(agent, "ready")
    return own


async def rung(scene: Scene, own: WebPhone) -> tuple[Call, str]:
    call = await scene.dial(LINE.number)
    await call.answered()
    await own.is_("ringing")
    return call, await scene.contact(call)


async def hear_each_other(own: WebPhone, call: Call) -> None:
    await own.is_("talking")
    call.say(CALLER)
    await own.hears(CALLER)
    await call.hears(AGENT)


async def test_a_day_at_the_browsers_phone(scene: Scene, center: Center) -> None:
    """Answered in the page and by the center's word, over a navigation; ended from both ends; gone when stopped."""
    agent = LINE.agents[0]
    own = await at_the_web(scene, center, center.web)

    call, contact = await rung(scene, own)
    assert (await own.told())[-1]["caller"].endswith(call.caller[-8:])
    await own.answer()
    await hear_each_other(own, call)
    await own.page.evaluate("window.unreloaded = true")
    await own.page.click(".lc-menu a[href='/calls/']")
    await own.page.wait_for_url("**/calls/")
    assert await own.page.evaluate("window.unreloaded"), "the page was changed, not left"
    await call.hears(AGENT, since=call.heard_s)
    await own.keys("12#")
    await own.hang_up()
    await call.ended()
    assert await own.is_("registered") == ""
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "agent", agent)

    await scene.state(agent, "ready")
    call, contact = await rung(scene, own)
    await scene.lq.answer(contact, agent)  # as a button of the desk does, or a program
    await hear_each_other(own, call)
    assert scene.story(contact).count("contact_offered") == 1, "it was told to answer, not called again"
    await scene.lq.hold(contact, agent)
    await call.hears(scene.place.prompt("music/hold"), name="music")
    await scene.lq.resume(contact, agent)
    await call.hears(AGENT, since=call.heard_s)
    await call.hang_up()
    assert await own.is_("registered") == ""

    await own.page.evaluate("browserPhone.stop()")
    await scene.events.first("phone_changed", subject=f"phone:{phone_of(agent)}", registered=False)
    assert await own.is_("off") == ""


MICROPHONES = """() => {
    const media = navigator.mediaDevices, ask = media.getUserMedia.bind(media);
    window.microphones = [];
    media.getUserMedia = async (wish) => {
        const stream = await ask(wish);
        window.microphones.push(...stream.getTracks());
        return stream;
    };
}"""
PULLED_OUT = """() => {
    for (const track of window.microphones.splice(0)) track.stop();
    navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
}"""


@pytest.mark.slow
async def test_a_headset_that_drops_out_of_a_talk_and_the_way_to_the_devices(scene: Scene, center: Center) -> None:
    own = await at_the_web(scene, center, center.web)
    tool, state = own.page.locator("#desk-browser-phone"), own.page.locator("#phone-devices [data-phone-state]")
    await expect(tool).to_contain_text("已就绪")
    await own.page.evaluate(MICROPHONES)
    call, _ = await rung(scene, own)
    await own.answer()
    await hear_each_other(own, call)
    await own.page.evaluate(PULLED_OUT)
    await expect(own.page.locator(".lc-told")).to_contain_text("音频设备变了")
    await call.hears(AGENT, since=call.heard_s)
    await tool.click()
    await expect(state).to_have_text("通话中")
    await own.page.select_option("#microphone", index=1)
    await call.hears(AGENT, since=call.heard_s)
    await own.page.click("#phone-devices [data-close]")
    await call.hang_up()
    assert await own.is_("registered") == ""
    await own.page.evaluate("browserPhone.stop()")
    await expect(tool).to_contain_text("未启用")
    await tool.click()
    await own.page.click("#phone-devices [data-off] button")
    assert await own.is_("registered") == ""
    await expect(own.page.locator("#phone-devices [data-off]")).to_be_hidden()


@pytest.mark.slow
async def test_a_click_is_meant_for_what_stood_there(scene: Scene, center: Center) -> None:
    """The second half of a double click, and a click at the moment at which the call ends."""
    own = await at_the_web(scene, center, center.web)
    key = {
        name: own.page.locator(f'#soft-phone [data-do="{name}"]').first
        for name in ("hold", "resume", "hang-up", "done")
    }
    call, contact = await rung(scene, own)
    await own.answer()
    await hear_each_other(own, call)
    for count in (2, 1):  # a double click; two clicks, as a browser counts them that sees another element
        since = call.heard_s
        await half(key["hold"], 1)
        await expect(key["resume"]).to_be_visible()
        await half(key["resume"], count)
        await call.hears(scene.place.prompt("music/hold"), since=since, name="music")
        assert (await scene.lq.contact(contact)).state == "held"
        await key["resume"].click()  # he waits for a moment, and means it
        await call.hears(AGENT, since=call.heard_s)
        await expect(key["hold"]).to_be_enabled()
    await call.hang_up()
    await expect(key["done"]).to_be_visible()
    await half(key["done"], 1)
    ended = scene.events.of(f"agent:{LINE.agents[0]}", "agent_state_changed")
    assert ended[-1].data["state"] == "wrap_up"
    await scene.state(LINE.agents[0], "ready")
    times = [event.at for event in scene.events.of(f"agent:{LINE.agents[0]}", "agent_state_changed")][-2:]
    assert times[1] - times[0] >= 1900, "his wrap-up was not cut short"


@pytest.mark.slow
async def test_a_page_that_is_loaded_anew_comes_back_to_its_call(scene: Scene, center: Center) -> None:
    """Again and again: each time its call is the leg that the last one was. Also when the web can give no password."""
    own = await at_the_web(scene, center, center.web)
    call, contact = await rung(scene, own)
    await own.answer()
    await hear_each_other(own, call)
    own.page.on("dialog", lambda asked: asyncio.ensure_future(asked.accept()))
    for web_has_all in (True, True, False):
        if not web_has_all:
            await own.page.route("**/phone/credentials", lambda asked: asked.fulfill(status=503))
        async with own.page.expect_event("load"):
            await own.page.evaluate("setTimeout(() => location.reload())")
        await hear_each_other(own, call)
        await call.hears(AGENT, since=call.heard_s)
    await call.hang_up()
    assert await own.is_("registered") == ""
    story = scene.story(contact)
    assert (story.count("contact_joined"), story.count("contact_offered")) == (3, 1)
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "caller", LINE.agents[0])


@pytest.mark.slow
async def test_the_tab_that_waits_for_the_phone_comes_back_to_the_call_of_the_first(
    scene: Scene, center: Center
) -> None:
    """A tab that was duplicated: when the first is loaded anew the second has the phone before it."""
    own = await at_the_web(scene, center, center.web)
    async with own.page.context.expect_page() as opened:
        await own.page.evaluate("void window.open(location.href)")  # its session's storage is a copy
    second = await opened.value
    await second.wait_for_function("() => window.browserPhone?.reason === 'other_tab'")
    call, contact = await rung(scene, own)
    await own.answer()
    await hear_each_other(own, call)
    own.page.on("dialog", lambda asked: asyncio.ensure_future(asked.accept()))
    async with own.page.expect_event("load"):
        await own.page.evaluate("setTimeout(() => location.reload())")
    await second.wait_for_function("() => window.browserPhone?.state === 'talking'")
    await own.page.wait_for_function("() => window.browserPhone?.reason === 'other_tab'")
    await own.hears(CALLER)
    await call.hears(AGENT, since=call.heard_s)
    await call.hang_up()
    await second.wait_for_function("() => window.browserPhone?.state === 'registered'")
    story = scene.story(contact)
    assert (story.count("contact_joined"), story.count("contact_offered")) == (1, 1)
    cdr = await scene.cdr(contact)
    assert (cdr.result, cdr.ended_by, cdr.agent) == ("answered", "caller", LINE.agents[0])


@pytest.mark.slow
async def test_it_goes_off_where_he_is_signed_in_no_longer(scene: Scene, center: Center) -> None:
    """A pool phone: at a second computer, after the sign-out, and for who signs in there next."""
    anna, ben = LINE.agents
    phone = phone_of(anna)
    first, second, bens = [
        await scene.stack.enter_async_context(WebPhone(center.web, each)) for each in (anna, anna, ben)
    ]
    for each in LINE.agents:
        scene.stack.push_async_callback(scene.lq.sign_out, each)
    await first.page.click("[data-browser-phone]")
    assert await first.is_("registered") == ""

    # The newest one has it. The one before says so when it would renew its registration, and takes nothing back.
    assert await second.start() == ""
    await first.page.evaluate("ua.register()")
    assert await first.is_("off") == "elsewhere"
    await expect(first.page.locator(".lc-told")).to_contain_text("您的话机在另一个地方接上了")
    await first.page.reload()
    await first.page.click("#desk-browser-phone")
    await expect(first.page.locator("#phone-devices [data-off]")).to_be_visible()
    assert await first.is_("off") == ""
    await second.page.evaluate("ua.register()")
    assert await second.is_("registered") == ""
    assert (await scene.lq.agent(anna)).state == "ready"

    await first.page.click("#phone-devices [data-close]")
    await first.page.click("#soft-phone [data-do='sign-out']")
    assert await second.is_("off") == ""
    await scene.events.first("phone_changed", subject=f"phone:{phone}", registered=False)

    await bens.page.fill("#desk-phone", phone)
    await bens.page.click("[data-browser-phone]")
    assert await bens.is_("registered") == ""
    assert (await scene.lq.agent(ben)).phone == phone
    await bens.page.click("#desk-browser-phone")
    await bens.page.click("#phone-devices [data-stop]")
    assert await bens.is_("off") == ""


@pytest.mark.slow
async def test_what_its_registration_hears_in_a_talk_counts_after_it(scene: Scene, center: Center) -> None:
    """A refusal is tried again; that another place has the phone ends it."""
    own = await at_the_web(scene, center, center.web)
    for status, state, why in ((503, "registered", ""), (412, "off", "elsewhere")):
        call, _ = await rung(scene, own)
        await own.answer()
        await hear_each_other(own, call)
        await own.page.evaluate(f"ua.registrator()._registrationFailure({{ status_code: {status} }}, 'said')")
        await call.hears(AGENT, since=call.heard_s)
        await own.hang_up()
        assert await own.is_(state, 20) == why
        await scene.state(LINE.agents[0], "ready", "phone_offline")


@pytest.mark.slow
async def test_over_https_and_wss_by_the_centers_authority(scene: Scene, center: Center) -> None:
    """As at another machine of the network: the page's cookies are for https alone, its phone comes by WSS."""
    secure = f"https://127.0.0.1:{center.ports.web_tls}"
    own = await at_the_web(scene, center, secure)
    cookies = await own.page.context.cookies()
    assert cookies and all(cookie["secure"] for cookie in cookies)
    call, _ = await rung(scene, own)
    await own.answer()
    await hear_each_other(own, call)
    await call.hang_up()
    await own.is_("registered")


@pytest.mark.slow
async def test_without_its_microphone_it_says_what_to_do(scene: Scene, center: Center) -> None:
    agent = LINE.agents[1]
    async with WebPhone(center.web, agent, allowed=False) as own:
        await scene.sign_in(agent)
        assert await own.start(phone_of(agent)) == "blocked"
        assert await own.is_("denied") == "blocked"
        why = own.page.locator("#phone-devices [data-why='blocked']")
        await why.wait_for(state="visible")
        assert "没有允许使用麦克风" in await why.inner_text()
        await scene.state(agent, "phone_offline")
        await own.page.context.grant_permissions(["microphone"])
        await own.is_("registered")  # it has seen that it may, and waited for no click
        await scene.state(agent, "ready")


@pytest.mark.slow
async def test_nobody_gets_the_phone_of_another(scene: Scene, center: Center) -> None:
    agent, other = LINE.agents
    async with WebPhone(center.web, agent) as own:
        await scene.sign_in(other)
        assert await own.start(phone_of(other)) == "not_his"
        assert await own.start() == "no_phone"


async def test_web_and_api_speak_https_with_one_authority(center: Center) -> None:
    trusting = ssl.create_default_context(cafile=str(center.home.tls / "ca.crt"))
    for port, path in ((center.ports.web_tls, "/healthz"), (center.ports.api_tls, "/v1/health")):
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as http:
            assert (await http.get(f"https://localhost:{port}{path}")).status_code == 200
        async with httpx.AsyncClient(trust_env=False) as strict:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await strict.get(f"https://localhost:{port}{path}")
    async with Client(f"https://127.0.0.1:{center.ports.api_tls}", center.token, ca=center.home.tls / "ca.crt") as lq:
        before = await lq.last_event_id()
        assert (await lq.health()).status == "ok"
        async with aclosing(lq.events(after=before)) as told:
            pause = asyncio.create_task(anext(told))
            await lq.sign_in(LINE.agents[1], phone_of(LINE.agents[1]))
            assert (await asyncio.wait_for(pause, 15)).subject.startswith(("agent:", "queue:"))
        await lq.sign_out(LINE.agents[1])
