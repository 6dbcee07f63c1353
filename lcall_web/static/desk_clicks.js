// What has come under the mouse by itself was not meant: a call that ends takes its keys away and puts others there, and the
// second half of a double click falls on a key's other half. Keys that have just come take no click of a mouse for a moment.
"use strict";
const deskClicks = (desk) => {
  const SETTLED_MS = 600;
  const timers = new Map(); // button -> when it may be clicked

  const visible = () => new Set([...desk.querySelectorAll("button[data-do]")].filter((button) => button.checkVisibility()));

  // `change()` shows and hides.
  function during(change) {
    const before = visible();
    change();
    for (const button of visible()) if (!before.has(button)) settle(button);
  }

  function settle(button) {
    clearTimeout(timers.get(button));
    button.setAttribute("aria-disabled", "true");
    timers.set(button, setTimeout(() => {
      button.removeAttribute("aria-disabled");
      timers.delete(button);
    }, SETTLED_MS));
  }

  const isNew = (button) => timers.has(button);

  desk.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (!event.detail || !button || !isNew(button)) return; // 0: by a key
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  return { during, isNew };
};
