// Forms of the settings: what has changed, what would be lost, lists to pick from, the year of a calendar.
"use strict";
page.widget("#setting", (form) => {
  const note = form.querySelector(".lc-savebar-note");
  const save = form.querySelector("#save");
  const text = save.lastChild.textContent;
  const state = () => new URLSearchParams(new FormData(form)).toString();
  const field = (element) => element.closest(".lc-formfield");
  const values = (box) => [...box.querySelectorAll("input, select, textarea")].filter((each) => each.name).map((each) => (each.type === "checkbox" ? each.checked : each.value)).join("\n");
  const boxes = [...form.querySelectorAll(".lc-formfield")];
  const fresh = new Map(boxes.map((box) => [box, values(box)]));
  // What was typed and refused, or is older than somebody else's change, is not saved yet.
  let dirty = Boolean(document.querySelector("#refused, #stale"));
  let sent = false;

  function look() {
    const changed = boxes.filter((box) => values(box) !== fresh.get(box));
    for (const box of boxes) box.classList.toggle("lc-dirty", changed.includes(box));
    dirty = changed.length > 0 || Boolean(document.querySelector("#refused, #stale"));
    const names = changed.map((box) => box.dataset.label);
    note.textContent = names.length ? note.dataset.changed + names.slice(0, 4).join(document.documentElement.lang === "en" ? ", " : "、") + (names.length > 4 ? " …" : "") : note.dataset.clean;
    note.classList.toggle("lc-changed", names.length > 0);
  }

  const leaving = (event) => {
    if (dirty && !sent) event.preventDefault();
  };
  // Links change the page by a request: it is asked before it is sent.
  const asked = (event) => {
    const from = event.detail.elt;
    if (!dirty || sent || form === from || (event.detail.triggeringEvent?.type === "submit" && from === form)) return;
    if (!from.closest || !from.closest("a, form") || from.closest("#parties")) return;
    if (from.matches("a, form") && !confirm(form.dataset.leave)) event.preventDefault();
  };
  const submitted = (event) => {
    if (sent) return event.preventDefault(), event.stopPropagation();
    sent = true;
    save.disabled = true;
    save.lastChild.textContent = save.dataset.busy;
  };
  const again = () => {
    sent = false;
    save.disabled = false;
    save.lastChild.textContent = text;
  };

  form.addEventListener("input", look);
  form.addEventListener("change", look);
  form.addEventListener("lc:changed", look);
  form.addEventListener("htmx:beforeRequest", (event) => event.target === form && submitted(event));
  form.addEventListener("htmx:sendError", again);
  form.addEventListener("htmx:timeout", again);
  form.addEventListener("htmx:afterRequest", (event) => event.target === form && event.detail.xhr.status >= 500 && again());
  addEventListener("beforeunload", leaving);
  document.addEventListener("htmx:confirm", asked);
  const unguard = page.guard(() => !dirty || sent || confirm(form.dataset.leave));
  const wrong = form.querySelector(".is-invalid");
  if (wrong) wrong.focus();
  return () => {
    removeEventListener("beforeunload", leaving);
    document.removeEventListener("htmx:confirm", asked);
    unguard();
  };
});

page.widget("[data-picks]", (picks) => {
  const filter = picks.querySelector("[data-pick-filter]");
  filter?.addEventListener("input", (event) => {
    event.stopPropagation();
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const pick of picks.querySelectorAll(".lc-pick")) {
      const text = pick.textContent.toLowerCase();
      pick.hidden = !words.every((word) => text.includes(word));
    }
  });
  filter?.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  picks.addEventListener("click", (event) => {
    const up = event.target.closest("[data-up]");
    if (!up) return;
    event.preventDefault();
    const pick = up.closest(".lc-pick");
    if (pick.previousElementSibling) pick.parentElement.insertBefore(pick, pick.previousElementSibling);
    picks.dispatchEvent(new Event("lc:changed", { bubbles: true }));
  });
});

// A click on a day: closed, worked, as usual. The two fields hold the days, one or a range a line.
page.widget("#years", (years) => {
  const lists = { holiday: document.querySelector("[data-days=holidays]"), workday: document.querySelector("[data-days=workdays]") };
  const next = { "": "holiday", holiday: "workday", workday: "" };

  function days(line) {
    const [first, last = first] = line.trim().split("/");
    const found = [];
    for (let day = new Date(`${first}T00:00Z`); day <= new Date(`${last}T00:00Z`) && found.length < 400; day.setUTCDate(day.getUTCDate() + 1)) found.push(day.toISOString().slice(0, 10));
    return found.length ? found : [line];
  }

  function put(list, day, on) {
    const all = new Set(list.value.split("\n").filter((line) => line.trim()).flatMap(days));
    if (on) all.add(day);
    else all.delete(day);
    list.value = ranges([...all].sort()).join("\n");
  }

  function ranges(all) {
    const found = [];
    for (const day of all) {
      const last = found.at(-1);
      const after = last && new Date(new Date(`${last[1]}T00:00Z`).getTime() + 86_400_000);
      if (after && !Number.isNaN(after.getTime()) && after.toISOString().slice(0, 10) === day) last[1] = day;
      else found.push([day, day]);
    }
    return found.map(([first, last]) => (first === last ? first : `${first}/${last}`));
  }

  years.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-year]");
    if (chip) {
      for (const each of years.querySelectorAll("[data-year]")) each.classList.toggle("active", each === chip);
      for (const year of years.querySelectorAll("[data-of]")) year.hidden = year.dataset.of !== chip.dataset.year;
    }
    const day = event.target.closest("[data-day]");
    if (!day) return;
    day.dataset.mark = next[day.dataset.mark];
    for (const [mark, list] of Object.entries(lists)) put(list, day.dataset.day, day.dataset.mark === mark);
    years.dispatchEvent(new Event("lc:changed", { bubbles: true }));
  });
});

page.widget("[data-copy]", (button) => {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch (error) {
      console.warn("the clipboard is closed to us", error.message); // no HTTPS: the text is marked, Ctrl+C takes it
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      return;
    }
    button.querySelector("span").textContent = button.dataset.copied;
  });
});
