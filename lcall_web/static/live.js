// The one stream of this page: what has changed (for those who follow it), and what is the matter. Clocks tick here; they decide nothing.
"use strict";
const live = (() => {
  const AGAIN_MS = 3000;
  const SILENT_MS = 25_000; // a server that hangs, or a network that is gone without a word, ends no connection
  const followers = { board: new Set(), desk: new Set(), "follow-ups": new Set(), notices: new Set(), callers: new Set() };
  const ASKED = ["board", "callers"]; // what only those pages are told that show it
  let ahead = 0; // of the server's clock before ours
  let source = null;
  let lostAt = 0;
  let toldAt = 0; // when the stream was opened, or something came by it
  let told = [];
  let anew = 0; // the stream is about to be opened anew
  let keeps = false; // this tab holds its stream also while it is hidden

  const place = () => document.getElementById("problems");
  const asked = () => ASKED.filter((name) => followers[name].size).map((name) => `${name}=1`).join("&");
  const address = () => (asked() ? `/live?${asked()}` : "/live");
  const now = () => Date.now() + ahead;

  function duration(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  }

  function tick(root = document) {
    for (const clock of root.querySelectorAll("time[data-since]")) {
      const since = Number(clock.dataset.since);
      const text = since ? duration((now() - since) / 1000) : "";
      if (clock.textContent !== text) clock.textContent = text;
      const most = Number(clock.dataset.most); // seconds that it should take
      if (clock.dataset.most !== undefined) clock.classList.toggle("lc-overlong", Boolean(since && most) && now() - since > most * 1000);
    }
  }

  function showProblems() {
    const all = lostAt ? [{ text: place().dataset.lost, since: lostAt }] : told;
    place().replaceChildren(...all.map(({ text, since }) => {
      const line = document.getElementById("problem").content.firstElementChild.cloneNode(true);
      line.querySelector("[data-text]").textContent = text;
      line.querySelector("time").dataset.since = since;
      return line;
    }));
    tick(place());
  }

  function heard() {
    if (!lostAt) return;
    lostAt = 0;
    showProblems();
    document.dispatchEvent(new CustomEvent("live", { detail: { lost: false } }));
  }

  function lost() {
    if (lostAt) return;
    lostAt = now();
    showProblems();
    document.dispatchEvent(new CustomEvent("live", { detail: { lost: true } }));
  }

  function open() {
    if (source || (document.hidden && !keeps)) return;
    source = new EventSource(address());
    toldAt = Date.now();
    source.addEventListener("ping", news);
    source.address = address();
    source.onopen = heard;
    source.addEventListener("problems", (event) => {
      const { problems, version, session } = news(event);
      if (session !== document.body.dataset.session) return renew();
      told = problems;
      showProblems();
      if (version !== document.body.dataset.version) document.dispatchEvent(new Event("updated"));
    });
    for (const [name, listeners] of Object.entries(followers)) {
      source.addEventListener(name, (event) => {
        const told = news(event);
        for (const listener of listeners) listener(told);
      });
    }
    source.onerror = async () => {
      lost();
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      close();
      await askAgain();
    };
  }

  // Somebody has logged in anew beside this page, which says who was in before and may send nothing any more.
  function renew() {
    close(); // nothing else of this stream is heard
    lost(); // should somebody stay, for what he has not saved
    page.leave(() => location.reload());
  }

  function news(event) {
    toldAt = Date.now();
    const told = JSON.parse(event.data);
    ahead = told.now - Date.now();
    return told;
  }

  // The server refused the stream: because we are out, or because something is away.
  async function askAgain() {
    await new Promise((done) => setTimeout(done, AGAIN_MS));
    try {
      const answer = await fetch("/live", { method: "HEAD", redirect: "manual" });
      if (answer.status === 401) return page.leave(() => location.reload());
    } catch (error) {
      console.warn("the web does not answer", error.message);
    }
    open();
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  function watch() {
    if (!source || Date.now() - toldAt < SILENT_MS) return;
    lost();
    close();
    open();
  }

  // `listener(news)` for each event of that name, beginning with all that there is; what is returned ends it.
  function follow(name, listener) {
    followers[name].add(listener);
    clearTimeout(anew);
    anew = setTimeout(() => { close(); open(); });
    return () => {
      followers[name].delete(listener);
      setTimeout(settle);
    };
  }

  function settle() {
    if (source && source.address !== address()) close();
    open();
  }

  // Of all the tabs of a soft phone one is told also while nobody looks at it.
  function keep() {
    if (!navigator.locks) return; // an insecure place: only the tab that is looked at
    navigator.locks.request("lcall-desk", () => {
      stay();
      return new Promise(() => {});
    });
  }

  // … and the one that has the browser's phone.
  function stay() {
    keeps = true;
    open();
  }

  // A hidden page holds no connection: a browser has only six to one server, and its clocks would not run anyway.
  document.addEventListener("visibilitychange", () => (document.hidden && !keeps ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", () => setTimeout(open));
  setInterval(tick, 1000);
  setInterval(watch, AGAIN_MS);
  page.widget("#problems", () => { tick(); setTimeout(open); });
  return { now, duration, tick, follow, keep, stay };
})();
