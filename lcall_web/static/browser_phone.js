// The agent's phone in his browser: SIP over a WebSocket to the edge (JsSIP), voice by WebRTC. It stands beside the page
// and outlives navigation. What it is told by the center (answer by NOTIFY `talk`, BYE) it does as a desk phone would.
//
// browserPhone.start({phone, quiet}) → Promise, stop(), answer(), hangUp(), keys(digits), devices(), choose(kind, id),
// settings(), state, reason, caller; the event `browser-phone` on document has {state, reason, caller} as detail.
// A page that is loaded anew in a call comes back to it: who is talked with hears music meanwhile (lq/contacts/returning.py).
// It goes off where the agent is signed in no longer (the event `seated`, of desk.js), and where another place has
// registered since as this phone (the header X-LCall-Renews, docs/contracts.md §3); in a call, when that is over.
// States: off | connecting | registered | ringing | talking | failed | denied; reasons: lcall_web/phone/rules.py, WORDS.
"use strict";
window.browserPhone = (() => {
  const REGISTER_S = 120;
  const RENEW_MS = 3600_000; // a password lasts a shift: the web may be away for hours
  const SOONEST_MS = 60_000; // each is written down
  const AGAIN_MS = [1000, 2000, 5000, 10000, 30000];
  const LEAVE_MS = 10_000; // he is not signed in here: a Redis that was emptied knows him again by then (docs/contracts.md §2)
  const RENEWS = ["X-LCall-Renews: yes"];
  const KEPT = "browser-phone-on"; // {me, phone}, of this tab
  const LOCK = "lcall-phone";
  const LEFT = "browser-phone-left"; // the call that a page of his was in when it went: of all tabs, whichever has the phone next
  const GIVEN = "browser-phone-given"; // the last password, of this tab
  const PATIENCE_MS = 5000; // for another one: in a call there is not more time
  const AWAY = "application/lcall-away";
  const AWAY_MS = 20_000; // as long as the center waits
  const OUT_MS = 10_000; // a logout is done by then
  const me = document.body.dataset.me;
  const home = () => document.getElementById("browser-phone");
  const { heard, ringer, chosen, constraints, devices, place, ring } = browserSound;

  let state = "off", reason = "", caller = "";
  let wanted = null; // {phone} while it shall be on
  let ext = ""; // the phone that it is
  let ours = ""; // our Contact, once it was registered as that phone
  let elsewhere = false; // another place has registered as that phone since
  let seat = null; // where the center has him signed in, once it has said so: {phone, own}
  let leaving = 0; // the time is running in which he may still be signed in here
  let ua = null, session = null;
  let release = null; // gives the phone to another tab
  let failures = 0, again = 0, renewal = 0;
  let waiting = []; // who wants to know when it is registered: [yes, no]

  function show(next, why = "") {
    if (next === state && why === reason) return;
    [state, reason] = [next, why];
    if (next === "registered") settle(([yes]) => yes());
    if (["off", "denied"].includes(next) || (next === "failed" && why !== "unreachable")) settle(([, no]) => no(new Error(why || next)));
    document.dispatchEvent(new CustomEvent("browser-phone", { detail: { state, reason, caller } }));
  }

  function settle(tell) {
    const all = waiting;
    waiting = [];
    all.forEach(tell);
  }

  // -- on and off -------------------------------------------------------------------------------------------------------

  // Resolves when it is registered; rejects with the reason as message. Of several tabs one has the phone, the next when it goes.
  function start({ phone = wanted ? wanted.phone : "", quiet = false } = {}) {
    const done = new Promise((yes, no) => waiting.push([yes, no]));
    done.catch((error) => { if (!quiet && error.message !== "off") settings(); });
    if (state === "registered") settle(([yes]) => yes());
    if (wanted && wanted.phone === phone && !["denied", "failed"].includes(state)) return done;
    wanted = { phone };
    seat = null;
    sessionStorage.setItem(KEPT, JSON.stringify({ me, phone }));
    if (!window.isSecureContext || !navigator.mediaDevices) show("denied", "insecure");
    else take().then(begin);
    return done;
  }

  async function take() {
    if (release) return;
    const { held } = await navigator.locks.query();
    if (held.some(({ name }) => name === LOCK)) show("off", "other_tab");
    await new Promise((taken) => {
      navigator.locks.request(LOCK, () => {
        if (!wanted) return null;
        live.stay(); // or it would not be told that he has signed out in another tab
        taken();
        return new Promise((done) => { release = done; });
      });
    });
  }

  async function begin() {
    if (!wanted || session) return; // a call goes on all the same
    clearTimeout(again);
    show("connecting");
    if (!(await microphone())) return;
    const given = await credentials();
    if (!given || !wanted) return;
    await library();
    if (!wanted || session) return; // one came meanwhile: the old registration had it
    if (ua?.isRegistered() && ext === given.phone) return show("registered");
    if (ua) close();
    connect(given);
  }

  // Whether there is one that we may use; else why not is shown.
  async function microphone() {
    try {
      (await navigator.mediaDevices.getUserMedia({ audio: constraints() })).getTracks().forEach((track) => track.stop());
      return true;
    } catch (error) {
      show("denied", whyNot(error));
      return false;
    }
  }

  function whyNot(error) {
    return { NotFoundError: "no_microphone", OverconstrainedError: "no_microphone", NotReadableError: "busy", AbortError: "busy" }[error.name] || "blocked";
  }

  // While the web can give none, because something is away that it needs, the last one does.
  async function credentials() {
    const token = JSON.parse(document.body.getAttribute("hx-headers"));
    const last = lasting();
    try {
      const answer = await fetch("/phone/credentials", {
        method: "POST", headers: { ...token, "Content-Type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams(wanted), redirect: "manual", signal: last ? AbortSignal.timeout(PATIENCE_MS) : null,
      });
      if (answer.ok) return kept(await answer.json());
      if (answer.status < 500) return refusedByTheWeb(answer);
    } catch (error) {
      console.warn("no password for the phone", error.message);
    }
    if (!last) later("away");
    return last;
  }

  async function refusedByTheWeb(answer) {
    sessionStorage.removeItem(GIVEN);
    if (answer.status === 401) page.leave(() => location.reload());
    else if (answer.status === 409 && !session) {
      close();
      show("failed", (await answer.json()).reason);
    } else later("away");
    return null;
  }

  function kept(given) {
    sessionStorage.setItem(GIVEN, JSON.stringify({ me, asked: wanted?.phone, given }));
    return given;
  }

  function lasting() {
    const last = JSON.parse(sessionStorage.getItem(GIVEN));
    const holds = last && last.me === me && last.asked === wanted?.phone && last.given.until - live.now() > REGISTER_S * 1000;
    return holds ? last.given : null;
  }

  function later(why) {
    if (session) return; // a call goes on all the same; it is tried again when that is over
    show("failed", why);
    soon();
  }

  function soon() {
    clearTimeout(again);
    again = setTimeout(begin, AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)]);
  }

  function library() {
    if (window.JsSIP) return null;
    return new Promise((yes, no) => {
      const script = document.createElement("script");
      script.src = home().dataset.jssip;
      script.onload = yes;
      script.onerror = () => { script.remove(); later("away"); no(new Error("the library does not come")); };
      document.head.append(script);
    });
  }

  function connect(given) {
    if (!given.edge) return show("failed", "insecure");
    if (ext !== given.phone) ours = "";
    ext = given.phone;
    const contact = ours || `sip:${ext}@${crypto.randomUUID()}.invalid;transport=ws`;
    const own = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(given.edge)], uri: `sip:${given.phone}@lcall`,
      authorization_user: given.user, password: given.password, register_expires: REGISTER_S, contact_uri: contact,
      connection_recovery_min_interval: 1, connection_recovery_max_interval: 8, user_agent: "LCall browser phone",
      no_answer_timeout: 300, // how long it rings, the center says
    });
    ua = own;
    if (ours) own.registrator().setExtraHeaders(RENEWS);
    const mine = (does) => (event) => { if (ua === own) does(event); };
    own.on("registered", mine(() => {
      failures = 0;
      ours = contact;
      elsewhere = false;
      own.registrator().setExtraHeaders(RENEWS);
      clearTimeout(again);
      if (!session && !comesBack()) show("registered");
    }));
    own.on("unregistered", mine(() => { if (!session) show("connecting"); }));
    own.on("registrationFailed", mine(({ response }) => refused(response)));
    own.on("disconnected", mine(() => { if (!session) show("failed", "unreachable"); }));
    own.on("connecting", mine(() => { if (!session && state !== "failed") show("connecting"); }));
    own.on("newRTCSession", mine(({ originator, session: one, request }) => {
      if (originator === "remote") comes(one, request);
    }));
    own.start();
    renewSoon(given);
    judge();
  }

  // A password that has run out while the machine slept is asked for anew; another refusal is final.
  function refused(response) {
    if (response && response.status_code === 412) elsewhere = true;
    if (session) return;
    if (elsewhere) return yields();
    if (response && response.status_code < 500) sessionStorage.removeItem(GIVEN);
    if (response && [401, 403].includes(response.status_code) && failures < 2) later("refused");
    else if (response && response.status_code < 500) show("failed", "refused");
    else later("unreachable");
  }

  function renewSoon(given) {
    clearTimeout(renewal);
    renewal = setTimeout(async () => {
      const before = [state, reason];
      const next = await credentials();
      clearTimeout(again);
      if (!ua || !wanted) return;
      if (!next) show(...before); // the old one lasts
      else {
        ua.set("authorization_user", next.user);
        ua.set("password", next.password);
      }
      renewSoon(next || given);
    }, Math.max(SOONEST_MS, Math.min(RENEW_MS, (given.until - live.now()) / 2)));
  }

  function stop() {
    off("");
    if (release) release();
    release = null;
  }

  // Nobody takes it back by himself, or both would without end: not after F5, nor another tab, for this one keeps the lock.
  function yields() {
    off("elsewhere");
    page.tell(home().dataset.elsewhere);
  }

  function off(why) {
    wanted = null;
    ext = ours = "";
    elsewhere = false;
    forget();
    for (const timer of [again, renewal, leaving]) clearTimeout(timer);
    leaving = 0;
    close();
    show("off", why);
  }

  function forget() {
    for (const name of [KEPT, GIVEN]) sessionStorage.removeItem(name);
    localStorage.removeItem(LEFT);
  }

  // A phone at which he is signed in no longer may be somebody else's. His own, switched on without that, stays on.
  function judge() {
    const at = ext || wanted?.phone;
    const his = !wanted || !seat || !at || seat.phone === at || (!wanted.phone && seat.own === at);
    if (!his && !session) leaving ||= setTimeout(stop, LEAVE_MS);
    else {
      clearTimeout(leaving);
      leaving = 0;
    }
  }

  document.addEventListener("seated", ({ detail }) => {
    seat = detail;
    judge();
  });

  function close() {
    const [gone, call] = [ua, session];
    ua = session = null;
    ring(false);
    caller = "";
    if (call && !call.isEnded()) call.terminate();
    if (gone) gone.stop(); // and the end of its registration
  }

  // -- a call -----------------------------------------------------------------------------------------------------------

  function comes(one, request) {
    if (session) return one.terminate({ status_code: 486 });
    takeOrders(one, request);
    has(one, one.remote_identity.uri.user);
    show("ringing");
    ring(true);
    if (/answer-after=0|alert-autoanswer/.test(`${request.getHeader("Call-Info")} ${request.getHeader("Alert-Info")}`)) {
      setTimeout(() => session === one && answer()); // when it has said 180
    }
  }

  function has(one, whom) {
    session = one;
    caller = whom;
    judge();
    const over = (event) => {
      if (session !== one) return;
      session = null;
      ring(false);
      heard().srcObject = null;
      caller = "";
      if (elsewhere) return yields();
      const on = ua && ua.isRegistered();
      show(on ? "registered" : "connecting", event.cause === "Canceled" ? "cancelled" : "");
      if (!on) soon(); // what was refused in the call, nobody has tried again
      return judge();
    };
    one.on("ended", over);
    one.on("failed", over);
    one.on("accepted", () => { ring(false); show("talking"); });
    one.on("getusermediafailed", (error) => setTimeout(() => { close(); show("denied", whyNot(error)); })); // no more calls then
    one.on("peerconnection", ({ peerconnection }) => sound(one, peerconnection));
  }

  // The page goes in a call, and may be there again in a moment: the center is told so, not that the call is over.
  function leaves() {
    const { call_id, local_tag, remote_tag } = session._dialog.id;
    const dialog = `${call_id};to-tag=${remote_tag};from-tag=${local_tag}`;
    localStorage.setItem(LEFT, JSON.stringify({ me, ext, dialog, caller, at: Date.now() }));
    session.sendInfo(AWAY);
  }

  // What is older, or another's, says nothing to anybody any more.
  function justLeft() {
    const left = JSON.parse(localStorage.getItem(LEFT));
    if (left && left.me === me && Date.now() - left.at <= AWAY_MS) return left;
    localStorage.removeItem(LEFT);
    return null;
  }

  // Whether it calls in the place of the leg that it has left (INVITE with Replaces, RFC 3891).
  function comesBack() {
    const left = justLeft();
    localStorage.removeItem(LEFT);
    if (!left || left.ext !== ext) return false;
    const one = ua.call(`sip:${ext}@lcall`, { ...voice(), extraHeaders: [`Replaces: ${left.dialog}`] });
    has(one, left.caller);
    sound(one, one.connection); // it is there already
    return true;
  }

  const voice = () => ({ mediaConstraints: { audio: constraints(), video: false }, pcConfig: { iceServers: [] } });

  // As a desk phone does: it says that it takes `talk` (Allow-Events), and then does what the center tells it by NOTIFY.
  function takeOrders(one, request) {
    const reply = request.reply.bind(request);
    request.reply = (code, why = null, headers = null, ...rest) => reply(code, why, [...(headers || []), "Allow-Events: talk"], ...rest);
    const receive = one.receiveRequest.bind(one);
    one.receiveRequest = (order) => {
      if (order.method !== "NOTIFY" || (order.getHeader("Event") || "").trim() !== "talk") return receive(order);
      order.reply(200);
      return answer();
    };
  }

  function answer() {
    if (session && session.direction === "incoming" && session.isInProgress() && !session.isEstablished()) {
      ring(false);
      try {
        session.answer(voice());
      } catch (error) {
        if (!(error instanceof JsSIP.Exceptions.InvalidStateError)) throw error; // it is on its way
      }
    }
  }

  function hangUp() {
    if (session) session.terminate();
  }

  // As RFC 4733 events, which the other end hears whatever it is.
  function keys(digits) {
    if (session && session.isEstablished()) session.sendDTMF(digits, { transportType: "RFC2833", duration: 120, interToneGap: 80 });
  }

  function sound(one, connection) {
    connection.addEventListener("track", ({ streams }) => {
      heard().srcObject = streams[0];
      place(heard(), chosen().speaker);
    });
    // a network that went away for longer than ICE waits (RFC 7675, 30 s): the way is looked for anew
    connection.addEventListener("iceconnectionstatechange", () => {
      if (connection.iceConnectionState === "failed" && session === one) one.renegotiate({ rtcOfferConstraints: { iceRestart: true } });
    });
  }

  // -- devices ----------------------------------------------------------------------------------------------------------

  // For this browser, from now on, in a call too; kinds: microphone, speaker, ringer; "": the system's.
  async function choose(kind, id) {
    browserSound.choose(kind, id);
    if (kind === "microphone") await speakInto();
    else await place(kind === "speaker" ? heard() : ringer(), id);
  }

  const voiced = () => session?.connection?.getSenders().find(({ track }) => track && track.kind === "audio");

  async function speakInto() {
    const [one, sender] = [session, voiced()];
    if (!sender) return;
    const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints() });
    const [track] = stream.getAudioTracks();
    if (session !== one) return track.stop();
    const old = sender.track;
    track.enabled = old.enabled;
    await sender.replaceTrack(track);
    old.stop();
    one.on("ended", () => track.stop());
  }

  // A headset was pulled out of a call, or is there again: by what there is, by the chosen one if it can be.
  async function rewire() {
    if (wanted && reason === "no_microphone") return begin();
    if (!session?.isEstablished() || !voiced()) return undefined;
    const { microphones, speakers, chosen: { microphone, speaker } } = await devices();
    const is = (all, id) => all.some((one) => one.id === id);
    place(heard(), is(speakers, speaker) ? speaker : "");
    const { track } = voiced() || {};
    const back = is(microphones, microphone) && track?.getSettings().deviceId !== microphone;
    if (!track || (track.readyState !== "ended" && !back)) return undefined;
    try {
      await speakInto();
      return page.tell(home().dataset.changed);
    } catch (error) {
      console.warn("there is no microphone now", error.message);
      return page.tell(home().dataset.deaf);
    }
  }

  function test(kind) {
    if (state !== "ringing") browserSound.test(kind);
  }

  // -- beside the page ----------------------------------------------------------------------------------------------------

  // The dialog of devices; it says, too, what is in the way (devices.js).
  async function settings() {
    const dialog = document.getElementById("phone-devices");
    await htmx.ajax("GET", home().dataset.devices, { target: dialog, swap: "innerHTML" });
    if (!dialog.open && dialog.childElementCount) dialog.showModal();
  }

  addEventListener("beforeunload", (event) => { if (state === "talking") event.preventDefault(); });
  // who goes on to another page leaves nobody with silence; who goes out has hung up
  let out = false;
  document.addEventListener("submit", ({ target }) => {
    out = target.matches("form[action='/logout']");
    if (out) setTimeout(() => { out = false; }, OUT_MS); // he has stayed, when he was asked
  });
  addEventListener("pagehide", () => {
    if (out) forget();
    if (!ua) return;
    if (state === "talking" && !out) leaves();
    else close();
  });
  addEventListener("pageshow", (event) => { if (event.persisted && wanted) begin(); });
  addEventListener("online", () => { if (wanted && state === "failed") begin(); });
  addEventListener("DOMContentLoaded", () => {
    justLeft();
    const before = JSON.parse(sessionStorage.getItem(KEPT));
    if (before && before.me !== me) forget(); // somebody else was here, and is out
    else if (before && home()) start({ phone: before.phone, quiet: true }).catch(() => {});
    if (navigator.mediaDevices) navigator.mediaDevices.addEventListener("devicechange", rewire);
    if (navigator.permissions) watchPermission();
  });

  async function watchPermission() {
    let permission;
    try {
      permission = await navigator.permissions.query({ name: "microphone" });
    } catch (error) {
      return console.info("this browser does not tell when the microphone is allowed", error.message);
    }
    permission.addEventListener("change", () => {
      if (wanted && reason === "blocked" && permission.state === "granted") begin();
    });
  }

  return {
    start, stop, answer, hangUp, keys, devices, choose, settings, test, constraints,
    get state() { return state; },
    get reason() { return reason; },
    get caller() { return caller; },
  };
})();
