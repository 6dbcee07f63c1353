// Notices on every page: how many are unread at the bell, and those that must be confirmed as bars above the content. They
// take no focus and cover no soft phone: whoever reads them may be talking.
"use strict";
page.widget("#notices", (place) => {
  const bell = document.getElementById("bell");
  const count = bell.querySelector("b");
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["x-csrf-token"];
  const read = new Set(); // clicked here; the news of it is on its way
  let before = null;

  const name = ({ id, edition }) => `${id}-${edition}`;

  function show(news) {
    count.textContent = news.unread > 99 ? "99+" : news.unread;
    count.hidden = !news.unread;
    bell.setAttribute("aria-label", news.unread ? bell.dataset.unread.replace("{n}", news.unread) : bell.title);
    const wanted = news.bars.filter((bar) => !read.has(name(bar)));
    const known = new Map([...place.querySelectorAll("[data-bar]")].map((bar) => [bar.dataset.bar, bar]));
    for (const [each, bar] of known) if (!wanted.some((one) => name(one) === each)) bar.remove();
    const more = place.querySelector("[data-more]");
    let at = place.firstElementChild;
    for (const each of wanted) {
      const bar = known.get(name(each)) || drawn(each);
      if (bar === at) at = at.nextElementSibling; // one that stands in its place is not touched: it may have the focus
      else at.before(bar);
      fill(bar, each);
    }
    more.hidden = !news.more;
    more.querySelector("span").textContent = more.dataset.words.replace("{n}", news.more);
    again(news);
    before = news;
  }

  // The parts of this page that show notices are asked for again when what they show has changed.
  function again(news) {
    const list = document.getElementById("notice-list");
    if (list && list.dataset.mark !== news.mark) htmx.trigger(document.body, "notices-again");
    if (before && before.written !== news.written) htmx.trigger(document.body, "readers-again");
  }

  function drawn(each) {
    const bar = document.getElementById("notice-bar").content.firstElementChild.cloneNode(true);
    bar.dataset.bar = name(each);
    for (const link of bar.querySelectorAll("a")) link.href = `/notices/${each.id}`;
    bar.querySelector("button").addEventListener("click", () => confirm(bar, each));
    return bar;
  }

  function fill(bar, each) {
    const said = JSON.stringify(each);
    if (bar.said === said) return; // whatever somebody has selected in it stays selected
    bar.said = said;
    bar.querySelector("[data-title]").textContent = each.title;
    bar.querySelector("[data-writer]").textContent = each.writer;
    bar.querySelector("[data-text]").replaceChildren(...each.text.map(([text, leads]) => {
      if (!leads) return document.createTextNode(text);
      const link = document.createElement("a");
      Object.assign(link, { href: text, textContent: text, target: "_blank", rel: "noopener noreferrer" });
      return link;
    }));
    bar.querySelector("[data-whole]").hidden = !each.cut;
    htmx.process(bar);
  }

  async function confirm(bar, each) {
    const button = bar.querySelector("button");
    button.disabled = true;
    const body = new URLSearchParams({ csrf, edition: each.edition });
    try {
      const answer = await fetch(`/notices/${each.id}/read`, { method: "POST", body, headers: { "HX-Request": "true" } });
      if (answer.status === 401) return page.leave(() => location.assign("/login"));
      if (!answer.ok && answer.status !== 404) throw new Error(answer.status); // 404: it was ended meanwhile
      read.add(name(each));
      bar.remove();
    } catch (error) {
      console.warn("not confirmed", error.message);
      button.disabled = false;
      page.tell(place.dataset.unread);
    }
    return undefined;
  }

  // A list that cannot be read now stays as it is; the line above says what is away.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, target } = event.detail;
    if (xhr.status >= 400 && ["notice-list", "readers"].includes(target.id)) event.detail.shouldSwap = false;
  });

  document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr, successful } }) => {
    if (!elt.matches("[data-read]")) return;
    if (successful || xhr.status === 404) htmx.trigger(document.body, "notices-again");
    else page.tell(place.dataset.unread);
  });

  live.follow("notices", show);
});
