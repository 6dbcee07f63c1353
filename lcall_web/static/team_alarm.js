// The sound of a call for help: two tones every few seconds while it is wanted.
"use strict";
const teamAlarm = (wanted, sounded) => { // wanted(): whether somebody calls for help; sounded(): it was heard
  const BEEP_MS = 3000;
  let sound = null;

  function beep() {
    if (!wanted() || !sound || sound.state !== "running") return;
    [880, 1175].forEach((pitch, n) => {
      const tone = sound.createOscillator();
      const level = sound.createGain();
      const at = sound.currentTime + n * 0.18;
      tone.frequency.value = pitch;
      level.gain.setValueAtTime(0.0001, at);
      level.gain.exponentialRampToValueAtTime(0.3, at + 0.02);
      level.gain.exponentialRampToValueAtTime(0.0001, at + 0.17);
      tone.connect(level).connect(sound.destination);
      tone.start(at);
      tone.stop(at + 0.18);
    });
    sounded();
  }

  function wake() { // a browser lets a page sound only after a click or a key
    sound ||= new AudioContext();
    if (sound.state === "suspended") sound.resume();
  }

  const timer = setInterval(beep, BEEP_MS);
  for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, wake);
  if (navigator.userActivation?.hasBeenActive) wake();

  function tidy() {
    clearInterval(timer);
    for (const name of ["pointerdown", "keydown"]) document.removeEventListener(name, wake);
    if (sound) sound.close();
  }

  return { beep, tidy };
};
