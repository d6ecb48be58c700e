"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

// Elements: make("a", { href: "#x", onclick: f }, "text", child).
const make = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
};

// A click on a heading sorts its table: first what one wants to see first, then the other way round. Differences go by
// their size, missing values stand last, everything else is text.
const sortable = (table) => {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, index) => {
    const first = heading.dataset.first;
    const one = first === "most" ? "descending" : "ascending";
    const other = first === "most" ? "ascending" : "descending";
    heading.querySelector("button").addEventListener("click", () => {
      const order = heading.getAttribute("aria-sort") === one ? other : one;
      headings.forEach((cell) => cell.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", order);
      const down = order === "descending";
      const rows = [...table.tBodies[0].rows];
      const value = (row) => {
        const text = row.cells[index].dataset.value;
        if (text === undefined) return null;
        const number = text === "inf" ? Infinity : Number(text);
        return first === "nearest" ? Math.abs(number) : number;
      };
      const numeric = rows.some((row) => value(row) !== null);
      rows.sort((a, b) => {
        if (!numeric) {
          const between = a.cells[index].textContent.localeCompare(b.cells[index].textContent, "en", { numeric: true });
          return down ? -between : between;
        }
        const [x, y] = [value(a), value(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return x === y ? 0 : (x < y) === down ? 1 : -1;
      });
      table.tBodies[0].append(...rows);
    });
  });
};
document.querySelectorAll("table").forEach(sortable);

// Filter and columns of the ranking. On a phone only the columns that matter are there, until others are asked for.
const phone = matchMedia("(max-width: 40rem)");
for (const tools of document.querySelectorAll(".tools")) {
  const table = tools.nextElementSibling.querySelector("table");
  const search = tools.querySelector("input[type=search]");
  const count = tools.querySelector(".count");
  tools.hidden = false;
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const name = row.querySelector(".key").textContent.toLowerCase();
      row.classList.toggle("unmatched", !words.every((word) => name.includes(word)));
    }
    const left = rows.filter((row) => !row.classList.contains("unmatched")).length;
    count.textContent = words.length ? `${left} of ${rows.length}` : "";
  };
  search.addEventListener("input", filter);
  const boxes = [...tools.querySelectorAll("input[type=checkbox]")];
  const choose = (box) => {
    for (const row of table.rows) {
      row.cells[box.value].classList.toggle("unchosen", !box.checked);
      row.cells[box.value].classList.toggle("chosen", box.checked);
    }
  };
  const begin = () => {
    for (const box of boxes) {
      box.checked = box.hasAttribute(phone.matches ? "data-vital" : "checked");
      choose(box);
    }
  };
  phone.addEventListener("change", begin);
  begin();
  for (const box of boxes) box.addEventListener("change", () => choose(box));
}

// Every table as comma-separated values, in full precision; a text that says more than its number stands beside it.
const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const said = (cell) => {
  const copy = (cell.querySelector("button") ?? cell).cloneNode(true);
  copy.querySelectorAll("small.beneath").forEach((under) => under.remove());
  return copy.textContent.trim();
};
const csv = (table) => {
  const parts = (cell) => [cell, ...cell.querySelectorAll("small.beneath")];
  const told = [...table.rows].map((row) => [...row.cells].flatMap((cell) => {
    const heading = said(cell);
    return parts(cell).map((part) => {
      const text = part === cell ? heading : row.parentElement === table.tHead ? `${heading}, ${said(part)}` : said(part);
      return { text, value: part.dataset.value };
    });
  }));
  const written = told[0].map((_, i) => told.some((row) => row[i].value && /[±[(]/.test(row[i].text)));
  const line = (cells, top) =>
    cells.flatMap(({ text, value }, i) => {
      const plain = value ?? (text === "–" ? "" : text);
      return written[i] ? [plain, top ? `${text}, written` : text] : [plain];
    });
  return told.map((row, i) => line(row, i === 0).map(quoted).join(",") + "\n").join("");
};
const download = (name, text) => {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
};
for (const box of document.querySelectorAll(".scroll")) {
  const table = box.querySelector("table");
  const name = `${box.ariaLabel ?? "table"}.csv`.replace(/[^\w.[\]=,-]+/g, "-");
  if (table) box.nextElementSibling.append(" ", make("button", { type: "button", class: "plain", onclick: () => download(name, csv(table)) }, "CSV"));
}

for (const button of document.querySelectorAll(".command button")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "Copied";
  });
}

// On paper the help is open, what else is closed stays closed (a hundred sheets that nobody asked for), and a table
// that is wider than the sheet is drawn smaller.
const SHEET = 1020;
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details.help:not([open])")];
  for (const details of closed) details.open = true;
  const tables = [...document.querySelectorAll(".scroll > table")];
  const widths = tables.map((table) => table.scrollWidth); // all before any changes: each change lays the page out anew
  tables.forEach((table, i) => widths[i] > SHEET && (table.style.zoom = SHEET / widths[i]));
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
  for (const table of document.querySelectorAll(".scroll > table")) table.style.zoom = "";
});

// A link into a closed section opens it; #cells?... shows cells, #compare?... puts estimators side by side.
const follow = () => {
  const [place, query] = location.hash.slice(1).split("?");
  if (query !== undefined && place === "cells") return showCells(query);
  document.getElementById("cells").close();
  if (query !== undefined && place === "compare") return choose(new URLSearchParams(query).getAll("with"), true);
  const target = document.getElementById(decodeURIComponent(place));
  for (let element = target; element; element = element.parentElement) {
    if (element instanceof HTMLDetailsElement) element.open = true;
  }
  if (target instanceof HTMLDetailsElement) target.scrollIntoView();
};
const start = () => {
  addEventListener("hashchange", follow);
  if (location.hash) follow();
};
