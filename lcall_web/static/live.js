// The one stream of this page: what has changed (for board.js), and what is the matter. Clocks tick here; they decide nothing.
"use strict";
const live = (() => {
  const board = document.getElementById("board");
  const place = document.getElementById("problems");
  const address = board ? "/live?board=1" : "/live";
  const AGAIN_MS = 3000;
  let ahead = 0; // of the server's clock before ours
  let source = null;
  let lostAt = 0;
  let told = [];
  let listener = () => {};

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
    }
  }

  function showProblems() {
    const all = lostAt ? [{ text: place.dataset.lost, since: lostAt }] : told;
    place.replaceChildren(...all.map(({ text, since }) => {
      const line = document.getElementById("problem").content.firstElementChild.cloneNode(true);
      line.querySelector("[data-text]").textContent = text;
      line.querySelector("time").dataset.since = since;
      return line;
    }));
    tick(place);
  }

  function heard() {
    if (!lostAt) return;
    lostAt = 0;
    showProblems();
  }

  function lost() {
    if (lostAt) return;
    lostAt = now();
    showProblems();
  }

  function open() {
    if (source || document.hidden) return;
    source = new EventSource(address);
    source.onopen = heard;
    source.addEventListener("problems", (event) => {
      const news = JSON.parse(event.data);
      ahead = news.now - Date.now();
      told = news.problems;
      showProblems();
    });
    source.addEventListener("board", (event) => {
      const news = JSON.parse(event.data);
      ahead = news.now - Date.now();
      listener(news);
    });
    source.onerror = async () => {
      lost();
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      close();
      await askAgain();
    };
  }

  // The server refused the stream: because we are out, or because something is away.
  async function askAgain() {
    await new Promise((done) => setTimeout(done, AGAIN_MS));
    try {
      const answer = await fetch("/live", { method: "HEAD", redirect: "manual" });
      if (answer.status === 401) return location.reload();
    } catch (error) {
      console.warn("the web does not answer", error.message);
    }
    open();
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  // A hidden page holds no connection: a browser has only six to one server, and its clocks would not run anyway.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  setInterval(tick, 1000);
  tick();
  return { now, duration, tick, follow: (told) => { listener = told; open(); } };
})();
if (!document.getElementById("board")) live.follow(() => {});
