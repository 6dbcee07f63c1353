// The big screen: nobody touches it for months. It draws what the stream tells, and loads itself anew after an update.
"use strict";
page.widget("#wall-board", (wall) => {
  const $ = (selector) => wall.querySelector(selector);
  const CURVE_MS = 60_000;
  const RENEWED_MS = 30_000; // while one server is updated and another not yet, not again and again
  const STALE_MS = 90_000; // without a word from the server: something is stuck that a new page may free
  const SVG = "http://www.w3.org/2000/svg";
  const chosen = wall.dataset.queues ? wall.dataset.queues.split(",") : [];
  const limits = Object.fromEntries(["warn", "late", "goal", "low"].map((name) => [name, Number(wall.dataset[name])]));
  const agents = new Map();
  const queues = new Map();

  document.documentElement.setAttribute("data-bs-theme", wall.dataset.theme);

  const wanted = () => (chosen.length ? chosen.map((id) => queues.get(id)).filter(Boolean) : [...queues.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
  const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)}%`);
  const waitTone = (since) => {
    const seconds = since ? (live.now() - since) / 1000 : 0;
    return seconds >= limits.late ? "bad" : seconds >= limits.warn ? "warn" : "";
  };
  const levelTone = (share) => (share === null || share === undefined ? "" : share * 100 >= limits.goal ? "good" : share * 100 >= limits.low ? "warn" : "bad");

  function put(field, value, tone = "") {
    const text = value === null || value === undefined ? "–" : String(value);
    if (field.textContent !== text) field.textContent = text;
    if (field.dataset.tone !== tone) field.dataset.tone = tone;
    field.toggleAttribute("data-long", text.length > 5);
  }

  function drawQueues() {
    const place = $(".lc-wall-queues tbody");
    if (!place) return;
    const known = new Map([...place.children].map((row) => [row.dataset.id, row]));
    place.replaceChildren(...wanted().map((each) => {
      const row = known.get(each.id) || document.getElementById("wall-queue").content.firstElementChild.cloneNode(true);
      row.dataset.id = each.id;
      const field = (name) => row.querySelector(`[data-f="${name}"]`);
      for (const name of ["name", "ready", "talking", "answered", "abandoned"]) put(field(name), each[name]);
      put(field("waiting"), each.waiting, each.waiting ? waitTone(each.oldest) || "warn" : "");
      put(field("level"), percent(each.level), levelTone(each.level));
      put(row.querySelector("time"), each.oldest ? live.duration((live.now() - each.oldest) / 1000) : "–", waitTone(each.oldest));
      return row;
    }));
    place.parentElement.dataset.rows = place.children.length;
    $(".lc-wall-none").hidden = place.children.length > 0;
  }

  // Over the queues that are shown.
  function drawFigures() {
    if (!$(".lc-wall-figures")) return;
    const shown = wanted();
    const sum = (name) => shown.reduce((all, each) => all + (each[name] || 0), 0);
    const oldest = shown.reduce((first, each) => (each.oldest && (!first || each.oldest < first) ? each.oldest : first), 0);
    const level = sum("counted") ? sum("in_time") / sum("counted") : null;
    const known = shown.some((each) => each.answered !== null);
    const figure = (name) => $(`[data-figure="${name}"] strong`);
    put(figure("waiting"), sum("waiting"), sum("waiting") ? waitTone(oldest) || "warn" : "");
    put(figure("oldest"), oldest ? live.duration((live.now() - oldest) / 1000) : "–", waitTone(oldest));
    put(figure("level"), percent(level), levelTone(level));
    put(figure("talking"), sum("talking"));
    put(figure("ready"), [...agents.values()].filter((agent) => agent.state === "ready" && serves(agent)).length);
    put(figure("answered"), known ? sum("answered") : "–");
    put(figure("abandoned"), known ? sum("abandoned") : "–");
  }

  const serves = (agent) => agent.queues.length > 0 && (!chosen.length || agent.queues.some((id) => chosen.includes(id)));

  function drawAgents() {
    const counts = {};
    for (const agent of agents.values()) if (serves(agent)) counts[agent.state] = (counts[agent.state] || 0) + 1;
    counts.ringing = (counts.ringing || 0) + (counts.reserved || 0);
    for (const line of wall.querySelectorAll(".lc-wall-agents li")) {
      const count = counts[line.dataset.state] || 0;
      put(line.querySelector("strong"), count);
      line.classList.toggle("lc-zero", !count);
    }
  }

  // -- the curve of the day -------------------------------------------------------------------------------------------

  function made(name, attributes, text) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function drawCurve(hours) {
    const svg = $(".lc-wall-curve svg");
    if (!svg) return;
    const [left, right, top, bottom] = [58, 950, 16, 262];
    const most = Math.max(4, ...hours.map((hour) => hour.offered));
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000].find((each) => most / each <= 4) || Math.ceil(most / 4);
    const height = Math.ceil(most / step) * step;
    const x = (hour) => left + ((right - left) * (hour + 0.5)) / 24;
    const y = (count) => bottom - ((bottom - top) * count) / height;
    const parts = [];
    for (let count = 0; count <= height; count += step) {
      parts.push(made("line", { class: "lc-wall-rule", x1: left, x2: right, y1: y(count), y2: y(count) }));
      parts.push(made("text", { x: left - 10, y: y(count) + 8, "text-anchor": "end" }, count));
    }
    for (let hour = 0; hour < 24; hour += 3) parts.push(made("text", { x: x(hour), y: 292, "text-anchor": "middle" }, `${hour}:00`));
    for (const name of ["offered", "answered", "abandoned"]) {
      const points = hours.map((hour) => `${x(hour.hour).toFixed(1)},${y(hour[name]).toFixed(1)}`);
      if (name === "offered" && points.length) {
        const ends = [`${x(hours.at(-1).hour).toFixed(1)},${bottom}`, `${x(hours[0].hour).toFixed(1)},${bottom}`];
        parts.push(made("polygon", { class: "lc-wall-area", points: [...points, ...ends].join(" ") }));
      }
      parts.push(made("polyline", { class: `lc-wall-line lc-line-${name}`, points: points.join(" ") }));
      if (points.length) {
        const last = hours.at(-1);
        parts.push(made("circle", { class: `lc-line-${name}`, cx: x(last.hour), cy: y(last[name]), r: 6 }));
      }
    }
    svg.replaceChildren(...parts);
  }

  async function readFigures() {
    try {
      const answer = await fetch(`/wall/figures?queues=${encodeURIComponent(chosen.join(","))}`);
      if (!answer.ok) return; // the banner says what is away; the curve stays
      const told = await answer.json();
      drawCurve(told.hours);
      if (told.version !== document.body.dataset.version) renew();
    } catch (error) {
      console.warn("the curve was not read", error.message);
    }
  }

  // The web was updated: nobody is here to be asked.
  function renew() {
    if (Date.now() - Number(sessionStorage.getItem("renewed")) < RENEWED_MS) return;
    sessionStorage.setItem("renewed", Date.now());
    location.reload();
  }

  // -- time -----------------------------------------------------------------------------------------------------------

  const formats = {
    clock: new Intl.DateTimeFormat(wall.dataset.language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: wall.dataset.zone }),
    date: new Intl.DateTimeFormat(wall.dataset.language, { month: "long", day: "numeric", weekday: "long", timeZone: wall.dataset.zone }),
  };

  let told = Date.now();
  let asks = false;
  function tick() {
    put($(".lc-wall-clock"), formats.clock.format(live.now()));
    put($(".lc-wall-date"), formats.date.format(live.now()));
    drawQueues();
    drawFigures();
    if (Date.now() - told > STALE_MS && !asks) freshen();
  }

  // Only when the server answers: a page that cannot be loaded would leave the wall with the browser's own complaint.
  async function freshen() {
    asks = true;
    try {
      const answer = await fetch("/healthz");
      if (answer.ok && (await answer.json()).status === "ok") location.reload();
    } catch (error) {
      console.warn("the web does not answer", error.message);
    }
    told = Date.now();
    asks = false;
  }

  function take(news) {
    told = Date.now();
    if (news.whole) {
      agents.clear();
      queues.clear();
    }
    for (const agent of news.agents) agents.set(agent.id, agent);
    for (const queue of news.queues) queues.set(queue.id, queue);
    drawAgents();
    tick();
    wall.classList.remove("lc-waiting");
  }

  $(".lc-wall-full").addEventListener("click", async () => {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen();
  });

  document.addEventListener("updated", renew);
  const timers = [setInterval(tick, 1000), setInterval(readFigures, CURVE_MS)];
  readFigures();
  const unfollow = live.follow("board", take);
  return () => {
    unfollow();
    document.removeEventListener("updated", renew);
    for (const timer of timers) clearInterval(timer);
  };
});
