// Draws the board from what the stream tells. Text goes in as text, never as markup.
"use strict";
page.widget("#board", (board) => {
  const $ = (selector) => board.querySelector(selector);
  const WARN_MS = 20_000; // a wait this long is amber, three times as long red
  const known = { agents: new Map(), queues: new Map(), calls: new Map() };
  let shown = "";
  let sought = "";

  function put(element, name, value) {
    const field = element.querySelector(`[data-f="${name}"]`);
    const text = value === null || value === undefined ? "–" : String(value);
    if (field.textContent !== text) field.textContent = text;
  }

  function clock(element, since) {
    const time = element.querySelector("time");
    if (since) time.dataset.since = since;
    else {
      delete time.dataset.since;
      time.textContent = "–";
    }
  }

  function element(kind, id, template, place) {
    let found = known[kind].get(id);
    if (!found) {
      found = document.getElementById(template).content.firstElementChild.cloneNode(true);
      found.dataset.id = id;
      known[kind].set(id, found);
      place(found);
    }
    return found;
  }

  // Always in the order of their ids: a card stays where the eye has learnt to find it.
  function inOrder(list) {
    return (added) => {
      const after = [...list.children].find((other) => other.dataset.id > added.dataset.id);
      list.insertBefore(added, after || null);
    };
  }

  function drawAgent(agent) {
    const card = element("agents", agent.id, "agent-card", inOrder($("#agents")));
    if (card.dataset.state !== agent.state) card.dataset.state = agent.state;
    for (const name of ["name", "id", "label", "note"]) put(card, name, agent[name]);
    put(card, "phone", agent.phone);
    clock(card, agent.state === "signed_out" ? 0 : agent.since);
    card.dataset.words = `${agent.id} ${agent.name}`.toLowerCase();
  }

  function drawQueue(queue) {
    const row = element("queues", queue.id, "queue-row", inOrder($("#queues tbody")));
    for (const name of ["name", "waiting", "ready", "talking", "answered", "abandoned"]) put(row, name, queue[name]);
    row.dataset.waiting = queue.waiting ? "yes" : "no";
    clock(row, queue.oldest);
    put(row, "level", percent(queue.level));
    row.querySelector(".lc-level-in").setAttribute("width", queue.level === null ? 0 : queue.level * 100);
    row.querySelector(".lc-level").title = queue.goal_s ? `${queue.goal_s} s` : "";
  }

  function drawCall(call) {
    const list = $(call.state === "queued" ? "#calls [data-waiting]" : "#calls [data-served]"); // those who wait first
    const row = element("calls", call.id, "call-row", inOrder(list));
    if (row.parentElement !== list) inOrder(list)(row);
    for (const name of ["number", "label", "queue", "agent"]) put(row, name, call[name] || "–");
    put(row, "called", call.called);
    row.querySelector("a").href = `/calls/${encodeURIComponent(call.id)}`;
    row.querySelector(".lc-state").dataset.state = call.state;
    clock(row, call.since);
  }

  const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)}%`);

  function drawTotals(totals) {
    for (const field of board.querySelectorAll("[data-total]")) {
      const name = field.dataset.total;
      if (name === "oldest") continue;
      const value = name === "level" ? percent(totals.level) : totals[name] ?? "–";
      if (field.textContent !== String(value)) field.textContent = value;
    }
    oldest = totals.oldest;
    $('[data-total="waiting"]').parentElement.classList.toggle("lc-busy", totals.waiting > 0);
    tickOldest();
  }

  let oldest = null;
  function tickOldest() {
    const field = $('[data-total="oldest"]');
    const waits = oldest ? live.now() - oldest : 0;
    field.textContent = oldest ? live.duration(waits / 1000) : "–";
    field.parentElement.classList.toggle("lc-busy", waits > WARN_MS);
    field.parentElement.classList.toggle("lc-late", waits > 3 * WARN_MS);
  }
  const ticking = setInterval(tickOldest, 1000);

  function sift() {
    const counts = { "": 0 };
    let visible = 0;
    for (const card of known.agents.values()) {
      const state = card.dataset.state;
      counts[state] = (counts[state] || 0) + 1;
      if (state !== "signed_out") counts[""] += 1;
      const fits = (shown ? state === shown : state !== "signed_out" || sought !== "") && card.dataset.words.includes(sought);
      if (card.hidden === fits) card.hidden = !fits;
      visible += fits;
    }
    for (const field of board.querySelectorAll("[data-count]")) {
      const count = counts[field.dataset.count] || 0;
      field.textContent = count;
      const chip = field.closest(".lc-chip");
      chip.hidden = !count && chip.dataset.show !== "" && chip.dataset.show !== shown;
    }
    const none = $("#no-agents");
    const words = none.querySelector(".empty-title");
    none.hidden = visible > 0;
    words.textContent = shown || sought ? words.dataset.nofit : words.dataset.nobody;
  }

  function take(news) {
    if (news.whole) {
      for (const [kind, elements] of Object.entries(known)) {
        const still = new Set(news[kind].map((each) => each.id));
        for (const id of elements.keys()) if (!still.has(id)) drop(kind, id);
      }
    }
    news.agents.forEach(drawAgent);
    news.queues.forEach(drawQueue);
    news.calls.forEach(drawCall);
    news.gone.forEach((id) => drop("calls", id));
    drawTotals(news.totals);
    sift();
    $("#call-count").textContent = known.calls.size;
    $("#no-calls").hidden = known.calls.size > 0;
    board.classList.remove("lc-waiting");
    live.tick(board);
  }

  function drop(kind, id) {
    known[kind].get(id)?.remove();
    known[kind].delete(id);
  }

  $("#states").addEventListener("click", (event) => {
    const chip = event.target.closest(".lc-chip");
    if (!chip) return;
    shown = chip.dataset.show;
    for (const each of $("#states").children) each.classList.toggle("active", each === chip);
    sift();
  });
  $("#find").addEventListener("input", (event) => {
    sought = event.target.value.trim().toLowerCase();
    sift();
  });
  $("#wall").addEventListener("click", async () => {
    if (document.fullscreenElement) return document.exitFullscreen();
    await document.documentElement.requestFullscreen();
  });
  const walled = () => document.body.classList.toggle("lc-walled", Boolean(document.fullscreenElement));
  document.addEventListener("fullscreenchange", walled);

  const unfollow = live.follow("board", take);
  return () => {
    unfollow();
    clearInterval(ticking);
    document.removeEventListener("fullscreenchange", walled);
    document.body.classList.remove("lc-walled");
  };
});
