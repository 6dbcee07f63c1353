// What is written and not saved yet outlives a reload, a crash, a wrong click. Of a field with data-draft="<the address
// where it stands>" a copy is kept in this browser, under the name of who writes it, until it is saved or thrown away,
// until he logs out, somebody else logs in, or a shift is over: it is about people. With data-draft-over="<a version>" the
// copy says over which text it was written, and comes back in its place: whoever saves it then compares the versions.
"use strict";
const drafts = (() => {
  const PREFIX = "draft:";
  const KEPT_MS = 12 * 3600_000;
  const LEFT = 3; // so many are told of at once
  const me = document.body.dataset.me;
  if (!me) return { left: () => [] }; // a page for nobody: it was not known who he is
  const mine = `${PREFIX}${me}:`;

  const names = () => Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  const read = (address) => JSON.parse(localStorage.getItem(mine + address));
  const forget = (address) => localStorage.removeItem(mine + address);

  function keep(address, text, over) {
    if (text.trim()) localStorage.setItem(mine + address, JSON.stringify({ text, at: Date.now(), over }));
    else forget(address);
  }

  for (const name of names()) {
    const { at } = JSON.parse(localStorage.getItem(name));
    if (!name.startsWith(mine) || Date.now() - at > KEPT_MS) localStorage.removeItem(name);
  }

  // -- where it is written ----------------------------------------------------------------------------------------------

  const markOf = (field) => field.form.querySelector("[data-draft-mark]");

  page.widget("[data-draft]", (field) => {
    const kept = read(field.dataset.draft);
    if (kept && isSaved(field, kept.text)) forget(field.dataset.draft); // whose answer never came
    else if (kept && (!field.value || kept.over)) {
      field.value = kept.text;
      if (kept.over) field.dataset.draftOver = kept.over;
      markOf(field).hidden = false;
    }
    const note = () => keep(field.dataset.draft, field.value, field.dataset.draftOver);
    field.addEventListener("input", note);
    field.addEventListener("saved", () => { forget(field.dataset.draft); tellLeft(); });
    tellLeft();
    return () => {
      field.removeEventListener("input", note);
      setTimeout(tellLeft); // when it is gone
    };
  });

  const plain = (text) => text.replace(/\s+/g, " ").trim();
  function isSaved(field, text) {
    if (field.dataset.draftOver && field.value === text) return true;
    const notes = field.closest("section").querySelectorAll(".lc-note p");
    return [...notes].some((note) => plain(note.textContent) === plain(text));
  }

  // Saved; what was added to it while that was on its way is not.
  document.addEventListener("htmx:beforeSwap", ({ detail: { xhr, requestConfig } }) => {
    const field = requestConfig.elt.closest("form")?.querySelector("[data-draft]");
    if (!field || requestConfig.verb !== "post" || xhr.status >= 400) return;
    if (field.value === requestConfig.formData.get(field.name)) forget(field.dataset.draft);
  });

  // -- what stands nowhere on this page ---------------------------------------------------------------------------------

  // The addresses that begin so, of texts whose fields are not on this page.
  function left(beginning = "") {
    const here = new Set([...document.querySelectorAll("[data-draft]")].map((field) => field.dataset.draft));
    const all = names().filter((name) => name.startsWith(mine)).map((name) => name.slice(mine.length));
    return all.filter((address) => address.startsWith(beginning) && !here.has(address));
  }

  function tellLeft() {
    const latest = left().map((address) => ({ address, ...read(address) })).sort((a, b) => b.at - a.at).slice(0, LEFT);
    const place = document.getElementById("drafts");
    place.replaceChildren(...latest.map(({ address, text }) => {
      const line = document.getElementById("draft-left").content.firstElementChild.cloneNode(true);
      line.dataset.address = address;
      line.querySelector("q").textContent = text;
      line.querySelector("a").href = address;
      return line;
    }));
    htmx.process(place);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-draft-drop]");
    if (!button) return;
    const field = button.form?.querySelector("[data-draft]");
    forget(field ? field.dataset.draft : button.parentElement.dataset.address);
    if (!field) return tellLeft();
    field.value = "";
    markOf(field).hidden = true;
    field.focus();
  });

  addEventListener("DOMContentLoaded", () => {
    tellLeft();
    new MutationObserver(tellLeft).observe(document.getElementById("pop"), { childList: true });
  });
  addEventListener("storage", tellLeft);

  document.addEventListener("submit", (event) => {
    if (event.target.matches("form[action='/logout']")) names().forEach((name) => localStorage.removeItem(name));
  });

  return { left, forget, text: (address) => read(address).text };
})();
