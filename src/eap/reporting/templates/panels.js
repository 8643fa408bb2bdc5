// Pickers: of many panels, the one that all choices agree on is shown.
let groups = 0;

function makePicker(picker) {
  const controls = [...picker.querySelectorAll("[data-key]")];
  const panels = [...picker.querySelectorAll(".panel")];
  const none = picker.querySelector(".none");
  const chosen = (control) => control.querySelector("select, input:checked").value;
  const show = () => {
    const wanted = controls.map((control) => [control.dataset.key, chosen(control)]);
    for (const panel of panels) panel.hidden = wanted.some(([key, value]) => panel.dataset[key] !== value);
    if (none) none.hidden = panels.some((panel) => !panel.hidden);
  };
  for (const control of controls) {
    groups += 1;
    control.querySelectorAll("input").forEach((input) => (input.name = `choice-${groups}`));
    const first = control.querySelector("input");
    if (first) first.checked = true; // radios shared no name until now
    control.hidden = false;
    control.addEventListener("change", show);
  }
  if (controls.length) show();
}

// Seeds: the chosen seed's videos are shown and its curves drawn strongly.
function showSeed(seed) {
  players.forEach((player) => player.stop());
  for (const round of document.querySelectorAll(".round")) round.hidden = round.dataset.seed !== seed;
  for (const line of document.querySelectorAll(".card polyline[data-seed]")) {
    line.classList.toggle("thin", line.dataset.seed !== seed);
  }
}

function makeSeeds(radios) {
  radios.forEach((radio) => radio.addEventListener("change", () => showSeed(radio.value)));
  const chosen = radios.find((radio) => radio.checked);
  if (chosen) showSeed(chosen.value);
}

// Colours: as the system says, or as chosen; remembered where the browser allows it.
function makeTheme(fieldset) {
  const root = document.documentElement;
  const radios = [...fieldset.querySelectorAll("input")];
  const apply = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  let kept = "";
  try {
    kept = localStorage.getItem("eap-theme") ?? "";
  } catch {
    // A page opened as a file may have no storage.
  }
  radios.forEach((radio) => {
    radio.checked = radio.value === kept;
    radio.addEventListener("change", () => {
      apply(radio.value);
      try {
        localStorage.setItem("eap-theme", radio.value);
      } catch {
        // Then it lasts as long as the page.
      }
    });
  });
  apply(kept);
  fieldset.hidden = false;
}

// The map: a class in the legend can be picked out.
function makeClasses(legend) {
  const marks = [...document.querySelectorAll(".maps [data-emotion]")];
  let pinned = null;
  const show = (emotion) =>
    marks.forEach((mark) => mark.classList.toggle("faint", emotion !== null && mark.dataset.emotion !== emotion));
  for (const item of legend.children) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...item.childNodes);
    button.setAttribute("aria-pressed", "false");
    item.append(button);
    button.addEventListener("click", () => {
      pinned = pinned === item.dataset.emotion ? null : item.dataset.emotion;
      for (const other of legend.children) {
        other.firstElementChild.setAttribute("aria-pressed", String(other.dataset.emotion === pinned));
      }
      show(pinned);
    });
    item.addEventListener("pointerenter", () => show(item.dataset.emotion));
    item.addEventListener("pointerleave", () => show(pinned));
  }
}

// Contents: the section that is read is marked.
function makeContents(nav) {
  const links = new Map([...nav.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
  const sections = [...links.keys()].map((id) => document.getElementById(id));
  const mark = () => {
    const read = sections.findLast((section) => section.getBoundingClientRect().top < 160) ?? sections[0];
    for (const [id, link] of links) {
      const here = id === read.id;
      if (here === link.hasAttribute("aria-current")) continue;
      link.toggleAttribute("aria-current", here);
      if (!here) continue;
      link.setAttribute("aria-current", "true");
      const list = link.closest("ul");
      list.scrollLeft = link.parentElement.offsetLeft - list.clientWidth / 2 + link.offsetWidth / 2;
    }
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
}
