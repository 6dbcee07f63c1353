// The soft phone. What it shows comes from the center alone (the stream's `desk`); a click asks, and waits for the news.
"use strict";
page.widget("#soft-phone", (desk) => {
  const $ = (selector) => desk.querySelector(selector);
  const all = (selector) => desk.querySelectorAll(selector);
  const parties = $(".lc-desk-parties");
  const line = $(".lc-desk-waiting ol");
  const tidies = [];
  let now = null; // the last news
  let rang = ""; // the call that he has been offered and not taken
  const latest = () => now;
  const clicks = deskClicks(desk);
  const orders = deskOrders(desk, () => now?.known && showButtons(now));
  const codes = deskCodes(desk, orders);
  const keypad = deskKeypad(desk, orders, latest);
  const panel = deskPanel(desk, orders, latest);

  // -- what is shown ---------------------------------------------------------------------------------------------------

  function clock(element, since) {
    if (since) element.dataset.since = since;
    else {
      delete element.dataset.since;
      page.put(element, "");
    }
  }

  const show = (news) => clicks.during(() => draw(news));

  function draw(news) {
    const before = now;
    now = news;
    desk.dataset.known = news.known ? "yes" : "no";
    if (!news.known) {
      page.put($('[data-f="label"]'), desk.dataset.missing);
      return;
    }
    const { agent, call } = news;
    if (!before?.known || JSON.stringify([before.agent, before.call]) !== JSON.stringify([agent, call])) orders.settle();
    desk.dataset.state = agent.state;
    for (const field of all("[data-f]")) page.put(field, agent[field.dataset.f] || "");
    $('[data-f="next_label"]').hidden = !agent.next;
    $(".lc-desk-phone").hidden = !agent.phone;
    clock($(".lc-desk-state time"), agent.state === "signed_out" ? 0 : agent.since);
    const out = agent.state === "signed_out";
    document.dispatchEvent(new CustomEvent("seated", { detail: { phone: out ? "" : agent.phone, own: agent.own_phone } }));
    const shown = { out, in: !out, codes: agent.state === "wrap_up" || Boolean(news.wrap_up?.codes.length), call: Boolean(call), idle: !call && !out };
    for (const part of all("[data-when]")) part.hidden = !shown[part.dataset.when];
    const idle = $(`[data-idle="${agent.state}"]`) ? agent.state : "other";
    for (const words of all("[data-idle]")) words.hidden = words.dataset.idle !== idle;
    showCall(call, agent);
    showButtons(news);
    showWaiting(news.waiting);
    codes.show(news.wrap_up, agent.state === "wrap_up");
    keypad.check();
    if (!call && panel.isOpen()) panel.close();
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
    pop.show(call?.pops && agent.state !== "signed_out" ? call.id : "");
  }

  function showCall(call, agent) {
    if (!call) return;
    const part = $(".lc-desk-call");
    part.dataset.state = call.state;
    part.classList.toggle("lc-ringing", call.rings);
    part.classList.toggle("lc-over", agent.state === "wrap_up");
    for (const field of part.querySelectorAll("[data-c]")) page.put(field, call[field.dataset.c] || "");
    for (const way of part.querySelectorAll("[data-way]")) way.hidden = way.dataset.way !== call.direction;
    part.querySelector(".lc-state").dataset.state = call.state;
    part.querySelector("[data-c-link]").href = `/calls/${encodeURIComponent(call.id)}`;
    const card = part.querySelector("[data-c-pop]"); // of who may not look at customers there is none
    if (card) card.href = `/pop/${encodeURIComponent(call.id)}`;
    if (card) card.hidden = call.pops;
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

  const NAMES = { blind: "transfer", consult: "transfer", "add-to": "add" }; // -> whose reason counts

  function showButtons({ why, call }) {
    for (const button of all("[data-do]")) {
      const action = button.dataset.do;
      const reason = why[NAMES[action] || action];
      if (reason === undefined) continue;
      button.disabled = reason !== "" || orders.waits(action);
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
    page.put($("[data-waiting]"), String(count));
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

  // -- today's calls -----------------------------------------------------------------------------------------------------

  const LATER_MS = [1500, 6000]; // history follows the live state by a moment, on a busy machine by some
  function today() {
    for (const wait of LATER_MS) setTimeout(() => htmx.trigger("#desk-today", "desk-today"), wait);
  }

  // What he has opened or closed stays so when the lists come anew, and where he is reading in them.
  const opened = {};
  const read = {};
  desk.addEventListener("click", (event) => {
    const list = event.target.closest("#desk-today summary")?.parentElement;
    if (list) opened[list.dataset.list] = !list.open;
  });
  desk.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
    if (target?.id !== "desk-today") return;
    for (const list of target.querySelectorAll("[data-list]")) read[list.dataset.list] = list.querySelector("ul").scrollTop;
  });
  desk.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
    if (target?.id !== "desk-today") return;
    for (const list of target.querySelectorAll("[data-list]")) {
      list.open = opened[list.dataset.list] ?? list.open;
      list.querySelector("ul").scrollTop = read[list.dataset.list] ?? 0;
    }
  });

  // -- what is asked for -------------------------------------------------------------------------------------------------

  const { ask } = orders;

  const inCall = (verb) => now?.call && ask(verb, `/desk/call/${encodeURIComponent(now.call.id)}/${verb}`);

  const ACTIONS = {
    "sign-in": () => ask("sign-in", "/desk/agent/sign-in", { phone: $("#desk-phone").value.trim() }, $('[data-form="sign-in"]')),
    "sign-out": () => codes.unfinished() || ask("sign-out", "/desk/agent/sign-out", {}, codes.asked()),
    ready: () => codes.unfinished() || ask("ready", "/desk/agent/ready", {}, codes.asked()),
    pause: (button) => codes.unfinished() || ask("pause", "/desk/agent/pause", { reason: button.dataset.reason }, codes.asked()),
    done: () => codes.unfinished() || ask("done", "/desk/agent/done", { code: codes.chosen() }, $('[data-form="done"]')),
    dial: () => dial({ to: $('[data-form="dial"] [name="to"]').value.trim() }, $('[data-form="dial"]')),
    keypad: () => (keypad.isOpen() ? keypad.close() : keypad.open()),
    transfer: () => panel.open("transfer"),
    add: () => panel.open("add"),
    blind: () => panel.handOn("transfer"),
    consult: () => panel.handOn("consult"),
    "add-to": () => panel.handOn("add"),
    "browser-phone": () => window.browserPhone.settings(),
    shortcuts: () => document.getElementById("desk-shortcuts").showModal(),
  };

  function act(button) {
    const action = button.dataset.do;
    return ACTIONS[action] ? ACTIONS[action](button) : inCall(action);
  }

  async function dial(fields, form = null) {
    if (await ask("dial", "/desk/dial", fields, form)) form?.reset();
  }

  // -- mouse and keyboard --------------------------------------------------------------------------------------------------

  desk.addEventListener("click", (event) => {
    const key = event.target.closest("[data-digit]");
    if (key) return keypad.press(key.dataset.digit);
    const button = event.target.closest("[data-do]");
    if (!button || button.disabled || button.type === "submit") return;
    act(button);
  });
  desk.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.target === panel.element) return act(event.target.querySelector(`[data-for="${event.target.dataset.kind}"] .btn-primary`));
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
    const name = event.altKey ? `Alt+${letter(event)}` : event.key;
    if (SHORTCUTS[name]) {
      event.preventDefault();
      const usable = SHORTCUTS[name].map((action) => $(`[data-do="${action}"]`)).find((each) => each && !each.disabled && !each.hidden);
      if (usable && !event.repeat && !(usable.dataset.do === "reject" && clicks.isNew(usable))) act(usable); // the next one's
    } else if (name === "Alt+n") {
      event.preventDefault();
      $('[data-form="dial"] [name="to"]').focus();
    } else if (name === "Alt+b") {
      event.preventDefault();
      $('[data-menu="pause"]').click();
    } else if (name === "Escape") {
      if (panel.isOpen()) panel.close();
      else if (keypad.isOpen()) keypad.close();
    } else if (name === "?" && !writes) act($('[data-do="shortcuts"]'));
    else if (keypad.isOpen() && !writes && !event.repeat && /^[0-9*#]$/.test(name)) keypad.press(name);
  }

  // A Mac's Option makes other letters of them.
  const letter = ({ key, code }) => (/^Key[A-Z]$/.test(code) && !/^[a-z]$/i.test(key) ? code.slice(3) : key).toLowerCase();

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

  tidies.push(deskPhone(desk));
  const browser = $("[data-browser-phone]");
  browser.hidden = !window.browserPhone;
  browser.addEventListener("click", async () => {
    const field = $("#desk-phone");
    const written = field.value.trim();
    const phone = (written === field.defaultValue && now?.agent?.own_phone) || written;
    // first: a phone that is nobody's is his once he is signed in there; what is in the way its own dialog says
    if (!(await ask("sign-in", "/desk/agent/sign-in", { phone }, $('[data-form="sign-in"]')))) return;
    window.browserPhone.start({ phone }).catch((error) => console.info("no phone in the browser", error.message));
  });

  // -- its life --------------------------------------------------------------------------------------------------------------

  const stale = (event) => desk.classList.toggle("lc-stale", event.detail.lost);
  document.addEventListener("live", stale);
  tidies.push(() => document.removeEventListener("live", stale));
  tidies.push(live.follow("desk", show), panel.close);
  page.put($('[data-f="label"]'), desk.dataset.unknown);
  live.keep();
  return () => tidies.forEach((tidy) => tidy());
});

// The column itself could not be had: once more. (0: nobody answered.)
document.addEventListener("htmx:afterRequest", ({ detail: { target, xhr } }) => {
  if (target?.id === "desk" && (!xhr.status || xhr.status >= 500)) setTimeout(() => htmx.trigger("#desk", "desk-again"), 3000);
});
