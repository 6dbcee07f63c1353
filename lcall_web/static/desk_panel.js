// To whom a call goes, or who is added to it: agents and queues as they are now, and IVR flows.
"use strict";
const deskPanel = (desk, orders, latest) => { // latest(): the last news
  const STILL_MS = 2500;
  const ORDER = ["ready", "wrap_up", "paused", "talking"];
  const panel = desk.querySelector("#desk-to");
  const list = panel.querySelector(".lc-who");
  const title = panel.querySelector("[data-to-title]");
  const floor = { agents: new Map(), queues: new Map(), flows: [] };
  const listed = new Map(); // to -> its row
  let unfollow = null;
  let sought = ""; // what was typed; who is chosen in the list stands in the same field, and narrows it no further
  let stirred = 0;
  let settles = 0;

  function open(kind) {
    panel.hidden = false;
    panel.dataset.kind = kind;
    page.put(title, title.dataset[kind]);
    for (const part of panel.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== kind;
    orders.fault(panel, "", "");
    unfollow ||= live.follow("board", take);
    panel.elements.to.focus();
    stirred = 0;
    show();
    if (kind === "transfer") readFlows();
  }

  function close() {
    panel.hidden = true;
    panel.reset();
    sought = "";
    listed.clear();
    clearTimeout(settles);
    if (unfollow) unfollow();
    unfollow = null;
  }

  function take(news) {
    if (news.whole) floor.agents.clear();
    for (const each of news.agents) floor.agents.set(each.id, each);
    for (const each of news.queues) floor.queues.set(each.id, each);
    show();
  }

  async function readFlows() {
    const answer = await fetch("/desk/flows").catch(() => null); // without them one still transfers to people
    if (!answer?.ok) return;
    floor.flows = (await answer.json()).flows;
    show();
  }

  async function handOn(verb) {
    const action = { transfer: "blind", add: "add-to" }[verb] || verb;
    const address = `/desk/call/${encodeURIComponent(latest().call.id)}/${verb}`;
    if (await orders.ask(action, address, { to: panel.elements.to.value.trim() }, panel)) close();
  }

  function show() {
    const fits = (each) => `${each.id} ${each.name}`.toLowerCase().includes(sought);
    const rank = (each) => (ORDER.indexOf(each.state) + 1 || 9);
    const agents = [...floor.agents.values()]
      .filter((each) => each.state !== "signed_out" && each.id !== latest()?.agent?.id && fits(each))
      .sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id));
    const transfers = panel.dataset.kind === "transfer";
    const queues = transfers ? [...floor.queues.values()].filter(fits) : [];
    const flows = transfers ? floor.flows.filter(fits) : [];
    arrange([
      ...queues.map((each) => entry(`queue:${each.id}`, each.name, "queue", `${list.dataset.ready} ${each.ready} · ${list.dataset.waits} ${each.waiting}`)),
      ...agents.slice(0, 30).map((each) => entry(each.id, `${each.name} ${each.id}`, each.state, each.label)),
      ...flows.map((each) => entry(`ivr:${each.id}`, each.name, "ivr", list.dataset.flow)),
    ]);
  }

  // A row is the same as long as it is there: one that was made anew between press and release would not be clicked.
  function entry(to, name, state, label) {
    const row = listed.get(to) || made(to);
    row.dataset.state = state;
    row.setAttribute("aria-selected", String(panel.elements.to.value === to));
    page.put(row.firstChild, name);
    page.put(row.lastChild, label);
    return row;
  }

  function made(to) {
    const row = document.createElement("button");
    row.type = "button";
    row.dataset.to = to;
    row.setAttribute("role", "option");
    row.append(document.createElement("span"), document.createElement("small"));
    listed.set(to, row);
    return row;
  }

  // Under a mouse that moves or presses nothing comes, goes or changes places: he would hit somebody else.
  function arrange(rows) {
    clearTimeout(settles);
    const rest = stirred + STILL_MS - Date.now();
    if (rest > 0 && list.matches(":hover")) {
      settles = setTimeout(show, rest);
      return;
    }
    const at = list.contains(document.activeElement) ? document.activeElement : null;
    const wanted = new Set(rows);
    for (const each of [...list.childNodes]) if (!wanted.has(each)) each.remove();
    rows.forEach((row, n) => { if (list.children[n] !== row) list.insertBefore(row, list.children[n] || null); });
    if (at?.isConnected && at !== document.activeElement) at.focus();
    if (!rows.length) page.put(list, list.dataset.none);
  }

  for (const name of ["pointermove", "pointerdown"]) {
    list.addEventListener(name, () => { stirred = Date.now(); }, { passive: true });
  }
  panel.addEventListener("input", () => {
    sought = panel.elements.to.value.trim().toLowerCase();
    stirred = 0;
    show();
  });
  panel.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-to]");
    if (chosen) {
      panel.elements.to.value = chosen.dataset.to;
      panel.elements.to.focus();
      for (const row of panel.querySelectorAll("[data-to]")) row.setAttribute("aria-selected", String(row === chosen));
    } else if (event.target.closest("[data-close]")) close();
  });

  return { element: panel, open, close, handOn, isOpen: () => !panel.hidden };
};
