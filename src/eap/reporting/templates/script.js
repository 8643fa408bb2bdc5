"use strict";

// Videos: one button starts the three together; only the first has sound, since all carry the same voice.
const players = [];

function makePlayer(round) {
  const videos = [...round.querySelectorAll("video")];
  const bar = round.querySelector(".player");
  if (!videos.length) return;
  const [button, seek, clock] = ["button", "input", "output"].map((name) => bar.querySelector(name));
  const lead = videos[0];
  let playing = false;

  const show = () => {
    seek.value = lead.currentTime;
    clock.value = `${lead.currentTime.toFixed(2)} s`;
  };
  const moveTo = (video, seconds) =>
    new Promise((done) => {
      if (video.readyState >= 2 && Math.abs(video.currentTime - seconds) < 0.001) return done();
      video.addEventListener("seeked", done, { once: true });
      video.currentTime = seconds;
    });
  const stop = () => {
    playing = false;
    videos.forEach((video) => video.pause());
    button.textContent = "Play together";
    show();
  };
  const follow = () => {
    if (!playing) return;
    if (lead.ended) return stop();
    for (const video of videos.slice(1)) {
      // Decoders drift apart; two frames apart is visible on lips.
      if (!video.ended && Math.abs(video.currentTime - lead.currentTime) > 0.08) video.currentTime = lead.currentTime;
    }
    show();
    requestAnimationFrame(follow);
  };
  const start = async () => {
    players.forEach((player) => player.stop());
    playing = true;
    button.textContent = "Pause";
    const from = lead.ended ? 0 : lead.currentTime;
    await Promise.all(videos.map((video) => moveTo(video, from)));
    if (!playing) return;
    await Promise.allSettled(videos.map((video) => video.play()));
    if (playing && lead.paused) return stop();
    follow();
  };

  const setLength = () => (seek.max = lead.duration || 1);
  lead.addEventListener("loadedmetadata", setLength);
  if (lead.readyState) setLength();
  videos.forEach((video, index) => {
    video.controls = false;
    video.muted = index > 0;
  });
  button.addEventListener("click", () => (playing ? stop() : start()));
  seek.addEventListener("input", () => {
    const seconds = Number(seek.value);
    stop();
    videos.forEach((video) => (video.currentTime = seconds));
    clock.value = `${seconds.toFixed(2)} s`;
    seek.value = seconds;
  });
  bar.hidden = false;
  players.push({ stop });
}

// Seeds: the chosen seed's videos are shown and its curves drawn strongly.
function showSeed(seed) {
  players.forEach((player) => player.stop());
  for (const round of document.querySelectorAll(".round")) round.hidden = round.dataset.seed !== seed;
  for (const line of document.querySelectorAll(".card polyline[data-seed]")) {
    line.classList.toggle("thin", line.dataset.seed !== seed);
  }
}

// Charts: drawn by the server in data coordinates, so that zooming only moves the view box.
function roundTicks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * (1 - 1e-9));
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i <= high / step + 1e-9; i++) values.push(i * step);
  return values;
}

