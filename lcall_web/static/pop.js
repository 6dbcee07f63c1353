// The card of who calls, above the page: once for each contact, whatever is reloaded, and asked for until it is there.
// A card in which something is written that is not saved yet stays below the next caller's.
"use strict";
const pop = (() => {
  const AGAIN_MS = 3000;
  const CLOSED = "pop-closed";
  const place = () => document.getElementById("pop");
  const kept = () => document.getElementById("pop-kept");
  let wanted = ""; // the contact that he has
  let asked = ""; // whose card is shown, or on its way

  // He has this contact; "": none, and the last card stays, for he may still be writing.
  function show(contact) {
    wanted = contact;
    if (!wanted || wanted === asked) return;
    asked = wanted;
    if (back(wanted)) return;
    if (!document.getElementById(`pop-${wanted}`)) leave(); // never another one's
    if (sessionStorage.getItem(CLOSED) === wanted) return;
    htmx.ajax("GET", `/pop/${encodeURIComponent(wanted)}`, { source: "#pop", target: "#pop", swap: "innerHTML" })
      .catch(() => console.info("the card was not had: nobody answers"));
  }

  // It rang at him and went to somebody else: its card is nothing for him any more.
  function drop(contact) {
    const card = place().querySelector(`:scope > #pop-${contact}`);
    if (!card || fields(card).some(isWritten)) return;
    card.remove();
    asked = "";
  }

  // -- what is written in a card --------------------------------------------------------------------------------------

  const fields = (card) => [...card.querySelectorAll("input, textarea, select")];

  function isWritten(field) {
    if (["hidden", "search", "submit"].includes(field.type)) return false;
    if (["checkbox", "radio"].includes(field.type)) return field.checked !== field.defaultChecked;
    if (!(field instanceof HTMLSelectElement)) return field.value !== field.defaultValue;
    const first = Math.max(0, [...field.options].findIndex((each) => each.defaultSelected));
    return field.selectedIndex !== first;
  }

  // A note has its draft (drafts.js). What was refused comes back as it was written.
  const REFUSED = "form:not(.lc-write) .invalid-feedback, [name='anyway']";
  const isKept = (card) => Boolean(card.querySelector(REFUSED)) || fields(card).some((field) => !field.dataset.draft && isWritten(field));

  // The place is for somebody else's card.
  function leave() {
    for (const card of kept().querySelectorAll(":scope > .lc-pop")) if (!isKept(card)) card.remove();
    const card = place().querySelector(":scope > .lc-pop");
    if (card && isKept(card)) kept().firstElementChild.after(card);
    place().replaceChildren();
    apart();
  }

  // It is his turn again: his card is there already.
  function back(contact) {
    const card = kept().querySelector(`:scope > #pop-${contact}`);
    if (!card) return false;
    leave();
    if (!card.isConnected) return false;
    place().append(card);
    rename(card, "");
    return true;
  }

  // Two cards have the same fields: a label, and what a field asks for, must mean those of its own card.
  const NAMES = ["id", "for", "list", "hx-target"];
  function rename(card, end) {
    for (const name of NAMES) {
      for (const element of card.querySelectorAll(`[${name}]:not([hx-preserve])`)) {
        const plain = element.getAttribute(name).replace(/-kept-.*$/, "");
        if (name !== "hx-target" || plain.startsWith("#")) element.setAttribute(name, plain + end);
      }
    }
  }

  function apart() {
    for (const card of kept().querySelectorAll(":scope > .lc-pop")) rename(card, `-kept-${card.dataset.contact}`);
  }
  document.addEventListener("htmx:afterSettle", apart); // what came anew in a kept card

  // The web, the api, the books may be back in a moment. (0: nobody answered; 403: he may not look at customers.)
  document.addEventListener("htmx:afterRequest", ({ detail: { target, xhr } }) => {
    if (target?.id !== "pop" || xhr.status === 403 || (xhr.status && xhr.status < 400)) return;
    asked = "";
    setTimeout(() => show(wanted), AGAIN_MS);
  });

  // What is not his, or not in the books yet, is no news to him; what asks again by itself stays until it is answered.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.xhr.status < 400) return;
    if (detail.target?.id === "pop") detail.shouldSwap = detail.xhr.status >= 500;
    if (detail.requestConfig.elt.matches("[data-again]")) detail.shouldSwap = false;
  });

  document.addEventListener("click", (event) => {
    const card = event.target.closest("[data-pop-close]")?.closest("#pop > .lc-pop, #pop-kept > .lc-pop");
    if (!card) return;
    if (card.parentElement === place()) sessionStorage.setItem(CLOSED, asked);
    card.remove();
  });

  return { show, drop };
})();
