// Every number leads to the cells that it was made of.
const cells = data.cells;
const [UNIT, FACTOR] = data.unit;
const fieldOf = {
  estimator: (i) => data.estimators[cells.estimator[i]].name,
  arm: (i) => data.arms[cells.arm?.[i]],
  task: (i) => data.points[cells.point[i]][0],
  n: (i) => data.points[cells.point[i]][1],
  truth: (i) => data.points[cells.point[i]][2],
  family: (i) => data.points[cells.point[i]][3],
  group: (i) => data.points[cells.point[i]][4],
  status: (i) => data.statuses[cells.status[i]],
  message: (i) => data.messages[cells.message[i]],
};
const cellsOf = (query) => {
  const asked = new URLSearchParams(query);
  const wanted = [...new Set(asked.keys())].map((name) => [fieldOf[name], new Set(asked.getAll(name))]);
  if (wanted.some(([field]) => !field)) return [];
  return [...(cells.estimator ?? []).keys()].filter((i) => wanted.every(([field, values]) => values.has(String(field(i)))));
};

// Numbers as the tables write them.
const number = (value, signed = false) => {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const text = size >= 1e5 ? size.toExponential(0) : size.toFixed(size < 9.9995 ? 3 : size < 99.995 ? 2 : 0);
  const sign = value < 0 ? "−" : signed && value > 0 ? "+" : "";
  return /[1-9]/.test(text) ? sign + text : text;
};
const inUnit = (value) => (value === null || value === undefined ? null : value * FACTOR);
const seconds = (value) => {
  const scales = [[9.995e-4, 1e6, "µs"], [0.9995, 1e3, "ms"], [119.5, 1, "s"], [7170, 1 / 60, "min"], [Infinity, 1 / 3600, "h"]];
  const [, scale, name] = scales.find(([limit]) => value < limit);
  return `${(value * scale).toFixed(value * scale < 9.95 ? 1 : 0)} ${name}`;
};

// A table as those of the page: columns of [heading, numeric], rows of { text, value, href, mark }.
const tableOf = (columns, rows) => {
  const key = columns.findIndex(([, numeric]) => !numeric);
  const head = columns.map(([heading, numeric], i) =>
    make("th", { scope: "col", class: `${numeric ? "number" : "text"}${i === key ? " key" : ""}`, "aria-sort": "none", "data-first": "least" }, make("button", { type: "button" }, heading)),
  );
  const body = rows.map((row) =>
    make("tr", {}, ...row.map((entry, i) => {
      const look = `${columns[i][1] ? "number" : entry.text.length > 44 ? "text long" : "text"}${i === key ? " key" : ""} ${entry.mark ?? ""}`;
      const inside = entry.href ? make("a", { href: entry.href, class: columns[i][1] ? "cell" : null }, entry.text) : entry.text;
      return make("td", { class: look.trim(), "data-value": Number.isFinite(entry.value) ? entry.value : null }, inside);
    })),
  );
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
  sortable(table);
  return table;
};

