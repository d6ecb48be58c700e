// Two to five estimators side by side: chosen in the ranking, followed by figures and tables.
const MOST_CHOSEN = 5;
const ranked = document.querySelector("#ranking table");
const section = document.getElementById("compare");
const tray = document.getElementById("tray");
let chosen = [];

const hueOf = new Map(data.estimators.map(({ name, hue }) => [name, hue]));
// Each has its own colour; where two share one, the second takes the next that is free.
const looks = () => {
  const taken = new Set();
  return chosen.map((name, place) => {
    let hue = hueOf.get(name);
    while (taken.has(hue)) hue = (hue + 1) % data.hues;
    taken.add(hue);
    return { name, place, colour: `var(--hue-${hue})` };
  });
};

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const spread = (values) => {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, v) => sum + (v - middle) ** 2, 0) / (values.length - 1));
};
const byKey = (items, key) => {
  const groups = new Map();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
};
const scoredCells = (name) => cellsOf(new URLSearchParams({ estimator: name })).filter((i) => fieldOf.truth(i) !== null && !fieldOf.group(i));
const missOf = (i) => (fieldOf.status(i) === "ok" && cells.mi?.[i] != null ? Math.abs(cells.mi[i] - fieldOf.truth(i)) : Infinity);
// The weight of every cell: families count alike, in each of them tasks, then sample sizes, then seeds.
const weighted = (found) => {
  const weights = [];
  const share = (items, keys, weight) => {
    if (!keys.length) return items.forEach((i) => weights.push([i, weight / items.length]));
    const groups = byKey(items, keys[0]);
    for (const group of groups.values()) share(group, keys.slice(1), weight / groups.size);
  };
  share(found, [fieldOf.family, fieldOf.task, fieldOf.n], 1);
  return weights;
};

const legend = (who, extra = "") =>
  make(
    "span",
    { class: "who" },
    drawn("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" }, drawn("path", { d: SHAPES[who.place], fill: who.colour })),
    make("span", {}, `${who.name}${extra}`),
  );

const framed = (title, caption, svg, wide = false) =>
  make("figure", { class: wide ? "wide" : null }, make("h3", {}, title), make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, svg), make("figcaption", {}, caption));

// What the ranking says of each, a row per column of it.
const measures = (all) => {
  const rows = [...ranked.tBodies[0].rows];
  const headings = [...ranked.tHead.rows[0].cells];
  const rowOf = (who) => rows.find((row) => row.querySelector(".key").dataset.name === who.name);
  const found = all.map(rowOf);
  const lines = headings.flatMap((heading, i) => {
    if (heading.classList.contains("key")) return [];
    const texts = found.map((row) => row?.cells[i]);
    const entries = texts.map((cell) => ({ text: cell?.textContent.trim() ?? "–", value: Number(cell?.dataset.value ?? NaN), href: cell?.querySelector("a.cell")?.getAttribute("href") }));
    return [[{ text: heading.querySelector("button").textContent.trim() }, ...entries]];
  });
  return tableOf([["measure", false], ...all.map((who) => [who.name, true])], lines);
};

// The differences of all pairs, with intervals that hold for all pairs of the board together.
const differences = (all) => {
  const of = byKey(data.families, (row) => row[0]);
  const reach = new Map(data.apart.flatMap(([a, b, half]) => [[`${a} ${b}`, half], [`${b} ${a}`, half]]));
  const numberOf = (who) => data.estimators.findIndex(({ name }) => name === who.name);
  const lines = [];
  all.forEach((a, i) => all.slice(i + 1).forEach((b) => {
    const theirs = new Map((of.get(b.name) ?? []).map(([, family, score]) => [family, score]));
    const pairs = (of.get(a.name) ?? []).filter(([, family]) => theirs.has(family)).map(([, family, score]) => score - theirs.get(family));
    if (!pairs.length) return;
    const middle = mean(pairs);
    const half = reach.get(`${numberOf(a)} ${numberOf(b)}`) ?? NaN;
    const [low, high] = [Math.max(-1, middle - half), Math.min(1, middle + half)]; // differences of scores lie within
    const ends = Number.isFinite(half) ? `[${number(low, true)}, ${number(high, true)}]` : "–";
    const apart = Number.isFinite(half) && Math.abs(middle) > half;
    lines.push([
      { text: `${a.name} − ${b.name}` },
      { text: number(middle, true), value: middle },
      { text: ends, value: low },
      { text: apart ? "told apart" : "not told apart", mark: apart ? "better" : "muted" },
      { text: `${pairs.filter((d) => d > 0).length} of ${pairs.length}`, value: pairs.filter((d) => d > 0).length },
    ]);
  }));
  return tableOf([["difference in score", false], ["mean", true], ["interval", true], [data.where, false], ["families won", true]], lines);
};

