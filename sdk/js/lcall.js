// LQ-SDK, version 1, for browsers (and for anything else that has fetch and WebSocket). No dependency, one file: copy it.
//
//   import { LCall } from "./lcall.js";
//   const lq = new LCall("http://127.0.0.1:8100", token);
//   await lq.signIn("1001", "8001");
//   const events = lq.events({ topics: ["contacts"], onEvent: (event) => console.log(event.type) });
//
// Each call resolves to the object that the api answers, or rejects with an LCallError.

const BACK_OFF_MS = [200, 500, 1000, 2000, 5000];
const NOT_ALLOWED = 1008; // RFC 6455 §7.4.1: the token is no longer valid

export class LCallError extends Error {
  // status 0: no answer came. field: which part of the request is wrong. present: the object as it is (409).
  constructor(status, { code = "unreachable", message = "", field = null, present = null } = {}, retryAfter = null) {
    super(`${status} ${code}: ${message}`);
    Object.assign(this, { name: "LCallError", status, code, field, present, retryAfter });
  }
}

export class LCall {
  #base;
  #token;

  constructor(base, token) {
    this.#base = base.replace(/\/+$/, "");
    this.#token = token;
  }

  // -- what is there

  health = () => this.#get("/v1/health");
  agents = () => this.#all("/v1/agents");
  agent = (id) => this.#get(`/v1/agents/${encodeURIComponent(id)}`);
  queues = () => this.#all("/v1/queues");
  queue = (id) => this.#get(`/v1/queues/${encodeURIComponent(id)}`);
  contacts = (query = {}) => this.#get("/v1/contacts", query); // {state, number, limit, cursor} -> {items, next}
  contact = (id) => this.#get(`/v1/contacts/${encodeURIComponent(id)}`);
  cdrs = (query = {}) => this.#get("/v1/cdrs", query);
  recording = (id) => this.#get(`/v1/recordings/${encodeURIComponent(id)}`);

  async recordingAudio(id) {
    const answer = await this.#fetch("GET", `/v1/recordings/${encodeURIComponent(id)}/audio`);
    return answer.blob();
  }

  // -- agents

  signIn = (agent, phone) => this.#agent(agent, "sign-in", { phone });
  signOut = (agent) => this.#agent(agent, "sign-out");
  ready = (agent) => this.#agent(agent, "ready");
  pause = (agent, reason) => this.#agent(agent, "pause", { reason });
  wrapUp = (agent, code = null, done = false) => this.#agent(agent, "wrap-up", { code, done });

  #agent = (agent, verb, body = {}) => this.#post(`/v1/agents/${encodeURIComponent(agent)}/${verb}`, body);

  // -- contacts: each answers the contact after it

  place = (agent, to, purpose = null) => this.#post("/v1/contacts", { agent, to, purpose }); // his own phone first
  answer = (contact, agent) => this.#contact(contact, "answer", { agent });
  reject = (contact, agent) => this.#contact(contact, "reject", { agent });
  hangUp = (contact, agent = null) => this.#contact(contact, "hang-up", { agent });
  hold = (contact, agent) => this.#contact(contact, "hold", { agent });
  resume = (contact, agent) => this.#contact(contact, "resume", { agent });
  mute = (contact, agent) => this.#contact(contact, "mute", { agent });
  unmute = (contact, agent) => this.#contact(contact, "unmute", { agent });
  sendDtmf = (contact, agent, digits) => this.#contact(contact, "send-dtmf", { agent, digits });
  transfer = (contact, agent, to, mode = "blind") => this.#contact(contact, "transfer", { agent, to, mode });
  completeTransfer = (contact, agent) => this.#contact(contact, "transfer/complete", { agent });
  cancelTransfer = (contact, agent) => this.#contact(contact, "transfer/cancel", { agent });
  conference = (contact, agent, to = null) => this.#contact(contact, "transfer/conference", { agent, to });
  pickUp = (contact, agent) => this.#contact(contact, "pick-up", { agent });
  release = (contact, agent, to = null) => this.#contact(contact, "release", { agent, to });
  askHelp = (contact, agent) => this.#contact(contact, "help", { agent });
  // help: he comes because the agent wants help; 409 help_taken when another leader does so already.
  monitor = (contact, agent, mode = "listen", { help = false } = {}) =>
    this.#contact(contact, "monitor", { agent, mode, help: help || null });
  // reason: a word, customer_refused …: nothing more is recorded before somebody starts it again.
  record = (contact, action, agent = null, reason = null) =>
    this.#contact(contact, "recording", { agent, action, reason });

  endMonitor = (contact, agent) => this.#end(contact, "monitor", agent);
  endHelp = (contact, agent) => this.#end(contact, "help", agent);

  async #end(contact, what, agent) {
    const path = `/v1/contacts/${encodeURIComponent(contact)}/${what}${asQuery({ agent })}`;
    return (await this.#fetch("DELETE", path)).json();
  }

