// Videos: one button starts all of a group together; only the first has sound, since all carry the same voice.
const players = [];

function makePlayer(box, bar, collect, label) {
  const [button, seek, clock] = ["button", "input", "output"].map((name) => bar.querySelector(name));
  const card = box.closest(".card");
  let videos = null;
  let playing = false;

  const tell = (seconds) => {
    seek.value = seconds;
    clock.value = `${seconds.toFixed(2)} s`;
    card.dispatchEvent(new CustomEvent("time", { detail: seconds }));
  };
  const ready = () => {
    if (videos) return;
    videos = collect();
    const setLength = () => (seek.max = videos[0].duration || 1);
    videos[0].addEventListener("loadedmetadata", setLength);
    if (videos[0].readyState) setLength();
    videos.forEach((video, index) => {
      video.controls = false;
      video.muted = index > 0;
    });
  };
  const once = (video, ...names) =>
    new Promise((done) => [...names, "error"].forEach((name) => video.addEventListener(name, done, { once: true })));
  const moveTo = async (video, seconds) => {
    // Before its first picture is there, a video takes a new time without telling; while it jumps, it has none either.
    if (video.readyState < 2 && !video.error) await once(video, "loadeddata", "seeked", "canplay");
    if (video.error || Math.abs(video.currentTime - seconds) < 0.001) return;
    video.currentTime = seconds;
    await once(video, "seeked");
  };
  const stop = () => {
    if (!playing) return;
    playing = false;
    for (const video of videos) {
      video.pause();
      video.playbackRate = 1;
      if (!videos[0].ended) video.currentTime = videos[0].currentTime; // stopped, they show the same moment
    }
    button.textContent = label;
    tell(videos[0].currentTime);
  };
  const follow = () => {
    if (!playing) return;
    const lead = videos[0];
    if (lead.ended) return stop();
    for (const video of videos.slice(1)) {
      // Decoders drift apart, and two frames are seen on lips. One that is near catches up by its speed, since a jump
      // costs a busy decoder more time than it wins.
      const behind = lead.currentTime - video.currentTime;
      if (video.ended) continue;
      if (Math.abs(behind) > 0.25) video.currentTime = lead.currentTime;
      video.playbackRate = Math.abs(behind) < 0.02 ? 1 : Math.min(Math.max(1 + 3 * behind, 0.5), 2);
    }
    tell(lead.currentTime);
    requestAnimationFrame(follow);
  };
  const start = async () => {
    players.forEach((player) => player.stop());
    ready();
    playing = true;
    button.textContent = "Pause";
    const from = videos[0].ended ? 0 : videos[0].currentTime;
    await Promise.all(videos.map((video) => moveTo(video, from)));
    if (!playing) return;
    await Promise.allSettled(videos.map((video) => video.play()));
    if (playing && videos[0].paused) return stop();
    follow();
  };
  const seekTo = (seconds) => {
    ready();
    stop();
    videos.forEach((video) => (video.currentTime = seconds));
    tell(seconds);
  };

  button.addEventListener("click", () => (playing ? stop() : start()));
  seek.addEventListener("input", () => seekTo(Number(seek.value)));
  card.addEventListener("seek", (event) => !box.hidden && seekTo(event.detail));
  bar.hidden = false;
  players.push({ stop });
  return ready;
}

// Side by side: the videos are in the page.
function makeRound(round) {
  const videos = [...round.querySelectorAll("video")];
  if (videos.length) makePlayer(round, round.querySelector(".player"), () => videos, "Play together")();
}

// The grid: pictures become videos when they are first played.
function makeGrid(box) {
  const tiles = [...box.querySelectorAll(".tile[data-video]")];
  if (!tiles.length) return;
  // The real recording stands last, but leads: its sound is the voice itself.
  const order = [...tiles].sort((a, b) => !!b.closest(".real") - !!a.closest(".real"));
  const collect = () =>
    order.map((tile) => {
      const image = tile.querySelector("img");
      const video = document.createElement("video");
      Object.assign(video, { src: tile.dataset.video, preload: "auto", playsInline: true, poster: image.src });
      video.setAttribute("aria-label", image.alt);
      image.replaceWith(video);
      return video;
    });
  makePlayer(box, box.querySelector(".player"), collect, "Play the grid");
}

// A tile, large, with controls of its own.
function makeViewer(dialog) {
  const stage = dialog.querySelector(".stage");
  const title = dialog.querySelector("p");
  const show = (tile) => {
    players.forEach((player) => player.stop());
    const shown = tile.querySelector("img, video");
    const name = shown.alt ?? shown.getAttribute("aria-label");
    const large = document.createElement(tile.dataset.video ? "video" : "img");
    if (tile.dataset.video) Object.assign(large, { src: tile.dataset.video, controls: true, loop: true, autoplay: true });
    else Object.assign(large, { src: shown.src, alt: name });
    stage.replaceChildren(large);
    title.textContent = name;
    dialog.showModal();
  };
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => stage.replaceChildren());
  for (const tile of document.querySelectorAll(".tile")) {
    const name = tile.querySelector("img").alt;
    Object.assign(tile, { tabIndex: 0, title: "Show large" });
    tile.setAttribute("role", "button");
    tile.setAttribute("aria-label", `${name}: show large`);
    tile.addEventListener("click", () => show(tile));
    tile.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      show(tile);
    });
  }
}
