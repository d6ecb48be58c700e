// A click on a heading sorts its table; numbers by value with missing ones last, everything else as text.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, index) => {
    heading.querySelector("button").addEventListener("click", () => {
      const down = heading.classList.contains("number")
        ? heading.getAttribute("aria-sort") !== "descending"
        : heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      const value = (row) => {
        const text = row.cells[index].dataset.value;
        return text === undefined ? null : text === "inf" ? Infinity : Number(text);
      };
      const numeric = rows.some((row) => value(row) !== null);
      rows.sort((a, b) => {
        if (!numeric) {
          const order = a.cells[index].textContent.localeCompare(b.cells[index].textContent, "en", { numeric: true });
          return down ? -order : order;
        }
        const [x, y] = [value(a), value(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return x === y ? 0 : (x < y) === down ? 1 : -1;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
