// Tables: sorted by a click on a heading, and saved as CSV.
function cellValue(cell) {
  const held = cell.querySelector("[data-value], data");
  if (held) return Number(held.dataset.value ?? held.value);
  const text = cell.textContent.trim();
  if (cell.matches(".absent, .undefined") || text === "–" || text === "") return null;
  const number = Number(text.replaceAll(",", "").replace("−", "-"));
  return Number.isNaN(number) ? text : number;
}

function compareCells(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function makeSortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  if (body.rows.length < 2) return;
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const rows = [...body.rows].map((row) => [cellValue(row.cells[column]), row]);
      // What has no value stays last, whichever way the rest is sorted.
      const known = rows.filter(([value]) => value !== null).sort(([a], [b]) => sign * compareCells(a, b));
      const unknown = rows.filter(([value]) => value === null);
      body.append(...[...known, ...unknown].map(([, row]) => row));
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    });
  });
}

// A table that goes on to the right fades there.
function makeScroll(box) {
  const mark = () => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  box.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(box);
}

function cellText(cell) {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll("[aria-hidden], .hidden-text").forEach((part) => part.remove());
  copy.querySelectorAll("[data-value], data").forEach((part) => (part.textContent = part.dataset.value ?? part.value));
  // Parts that stand under one another on the page are kept apart
  copy.querySelectorAll("small, .std, .interval").forEach((part) => part.prepend(" "));
  return copy.textContent.replace(/\s+/g, " ").trim();
}

function tableCsv(table) {
  const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [...table.rows].map((row) => [...row.cells].map((cell) => quote(cellText(cell))).join(",")).join("\r\n");
}

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function addCsvButton(table) {
  const button = document.createElement("button");
  const name = table.dataset.csv;
  Object.assign(button, { type: "button", className: "csv small", textContent: "CSV", title: `Save "${name}" as CSV` });
  button.setAttribute("aria-label", `Save the table ${name} as CSV`);
  button.addEventListener("click", () =>
    save(`${name.replace(/[^\w.-]+/g, "_")}.csv`, new Blob([`\ufeff${tableCsv(table)}\r\n`], { type: "text/csv" })),
  );
  table.closest(".scroll").after(button);
}

// Whole tables are carried compressed; a browser that can unpack them saves plain CSV.
function makeDownload(link) {
  if (typeof DecompressionStream === "undefined") return;
  const name = link.download.replace(/\.gz$/, "");
  link.textContent = name;
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    const packed = Uint8Array.from(atob(link.href.split(",")[1]), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    save(name, new Blob([await new Response(stream).arrayBuffer()], { type: "text/csv" }));
  });
}