const familyFigure = (all) => {
  const scores = new Map(data.families.map(([name, family, score]) => [`${name}\n${family}`, score]));
  const of = (who, family) => scores.get(`${who.name}\n${family}`);
  const families = [...new Set(data.families.filter(([name]) => chosen.includes(name)).map((row) => row[1]))];
  const gap = (family) => { const s = all.map((who) => of(who, family)).filter((v) => v !== undefined); return Math.max(...s) - Math.min(...s); };
  families.sort((a, b) => gap(b) - gap(a));
  const left = 14 + 6.6 * Math.max(5, ...families.map((family) => family.length));
  const { svg, X, Y } = figureOf({ height: 60 + 23 * families.length, left, x: [0, 1], y: [-0.6, families.length - 0.4], names: families, xlabel: "score", alt: `Score by family of ${chosen.join(", ")}` });
  families.forEach((family, i) => {
    const y = Y(families.length - 1 - i);
    const places = all.map((who) => [who, of(who, family)]).filter(([, score]) => score !== undefined);
    const xs = places.map(([, score]) => X(score));
    svg.append(drawn("line", { x1: Math.min(...xs), x2: Math.max(...xs), y1: y, y2: y, stroke: "var(--muted)", "stroke-width": 1.5 }));
    for (const [who, score] of places) svg.append(mark(X(score), y, who, `${who.name} on ${family}: ${score.toFixed(3)}`));
  });
  return framed("Score by family", "Families by how far the chosen are apart.", svg);
};

const shareFigure = (all) => {
  const [floor, ceiling] = data.score;
  const x = [(floor / 2) * FACTOR, ceiling * 2 * FACTOR];
  const { svg, X, Y } = figureOf({ x, y: [0, 1], log: true, xlabel: `tolerance (${UNIT})`, ylabel: "share of cells within tolerance", alt: `Shares of cells within a tolerance for ${chosen.join(", ")}` });
  for (const who of all) {
    const steps = weighted(scoredCells(who.name)).map(([i, weight]) => [missOf(i) * FACTOR, weight]).sort((a, b) => a[0] - b[0]);
    let sum = steps.filter(([miss]) => miss <= x[0]).reduce((s, [, weight]) => s + weight, 0);
    const points = [[X(x[0]), Y(sum)]];
    for (const [miss, weight] of steps) {
      if (miss <= x[0] || miss > x[1]) continue;
      points.push([X(miss), Y(sum)], [X(miss), Y((sum += weight))]);
    }
    points.push([X(x[1]), Y(sum)]);
    svg.append(curve(points, who));
  }
  return framed("How often the error is small enough", "The share of cells within each tolerance of the truth, every family with equal weight.", svg);
};

const answersOf = (found) => found.filter((i) => fieldOf.status(i) === "ok" && cells.mi?.[i] != null).map((i) => cells.mi[i] * FACTOR);
const truthFigure = (all) => {
  const points = all.flatMap((who) => [...byKey(scoredCells(who.name), (i) => cells.point[i]).values()].map((own) => [who, own, answersOf(own), fieldOf.truth(own[0]) * FACTOR]));
  const known = points.filter(([, , answers]) => answers.length);
  const top = Math.max(0.3, ...known.map(([, , , truth]) => truth));
  const range = [-0.12 * top, 1.25 * top];
  const { svg, X, Y } = figureOf({ height: 420, x: [-0.04 * top, 1.06 * top], y: range, xlabel: `true mutual information (${UNIT})`, ylabel: "mean estimate", alt: `Estimates against truth for ${chosen.join(", ")}` });
  svg.append(drawn("line", { x1: X(0), y1: Y(0), x2: X(1.06 * top), y2: Y(1.06 * top), stroke: "var(--muted)" }));
  for (const [who, own, answers, truth] of known) {
    const middle = Math.min(Math.max(mean(answers), range[0]), range[1]);
    const x = X(truth) + (who.place - (all.length - 1) / 2) * 3;
    const sd = answers.length > 1 ? spread(answers) : 0;
    const ends = [middle - sd, middle + sd].map((v) => Y(Math.min(Math.max(v, range[0]), range[1])));
    svg.append(drawn("line", { x1: x, x2: x, y1: ends[0], y2: ends[1], stroke: who.colour, "stroke-width": 1.3 }));
    svg.append(mark(x, Y(middle), who, `${who.name} on ${fieldOf.task(own[0])}, n = ${fieldOf.n(own[0])}: ${number(mean(answers))}, truth ${number(truth)}`));
  }
  return framed("Estimate against truth", "A mark per task and sample size, mean and standard deviation over seeds; the line is the truth; what lies beyond stands at the edge.", svg);
};

