// Follow-ups: he is told of what is due wherever he is (the stream's `follow-ups`); buttons finish one or put it off.
// Text goes in as text, never as markup.
"use strict";
(() => {
  const SHOWN = 3;
  const MOST = 99;
  const AGAIN_MS = 3000;
  const place = document.getElementById("reminders");
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["x-csrf-token"];
  const closed = new Set(); // reminders that he has closed, as long as this page lives
  const busy = new Set(); // follow-ups of which something is asked
  let told = { count: 0, waiting: 0, due: [] };
  let known = ""; // what was told last

  // -- what is due -----------------------------------------------------------------------------------------------------

  function hear({ now, ...news }) {
    const text = JSON.stringify(news);
    const other = known !== "" && known !== text;
    known = text;
    told = news;
    draw();
    if (other) refresh();
  }

  function draw() {
    for (const figure of document.querySelectorAll('[data-count="follow-ups"]')) {
      figure.textContent = told.count > MOST ? `${MOST}+` : String(told.count);
      figure.hidden = !told.count;
    }
    const open = told.due.filter(({ key }) => !closed.has(key));
    const wanted = open.slice(0, SHOWN).map((each) => shown(each.key) || made(each));
    const rest = told.waiting - (told.due.length - open.length) - wanted.length;
    if (rest > 0) wanted.push(more(rest));
    for (const element of [...place.children]) if (!wanted.includes(element)) element.remove();
    wanted.forEach((element, n) => {
      if (place.children[n] !== element) place.insertBefore(element, place.children[n] || null);
    });
    htmx.process(place);
  }

  const shown = (key) => place.querySelector(`[data-key="${key}"]`);
  const copy = (template) => document.getElementById(template).content.firstElementChild.cloneNode(true);

  function made(each) {
    const element = copy("reminder");
    element.dataset.key = each.key;
    for (const field of element.querySelectorAll("[data-f]")) field.textContent = each[field.dataset.f];
    element.querySelector("a").href = `/customers/${each.customer}`;
    for (const button of element.querySelectorAll("[data-follow]")) {
      button.dataset.id = each.id;
      button.dataset.version = each.version;
    }
    const dial = element.querySelector("[data-reminder-dial]");
    if (dial && each.phone) dial.dataset.dialPhone = each.phone;
    else dial?.remove();
    return element;
  }

  function more(rest) {
    const element = place.querySelector(".lc-reminder-more") || copy("reminders-more");
    element.querySelector("b").textContent = rest;
    return element;
  }

  // -- buttons -----------------------------------------------------------------------------------------------------------

  async function ask({ follow: verb, id, version, when = "" }) {
    if (busy.has(id)) return;
    busy.add(id);
    mark(id, true);
    try {
      const answer = await fetch(`/follow-ups/${id}/${verb}`, {
        method: "POST",
        headers: { "x-csrf-token": csrf },
        body: new URLSearchParams({ version, when }),
      });
      if (answer.status === 401) return page.leave(() => location.reload());
      if (answer.ok) leave(id);
      else page.tell((await answer.json().catch(() => ({}))).error || place.dataset.away);
      if (answer.status < 500) refresh();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // of fetch: nobody answers
      page.tell(place.dataset.away);
    } finally {
      busy.delete(id);
      mark(id, false);
    }
  }

  function mark(id, on) {
    for (const button of document.querySelectorAll(`[data-follow][data-id="${id}"]`)) {
      button.disabled = on;
      button.classList.toggle("lc-pending", on);
    }
  }

  // Done, or put off: the stream says so too, in every tab of his.
  function leave(id) {
    const due = told.due.filter((each) => String(each.id) !== id);
    told = { ...told, due, waiting: told.waiting - (told.due.length - due.length) };
    draw();
  }

  // The lists on the page, anew; not one in which he is about to choose.
  function refresh() {
    for (const list of document.querySelectorAll("[data-follow-list]")) {
      if (list.querySelector(".dropdown-menu.show")) continue;
      const select = list.id ? `#${list.id}` : ".lc-follow-lines";
      htmx.ajax("GET", list.dataset.followList, { source: list, target: list, select, swap: "outerHTML" })
        .catch(() => console.info("the list was not had: nobody answers"));
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-follow]");
    if (button) return ask(button.dataset);
    const reminder = event.target.closest("[data-reminder-close]")?.closest("[data-key]");
    if (!reminder) return;
    closed.add(reminder.dataset.key);
    draw();
  });

  // -- a new one -----------------------------------------------------------------------------------------------------------

  // A moment, or a button: not both.
  document.addEventListener("input", ({ target }) => {
    const form = target.closest?.("[data-follow-form]");
    if (!form) return;
    if (target.name === "when") form.elements.due.value = "";
    if (target.name === "due" && target.value) for (const each of form.querySelectorAll('[name="when"]')) each.checked = false;
  });

  // What could not be had leaves what stands there; a part that has not come yet is asked for again.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.xhr.status >= 400 && detail.requestConfig.elt.matches("[data-follow-place], [data-follow-list]")) detail.shouldSwap = false;
  });
  document.addEventListener("htmx:afterRequest", ({ detail: { requestConfig, xhr } }) => {
    const part = requestConfig.elt;
    if (!part.matches("[data-follow-place]") || (xhr.status && xhr.status < 500)) return;
    setTimeout(() => part.isConnected && htmx.trigger(part, "follow-again"), AGAIN_MS);
  });

  live.follow("follow-ups", hear);
})();
