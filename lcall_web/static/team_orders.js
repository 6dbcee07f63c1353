// What the leader orders: once, however often it is sent; what cannot be taken back wants a second click, at the same.
"use strict";
const teamOrders = (team, redraw) => { // redraw(): the buttons say again what can be done
  const SURE_MS = 4000;
  const doing = new Set();
  let armed = null; // the button that was clicked once, and what it aims at

  function key() { // crypto.randomUUID is not there on plain http
    return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // `name`: what is under way with this name is not ordered again meanwhile.
  async function order(name, address, fields) {
    if (doing.has(name)) return false;
    doing.add(name);
    redraw();
    try {
      const answer = await sent(address, new URLSearchParams({ ...fields, key: key() }));
      if (answer.status === 401) return page.leave(() => location.assign("/login"));
      const told = (answer.headers.get("content-type") || "").startsWith("application/json") ? await answer.json() : {};
      if (answer.ok) page.tell(told.message, "good");
      else page.tell(told.message || team.dataset.away);
      return answer.ok;
    } catch (error) {
      console.warn("an order was not sent", error.message);
      page.tell(team.dataset.away);
      return false;
    } finally {
      doing.delete(name);
      redraw();
    }
  }

  // Once more with the same key when the connection breaks: it is carried out once.
  async function sent(address, body) {
    const headers = JSON.parse(document.body.getAttribute("hx-headers"));
    const ask = () => fetch(address, { method: "POST", body, headers });
    try {
      return await ask();
    } catch (error) {
      console.warn("once more:", error.message);
      return ask();
    }
  }

  // A call that has begun meanwhile is another one.
  const aimed = (button, agent) => (button.dataset.do === "sign-out" ? agent.id : `${agent.id} ${agent.contact}`);

  function sure(button, agent) {
    if (!("sure" in button.dataset)) return true;
    const aim = aimed(button, agent);
    const second = armed?.button === button && armed.aim === aim;
    disarm();
    if (second) return true;
    const words = button.querySelector("span");
    armed = { button, aim, words, before: words.textContent, timer: setTimeout(disarm, SURE_MS) };
    button.classList.add("lc-sure");
    words.textContent = team.dataset.sure;
    return false;
  }

  function disarm() {
    if (!armed) return;
    clearTimeout(armed.timer);
    armed.words.textContent = armed.before;
    armed.button.classList.remove("lc-sure");
    armed = null;
  }

  // Who is chosen now, or null: a first click at something else counts no more.
  function chosen(agent) {
    if (armed && !(agent && aimed(armed.button, agent) === armed.aim)) disarm();
  }

  return { order, sure, disarm, chosen, waits: (name) => doing.has(name) };
};
