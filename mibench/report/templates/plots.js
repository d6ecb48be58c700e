// Small figures of chosen estimators, drawn as SVG: axes, curves, dots.
const drawn = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const written = (x, y, text, more = {}) => drawn("text", { x, y, "font-size": 12, fill: "var(--ink)", ...more }, text);

const ticksOf = (low, high) => {
  const step = 10 ** Math.floor(Math.log10((high - low) / 4 || 1));
  const by = [1, 2, 5, 10].map((k) => k * step).find((s) => (high - low) / s <= 6);
  const ticks = [];
  for (let tick = Math.ceil(low / by - 1e-9) * by; tick <= high + by * 1e-9; tick += by) ticks.push(Number(tick.toPrecision(6)));
  return ticks;
};

// A figure with axes: { width, height, left, x: [low, high], y: [low, high], log, names, xlabel, ylabel }. names stand
// at the y axis in place of numbers.
const figureOf = ({ width = 560, height = 360, left = 52, x, y, log = false, names = null, xlabel, ylabel = "", alt }) => {
  const bottom = 40, top = 8, right = 12;
  const at = (v) => (log ? Math.log10(v) : v);
  const X = (v) => left + ((at(v) - at(x[0])) / (at(x[1]) - at(x[0]))) * (width - left - right);
  const Y = (v) => height - bottom - ((v - y[0]) / (y[1] - y[0])) * (height - bottom - top);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": alt, style: `max-width:${1.3 * width}px` });
  const grid = { stroke: "var(--grid)", "stroke-width": 1 };
  const across = log ? [-3, -2, -1, 0, 1, 2].map((k) => 10 ** k).filter((v) => v >= x[0] && v <= x[1]) : ticksOf(...x);
  for (const v of across) {
    svg.append(drawn("line", { x1: X(v), x2: X(v), y1: top, y2: height - bottom, ...grid }));
    svg.append(written(X(v), height - bottom + 16, String(v).replace("-", "−"), { "text-anchor": "middle" }));
  }
  (names ?? ticksOf(...y)).forEach((v, i) => {
    const where = names ? Y(names.length - 1 - i) : Y(v);
    svg.append(drawn("line", { x1: left, x2: width - right, y1: where, y2: where, ...grid }));
    svg.append(written(left - 7, where + 4, names ? v : String(v).replace("-", "−"), { "text-anchor": "end" }));
  });
  svg.append(written((left + width - right) / 2, height - 6, xlabel, { "text-anchor": "middle" }));
  if (ylabel) svg.append(written(0, 0, ylabel, { transform: `translate(12 ${(height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }));
  return { svg, X, Y };
};

// Marks differ in shape as well as in colour.
const SHAPES = [
  "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0",
  "M-4,-4h8v8h-8z",
  "M0,-5.2L5,4H-5z",
  "M0,-5.5L5.5,0L0,5.5L-5.5,0z",
  "M-5,-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
];
const DASHES = ["", "7 3", "2 2.5", "9 3 2 3", "4 2"];
const mark = (x, y, who, title) =>
  drawn("path", { d: SHAPES[who.place], transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, fill: who.colour, "fill-opacity": 0.85 }, drawn("title", {}, title));
const curve = (points, who) =>
  drawn("polyline", {
    points: points.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "),
    fill: "none", stroke: who.colour, "stroke-width": 2, "stroke-dasharray": DASHES[who.place],
  }, drawn("title", {}, who.name));
