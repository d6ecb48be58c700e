// A click on a heading sorts its table: first what one wants to see first, then the other way round. Differences go by
// their size, missing values stand last, everything else is text.
for (const table of document.querySelectorAll("table")) {
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
}

// Filter and columns of the ranking.
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
  const choose = (box) => {
    for (const row of table.rows) row.cells[box.value].classList.toggle("unchosen", !box.checked);
  };
  for (const box of tools.querySelectorAll("input[type=checkbox]")) {
    box.addEventListener("change", () => choose(box));
    choose(box);
  }
}

// A link into a closed section opens it.
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", open);
open();

for (const button of document.querySelectorAll(".command button")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "Copied";
  });
}

// On paper everything is open, and a table that is wider than the sheet is drawn smaller.
const SHEET = 1020;
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) details.open = true;
  for (const table of document.querySelectorAll(".scroll > table")) {
    if (table.scrollWidth > SHEET) table.style.zoom = SHEET / table.scrollWidth;
  }
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
  for (const table of document.querySelectorAll(".scroll > table")) table.style.zoom = "";
});
