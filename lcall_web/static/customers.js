// Forms of customers: lines for numbers can be taken out, and what is written outlives a server that does not answer.
"use strict";
document.addEventListener("click", (event) => event.target.closest("[data-remove]")?.closest(".lc-phone-row, .lc-choice-row").remove());

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  const form = requestConfig.elt.closest("form[data-kept]");
  if (!form || xhr.status < 400) return;
  if (xhr.status < 500 && (requestConfig.boosted || [409, 422].includes(xhr.status))) return; // the form itself comes, or a page
  event.detail.shouldSwap = false;
  page.tell((xhr.status < 500 && page.refusal(xhr.responseText)) || form.dataset.kept);
});
