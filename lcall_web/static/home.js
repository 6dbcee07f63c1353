// Sticky notes: saved while somebody writes. What is not saved yet stays in this browser (drafts.js); what another page has
// changed meanwhile is shown beside it, and nothing is written over unseen.
"use strict";
(() => {
  const WAIT_MS = 700; // after the last letter
  const AGAIN_MS = 5000;
  const NEW = "/home#new-"; // where a note stands that has not been stored yet: its key
  const OLD = "/home#note-"; // … and one that has: its id
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["x-csrf-token"];

  // crypto.randomUUID is not there on plain http
  function key() {
    const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  async function send(path, fields) {
    const body = new URLSearchParams({ csrf, ...fields });
    try {
      const answer = await fetch(`/notes/${path}`, { method: "POST", body, keepalive: true });
      const json = (answer.headers.get("content-type") || "").startsWith("application/json");
      return { status: answer.status, said: json ? await answer.json() : {} };
    } catch (error) {
      console.warn("a note was not sent", error.message);
      return { status: 0, said: {} };
    }
  }

  function add(room, text = "", itsKey = key()) {
    const card = document.getElementById("note-new").content.firstElementChild.cloneNode(true);
    card.dataset.key = itsKey;
    const field = card.querySelector("textarea");
    field.dataset.draft = NEW + itsKey;
    field.value = text;
    room.prepend(card);
    htmx.trigger(card, "htmx:load", { elt: card }); // its widgets begin: what is kept of it comes back
    return card;
  }

  function begin(card) {
    const room = card.parentElement;
    const words = card.closest("#stickies").dataset;
    const field = card.querySelector("textarea");
    const said = card.querySelector("[data-said]");
    const theirs = card.querySelector(".lc-sticky-theirs");
    const stored = { text: field.defaultValue, colour: card.dataset.colour };
    let timer = 0;
    let sending = null; // a promise
    let unanswered = null; // what was sent and may be stored all the same
    let other = null; // what another page has made of it
    let gone = false;

    const id = () => card.dataset.id;
    const differs = () => field.value !== stored.text || card.dataset.colour !== stored.colour;
    const say = (text, state = "") => {
      said.textContent = text;
      said.dataset.state = state;
    };

    function later(ms = WAIT_MS) {
      clearTimeout(timer);
      timer = setTimeout(save, ms);
    }

    function save() {
      clearTimeout(timer);
      if (sending || other || gone || !differs()) return;
      if (!id() && !field.value.trim()) return;
      say(words.saving);
      sending = store({ text: field.value, colour: card.dataset.colour });
    }

    async function store(sent) {
      const fields = { body: sent.text, colour: sent.colour };
      const { status, said: answer } = id()
        ? await send(id(), { ...fields, version: field.dataset.draftOver })
        : await send("", { ...fields, key: card.dataset.key });
      sending = null;
      const before = unanswered;
      unanswered = status === 0 || status >= 500 ? sent : null;
      if (status === 200) took(answer, sent);
      else if (status === 409 && isOurs(answer.theirs, before)) took(answer.theirs, before);
      else if (status === 409) differ(answer.theirs);
      else if (status === 422) say(answer.error, "bad");
      else if (status === 401) say(words.out, "bad");
      else if (status === 404) begins(); // it was thrown away long ago
      else {
        say(words.unsaved, "bad");
        later(AGAIN_MS);
      }
    }

    const isOurs = (now, sent) => sent && !now.gone && now.body === sent.text && now.colour === sent.colour;

    function begins() {
      field.dispatchEvent(new Event("saved")); // under the address that it had
      card.dataset.id = "";
      card.dataset.key = key();
      field.dataset.draft = NEW + card.dataset.key;
      delete field.dataset.draftOver;
      stored.text = "";
      field.dispatchEvent(new Event("input"));
    }

    // It is stored as it was sent; what was written since then is saved next.
    function took(answer, sent) {
      Object.assign(stored, sent);
      field.defaultValue = sent.text;
      field.dispatchEvent(new Event("saved")); // under the address that it had
      knows(answer);
      card.querySelector("[data-draft-mark]").hidden = true;
      say(words.saved, "good");
      if (field.value !== sent.text) field.dispatchEvent(new Event("input"));
      else if (differs()) later();
    }

    function knows(answer) {
      card.dataset.id = answer.id;
      field.dataset.draft = OLD + answer.id;
      field.dataset.draftOver = answer.version;
    }

    function differ(now) {
      other = now;
      theirs.hidden = false;
      theirs.querySelector("q").textContent = now.body;
      theirs.querySelector("q").hidden = now.gone;
      for (const line of theirs.querySelectorAll("[data-theirs]")) line.hidden = (line.dataset.theirs === "gone") !== now.gone;
      for (const button of theirs.querySelectorAll("[data-keep]")) {
        button.hidden = button.dataset.keep !== "mine" && (button.dataset.keep === "gone") !== now.gone;
      }
      say(words.kept, "bad");
    }

    function decide(choice) {
      const now = other;
      other = null;
      theirs.hidden = true;
      if (choice === "gone") {
        gone = true;
        field.dispatchEvent(new Event("saved"));
        return card.remove();
      }
      field.dispatchEvent(new Event("saved"));
      knows(now);
      Object.assign(stored, { text: now.gone ? null : now.body, colour: now.colour });
      if (choice === "theirs") {
        paint(now.colour);
        field.value = now.body;
      }
      if (choice === "both") field.value = `${field.value}\n${now.body}`;
      field.defaultValue = now.body;
      if (!differs()) say(words.saved, "good");
      else field.dispatchEvent(new Event("input"));
      return save();
    }

    function paint(colour) {
      card.dataset.colour = colour;
      for (const button of card.querySelectorAll("[data-paint]")) button.setAttribute("aria-pressed", button.dataset.paint === colour);
    }

    async function drop() {
      clearTimeout(timer);
      await sending;
      if (other) return undefined;
      if (!id()) { // it has never been stored
        field.dispatchEvent(new Event("saved"));
        field.value = "";
        return room.querySelectorAll(".lc-sticky").length > 1 ? card.remove() : say("");
      }
      const { status, said: answer } = await send(`${id()}/delete`, { version: field.dataset.draftOver });
      if (status === 200) {
        gone = true;
        knows(answer);
        show();
      } else if (status === 409) differ(answer.theirs);
      else page.tell(document.getElementById("told").dataset.away);
      return undefined;
    }

    async function undo() {
      const { status, said: answer } = await send(`${id()}/restore`, {});
      if (status !== 200) return page.tell(document.getElementById("told").dataset.away);
      gone = false;
      knows(answer);
      show();
      return save();
    }

    function show() {
      card.querySelector(".lc-sticky-there").hidden = gone;
      card.querySelector(".lc-sticky-gone").hidden = !gone;
    }

    field.addEventListener("input", () => {
      if (!other) say("");
      later();
    });
    card.addEventListener("submit", (event) => event.preventDefault());
    card.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return undefined;
      if (button.dataset.paint) {
        paint(button.dataset.paint);
        return later(0);
      }
      if (button.dataset.keep) return decide(button.dataset.keep);
      if ("drop" in button.dataset) return once(button, drop);
      if ("undo" in button.dataset) return once(button, undo);
      return undefined;
    });
    addEventListener("pagehide", save);
    if (differs()) later(0); // it was kept here, unsaved
    return () => {
      removeEventListener("pagehide", save);
      save();
    };
  }

  async function once(button, work) {
    button.disabled = true;
    await work();
    button.disabled = false;
  }

  page.widget(".lc-sticky", begin);

  page.widget("#stickies", (notes) => {
    const room = notes.querySelector(".lc-stickies");
    // Written here before and never stored; or of a note that is not there any more.
    for (const address of drafts.left(NEW)) add(room, "", address.slice(NEW.length));
    for (const address of drafts.left(OLD)) {
      const field = add(room, drafts.text(address)).querySelector("textarea");
      drafts.forget(address);
      field.dispatchEvent(new Event("input"));
    }
    notes.querySelector("#new-note").addEventListener("click", () => {
      const blank = [...room.children].find((card) => !card.dataset.id && !card.querySelector("textarea").value);
      if (blank) room.prepend(blank);
      (blank || add(room)).querySelector("textarea").focus();
    });
  });
})();
