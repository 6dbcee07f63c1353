// The keypad: in a call its keys are heard at the other end, without one they write the number to dial.
"use strict";
const deskKeypad = (desk, orders, latest) => { // latest(): the last news
  const pad = desk.querySelector("#desk-pad");
  const said = pad.querySelector("output");
  const number = desk.querySelector('[data-form="dial"] [name="to"]');
  let typed = { call: "", digits: "" }; // the call in which they were typed: the next one is somebody else
  let typing = Promise.resolve(); // in their order, those typed meanwhile together

  function mode() {
    const why = latest()?.why;
    return why?.keys === "" ? "keys" : why?.dial === "" ? "dial" : "";
  }

  function open() {
    pad.dataset.mode = mode();
    pad.hidden = false;
    if (pad.dataset.mode === "dial") number.focus();
  }

  function close() {
    pad.hidden = true;
    page.put(said, "");
  }

  // What its keys would do is another thing now.
  function check() {
    if (!pad.hidden && pad.dataset.mode !== mode()) close();
  }

  const press = (key) => (pad.dataset.mode === "dial" ? write(key) : digit(key));

  // Where the cursor stands; "": takes away what is marked, or the one before it.
  function write(text) {
    const { selectionStart: from, selectionEnd: to } = number;
    if (text && number.value.length - (to - from) + text.length > number.maxLength) return;
    number.setRangeText(text, !text && from === to ? Math.max(0, from - 1) : from, to, "end");
    number.focus();
  }

  function digit(key) {
    if (!latest()?.call || latest().why.keys) return;
    page.put(said, (said.textContent + key).slice(-20));
    pad.querySelector(`[data-digit="${key}"]`)?.animate([{ opacity: 0.4 }, { opacity: 1 }], 150);
    const { id } = latest().call;
    typed = { call: id, digits: (typed.call === id ? typed.digits : "") + key };
    typing = typing.then(async () => {
      const { call, digits } = typed;
      typed = { call: "", digits: "" };
      if (!digits || latest()?.call?.id !== call) return;
      const answer = await orders.send(`/desk/call/${encodeURIComponent(call)}/keys`, { digits });
      if (!answer.ok) page.tell(answer.said.error);
    });
  }

  return { open, close, check, press, isOpen: () => !pad.hidden };
};