  #contact = (contact, verb, body) => this.#post(`/v1/contacts/${encodeURIComponent(contact)}/${verb}`, body);

  // -- conference rooms: each answers the room after it, with its parties and whom it has called

  conferences = () => this.#all("/v1/conferences");
  room = (conference) => this.#get(`/v1/conferences/${encodeURIComponent(conference)}`);
  kick = (conference, contact) => this.#room(conference, "kick", { contact });
  muteParty = (conference, contact) => this.#room(conference, "mute", { contact });
  unmuteParty = (conference, contact) => this.#room(conference, "unmute", { contact });
  makeHost = (conference, contact, host = true) => this.#room(conference, "host", { contact, host });
  endConference = (conference) => this.#room(conference, "end", {});
  // Up to 50 agents, phones, numbers -> {calls: [{to, contact, error}]}; what becomes of each shows room().calls.
  callIn = (conference, to, { host = false, greet = true, purpose = null } = {}) =>
    this.#room(conference, "call", { to, host, greet, purpose });

  #room = (conference, verb, body) => this.#post(`/v1/conferences/${encodeURIComponent(conference)}/${verb}`, body);

  // -- events

  // Every event after `after` (an event's id; default: from now), until close() of what is returned. It connects again
  // by itself and misses none; one may come twice, told by its subject and seq. onEnd: the api refuses it for good.
  events({ topics = [], after = null, onEvent, onConnection = () => {}, onEnd = () => {} }) {
    const stream = { after, closed: false, socket: null, close: null };
    stream.close = () => {
      stream.closed = true;
      stream.socket?.close();
    };
    this.#stream(stream, topics.join(","), onEvent, onConnection).then(onEnd, onEnd);
    return stream;
  }

  async #stream(stream, topics, onEvent, onConnection) {
    for (let failures = 0; !stream.closed; failures++) {
      try {
        // A browser does not say why a WebSocket was refused; the same request by HTTP does.
        const page = await this.#get("/v1/events", { topics, after: stream.after, limit: 1 });
        stream.after ??= page.next;
        if (stream.closed) return; // while it was asked
        const connected = await this.#socket(stream, topics, onEvent, onConnection);
        if (connected) failures = -1;
      } catch (error) {
        if (!(error instanceof LCallError) || [400, 401, 403].includes(error.status)) throw error;
      }
      if (!stream.closed) await sleep(BACK_OFF_MS[Math.min(Math.max(failures, 0), BACK_OFF_MS.length - 1)]);
    }
  }

  // Resolves when the connection ends: whether there was one.
  #socket(stream, topics, onEvent, onConnection) {
    return new Promise((resolve, reject) => {
      const address = `${this.#base.replace(/^http/, "ws")}/v1/events${asQuery({ topics, after: stream.after })}`;
      let connected = false;
      const socket = new WebSocket(address, ["lcall.v1", `bearer.${this.#token}`]);
      stream.socket = socket;
      socket.onopen = () => {
        if (stream.closed) return;
        connected = true;
        onConnection(true);
      };
      socket.onmessage = ({ data }) => {
        if (stream.closed) return; // it came before the api knew
        const event = JSON.parse(data);
        onEvent(event);
        stream.after = event.id;
      };
      socket.onclose = ({ code }) => {
        stream.socket = null;
        if (connected) onConnection(false);
        if (code === NOT_ALLOWED) reject(new LCallError(401, { code: "unauthorized", message: "the token is revoked" }));
        else resolve(connected);
      };
    });
  }

  // -- HTTP

  async #all(path) {
    const items = [];
    let cursor = null;
    do {
      const page = await this.#get(path, { limit: 500, cursor });
      items.push(...page.items);
      cursor = page.next;
    } while (cursor !== null);
    return items;
  }

  async #get(path, query = {}) {
    return (await this.#fetch("GET", path + asQuery(query))).json();
  }

  // With an Idempotency-Key, so that a request whose answer was lost can be sent once more and is done once.
  async #post(path, body) {
    const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key() };
    const send = () => this.#fetch("POST", path, headers, JSON.stringify(given));
    let answer;
    try {
      answer = await send();
    } catch (error) {
      if (!(error instanceof LCallError) || error.status !== 0) throw error;
      answer = await send();
    }
    return answer.json();
  }

  async #fetch(method, path, headers = {}, body = undefined) {
    const sent = { ...headers, Authorization: `Bearer ${this.#token}` };
    let answer;
    try {
      answer = await fetch(this.#base + path, { method, headers: sent, body, cache: "no-store", redirect: "error" });
    } catch (error) {
      throw new LCallError(0, { message: error.message });
    }
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new LCallError(answer.status, told.error, answer.headers.get("Retry-After"));
  }
}

function asQuery(query) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

// crypto.randomUUID exists on pages from https only, and a center in a LAN may have none.
function key() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
