"""A real browser as a leg (DTLS-SRTP, ICE, rtcp-mux): Chromium's own offers and answers, tones at both ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, async_playwright

from lq.media.leg import At, Bridge, MediaLeg, Park
from lq.media.sdp import audio as description
from tests.chromium import CHROMIUM
from tests.conftest import OwnCenter
from tests.integration.media.conftest import PARTS, Studio, engine_of, opened
from tests.integration.media.endpoint import Endpoint
from tests.simulator import audio

BROWSER_TONE, PARTY, MUSIC = 640, 540, 890
FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",  # without a network nobody answers mDNS, and gathering never ends
)  # fmt: skip
PAGE: Final = """
async ({tone, offer, only}) => {
  window.ctx = new AudioContext(); await ctx.resume();
  const sound = ctx.createOscillator(), gain = ctx.createGain(), out = ctx.createMediaStreamDestination();
  sound.frequency.value = tone; gain.gain.value = 0.14; sound.connect(gain); gain.connect(out); sound.start();
  window.pc = new RTCPeerConnection({iceServers: []});
  window.sender = pc.addTrack(out.stream.getAudioTracks()[0], out.stream);
  pc.ontrack = (event) => {
    const stream = new MediaStream([event.track]), pull = new Audio();
    pull.srcObject = stream; pull.muted = true; pull.play();  // without it Chromium decodes nothing
    window.ear = ctx.createAnalyser(); ear.fftSize = 8192; ear.smoothingTimeConstant = 0;
    ctx.createMediaStreamSource(stream).connect(ear);
  };
  if (only) {
    const codecs = RTCRtpSender.getCapabilities("audio").codecs;
    pc.getTransceivers()[0].setCodecPreferences(codecs.filter((c) => only.includes(c.mimeType.slice(6))));
  }
  if (offer) await pc.setRemoteDescription({type: "offer", sdp: offer});
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") await new Promise((go) => setTimeout(go, 20));
  return pc.localDescription.sdp;
}"""
HEARS: Final = """
(wanted) => {
  if (!window.ear) return false;
  const levels = new Float32Array(ear.frequencyBinCount); ear.getFloatFrequencyData(levels);
  const bin = (hz) => Math.round(hz * ear.fftSize / ctx.sampleRate);
  const at = (hz) => Math.max(...levels.slice(bin(hz) - 2, bin(hz) + 3));
  return [440, 540, 640, 890].every((hz) => (at(hz) > -55) === (hz === wanted));
}"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        await started.close()


async def described(page: Page, **wishes: Any) -> str:
    return str(await page.evaluate(PAGE, {"tone": BROWSER_TONE, **wishes}))


async def hears(page: Page, tone: int) -> None:
    await page.wait_for_function(HEARS, arg=tone, timeout=15_000, polling=100)


async def calls(studio: Studio, page: Page, **wishes: Any) -> MediaLeg:
    leg, answer = await studio.engine.incoming(studio.name(), await described(page, **wishes))
    await page.evaluate("(sdp) => pc.setRemoteDescription({type: 'answer', sdp})", answer)
    return leg


async def party_of(studio: Studio) -> tuple[Endpoint, MediaLeg]:
    party = await studio.party()
    leg, _ = await studio.calls(party)
    party.say(audio.tone(PARTY, 1.0))
    return party, leg


@pytest.mark.parametrize("only", [None, ["opus", "telephone-event"]])
async def test_a_browser_calls(studio: Studio, browser: Browser, only: list[str] | None) -> None:
    """Music, a talk, parked, joined again: without a word to the browser, which keeps its ports and keys."""
    page = await browser.new_page()
    leg = await calls(studio, page, only=only)
    assert (leg.kind, leg.codec) == ("webrtc", "opus/48000/2" if only else "PCMA/8000")
    await studio.mixer.join(leg.id, leg.x_address)
    leg = await studio.engine.point(leg, At(*studio.mixer.rtp))
    await studio.mixer.play(leg.id, "p1", ["t/music"], repeat=0)
    await hears(page, MUSIC)
    party, other = await party_of(studio)
    for _ in range(2):
        leg, other = await studio.engine.connect(leg, other)
        await hears(page, PARTY)
        await party.hears(BROWSER_TONE)
        leg, other = await studio.engine.point(leg, Park()), await studio.engine.point(other, Park())
    assert len(str(leg.to_json())) < 2_000  # of a snapshot's 8 kB
    leg = await holds_and_resumes(studio, page, leg)
    leg, other = await studio.engine.connect(leg, other)
    await hears(page, PARTY)
    await party.hears(BROWSER_TONE)


async def holds_and_resumes(studio: Studio, page: Page, leg: MediaLeg) -> MediaLeg:
    """By offers of the browser's, as a re-INVITE brings them."""
    for direction, answered in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
        held = await page.evaluate(
            """async (direction) => { pc.getTransceivers()[0].direction = direction; await pc.setLocalDescription();
               return pc.localDescription.sdp; }""",
            direction,
        )
        changed, answer = await studio.engine.reoffer(leg, held)
        assert description(answer).direction == answered and changed.local_port == leg.local_port
        await page.evaluate("(sdp) => pc.setRemoteDescription({type: 'answer', sdp})", answer)
        leg = changed
    return leg


async def test_a_browser_is_called_holds_and_presses_keys(studio: Studio, browser: Browser) -> None:
    page = await browser.new_page()
    leg, offer = await studio.engine.outgoing(studio.name(), kind="webrtc")
    leg = await studio.engine.answered(leg, await described(page, offer=offer))
    party, other = await party_of(studio)
    leg, other = await studio.engine.connect(leg, other)
    await hears(page, PARTY)
    await party.hears(BROWSER_TONE)

    await page.evaluate("sender.dtmf.insertDTMF('4#', 120)")
    await studio.keys_are((leg.id, "4"), (leg.id, "#"))
    await party.until(lambda: party.keys == "4#")

    leg = await holds_and_resumes(studio, page, leg)
    leg, other = await studio.engine.connect(leg, other)
    await hears(page, PARTY)
    await party.hears(BROWSER_TONE)


@pytest.mark.kills
@pytest.mark.slow
async def test_a_browser_moves_to_another_engine(own_center: OwnCenter, browser: Browser) -> None:
    """A re-INVITE with new ports, candidates and fingerprint restarts ICE and DTLS (RFC 8842 §4)."""
    studio = await opened(own_center(LCALL_ONLY=f"{PARTS},rtpengine2", LCALL_RTPENGINES="2"))
    another = engine_of(studio.center, 2)
    await another.start(lambda leg, key, duration_ms: None)
    page = await browser.new_page()
    leg = await calls(studio, page)
    party, other = await party_of(studio)
    leg, other = await studio.engine.connect(leg, other)
    await hears(page, PARTY)
    moved, offer = await another.moved(leg)
    answer = await page.evaluate(
        """async (sdp) => { await pc.setRemoteDescription({type: "offer", sdp}); await pc.setLocalDescription();
           while (pc.iceGatheringState !== "complete") await new Promise((go) => setTimeout(go, 20));
           return pc.localDescription.sdp; }""",
        offer,
    )
    moved = await another.answered(moved, answer)
    await another.point(moved, Bridge(other))
    await studio.engine.point(other, Bridge(moved))
    since = len(party.packets)
    await party.until(lambda: len(party.packets) > since + 50)
    await party.hears(BROWSER_TONE)
    await hears(page, PARTY)
    await another.close()
    await studio.close()
