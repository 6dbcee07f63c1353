// What the call was about (小结): a tree of up to three levels, one list for each.
"use strict";
const deskCodes = (desk, orders) => {
  const form = desk.querySelector('[data-form="done"]');
  const limit = desk.querySelector("[data-limit]"); // of the wrap-up, beside its clock
  const clock = desk.querySelector(".lc-desk-state time");
  const levels = form.querySelector("[data-levels]");
  const code = form.elements.code;
  let told = null; // the last news: {codes, chosen, required, limit_s}, or null
  let wrapsUp = false;
  let picked = []; // what stands in the lists, level by level
  let drawn = "";
  let wish = ""; // a code that is being told: older news does not take it off the screen
  let telling = Promise.resolve();

  function show(wrapUp, inWrapUp) {
    told = wrapUp;
    wrapsUp = inWrapUp;
    form.querySelector('[data-do="done"]').hidden = !wrapsUp;
    page.put(limit, wrapsUp && told?.limit_s ? ` / ${live.duration(told.limit_s)}` : "");
    clock.dataset.most = (wrapsUp && told?.limit_s) || 0;
    if (!wrapsUp) clock.classList.remove("lc-overlong");
    if (!told) {
      wish = "";
      clear();
      orders.fault(form, "", "");
      return;
    }
    levels.hidden = !told.codes.length;
    form.querySelector("[data-required]").hidden = !told.required;
    if (told.chosen === wish) wish = "";
    redraw();
  }

  function redraw() {
    const drawing = JSON.stringify([told.codes, told.chosen]);
    if (drawing === drawn || wish) return;
    drawn = drawing;
    draw(told.codes, halfway() ? picked : path(told.codes, told.chosen));
  }

  function clear() {
    drawn = code.value = "";
    picked = [];
    removeLists();
  }

  function removeLists() {
    for (const list of levels.querySelectorAll("select")) list.remove();
  }

  // He has gone to a heading, or back to nothing.
  const halfway = () => picked.length > 0 && !code.value;

  function path(codes, id) {
    const found = codes.find((each) => each.id === id);
    return found ? [...path(codes, found.parent), id] : [];
  }

  function draw(codes, chosen) {
    const last = chosen.at(-1);
    const leaf = codes.some((each) => each.id === last) && !codes.some((each) => each.parent === last);
    picked = chosen;
    code.value = leaf ? last : "";
    removeLists();
    let parent = "";
    for (let level = 0; level < 3; level += 1) {
      const options = codes.filter((each) => each.parent === parent);
      if (!options.length) break;
      const list = document.createElement("select");
      list.className = "form-select";
      list.setAttribute("aria-label", `${form.dataset.choose} ${level + 1}`);
      list.add(new Option(form.dataset.choose, ""));
      for (const each of options) list.add(new Option(each.name, each.id, false, each.id === chosen[level]));
      list.addEventListener("change", () => choose(codes, [...chosen.slice(0, level), list.value]));
      levels.append(list);
      if (!chosen[level]) break;
      parent = chosen[level];
    }
  }

  // A heading opens what is below it; a leaf is told at once, so that nothing is lost when the time is over.
  function choose(codes, chosen) {
    draw(codes, chosen);
    orders.fault(form, "", "");
    wish = code.value;
    if (wish) tell(wish);
  }

  // In their order; of those that were chosen meanwhile the last.
  function tell(chosen) {
    telling = telling.then(async () => {
      if (wish !== chosen) return;
      const { ok, said } = await orders.send("/desk/agent/code", { code: chosen });
      if (wish !== chosen) return;
      if (ok) {
        setTimeout(() => { if (wish === chosen) wish = ""; }, orders.NEWS_MS);
        return;
      }
      wish = "";
      clear();
      if (told) redraw();
      if (!orders.fault(form, said.field, said.error)) page.tell(said.error);
    });
  }

  // He is about to leave the wrap-up, and what stands in the lists is not what is stored: a heading, or nothing any more.
  function unfinished() {
    if (!wrapsUp || !halfway() || !(picked[0] || told?.chosen)) return false;
    return orders.fault(form, "code", form.dataset.last);
  }

  // `asked`: where it is said that a code is missing.
  return { show, unfinished, chosen: () => code.value, asked: () => (told ? form : null) };
};
