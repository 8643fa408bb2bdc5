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
  const svg = plot.querySelector("svg.lines");
  const wave = plot.querySelector("svg.wave");
  const fixed = "fixed" in plot.dataset;
  const card = plot.dataset.x === "s" ? plot.closest(".card") : null;
  const lines = [...svg.querySelectorAll("polyline")].map((element) => ({
    element,
    points: element.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number)),
  }));
  const stops = [...new Set(lines.flatMap((line) => line.points.map(([x]) => x)))].sort((a, b) => a - b);
  const output = plot.parentElement.querySelector("output");
  const box = svg.viewBox.baseVal;
  const full = { x0: box.x, x1: box.x + box.width, y0: -box.y - box.height, y1: -box.y };
  let view = full;
  let at = null;
  let from = null;
  const layer = (name) => plot.appendChild(Object.assign(document.createElement("div"), { className: name, hidden: true }));
  const cursor = layer("cursor");
  const selection = layer("selection");
  const playhead = layer("playhead");
  let time = null;

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
    if (fixed) return;
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
    wave?.setAttribute("viewBox", `${view.x0} -1 ${view.x1 - view.x0} 2`);
    tick("x", "left", view.x0, view.x1, 4);
    tick("y", "bottom", view.y0, view.y1, 4);
    read(at);
    place();
  };
  const percent = (x) => (100 * (x - view.x0)) / (view.x1 - view.x0);
  const place = () => {
    playhead.hidden = time === null || time < view.x0 || time > view.x1;
    if (!playhead.hidden) playhead.style.left = `${percent(time)}%`;
  };
  const read = (x) => {
    at = x === null ? null : Math.min(Math.max(x, view.x0), view.x1);
    if (fixed && at !== null) at = stops.reduce((best, stop) => (Math.abs(stop - at) < Math.abs(best - at) ? stop : best));
    cursor.hidden = at === null;
    if (at === null) return (output.value = "");
    cursor.style.left = `${percent(at)}%`;
    const near = (points) => points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best));
    const told = lines
      .filter((line) => !line.element.matches(".thin, .one"))
      .map((line) => `${line.element.dataset.name}: ${Number(near(line.points)[1].toPrecision(3))}`);
    const where = fixed ? `${plot.dataset.x} ${nameAt(at)}` : `${Number(at.toPrecision(4))} ${plot.dataset.x}`;
    output.value = `${where} · ${told.join(" · ")}`;
  };
  const nameAt = (x) => {
    const far = (span) => Math.abs(parseFloat(span.style.left) - percent(x));
    const names = [...plot.querySelectorAll(".ticks.x span")];
    return names.reduce((best, span) => (far(span) < far(best) ? span : best)).textContent;
  };
  const xOf = (event) => {
    const area = plot.getBoundingClientRect();
    return view.x0 + ((event.clientX - area.left) / area.width) * (view.x1 - view.x0);
  };

  card?.addEventListener("time", (event) => {
    time = event.detail;
    place();
  });
  plot.addEventListener("pointerdown", (event) => {
    from = xOf(event);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    read(xOf(event));
    if (from === null || fixed) return;
    const [low, high] = [from, at].sort((a, b) => a - b).map(percent);
    selection.hidden = false;
    Object.assign(selection.style, { left: `${low}%`, width: `${high - low}%` });
  });
  plot.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [low, high] = [from, xOf(event)].sort((a, b) => a - b);
    if (high - low > 0.02 * (view.x1 - view.x0)) show(Math.max(low, view.x0), Math.min(high, view.x1));
    else card?.dispatchEvent(new CustomEvent("seek", { detail: Math.min(Math.max(high, view.x0), view.x1) }));
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
      if (fixed) {
        const next = stops.indexOf(at) + Math.sign(step);
        return read(stops[at === null ? 0 : Math.min(Math.max(next, 0), stops.length - 1)]);
      }
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
