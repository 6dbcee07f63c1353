// The web was updated while this page was open (live.js hears of it). It says so, and loads itself anew when asked, when
// the page is left anyway, or when nobody has touched it for a while: never in a call, nor while something is written.
"use strict";
(() => {
  const UNTOUCHED_MS = 5 * 60_000;
  const LOOK_MS = 15_000;
  let updated = false;
  let touched = Date.now();

  for (const name of ["pointerdown", "keydown", "wheel"]) {
    addEventListener(name, () => { touched = Date.now(); }, { capture: true, passive: true });
  }

  document.addEventListener("updated", () => {
    updated = true;
    document.getElementById("update").hidden = false;
  });

  function written(field) {
    if (field.type === "hidden" || field.disabled || "remembered" in field.dataset) return false;
    if (field instanceof HTMLSelectElement) return [...field.options].some((each) => each.selected !== each.defaultSelected) && field.selectedIndex > 0;
    if (["checkbox", "radio"].includes(field.type)) return field.checked !== field.defaultChecked;
    return field.value !== field.defaultValue;
  }

  function busy() {
    if (window.browserPhone && browserPhone.state !== "off") return true; // its registration, or its call
    if (document.querySelector("dialog[open], .lc-desk-call:not([hidden]), .lc-playing, .lc-hearing:not([hidden])")) return true;
    return [...document.querySelectorAll("input, textarea, select")].some(written);
  }

  setInterval(() => {
    if (updated && Date.now() - touched > UNTOUCHED_MS && !busy()) location.reload();
  }, LOOK_MS);

  // A link: the whole page instead of its content alone, whose scripts would be the old ones.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { boosted, requestConfig, pathInfo } = event.detail;
    if (!updated || !boosted || requestConfig.verb !== "get" || busy()) return;
    event.preventDefault();
    location.assign(pathInfo.finalRequestPath);
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-renew]")) location.reload();
  });
})();
