// The soft phone. What it shows comes from the center alone (the stream's `desk`); a click asks, and waits for the news.
"use strict";
page.widget("#soft-phone", (desk) => {
  const PENDING_MS = 12_000; // no answer and no news: the button may be used again
  const NEWS_MS = 1500; // … an answer and no news
  const AGAIN_MS = [400, 1200]; // the same request once more, with its key: it is done once
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["x-csrf-token"];
  const $ = (selector) => desk.querySelector(selector);
  const all = (selector) => desk.querySelectorAll(selector);
  const pad = $("#desk-pad");
  const panel = $("#desk-to");
  const parties = $(".lc-desk-parties");
  const line = $(".lc-desk-waiting ol");
  const tidies = [];
  const pending = new Map(); // action -> timer
  let now = null; // the last news
  let rang = ""; // the call that he has been offered and not taken

  // -- what is shown ---------------------------------------------------------------------------------------------------

  function put(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function clock(element, since) {
    if (since) element.dataset.since = since;
    else {
      delete element.dataset.since;
      put(element, "");
    }
  }

  function show(news) {
    const before = now;
    now = news;
    desk.dataset.known = news.known ? "yes" : "no";
    if (!news.known) {
      put($('[data-f="label"]'), desk.dataset.missing);
      return;
    }
    settle();
    const { agent, call } = news;
    desk.dataset.state = agent.state;
    for (const field of all("[data-f]")) put(field, agent[field.dataset.f] || "");
    $('[data-f="next_label"]').hidden = !agent.next;
    $(".lc-desk-phone").hidden = !agent.phone;
    clock($(".lc-desk-state time"), agent.state === "signed_out" ? 0 : agent.since);
    const out = agent.state === "signed_out";
    const shown = { out, in: !out, codes: agent.state === "wrap_up" || Boolean(news.wrap_up?.codes.length), call: Boolean(call), idle: !call && !out };
    for (const part of all("[data-when]")) part.hidden = !shown[part.dataset.when];
    const idle = $(`[data-idle="${agent.state}"]`) ? agent.state : "other";
    for (const words of all("[data-idle]")) words.hidden = words.dataset.idle !== idle;
    showCall(call, agent);
    showButtons(news);
    showWaiting(news.waiting);
    showCodes(news.wrap_up, agent.state === "wrap_up");
    if (!call || !call.id) closePad();
    if (!call && !panel.hidden) closePanel();
    if (before?.known && (before.agent.contact !== agent.contact || before.over !== news.over)) today();
    showCard(call, agent);
    live.tick(desk);
  }

  function showCard(call, agent) {
    if (call?.rings) rang = call.id;
    if (["talking", "wrap_up"].includes(agent.state)) rang = "";
    if (rang && rang !== call?.id) {
      pop.drop(rang);
      rang = "";
    }
    pop.show(call && agent.state !== "signed_out" ? call.id : "");
  }

  function showCall(call, agent) {
    if (!call) return;
    const part = $(".lc-desk-call");
    part.dataset.state = call.state;
    part.classList.toggle("lc-ringing", call.rings);
    part.classList.toggle("lc-over", agent.state === "wrap_up");
    for (const field of part.querySelectorAll("[data-c]")) put(field, call[field.dataset.c] || "");
    for (const way of part.querySelectorAll("[data-way]")) way.hidden = way.dataset.way !== call.direction;
    part.querySelector(".lc-state").dataset.state = call.state;
    part.querySelector("[data-c-link]").href = `/calls/${encodeURIComponent(call.id)}`;
    clock(part.querySelector("time"), agent.state === "wrap_up" ? 0 : call.since);
    for (const mark of part.querySelectorAll("[data-mark]")) {
      const on = mark.dataset.mark === "recording" ? call.recording : call[mark.dataset.mark];
      mark.hidden = !on || agent.state === "wrap_up";
      if (mark.dataset.mark === "recording") mark.dataset.recording = call.recording;
    }
    parties.replaceChildren(...(call.parties.length > 1 || call.aside || call.held ? call.parties : []).map((each) => {
      const row = document.createElement("li");
      row.dataset.place = each.place || each.state;
      const who = document.createElement("span");
      who.textContent = each.who;
      const state = document.createElement("small");
      state.textContent = each.label;
      row.append(who, state);
      return row;
    }));
  }

  const NAMES = { blind: "transfer", consult: "transfer", "add-to": "add", keypad: "keys" }; // -> whose reason counts

  function showButtons({ why, call }) {
    for (const button of all("[data-do]")) {
      const action = button.dataset.do;
      const reason = why[NAMES[action] || action];
      if (reason === undefined) continue;
      button.disabled = reason !== "" || pending.has(action);
      button.title = reason || (button.dataset.key ? `${button.innerText.trim()} (${button.dataset.key})` : "");
    }
    $('[data-menu="record"]').disabled = why["record-start"] !== "" && why["record-stop"] !== "";
    $('[data-menu="record"]').title = $('[data-menu="record"]').disabled ? why["record-stop"] : "";
    $('[data-menu="pause"]').disabled = why.pause !== "";
    const second = {
      hold: call && call.held && !call.aside,
      mute: call && call.muted,
      transfer: call && call.aside,
      add: call && call.aside,
      cancel: call && call.aside,
      help: call && call.helping,
      "hang-up": call && call.rings && why.reject === "",
    };
    for (const pair of all("[data-pair]")) {
      const [one, other] = pair.children;
      one.hidden = Boolean(second[pair.dataset.pair]);
      other.hidden = !second[pair.dataset.pair];
    }
  }

  function showWaiting({ count, calls }) {
    put($("[data-waiting]"), String(count));
    line.classList.toggle("lc-empty", count === 0);
    line.replaceChildren(...calls.map((call) => {
      const row = document.createElement("li");
      const number = document.createElement("span");
      number.textContent = call.name ? `${call.name} ${call.number}` : call.number;
      number.title = number.textContent;
      const queue = document.createElement("small");
      queue.textContent = call.queue;
      const time = document.createElement("time");
      time.dataset.since = call.since;
      row.append(number, queue, time);
      return row;
    }));
    if (!count) {
      const none = document.createElement("li");
      none.textContent = line.dataset.none;
      line.append(none);
    }
  }

  // -- what the call was about: a tree of up to three levels, one list for each ----------------------------------------

  const coded = $('[data-form="done"]');
  let drawn = "";

  function showCodes(wrapUp, over) {
    $('[data-do="done"]').hidden = !over;
    put($("[data-limit]"), over && wrapUp?.limit_s ? ` / ${live.duration(wrapUp.limit_s)}` : "");
    if (!wrapUp) {
      drawn = coded.elements.code.value = "";
      return;
    }
    coded.querySelector("[data-levels]").hidden = !wrapUp.codes.length;
    coded.querySelector("[data-required]").hidden = !wrapUp.required;
    const drawing = JSON.stringify([wrapUp.codes, wrapUp.chosen]);
    if (drawing === drawn) return;
    drawn = drawing;
    draw(wrapUp.codes, path(wrapUp.codes, wrapUp.chosen || coded.elements.code.value));
  }

  function path(codes, code) {
    const found = codes.find((each) => each.id === code);
    return found ? [...path(codes, found.parent), code] : [];
  }

  function draw(codes, chosen) {
    const levels = coded.querySelector("[data-levels]");
    for (const list of levels.querySelectorAll("select")) list.remove();
    let parent = "";
    for (let level = 0; level < 3; level += 1) {
      const options = codes.filter((each) => each.parent === parent);
      if (!options.length) break;
      const list = document.createElement("select");
      list.className = "form-select";
      list.setAttribute("aria-label", `${coded.dataset.choose} ${level + 1}`);
      list.add(new Option(coded.dataset.choose, ""));
      for (const each of options) list.add(new Option(each.name, each.id, false, each.id === chosen[level]));
      list.addEventListener("change", () => choose(codes, [...chosen.slice(0, level), list.value]));
      levels.append(list);
      if (!chosen[level]) break;
      parent = chosen[level];
    }
  }

  // A heading opens what is below it; a leaf is told at once, so that nothing is lost when the time is over.
  function choose(codes, chosen) {
    draw(codes, chosen);
    const code = chosen.at(-1);
    const leaf = code && !codes.some((each) => each.parent === code);
    coded.elements.code.value = leaf ? code : "";
    if (leaf) ask("code", "/desk/agent/code", { code }, coded);
  }

  // -- today's calls -----------------------------------------------------------------------------------------------------

  const LATER_MS = [1500, 6000]; // history follows the live state by a moment, on a busy machine by some
  function today() {
    for (const wait of LATER_MS) setTimeout(() => htmx.trigger("#desk-today", "desk-today"), wait);
  }

  // What he has opened or closed stays so when the lists come anew.
  const opened = {};
  desk.addEventListener("click", (event) => {
    const list = event.target.closest("#desk-today summary")?.parentElement;
    if (list) opened[list.dataset.list] = !list.open;
  });
  desk.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
    if (target?.id !== "desk-today") return;
    for (const list of target.querySelectorAll("[data-list]")) list.open = opened[list.dataset.list] ?? list.open;
  });

  // -- what is asked for -------------------------------------------------------------------------------------------------

  // What was asked for has come about, or something else has: either way the buttons say what can be done now.
  function settle() {
    for (const [action, timer] of pending) {
      clearTimeout(timer);
      mark(action, false);
    }
    pending.clear();
  }

  function mark(action, on) {
    for (const button of all(`[data-do="${action}"]`)) {
      button.classList.toggle("lc-pending", on);
      button.setAttribute("aria-busy", String(on));
      if (on) button.disabled = true;
    }
  }

  async function ask(action, path, fields = {}, form = null) {
    if (pending.has(action)) return false;
    pending.set(action, setTimeout(() => { pending.delete(action); mark(action, false); if (now) showButtons(now); }, PENDING_MS));
    mark(action, true);
    fault(form, "", "");
    const { ok, said } = await send(path, fields, crypto.getRandomValues(new Uint32Array(4)).join("-"));
    if (ok && pending.has(action)) { // the news will follow; a repeat of what is so already brings none
      clearTimeout(pending.get(action));
      pending.set(action, setTimeout(() => { settle(); if (now) showButtons(now); }, NEWS_MS));
      return true;
    }
    clearTimeout(pending.get(action));
    pending.delete(action);
    mark(action, false);
    if (now) showButtons(now);
    if (!ok && !fault(form, said.field, said.error)) page.tell(said.error);
    return ok;
  }

  async function send(path, fields, key) {
    for (const wait of [...AGAIN_MS, 0]) {
      try {
        const answer = await fetch(path, {
          method: "POST",
          headers: { "x-csrf-token": csrf, "Idempotency-Key": key },
          body: new URLSearchParams(fields),
        });
        if (answer.status === 401) return { ok: false, said: { error: desk.dataset.expired } };
        if (answer.ok) return { ok: true };
        const said = await answer.json().catch(() => ({ error: desk.dataset.away }));
        if (answer.status !== 503 || !wait) return { ok: false, said };
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // of fetch: nobody answers
        if (!wait) break;
      }
      await new Promise((done) => setTimeout(done, wait));
    }
    return { ok: false, said: { error: desk.dataset.away } };
  }

  // Beside its field, if it has one here.
  function fault(form, name, text) {
    if (!form) return false;
    for (const place of form.querySelectorAll("[data-error]")) {
      const here = place.dataset.error === name;
      put(place, here ? text : "");
      form.elements[place.dataset.error]?.classList.toggle("is-invalid", here && text !== "");
      if (here && text) {
        form.querySelector("select, input:not([type=hidden])")?.focus();
        return true;
      }
    }
    return false;
  }

  const over = () => (now?.wrap_up ? coded : null); // where it is said that a code is missing

  const inCall = (verb, fields, form) => now?.call && ask(verb === "transfer" ? "blind" : verb, `/desk/call/${encodeURIComponent(now.call.id)}/${verb}`, fields, form);

  const ACTIONS = {
    "sign-in": () => ask("sign-in", "/desk/agent/sign-in", { phone: $("#desk-phone").value.trim() }, $('[data-form="sign-in"]')),
    "sign-out": () => ask("sign-out", "/desk/agent/sign-out", {}, over()),
    ready: () => ask("ready", "/desk/agent/ready", {}, over()),
    pause: (button) => ask("pause", "/desk/agent/pause", { reason: button.dataset.reason }, over()),
    done: () => ask("done", "/desk/agent/done", { code: coded.elements.code.value }, coded),
    dial: () => dial({ to: $('[data-form="dial"] [name="to"]').value.trim() }, $('[data-form="dial"]')),
    keypad: () => (pad.hidden ? openPad() : closePad()),
    transfer: () => openPanel("transfer"),
    add: () => openPanel("add"),
    blind: () => handOn("transfer"),
    consult: () => handOn("consult"),
    "add-to": () => handOn("add"),
    shortcuts: () => document.getElementById("desk-shortcuts").showModal(),
  };

  function act(button) {
    const action = button.dataset.do;
    return ACTIONS[action] ? ACTIONS[action](button) : inCall(action);
  }

  async function dial(fields, form = null) {
    if (await ask("dial", "/desk/dial", fields, form)) form?.reset();
  }

  async function handOn(verb) {
    const fields = { to: panel.elements.to.value.trim() };
    const asked = verb === "add" ? "add-to" : verb === "transfer" ? "blind" : verb;
    if (await ask(asked, `/desk/call/${encodeURIComponent(now.call.id)}/${verb}`, fields, panel)) closePanel();
  }

  // -- keys ----------------------------------------------------------------------------------------------------------------

  const openPad = () => { pad.hidden = false; };
  function closePad() {
    pad.hidden = true;
    put(pad.querySelector("output"), "");
  }

  let typed = "";
  let typing = Promise.resolve(); // in their order, those typed meanwhile together
  function digit(key) {
    if (!now?.call || now.why.keys) return;
    const said = pad.querySelector("output");
    put(said, (said.textContent + key).slice(-20));
    pad.querySelector(`[data-digit="${key}"]`)?.animate([{ opacity: 0.4 }, { opacity: 1 }], 150);
    typed += key;
    typing = typing.then(async () => {
      const digits = typed;
      typed = "";
      if (!digits || !now?.call) return;
      const path = `/desk/call/${encodeURIComponent(now.call.id)}/keys`;
      const { ok, said } = await send(path, { digits }, crypto.getRandomValues(new Uint32Array(4)).join("-"));
      if (!ok) page.tell(said.error);
    });
  }

  // -- to whom: agents and queues as they are now, and IVR flows ------------------------------------------------------------------------

  const floor = { agents: new Map(), queues: new Map(), flows: [] };
  let unfollow = null;

  function openPanel(kind) {
    panel.hidden = false;
    panel.dataset.kind = kind;
    put(panel.querySelector("[data-to-title]"), panel.querySelector("[data-to-title]").dataset[kind]);
    for (const part of panel.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== kind;
    fault(panel, "", "");
    unfollow ||= live.follow("board", (news) => {
      if (news.whole) floor.agents.clear();
      for (const each of news.agents) floor.agents.set(each.id, each);
      for (const each of news.queues) floor.queues.set(each.id, each);
      showFloor();
    });
    panel.elements.to.focus();
    showFloor();
    if (kind === "transfer") readFlows();
  }

  async function readFlows() {
    const answer = await fetch("/desk/flows").catch(() => null); // without them one still transfers to people
    if (!answer?.ok) return;
    floor.flows = (await answer.json()).flows;
    showFloor();
  }

  function closePanel() {
    panel.hidden = true;
    panel.reset();
    if (unfollow) unfollow();
    unfollow = null;
  }

  const ORDER = ["ready", "wrap_up", "paused", "talking"];
  function showFloor() {
    const list = panel.querySelector(".lc-who");
    const sought = panel.elements.to.value.trim().toLowerCase();
    const fits = (each) => `${each.id} ${each.name}`.toLowerCase().includes(sought);
    const rank = (each) => (ORDER.indexOf(each.state) + 1 || 9);
    const agents = [...floor.agents.values()]
      .filter((each) => each.state !== "signed_out" && each.id !== now?.agent?.id && fits(each))
      .sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id));
    const transfers = panel.dataset.kind === "transfer";
    const queues = transfers ? [...floor.queues.values()].filter(fits) : [];
    const flows = transfers ? floor.flows.filter(fits) : [];
    const rows = [
      ...queues.map((each) => entry(`queue:${each.id}`, each.name, "queue", `${list.dataset.ready} ${each.ready} · ${list.dataset.waits} ${each.waiting}`)),
      ...agents.slice(0, 30).map((each) => entry(each.id, `${each.name} ${each.id}`, each.state, each.label)),
      ...flows.map((each) => entry(`ivr:${each.id}`, each.name, "ivr", list.dataset.flow)),
    ];
    list.replaceChildren(...rows);
    if (!rows.length) put(list, list.dataset.none);
  }

  function entry(to, name, state, label) {
    const row = document.createElement("button");
    row.type = "button";
    row.dataset.to = to;
    row.dataset.state = state;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(panel.elements.to.value === to));
    const who = document.createElement("span");
    who.textContent = name;
    const how = document.createElement("small");
    how.textContent = label;
    row.append(who, how);
    return row;
  }

  panel.addEventListener("input", () => showFloor());
  panel.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-to]");
    if (chosen) {
      panel.elements.to.value = chosen.dataset.to;
      panel.elements.to.focus();
      for (const row of panel.querySelectorAll("[data-to]")) row.setAttribute("aria-selected", String(row === chosen));
    } else if (event.target.closest("[data-close]")) closePanel();
  });

  // -- mouse and keyboard --------------------------------------------------------------------------------------------------

  desk.addEventListener("click", (event) => {
    const key = event.target.closest("[data-digit]");
    if (key) return digit(key.dataset.digit);
    const button = event.target.closest("[data-do]");
    if (!button || button.disabled || button.type === "submit") return;
    act(button);
  });
  desk.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.target === panel) return act(panel.querySelector(`[data-for="${panel.dataset.kind}"] .btn-primary`));
    const button = event.target.querySelector("button[data-do]");
    if (button && !button.disabled) act(button);
  });

  const SHORTCUTS = {
    F2: ["answer"], F4: ["reject", "hang-up"], F8: ["hold", "resume"], F9: ["mute", "unmute"],
    "Alt+k": ["keypad"], "Alt+t": ["complete", "transfer"], "Alt+r": ["ready"], "Alt+h": ["help", "help-end"],
  };

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.isComposing) return;
    const writes = event.target.closest?.("input, textarea, select, [contenteditable]");
    const name = event.altKey ? `Alt+${event.key.toLowerCase()}` : event.key;
    if (SHORTCUTS[name]) {
      event.preventDefault();
      const usable = SHORTCUTS[name].map((action) => $(`[data-do="${action}"]`)).find((each) => each && !each.disabled && !each.hidden);
      if (usable && !event.repeat) act(usable);
    } else if (name === "Alt+n") {
      event.preventDefault();
      $('[data-form="dial"] [name="to"]').focus();
    } else if (name === "Alt+b") {
      event.preventDefault();
      $('[data-menu="pause"]').click();
    } else if (name === "Escape") {
      if (!panel.hidden) closePanel();
      else if (!pad.hidden) closePad();
    } else if (name === "?" && !writes) act($('[data-do="shortcuts"]'));
    else if (!pad.hidden && !writes && /^[0-9*#]$/.test(name)) digit(name);
  }
  document.addEventListener("keydown", press);
  tidies.push(() => document.removeEventListener("keydown", press));

  // Wherever a number stands: data-dial="<number>"; where it is masked, data-dial-contact="<call>" or data-dial-phone="<a customer's>".
  function dialled(event) {
    const source = event.target.closest("[data-dial], [data-dial-contact], [data-dial-phone]");
    if (!source) return;
    event.preventDefault();
    event.stopPropagation();
    if (now?.why?.dial) return page.tell(now.why.dial);
    const { dial: to, dialContact: contact, dialPhone: phone } = source.dataset;
    dial(to ? { to } : phone ? { phone } : { contact });
  }
  document.addEventListener("click", dialled, true);
  tidies.push(() => document.removeEventListener("click", dialled, true));

  // -- the phone in the browser, where there is one (browser_phone.js) ----------------------------------------------------

  const browser = $("[data-browser-phone]");
  browser.hidden = !window.browserPhone;
  browser.addEventListener("click", async () => {
    const phone = now?.agent?.own_phone || $("#desk-phone").value.trim();
    // first: a phone that is nobody's is his once he is signed in there; what is in the way its own dialog says
    if (!(await ask("sign-in", "/desk/agent/sign-in", { phone }, $('[data-form="sign-in"]')))) return;
    window.browserPhone.start({ phone }).catch((error) => console.info("no phone in the browser", error.message));
  });

  // -- its life --------------------------------------------------------------------------------------------------------------

  const stale = (event) => desk.classList.toggle("lc-stale", event.detail.lost);
  document.addEventListener("live", stale);
  tidies.push(() => document.removeEventListener("live", stale));
  tidies.push(live.follow("desk", show));
  put($('[data-f="label"]'), desk.dataset.unknown);
  live.keep();
  return () => tidies.forEach((tidy) => tidy());
});

// The column itself could not be had: once more. (0: nobody answered.)
document.addEventListener("htmx:afterRequest", ({ detail: { target, xhr } }) => {
  if (target?.id === "desk" && (!xhr.status || xhr.status >= 500)) setTimeout(() => htmx.trigger("#desk", "desk-again"), 3000);
});
