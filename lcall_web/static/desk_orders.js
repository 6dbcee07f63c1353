// What the soft phone asks for: a click is one request, however often it is sent; its button waits for the news of the center.
"use strict";
const deskOrders = (desk, redraw) => { // redraw(): the buttons say again what can be done
  const PENDING_MS = 12_000; // no answer: the button may be used again
  const NEWS_MS = 1500; // … an answer and no news
  const AGAIN_MS = [400, 1200]; // the same request once more, with its key: it is done once
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["x-csrf-token"];
  const pending = new Map(); // action -> {timer, answered, told: there was news of him or his call since}

  // News of him or his call: what was asked for and answered has come about, or something else has. Either way the buttons
  // say what can be done now. What has no answer yet may still be done: a second click would do it twice.
  function settle() {
    for (const [action, order] of pending) {
      order.told = true;
      if (order.answered) over(action, order);
    }
  }

  function over(action, order) {
    clearTimeout(order.timer);
    if (pending.get(action) !== order) return; // it was given up, and asked for anew
    pending.delete(action);
    mark(action, false);
  }

  function mark(action, on) {
    for (const button of desk.querySelectorAll(`[data-do="${action}"]`)) {
      button.classList.toggle("lc-pending", on);
      button.setAttribute("aria-busy", String(on));
      if (on) button.disabled = true;
    }
  }

  async function ask(action, path, fields = {}, form = null) {
    if (pending.has(action)) return false;
    const order = { timer: 0, answered: false, told: false };
    const within = (ms) => {
      clearTimeout(order.timer);
      order.timer = setTimeout(() => { over(action, order); redraw(); }, ms);
    };
    within(PENDING_MS);
    pending.set(action, order);
    mark(action, true);
    fault(form, "", "");
    const { ok, said } = await send(path, fields);
    order.answered = true;
    if (ok && !order.told) { // the news will follow; a repeat of what is so already brings none
      within(NEWS_MS);
      return true;
    }
    over(action, order);
    redraw();
    if (!ok && !fault(form, said.field, said.error)) page.tell(said.error);
    return ok;
  }

  async function send(path, fields) {
    const key = crypto.getRandomValues(new Uint32Array(4)).join("-"); // of what is wanted once
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
      page.put(place, here ? text : "");
      form.elements[place.dataset.error]?.classList.toggle("is-invalid", here && text !== "");
      if (here && text) {
        form.querySelector("select, input:not([type=hidden])")?.focus();
        return true;
      }
    }
    return false;
  }

  return { NEWS_MS, ask, send, settle, fault, waits: (action) => pending.has(action) };
};
