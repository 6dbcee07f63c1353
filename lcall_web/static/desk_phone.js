// The phone in the browser, where there is one (browser_phone.js), at the soft phone: how it is, and the way to its dialog.
"use strict";
const deskPhone = (desk) => {
  const tool = desk.querySelector("#desk-browser-phone");
  const states = JSON.parse(tool.dataset.states);
  const place = tool.querySelector(".lc-phone-state");

  function show() {
    const { state } = window.browserPhone;
    place.dataset.phoneState = state;
    page.put(place, states[state]);
  }

  for (const button of desk.querySelectorAll('[data-do="browser-phone"]')) button.hidden = !window.browserPhone;
  if (!window.browserPhone) return () => {};
  document.addEventListener("browser-phone", show);
  show();
  return () => document.removeEventListener("browser-phone", show);
};
