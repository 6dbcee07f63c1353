// The dialog of the browser's phone: which devices, how loud the microphone is, what is in the way.
"use strict";
page.widget("[data-phone-devices]", (dialog) => {
  const find = (selector) => dialog.querySelector(selector);
  const states = JSON.parse(dialog.dataset.states);
  const LISTS = { microphone: "microphones", speaker: "speakers", ringer: "ringers" };
  let meter = null;

  function showState() {
    const { state, reason } = browserPhone;
    find("[data-phone-state]").textContent = states[state];
    find("[data-phone-state]").dataset.phoneState = state;
    find("[data-off]").hidden = state !== "off" || reason !== "";
    find("[data-stop]").hidden = state === "off";
    find("[data-stop]").disabled = ["ringing", "talking"].includes(state);
    for (const section of dialog.querySelectorAll("[data-why]")) {
      section.hidden = section.dataset.why !== reason || !["denied", "failed", "off"].includes(state);
    }
  }

  async function fill() {
    if (!navigator.mediaDevices) return;
    const found = await browserPhone.devices();
    for (const select of dialog.querySelectorAll("[data-kind]")) {
      const all = found[LISTS[select.dataset.kind]];
      const options = all.map(({ id, label }, n) => new Option(label || `${dialog.dataset.unnamed} ${n + 1}`, id));
      select.replaceChildren(select.options[0], ...options);
      const chosen = found.chosen[select.dataset.kind] || "";
      select.value = all.some(({ id }) => id === chosen) ? chosen : "";
      select.disabled = select.dataset.kind !== "microphone" && !all.length;
    }
    find("[data-no-outputs]").hidden = found.speakers.length > 0;
  }

  async function listen() {
    hush();
    if (!navigator.mediaDevices) return;
    const own = (meter = {});
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: browserPhone.constraints() });
    } catch (error) {
      return console.info("no microphone to measure", error.name); // the phone says why
    }
    if (meter !== own) return stream.getTracks().forEach((track) => track.stop());
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 1024 });
    context.createMediaStreamSource(stream).connect(analyser);
    Object.assign(own, { stream, context, timer: setInterval(() => draw(analyser), 60) });
    fill(); // now they have names
  }

  function draw(analyser) {
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
    const level = Math.max(0, Math.min(100, Math.round(100 + (10 * Math.log10(power + 1e-9) * 100) / 60))); // 60 dB
    find("[data-level]").setAttribute("width", level);
    find(".lc-meter").setAttribute("aria-valuenow", level);
    if (level > 45) find("[data-quiet]").dataset.quiet = "heard";
  }

  function hush() {
    const old = meter;
    meter = null;
    if (!old || !old.stream) return;
    clearInterval(old.timer);
    old.stream.getTracks().forEach((track) => track.stop());
    old.context.close();
  }

  dialog.addEventListener("change", async ({ target }) => {
    if (!target.dataset.kind) return;
    await browserPhone.choose(target.dataset.kind, target.value);
    if (target.dataset.kind === "microphone") listen();
  });
  dialog.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    if (button.dataset.test) browserPhone.test(button.dataset.test);
    if ("close" in button.dataset) dialog.closest("dialog").close();
    if ("stop" in button.dataset) browserPhone.stop();
    if ("again" in button.dataset) browserPhone.start({ quiet: true }).then(listen, () => {});
  });
  function tidy() {
    document.removeEventListener("browser-phone", showState);
    if (navigator.mediaDevices) navigator.mediaDevices.removeEventListener("devicechange", fill);
    hush();
  }
  dialog.closest("dialog").addEventListener("close", tidy, { once: true });
  document.addEventListener("browser-phone", showState);
  if (navigator.mediaDevices) navigator.mediaDevices.addEventListener("devicechange", fill);
  showState();
  listen();
  fill();
  return tidy;
});
