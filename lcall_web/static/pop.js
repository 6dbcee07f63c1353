// The card of who calls, above the page: once for each contact, whatever is reloaded, and asked for until it is there.
"use strict";
const pop = (() => {
  const AGAIN_MS = 3000;
  const CLOSED = "pop-closed";
  const place = () => document.getElementById("pop");
  let wanted = ""; // the contact that he has
  let asked = ""; // whose card is shown, or on its way

  // He has this contact; "": none, and the last card stays, for he may still be writing.
  function show(contact) {
    wanted = contact;
    if (!wanted || wanted === asked) return;
    asked = wanted;
    if (!document.getElementById(`pop-${wanted}`)) place().replaceChildren(); // never another one's
    if (sessionStorage.getItem(CLOSED) === wanted) return;
    htmx.ajax("GET", `/pop/${encodeURIComponent(wanted)}`, { source: "#pop", target: "#pop", swap: "innerHTML" })
      .catch(() => console.info("the card was not had: nobody answers"));
  }

  // It rang at him and went to somebody else: its card is nothing for him any more.
  function drop(contact) {
    const card = place().querySelector(`:scope > #pop-${contact}`);
    const fields = card ? [...card.querySelectorAll("input, textarea")] : [];
    if (!card || fields.some((field) => field.value !== field.defaultValue)) return;
    card.remove();
    asked = "";
  }

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
    if (!event.target.closest("#pop [data-pop-close]")) return;
    sessionStorage.setItem(CLOSED, asked);
    place().replaceChildren();
  });

  return { show, drop };
})();
