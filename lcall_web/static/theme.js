// Light or dark, as this browser was last told; before the page is drawn, so that it does not flash.
"use strict";
(() => {
  const root = document.documentElement;
  const set = (theme) => root.setAttribute("data-bs-theme", theme);
  set(localStorage.getItem("theme") || "light");
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const theme = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
    set(theme);
    localStorage.setItem("theme", theme);
  });
})();
