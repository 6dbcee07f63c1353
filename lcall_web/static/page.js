// What outlives a page. Links change #main alone, so that the soft phone, the stream and a call in the browser go on.
"use strict";
const page = (() => {
  const AGAIN_MS = 3000;
  const TOLD_MS = 6000;
  const widgets = []; // {selector, start, running: Map(element -> what tidies up after it)}
  const main = () => document.getElementById("main");

  // `start(element)` for each such element, now and whenever one comes; what it returns is called when that one goes.
  function widget(selector, start) {
    const added = { selector, start, running: new Map() };
    widgets.push(added);
    if (ready) begin(added, document.body);
  }

  let ready = false;
  function begin(widget, root) {
    for (const element of widget.running.keys()) if (!element.isConnected) tidy(widget, element); // gone without htmx
    const found = [...root.querySelectorAll(widget.selector)];
    if (root.matches(widget.selector)) found.unshift(root);
    for (const element of found) if (!widget.running.has(element)) widget.running.set(element, widget.start(element) || null);
  }

  function tidy({ running }, element) {
    const after = running.get(element);
    running.delete(element);
    if (after) after();
  }

  addEventListener("DOMContentLoaded", () => {
    htmx.onLoad((added) => {
      ready = true;
      for (const widget of widgets) begin(widget, added);
    });
    mark();
  });

  document.addEventListener("htmx:beforeCleanupElement", (event) => {
    for (const widget of widgets) if (widget.running.has(event.target)) tidy(widget, event.target);
  });

  // -- links and plain forms ------------------------------------------------------------------------------------------

  const ours = ({ boosted, target }) => boosted && target === document.body; // with no target of its own

  // What could not be had or done leaves what stands here: one types again, clicks again, a poll asks again by itself. The
  // failure takes its place where a whole page was asked for (which tries again: failure_told.html), or where nothing stands.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { xhr, target, requestConfig: { elt, verb, triggeringEvent } } = detail;
    const reads = verb === "get";
    if (xhr.status < 400 || (reads && (ours(detail) || target === main()))) return;
    if (xhr.status < 500 && !lacks(xhr.responseText, elt.getAttribute("hx-select"))) return;
    const clicked = triggeringEvent?.isTrusted;
    if (reads && !clicked && elt.getAttribute("hx-swap") !== "outerHTML" && !target.childElementCount) return;
    detail.shouldSwap = false;
    if (!reads || clicked) tell(refusal(xhr.responseText) || document.getElementById("told").dataset.away);
  });

  const read = (text) => new DOMParser().parseFromString(text, "text/html");
  const lacks = (text, part) => part && !read(text).querySelector(part);

  // In the server's words.
  function refusal(text) {
    const answer = read(text);
    const words = [...answer.querySelectorAll("[data-told]")];
    return (words.length ? words : [...answer.querySelectorAll(".alert")].slice(0, 1)).map(plain).join(" ");
  }

  const plain = ({ textContent }) => textContent.replace(/\s+/g, " ").trim();

  document.addEventListener("htmx:configRequest", (event) => {
    if (!ours(event.detail)) return;
    event.detail.headers["HX-Target"] = "main";
    main().classList.add("lc-loading");
  });

  document.addEventListener("htmx:afterRequest", () => main()?.classList.remove("lc-loading"));

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { detail } = event;
    if (!detail.shouldSwap) return;
    if (ours(detail)) {
      if (!(detail.xhr.getResponseHeader("content-type") || "").startsWith("text/html")) {
        detail.shouldSwap = false; // a file: the browser keeps it
        location.assign(detail.pathInfo.responsePath || detail.pathInfo.finalRequestPath);
        return;
      }
      detail.target = main();
      detail.selectOverride = "#main";
      detail.swapOverride = "outerHTML show:window:top";
    }
    if (detail.target !== main()) return;
    fetchScripts(detail.serverResponse);
    // a search that its own page no longer waits for would put its address in the place of the new one's
    for (const asking of main().querySelectorAll(".htmx-request")) {
      if (asking !== detail.requestConfig.elt) htmx.trigger(asking, "htmx:abort");
    }
  });

  // The second half of a double click is meant for what the first half hit, and not for what stands there by now.
  let hit = null;
  document.addEventListener("click", (event) => {
    if (event.detail === 1) hit = event.target.closest("a, button, label, summary") || event.target;
    if (event.detail < 2 || (hit?.isConnected && hit.getClientRects().length)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  // A file to keep is not a page.
  document.addEventListener("click", (event) => {
    if (event.target.closest("a[download]")) event.stopImmediatePropagation();
  }, true);

  document.addEventListener("htmx:historyCacheMissLoad", (event) => fetchScripts(event.detail.response));
  document.addEventListener("htmx:historyCacheMissLoadError", (event) => load(event.detail.path));
  document.addEventListener("htmx:historyCacheMiss", (event) => {
    const { xhr, path } = event.detail;
    xhr.addEventListener("error", () => setTimeout(() => path === here() && load(path), AGAIN_MS));
  });
  document.addEventListener("htmx:sendError", ({ detail }) => {
    if (detail.requestConfig.triggeringEvent?.isTrusted) tell(document.getElementById("told").dataset.away); // somebody clicked
  });

  const here = () => location.pathname + location.search;

  // Who is out has to come in anew, on a page that takes this one's place. A call of the browser's phone would end with it.
  const talks = () => ["ringing", "talking"].includes(window.browserPhone?.state);
  let leaving = null; // waits for the end of his call: one way out is enough
  function leave(go) {
    if (!talks()) return go();
    tell(document.getElementById("told").dataset.out);
    if (leaving) return undefined;
    leaving = () => {
      if (talks()) return;
      document.removeEventListener("browser-phone", leaving);
      leaving = null;
      go();
    };
    return document.addEventListener("browser-phone", leaving);
  }

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.status !== 401 || !talks()) return;
    event.preventDefault();
    tell(document.getElementById("told").dataset.out);
  });

  // Shows that page of ours in place of this one.
  function load(path) {
    return htmx.ajax("GET", path, { target: "#main", select: "#main", swap: "outerHTML" });
  }

  // The scripts that the new page has and this one has not; once here, they begin by themselves.
  const asset = (source) => new URL(source, location).pathname.split("/").slice(3).join("/"); // without its version
  function fetchScripts(text) {
    const known = new Set([...document.scripts].map((each) => each.src && asset(each.src)));
    for (const wanted of read(text).scripts) {
      const source = wanted.getAttribute("src");
      if (!source || known.has(asset(source))) continue;
      const added = document.createElement("script");
      added.src = source;
      added.async = false; // in their order
      document.head.append(added);
    }
  }

  // What stands outside #main and knows the address.
  function mark() {
    address = location.href;
    for (const link of document.querySelectorAll(".lc-menu a")) {
      const below = link.getAttribute("href").replace(/\/$/, "");
      const holds = location.pathname === below || location.pathname.startsWith(`${below}/`);
      link.classList.toggle("active", holds);
      if (holds) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    for (const field of document.querySelectorAll(".lc-language [name=next]")) field.value = here();
  }
  for (const name of ["htmx:pushedIntoHistory", "htmx:replacedInHistory", "htmx:historyRestore"]) {
    document.addEventListener(name, mark);
  }

  // -- Back and Forward -----------------------------------------------------------------------------------------------

  // Who would lose something is asked before another page takes this one's place. `goes()`: he does. What is returned ends it.
  const guards = new Set();
  function guard(goes) {
    guards.add(goes);
    return () => guards.delete(goes);
  }

  let address = location.href; // of what stands here; the browser has another one already when it tells
  const plainly = (url) => url.split("#")[0];
  addEventListener("popstate", (event) => {
    if (plainly(location.href) === plainly(address) || [...guards].every((goes) => goes())) return;
    event.stopImmediatePropagation(); // htmx would fetch the other page
    history.pushState({ htmx: true }, "", address);
  }, true);

  // -- words that are being typed ---------------------------------------------------------------------------------------

  // The letters of a Chinese word are not the word: nothing is sought or counted by them. Texts that are kept as they are
  // written (drafts, sticky notes) are kept so: a crash takes none of them.
  const isKept = (field) => field.closest("[data-draft], .lc-sticky") !== null;
  document.addEventListener("input", (event) => {
    if (event.isComposing && !isKept(event.target)) event.stopImmediatePropagation();
  }, true);
  document.addEventListener("compositionend", ({ target }) => {
    if (!isKept(target)) target.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // -- a word that passes ----------------------------------------------------------------------------------------------

  function tell(text, tone = "warning") {
    const place = document.getElementById("told");
    const line = document.createElement("div");
    line.className = "lc-told";
    line.dataset.tone = tone;
    line.textContent = text;
    place.replaceChildren(line);
    setTimeout(() => line.remove(), TOLD_MS);
  }

  // What is so already is not touched: what is marked there stays marked, and nothing is drawn anew.
  function put(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  return { widget, guard, load, leave, tell, refusal, put };
})();