function makeChart(plot) {
  const svg = plot.querySelector("svg");
  const lines = [...svg.querySelectorAll("polyline")].map((element) => ({
    element,
    points: element.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number)),
  }));
  const output = plot.parentElement.querySelector("output");
  const box = svg.viewBox.baseVal;
  const full = { x0: box.x, x1: box.x + box.width, y0: -box.y - box.height, y1: -box.y };
  let view = full;
  let at = null;
  let from = null;
  const layer = (name) => plot.appendChild(Object.assign(document.createElement("div"), { className: name, hidden: true }));
  const cursor = layer("cursor");
  const selection = layer("selection");

  const tick = (axis, side, low, high, count) => {
    const spans = roundTicks(low, high, count).map((value) => {
      const span = document.createElement("span");
      const label = span.appendChild(document.createElement("i"));
      label.textContent = Number(value.toPrecision(6));
      span.style[side] = `${(100 * (value - low)) / (high - low)}%`;
      return span;
    });
    plot.querySelector(`.ticks.${axis}`).replaceChildren(...spans);
  };
  const show = (x0, x1) => {
    if (x1 - x0 >= full.x1 - full.x0) view = full;
    else {
      const shift = Math.max(full.x0 - x0, 0) + Math.min(full.x1 - x1, 0);
      [x0, x1] = [x0 + shift, x1 + shift];
      const seen = lines.flatMap((line) => line.points.filter(([x]) => x >= x0 && x <= x1).map(([, y]) => y));
      if (seen.length < 2) return;
      const [low, high] = [Math.min(...seen), Math.max(...seen)];
      const margin = 0.06 * (high - low) || 0.1 * Math.abs(high) || 1;
      view = { x0, x1, y0: low - margin, y1: high + margin };
    }
    svg.setAttribute("viewBox", `${view.x0} ${-view.y1} ${view.x1 - view.x0} ${view.y1 - view.y0}`);
    tick("x", "left", view.x0, view.x1, 4);
    tick("y", "bottom", view.y0, view.y1, 4);
    read(at);
  };
  const percent = (x) => (100 * (x - view.x0)) / (view.x1 - view.x0);
  const read = (x) => {
    at = x === null ? null : Math.min(Math.max(x, view.x0), view.x1);
    cursor.hidden = at === null;
    if (at === null) return (output.value = "");
    cursor.style.left = `${percent(at)}%`;
    const near = (points) => points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best));
    const told = lines
      .filter((line) => !line.element.classList.contains("thin"))
      .map((line) => `${line.element.dataset.name}: ${Number(near(line.points)[1].toPrecision(3))}`);
    output.value = `${Number(at.toPrecision(4))} ${plot.dataset.x} · ${told.join(" · ")}`;
  };
  const xOf = (event) => {
    const area = plot.getBoundingClientRect();
    return view.x0 + ((event.clientX - area.left) / area.width) * (view.x1 - view.x0);
  };

  plot.addEventListener("pointerdown", (event) => {
    from = xOf(event);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    read(xOf(event));
    if (from === null) return;
    const [low, high] = [from, at].sort((a, b) => a - b).map(percent);
    selection.hidden = false;
    Object.assign(selection.style, { left: `${low}%`, width: `${high - low}%` });
  });
  plot.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [low, high] = [from, xOf(event)].sort((a, b) => a - b);
    if (high - low > 0.02 * (view.x1 - view.x0)) show(Math.max(low, view.x0), Math.min(high, view.x1));
    from = null;
    selection.hidden = true;
  });
  plot.addEventListener("pointercancel", () => {
    from = null;
    selection.hidden = true;
  });
  plot.addEventListener("pointerleave", () => read(null));
  plot.addEventListener("blur", () => read(null));
  plot.addEventListener("dblclick", () => show(full.x0, full.x1));
  plot.addEventListener("keydown", (event) => {
    const width = view.x1 - view.x0;
    const middle = at ?? (view.x0 + view.x1) / 2;
    const zoom = (factor) => show(middle - (width * factor) / 2, middle + (width * factor) / 2);
    const move = (step) => {
      if (middle + step < view.x0 || middle + step > view.x1) show(view.x0 + step, view.x1 + step);
      read(middle + step);
    };
    const keys = {
      ArrowLeft: () => move(-width / 40),
      ArrowRight: () => move(width / 40),
      "+": () => zoom(0.5),
      "=": () => zoom(0.5),
      "-": () => zoom(2),
      Escape: () => show(full.x0, full.x1),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
}

document.querySelectorAll(".round").forEach(makePlayer);
document.querySelectorAll(".plot").forEach(makeChart);
const radios = [...document.querySelectorAll('input[name="seed"]')];
radios.forEach((radio) => radio.addEventListener("change", () => showSeed(radio.value)));
const chosen = radios.find((radio) => radio.checked);
if (chosen) showSeed(chosen.value);
