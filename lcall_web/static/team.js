// The leader's page: draws his team from what the stream tells, and orders what he clicks. Text goes in as text, never as markup.
"use strict";
page.widget("#team", (team) => {
  const $ = (selector) => team.querySelector(selector);
  const me = team.dataset.me;
  const WORK_MS = 15_000;
  const STILL_MS = 2500; // tiles are not sorted anew under a moving mouse
  const TALKS = ["talking", "held", "consulting", "conferencing"];
  const ORDER = ["ringing", "talking", "dialing", "reserved", "wrap_up", "ready", "paused", "busy_other", "phone_offline", "signed_out"];
  const data = { agents: new Map(), queues: new Map(), calls: new Map() };
  const names = new Map(); // a call -> its customer's, where it is known and the leader may see it
  const tiles = new Map();
  const muted = new Set();
  let work = {};
  let chosen = "";
  let shown = "";
  let queue = "";
  let sought = "";
  let sort = localStorage.getItem("team-sort") || "state";
  let comes = null; // the call that the leader's own phone is being called into
  const orders = teamOrders(team, () => draw());
  const alarm = teamAlarm(
    () => [...data.agents.values()].some((agent) => agent.team && agent.help && !muted.has(`${agent.id} ${agent.help}`)),
    () => { team.dataset.beeps = Number(team.dataset.beeps || 0) + 1; },
  );

  // -- small things ---------------------------------------------------------------------------------------------------

  function put(element, name, value) {
    const field = element.querySelector(`[data-f="${name}"]`);
    const text = value === null || value === undefined || value === "" ? "–" : String(value);
    if (field.textContent !== text) field.textContent = text;
  }

  function clock(element, since) {
    const time = element.querySelector("time");
    if (since) {
      if (time.dataset.since !== String(since)) time.dataset.since = since;
    } else {
      delete time.dataset.since;
      if (time.textContent !== "–") time.textContent = "–";
    }
  }

  const made = (template) => document.getElementById(template).content.firstElementChild.cloneNode(true);
  const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)}%`);

  function worked(id) {
    const [calls, seconds] = work[id] || [0, 0];
    return `${calls === 1 ? team.dataset.call : `${calls} ${team.dataset.calls}`} · ${live.duration(seconds)}`;
  }

  // Nothing that is in its place is touched: a button that moved between press and release would not be clicked.
  function settle(place, wanted) {
    const kept = new Set(wanted);
    const focused = document.activeElement;
    for (const each of [...place.children]) if (!kept.has(each)) each.remove();
    wanted.forEach((each, n) => {
      const there = place.children[n];
      if (there === each) return;
      if (there?.nextElementSibling === each) place.append(there); // it has gone behind others: they stay
      else place.insertBefore(each, there || null);
    });
    if (focused !== document.activeElement && place.contains(focused)) focused.focus({ preventScroll: true });
  }

  const mine = () => [...data.agents.values()].filter((agent) => agent.team && agent.id !== me);
  const mode = (agent) => agent.leaders.find((leader) => leader.id === me)?.mode || "";
  const heard = () => [...data.agents.values()].find((agent) => agent.id !== me && mode(agent));

  const who = (call, number) => [names.get(call), number].filter(Boolean).join(" ");

  // -- the team -------------------------------------------------------------------------------------------------------

  function drawTile(agent) {
    let tile = tiles.get(agent.id);
    if (!agent.team || agent.id === me) {
      tile?.remove();
      tiles.delete(agent.id);
      return;
    }
    if (!tile) {
      tile = made("team-card");
      tile.dataset.id = agent.id;
      tiles.set(agent.id, tile);
      $("#team-agents").append(tile);
    }
    tile.dataset.state = agent.state;
    tile.dataset.words = `${agent.id} ${agent.name}`.toLowerCase();
    tile.classList.toggle("lc-wants-help", agent.help > 0);
    tile.classList.toggle("lc-is-heard", agent.leaders.length > 0);
    for (const name of ["name", "id", "label"]) put(tile, name, agent[name]);
    put(tile, "note", agent.call ? who(agent.contact, agent.note) : agent.note);
    put(tile, "queue", agent.queue || " ");
    put(tile, "phone", agent.phone || " ");
    put(tile, "work", worked(agent.id));
    clock(tile, agent.state === "signed_out" ? 0 : agent.since);
  }

  // A pause that is longer than its reason allows (设置 · 示忙原因) stands out from then on.
  const overlong = (agent) => agent.longest_s > 0 && live.now() - agent.since > agent.longest_s * 1000;

  function markOverlong() {
    for (const agent of mine()) {
      const tile = tiles.get(agent.id);
      const over = overlong(agent);
      tile.classList.toggle("lc-is-overlong", over);
      tile.querySelector(".lc-overlong").hidden = !over;
    }
    const agent = data.agents.get(chosen);
    $(".lc-chosen .lc-overlong").hidden = !(agent && overlong(agent));
  }

  function rank(agent) {
    if (sort === "id") return [0, 0];
    const since = agent.since || Infinity;
    if (sort === "long") return [agent.state === "signed_out" ? 1 : 0, since];
    return [agent.help ? -1 : ORDER.indexOf(agent.state), since];
  }

  let moved = 0;
  let waits = 0;
  function arrange() {
    const rest = moved + STILL_MS - Date.now();
    if (rest > 0 && $("#team-agents").matches(":hover")) {
      clearTimeout(waits);
      waits = setTimeout(arrange, rest);
      return;
    }
    const wanted = mine().sort((one, other) => {
      const [a, b] = rank(one);
      const [c, d] = rank(other);
      return a - c || (b === d ? 0 : b - d) || (one.id < other.id ? -1 : 1);
    }).map((agent) => tiles.get(agent.id));
    settle($("#team-agents"), wanted);
  }

  function sift() {
    const counts = { "": 0 };
    let visible = 0;
    const all = mine();
    for (const agent of all) {
      counts[agent.state] = (counts[agent.state] || 0) + 1;
      if (agent.state !== "signed_out") counts[""] += 1;
      const tile = tiles.get(agent.id);
      const state = shown ? agent.state === shown : agent.state !== "signed_out" || sought !== "";
      const fits = state && tile.dataset.words.includes(sought) && (!queue || agent.queues.includes(queue));
      tile.hidden = !fits;
      tile.classList.toggle("lc-is-chosen", agent.id === chosen);
      visible += fits;
    }
    for (const field of team.querySelectorAll("[data-count]")) {
      const count = counts[field.dataset.count] || 0;
      field.textContent = count;
      const chip = field.closest(".lc-chip");
      chip.hidden = !count && chip.dataset.show !== "" && chip.dataset.show !== shown;
    }
    $("#team-count").textContent = all.length;
    const none = $("#team-nobody");
    const words = none.querySelector(".empty-title");
    none.hidden = visible > 0;
    words.textContent = shown || sought || queue ? words.dataset.nofit : words.dataset.nobody;
  }

  // -- queues, those who wait -----------------------------------------------------------------------------------------

  // The queues that somebody of the team serves; without anybody, all.
  const served = () => {
    const ids = new Set(mine().flatMap((agent) => agent.queues));
    return [...data.queues.values()].filter((each) => !ids.size || ids.has(each.id)).sort((one, other) => (one.id < other.id ? -1 : 1));
  };

  function drawQueues() {
    const place = $("#team-queues");
    const wanted = served();
    for (const card of [...place.children]) if (!wanted.some((each) => each.id === card.dataset.id)) card.remove();
    for (const each of wanted) {
      let card = [...place.children].find((other) => other.dataset.id === each.id);
      if (!card) {
        card = made("team-queue-card");
        card.dataset.id = each.id;
        place.append(card);
      }
      for (const name of ["name", "waiting", "ready", "talking"]) put(card, name, each[name]);
      put(card, "level", percent(each.level));
      card.classList.toggle("lc-has-waiting", each.waiting > 0);
      clock(card, each.oldest);
    }
    const select = $("#team-queue");
    const ids = wanted.map((each) => each.id).join();
    if (select.dataset.ids === ids) return;
    select.dataset.ids = ids;
    select.replaceChildren(select.options[0], ...wanted.map((each) => new Option(each.name, each.id, false, each.id === queue)));
  }

  function drawWaiting() {
    const all = [...data.calls.values()].filter((call) => ["queued", "ringing"].includes(call.state) && call.direction === "in");
    all.sort((one, other) => one.since - other.since);
    const place = $("#team-waiting");
    const known = new Map([...place.children].map((row) => [row.dataset.id, row]));
    settle(place, all.map((call) => {
      const row = known.get(call.id) || made("team-call");
      row.dataset.id = call.id;
      for (const name of ["queue", "label"]) put(row, name, call[name]);
      put(row, "number", who(call.id, call.number));
      row.querySelector(".lc-state").dataset.state = call.state;
      clock(row, call.since);
      row.querySelector("button").disabled = !phoned() || orders.waits(`pick ${call.id}`);
      return row;
    }));
    $("#team-waiting-count").textContent = all.length;
    $("#team-nowaiting").hidden = all.length > 0;
  }

  // -- who is chosen, whom I hear -------------------------------------------------------------------------------------

  const phoned = () => (data.agents.get(me)?.state || "signed_out") !== "signed_out";

  function drawChosen() {
    const agent = data.agents.get(chosen);
    const there = Boolean(agent && agent.team);
    $(".lc-unchosen").hidden = there;
    $(".lc-chosen").hidden = !there;
    orders.chosen(there ? agent : null);
    if (!there) return;
    const panel = $(".lc-chosen");
    for (const name of ["name", "id", "label", "number", "queue", "reason", "next", "phone"]) put(panel, name, agent[name]);
    put(panel, "work", worked(agent.id));
    put(panel, "customer", names.get(agent.contact));
    for (const button of panel.querySelectorAll("[data-calls]")) {
      button.dataset.dial = (button.dataset.calls === "customer" ? agent.dial : agent.phone && agent.id) || "";
      button.hidden = !button.dataset.dial;
    }
    panel.querySelector(".lc-whose").hidden = !(agent.call && names.get(agent.contact));
    put(panel, "leaders", agent.leaders.map((leader) => `${leader.name} ${leader.label}`).join(document.documentElement.lang === "en" ? ", " : "、"));
    panel.querySelector(".lc-others").hidden = !agent.leaders.length;
    panel.querySelector(".lc-state").dataset.state = agent.state;
    clock(panel, agent.state === "signed_out" ? 0 : agent.since);
    const signedIn = agent.state !== "signed_out";
    for (const mark of panel.querySelectorAll("[data-registered]")) {
      mark.hidden = !agent.phone || (mark.dataset.registered === "yes") !== (agent.state !== "phone_offline");
    }
    const talks = TALKS.includes(agent.call);
    $("#need-phone").hidden = phoned();
    const can = { "phone call": talks && phoned(), call: talks, in: signedIn };
    for (const group of panel.querySelectorAll("[data-needs]")) {
      for (const button of group.querySelectorAll("[data-do]")) {
        button.disabled = !can[group.dataset.needs] || orders.waits(`${button.dataset.do} ${agent.id}`);
        if (button.dataset.do === "ready") button.disabled ||= agent.state === "ready" && !agent.next;
        button.classList.toggle("active", button.dataset.do === mode(agent));
      }
    }
  }

  function drawHearing() {
    const agent = heard();
    const panel = $("#hearing");
    if (comes && !agent) {
      if (comes.seen) page.tell(team.dataset.unanswered);
      if (comes.seen || !data.agents.get(comes.agent)?.contact) comes = null;
    }
    panel.hidden = !agent;
    if (!agent) return;
    const now = mode(agent);
    if (now !== "calling") comes = null;
    else if (comes) comes.seen = true;
    panel.dataset.mode = now;
    panel.dataset.agent = agent.id;
    put(panel, "title", `${agent.name} ${agent.id} · ${who(agent.contact, agent.number)}`);
    clock(panel, data.calls.get(agent.contact)?.since);
    for (const button of panel.querySelectorAll("[data-do]")) {
      button.classList.toggle("active", button.dataset.do === now);
      button.disabled = (now === "calling" && button.dataset.do !== "leave") || orders.waits(`${button.dataset.do} ${agent.id}`);
    }
  }

  // -- help -----------------------------------------------------------------------------------------------------------

  function drawHelps() {
    const wanted = [...data.agents.values()].filter((agent) => agent.team && agent.help).sort((one, other) => one.help - other.help);
    const place = $("#helps");
    const known = new Map([...place.children].map((each) => [each.dataset.id, each]));
    const fresh = wanted.some((agent) => !known.has(agent.id));
    settle(place, wanted.map((agent) => {
      const card = known.get(agent.id) || made("team-help");
      card.dataset.id = agent.id;
      for (const name of ["name", "id", "queue"]) put(card, name, agent[name] || " ");
      put(card, "number", who(agent.contact, agent.number) || " ");
      clock(card, agent.help);
      card.querySelector("[data-help=accept]").disabled = !phoned() || orders.waits(`help ${agent.id}`);
      card.querySelector("[data-help=mute]").hidden = muted.has(`${agent.id} ${agent.help}`);
      return card;
    }));
    if (fresh) alarm.beep();
  }

  // -- orders ---------------------------------------------------------------------------------------------------------

  const agentAt = (agent, verb) => `/team/agents/${encodeURIComponent(agent.id)}/${verb}`;

  async function carryOut(verb, agent) {
    const name = `${verb} ${agent.id}`;
    if (verb === "leave") comes = null;
    if (verb === "leave") return orders.order(name, `/team/calls/${encodeURIComponent(agent.contact)}/leave`, {});
    if (verb === "release" || verb === "release-back") {
      return orders.order(name, agentAt(agent, "release"), { contact: agent.contact, back: verb === "release" ? "" : "yes" });
    }
    if (["ready", "pause", "sign-out"].includes(verb)) {
      return orders.order(name, agentAt(agent, "state"), { to: verb, reason: $("#team-reason").value });
    }
    const first = !mode(agent);
    const done = await orders.order(name, agentAt(agent, "monitor"), { contact: agent.contact, mode: verb });
    if (done && first) comes = { agent: agent.id, seen: mode(agent) === "calling" };
    return done;
  }

  // -- what comes in, what is clicked ---------------------------------------------------------------------------------

  function take(news) {
    for (const kind of Object.keys(data)) {
      if (news.whole) data[kind].clear();
      for (const each of news[kind]) data[kind].set(each.id, each);
    }
    for (const id of news.gone) {
      data.calls.delete(id);
      names.delete(id);
    }
    if (news.whole) {
      for (const [id, tile] of tiles) {
        if (!data.agents.has(id)) { tile.remove(); tiles.delete(id); }
      }
    }
    for (const agent of news.agents) drawTile(agent);
    team.classList.remove("lc-waiting");
    draw();
    live.tick(team);
  }

  function takeNames(news) {
    if (news.whole) names.clear();
    for (const [call, name] of Object.entries(news.names)) names.set(call, name);
    for (const agent of mine()) if (agent.contact in news.names) drawTile(agent);
    draw();
    live.tick(team);
  }

  function draw() {
    drawQueues();
    drawWaiting();
    drawHelps();
    sift();
    arrange();
    drawChosen();
    drawHearing();
    markOverlong();
  }

  function choose(id) {
    chosen = id;
    orders.disarm();
    sift();
    drawChosen();
    markOverlong();
    live.tick(team);
  }

  const grid = $("#team-agents");
  grid.addEventListener("pointermove", () => { moved = Date.now(); });
  grid.addEventListener("pointerleave", arrange);
  team.addEventListener("click", (event) => {
    const tile = event.target.closest(".lc-tile");
    if (tile) return choose(tile.dataset.id);
    const button = event.target.closest("button");
    if (!button) return undefined;
    if (button.dataset.do) {
      const agent = data.agents.get(button.closest("#hearing")?.dataset.agent || chosen);
      return agent && orders.sure(button, agent) ? carryOut(button.dataset.do, agent) : undefined;
    }
    if (button.dataset.help) {
      const agent = data.agents.get(button.closest(".lc-help").dataset.id);
      if (button.dataset.help === "mute") {
        muted.add(`${agent.id} ${agent.help}`);
        return drawHelps();
      }
      choose(agent.id);
      comes = { agent: agent.id, seen: false };
      return orders.order(`help ${agent.id}`, agentAt(agent, "monitor"), { contact: agent.contact, mode: "listen", help: "yes" });
    }
    if ("pick" in button.dataset) {
      const id = button.closest(".lc-team-call").dataset.id;
      return orders.order(`pick ${id}`, `/team/calls/${encodeURIComponent(id)}/pick-up`, {});
    }
    const chip = event.target.closest(".lc-chip");
    if (chip) {
      shown = chip.dataset.show;
      for (const each of $("#team-states").children) each.classList.toggle("active", each === chip);
      sift();
    }
    return undefined;
  });
  grid.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(event.target.closest(".lc-tile").dataset.id);
  });
  $("#team-find").addEventListener("input", (event) => { sought = event.target.value.trim().toLowerCase(); sift(); });
  $("#team-queue").addEventListener("change", (event) => { queue = event.target.value; sift(); });
  $("#team-sort").value = sort;
  $("#team-sort").addEventListener("change", (event) => {
    sort = event.target.value;
    localStorage.setItem("team-sort", sort);
    arrange();
  });

  // -- what they did today ----------------------------------------------------------------------------------------------

  async function readWork() {
    if (document.hidden) return;
    try {
      const answer = await fetch("/team/work");
      if (!answer.ok) return; // the banner says what is away; the figures stay
      work = (await answer.json()).agents;
    } catch (error) {
      console.warn("the day's figures were not read", error.message);
      return;
    }
    for (const agent of mine()) put(tiles.get(agent.id), "work", worked(agent.id));
    drawChosen();
  }

  const timers = [setInterval(readWork, WORK_MS), setInterval(markOverlong, 1000)];
  readWork();
  const unfollow = [live.follow("board", take), live.follow("callers", takeNames)];
  return () => {
    for (const end of unfollow) end();
    for (const timer of timers) clearInterval(timer);
    clearTimeout(waits);
    orders.disarm();
    alarm.tidy();
  };
});