const MOST_ROWS = 300;
const dialog = document.getElementById("cells");
let before = "";
const showCells = (query) => {
  const found = cellsOf(query);
  const has = (name) => cells[name] && found.some((i) => cells[name][i] !== null);
  const varies = (name) => new Set(found.map(fieldOf[name])).size > 1;
  const metrics = [...new Set(found.flatMap((i) => Object.keys(cells.metrics?.[i] ?? {})))];
  const quantity = (value) => ({ text: number(inUnit(value)), value: inUnit(value) });
  const error = (i) => {
    const miss = cells.mi?.[i] == null || fieldOf.truth(i) === null ? null : cells.mi[i] - fieldOf.truth(i);
    return { text: number(inUnit(miss), true), value: inUnit(miss) };
  };
  const text = (name) => (i) => ({ text: String(fieldOf[name](i) ?? "–") });
  const columns = [
    ["estimator", false, text("estimator"), varies("estimator")],
    ["task", false, text("task"), varies("task")],
    ["n", true, (i) => ({ text: fieldOf.n(i).toLocaleString("en"), value: fieldOf.n(i) }), varies("n")],
    ["seed", true, (i) => ({ text: String(cells.seed[i]), value: cells.seed[i] }), true],
    ["truth", true, (i) => quantity(fieldOf.truth(i)), found.some((i) => fieldOf.truth(i) !== null)],
    ["estimate", true, (i) => quantity(cells.mi[i]), has("mi")],
    ["± standard error", true, (i) => quantity(cells.stderr[i]), has("stderr")],
    ["error", true, error, has("mi")],
    ...metrics.map((name) => [name.replaceAll("_", " "), true, (i) => ({ text: number(cells.metrics[i]?.[name]), value: cells.metrics[i]?.[name] }), true]),
    ["wall", true, (i) => ({ text: seconds(cells.wall_s[i]), value: cells.wall_s[i] }), true],
    ["CPU", true, (i) => ({ text: seconds(cells.cpu_s[i]), value: cells.cpu_s[i] }), true],
    ["status", false, (i) => ({ text: fieldOf.status(i).replaceAll("_", " "), mark: fieldOf.status(i) === "ok" ? "muted" : "worse" }), true],
    ["what happened", false, text("message"), found.some((i) => fieldOf.message(i))],
  ].filter((column) => column[3]);
  const rows = (most) => found.slice(0, most).map((i) => columns.map((column) => column[2](i)));
  const asked = new URLSearchParams(query);
  const names = [...new Set(asked.keys())].filter((name) => name !== "message").map((name) => [name, asked.getAll(name)]);
  const title = names.map(([name, values]) => (values.length > 1 ? `${values.length} ${name}s` : name === "n" || name === "truth" ? `${name} = ${values[0]}` : values[0].replaceAll("_", " "))).join(" · ");
  const answered = found.filter((i) => fieldOf.status(i) === "ok").length;
  const box = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Cells" }, tableOf(columns, rows(MOST_ROWS)));
  const all = make("button", { type: "button", class: "plain", onclick: () => { box.replaceChildren(tableOf(columns, rows())); all.remove(); } }, `Show all ${found.length.toLocaleString("en")}`);
  const close = make("button", { type: "button", class: "plain close", onclick: () => dialog.close() }, "Close");
  const save = make("button", { type: "button", class: "plain", onclick: () => download("cells.csv", csv(tableOf(columns, rows()))) }, "CSV");
  dialog.replaceChildren(
    make("header", {}, make("h2", { id: "cells-title" }, title || "All cells"), close),
    make("p", { class: "caption" }, `${found.length.toLocaleString("en")} ${found.length === 1 ? "cell" : "cells"}, ${answered.toLocaleString("en")} answered; in ${UNIT}. `, save),
    box,
    ...(found.length > MOST_ROWS ? [all] : []),
  );
  if (!dialog.open) dialog.showModal();
};
dialog.addEventListener("close", () => {
  if (location.hash.startsWith("#cells?")) history.replaceState(null, "", location.pathname + location.search + before);
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
addEventListener("click", () => {
  if (!location.hash.startsWith("#cells?")) before = location.hash;
}, true);

// The first number of a row is reached by Tab, its neighbours by the arrows.
const numbered = new WeakSet();
const link = (table) => {
  if (numbered.has(table)) return;
  numbered.add(table);
  const where = [...table.tHead.rows[0].cells].map((cell) => (cell.hasAttribute("data-apart") ? null : (cell.dataset.about ?? "")));
  for (const row of table.tBodies[0].rows) {
    if (row.dataset.about === undefined) continue;
    let first = true;
    [...row.cells].forEach((cell, i) => {
      if (!cell.classList.contains("number") || where[i] === null || said(cell) === "–") return;
      const query = [row.dataset.about, where[i]].filter(Boolean).join("&");
      if (!query) return;
      const anchor = make("a", { class: "cell", href: `#cells?${query}`, tabindex: first ? null : -1 }, said(cell));
      cell.replaceChildren(anchor, ...cell.querySelectorAll("small.beneath"));
      first = false;
    });
  }
  table.addEventListener("keydown", (event) => {
    const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const along = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
    const cell = event.target.closest?.("td");
    if (!cell || (!across && !along)) return;
    // the nearest number that way: names and dashes are passed over
    const line = (row, place) => (along ? [row?.[along], place] : [row, place + across]);
    let [row, place] = line(cell.parentElement, cell.cellIndex);
    while (row?.cells[place] && !row.cells[place].querySelector("a.cell")) [row, place] = line(row, place);
    const next = row?.cells[place]?.querySelector("a.cell");
    if (next) {
      next.focus();
      event.preventDefault();
    }
  });
};
const linkIn = (element) => element.querySelectorAll("table").forEach((table) => table.closest("details:not([open])") || link(table));
linkIn(document);
document.addEventListener("toggle", (event) => event.target.open && linkIn(event.target), true);
