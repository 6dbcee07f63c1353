// Which microphone, loudspeaker and ringing device this browser's phone has, and its ringing (browser_phone.js).
"use strict";
const browserSound = (() => {
  const home = () => document.getElementById("browser-phone");
  const heard = () => home().querySelector("[data-heard]");
  const ringer = () => home().querySelector("[data-ringer]");

  // {microphone, speaker, ringer} -> the id of a device; none: the system's.
  const chosen = () => JSON.parse(localStorage.getItem("phone-devices") || "{}");

  function choose(kind, id) {
    localStorage.setItem("phone-devices", JSON.stringify({ ...chosen(), [kind]: id }));
  }

  function constraints() {
    const { microphone } = chosen();
    return { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...(microphone ? { deviceId: { ideal: microphone } } : {}) };
  }

  // Their labels are told once the microphone was allowed.
  async function devices() {
    const found = await navigator.mediaDevices.enumerateDevices();
    const of = (kind) => found.filter((one) => one.kind === kind && one.deviceId && one.deviceId !== "default").map(({ deviceId, label }) => ({ id: deviceId, label }));
    const outputs = "setSinkId" in HTMLMediaElement.prototype ? of("audiooutput") : [];
    return { microphones: of("audioinput"), speakers: outputs, ringers: outputs, chosen: chosen() };
  }

  async function place(element, id = "") {
    if (!element.setSinkId || element.sinkId === id) return;
    try {
      await element.setSinkId(id);
    } catch (error) {
      console.warn("that device is not there", error.message); // pulled out: the system's then
      await element.setSinkId("");
    }
  }

  // China's ringing tone (GF 002-9002): 450 Hz, 1 s in 5; louder than a voice, softer than an alarm.
  let tone = null;
  async function ring(on, kind = "ringer") {
    if (tone) {
      tone.context.close();
      tone = null;
      ringer().srcObject = null;
    }
    if (!on) return;
    const context = new AudioContext();
    const own = (tone = { context });
    const gain = new GainNode(context, { gain: 0 });
    const source = new OscillatorNode(context, { frequency: 450 });
    const out = context.createMediaStreamDestination();
    source.connect(gain).connect(out);
    source.start();
    for (let n = 0; n < 60; n++) {
      gain.gain.setTargetAtTime(0.3, 0.1 + n * 5, 0.02);
      gain.gain.setTargetAtTime(0, 1.1 + n * 5, 0.02);
    }
    await place(ringer(), chosen()[kind]);
    if (tone !== own) return;
    ringer().srcObject = out.stream;
    ringer().play().catch((error) => console.warn("it rings in silence: nobody has clicked here yet", error.message));
  }

  // One ring in the loudspeaker of that kind.
  function test(kind) {
    ring(true, kind);
    const own = tone;
    setTimeout(() => tone === own && ring(false), 1500);
  }

  return { heard, ringer, chosen, choose, constraints, devices, place, ring, test };
})();