const taskTable = (all) => {
  const points = new Map();
  all.forEach((who) => scoredCells(who.name).forEach((i) => {
    const own = points.get(cells.point[i]) ?? all.map(() => []);
    own[who.place].push(i);
    points.set(cells.point[i], own);
  }));
  const lines = [...points.entries()].map(([p, owns]) => {
    const [task, n, truth] = data.points[p];
    const misses = owns.map((own) => (own.length ? own.map(missOf).sort((a, b) => a - b)[Math.floor((own.length - 1) / 2)] : Infinity));
    const least = Math.min(...misses);
    return [
      { text: task },
      { text: n.toLocaleString("en"), value: n },
      { text: number(truth * FACTOR), value: truth * FACTOR },
      ...owns.map((own, k) => {
        const answers = answersOf(own);
        const lost = own.length - answers.length;
        const text = !own.length ? "–" : !answers.length ? fieldOf.status(own[0]).replaceAll("_", " ") : number(mean(answers)) + (answers.length > 1 ? ` ± ${number(spread(answers))}` : "") + (lost ? ` (${lost} failed)` : "");
        const href = own.length ? `#cells?${new URLSearchParams({ estimator: all[k].name, task, n })}` : null;
        return { text, value: answers.length ? mean(answers) : NaN, href, mark: Number.isFinite(least) && misses[k] === least ? "best" : "" };
      }),
    ];
  }).sort((a, b) => a[0].text.localeCompare(b[0].text, "en", { numeric: true }) || a[1].value - b[1].value);
  return tableOf([["task", false], ["n", true], ["truth", true], ...all.map((who) => [who.name, true])], lines);
};

const boxed = (label, table, caption) => {
  const save = make("button", { type: "button", class: "plain", onclick: () => download(`${label}.csv`, csv(table)) }, "CSV");
  return [make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table), make("p", { class: "caption" }, caption, " ", save)];
};

const show = () => {
  const all = looks();
  section.hidden = chosen.length < 2;
  if (!section.hidden) {
    section.replaceChildren(
      make("h2", {}, "Side by side"),
      make("p", { class: "chips" }, ...all.map((who) => make("button", { type: "button", class: "plain", "aria-label": `Take ${who.name} out`, onclick: () => choose(chosen.filter((name) => name !== who.name)) }, legend(who, " ×")))),
      ...boxed("Measures", measures(all), "As in the leaderboard."),
      ...boxed("Differences", differences(all), "Mean over the families that both have, with intervals that hold for all ranked pairs of the leaderboard together."),
      make("div", { class: "figures" }, familyFigure(all), make("div", {}, shareFigure(all), truthFigure(all))),
      ...boxed("Task by task", taskTable(all), `Mean estimate ± standard deviation over seeds, in ${UNIT}; the least median |error| is marked.`),
    );
  }
  tray.hidden = !chosen.length;
  if (!chosen.length) return tray.replaceChildren();
  const next = chosen.length < 2 ? make("span", {}, "Tick another to compare.") : make("a", { href: "#compare", onclick: (event) => { event.preventDefault(); section.scrollIntoView(); } }, "Compare");
  tray.replaceChildren(...all.map((who) => legend(who)), next, make("button", { type: "button", class: "plain", onclick: () => choose([]) }, "Clear"));
};

// Marks and panels of the chosen stand out in every figure of the page.
const highlight = () => {
  document.body.classList.toggle("choosing", chosen.length > 0);
  const colours = new Map(looks().map((who) => [who.name, who.colour]));
  for (const element of document.querySelectorAll("svg [data-of]")) {
    const colour = colours.get(element.dataset.of);
    element.classList.toggle("chosen", colour !== undefined);
    element.style.setProperty("--own", colour ?? `var(--hue-${hueOf.get(element.dataset.of) ?? 0})`);
  }
};

const choose = (names, follow = false) => {
  chosen = [...new Set(names)].filter((name) => boxes.has(name)).slice(0, MOST_CHOSEN);
  for (const [name, box] of boxes) {
    box.checked = chosen.includes(name);
    box.disabled = !box.checked && chosen.length >= MOST_CHOSEN;
  }
  highlight();
  show();
  const query = new URLSearchParams(chosen.map((name) => ["with", name]));
  const here = chosen.length ? `#compare?${query}` : "";
  if (!follow) history.replaceState(null, "", location.pathname + location.search + here);
  else if (!section.hidden) section.scrollIntoView();
};

const boxes = new Map();
for (const row of ranked?.tBodies[0].rows ?? []) {
  const cell = row.querySelector(".key");
  const name = new URLSearchParams(row.dataset.about).get("estimator");
  cell.dataset.name = name;
  const box = make("input", { type: "checkbox", "aria-label": `Compare ${name}`, title: `Tick two to ${MOST_CHOSEN} to compare them` });
  box.addEventListener("change", () => choose(box.checked ? [...chosen, name] : chosen.filter((other) => other !== name)));
  boxes.set(name, box);
  cell.prepend(box);
}
highlight();
