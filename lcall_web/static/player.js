// The player of a recording: its outline is drawn from the server's figures, its audio is fetched only where one listens.
"use strict";
(() => {
  const nonce = document.body.dataset.nonce;

  async function start(player) {
    const address = player.dataset.player;
    const trouble = player.querySelector("[data-trouble]");
    const fail = () => {
      trouble.textContent = player.dataset.failed;
      trouble.hidden = false;
    };
    const answer = await fetch(`${address}/peaks`).catch((error) => console.warn("no outline of a recording", error.message));
    if (!answer?.ok) { fail(); return null; }
    trouble.hidden = true;
    const { peaks } = await answer.json();
    const seconds = Number(player.dataset.seconds);
    const audio = new Audio();
    audio.preload = "none";
    audio.src = `${address}/audio`;
    const colours = getComputedStyle(document.documentElement);
    const colour = (name) => colours.getPropertyValue(name).trim();
    const channel = (wave, progress) => ({ waveColor: colour(wave), progressColor: colour(progress) });
    const wave = WaveSurfer.create({
      container: player.querySelector("[data-wave]"),
      media: audio,
      peaks: peaks.length ? peaks : [[0], [0]],
      duration: seconds,
      splitChannels: [channel("--lc-left-pale", "--lc-left"), channel("--lc-right-pale", "--lc-right")],
      height: 56,
      barWidth: 2,
      barGap: 1,
      barRadius: 2,
      cursorColor: colour("--lc-cursor"),
      normalize: true,
      cspNonce: nonce,
    });
    const at = player.querySelector("[data-at]");
    wave.on("timeupdate", (now) => { at.textContent = live.duration(now); });
    wave.on("error", fail);
    wave.on("play", () => { player.classList.add("lc-playing"); trouble.hidden = true; });
    wave.on("pause", () => player.classList.remove("lc-playing"));
    wave.on("finish", () => player.classList.remove("lc-playing"));
    const balance = hearing(audio);
    wave.on("destroy", () => { // which leaves alone what is not its own: it would be heard on
      audio.pause();
      audio.removeAttribute("src");
      audio.load();
      balance.close();
    });
    player.querySelector("[data-play]").addEventListener("click", () => { balance.wake(); wave.playPause().catch(fail); });
    player.querySelector("[data-speed]").addEventListener("change", (event) => wave.setPlaybackRate(Number(event.target.value), true));
    // A comment begins at the moment that is heard, and takes the player back there.
    player.addEventListener("focusin", (event) => {
      const field = event.target.closest(".lc-comment-form")?.querySelector("[data-now]");
      if (field && event.target !== field && !field.value) field.value = live.duration(wave.getCurrentTime());
    });
    player.addEventListener("click", (event) => {
      const moment = event.target.closest("[data-seek]");
      if (moment) wave.setTime(Number(moment.dataset.seek));
    });
    for (const button of player.querySelectorAll("[data-hear]")) {
      button.addEventListener("click", () => {
        for (const other of player.querySelectorAll("[data-hear]")) other.classList.toggle("active", other === button);
        balance.hear(button.dataset.hear);
      });
    }
    player.classList.add("lc-drawn");
    return wave;
  }

  // Both voices are heard in both ears; either may be silenced.
  function hearing(audio) {
    let gains = null;
    let wanted = "both";
    let context = null;
    const apply = () => {
      if (!gains) return;
      gains.left.gain.value = wanted === "right" ? 0 : 1;
      gains.right.gain.value = wanted === "left" ? 0 : 1;
    };
    return {
      wake() { // a browser lets audio begin only when somebody has clicked
        if (context) return context.resume();
        context = new AudioContext();
        const splitter = context.createChannelSplitter(2);
        context.createMediaElementSource(audio).connect(splitter);
        gains = { left: context.createGain(), right: context.createGain() };
        [gains.left, gains.right].forEach((gain, n) => { splitter.connect(gain, n); gain.connect(context.destination); });
        return apply();
      },
      hear(whom) { wanted = whom; apply(); },
      close() { context?.close(); },
    };
  }

  page.widget("[data-player]", (player) => {
    let gone = false;
    const play = player.querySelector("[data-play]");
    const begin = (clicked) => start(player).then((wave) => {
      player.wave = wave;
      if (!wave) play.addEventListener("click", begin, { once: true }); // once more, then
      else if (gone) wave.destroy();
      else if (clicked) play.click();
    });
    begin();
    return () => {
      gone = true;
      if (player.wave) player.wave.destroy();
    };
  });
})();
