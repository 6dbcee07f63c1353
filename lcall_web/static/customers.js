// Forms of customers: lines for numbers can be taken out, and what is written outlives a server that does not answer.
"use strict";
document.addEventListener("click", (event) => event.target.closest("[data-remove]")?.closest(".lc-phone-row").remove());

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  const form = requestConfig.elt.closest("form[data-kept]");
  if (!form || xhr.status < 500) return;
  event.detail.shouldSwap = false;
  page.tell(form.dataset.kept);
});
